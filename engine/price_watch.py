"""Looks for instruments whose price has stopped: says so, has quotes asked for, leaves the position when that lasts.

A held instrument without a tick for a moment is asked for by request, long before it counts as blind: a stop that is
passed while the feed is down shall be seen within two seconds (RTP-40). Blind is a position whose newest price, from
wherever, is too old to decide on (I-7, RTP-14). While all is flat the same look only renews subscriptions (MKT-01..04):
entries refuse an old price by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from engine.bot import REASON_BLIND, Bot
from engine.instant import NS_PER_MS, NS_PER_S, ist_date
from engine.messages import Msg
from engine.quote_fallback import QuoteFallback
from engine.session import session_class

if TYPE_CHECKING:
    from engine.desk import Desk

_QUIET_NS: Final = 1_250 * NS_PER_MS
"""A held instrument without a tick for so long is quoted: the round, the answer and the exit fit into two seconds."""
_FLAT_LOOK_NS: Final = 10 * NS_PER_S
"""Between two looks while nothing is held."""


class PriceWatch:
    """Asked with every look of the desk's timer, which it may ask for an earlier one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.quotes = QuoteFallback(desk)
        self._silent: dict[tuple[str, str], bool] = {}
        """(bot, symbol) with a position and without ticks: whether a quote stands in for them."""
        self._since_ns = 0
        """When prices were first expected: a desk that has just started is not blind yet."""
        self._next_flat_ns = 0
        self._feed_is_down = False

    @property
    def blind(self) -> set[tuple[str, str]]:
        """(bot, symbol) whose ticks have stopped: each bot has its own patience."""
        return set(self._silent)

    def wake_ns(self, now_ns: int) -> int:
        """The next instant at which a look is due beside the timer's own; 0 = none."""
        held = self._held_ages()
        if held:
            dues: list[int] = []
            for symbol, max_age_ns in held.items():
                feed_ns = max(self.quotes.feed_ns(symbol), self._since_ns)
                price_ns = max(self._desk.prices[symbol].at_ns, self._since_ns)
                dues += [feed_ns + _QUIET_NS, feed_ns + max_age_ns, price_ns + max_age_ns]
            return min([due for due in dues if due > now_ns], default=0)
        if not self._is_any_known:
            return 0
        self._next_flat_ns = self._next_flat_ns or now_ns + _FLAT_LOOK_NS
        return max(self._next_flat_ns, now_ns + 1)

    def stale_feed(self, symbols: Iterable[str]) -> str:
        """A symbol whose newest price came by request only, in words: no entry is made on such (O10); empty = none."""
        for symbol in symbols:
            if symbol in self._desk.prices and self.quotes.feed_ns(symbol) != self._desk.prices[symbol].at_ns:
                return f"{symbol} has prices by request only"
        return ""

    def look(self, now_ns: int) -> None:
        if not self._is_any_known:
            return
        self._since_ns = self._since_ns or now_ns
        self._ask_for_quotes(now_ns)
        for bot in [bot for bot in self._desk.bots.values() if bot.books_known]:
            held = dict.fromkeys(bracket.body.symbol for bracket in bot.open_brackets() if bracket.open_qty > 0)
            for symbol in held:
                feed_age_ns = self._age(self.quotes.feed_ns(symbol), now_ns)
                if feed_age_ns >= bot.max_tick_age_ns:
                    self._is_silent(bot, symbol, feed_age_ns, now_ns)
                else:
                    self._sees(bot, symbol)
            for name, symbol in sorted(self._silent):
                if name == bot.name and symbol not in held:
                    self._sees(bot, symbol)
        self._look_at_feed(now_ns)

    @property
    def _is_any_known(self) -> bool:
        """Some bot's positions are looked after, by journal and books or by the journal alone."""
        return any(bot.books_known for bot in self._desk.bots.values())

    def _age(self, at_ns: int, now_ns: int) -> int:
        return now_ns - (at_ns if at_ns > self._since_ns else self._since_ns)

    # --- held instruments ------------------------------------------------------------------------------------------

    def _held_ages(self) -> dict[str, int]:
        """Symbols held by any bot, each with the shortest patience of those that hold it."""
        ages: dict[str, int] = {}
        for bot in self._desk.bots.values():
            for bracket in bot.open_brackets():
                if bracket.open_qty > 0:
                    symbol, age_ns = bracket.body.symbol, bot.max_tick_age_ns
                    if symbol not in ages or age_ns < ages[symbol]:
                        ages[symbol] = age_ns
        return ages

    def _ask_for_quotes(self, now_ns: int) -> None:
        ages = self._held_ages()
        quiet = {symbol: age for symbol, age in ages.items() if self._feed_age(symbol, now_ns) >= min(_QUIET_NS, age)}
        self.quotes.want(quiet)
        silent = [symbol for symbol, age in quiet.items() if self._feed_age(symbol, now_ns) >= age]
        if silent:
            self.quotes.subscribe_again(silent, now_ns)

    def _feed_age(self, symbol: str, now_ns: int) -> int:
        return self._age(self.quotes.feed_ns(symbol), now_ns)

    def _sees(self, bot: Bot, symbol: str) -> None:
        if self._silent.pop((bot.name, symbol), None) is not None:
            self._desk.say(Msg.BLIND_OVER, source=bot.name, symbol=symbol)
            self._desk.out.end_alarm(f"blind:{bot.name}:{symbol}")

    def _is_silent(self, bot: Bot, symbol: str, feed_age_ns: int, now_ns: int) -> None:
        """No ticks: by quotes while they are fresh, blind without them."""
        desk, key = self._desk, (bot.name, symbol)
        age_ns = self._age(desk.prices[symbol].at_ns, now_ns)
        is_quoted = age_ns < bot.max_tick_age_ns
        if self._silent.get(key) is not is_quoted:
            self._silent[key] = is_quoted
            silent, age = f"{feed_age_ns / NS_PER_S:.0f}", f"{age_ns / NS_PER_S:.0f}"
            if is_quoted:
                desk.say(Msg.ON_QUOTES, source=bot.name, symbol=symbol, age=silent)
                text = f"{symbol}: no tick for {silent} s, prices by request"
            else:
                desk.say(Msg.BLIND, source=bot.name, symbol=symbol, age=age)
                text = f"{symbol}: price is {age} s old"
            desk.out.raise_alarm(f"blind:{bot.name}:{symbol}", text)
        patience_ns = bot.times.blind_exit_after_ns
        if is_quoted or not patience_ns or age_ns <= patience_ns:
            return
        if desk.decide(bot.name, lambda bot: bot.exit_leg(symbol, REASON_BLIND, now_ns, desk.out)):
            desk.say(Msg.BLIND_EXIT, source=bot.name, symbol=symbol, age=f"{age_ns / NS_PER_S:.0f}")

    # --- the feed as a whole ---------------------------------------------------------------------------------------

    def _look_at_feed(self, now_ns: int) -> None:
        """Symbols of any bot without a tick are subscribed to again; none with one is a feed that is down."""
        if now_ns < self._next_flat_ns:
            return
        self._next_flat_ns = now_ns + _FLAT_LOOK_NS
        opens_ns = self._trades_from_ns(now_ns)
        if opens_ns:
            self._next_flat_ns = opens_ns
            return
        desk = self._desk
        ages = {symbol: self._feed_age(symbol, now_ns) for symbol in desk.prices}
        patience_ns = max(bot.max_tick_age_ns for bot in desk.bots.values())
        stopped = [symbol for symbol, age_ns in ages.items() if age_ns >= patience_ns]
        if stopped:
            self.quotes.subscribe_again(stopped, now_ns)
        is_down = len(stopped) == len(ages)
        if is_down and not self._feed_is_down:
            age = f"{min(ages.values()) / NS_PER_S:.0f}"
            desk.say(Msg.FEED_DOWN, count=len(ages), age=age)
        elif self._feed_is_down and not is_down:
            desk.say(Msg.FEED_UP)
        self._feed_is_down = is_down

    def _trades_from_ns(self, now_ns: int) -> int:
        """0 while some instrument trades now; else when to look again: soon after today's open, or in an hour."""
        desk, day = self._desk, ist_date(now_ns)
        session = desk.parts.calendar.trading_day(day)
        if session is None:
            return now_ns + 3600 * NS_PER_S
        kinds = {session_class(instrument) for instrument in desk.instruments.values()}
        if any(session.is_open(kind, now_ns) for kind in kinds):
            return 0
        opens_ns = min(session.open_ns(kind) for kind in kinds)
        return opens_ns + _FLAT_LOOK_NS if opens_ns > now_ns else now_ns + 3600 * NS_PER_S
