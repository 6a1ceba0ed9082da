"""Looks for positions whose price has stopped: says so, and leaves them when that lasts (I-7, RTP-14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.instant import NS_PER_S
from engine.legs import REASON_BLIND, Leg
from engine.messages import Msg

if TYPE_CHECKING:
    from engine.desk import Desk


class PriceWatch:
    """Asked once a second while a position is open."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.blind: set[str] = set()
        """Symbols with a position and without a usable price."""
        self._since_ns = 0
        """When prices were first expected: a desk that has just started is not blind yet."""

    def look(self, now_ns: int) -> None:
        if not self._desk.recovered:
            return
        self._since_ns = self._since_ns or now_ns
        oldest_ns = self._desk.bot.terms.bracket.max_tick_age_ns
        for leg in self._desk.bot.legs.values():
            holds = leg.is_active and leg.bracket is not None and leg.bracket.open_qty > 0
            age_ns = min(leg.price.age_ns(now_ns), now_ns - self._since_ns)
            if holds and age_ns > oldest_ns:
                self._is_blind(leg, age_ns, now_ns)
            elif leg.symbol in self.blind:
                self.blind.discard(leg.symbol)
                self._desk.say(Msg.BLIND_OVER, symbol=leg.symbol)
                self._desk.out.end_alarm(f"blind:{leg.symbol}")

    def _is_blind(self, leg: Leg, age_ns: int, now_ns: int) -> None:
        desk, age = self._desk, f"{age_ns / NS_PER_S:.0f}"
        if leg.symbol not in self.blind:
            self.blind.add(leg.symbol)
            desk.say(Msg.BLIND, symbol=leg.symbol, age=age)
            desk.out.raise_alarm(f"blind:{leg.symbol}", f"{leg.symbol}: price is {age} s old")
        patience_ns = desk.parts.times.blind_exit_after_ns
        if patience_ns and age_ns > patience_ns and desk.bot.exit_leg(leg.symbol, REASON_BLIND, now_ns, desk.out):
            desk.say(Msg.BLIND_EXIT, symbol=leg.symbol, age=age)
