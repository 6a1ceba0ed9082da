"""What a request means apart from its id, what its numbers depend on, and whether it is under way already. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.instant import NS_PER_S, clock_text
from engine.operator import (
    Adopt,
    CancelAll,
    CancelOrder,
    Enter,
    ExitBot,
    ExitLeg,
    ExitLevel,
    ExitSide,
    PauseEntries,
    Request,
    ZeroOut,
)
from engine.view import ActionView, DeskView
from tui.grid_scope import quantity
from tui.selection import grid_holdings, working_orders

ANSWER_WAIT_NS = 10 * NS_PER_S
"""How long a request of ours counts as in flight while the desk shows no progress for it."""


class Sent(NamedTuple):
    """A request that left, for "already sent" and for the progress line."""

    request_id: str
    intent: tuple[object, ...]
    label: str
    at_ns: int
    """Exchange time, for the clock shown."""
    mono_ns: int


def progress_of(sent: Sent, view: DeskView) -> ActionView | None:
    return next((action for action in view.actions if action.request_id == sent.request_id), None)


def already_sent(sent: Sequence[Sent], intent: tuple[object, ...], view: DeskView, now_ns: int) -> str:
    """`already sent 10:42:09, 2 of 4 done` while the same intent is unanswered, else empty."""
    for one in reversed(sent):
        if one.intent != intent:
            continue
        progress = progress_of(one, view)
        if progress is None and now_ns - one.mono_ns >= ANSWER_WAIT_NS:
            return ""
        if progress is not None and (progress.finished or progress.failed):
            return ""
        done = f", {progress.done} of {progress.total} done" if progress is not None and progress.total else ""
        return f"already sent {clock_text(one.at_ns)}{done}"
    return ""


def intent_of(request: Request) -> tuple[object, ...]:
    """What a request means apart from its id: the same intent in flight is not sent twice."""
    match request:
        case Enter(side=side, symbols=symbols, bot=bot):
            return ("enter", side, symbols, bot)
        case ExitLeg(symbol=symbol, bot=bot):
            return ("exit", symbol, bot)
        case ExitLevel(bot=bot, level_id=level_id):
            return ("exit level", bot, level_id)
        case ExitSide(bot=bot, side=side):
            return ("exit side", bot, side)
        case ExitBot(bot=bot):
            return ("exit bot", bot)
        case CancelAll(scope=scope, symbols=symbols, bot=bot, side=side, level_id=level_id):
            return ("cancel all", scope, symbols, bot, side, level_id)
        case CancelOrder(tag=tag):
            return ("cancel", tag)
        case PauseEntries(paused=paused, bot=bot):
            return ("pause", paused, bot)
        case Adopt(symbol=symbol, bot=bot):
            return ("adopt", symbol, bot)
        case _:
            return (type(request).__name__,)


def quantity_of(request: Request | None, view: DeskView) -> tuple[object, ...]:
    """What the armed numbers depend on; prices move all the time and are not part of it."""
    match request:
        case ExitLeg(symbol=symbol, bot=bot):
            return tuple(leg.open_qty for leg in view.legs if leg.symbol == symbol and bot in ("", leg.bot))
        case ExitLevel() | ExitSide() | ExitBot():
            return quantity(request, view)
        case CancelAll():
            return tuple(sorted(order.tag for order in view.orders if order.is_open))
        case ZeroOut():
            held = (*(leg.open_qty for leg in view.legs), *(grid_holdings(grid) for grid in view.grids))
            return (held, len(working_orders(view)))
        case Adopt(symbol=symbol):
            return tuple(leg.unexpected_qty for leg in view.legs if leg.symbol == symbol)
        case CancelOrder(tag=tag):
            return tuple((order.qty, order.filled_qty) for order in view.orders if order.tag == tag)
        case _:
            return ()
