"""One run of the desk inside a simulated day. Everything it has outside of itself goes through its life, so that a
crash cuts all of it at one instant: what is on disk stays, what is on the wire travels on, nothing else gets out.

The dead desk's code may run a few lines further, as a killed program's would not; whatever it does reaches nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from engine.clock import LoopClock
from engine.instrument import Instrument
from engine.port import Clock, MarketPort, TimerHandle
from engine.tick import Tick
from tui.simulation.crashes import Crash, Crasher, CrashPoint

OnCrash = Callable[[CrashPoint, Crash, object], None]


class Life:
    """From one start of the desk to its end, which comes by a crash or with the day."""

    def __init__(
        self, clock: LoopClock, crasher: Crasher, on_crash: Callable[[CrashPoint, Crash, object], None]
    ) -> None:
        self.world_clock = clock
        self.began_ns = clock.now_ns()
        self.is_over = False
        self._crasher = crasher
        self._on_crash = on_crash

    def passes(self, point: CrashPoint, about: object) -> bool:
        """False when the desk is dead, from this point on or from before. `about`: what was sent or written."""
        if self.is_over:
            return False
        crash = self._crasher.strikes(point, self.world_clock.now_ns())
        if crash is None:
            return True
        self.is_over = True
        self._on_crash(point, crash, about)
        return False

    async def never(self) -> None:
        """What a dead desk waits for; ends by cancellation only."""
        await asyncio.get_running_loop().create_future()


class LifeClock:
    """Implements `engine.port.Clock`: the world's time, whose timers ring for the living only."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._clock: Clock = life.world_clock
        self.now_ns: Callable[[], int] = life.world_clock.now_ns  # it is asked a hundred thousand times a day

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> TimerHandle:
        life = self._life

        def ring() -> None:
            if not life.is_over:
                callback()

        return self._clock.call_at(at_ns, ring)

    async def sleep_until(self, at_ns: int) -> None:
        await self._clock.sleep_until(at_ns)
        if self._life.is_over:
            await self._life.never()


class LifeMarket:
    """Implements `engine.port.MarketPort` for one life: what it subscribes to, the next one gets anew."""

    def __init__(self, life: Life, market: MarketPort) -> None:
        self._life = life
        self._market = market
        self._listeners: list[Callable[[Tick], None]] = []

    def hear(self, tick: Tick) -> None:
        """One tick of the feed; the world calls it while this life lasts."""
        for listener in self._listeners:
            listener(tick)

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    async def connect(self) -> None:
        """The feed runs, whoever listens."""

    async def close(self) -> None:
        self._listeners.clear()

    async def instruments(self) -> Sequence[Instrument]:
        return await self._market.instruments()

    async def subscribe(self, symbols: Sequence[str]) -> None:
        await self._market.subscribe(symbols)

    async def quote(self, symbol: str) -> Tick:
        tick = await self._market.quote(symbol)
        if self._life.is_over:
            await self._life.never()
        return tick
