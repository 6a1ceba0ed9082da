"""What one key of the configuration takes: the bounds and the words beside its type, and how to say them.

A field of the model is `Annotated[type, Key(...)]` with a docstring below it. The loader checks against it, the error
messages and docs/configuration.md are made from it; so there is one place where a key is described.
"""

from __future__ import annotations

import re
from datetime import time
from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

TIME_FORM: Final = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?", re.ASCII)


class Key(msgspec.Struct, frozen=True):
    """Facts of one key. Bounds are inclusive and in the key's own unit."""

    row: str
    """Requirement rows it serves."""
    unit: str = ""
    low: Decimal | int | None = None
    high: Decimal | int | None = None
    is_live: bool = False
    """May change while the desk runs (OPS-13)."""
    pattern: str = ""
    """Whole-match regular expression of a text."""
    form: str = ""
    """`pattern` in words."""
    instead_of: str = ""
    """Another key of the table that says the same in another unit: only one of the two may be given."""


class KeyType(msgspec.Struct, frozen=True, kw_only=True):
    """The type of a field, taken apart."""

    base: Any
    """bool, int, Decimal, str, time, a StrEnum class, tuple (of texts), ExitRule (a list of them) or a Struct class."""
    words: tuple[str, ...] = ()
    """The only texts allowed; with a Decimal base: texts allowed instead of a number."""


def keys_of(table: type[msgspec.Struct]) -> dict[str, tuple[KeyType, Key]]:
    """The keys of one table that carry a Key, in order; sub-tables are left out."""
    return {name: described for name, hint in _hints(table).items() if (described := _described(hint)) is not None}


def tables_of(table: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """The sub-tables of one table by name."""
    return {
        name: hint
        for name, hint in _hints(table).items()
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    }


def allowed(kind: KeyType, key: Key) -> str:
    """What the key takes, in words."""
    if kind.base is bool:
        return "true or false"
    if kind.base is int:
        return f"a whole number{_bounds(key)}"
    if kind.base is Decimal:
        number = f"a number{_bounds(key)}"
        return f"{', '.join(kind.words)} or {number}" if kind.words else number
    if kind.base is time:
        return "a time of day, HH:MM"
    if kind.words:
        return f"{'one of ' if len(kind.words) > 1 else 'only '}{', '.join(kind.words)}"
    form = key.form or "text"
    return f"a list of {form}" if kind.base is tuple else form


def _bounds(key: Key) -> str:
    match key.low, key.high:
        case None, None:
            return ""
        case low, None:
            return f" of {low} or more"
        case None, high:
            return f" up to {high}"
        case low, high:
            return f" from {low} to {high}"


def _hints(table: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(table, include_extras=True)
    return {name: hints[name] for name in table.__struct_fields__}


def _described(hint: Any) -> tuple[KeyType, Key] | None:
    if get_origin(hint) is not Annotated:
        return None
    inner, *extras = get_args(hint)
    key = next((extra for extra in extras if isinstance(extra, Key)), None)
    return None if key is None else (_key_type(inner), key)


def _key_type(inner: Any) -> KeyType:
    origin = get_origin(inner)
    if origin is Literal:
        return KeyType(base=str, words=get_args(inner))
    if origin in (Union, UnionType):  # text words or a number
        words = [word for part in get_args(inner) if get_origin(part) is Literal for word in get_args(part)]
        return KeyType(base=Decimal, words=tuple(words))
    if origin is tuple:
        items = get_args(inner)[0]
        return KeyType(base=tuple if items is str else items)
    if isinstance(inner, type) and issubclass(inner, StrEnum):
        return KeyType(base=inner, words=tuple(word.value for word in inner))
    return KeyType(base=inner)
