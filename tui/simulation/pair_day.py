"""The pair market of one simulated day, stepped once a second; the world pushes its ticks (see `day_market`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from brokers.paper.index_path import STEP_NS
from brokers.paper.pair_market import SYMBOLS, PairMarket
from engine.instant import NS_PER_S
from engine.instrument import Instrument
from engine.tick import Tick

_STEPS: Final = NS_PER_S // STEP_NS


class PairDayMarket:
    """Implements `engine.port.MarketPort` over `PairMarket`."""

    def __init__(self, pair: PairMarket) -> None:
        self._pair = pair
        self._listeners: list[Callable[[Tick], None]] = []

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    async def connect(self) -> None:
        """Nothing to reach."""

    async def close(self) -> None:
        self._listeners.clear()

    async def instruments(self) -> Sequence[Instrument]:
        return await self._pair.instruments()

    async def subscribe(self, symbols: Sequence[str]) -> None:
        await self._pair.subscribe(symbols)

    async def quote(self, symbol: str) -> Tick:
        return await self._pair.quote(symbol)

    def push(self, tick: Tick) -> None:
        for listener in self._listeners:
            listener(tick)

    def ticks(self, from_ns: int, until_ns: int) -> Iterator[Tick]:
        """From one instant up to another, in time order: the last tick of each share in every second."""
        for second_ns in range(from_ns, until_ns, NS_PER_S):
            found: list[Tick] = []
            for symbol in SYMBOLS:
                steps = reversed(range(second_ns, second_ns + _STEPS * STEP_NS, STEP_NS))
                tick = next((t for at_ns in steps if (t := self._pair.tick_at(symbol, at_ns)) is not None), None)
                if tick is not None:
                    found.append(tick)
            yield from sorted(found, key=lambda tick: tick.at_ns)
