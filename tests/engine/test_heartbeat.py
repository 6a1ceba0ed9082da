"""The minute's line: made from the picture a screen gets, once per 60 s of exchange time, quiet when nothing trades."""

from __future__ import annotations

import asyncio

import pytest

from engine.clock import LoopClock
from engine.heartbeat import Heartbeat, heartbeat_text
from engine.instant import NS_PER_S, ns_from_s
from engine.order import OrderState, OrderType, Pending, Role, Side
from engine.view import (
    AlarmView,
    BracketState,
    DeskView,
    ExitStyle,
    LegView,
    OrderView,
    ProtectionWord,
    StatusView,
)
from engine.virtual_time import run_virtual

NOON_NS = 1_800_000_000 * NS_PER_S


def leg(symbol: str, open_qty: int, covered_qty: int) -> LegView:
    return LegView(
        symbol=symbol,
        name=symbol,
        option_type="PE",
        title=symbol,
        bot="legs",
        style=ExitStyle.RESTING,
        state=BracketState.PROTECTED if open_qty else BracketState.FLAT,
        protection=ProtectionWord.PROTECTED if open_qty else ProtectionWord.FLAT,
        open_qty=open_qty,
        covered_qty=covered_qty,
    )


def order(tag: str, state: OrderState) -> OrderView:
    return OrderView(
        tag=tag,
        broker_id="1",
        symbol="PE",
        name="PE",
        role=Role.STOP,
        side=Side.SELL,
        type=OrderType.SL,
        limit_paise=1,
        trigger_paise=1,
        qty=65,
        filled_qty=0,
        average_paise=0,
        state=state,
        pending=Pending.NONE,
        state_ns=0,
        why="",
    )


def status(**changes: object) -> StatusView:
    fields = {"mode": "PAPER", "broker": "paper", "account": "A", "is_live": False, "now_ns": NOON_NS}
    return StatusView(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.row("OPS-29")
def test_the_line_tells_positions_orders_prices_money_alarms_and_entries() -> None:
    view = DeskView(
        version=1,
        status=status(
            feed_ns=NOON_NS - 2_400_000_000,
            realised_paise=-120_50,
            unrealised_paise=35_00,
            charges_paise=10_00,
            entries="PAUSED",
        ),
        legs=(leg("PE", 65, 65), leg("CE", -65, 0), leg("X", 0, 0)),
        orders=(order("1", OrderState.WORKING), order("2", OrderState.UNKNOWN), order("3", OrderState.FILLED)),
        alarms=(AlarmView(alarm_id="a", since_ns=1, text="naked"),),
    )

    assert heartbeat_text(view, 7) == (
        "7 | open 2, covered 65/130 | orders 3, working 2, unknown 1 | prices 2 s old | realised ₹-120.50 | "
        "unrealised ₹35.00 | charges ₹10.00 | net ₹-95.50 | alarms 1 | entries PAUSED"
    )


def test_a_desk_without_a_price_or_a_position_says_so() -> None:
    text = heartbeat_text(DeskView(version=1, status=status()), 1)

    assert text.startswith("1 | open 0, covered 0/0 | orders 0, working 0, unknown 0 | no price yet | ")


def beats(seconds: float, *, is_open: bool = True, stop_at_s: float = 0) -> list[float]:
    """When a heartbeat spoke, in seconds since its start."""

    async def main() -> list[float]:
        clock = LoopClock(asyncio.get_running_loop(), NOON_NS)
        said: list[float] = []
        view = DeskView(version=1, status=status())
        beat = Heartbeat(
            clock, lambda: view, lambda _: is_open, lambda _: said.append((clock.now_ns() - NOON_NS) / NS_PER_S)
        )
        beat.start()
        if stop_at_s:
            clock.call_at(NOON_NS + ns_from_s(stop_at_s), beat.stop)
        await clock.sleep_until(NOON_NS + ns_from_s(seconds))
        beat.stop()
        return said

    return run_virtual(main())


@pytest.mark.row("OPS-29")
def test_there_is_one_line_for_every_sixty_seconds_of_exchange_time() -> None:
    assert beats(3600) == pytest.approx([60 * number for number in range(1, 61)])


def test_nothing_is_said_while_the_market_is_closed_or_after_the_stop() -> None:
    assert beats(600, is_open=False) == []
    assert beats(600, stop_at_s=130) == pytest.approx([60, 120])


def test_after_a_machine_that_slept_there_is_one_line_and_the_old_rhythm() -> None:
    class Jumping:
        """A clock whose timers are fired by hand."""

        now = NOON_NS

        def now_ns(self) -> int:
            return self.now

        def call_at(self, at_ns, callback):
            self.due, self.callback = at_ns, callback
            return self

        def cancel(self) -> None: ...

    clock, said = Jumping(), []
    view = DeskView(version=1, status=status())
    Heartbeat(clock, lambda: view, lambda _: True, said.append).start()
    clock.now += ns_from_s(615)

    clock.callback()

    assert len(said) == 1
    assert (clock.due - NOON_NS) / NS_PER_S == 660
