"""One line a minute that says the desk is alive, with counters and money (OPS-29); quiet while the market is closed.

Pure: the line is made from the picture a screen would get, and the clock is given. Sixty cycles of one second make a
beat; the price of a grid's second token joins the line with the grid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from engine.instant import NS_PER_S
from engine.messages import Msg
from engine.money import rupees_text
from engine.order import OrderState
from engine.port import Clock, TimerHandle
from engine.view import DeskView

if TYPE_CHECKING:
    from engine.desk import Desk

CYCLES: Final = 60
CYCLE_NS: Final = NS_PER_S


def heartbeat_text(view: DeskView, beats: int) -> str:
    """`12 | open 2, covered 130/130 | orders 6, working 4, unknown 0 | ... | net ₹-3.50 | alarms 0 | entries ON`."""
    status = view.status
    held = [(abs(leg.open_qty), leg.covered_qty) for leg in view.legs if leg.open_qty]
    held += [
        (abs(level.open_qty), abs(level.open_qty) if level.hedge_covered_qty >= level.hedge_needed_qty else 0)
        for grid in view.grids
        for level in grid.levels
        if level.open_qty
    ]
    covered = f"{sum(units for _, units in held)}/{sum(units for units, _ in held)}"
    unknown = sum(1 for order in view.orders if order.state is OrderState.UNKNOWN)
    working = sum(1 for order in view.orders if order.is_open)
    feed_s = (status.now_ns - status.feed_ns) // NS_PER_S
    parts = (
        str(beats),
        f"open {len(held)}, covered {covered}",
        f"orders {len(view.orders)}, working {working}, unknown {unknown}",
        f"prices {feed_s} s old" if status.feed_ns else "no price yet",
        f"realised {_money(status.realised_paise)}",
        f"unrealised {_money(status.unrealised_paise)}",
        f"charges {_money(status.charges_paise)}",
        f"net {_money(status.net_paise)}",
        f"alarms {len(view.alarms)}",
        f"entries {status.entries}",
    )
    return " | ".join(parts)


class Heartbeat:
    """Beats every 60 s of exchange time from `start` to `stop`, on its own timer and never late by drift."""

    def __init__(
        self, clock: Clock, view: Callable[[], DeskView], is_open: Callable[[int], bool], say: Callable[[str], None]
    ) -> None:
        """`is_open(now_ns)`: the market trades, or a position is open all the same."""
        self._clock = clock
        self._view = view
        self._is_open = is_open
        self._say = say
        self._due_ns = 0
        self._timer: TimerHandle | None = None
        self.beats = 0

    def start(self) -> None:
        self._due_ns = self._clock.now_ns() + CYCLES * CYCLE_NS
        self._timer = self._clock.call_at(self._due_ns, self._beat)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        now_ns = self._clock.now_ns()
        missed = max(0, (now_ns - self._due_ns) // (CYCLES * CYCLE_NS))  # the machine slept: one line, not a burst
        self._due_ns += (missed + 1) * CYCLES * CYCLE_NS
        self._timer = self._clock.call_at(self._due_ns, self._beat)
        if self._is_open(now_ns):
            self.beats += 1
            self._say(heartbeat_text(self._view(), self.beats))


def start_heartbeat(desk: Desk, view: Callable[[], DeskView]) -> Heartbeat:
    """The desk's own: its line is said in a step, and the market counts as open while a position is."""

    def say(text: str) -> None:
        desk.step(lambda _now: desk.say(Msg.HEARTBEAT, text=text))

    def is_open(now_ns: int) -> bool:
        return desk.recovered and (not desk.session_reason(now_ns) or bool(view().brackets))

    heartbeat = Heartbeat(desk.clock, view, is_open, say)
    heartbeat.start()
    return heartbeat


def _money(paise: int) -> str:
    return f"₹{rupees_text(paise)}"
