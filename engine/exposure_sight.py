"""How one bracket stands for the naked-exposure clock: what of it is bare, since when, and why; and which brackets are
to be looked at in a step that has not touched them. Pure."""

from __future__ import annotations

from typing import Final

from engine.blotter import ABSENT
from engine.bracket import Bracket
from engine.exposure import Cause, ExposureClock, Sight, gravest
from engine.order import Order, OrderState, Role
from engine.price_book import PriceBook
from engine.view import ExitStyle

_NEVER_NS: Final = 1 << 62


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


class _Watched:
    """Brackets that one price protects while it is fresh."""

    __slots__ = ("is_fresh", "keys", "max_age_ns", "price")

    def __init__(self, price: PriceBook, max_age_ns: int, *, is_fresh: bool) -> None:
        self.price = price
        self.max_age_ns = max_age_ns
        self.is_fresh = is_fresh
        self.keys: set[str] = set()

    @property
    def stale_from_ns(self) -> int:
        """Up to here its price decides, even if no tick comes; 0 = it is stale."""
        return self.price.at_ns + self.max_age_ns if self.is_fresh else 0


class PriceTurns:
    """Brackets that are protected by a price alone: they are looked at when it turns stale, or fresh again.

    A price only gets newer, so no fresh one turns stale before the earliest instant of the last look at all of them:
    until then a step costs one comparison, however many positions are watched.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[str, int], _Watched] = {}
        """By symbol and greatest age."""
        self._stale_from_ns = _NEVER_NS
        """Up to here none turns; 0 = at least one is stale and may turn fresh at any time."""

    def note(self, sight: Sight, price: PriceBook, max_age_ns: int) -> None:
        """Take in one look at a bracket, after `take` of the same instant: from now on its price counts, or no more."""
        name = (sight.symbol, max_age_ns)
        group = self._groups.get(name)
        if sight.hangs_on_time and sight.open_qty:
            if group is None:
                group = self._groups[name] = _Watched(price, max_age_ns, is_fresh=sight.is_watched)
                self._stale_from_ns = min(self._stale_from_ns, group.stale_from_ns)
            group.keys.add(sight.bracket_id)
        elif group is not None:
            group.keys.discard(sight.bracket_id)
            if not group.keys:
                del self._groups[name]

    def take(self, now_ns: int) -> set[str]:
        """Brackets whose price has turned since the last time."""
        if now_ns <= self._stale_from_ns:
            return set()
        turned: set[str] = set()
        stale_from_ns = _NEVER_NS
        for group in self._groups.values():
            is_fresh = group.price.is_fresh(now_ns, group.max_age_ns)
            if is_fresh is not group.is_fresh:
                group.is_fresh = is_fresh
                turned |= group.keys
            stale_from_ns = min(stale_from_ns, group.stale_from_ns)
        self._stale_from_ns = stale_from_ns
        return turned


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
