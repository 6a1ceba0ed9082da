"""The demo market: one index, its weekly puts and calls priced from it, quoted as a market maker would quote them.

A tick is a function of (seed, symbol, instant) alone: whatever else is subscribed, and wherever the process was
restarted, the same instant shows the same tick. Each strike's noise is a hash of seed, contract and step; nothing is
remembered between steps. Black-76 with a smile and calendar time to expiry make legs move and decay as legs do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

from brokers.paper.black76 import Smile, price
from brokers.paper.index_path import STEP_NS, DayPath, IndexPath, NextTradingDay, PathModel, Session
from brokers.paper.stepping import mixed, play
from engine.instant import NS_PER_DAY
from engine.instrument import Instrument, OptionType, Segment
from engine.money import floor_to_tick, paise_from_rupees, round_to_tick
from engine.port import Clock, ReadFailed
from engine.tick import Tick

DEMO_DAY: Final = date(2026, 11, 25)
"""Wednesday; the weekly contract expires on Tuesday 2026-12-01."""
INDEX: Final = "NIFTY"
TICK_PAISE: Final = 5
LOT: Final = 65
FREEZE_QTY: Final = 1800
STRIKE_STEP_PAISE: Final = 5000
STRIKES_EACH_SIDE: Final = 10
RATE: Final = 0.065
_TUESDAY: Final = 1
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class DemoMarket:
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
        model: PathModel | None = None,
        on_instruments: Callable[[Sequence[Instrument]], None] | None = None,
    ) -> None:
        """`start_ns` is where this run begins: the first day's open, or the clock kept in the paper books.

        `on_instruments` hears each day's master before its first tick (the exchange lists new contracts by it).
        """
        self._seed = seed
        self._start_ns = start_ns
        self._clock = clock
        self._session = session
        self._next_trading_day = next_trading_day
        self._on_instruments = on_instruments
        self._path = IndexPath(seed, first_day, session, next_trading_day, model)
        self._smile = Smile()
        self._listeners: list[Callable[[Tick], None]] = []
        self._subscribed: list[str] = []
        self._masters: dict[date, dict[str, Instrument]] = {}
        self._expires_ns: dict[date, int] = {}
        """By day of expiry: when its session closes."""
        self._salts: dict[str, int] = {}
        """By symbol: what its noise begins with."""
        self._scene_at_ns = -1
        self._scene = (0.0, 0.0, 0.0)

    # Market port

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        """Listeners hear each tick in the order in which they came: the exchange first, then the desk."""
        self._listeners.append(on_tick)

    async def connect(self) -> None:
        """Nothing to reach; ticks come from `run`."""

    async def close(self) -> None:
        self._listeners.clear()

    async def instruments(self) -> Sequence[Instrument]:
        return list(self._master(self._path.day_open_at(self._clock.now_ns())).values())

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Adds strikes; the index always ticks. A symbol outside the day's master gets no ticks, as on a real feed."""
        self._subscribed += [symbol for symbol in symbols if symbol not in self._subscribed and symbol != INDEX]

    async def quote(self, symbol: str) -> Tick:
        """The newest tick at this instant. Raises ReadFailed for an unknown symbol and before the first open."""
        now_ns = self._clock.now_ns()
        begun = [day for day in self._days_to(now_ns) if day.open_ns <= now_ns]
        if not begun or symbol not in self._master(begun[-1]):
            raise ReadFailed(f"no price for {symbol} in the demo market")
        day = begun[-1]
        step = min(day.steps - 1, (now_ns - day.open_ns) // STEP_NS)
        while (tick := self._tick(day, symbol, step)) is None:
            step -= 1
        return tick

    # Driving

    async def run(self) -> None:
        """Ticks for ever: one sleep per step, day after day. Ends only by cancellation."""
        await play(self._clock, self._start_ns, self._path.day_open_at, self._list_contracts, self._show)

    def _list_contracts(self, day: DayPath) -> None:
        if self._on_instruments is not None:
            self._on_instruments(list(self._master(day).values()))

    def _show(self, day: DayPath, step: int) -> None:
        for tick in self.ticks_of(day, step):
            for listener in self._listeners:
                listener(tick)

    def ticks_of(self, day: DayPath, step: int) -> list[Tick]:
        """What one step shows of the index and the subscribed strikes, in order of subscription."""
        index = self._tick(day, INDEX, step)
        return [*([index] if index is not None else []), *self.option_ticks_of(day, step)]

    def option_ticks_of(self, day: DayPath, step: int) -> list[Tick]:
        """The same without the index."""
        return [tick for symbol in self._subscribed if (tick := self._tick(day, symbol, step)) is not None]

    def tick_at(self, symbol: str, at_ns: int) -> Tick | None:
        """The tick of exactly this instant, or None when the symbol does not tick then."""
        day = self._path.day_open_at(at_ns)
        step, off = divmod(at_ns - day.open_ns, STEP_NS)
        return None if off or step < 0 else self._tick(day, symbol, step)

    def _days_to(self, at_ns: int) -> list[DayPath]:
        self._path.day_open_at(at_ns)
        return self._path.days

    # One tick

    def _tick(self, day: DayPath, symbol: str, step: int) -> Tick | None:
        at_ns = day.open_ns + step * STEP_NS
        if symbol == INDEX:
            return Tick(INDEX, at_ns, round_to_tick(paise_from_rupees(day.level(step)), TICK_PAISE))
        instrument = self._master(day).get(symbol)
        if instrument is None or instrument.option_type is None:
            return None
        noise = mixed(self._salt_of(instrument) ^ (at_ns // STEP_NS))
        # Three steps of four show a tick, about three a second; the first of a day always does.
        if step and not noise & 3:
            return None
        return _quoted(symbol, at_ns, self._fair_rupees(day, instrument, step, at_ns), noise >> 2)

    def _salt_of(self, instrument: Instrument) -> int:
        salt = self._salts.get(instrument.symbol)
        if salt is None:
            contract = instrument.strike_paise * 2 + (instrument.option_type is OptionType.CE)
            salt = self._salts[instrument.symbol] = mixed(mixed(self._seed) ^ contract)
        return salt

    def _fair_rupees(self, day: DayPath, instrument: Instrument, step: int, at_ns: int) -> float:
        assert instrument.expiry is not None and instrument.option_type is not None
        if self._scene_at_ns != at_ns:
            self._scene_at_ns, self._scene = at_ns, self._scene_of(day, instrument.expiry, step, at_ns)
        forward, years, at_the_money = self._scene
        strike = instrument.strike_paise / 100
        vol = self._smile.vol(at_the_money, forward, strike, years)
        return price(instrument.option_type, forward, strike, years, vol, RATE)

    def _scene_of(self, day: DayPath, expiry: date, step: int, at_ns: int) -> tuple[float, float, float]:
        """Forward, years to expiry and volatility at the money: the same for every strike of a step."""
        if expiry not in self._expires_ns:
            self._expires_ns[expiry] = self._session(expiry)[1]
        years = (self._expires_ns[expiry] - at_ns) / (365 * NS_PER_DAY)
        forward = day.level(step) * math.exp(RATE * max(years, 0.0))
        # Traders price the week, not the minute: option volatility follows the index a third of the way.
        return forward, years, self._path.model.vol_per_year * day.vol_factor(step) ** (1 / 3)

    # Instruments

    def _master(self, day: DayPath) -> dict[str, Instrument]:
        """The day's contracts by symbol: strikes around this open and around every earlier one of the same expiry."""
        master = self._masters.get(day.day)
        if master is None:
            expiry = self._expiry_of(day.day)
            lows = [
                _middle_strike(path) - STRIKES_EACH_SIDE * STRIKE_STEP_PAISE
                for path in self._path.days
                if path.day <= day.day and self._expiry_of(path.day) == expiry
            ]
            width = (2 * STRIKES_EACH_SIDE + 1) * STRIKE_STEP_PAISE
            strikes = sorted({strike for low in lows for strike in range(low, low + width, STRIKE_STEP_PAISE)})
            contracts = [_option(expiry, strike, kind) for strike in strikes for kind in OptionType]
            master = {instrument.symbol: instrument for instrument in (_INDEX_INSTRUMENT, *contracts)}
            self._masters[day.day] = master
        return master

    def _expiry_of(self, day: date) -> date:
        """The weekly expiry on or after a day: Tuesday, or the trading day before a Tuesday without trading."""
        tuesday = day + timedelta((_TUESDAY - day.weekday()) % 7)
        while (expiry := self._last_trading_day_to(tuesday)) < day:
            tuesday += timedelta(7)
        return expiry

    def _last_trading_day_to(self, day: date) -> date:
        while self._next_trading_day(day - timedelta(1)) != day:
            day -= timedelta(1)
        return day


_INDEX_INSTRUMENT: Final = Instrument(
    symbol=INDEX, exchange="NSE_INDEX", segment=Segment.INDEX, lot_size=1, tick_paise=TICK_PAISE, underlying=INDEX
)


def demo_symbol(expiry: date, strike_paise: int, kind: OptionType) -> str:
    """The OpenAlgo form: `NIFTY01DEC2624500PE`."""
    return f"{INDEX}{expiry.day:02d}{_MONTHS[expiry.month - 1]}{expiry.year % 100:02d}{strike_paise // 100}{kind.value}"


def _option(expiry: date, strike_paise: int, kind: OptionType) -> Instrument:
    return Instrument(
        symbol=demo_symbol(expiry, strike_paise, kind),
        exchange="NFO",
        segment=Segment.INDEX_OPTION,
        lot_size=LOT,
        tick_paise=TICK_PAISE,
        freeze_qty=FREEZE_QTY,
        underlying=INDEX,
        expiry=expiry,
        strike_paise=strike_paise,
        option_type=kind,
    )


def _middle_strike(path: DayPath) -> int:
    return round_to_tick(paise_from_rupees(path.level(0)), STRIKE_STEP_PAISE)


def _quoted(symbol: str, at_ns: int, fair_rupees: float, noise: int) -> Tick:
    """A two-sided quote around the fair value; each part of the noise decides one thing."""
    wobble = noise % 11 - 5
    spread_ticks = 1 + (noise >> 8) % 2 + int(fair_rupees) // 100
    bid_lots = 1 + (noise >> 16) % 12 * ((noise >> 20) % 4)
    ask_lots = 1 + (noise >> 24) % 12 * ((noise >> 28) % 4)
    middle = paise_from_rupees(fair_rupees) + wobble
    bid = floor_to_tick(middle - spread_ticks * TICK_PAISE // 2, TICK_PAISE)
    if bid < TICK_PAISE:
        bid = TICK_PAISE
    ask = bid + spread_ticks * TICK_PAISE
    ltp = ask if (noise >> 32) & 1 else bid
    return Tick(symbol, at_ns, ltp, bid, bid_lots * LOT, ask, ask_lots * LOT)
