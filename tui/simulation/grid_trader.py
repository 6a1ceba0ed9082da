"""The trader of a grid's day: presses the seed's keys at their instants, through the desk's own queue."""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import LoopClock
from engine.desk import Desk
from engine.grid.bot import GridBot
from engine.grid.terms import TradeSide
from engine.operator import (
    CancelAll,
    CancelOrder,
    ExitBot,
    ExitLevel,
    ExitSide,
    PauseEntries,
    ReconcileNow,
    Request,
    ZeroOut,
)
from tui.simulation.grid_terms import BOT, GridKey, GridPress
from tui.simulation.truth import Truth


class GridTrader:
    """Knows what a person sees: the levels, and the orders that are not finished."""

    def __init__(self, desk: Callable[[], Desk | None], clock: LoopClock, truth: Truth) -> None:
        self._desk_now = desk
        self._clock = clock
        self._truth = truth
        self._count = 0

    def sit_down(self, presses: tuple[GridPress, ...]) -> None:
        for press in presses:
            self._clock.call_at(press.at_ns, lambda press=press: self._press(press))

    def _press(self, press: GridPress) -> None:
        desk = self._desk_now()
        bot = desk.bots.get(BOT) if desk is not None else None
        if desk is None or not isinstance(bot, GridBot):
            return
        self._count += 1
        request = self._request(desk, bot, press, f"g{self._count}")
        if request is None:
            return
        self._truth.now_ns = self._clock.now_ns()
        self._truth.note("key", press.key.value)
        desk.submit(request)
        if press.twice:
            desk.submit(request)

    def _request(self, desk: Desk, bot: GridBot, press: GridPress, request_id: str) -> Request | None:
        levels = bot.levels_of()
        match press.key:
            case GridKey.EXIT_LEVEL:
                level = levels[press.pick % len(levels)] if levels else None
                return ExitLevel(request_id=request_id, bot=BOT, level_id=level.uuid) if level is not None else None
            case GridKey.EXIT_SIDE:
                side = tuple(TradeSide)[press.pick % 2]
                return ExitSide(request_id=request_id, bot=BOT, side=side)
            case GridKey.EXIT_BOT:
                return ExitBot(request_id=request_id, bot=BOT)
            case GridKey.CANCEL_ENTRIES:
                return CancelAll(request_id=request_id)
            case GridKey.CANCEL_ORDER:
                live = [order.tag for order in desk.blotter.live_orders()]
                return CancelOrder(request_id=request_id, tag=live[press.pick % len(live)]) if live else None
            case GridKey.ZERO_OUT:
                return ZeroOut(request_id=request_id)
            case GridKey.PAUSE:
                return PauseEntries(request_id=request_id, paused=True)
            case GridKey.RESUME:
                return PauseEntries(request_id=request_id, paused=False)
            case GridKey.RECONCILE:
                return ReconcileNow(request_id=request_id)
