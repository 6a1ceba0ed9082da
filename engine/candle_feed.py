"""Keeps candles of the instruments whose exit rules ask for indicators, and tells the bots when one has closed.

The board is `engine.indicator_board`; here is only who wants what, the session, and the clock. What a bot's next
position would need is kept while the bot runs, not from its entry on: an indicator needs its history (RTP-50). An
instrument nobody asks about costs one look at a flag per tick.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from engine.indicator_board import Candle, IndicatorBoard
from engine.instant import NS_PER_S, ist_date
from engine.messages import Msg
from engine.reading import IndicatorSpec, Readings
from engine.session import session_class
from engine.tick import Tick

if TYPE_CHECKING:
    from engine.desk import Desk

_LATE_NS: Final = NS_PER_S // 2
"""A candle is ended by the clock this much after its end: its last tick may still be on the way."""


_Ask = tuple[str, tuple[IndicatorSpec, ...]]
"""A symbol and what is wanted of it."""


class CandleFeed:
    """One per desk; `settle` after whatever changes what is wanted."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.board = IndicatorBoard()
        self._asked: list[_Ask] = []
        """What the bots said last; mostly they say it again."""
        self._wanted: set[tuple[str, IndicatorSpec]] = set()
        self._refused: set[tuple[str, IndicatorSpec]] = set()

    def readings(self, symbol: str) -> Readings:
        """A window on one instrument's indicators that stays good whatever is wanted later."""
        return self.board.readings(symbol)

    # --- what is wanted -------------------------------------------------------------------------------------------

    def settle(self, now_ns: int) -> None:
        """Keep what the bots want now, and nothing else."""
        desk = self._desk
        asked = [ask for name in desk.bots for ask in self._asked_by(name)]
        if asked == self._asked:
            return
        self._asked = asked
        wanted = {(symbol, spec) for symbol, specs in asked for spec in specs} - self._refused
        if wanted == self._wanted:
            return
        for symbol, spec in sorted(self._wanted - wanted, key=str):
            self.board.drop(symbol, spec)
        for symbol, spec in sorted(wanted - self._wanted, key=str):
            self._want(symbol, spec)
        self._wanted = wanted - self._refused
        for symbol, book in desk.prices.items():
            book.is_charted = self.board.is_wanted(symbol)
        self.begin_day(now_ns)

    def _asked_by(self, name: str) -> list[_Ask]:
        """For its next position and its open ones, which may have been opened with other rules."""
        desk = self._desk
        asked = desk.decide(name, lambda bot: bot.indicators())
        open_now = desk.decide(name, lambda bot: bot.open_brackets())
        return [*asked.items(), *[(bracket.body.symbol, bracket.indicators()) for bracket in open_now]]

    def _want(self, symbol: str, spec: IndicatorSpec) -> None:
        try:
            self.board.want(symbol, spec)
        except ValueError as error:
            self._refused.add((symbol, spec))
            self._desk.say(Msg.DESK_WARN, symbol=symbol, text=f"{symbol}: {spec} is not kept: {error}")

    def begin_day(self, now_ns: int) -> None:
        """Open today's session of every charted instrument; one that runs already is not begun again."""
        desk, day = self._desk, ist_date(now_ns)
        session = desk.parts.calendar.trading_day(day)
        if session is None:
            return
        for symbol in dict.fromkeys(symbol for symbol, _ in self._wanted):
            instrument = desk.prices[symbol].instrument
            kind = session_class(instrument)
            close_ns = desk.parts.calendar.close_ns(instrument, day) or session.close_ns(kind)
            self._tell(self.board.begin_day(symbol, session.open_ns(kind), close_ns, now_ns), now_ns)

    # --- what happens ---------------------------------------------------------------------------------------------

    def on_tick(self, tick: Tick) -> None:
        """Before anybody acts on this price: the candle it ends is judged on what went before. It is believed."""
        closed = self.board.on_tick(tick.symbol, tick.at_ns, tick.ltp_paise)
        if closed:
            self._desk.step(lambda now: self._tell(closed, now))

    def on_time(self, now_ns: int) -> None:
        """End the candles that no tick has ended."""
        if self._wanted:
            self._tell(self.board.close_until(now_ns - _LATE_NS), now_ns)

    def wake_ns(self) -> int:
        """When `on_time` is due; 0 = no candle is forming."""
        end_ns = self.board.next_end_ns() if self._wanted else 0
        return end_ns + _LATE_NS if end_ns else 0

    def _tell(self, closed: Iterable[Candle], now_ns: int) -> None:
        """Each instrument once, whatever its candles: a rule sees all its indicators on their newest value."""
        desk = self._desk
        for symbol in dict.fromkeys(candle.symbol for candle in closed):
            for name in desk.bots:
                desk.decide(name, lambda bot, symbol=symbol: bot.on_candle(symbol, now_ns, desk.out))
