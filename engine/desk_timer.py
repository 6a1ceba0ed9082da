"""When the desk looks again: the armed band of every instrument and the one timer, merged over all bots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.bracket import Bracket
from engine.instant import NS_PER_DAY, ist_time_ns
from engine.messages import Msg
from engine.port import TimerHandle
from engine.price_book import NO_HIGH, NO_LOW

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.seat import Seat


class DeskTimer:
    """Recomputed after every step, never on an idle tick."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._timer: TimerHandle | None = None
        self._at_ns = 0
        self._net_ns = 0
        self._status_ns = 0
        self._banded: set[str] = set()
        """Symbols whose band is not wide open."""
        self._watch_began = self._is_over = False

    # --- life (RTP-13) --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The broker's books are known: from now on positions are watched. Within a step; a second time is none."""
        if not self._watch_began:
            self._watch_began = True
            self._desk.say(Msg.WATCH_STARTED)

    def end(self) -> None:
        """Look at nothing any more, whatever still comes in."""
        if self._watch_began and not self._is_over:
            self._desk.step(lambda _now: self._desk.say(Msg.WATCH_STOPPED))
        self._is_over = True
        self.disarm()

    # --- looking again --------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """A tick inside the band of its instrument touches nobody's levels; the tightest of all bots counts."""
        if self._is_over:
            return
        bands: dict[str, tuple[int, int]] = {}
        for bracket in self._desk.open_brackets():
            low, high = _band_of(bracket)
            known = bands.get(bracket.body.symbol, (NO_LOW, NO_HIGH))
            bands[bracket.body.symbol] = (max(low, known[0]), min(high, known[1]))
        has_open = bool(bands)
        for seat in self._desk.seats.values():
            for symbol, (low, high) in _watched_by(seat).items():
                known = bands.get(symbol, (NO_LOW, NO_HIGH))
                bands[symbol] = (max(low, known[0]), min(high, known[1]))
        prices = self._desk.prices
        for symbol in self._banded - bands.keys():
            prices[symbol].arm(NO_LOW, NO_HIGH)
        for symbol, (low, high) in bands.items():
            prices[symbol].arm(low, high)
        self._banded = set(bands)
        self._arm_timer(has_open)

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def status_is_due(self, now_ns: int) -> bool:
        """True once per status poll while any bot is active; the quickest of their polls counts (LEG-22)."""
        if not self._desk.any_active:
            self._status_ns = 0
            return False
        if now_ns < self._status_ns:
            return False
        self._status_ns = now_ns + self._status_poll_ns()
        return True

    def _status_poll_ns(self) -> int:
        desk = self._desk
        polls = [bot.times.status_poll_ns for name, bot in desk.bots.items() if desk.is_active(name)]
        return min(polls, default=desk.parts.times.check_interval_ns)

    def _arm_timer(self, has_open: bool) -> None:
        desk, now_ns = self._desk, self._desk.clock.now_ns()
        midnight_ns = now_ns - ist_time_ns(now_ns)
        wakes = [midnight_ns + NS_PER_DAY, desk.candles.wake_ns(), desk.price_watch.wake_ns(now_ns)]
        for seat in desk.seats.values():
            wakes += [seat.schedule.next_wake_ns(now_ns), seat.square_off_at_ns(now_ns)]
        wakes += [desk.decide(name, lambda bot: bot.wake_ns(now_ns)) for name in desk.bots]
        if has_open:
            if self._net_ns <= now_ns:
                self._net_ns = now_ns + desk.parts.times.check_interval_ns
            self._status_ns = self._status_ns or now_ns + self._status_poll_ns()
            wakes += [self._net_ns, self._status_ns]
        wake_ns = min([wake for wake in wakes if wake > now_ns])
        if self._timer is not None and self._at_ns == wake_ns:
            return
        self.disarm()
        self._at_ns = wake_ns
        self._timer = desk.clock.call_at(wake_ns, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._desk.on_time()


def _watched_by(seat: Seat) -> dict[str, tuple[int, int]]:
    """The bands of a bot that watches prices on its own, by symbol; an error in it is dealt with as in `_band_of`."""
    watcher = seat.watcher
    if watcher is None:
        return {}
    try:
        return {symbol: band for symbol in seat.bot.instruments if (band := watcher.band(symbol)) is not None}
    except Exception:  # noqa: BLE001 - the next tick meets it again, inside `Desk.decide`
        return dict.fromkeys(seat.bot.instruments, (NO_HIGH, NO_HIGH))


def _band_of(bracket: Bracket) -> tuple[int, int]:
    """When its rules cannot say which prices matter, every price does: the tick then meets the same error where it is
    dealt with (PRC-10)."""
    try:
        return bracket.band()
    except Exception:  # noqa: BLE001 - the timer must be armed whatever a rule does
        return NO_HIGH, NO_HIGH
