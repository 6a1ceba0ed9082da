"""What keeps a command from starting, in one line for the person at the terminal."""

from __future__ import annotations


class StartFailed(Exception):
    """The desk or venue cannot start; the text is one line a trader can act on (exit code 1)."""
