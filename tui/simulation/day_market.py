"""The demo market of one simulated day, stepped once a second: a market port that the world pushes ticks into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from brokers.paper.demo_market import DemoMarket
from brokers.paper.index_path import STEP_NS, DayPath
from engine.instant import NS_PER_S
from engine.instrument import Instrument
from engine.tick import Tick

STEPS_PER_TICK: Final = NS_PER_S // STEP_NS


class DayMarket:
    """Implements `engine.port.MarketPort` over `DemoMarket`; ticks come from `ticks`, through `push`."""

    def __init__(self, demo: DemoMarket) -> None:
        self._demo = demo
        self._listeners: list[Callable[[Tick], None]] = []
        self.symbols: list[str] = []

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    async def connect(self) -> None:
        """Nothing to reach."""

    async def close(self) -> None:
        self._listeners.clear()

    async def instruments(self) -> Sequence[Instrument]:
        return await self._demo.instruments()

    async def subscribe(self, symbols: Sequence[str]) -> None:
        self.symbols += [symbol for symbol in symbols if symbol not in self.symbols]
        await self._demo.subscribe(symbols)

    async def quote(self, symbol: str) -> Tick:
        return await self._demo.quote(symbol)

    def push(self, tick: Tick) -> None:
        for listener in self._listeners:
            listener(tick)

    def ticks(self, day: DayPath, until_ns: int) -> Iterator[Tick]:
        """The day's ticks up to an instant, in time order."""
        for step in range(0, day.steps, STEPS_PER_TICK):
            if day.open_ns + step * STEP_NS >= until_ns:
                return
            yield from self._demo.option_ticks_of(day, step)  # nobody here listens to the index
