"""The fault layer of a simulated day: a seed's plan around account and market, and its log told to the truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from brokers.paper.account import PaperAccount
from brokers.paper.demo_market import DEMO_DAY
from brokers.paper.exchange import PaperExchange
from brokers.paper.faults.account import FaultyAccount
from brokers.paper.faults.catalogue import BEYOND, FAULTS
from brokers.paper.faults.hand import Hand
from brokers.paper.faults.knob import Door, Effect, Shape
from brokers.paper.faults.market import FaultyMarket
from brokers.paper.faults.plan import FaultPlan
from brokers.paper.faults.script import load_script
from engine.port import Clock, MarketPort
from tui.simulation.crashes import CRASH_FAULTS
from tui.simulation.seed_terms import Profile
from tui.simulation.truth import Truth

KNOWN_FAULTS: Final[Mapping[str, str]] = {
    **{
        fault: knobs[0].says
        for fault, knobs in FAULTS.items()
        if any(knob.ceiling_bps or knob.per_day for knob in knobs)
    },
    **CRASH_FAULTS,
}
"""Fault ids that a seed can draw, with what they are."""
NOT_HERE: Final[Mapping[str, str]] = {fault: why for fault, why in BEYOND.items() if fault not in CRASH_FAULTS}
"""Fault ids that this simulation cannot produce, with the reason and who does."""


class FaultChoice(msgspec.Struct, frozen=True):
    """Which faults may strike, apart from the seed."""

    only: tuple[str, ...] | None = None
    """Knobs or fault ids; None = all."""
    script: str = ""
    """A script file instead of a drawn plan."""
    emphasis: tuple[str, ...] = ()
    """Knobs that strike all day long, whatever else was drawn."""

    def plan(self, seed: int, profile: Profile, span_ns: tuple[int, int]) -> FaultPlan:
        if self.script:
            return load_script(Path(self.script)).plan(DEMO_DAY)
        if self.only is not None and not self.only:
            return FaultPlan((), seed=seed, start_ns=span_ns[0], end_ns=span_ns[1])
        return FaultPlan.of_seed(
            seed,
            profile=profile.faults,
            start_ns=span_ns[0],
            end_ns=span_ns[1],
            only=self.only or (),
            emphasis=self.emphasis,
        )


class FaultLayer:
    """Everything that misbehaves around one desk."""

    def __init__(
        self,
        seed: int,
        profile: Profile,
        span_ns: tuple[int, int],
        account: PaperAccount,
        exchange: PaperExchange,
        market: MarketPort,
        clock: Clock,
        choice: FaultChoice,
    ) -> None:
        self.plan = choice.plan(seed, profile, span_ns)
        self.account = FaultyAccount(account, clock, self.plan)
        self.market = FaultyMarket(market, clock, self.plan)
        self.hand = Hand(exchange, account.account_id, clock, self.plan)
        self._exchange = exchange
        self._account_id = account.account_id
        self._told = 0

    def spells(self) -> list[tuple[int, int]]:
        """Spans of time in which something is out of order, by their beginning."""
        rules = (rule for rule in self.plan.timed(*Door) if rule.knob.shape is Shape.SPAN)
        return [(rule.from_ns, self.plan.until(rule.until_ns)) for rule in rules]

    def tell(self, truth: Truth) -> None:
        """What struck since the last time becomes part of the story."""
        log = self.plan.log
        while self._told < len(log):
            fired = log[self._told]
            self._told += 1
            truth.on_fault(fired.fault, f"{fired.knob}: {fired.what}")
            if fired.knob in _BUSTS:
                truth.on_busts({trade.trade_id for trade in self._exchange.trades(self._account_id)})

    def tag_of(self, tag: str) -> str:
        """Under which tag of ours the broker shows an order: one that it booked twice carries a tag of its own."""
        return self.account.shown_tag(tag)


_BUSTS: Final = frozenset(knob.knob for knobs in FAULTS.values() for knob in knobs if knob.effect is Effect.BUST)
