"""Client tags: our id of an order, unique for ever, made before the commit that intends it (design §4).

`SD` + run number + order number in base 36 + a letter for the role: 12 letters and digits, inside every broker's 20.
The run number is handed out by the journal and never used twice: no collision after a restart (STO-17). One maker
serves all bots of a desk, so no two of their orders or brackets can have one name.
"""

from __future__ import annotations

from engine.order import Role

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LENGTH_MIN = 12
_ROLE_LETTER = {Role.ENTRY: "E", Role.HEDGE: "H", Role.TARGET: "T", Role.STOP: "S", Role.EXIT: "X", Role.REPAIR: "R"}


def base36(number: int, width: int) -> str:
    """Upper-case base 36, zero-padded; longer than `width` when the number needs it."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text.rjust(width, "0")


def run_prefix(run_no: int) -> str:
    """What every tag of a run begins with."""
    return f"SD{base36(run_no, 4)}"


def is_tag(text: str) -> bool:
    """Made by some desk like this one; whether by ours, the journal knows."""
    return len(text) >= _LENGTH_MIN and text.startswith("SD") and text.isalnum() and text[-1] in _ROLE_LETTER.values()


class TagMaker:
    """Counts the orders and brackets of one run."""

    def __init__(self, run_no: int) -> None:
        self._run = base36(run_no, 4)
        self._orders = 0
        self._brackets = 0

    def next_tag(self, role: Role) -> str:
        self._orders += 1
        return f"SD{self._run}{base36(self._orders, 5)}{_ROLE_LETTER[role]}"

    def next_bracket_id(self) -> str:
        self._brackets += 1
        return f"B{self._run}{base36(self._brackets, 4)}"


_ROLE_OF_LETTER = {letter: role for role, letter in _ROLE_LETTER.items()}


def role_of(tag: str) -> Role | None:
    """Why the order of this tag exists; None when the tag is not one of ours."""
    return _ROLE_OF_LETTER.get(tag[-1:]) if tag.startswith("SD") else None
