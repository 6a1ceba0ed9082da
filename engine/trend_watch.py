"""Feeds the optional trend gate with bars of the primary leg and answers why a bar signal may not queue (LEG-59)."""

from __future__ import annotations

from engine.bars import BarBuilder
from engine.instant import ist_date
from engine.instrument import Instrument
from engine.session import Calendar, session_class
from engine.tick import Tick
from engine.trend_gate import TrendGate, TrendSettings


class TrendWatch:
    """A listener of the market beside the desk; only built when the gate is on."""

    def __init__(self, settings: TrendSettings, interval_ns: int, primary: Instrument, calendar: Calendar) -> None:
        self._gate = TrendGate(settings)
        self._bars = BarBuilder(interval_ns)
        self._primary = primary
        self._calendar = calendar
        self._day_end_ns = 0

    def on_tick(self, tick: Tick) -> None:
        if tick.symbol != self._primary.symbol or tick.ltp_paise <= 0:
            return
        if tick.at_ns >= self._day_end_ns:
            self._begin_day(tick.at_ns)
        bar = self._bars.add(tick.at_ns, tick.ltp_paise)
        if bar is not None:
            self._gate.add(bar)

    def reason(self, now_ns: int) -> str:
        """Why no entry may be queued now; empty when the gate is open."""
        return self._gate.verdict(ist_date(now_ns), self._bars.forming).reason

    def _begin_day(self, at_ns: int) -> None:
        session = self._calendar.trading_day(ist_date(at_ns))
        if session is None:
            return
        kind = session_class(self._primary)
        self._day_end_ns = session.close_ns(kind)
        unfinished = self._bars.begin_day(session.open_ns(kind), self._day_end_ns, at_ns)
        if unfinished is not None:
            self._gate.add(unfinished)
