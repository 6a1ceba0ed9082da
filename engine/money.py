"""Rupees at the edges, integer paise inside. Every rounding in the program is decimal half-up (BUG-93)."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

PAISE_PER_RUPEE = 100
_PLAIN_RUPEES = 1e9
_TIE_MARGIN = 1e-4
"""A float below 1e9 rupees and a hundred times it are exact to 3e-5 paise: so far from a tie, both readings agree."""


def paise_from_rupees(rupees: str | int | float | Decimal) -> int:
    """Rupees to integer paise, half-up.

    A float is read through its shortest decimal text, so 100.025 means exactly 100.025.
    Raises ValueError for text that is no finite number.
    """
    if isinstance(rupees, float) and -_PLAIN_RUPEES < rupees < _PLAIN_RUPEES:
        paise = math.floor(rupees * PAISE_PER_RUPEE)
        part = rupees * PAISE_PER_RUPEE - paise
        if abs(part - 0.5) > _TIE_MARGIN:
            return paise + (part > 0.5)
    try:
        value = rupees if isinstance(rupees, Decimal) else Decimal(str(rupees))
    except InvalidOperation:
        raise ValueError(f"{rupees!r} is not a number of rupees") from None
    if not value.is_finite():
        raise ValueError(f"{rupees!r} is not a finite number of rupees")
    return int((value * PAISE_PER_RUPEE).to_integral_value(rounding=ROUND_HALF_UP))


def divide_half_up(numerator: int, denominator: int) -> int:
    """numerator/denominator to the nearest integer; halves go away from zero. denominator > 0."""
    if numerator >= 0:
        return (2 * numerator + denominator) // (2 * denominator)
    return -((-2 * numerator + denominator) // (2 * denominator))


def round_to_tick(paise: int, tick_paise: int) -> int:
    """Nearest multiple of the tick, halves up (LEG-14)."""
    return divide_half_up(paise, tick_paise) * tick_paise


def floor_to_tick(paise: int, tick_paise: int) -> int:
    """Largest multiple of the tick at or below `paise`."""
    return paise // tick_paise * tick_paise


def ceil_to_tick(paise: int, tick_paise: int) -> int:
    """Smallest multiple of the tick at or above `paise`."""
    return -(-paise // tick_paise) * tick_paise


def rupees_text(paise: int, *, signed: bool = False, grouped: bool = False) -> str:
    """`15005` -> `150.05`; with `signed` a plus is printed; `grouped` uses Indian groups (1,23,456.00)."""
    sign = "-" if paise < 0 else ("+" if signed else "")
    whole, part = divmod(abs(paise), PAISE_PER_RUPEE)
    digits = _indian_groups(whole) if grouped else str(whole)
    return f"{sign}{digits}.{part:02d}"


def _indian_groups(whole: int) -> str:
    text = str(whole)
    if len(text) <= 3:
        return text
    head, tail = text[:-3], text[-3:]
    groups: list[str] = []
    while head:
        groups.append(head[-2:])
        head = head[:-2]
    return ",".join([*reversed(groups), tail])
