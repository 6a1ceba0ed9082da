"""Looks for positions whose price has stopped: says so, and leaves them when that lasts (I-7, RTP-14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.bot import REASON_BLIND, Bot
from engine.instant import NS_PER_S
from engine.messages import Msg

if TYPE_CHECKING:
    from engine.desk import Desk


class PriceWatch:
    """Asked once a second while a position is open."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.blind: set[tuple[str, str]] = set()
        """(bot, symbol) with a position and without a usable price: each bot has its own patience."""
        self._since_ns = 0
        """When prices were first expected: a desk that has just started is not blind yet."""

    def look(self, now_ns: int) -> None:
        if not self._desk.recovered:
            return
        self._since_ns = self._since_ns or now_ns
        for bot in list(self._desk.bots.values()):
            held = dict.fromkeys(bracket.body.symbol for bracket in bot.open_brackets() if bracket.open_qty > 0)
            for symbol in held:
                age_ns = min(self._desk.prices[symbol].age_ns(now_ns), now_ns - self._since_ns)
                if age_ns > bot.max_tick_age_ns:
                    self._is_blind(bot, symbol, age_ns, now_ns)
                else:
                    self._sees(bot, symbol)
            for name, symbol in sorted(self.blind):
                if name == bot.name and symbol not in held:
                    self._sees(bot, symbol)

    def _sees(self, bot: Bot, symbol: str) -> None:
        if (bot.name, symbol) in self.blind:
            self.blind.discard((bot.name, symbol))
            self._desk.say(Msg.BLIND_OVER, source=bot.name, symbol=symbol)
            self._desk.out.end_alarm(f"blind:{bot.name}:{symbol}")

    def _is_blind(self, bot: Bot, symbol: str, age_ns: int, now_ns: int) -> None:
        desk, age = self._desk, f"{age_ns / NS_PER_S:.0f}"
        if (bot.name, symbol) not in self.blind:
            self.blind.add((bot.name, symbol))
            desk.say(Msg.BLIND, source=bot.name, symbol=symbol, age=age)
            desk.out.raise_alarm(f"blind:{bot.name}:{symbol}", f"{symbol}: price is {age} s old")
        patience_ns = bot.times.blind_exit_after_ns
        if not patience_ns or age_ns <= patience_ns:
            return
        if desk.decide(bot.name, lambda bot: bot.exit_leg(symbol, REASON_BLIND, now_ns, desk.out)):
            desk.say(Msg.BLIND_EXIT, source=bot.name, symbol=symbol, age=age)
