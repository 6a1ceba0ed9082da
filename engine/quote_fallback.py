"""Asks the market for prices by request while the feed of a held instrument is quiet, and for its ticks again (RTP-14).

One task, one round a second, every request with a deadline inside its round, so that rounds never overlap. A quote is
given to the desk as a tick of its own instant; one that is as old as what is known decides nothing (I-7, RTP-40). The
shell of `engine.price_watch`, which says what is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from engine.instant import NS_PER_MS, NS_PER_S
from engine.messages import Msg
from engine.port import ReadFailed
from engine.tick import Tick

if TYPE_CHECKING:
    from engine.desk import Desk

_ROUND_NS: Final = NS_PER_S
"""From the begin of one round to the next (RTP-14)."""
_ANSWER_NS: Final = 900 * NS_PER_MS
"""A quote that takes longer is given up: the next round asks again."""
_SUBSCRIBE_NS: Final = 5 * NS_PER_S
"""Deadline of a subscription."""
_SUBSCRIBE_AGAIN_NS: Final = 10 * NS_PER_S
_AHEAD_NS: Final = 5 * NS_PER_S
"""A quote from further in the future is none: the feed's clock and ours never differ so much."""


class QuoteFallback:
    """Owns no decision: what a price means is decided where every tick is judged."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._wanted: dict[str, int] = {}
        """Symbol -> greatest age in nanoseconds at which its price still decides."""
        self._polling = False
        self._quoted_ns: dict[str, int] = {}
        self._feed_ns: dict[str, int] = {}
        self._failed: set[str] = set()
        """Symbols whose quote failed in the newest round: told once."""
        self._asked_ns: dict[str, int] = {}
        self._subscribing = False
        self.rounds = 0

    # --- what the feed itself has brought --------------------------------------------------------------------------

    def feed_ns(self, symbol: str) -> int:
        """Exchange time of the newest price that came by the feed; 0 = none yet."""
        at_ns = self._desk.prices[symbol].at_ns
        return self._feed_ns.get(symbol, 0) if at_ns == self._quoted_ns.get(symbol) else at_ns

    # --- quotes ------------------------------------------------------------------------------------------------------

    def want(self, symbols: Mapping[str, int]) -> None:
        """From now on ask for exactly these, by symbol the age up to which a price decides; for none of them: rest."""
        self._wanted = dict(symbols)
        self._failed &= self._wanted.keys()
        if self._wanted and not self._polling:
            self._polling = True
            self._desk.spawn("quotes", self._poll)

    async def _poll(self) -> None:
        clock = self._desk.clock
        try:
            while self._wanted:
                began_ns = clock.now_ns()
                await asyncio.gather(*(self._ask(symbol, began_ns) for symbol in sorted(self._wanted)))
                self.rounds += 1
                await clock.sleep_until(began_ns + _ROUND_NS)
        finally:
            self._polling = False

    async def _ask(self, symbol: str, began_ns: int) -> None:
        quotes: list[Tick] = []

        async def read() -> None:
            quotes.append(await self._desk.parts.market.quote(symbol))

        reason = await self._within(read(), began_ns + _ANSWER_NS)
        for quote in quotes:
            reason = self._take(symbol, quote)
        if not reason:
            self._failed.discard(symbol)
        elif symbol in self._wanted and symbol not in self._failed:
            self._failed.add(symbol)
            self._desk.step(lambda _now: self._desk.say(Msg.NO_QUOTE, symbol=symbol, reason=reason))

    def _take(self, symbol: str, quote: Tick) -> str:
        """Hand a fresh quote to the desk; returns why it is no price to decide on, or empty."""
        book, now_ns = self._desk.prices[symbol], self._desk.clock.now_ns()
        if quote.symbol != symbol or quote.ltp_paise <= 0 or quote.at_ns > now_ns + _AHEAD_NS:
            return "the answer is no price of it"
        max_age_ns = self._wanted.get(symbol, 0)
        if not max_age_ns or quote.at_ns <= book.at_ns:
            return ""  # nobody asks any more, or nothing has traded since: what is known ages on
        if now_ns - quote.at_ns > max_age_ns:
            return f"the quote is {(now_ns - quote.at_ns) // NS_PER_S} s old itself"
        before_ns = self.feed_ns(symbol)
        self._desk.tick_doubts.vouch(quote)
        self._desk.on_tick(quote)
        if book.at_ns == quote.at_ns:
            self._feed_ns[symbol], self._quoted_ns[symbol] = before_ns, quote.at_ns
        return ""

    # --- subscriptions -----------------------------------------------------------------------------------------------

    def subscribe_again(self, symbols: Sequence[str], now_ns: int) -> None:
        """Ask the feed for these once more: after a reconnect it may have forgotten them (MKT-03)."""
        due = [s for s in symbols if now_ns >= self._asked_ns.get(s, -_SUBSCRIBE_AGAIN_NS) + _SUBSCRIBE_AGAIN_NS]
        if not due or self._subscribing:
            return
        self._asked_ns |= dict.fromkeys(due, now_ns)
        self._subscribing = True

        async def ask() -> None:
            try:
                await self._within(self._desk.parts.market.subscribe(due), now_ns + _SUBSCRIBE_NS)
            finally:
                self._subscribing = False

        self._desk.spawn("subscribe", ask)

    # --- the market's door -----------------------------------------------------------------------------------------

    async def _within(self, call: Coroutine[Any, Any, None], until_ns: int) -> str:
        """Await one call of the market until an instant of the desk's clock; returns why it brought nothing."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as patience:
                timer = self._desk.clock.call_at(until_ns, lambda: patience.reschedule(loop.time()))
                try:
                    await call
                finally:
                    timer.cancel()
        except TimeoutError:
            return "no answer"
        except ReadFailed as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - an adapter's bug must not close the last eye on a position
            return f"{type(error).__name__}: {error}"
        return ""
