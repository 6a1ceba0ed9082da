"""Decides which ticks are prices: what cannot be is told once and decides nothing, what is unlikely waits for a second.

The desk asks only for ticks that leave the band of their instrument or come out of order; all others are taken without
a question. A tick from the future would make every true one after it an old one, so it is held against the clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.instant import NS_PER_S
from engine.messages import Msg
from engine.outlier import impossible, is_jump, is_outlier
from engine.price_book import PriceBook
from engine.tick import Tick

if TYPE_CHECKING:
    from engine.desk import Desk

AHEAD_NS: Final = 5 * NS_PER_S
"""The feed's clock and ours never differ so much; a seeded skew is 3 s (MKT-12)."""
_TOLD_MAX: Final = 200
"""Kinds of bad ticks told; a feed gone mad does not fill the log."""
_SHOWN: Final = 40
"""Characters of a symbol that nobody knows."""


class TickDoubts:
    """One per desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._told: set[tuple[str, str]] = set()
        self._doubted: dict[str, tuple[int, int]] = {}
        """Symbol -> instant and price of the newest jump that nobody has confirmed."""

    def begin_day(self) -> None:
        self._told.clear()
        self._doubted.clear()

    def unknown(self, tick: Tick) -> None:
        """A tick of a contract that nobody here trades."""
        self._tell(tick, "symbol", f"tick of an unknown symbol, {tick.ltp_paise} paise")

    def is_timely(self, book: PriceBook, tick: Tick) -> bool:
        """Newer than what is known, of today, and not of the future (M2, MKT-12, MKT-13)."""
        desk = self._desk
        if not desk.day_ns <= tick.at_ns < desk.day_end_ns:
            self._tell(tick, "day", f"tick of another day, instant {tick.at_ns} ns")
        elif tick.at_ns < book.at_ns:
            self._tell(tick, "old", f"tick {(book.at_ns - tick.at_ns) / NS_PER_S:.3f} s older than the one before it")
        elif tick.at_ns > desk.clock.now_ns() + AHEAD_NS:
            self._tell(tick, "ahead", f"tick of the future, instant {tick.at_ns} ns")
        else:
            return True
        return False

    def is_believed(self, book: PriceBook, tick: Tick) -> bool:
        """A price to act on. Asked when it lies outside the band of its instrument."""
        if reason := impossible(tick):
            self._tell(tick, "price", reason)
            return False
        if not tick.ltp_paise:
            return True
        if is_outlier(tick):
            touch = f"{tick.bid_paise}/{tick.ask_paise}"
            self._tell(tick, "touch", f"a price of {tick.ltp_paise} paise while the touch is {touch}")
            return False
        return self._is_confirmed(book, tick)

    def vouch(self, quote: Tick) -> None:
        """A quote by request is a second source: it may have the instant of the very trade that is doubted."""
        doubted = self._doubted.get(quote.symbol)
        if doubted is not None and doubted[0] == quote.at_ns:
            self._doubted[quote.symbol] = (quote.at_ns - 1, doubted[1])

    def _is_confirmed(self, book: PriceBook, tick: Tick) -> bool:
        symbol, paise, last_paise = tick.symbol, tick.ltp_paise, book.tick.ltp_paise
        if book.at_ns < self._desk.day_ns or not is_jump(paise, last_paise):
            self._doubted.pop(symbol, None)
            return True
        at_ns, doubted_paise = self._doubted.get(symbol, (0, 0))
        if doubted_paise and tick.at_ns > at_ns and not is_jump(paise, doubted_paise):
            del self._doubted[symbol]
            return True
        if tick.at_ns > at_ns:
            self._doubted[symbol] = (tick.at_ns, paise)
        self._tell(tick, "jump", f"a price of {paise} paise after {last_paise}, a second one must agree")
        return False

    def _tell(self, tick: Tick, kind: str, detail: str) -> None:
        symbol = tick.symbol[:_SHOWN]
        if (symbol, kind) in self._told or len(self._told) >= _TOLD_MAX:
            return
        self._told.add((symbol, kind))
        self._desk.step(lambda _now: self._desk.say(Msg.BAD_TICK, symbol=symbol, detail=detail))
