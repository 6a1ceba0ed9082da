"""A market feed that misbehaves: `engine.port.MarketPort` around the honest one.

Two kinds of listener. The exchange listens to the truth: it sees jumps and halts, which are real, and none of the
feed's faults. The desk sees what the feed makes of it. A bad tick is inserted a nanosecond before the true one, so that
a desk that ignores it decides as if it had never come (M3). A tick carries integers: a price that is no number can only
reach a parser, which drops it, so that fault is a tick that never comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from brokers.paper.faults.knob import Door, Effect
from brokers.paper.faults.plan import FaultPlan, Strike
from engine.instant import NS_PER_MS
from engine.instrument import Instrument, Segment
from engine.money import floor_to_tick
from engine.port import Clock, MarketPort, ReadFailed
from engine.tick import Tick

Hear = Callable[[Tick], None]

_RECENT_MAX: Final = 500
"""Ticks that a replay after a reconnect can tell again."""
_TICK_PAISE: Final = 5
"""Price step of a contract whose facts have not been read."""
_MUTE: Final = frozenset(
    {Effect.MUTE, Effect.NOT_A_NUMBER, Effect.LOST_REQUEST, Effect.DROP, Effect.HALT, Effect.NOT_SENT}
)


class FaultyMarket:
    """Stands between one market and one desk, with the exchange listening beside."""

    def __init__(self, inner: MarketPort, clock: Clock, plan: FaultPlan) -> None:
        self._inner = inner
        self._clock = clock
        self._plan = plan
        self._truth: list[Hear] = []
        self._desk: list[Hear] = []
        self._recent: deque[Tick] = deque(maxlen=_RECENT_MAX)
        self._last: dict[str, Tick] = {}
        self._facts: dict[str, Instrument] = {}
        self._asked_ns: dict[str, int] = {}
        """When each symbol was last subscribed to."""
        self._frozen: dict[str, tuple[int, int]] = {}
        """Symbol -> beginning of the span and the last price it stands still at."""
        self._has_market_faults = not plan.is_idle(Door.MARKET)
        self._has_tick_faults = not plan.is_idle(Door.TICK)
        inner.listen(self._hear)

    # --- market port ----------------------------------------------------------------------------------------------

    def listen_truth(self, on_tick: Hear) -> None:
        """For the exchange: what the market really does, before any feed's fault, and before the desk hears of it."""
        self._truth.append(on_tick)

    def listen(self, on_tick: Hear) -> None:
        self._desk.append(on_tick)

    async def connect(self) -> None:
        await self._inner.connect()

    async def close(self) -> None:
        await self._inner.close()

    async def instruments(self) -> Sequence[Instrument]:
        """Today's master, with the plan's errors in it. Raises ReadFailed."""
        honest = await self._inner.instruments()
        self._facts |= {instrument.symbol: instrument for instrument in honest}
        return [self._misread(instrument) for instrument in honest]

    async def subscribe(self, symbols: Sequence[str]) -> None:
        self._asked_ns |= dict.fromkeys(symbols, self._clock.now_ns())
        await self._inner.subscribe(symbols)

    async def quote(self, symbol: str) -> Tick:
        """Raises ReadFailed."""
        tick = await self._inner.quote(symbol)
        strike = self._plan.strike(Door.QUOTE, self._clock.now_ns(), symbol=symbol, can=self._can_move(symbol))
        if strike is None:
            return tick
        if strike.effect is Effect.SHIFT_PRICE:
            return self._shifted(tick, strike.amount)
        raise ReadFailed(f"no quote of {symbol}: {strike.text or 'no answer'}")

    # --- ticks ----------------------------------------------------------------------------------------------------

    def _hear(self, tick: Tick) -> None:
        if self._has_market_faults:
            strike = self._plan.strike(Door.MARKET, tick.at_ns, symbol=tick.symbol, can=self._can_move(tick.symbol))
            if strike is not None and strike.effect is Effect.HALT:
                return
            if strike is not None:
                tick = self._shifted(tick, strike.amount)
        for hear in self._truth:
            hear(tick)
        strike = self._plan.strike(Door.TICK, tick.at_ns, symbol=tick.symbol) if self._has_tick_faults else None
        if strike is None:
            self._tell(tick)
        else:
            for seen in self._seen(tick, strike):
                self._tell(seen)
        if self._has_tick_faults:
            self._recent.append(tick)
            self._last[tick.symbol] = tick

    def _tell(self, tick: Tick) -> None:
        for hear in self._desk:
            hear(tick)

    def _seen(self, tick: Tick, strike: Strike) -> list[Tick]:
        """What the desk sees in place of a true tick."""
        just_before = tick.at_ns - 1
        match strike.effect:
            case effect if effect in _MUTE:
                return []
            case Effect.MUTE_UNTIL_ASKED:
                return [tick] if self._asked_ns.get(tick.symbol, 0) >= strike.from_ns else []
            case Effect.PRICE:
                return [replace(tick, at_ns=just_before, ltp_paise=strike.amount), tick]
            case Effect.OFF_TICK:
                return [_moved(replace(tick, at_ns=just_before), lambda paise: paise + strike.amount), tick]
            case Effect.SCALE:
                return [_moved(replace(tick, at_ns=just_before), lambda paise: paise * strike.amount), tick]
            case Effect.CROSS:
                return [replace(tick, bid_paise=tick.ask_paise + self._step(tick.symbol), ask_paise=tick.bid_paise)]
            case Effect.ONE_SIDED:
                return [replace(tick, bid_paise=0, bid_qty=0)]
            case Effect.OLD_PRICE:
                return [replace(tick, ltp_paise=self._frozen_paise(tick, strike.from_ns))]
            case Effect.SWAP:
                return [self._swapped(tick)]
            case Effect.BURST:
                return [replace(tick, at_ns=tick.at_ns + number) for number in range(strike.amount)]
            case Effect.SHIFT_TIME:
                return [replace(tick, at_ns=tick.at_ns + strike.amount * NS_PER_MS)]
            case Effect.REPLAY_TICKS:
                return [tick, *list(self._recent)[-strike.amount :]]
            case effect:
                raise ValueError(f"fault {strike.knob.knob}: {effect.value} is nothing that a feed does")

    def _frozen_paise(self, tick: Tick, from_ns: int) -> int:
        began_ns, paise = self._frozen.get(tick.symbol, (-1, 0))
        if began_ns != from_ns:
            last = self._last.get(tick.symbol, tick)
            began_ns, paise = self._frozen[tick.symbol] = (from_ns, last.ltp_paise)
        return paise

    def _swapped(self, tick: Tick) -> Tick:
        """The prices of another contract, under this one's name."""
        other = next((last for symbol, last in self._last.items() if symbol != tick.symbol), tick)
        return replace(other, symbol=tick.symbol, at_ns=tick.at_ns)

    # --- the market -----------------------------------------------------------------------------------------------

    def _can_move(self, symbol: str) -> Callable[[Effect, int], bool]:
        """An index does not jump as an option does."""
        facts = self._facts.get(symbol)
        is_index = facts is not None and facts.segment is Segment.INDEX
        return lambda effect, _amount: effect is not Effect.SHIFT_PRICE or not is_index

    def _shifted(self, tick: Tick, percent: int) -> Tick:
        step = self._step(tick.symbol)
        return _moved(tick, lambda paise: max(step, floor_to_tick(paise * (100 + percent) // 100, step)))

    def _step(self, symbol: str) -> int:
        facts = self._facts.get(symbol)
        return facts.tick_paise if facts is not None else _TICK_PAISE

    def _misread(self, instrument: Instrument) -> Instrument:
        if instrument.segment is Segment.INDEX:
            return instrument
        strike = self._plan.strike(Door.MASTER, self._clock.now_ns(), symbol=instrument.symbol)
        if strike is None:
            return instrument
        match strike.effect:
            case Effect.LOT:
                return replace(instrument, lot_size=strike.amount)
            case Effect.FREEZE:
                return replace(instrument, freeze_qty=strike.amount)
            case _:
                return replace(instrument, tick_paise=strike.amount)


def _moved(tick: Tick, price: Callable[[int], int]) -> Tick:
    """Every price that the tick gives, changed alike."""
    return replace(
        tick,
        ltp_paise=price(tick.ltp_paise) if tick.ltp_paise else 0,
        bid_paise=price(tick.bid_paise) if tick.bid_paise else 0,
        ask_paise=price(tick.ask_paise) if tick.ask_paise else 0,
    )
