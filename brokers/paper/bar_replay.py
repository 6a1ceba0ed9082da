"""Replays bars as ticks. A bar is no tick record: between its four prices the path is *assumed*, and this is how.

One tick a second along open, the nearer extreme, the other extreme, close, interpolated and snapped to the tick size.
The touch is assumed too: one tick size either side of the last price, `displayed_lots` shown. Results of such a replay
must say so (shared data note). A minute without a bar has no ticks.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from brokers.paper.bar_file import Bar, BarTape
from engine.instant import NS_PER_S
from engine.instrument import Instrument, Segment
from engine.money import divide_half_up, round_to_tick
from engine.port import Clock, ReadFailed
from engine.tick import Tick

ASSUMPTION: Final = (
    "ticks expanded from bars: open, nearer extreme, other extreme, close, one a second; touch one tick either side"
)
"""To be shown with every result."""


def path_of(bar: Bar, tick_paise: int, bar_s: int) -> list[int]:
    """The last price of each second of the bar, in paise, on the tick. Open first, close last, both extremes reached.

    With both extremes equally near, the one against the bar's direction comes first. `bar_s` is at least 4.
    """
    to_low, to_high = bar.open_paise - bar.low_paise, bar.high_paise - bar.open_paise
    low_first = to_low < to_high or (to_low == to_high and bar.close_paise >= bar.open_paise)
    first, second = (bar.low_paise, bar.high_paise) if low_first else (bar.high_paise, bar.low_paise)
    corners = [(0, bar.open_paise), (bar_s // 3, first), (2 * bar_s // 3, second), (bar_s - 1, bar.close_paise)]
    prices: list[int] = []
    for (start_s, start), (end_s, end) in pairwise(corners):
        for second_no in range(start_s, end_s):
            between = start + divide_half_up((end - start) * (second_no - start_s), end_s - start_s)
            prices.append(round_to_tick(between, tick_paise))
    return [*prices, round_to_tick(bar.close_paise, tick_paise)]


def ticks_of(bar: Bar, instrument: Instrument, displayed_lots: int, bar_s: int) -> Iterator[Tick]:
    """A bar as ticks with the assumed touch; an index value has none."""
    tick_paise, qty = instrument.tick_paise, displayed_lots * instrument.lot_size
    for second_no, ltp in enumerate(path_of(bar, tick_paise, bar_s)):
        at_ns = bar.at_ns + second_no * NS_PER_S
        if instrument.segment is Segment.INDEX:
            yield Tick(bar.symbol, at_ns, ltp)
        else:
            yield Tick(bar.symbol, at_ns, ltp, max(tick_paise, ltp - tick_paise), qty, ltp + tick_paise, qty)


class BarReplay:
    """Implements `engine.port.MarketPort` over a tape of bars; `ticks` is the same market without a clock."""

    def __init__(
        self,
        tape: BarTape,
        instrument_of: Callable[[str], Instrument],
        clock: Clock | None = None,
        *,
        displayed_lots: int = 10,
        start_ns: int = 0,
    ) -> None:
        """`instrument_of` is asked once per symbol and its errors pass through; ticks before `start_ns` are skipped."""
        self._tape = tape
        self._clock = clock
        self._displayed_lots = displayed_lots
        self._bar_s = tape.bar_s
        self._start_ns = start_ns
        self._instruments = {symbol: instrument_of(symbol) for symbol in tape.symbols}
        self._listeners: list[Callable[[Tick], None]] = []
        self._subscribed: set[str] = set()
        self._newest: dict[str, Tick] = {}

    def ticks(self) -> Iterator[Tick]:
        """Every tick of every symbol by time; within an instant in the order of the symbols' first appearance."""
        streams = [self._stream(symbol) for symbol in self._instruments]
        for tick in heapq.merge(*streams, key=_at_ns):
            if tick.at_ns >= self._start_ns:
                yield tick

    def _stream(self, symbol: str) -> Iterator[Tick]:
        instrument = self._instruments[symbol]
        for bar in self._tape.bars:
            if bar.symbol == symbol and bar.at_ns + self._bar_s * NS_PER_S > self._start_ns:
                yield from ticks_of(bar, instrument, self._displayed_lots, self._bar_s)

    # Market port

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        """Listeners hear each tick in the order in which they came: the exchange first, then the desk."""
        self._listeners.append(on_tick)

    async def connect(self) -> None:
        """Nothing to reach; ticks come from `run`."""

    async def close(self) -> None:
        self._listeners.clear()

    async def instruments(self) -> Sequence[Instrument]:
        return list(self._instruments.values())

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Adds symbols; one that is not on the tape gets no ticks."""
        self._subscribed.update(symbols)

    async def quote(self, symbol: str) -> Tick:
        """The newest tick that has been played. Raises ReadFailed before a symbol's first."""
        if symbol not in self._newest:
            raise ReadFailed(f"no price for {symbol} yet in {self._tape.source}")
        return self._newest[symbol]

    async def run(self) -> None:
        """Play the tape once on the clock; returns at its end. Raises ValueError without a clock."""
        if self._clock is None:
            raise ValueError("a replay without a clock has only ticks()")
        for tick in self.ticks():
            if self._clock.now_ns() < tick.at_ns:
                await self._clock.sleep_until(tick.at_ns)
            self._newest[tick.symbol] = tick
            if tick.symbol in self._subscribed:
                for listener in self._listeners:
                    listener(tick)


def _at_ns(tick: Tick) -> int:
    return tick.at_ns
