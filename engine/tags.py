"""Client tags: our id of an order, unique for ever, made before the commit that intends it (design §4).

`SD` + run number + order number in base 36 + a letter for the role: 12 letters and digits, inside every broker's 20.
The run number is handed out by the journal and never used twice: no collision after a restart (STO-17).
"""

from __future__ import annotations

from engine.order import Role

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ROLE_LETTER = {Role.ENTRY: "E", Role.TARGET: "T", Role.STOP: "S", Role.EXIT: "X", Role.REPAIR: "R"}


def base36(number: int, width: int) -> str:
    """Upper-case base 36, zero-padded; longer than `width` when the number needs it."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text.rjust(width, "0")


class TagMaker:
    """Counts the orders of one run."""

    def __init__(self, run_no: int) -> None:
        self._prefix = f"SD{base36(run_no, 4)}"
        self._orders = 0

    def next_tag(self, role: Role) -> str:
        self._orders += 1
        return f"{self._prefix}{base36(self._orders, 5)}{_ROLE_LETTER[role]}"
