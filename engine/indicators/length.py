"""The one bound that all indicators share: over how many bars they look."""

from __future__ import annotations


def checked_length(length: int, at_least: int = 1) -> int:
    """The length itself. Raises ValueError when it is too short to mean anything."""
    if length < at_least:
        raise ValueError(f"length {length}: at least {at_least}")
    return length
