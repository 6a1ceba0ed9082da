"""One open position that exit rules are asked about: every price, candle and reading happens when a test says so."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from engine.bars import Bar
from engine.exit_rules.rule import ExitRule, Proposal, RuleFacts, RuleMemory, Story
from engine.instant import NS_PER_S
from engine.order import Side
from engine.reading import MINUTE_NS, IndicatorSpec, Reading

OPENED_NS = 1_800_000_000 * NS_PER_S


@dataclass
class Board:
    """The newest readings, as a dict."""

    values: dict[IndicatorSpec, Reading] = field(default_factory=dict)

    def reading(self, spec: IndicatorSpec) -> Reading | None:
        return self.values.get(spec)


@dataclass
class Position:
    """Prices in paise. `best` follows the prices it is shown, as the bracket does it."""

    rule: ExitRule
    side: Side = Side.BUY
    entry: int = 100_00
    target_offset: int = 400
    first_stop: int = 93_00
    qty: int = 75
    tick: int = 5
    trade_type: str = "Manual"
    opened_ns: int = OPENED_NS
    now_ns: int = OPENED_NS
    ltp: int = 0
    best: int = 0
    memory: RuleMemory = field(default_factory=RuleMemory)
    board: Board = field(default_factory=Board)

    def __post_init__(self) -> None:
        self.best = self.best or self.entry
        self.ltp = self.ltp or self.entry

    @property
    def facts(self) -> RuleFacts:
        return RuleFacts(
            now_ns=self.now_ns,
            symbol="NIFTY01DEC2624500PE",
            side=self.side,
            trade_type=self.trade_type,
            open_qty=self.qty,
            entry_paise=self.entry,
            target_offset_paise=self.target_offset,
            first_stop_paise=self.first_stop,
            stop_paise=self.first_stop,
            best_paise=self.best,
            ltp_paise=self.ltp,
            tick_paise=self.tick,
            opened_ns=self.opened_ns,
        )

    def see(self, price: int) -> None:
        """A last price, without asking the rule."""
        self.ltp = price
        if self.side.sign * (price - self.best) > 0:
            self.best = price

    def at(self, price: int) -> Proposal:
        """The rule's answer to a last price."""
        self.see(price)
        return self.ask()

    def ask(self) -> Proposal:
        return self.rule.on_price(self.facts, self.memory, self.board)

    def stop_at(self, price: int) -> int:
        return self.at(price).stop_paise

    def band(self) -> tuple[int, int]:
        return self.rule.band(self.facts, self.memory)

    def story(self) -> Story:
        return self.rule.story(self.facts, self.memory, self.board)

    def read(
        self,
        spec: IndicatorSpec,
        value: float,
        *,
        before: float | None = None,
        direction: int = 0,
        was: int = 0,
        low: int = 0,
        high: int = 0,
    ) -> None:
        """An indicator's value on the candle that closed now."""
        bar = Bar(
            start_ns=self.now_ns - MINUTE_NS,
            open_paise=self.ltp,
            high_paise=high or self.ltp,
            low_paise=low or self.ltp,
            close_paise=self.ltp,
        )
        self.board.values[spec] = Reading(
            value=value,
            previous=before,
            direction=direction,
            previous_direction=was or direction,
            bar=bar,
            bar_end_ns=self.now_ns,
        )

    def next_candle(self) -> None:
        self.now_ns += MINUTE_NS

    def candle(self) -> Proposal:
        """The rule's answer to a closed candle whose readings are on the board."""
        return self.rule.on_candle(self.facts, self.memory, self.board)


@pytest.fixture
def open_position() -> type[Position]:
    """open_position(rule, entry=..., side=...) -> a position opened now."""
    return Position
