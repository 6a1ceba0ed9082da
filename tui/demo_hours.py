"""When the demo's contracts trade, by the exchange calendar: for the paper exchange, in whichever process it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from engine.instant import ist_date
from engine.instrument import Instrument
from engine.session import Calendar, SessionClass, session_class
from tui.start_failure import StartFailed


class DemoHours:
    """The calendar over the contracts that are known so far."""

    def __init__(self, calendar: Calendar, kind: SessionClass = SessionClass.OPTIONS) -> None:
        """`kind`: whose session the day of this desk or venue is."""
        self.calendar = calendar
        self._kind = kind
        self._known: Mapping[str, Instrument] = {}

    def know(self, instruments: Sequence[Instrument]) -> None:
        """Today's contracts, for the exchange's session check."""
        self._known = {**self._known, **{instrument.symbol: instrument for instrument in instruments}}

    def is_open(self, symbol: str, now_ns: int) -> bool:
        """Continuous trading of a contract or share at this instant, by the dated session table."""
        instrument = self._known.get(symbol)
        session = self.calendar.trading_day(ist_date(now_ns))
        if instrument is None or session is None:
            return False
        close_ns = self.calendar.close_ns(instrument, ist_date(now_ns)) or 0
        return session.is_open(session_class(instrument), now_ns) and now_ns < close_ns

    def of_day(self, day: date) -> tuple[int, int]:
        """Open and close of a trading day. Raises StartFailed on any other day."""
        return self.session_of(self._kind)(day)

    def session_of(self, kind: SessionClass) -> Callable[[date], tuple[int, int]]:
        """The same for one kind of instrument, by day."""

        def session(day: date) -> tuple[int, int]:
            found = self.calendar.trading_day(day)
            if found is None:
                raise StartFailed(self.calendar.why_closed(day))
            return found.open_ns(kind), found.close_ns(kind)

        return session

    def next_day(self, day: date) -> date:
        """The next trading day. Raises StartFailed when the calendar does not reach so far."""
        following = self.calendar.next_trading_day(day)
        if following is None:
            raise StartFailed(f"the exchange calendar knows no trading day after {day}")
        return following

    def resumed(self, clock_ns: int) -> int:
        """The demo clock goes on where it stopped; after the close, at the next open."""
        day = ist_date(clock_ns)
        if self.calendar.trading_day(day) is None or clock_ns >= self.of_day(day)[1]:
            return self.of_day(self.next_day(day))[0]
        return max(clock_ns, self.of_day(day)[0])
