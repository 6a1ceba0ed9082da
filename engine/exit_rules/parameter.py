"""What one parameter of an exit rule takes: its key in the configuration, its unit and its bounds.

A rule's field is `Annotated[int, percent("gain_pct", low=1, high=10_000)]`, with a docstring below it, and holds the
engine's unit; a person writes and reads the key's own. Reading, checking, the error messages, `strikedesk check` and
docs/configuration.md are all made from it, so a new rule says each thing once.
"""

from __future__ import annotations

import re
from datetime import time
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Final, cast, get_type_hints

import msgspec

_TIME_FORM: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_NUMBER_MAX: Final = 10**12
_DAY_S: Final = 86_400

ParamValue = int | str | tuple[str, ...]


class Unit(StrEnum):
    """What a person writes; the field's own unit is in the comment."""

    PERCENT = "%"  # basis points
    RUPEES = "₹"  # paise
    COUNT = "count"
    FACTOR = "factor"  # hundredths
    TIME = "time"  # seconds since IST midnight
    WORD = "word"
    WORDS = "words"  # tuple of texts


_SCALE: Final = {Unit.PERCENT: 100, Unit.RUPEES: 100, Unit.COUNT: 1, Unit.FACTOR: 100}


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of one parameter. Bounds are inclusive and in the field's unit."""

    key: str
    unit: Unit
    low: int = 0
    high: int = 0
    words: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What a person may write."""
        match self.unit:
            case Unit.TIME:
                return "a time of day, HH:MM"
            case Unit.WORD:
                return f"one of {', '.join(self.words)}"
            case Unit.WORDS:
                return f"a list of {', '.join(self.words)}"
            case Unit.COUNT:
                return f"a whole number from {self.low} to {self.high}"
            case _:
                return f"a number from {self._plain(self.low)} to {self._plain(self.high)}, at most two decimals"

    def holds(self, value: object) -> bool:
        """A field may have this value."""
        match self.unit:
            case Unit.WORD:
                return value in self.words
            case Unit.WORDS:
                items = cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()
                return bool(items) and all(item in self.words for item in items)
            case Unit.TIME:
                return type(value) is int and 0 <= value < _DAY_S
            case _:
                return type(value) is int and self.low <= value <= self.high

    def read(self, raw: object) -> ParamValue:
        """The field's value for what stands in the configuration. Raises ValueError with what is allowed."""
        value: object
        match self.unit:
            case Unit.TIME:
                value = _seconds(raw)
            case Unit.WORD:
                value = raw
            case Unit.WORDS:
                value = tuple(cast("list[object]", raw)) if isinstance(raw, list) else raw
            case _:
                value = _scaled(raw, _SCALE[self.unit])
        if not self.holds(value):
            raise ValueError(f"must be {self.allowed}")
        return cast("ParamValue", value)

    def plain(self, value: ParamValue) -> object:
        """The value as the configuration writes it: a number, a text or a list."""
        match value:
            case int() if self.unit is Unit.TIME:
                return _clock(value)
            case int():
                return self._plain(value)
            case tuple():
                return list(value)
            case _:
                return value

    def text(self, value: ParamValue) -> str:
        """`10 %`, `₹2.50`, `2.0`, `15:20`."""
        match value:
            case int() if self.unit is Unit.PERCENT:
                return percent_text(value)
            case int() if self.unit is Unit.RUPEES:
                return f"₹{Decimal(value) / 100:.2f}"
            case int() if self.unit is Unit.FACTOR:
                return f"{Decimal(value) / 100}" if value % 10 else f"{Decimal(value) / 100:.1f}"
            case tuple():
                return "/".join(value)
            case _:
                return f"{self.plain(value)}"

    def _plain(self, value: int) -> int | Decimal:
        return value if self.unit is Unit.COUNT else _unscaled(value, _SCALE[self.unit])


def percent(key: str, *, low: int, high: int) -> Param:
    """A share; field and bounds in basis points."""
    return Param(key=key, unit=Unit.PERCENT, low=low, high=high)


def rupees(key: str, *, low: int, high: int) -> Param:
    """An amount; field and bounds in paise."""
    return Param(key=key, unit=Unit.RUPEES, low=low, high=high)


def count(key: str, *, low: int, high: int) -> Param:
    """A whole number."""
    return Param(key=key, unit=Unit.COUNT, low=low, high=high)


def factor(key: str, *, low: int, high: int) -> Param:
    """A multiplier; field and bounds in hundredths."""
    return Param(key=key, unit=Unit.FACTOR, low=low, high=high)


def clock_time(key: str) -> Param:
    """A time of day in IST; field in seconds since midnight."""
    return Param(key=key, unit=Unit.TIME)


def word(key: str, *words: str) -> Param:
    """One of some words."""
    return Param(key=key, unit=Unit.WORD, words=words)


def some_of(key: str, *words: str) -> Param:
    """One or more of some words."""
    return Param(key=key, unit=Unit.WORDS, words=words)


def percent_text(bps: int) -> str:
    """`2.5 %`."""
    return f"{_unscaled(bps, 100):f} %"


@cache
def params_of(rule: type[msgspec.Struct]) -> dict[str, Param]:
    """The parameters of a rule by field, in order."""
    hints: dict[str, Any] = get_type_hints(rule, include_extras=True)
    found: dict[str, Param] = {}
    for field in rule.__struct_fields__:
        extras: tuple[object, ...] = getattr(hints[field], "__metadata__", ())
        param = next((extra for extra in extras if isinstance(extra, Param)), None)
        if param is not None:
            found[field] = param
    return found


def _unscaled(value: int, scale: int) -> Decimal:
    """Without needless decimals: 5000 -> 50, 250 -> 2.5."""
    return Decimal(value // scale) if value % scale == 0 else (Decimal(value) / scale).normalize()


def _scaled(raw: object, scale: int) -> int | None:
    """A number of the configuration times `scale`, when that is whole."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        return None
    number = Decimal(str(raw)) if isinstance(raw, float) else Decimal(raw)
    if not number.is_finite() or abs(number) > _NUMBER_MAX:
        return None
    scaled = number * scale
    return int(scaled) if scaled == scaled.to_integral_value() else None


def _seconds(raw: object) -> int | None:
    if isinstance(raw, time) and raw.tzinfo is None and not raw.microsecond:
        return raw.hour * 3600 + raw.minute * 60 + raw.second
    match = _TIME_FORM.fullmatch(raw) if isinstance(raw, str) else None
    return None if match is None else int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)


def _clock(seconds: int) -> str:
    minutes, s = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{s:02d}" if s else "")
