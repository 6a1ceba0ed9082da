"""Decoded JSON as typed mappings and lists: what is no object is an empty one, what is no list is None. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def object_of(value: object) -> Mapping[str, Any]:
    """The object, or an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def rows_of(value: object) -> list[object] | None:
    """The list, or None when it is something else."""
    return cast("list[object]", value) if isinstance(value, list) else None
