"""The pair demo market: two cash shares that move together for most of the day, quoted as a market maker would.

IRFC stands near 50.00 and SBIN near 120.50: demo prices that fit the worked examples of the grid, not the prices of the
exchange. A tick is a function of (seed, symbol, instant) alone, as in the index demo: the same wherever the process was
restarted and whatever is subscribed. Correlation, volatility and decoupling spells are `PairModel`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from brokers.paper.demo_market import DEMO_DAY
from brokers.paper.index_path import STEP_NS, NextTradingDay, Session
from brokers.paper.pair_path import PairDay, PairModel, PairPath
from brokers.paper.stepping import mixed, play
from engine.instrument import Instrument, Segment
from engine.money import ceil_to_tick, floor_to_tick, paise_from_rupees
from engine.port import Clock, ReadFailed
from engine.tick import Tick

TOKEN_A: Final = "IRFC"
TOKEN_B: Final = "SBIN"
TICK_PAISE: Final = 1
"""NSE cash below 250 rupees (facts/market.md, tick sizes)."""
FREEZE_QTY: Final = 100_000
"""A demo figure: the exchange gives each share its own."""
BAND_PERCENT: Final = 10
"""Operating range of a share with derivatives around its last close (facts/market.md §3)."""
_SPREAD_TICKS: Final = (1, 1, 1, 2, 2, 3)
_LOT_OF_DEPTH: Final = 25
"""Sizes at the touch come in these units, 1 to 93 of them."""


class PairMarket:
    """Implements `engine.port.MarketPort`; `run` drives it on the given clock."""

    def __init__(
        self,
        seed: int,
        start_ns: int,
        clock: Clock,
        session: Session,
        next_trading_day: NextTradingDay,
        *,
        first_day: date = DEMO_DAY,
        model: PairModel | None = None,
        on_instruments: Callable[[Sequence[Instrument]], None] | None = None,
    ) -> None:
        """As `DemoMarket`; `session` is that of a cash share with derivatives (`SessionClass.CASH_WITH_DERIVATIVES`).

        `on_instruments` hears each day's master before its first tick.
        """
        self._start_ns = start_ns
        self._clock = clock
        self._on_instruments = on_instruments
        self._path = PairPath(seed, first_day, session, next_trading_day, model)
        self._listeners: list[Callable[[Tick], None]] = []
        self._subscribed: list[str] = []
        self._salts = {symbol: mixed(mixed(seed) ^ number) for number, symbol in enumerate(SYMBOLS)}

    # Market port

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        """Listeners hear each tick in the order in which they came: the exchange first, then the desk."""
        self._listeners.append(on_tick)

    async def connect(self) -> None:
        """Nothing to reach; ticks come from `run`."""

    async def close(self) -> None:
        self._listeners.clear()

    async def instruments(self) -> Sequence[Instrument]:
        return list(INSTRUMENTS)

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """A symbol that is not of the pair gets no ticks, as on a real feed."""
        self._subscribed += [s for s in dict.fromkeys(symbols) if s in SYMBOLS and s not in self._subscribed]

    async def quote(self, symbol: str) -> Tick:
        """The newest tick at this instant. Raises ReadFailed for an unknown symbol and before the first open."""
        now_ns = self._clock.now_ns()
        begun = self._day_begun(now_ns)
        if begun is None or symbol not in SYMBOLS:
            raise ReadFailed(f"no price for {symbol} in the pair demo market")
        step = min(begun.steps - 1, (now_ns - begun.open_ns) // STEP_NS)
        while (tick := self._tick(begun, symbol, step)) is None:
            step -= 1
        return tick

    def price_bands(self) -> dict[str, tuple[int, int]]:
        """Lowest and highest price taken on the day of the clock's instant, by symbol: for `PaperRules.price_bands`."""
        day = self._day_begun(self._clock.now_ns()) or self._path.days[0]
        return {
            symbol: (
                ceil_to_tick(paise * (100 - BAND_PERCENT) // 100, TICK_PAISE),
                floor_to_tick(paise * (100 + BAND_PERCENT) // 100, TICK_PAISE),
            )
            for symbol, rupees in zip(SYMBOLS, self._path.last_close_before(day), strict=True)
            if (paise := paise_from_rupees(rupees))
        }

    # Driving

    async def run(self) -> None:
        """Ticks for ever: one sleep per step, day after day. Ends only by cancellation."""
        await play(self._clock, self._start_ns, self._path.day_open_at, self._list, self._show)

    def _list(self, _: PairDay) -> None:
        if self._on_instruments is not None:
            self._on_instruments(list(INSTRUMENTS))

    def _show(self, day: PairDay, step: int) -> None:
        for symbol in self._subscribed:
            if (tick := self._tick(day, symbol, step)) is not None:
                for listener in self._listeners:
                    listener(tick)

    def tick_at(self, symbol: str, at_ns: int) -> Tick | None:
        """The tick of exactly this instant, or None when the symbol does not tick then."""
        day = self._path.day_open_at(at_ns)
        step, off = divmod(at_ns - day.open_ns, STEP_NS)
        return None if off or step < 0 or symbol not in SYMBOLS else self._tick(day, symbol, step)

    def _day_begun(self, now_ns: int) -> PairDay | None:
        """The newest day that has opened."""
        self._path.day_open_at(now_ns)
        return next((day for day in reversed(self._path.days) if day.open_ns <= now_ns), None)

    def _tick(self, day: PairDay, symbol: str, step: int) -> Tick | None:
        at_ns = day.open_ns + step * STEP_NS
        noise = mixed(self._salts[symbol] ^ (at_ns // STEP_NS))
        # Three steps of four show a tick, about three a second; the first of a day always does.
        if step and not noise & 3:
            return None
        return _quoted(symbol, at_ns, day.prices(step)[SYMBOLS.index(symbol)], noise >> 2)


def _share(symbol: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        exchange="NSE",
        segment=Segment.EQUITY,
        lot_size=1,
        tick_paise=TICK_PAISE,
        freeze_qty=FREEZE_QTY,
        underlying=symbol,
    )


SYMBOLS: Final = (TOKEN_A, TOKEN_B)
INSTRUMENTS: Final = tuple(_share(symbol) for symbol in SYMBOLS)


def _quoted(symbol: str, at_ns: int, fair_rupees: float, noise: int) -> Tick:
    """A two-sided quote around the fair price; each part of the noise decides one thing."""
    spread = _SPREAD_TICKS[noise % len(_SPREAD_TICKS)] * TICK_PAISE
    bid = max(TICK_PAISE, floor_to_tick(paise_from_rupees(fair_rupees) - spread // 2, TICK_PAISE))
    bid_qty = (1 + (noise >> 8) % 24 * ((noise >> 16) % 5)) * _LOT_OF_DEPTH
    ask_qty = (1 + (noise >> 24) % 24 * ((noise >> 32) % 5)) * _LOT_OF_DEPTH
    ask = bid + spread
    return Tick(symbol, at_ns, ask if (noise >> 40) & 1 else bid, bid, bid_qty, ask, ask_qty)
