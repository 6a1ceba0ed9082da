"""How a desk ends: flat when it is asked to be, else with nothing half-entered and what is open named as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.instant import NS_PER_S
from engine.legs import REASON_STOP_DESK
from engine.messages import Msg
from engine.order import Role

if TYPE_CHECKING:
    from engine.desk import Desk

EXIT_CLEAN: Final = 0
EXIT_STILL_IN_POSITION: Final = 5
_LOOK_NS: Final = NS_PER_S // 10
_SETTLE_NS: Final = 4 * NS_PER_S
"""A desk that is told to stop is gone within five seconds (PRC-02)."""


async def close_positions(desk: Desk) -> None:
    """Square off every leg and wait for flat, as long as the desk's patience lasts (HRD-26..29)."""
    desk.step(lambda now: desk.bot.square_off(REASON_STOP_DESK, now, desk.out))
    until_ns = desk.clock.now_ns() + desk.parts.times.stop_patience_ns
    while desk.bot.any_leg_active and desk.clock.now_ns() < until_ns:
        await desk.clock.sleep_until(desk.clock.now_ns() + _LOOK_NS)


async def leave_protected(desk: Desk) -> None:
    """Take back entries that still work and let what has filled be protected: nothing enters behind our back."""

    def take_back(now_ns: int) -> None:
        for bracket in desk.bot.open_brackets():
            bracket.cancel_entry(now_ns, desk.out)

    desk.step(take_back)
    until_ns = desk.clock.now_ns() + _SETTLE_NS
    while not _is_settled(desk) and desk.clock.now_ns() < until_ns:
        await desk.clock.sleep_until(desk.clock.now_ns() + _LOOK_NS)


def _is_settled(desk: Desk) -> bool:
    return desk.gateway.is_idle and not any(
        bracket.live(Role.ENTRY) or bracket.body.naked_since_ns for bracket in desk.bot.open_brackets()
    )


async def final_code(desk: Desk, *, flatten: bool) -> int:
    """0 only when the broker itself says flat (I-5, Q1); what is left is told with the stops that really rest."""
    held = await desk.reader.held_by_broker()
    if not desk.bot.any_leg_active and held == "":
        return EXIT_CLEAN
    detail = held or "orders are still working"
    covers = [(b.body.symbol, b.covered_qty, b.open_qty) for b in desk.bot.open_brackets() if b.open_qty > 0]
    cover = ", ".join(f"{symbol} {covered}/{open_qty}" for symbol, covered, open_qty in covers) or "none"
    is_bare = any(covered < open_qty for _, covered, open_qty in covers) or (bool(held) and not covers)

    def tell(_now_ns: int) -> None:
        if flatten:
            desk.say(Msg.STILL_IN_POSITION, detail=detail)
        else:
            desk.say(Msg.DESK_WARN, text=f"left open on purpose: {detail}; covered by resting stops: {cover}")
        if flatten or is_bare:
            desk.say(Msg.MANUAL)

    desk.step(tell)
    return EXIT_STILL_IN_POSITION
