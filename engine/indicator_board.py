"""The candles and indicators of every instrument somebody asked about: fed with ticks, read through `Readings`.

For a wanted instrument one-minute and five-minute candles are built, and those of any other interval a spec names,
counted from the session's open. All indicators take a closed candle before anyone is told of it, so a rule that is
asked then sees them all on the same candle and never in the middle of one (RTP-18, RTP-50). A candle ends with the
first tick after it or by `close_until`, whichever comes first; a tick of a candle that has ended is dropped, so a
caller whose ticks come late gives `close_until` an instant that much earlier.

A value can be read as soon as it exists. How many candles each kind wants before the start can no longer be felt is
said in `engine.indicators.kinds`; `missing_bars` counts down to that. `seed` gives the history, at least 35 candles
(RTP-50), better what `trusted_bars` says; it may come late and come again, and fills holes then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from engine.bars import Bar, BarBuilder
from engine.indicators.kinds import Indicator, make_indicator, trusted_bars
from engine.indicators.supertrend import SuperTrend
from engine.reading import MINUTE_NS, IndicatorSpec, Reading

ALWAYS_NS: Final = (MINUTE_NS, 5 * MINUTE_NS)
"""The intervals every wanted instrument has."""
CANDLES_KEPT: Final = 500
"""Of each interval: more than a session of minutes (NFO has 375)."""


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """A closed candle, as it is told to those who wait for one."""

    symbol: str
    interval_ns: int
    bar: Bar
    end_ns: int


NO_CANDLES: Final[tuple[Candle, ...]] = ()


class IndicatorBoard:
    """Order of calls for an instrument: `want`, `begin_day`, `seed`, then ticks and the clock."""

    def __init__(self) -> None:
        self._charts: dict[str, _Chart] = {}

    # --- what is wanted -------------------------------------------------------------------------------------------

    def want(self, symbol: str, spec: IndicatorSpec) -> None:
        """Keep this indicator; wanting it twice makes it once and asks for two drops.

        Raises ValueError with what is allowed when there is no such indicator. A new instrument sleeps until
        `begin_day`; a new indicator of a known one starts on the candles that are kept.
        """
        indicator = make_indicator(spec)
        chart = self._charts.get(symbol)
        if chart is None:
            chart = self._charts[symbol] = _Chart(symbol)
        chart.want(spec, indicator)

    def drop(self, symbol: str, spec: IndicatorSpec) -> None:
        """Take one `want` back. With the last one of an instrument its candles go too; what nobody wants is ignored."""
        chart = self._charts.get(symbol)
        if chart is not None and chart.drop(spec):
            del self._charts[symbol]

    def is_wanted(self, symbol: str) -> bool:
        return symbol in self._charts

    # --- what happens ---------------------------------------------------------------------------------------------

    def begin_day(self, symbol: str, open_ns: int, close_ns: int, since_ns: int) -> tuple[Candle, ...]:
        """A session of this instrument: returns the candles of the day before that no tick had ended.

        `since_ns` is the instant from which its ticks are seen (now, or the open): a candle that opened before was
        not seen whole and is never given out. The session that is already running is not begun again.
        """
        chart = self._charts.get(symbol)
        return NO_CANDLES if chart is None else chart.begin_day(open_ns, close_ns, since_ns)

    def on_tick(self, symbol: str, at_ns: int, ltp_paise: int) -> tuple[Candle, ...]:
        """Take a last price; returns the candles it ended, all indicators knowing them.

        Prices of zero and below, outside the session or older than the newest tick are dropped.
        """
        chart = self._charts.get(symbol)
        return NO_CANDLES if chart is None else chart.on_tick(at_ns, ltp_paise)

    def close_until(self, now_ns: int) -> tuple[Candle, ...]:
        """End every candle whose time is over; returns them, in the order of their ends."""
        closed = [candle for chart in self._charts.values() for candle in chart.close_until(now_ns)]
        return tuple(sorted(closed, key=_by_end)) if closed else NO_CANDLES

    def next_end_ns(self) -> int:
        """The earliest instant at which `close_until` will have something to end; 0 = none."""
        ends = [series.builder.forming_end_ns for chart in self._charts.values() for series in chart.series.values()]
        return min([end_ns for end_ns in ends if end_ns], default=0)

    def seed(self, symbol: str, interval_ns: int, bars: Iterable[Bar]) -> tuple[Bar, ...]:
        """Put closed candles of the past before and between those built here, and count all indicators again.

        Candles built here stay as they are. Returns the bars that were not taken: impossible ones (prices of zero and
        below, a high under the low), and of today those off the session's grid or not over yet as far as the board
        knows (brokers give the running minute as the last row of a history). An interval nobody wants takes nothing.
        """
        chart = self._charts.get(symbol)
        return tuple(bars) if chart is None else chart.seed(interval_ns, bars)

    # --- what can be read -----------------------------------------------------------------------------------------

    def readings(self, symbol: str) -> InstrumentReadings:
        """A window on this instrument that stays good whatever is wanted or dropped later."""
        return InstrumentReadings(self, symbol)

    def reading(self, symbol: str, spec: IndicatorSpec) -> Reading | None:
        """None until the indicator has a value, or when nobody wants it."""
        chart = self._charts.get(symbol)
        gauge = None if chart is None else chart.gauges.get(spec)
        return None if gauge is None else gauge.reading

    def missing_bars(self, symbol: str, spec: IndicatorSpec) -> int:
        """How many candles are still to come until the indicator is trusted; 0 = it is."""
        chart = self._charts.get(symbol)
        gauge = None if chart is None else chart.gauges.get(spec)
        return max(trusted_bars(spec) - (0 if gauge is None else gauge.bars_seen), 0)

    def candles(self, symbol: str, interval_ns: int) -> tuple[Bar, ...]:
        """The last CANDLES_KEPT closed candles, oldest first; empty when none are kept."""
        series = self._series(symbol, interval_ns)
        return () if series is None else tuple(series.bars)

    def forming(self, symbol: str, interval_ns: int) -> Bar | None:
        """The unfinished candle, for a chart; no decision is made on it."""
        series = self._series(symbol, interval_ns)
        return None if series is None else series.builder.forming

    def _series(self, symbol: str, interval_ns: int) -> _Series | None:
        chart = self._charts.get(symbol)
        return None if chart is None else chart.series.get(interval_ns)


class InstrumentReadings:
    """The `Readings` of one instrument."""

    def __init__(self, board: IndicatorBoard, symbol: str) -> None:
        self._board = board
        self._symbol = symbol

    def reading(self, spec: IndicatorSpec) -> Reading | None:
        return self._board.reading(self._symbol, spec)


class _Gauge:
    """One indicator with its newest reading."""

    def __init__(self, spec: IndicatorSpec, indicator: Indicator) -> None:
        self.spec = spec
        self.wanted = 0
        self.reading: Reading | None = None
        self.bars_seen = 0
        self._trusted = trusted_bars(spec)
        self._indicator = indicator

    def take(self, bar: Bar, end_ns: int) -> None:
        self.bars_seen += 1
        value = self._indicator.update(bar)
        if value is None:
            return
        before = self.reading
        self.reading = Reading(
            value=value,
            previous=before.value if before is not None else None,
            direction=self._indicator.direction if isinstance(self._indicator, SuperTrend) else 0,
            previous_direction=before.direction if before is not None else 0,
            missing_bars=max(self._trusted - self.bars_seen, 0),
            bar=bar,
            bar_end_ns=end_ns,
        )

    def start_again(self) -> None:
        self._indicator = make_indicator(self.spec)
        self.reading, self.bars_seen = None, 0


class _Series:
    """The candles of one interval and the indicators that live on them."""

    def __init__(self, interval_ns: int) -> None:
        self.interval_ns = interval_ns
        self.builder = BarBuilder(interval_ns)
        self.bars: deque[Bar] = deque(maxlen=CANDLES_KEPT)
        self.gauges: list[_Gauge] = []

    def add_gauge(self, gauge: _Gauge) -> None:
        self.gauges.append(gauge)
        for bar in self.bars:
            gauge.take(bar, self.builder.end_of(bar.start_ns))

    def take(self, bar: Bar, end_ns: int) -> None:
        self.bars.append(bar)
        for gauge in self.gauges:
            gauge.take(bar, end_ns)

    def fill_in(self, history: dict[int, Bar]) -> None:
        """Candles of the past by their start; nothing is counted again when none is new."""
        known = {bar.start_ns: bar for bar in self.bars}
        if history.keys() <= known.keys():
            return
        self.bars.clear()
        for gauge in self.gauges:
            gauge.start_again()
        for _, bar in sorted((history | known).items()):
            self.take(bar, self.builder.end_of(bar.start_ns))


class _Chart:
    """One instrument: its series by interval, its session, its newest instant."""

    def __init__(self, symbol: str) -> None:
        self.series = {interval_ns: _Series(interval_ns) for interval_ns in ALWAYS_NS}
        self.gauges: dict[IndicatorSpec, _Gauge] = {}
        self._symbol = symbol
        self._open_ns = 0
        self._close_ns = 0
        self._since_ns = 0
        """Ticks from here on are seen, or were."""
        self._tick_ns = 0
        """Of the newest tick."""
        self._clock_ns = 0
        """The newest instant given to `close_until`."""

    def want(self, spec: IndicatorSpec, fresh: Indicator) -> None:
        gauge = self.gauges.get(spec)
        if gauge is None:
            gauge = self.gauges[spec] = _Gauge(spec, fresh)
            self._series_of(spec.interval_ns).add_gauge(gauge)
        gauge.wanted += 1

    def drop(self, spec: IndicatorSpec) -> bool:
        """True when nothing is wanted of this instrument any more."""
        gauge = self.gauges.get(spec)
        if gauge is not None:
            gauge.wanted -= 1
            if not gauge.wanted:
                self._forget(gauge)
        return not self.gauges

    def _forget(self, gauge: _Gauge) -> None:
        del self.gauges[gauge.spec]
        series = self.series[gauge.spec.interval_ns]
        series.gauges.remove(gauge)
        if not series.gauges and series.interval_ns not in ALWAYS_NS:
            del self.series[series.interval_ns]

    def _series_of(self, interval_ns: int) -> _Series:
        series = self.series.get(interval_ns)
        if series is None:
            series = self.series[interval_ns] = _Series(interval_ns)
            series.builder.begin_day(self._open_ns, self._close_ns, max(self._since_ns, self._tick_ns + 1))
        return series

    def begin_day(self, open_ns: int, close_ns: int, since_ns: int) -> tuple[Candle, ...]:
        if (open_ns, close_ns) == (self._open_ns, self._close_ns):
            return NO_CANDLES
        closed: list[Candle] = []
        for series in self.series.values():
            end_ns = series.builder.forming_end_ns
            bar = series.builder.begin_day(open_ns, close_ns, since_ns)
            if bar is not None:
                closed.append(self._closed(series, bar, end_ns))
        self._open_ns, self._close_ns = open_ns, close_ns
        self._since_ns = since_ns
        return tuple(sorted(closed, key=_by_end))

    def on_tick(self, at_ns: int, ltp_paise: int) -> tuple[Candle, ...]:
        if ltp_paise <= 0 or at_ns < self._tick_ns or not self._open_ns <= at_ns < self._close_ns:
            return NO_CANDLES
        self._tick_ns = at_ns
        closed: list[Candle] | None = None
        for series in self.series.values():
            bar = series.builder.add(at_ns, ltp_paise)
            if bar is not None:
                closed = closed or []
                closed.append(self._closed(series, bar, series.builder.end_of(bar.start_ns)))
        return NO_CANDLES if closed is None else tuple(sorted(closed, key=_by_end))

    def close_until(self, now_ns: int) -> list[Candle]:
        self._clock_ns = max(self._clock_ns, now_ns)
        closed: list[Candle] = []
        for series in self.series.values():
            bar = series.builder.close_until(now_ns)
            if bar is not None:
                closed.append(self._closed(series, bar, series.builder.end_of(bar.start_ns)))
        return closed

    def seed(self, interval_ns: int, bars: Iterable[Bar]) -> tuple[Bar, ...]:
        series = self.series.get(interval_ns)
        if series is None:
            return tuple(bars)
        taken: dict[int, Bar] = {}
        refused: list[Bar] = []
        for bar in bars:
            if _is_possible(bar) and self._is_over(series, bar):
                taken[bar.start_ns] = bar
            else:
                refused.append(bar)
        series.fill_in(taken)
        return tuple(refused)

    def _is_over(self, series: _Series, bar: Bar) -> bool:
        """A bar before today is; one of today when it lies on the grid and has ended."""
        if bar.start_ns < self._open_ns:
            return True
        is_on_grid = (bar.start_ns - self._open_ns) % series.interval_ns == 0 and bar.start_ns < self._close_ns
        return is_on_grid and series.builder.end_of(bar.start_ns) <= max(self._since_ns, self._tick_ns, self._clock_ns)

    def _closed(self, series: _Series, bar: Bar, end_ns: int) -> Candle:
        series.take(bar, end_ns)
        return Candle(symbol=self._symbol, interval_ns=series.interval_ns, bar=bar, end_ns=end_ns)


def _by_end(candle: Candle) -> tuple[int, int]:
    return candle.end_ns, candle.interval_ns


def _is_possible(bar: Bar) -> bool:
    inner = bar.open_paise, bar.close_paise
    return 0 < bar.low_paise <= min(inner) and max(inner) <= bar.high_paise
