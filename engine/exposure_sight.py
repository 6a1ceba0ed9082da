"""How one bracket stands for the naked-exposure clock: what of it is bare, since when, and why. Pure."""

from __future__ import annotations

from engine.blotter import ABSENT
from engine.bracket import Bracket
from engine.exposure import Cause, ExposureClock, Sight, gravest
from engine.order import Order, OrderState, Role
from engine.view import ExitStyle


def sight_of(bracket: Bracket, now_ns: int) -> Sight:
    """How a bracket stands at this instant."""
    body, price = bracket.body, bracket.price
    monitored = body.style is ExitStyle.MONITORED
    is_watched = monitored and price.is_fresh(now_ns, body.terms.max_tick_age_ns)
    stale_ns = price.at_ns + body.terms.max_tick_age_ns if price.at_ns else 0
    open_qty, covered_qty = bracket.open_qty, bracket.covered_qty
    is_bare = not is_watched and open_qty != covered_qty
    return Sight(
        bracket_id=body.bracket_id,
        account=body.account,
        bot=body.bot,
        symbol=body.symbol,
        open_qty=open_qty,
        covered_qty=covered_qty,
        is_watched=is_watched,
        hangs_on_time=monitored,
        cause=_cause_of(bracket) if is_bare or open_qty < 0 else Cause.PLACING,
        since_ns=stale_ns if monitored else body.naked_since_ns,
    )


def resume(clock: ExposureClock, bracket: Bracket) -> None:
    """A bracket that was bare when the program ended goes on from then; all of it counts: what was covered is lost."""
    body = bracket.body
    if body.naked_since_ns and bracket.open_qty > 0:
        sight = Sight(
            bracket_id=body.bracket_id,
            account=body.account,
            bot=body.bot,
            symbol=body.symbol,
            open_qty=bracket.open_qty,
        )
        clock.look(sight, body.naked_since_ns)


def _cause_of(bracket: Bracket) -> Cause:
    """Why its units are bare, if they are: the newest trouble first."""
    body = bracket.body
    if bracket.open_qty < 0:
        return Cause.SURPLUS
    if body.style is ExitStyle.MONITORED:
        return Cause.NO_PRICE
    if body.exit_reason:
        return Cause.REFUSED if body.exit_rejects else Cause.EXITING
    stops = bracket.orders_of(Role.STOP)
    if any(stop.state is OrderState.UNKNOWN for stop in stops):
        return Cause.UNKNOWN
    ended = [stop for stop in stops if stop.is_terminal and stop.state_ns >= body.naked_since_ns > 0]
    causes = [cause for stop in ended if (cause := _end_of(stop, bracket)) is not None]
    if causes:
        return gravest(causes)
    if bracket.write_waits:
        return Cause.BUDGET
    return Cause.ADOPTED if body.adopted_qty and not stops else Cause.PLACING


def _end_of(stop: Order, bracket: Bracket) -> Cause | None:
    """Why a stop that has ended protects no more; None when we ended it, or it filled."""
    if stop.state is OrderState.REJECTED:
        return Cause.UNKNOWN if stop.reject_code == ABSENT else Cause.REFUSED
    if stop.tag in bracket.cancelled_by_us:
        return None
    return {OrderState.CANCELLED: Cause.BY_HAND, OrderState.EXPIRED: Cause.LOST}.get(stop.state)
