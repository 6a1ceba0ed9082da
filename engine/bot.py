"""What a bot is to the desk: something with a name that opens brackets, and may be asked to leave. Pure.

A desk runs any number of bots beside each other. Orders are theirs by bracket, never by symbol: two bots may hold the
same contract and leave it independently, and the broker's net position is the sum over all of them (CON-43, HRD-41).
A bot whose code fails is replaced by `engine.protect_only`, which only protects and leaves (PRC-10).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

from engine.bracket import Bracket
from engine.bracket_state import BracketBody
from engine.entry_trigger import TriggerState
from engine.instant import NS_PER_S
from engine.instrument import Instrument
from engine.leg import Leg
from engine.messages import Msg
from engine.money import divide_half_up, rupees_text
from engine.order import Order, Side
from engine.outbox import Outbox, RoundTrip
from engine.reading import IndicatorSpec
from engine.reconcile import OnUnexpected
from engine.risk import RiskLimits
from engine.stop_plan import OnStop
from engine.view import ExitStyle

REASON_EOD: Final = "EOD Square-Off"
REASON_MANUAL: Final = "Square-Off"
REASON_ZERO: Final = "Zero Out"
REASON_STOP_DESK: Final = "Strategy Paused"
REASON_BLIND: Final = "No Price"


class BotTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Spans and times of day one bot lives by."""

    status_poll_ns: int = 5 * NS_PER_S
    """Fallback status pass while it is active (LEG-22)."""
    blind_exit_after_ns: int = 30 * NS_PER_S
    """No price for this long with a position open: leave it (RTP-14)."""
    square_off_ns: int = (15 * 3600 + 15 * 60) * NS_PER_S
    """Since IST midnight; 0 = no square-off."""


class BotBody(msgspec.Struct, kw_only=True):
    """What every bot remembers across a restart; positions are in their brackets."""

    trading_day: str = ""
    """ISO date in IST; a new day starts the totals at zero (LEG-72, BUG-94)."""
    day_net_paise: int = 0
    """Realised today by this bot, before estimated charges."""
    entries_today: int = 0
    trigger: TriggerState = msgspec.field(default_factory=TriggerState)
    """Bars counted and the queued entry, so that a restart neither loses nor repeats a signal (LEG-60)."""

    def begin_day(self, trading_day: str) -> bool:
        """Totals to zero; history stays in the journal (OPS-19). False when it is the same day."""
        if self.trading_day == trading_day:
            return False
        self.trading_day = trading_day
        self.day_net_paise = 0
        self.entries_today = 0
        return True


class Bot(Protocol):
    """Every method is one event. Those that take an outbox may send; nothing is sent while the books are unknown."""

    books_known: bool
    """False from a restart to the first complete read of the broker's books (R4)."""

    @property
    def name(self) -> str: ...

    @property
    def product(self) -> str: ...

    @property
    def places(self) -> Mapping[str, Collection[str]]:
        """By account, its main one first: the symbols that it may hold there."""
        ...

    @property
    def lots(self) -> int:
        """Lots of one entry when the trader names none."""
        ...

    @property
    def style(self) -> ExitStyle:
        """Where the exits of its next position will live; open ones keep their own."""
        ...

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """By symbol: all it may trade."""
        ...

    @property
    def legs(self) -> Mapping[str, Leg]:
        """By symbol, in trading order; empty for a bot that is not made of legs."""
        ...

    @property
    def brackets(self) -> Mapping[str, Bracket]:
        """Of the day, closed ones too: a late fill or record still finds its bracket."""
        ...

    @property
    def body(self) -> BotBody: ...

    @property
    def limits(self) -> RiskLimits:
        """Its own caps; the desk has caps over all bots."""
        ...

    @property
    def times(self) -> BotTimes: ...

    @property
    def max_tick_age_ns(self) -> int:
        """It decides nothing on an older price."""
        ...

    @property
    def on_stop(self) -> OnStop:
        """What its positions do when the desk stops (OPS-21)."""
        ...

    @property
    def any_active(self) -> bool:
        """Something is open, entering, or not yet proven flat."""
        ...

    def open_brackets(self) -> list[Bracket]:
        """Brackets that are not over, oldest first."""
        ...

    def indicators(self) -> Mapping[str, tuple[IndicatorSpec, ...]]:
        """By symbol: what its next position will ask about the candles."""
        ...

    def entry_reason(self, symbols: Sequence[str], side: Side, lots: int, now_ns: int) -> str:
        """Why it would not enter these now, the desk's own reasons aside; empty when it would."""
        ...

    def enter(self, symbols: Sequence[str], side: Side, lots: int, now_ns: int, out: Outbox) -> str:
        """Send entries; returns why nothing was sent, or empty."""
        ...

    def on_tick(self, symbol: str, now_ns: int, out: Outbox) -> None:
        """The price of a symbol has left an armed band."""
        ...

    def on_candle(self, symbol: str, now_ns: int, out: Outbox) -> None:
        """A candle of a symbol has closed, and every indicator knows it."""
        ...

    def on_orders(self, orders: Sequence[Order], now_ns: int, out: Outbox, *, recovered: bool = False) -> None:
        """Orders of this bot changed; all are absorbed before anything is decided."""
        ...

    def on_wake(self, now_ns: int, out: Outbox, *, only: Collection[str] | None = None) -> None:
        """Time has passed. `only` names the brackets to look at, where a long list is looked at in parts (RTP-37)."""
        ...

    def wake_ns(self, now_ns: int) -> int:
        """Earliest instant after `now_ns` at which `on_wake` must come; 0 = none."""
        ...

    def check_status(self, now_ns: int, out: Outbox) -> list[str]:
        """One status pass over what is active; returns the symbols looked at (LEG-21)."""
        ...

    def exit_leg(self, symbol: str, reason: str, now_ns: int, out: Outbox) -> bool:
        """Leave what it holds of one symbol; False when there is nothing to leave or it is leaving already."""
        ...

    def square_off(self, reason: str, now_ns: int, out: Outbox) -> int:
        """Leave everything; returns how many exits were started."""
        ...

    def book(self, trip: RoundTrip, previous: RoundTrip | None, out: Outbox) -> None:
        """Add a closed round trip to its day; a corrected one replaces what was booked."""
        ...

    def roll_day(self, trading_day: str) -> bool:
        """Begin a trading day; False when it is the same one."""
        ...

    def restore_body(self, image: bytes) -> None:
        """Take back what it remembered, when that was today."""
        ...

    def restore(self, bodies: Sequence[BracketBody]) -> None:
        """Take back the brackets that were open when the desk ended (LEG-72)."""
        ...

    def remember(self, bodies: Sequence[BracketBody]) -> None:
        """Know the day's closed brackets again: a late fill belongs to one of them (UPD-12)."""
        ...


def book_trip(bot: Bot, trip: RoundTrip, previous: RoundTrip | None, out: Outbox) -> None:
    """The day's books of any bot: totals, the leg's note, and the line that tells the exit (LEG-47, LEG-48)."""
    leg, body = bot.legs.get(trip.symbol), bot.body
    change = trip.net_paise - (previous.net_paise if previous else 0)
    body.day_net_paise += change
    if leg is not None:
        leg.realised_paise += change
    exit_text = rupees_text(divide_half_up(trip.exit_value_paise, trip.qty))
    net = rupees_text(trip.net_paise, signed=True)
    if previous is not None:
        if change:
            was = rupees_text(previous.net_paise, signed=True)
            out.say(Msg.EXIT_CORRECTED, source=bot.name, symbol=trip.symbol, exit=exit_text, net=net, was=was)
        return
    if leg is not None:
        leg.note = f"{trip.reason} {net}"
    out.say(
        Msg.EXIT,
        source=bot.name,
        symbol=trip.symbol,
        reason=trip.reason if trip.kind == "trade" else f"{trip.reason}, surplus",
        entry=rupees_text(divide_half_up(trip.entry_value_paise, trip.qty)),
        exit=exit_text,
        net=net,
        day=rupees_text(body.day_net_paise, signed=True),
        mark="💰" if trip.net_paise > 0 else "💸",
    )


@runtime_checkable
class PriceWatcher(Protocol):
    """A bot that looks at prices beside those that its brackets watch."""

    def band(self, symbol: str) -> tuple[int, int] | None:
        """Prices of this symbol between which it has nothing to decide, in paise; None: it does not look at them."""
        ...


@runtime_checkable
class Adopter(Protocol):
    """A bot of one account that can take over units which it has not bought itself, and says when it wants to
    (CON-08)."""

    @property
    def on_unexpected(self) -> OnUnexpected: ...

    @property
    def reserved_symbols(self) -> bool:
        """Nobody else trades its symbols: whatever is found in them is its own."""
        ...

    def adopt(
        self, symbol: str, net_qty: int, price_paise: int, now_ns: int, out: Outbox, exits: Sequence[Order] = ()
    ) -> Bracket | None: ...
