"""Numbers as brokers write them: 75, "75.0", "1,671.00", "1.7375706E9", "", "NaN", null. Never raises.

None means "no number": what that is worth (an unknown price, a row to skip) is the caller's to say.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

_LONGEST: Final = 32
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_LARGEST: Final = Decimal(10) ** 15


def decimal_of(value: object) -> Decimal | None:
    """Finite and below 1e15 either way; booleans are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).replace(",", "").strip() if isinstance(value, str) else repr(value)
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if abs(number) < _LARGEST else None


def paise_of(value: object) -> int | None:
    """Rupees to paise, half-up."""
    number = decimal_of(value)
    return None if number is None else int((number * 100).to_integral_value(rounding=ROUND_HALF_UP))


def whole_of(value: object) -> int | None:
    """A whole number, signed; a fraction is none."""
    number = decimal_of(value)
    return None if number is None or number != number.to_integral_value() else int(number)


def rupees_of(paise: int) -> float:
    """For the wire; exact to the paisa after the receiver's rounding to two places."""
    return paise / 100
