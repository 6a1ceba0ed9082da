"""A configuration that cannot be used: what is wrong, one line for each fault, so that all can be mended at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

_TEXT_MAX: Final = 60
"""Longest part of an offending value that is shown."""
_HUGE: Final = 10**_TEXT_MAX
_SECRET_WORDS: Final = frozenset(
    {"key", "secret", "token", "password", "passwd", "pin", "totp", "apikey", "appkey", "webhook", "apprise"}
)


class ConfigError(Exception):
    """The user must change a file or a variable. `str()` is one line per fault, in the order they were found."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class Fault(msgspec.Struct, frozen=True):
    """One key that cannot stay as it is."""

    path: tuple[str, ...]
    reason: str
    """What is allowed, or what is wrong."""
    value: str = ""
    """The offending value as it may be shown; empty when there is none."""

    @property
    def text(self) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{'.'.join(self.path)}{value}: {self.reason}"


def shown(value: object) -> str:
    """A value as a message shows it: on one line, control characters escaped, shortened."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if abs(value) >= _HUGE:  # its decimal text may be too long to make
            return f"a number of more than {_TEXT_MAX} digits"
        case str():
            return f'"{_shortened(value)}"'
        case dict():
            return "a table"
        case list():
            return "a list"
        case _:
            return _shortened(str(value))


def sounds_secret(key: str) -> bool:
    """The key's name says that its value must not be repeated in a message."""
    return not _SECRET_WORDS.isdisjoint(key.lower().replace("-", "_").split("_"))


def printable(text: str) -> str:
    """On one line, everything that is not printable escaped (SEC-02, SEC-13)."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _shortened(text: str) -> str:
    clean = printable(text[: _TEXT_MAX + 1])
    return clean if len(text) <= _TEXT_MAX else f"{clean[:_TEXT_MAX]}…"
