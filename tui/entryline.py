"""The lines a trader types into at the bottom: filter, command, and the entry line for buy and sell. Pure editors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from engine.order import Side
from engine.view import LegView
from tui.format import clean

MAX_TEXT: Final = 60
MAX_LOTS_DIGITS: Final = 4


class TextLine:
    """One line of typed text with the cursor at its end: characters, Backspace, Ctrl+U."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def press(self, key: str) -> bool:
        """Edit; False when the key is no editing key."""
        if key == "backspace":
            self.text = self.text[:-1]
        elif key == "ctrl+u":
            self.text = ""
        elif key == "space":
            self._append(" ")
        elif len(key) == 1 and key.isprintable():
            self._append(key)
        else:
            return False
        return True

    def _append(self, char: str) -> None:
        if len(self.text) < MAX_TEXT:
            self.text += char


class FilterLine(TextLine):
    """Filters the panel while it is typed."""


class CommandLine(TextLine):
    """Names an action of the table."""


class _Target(NamedTuple):
    word: str
    symbols: tuple[str, ...]
    bot: str


class EntryLine:
    """Side, legs and lots of an entry that is being prepared. No lots typed means the configured number."""

    def __init__(self, side: Side, legs: Sequence[LegView]) -> None:
        self.side = side
        self.lots_text = ""
        bots = list(dict.fromkeys(leg.bot for leg in legs))
        self._targets: list[_Target] = []
        if len(bots) > 1:
            self._targets.append(_Target("all", (), ""))
        for bot in bots:
            mine = [leg for leg in legs if leg.bot == bot]
            self._targets += _targets_of(mine, bot if len(bots) > 1 else "")
        self._index = 0

    @property
    def lots(self) -> int:
        return int(self.lots_text or "0")

    @property
    def symbols(self) -> tuple[str, ...]:
        """Empty means every leg of the group."""
        return self._targets[self._index].symbols

    @property
    def bot(self) -> str:
        """Empty means every bot that has the symbols."""
        return self._targets[self._index].bot

    @property
    def target(self) -> str:
        return self._targets[self._index].word

    @property
    def targets(self) -> list[str]:
        return [target.word for target in self._targets]

    def press(self, key: str) -> bool:
        """Edit; False when the key is no editing key."""
        if key in ("tab", "shift+tab"):
            step = 1 if key == "tab" else -1
            self._index = (self._index + step) % len(self._targets)
        elif key == "backspace":
            self.lots_text = self.lots_text[:-1]
        elif len(key) == 1 and key in "0123456789":
            if len(self.lots_text) < MAX_LOTS_DIGITS:
                self.lots_text = (self.lots_text + key).lstrip("0")
        else:
            return False
        return True


def _targets_of(legs: Sequence[LegView], bot: str) -> list[_Target]:
    """All legs of one bot together, then each; the bot is named when there are several."""
    prefix = f"{clean(bot)} " if bot else ""
    targets = [_Target(f"{prefix}{'both' if len(legs) == 2 else 'all'}", (), bot)] if len(legs) > 1 else []
    kinds = [leg.option_type for leg in legs]
    for leg in legs:
        # CE and PE say enough while there is one of each; otherwise the strike tells them apart.
        word = leg.option_type if leg.option_type and kinds.count(leg.option_type) == 1 else leg.name
        targets.append(_Target(f"{prefix}{clean(word)}", (leg.symbol,), bot))
    return targets
