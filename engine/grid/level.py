"""One level of a grid: what it waits for, and the only moves it can make (GRD-11..22). Pure.

    FRESH -> ENTRY_PLACED -> TARGET_READY -> TARGET_PLACED -> FRESH, with a new uuid, or OCO_FILLED for good

A level holds no order itself: its cycle is a bracket on token A, and its hedge a share of a hedge group on token B.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.grid.geometry import Rung
from engine.grid.terms import TradeSide, trade_side_of
from engine.grid.view import LevelWord
from engine.order import Side

W = LevelWord

MOVES: Final[dict[LevelWord, frozenset[LevelWord]]] = {
    W.FRESH: frozenset({W.ENTRY_PLACED, W.PAUSED}),
    # back when the entry ended without a fill (GRD-19, GRD-20)
    W.ENTRY_PLACED: frozenset({W.FRESH, W.TARGET_READY, W.PAUSED}),
    W.TARGET_READY: frozenset({W.TARGET_PLACED, W.FRESH, W.OCO_FILLED, W.PAUSED, W.DONE}),
    W.TARGET_PLACED: frozenset({W.TARGET_READY, W.FRESH, W.OCO_FILLED, W.PAUSED, W.DONE}),
    W.OCO_FILLED: frozenset(),
    W.PAUSED: frozenset({W.FRESH}),
    W.DONE: frozenset(),
}


class IllegalLevelMove(Exception):
    """Our bug: a move that the table does not hold. The level is left as it was."""


class Level(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Stored in the bot's memory by name; prices in paise, quantities in units."""

    uuid: str
    """12 hex characters, new for every cycle (GRD-16)."""
    index: int
    side: Side
    """Of its entry."""
    entry_paise: int
    target_paise: int
    qty: int
    state: LevelWord = LevelWord.FRESH
    cycle: str = ""
    """Bracket on token A; empty while FRESH."""
    is_told: bool = False
    """The placed entry's line was said: it has an id."""
    placed_b_paise: int = 0
    """Token B when the entry was placed: what a hedge is priced from when no fresher price exists (GRD-07)."""
    token_b_paise: int = 0
    """Token B when the entry filled; 0 = not known yet."""
    is_stale: bool = False
    """The hedge was priced from the older one."""
    hedge_paise: int = 0
    """Trigger of the hedge; 0 = none yet."""
    due_ns: int = 0
    """When token B reached the trigger; 0 = it has not."""
    group: str = ""
    """Hedge group that carries its share."""
    hedged_qty: int = 0
    """Units of token B that have filled for this cycle."""
    trimmed_qty: int = 0
    """Part of them that nobody needs any more and that are being closed (GRD-18)."""
    settling: str = ""
    """Hedge group whose surplus of the cycle before is not closed yet: no entry meanwhile (H-08)."""
    cycles: int = 0
    rejects: int = 0
    retry_ns: int = 0
    """No entry before this instant, after a refusal (GRD-19)."""
    note: str = ""

    @property
    def trade_side(self) -> TradeSide:
        return trade_side_of(self.side)

    @property
    def label(self) -> str:
        return f"{self.side.value[0]}{self.index}"

    @property
    def is_filled(self) -> bool:
        """Its entry has filled, wholly or in part, and it is not over."""
        return self.state in (W.TARGET_READY, W.TARGET_PLACED)

    @property
    def is_closed(self) -> bool:
        return self.state in (W.OCO_FILLED, W.DONE)

    def move(self, state: LevelWord) -> bool:
        """Enter `state`; False when already there. Raises IllegalLevelMove and changes nothing."""
        if state is self.state:
            return False
        if state not in MOVES[self.state]:
            raise IllegalLevelMove(f"level {self.label} {self.uuid}: {self.state.value} -> {state.value} is no move")
        self.state = state
        return True

    def place(self, bracket_id: str, token_b_paise: int) -> None:
        """Its entry is on its way (GRD-13)."""
        self.move(W.ENTRY_PLACED)
        self.cycle = bracket_id
        self.placed_b_paise = token_b_paise
        self.is_told = False

    def take_back(self) -> None:
        """The entry ended without a fill: as before it (GRD-20)."""
        self.move(W.FRESH)
        self._clear()

    def begin_again(self, uuid: str, *, reenters: bool) -> None:
        """The cycle is over by its target: a new one may begin, or the level is done (GRD-16, GRD-22)."""
        settling = self.group if self.trimmed_qty else ""
        self.move(W.FRESH if reenters else W.DONE)
        self.uuid = uuid
        self.cycles += 1
        self.rejects = self.retry_ns = 0
        self._clear()
        self.settling = settling

    def _clear(self) -> None:
        self.cycle = self.group = self.note = ""
        self.is_told = self.is_stale = False
        self.placed_b_paise = self.token_b_paise = self.hedge_paise = self.due_ns = 0
        self.hedged_qty = self.trimmed_qty = 0


def fresh_level(rung: Rung, uuid: str) -> Level:
    """A level as it is built (GRD-01)."""
    return Level(
        uuid=uuid,
        index=rung.index,
        side=rung.side,
        entry_paise=rung.entry_paise,
        target_paise=rung.target_paise,
        qty=rung.qty,
    )
