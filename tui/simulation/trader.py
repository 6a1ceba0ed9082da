"""The trader of a simulated day: presses the seed's keys at their instants, through the desk's own queue."""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import LoopClock
from engine.desk import Desk
from engine.operator import (
    CancelAll,
    CancelOrder,
    CancelScope,
    Enter,
    ExitLeg,
    PauseEntries,
    ReconcileNow,
    Request,
    ZeroOut,
)
from engine.order import Side
from tui.simulation.seed_terms import Key, Press
from tui.simulation.truth import Truth


class Trader:
    """Knows what a person sees: the legs and the orders that are not finished. Presses into the void while the desk is
    down."""

    def __init__(self, desk: Callable[[], Desk | None], clock: LoopClock, truth: Truth, legs: tuple[str, ...]) -> None:
        self._desk_now = desk
        self._clock = clock
        self._truth = truth
        self._legs = legs
        self._count = 0

    def sit_down(self, presses: tuple[Press, ...]) -> None:
        for press in presses:
            self._clock.call_at(press.at_ns, lambda press=press: self._press(press))

    def _press(self, press: Press) -> None:
        desk = self._desk_now()
        if desk is None:
            return
        self._count += 1
        request = self._request(desk, press, f"k{self._count}")
        if request is None:
            return
        self._truth.now_ns = self._clock.now_ns()
        self._truth.note("key", press.key.value)
        desk.submit(request)
        if press.twice:
            desk.submit(request)

    def _request(self, desk: Desk, press: Press, request_id: str) -> Request | None:
        leg = self._legs[press.pick % len(self._legs)]
        match press.key:
            case Key.ENTER:
                symbols = () if press.pick % 3 else (leg,)
                return Enter(request_id=request_id, side=Side.BUY, symbols=symbols)
            case Key.EXIT_LEG:
                return ExitLeg(request_id=request_id, symbol=leg)
            case Key.ZERO_OUT:
                return ZeroOut(request_id=request_id)
            case Key.CANCEL_ENTRIES:
                return CancelAll(request_id=request_id, scope=CancelScope.ENTRIES)
            case Key.CANCEL_ALL:
                return CancelAll(request_id=request_id, scope=CancelScope.ALL)
            case Key.CANCEL_ORDER:
                live = [order.tag for order in desk.blotter.live_orders()]
                return CancelOrder(request_id=request_id, tag=live[press.pick % len(live)]) if live else None
            case Key.PAUSE:
                return PauseEntries(request_id=request_id, paused=True)
            case Key.RESUME:
                return PauseEntries(request_id=request_id, paused=False)
            case Key.RECONCILE:
                return ReconcileNow(request_id=request_id)
