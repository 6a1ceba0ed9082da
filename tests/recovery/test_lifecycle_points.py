"""A crash at each point of a position's life, the exchange going on meanwhile (OPS-17, LEG-72, R2)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.operator import Enter, ExitLeg
from engine.order import OrderState, Role, Side

PE = "NIFTY01DEC2624500PE"
Step = Callable[[Any], Awaitable[None]]
PAST_ITS_WIRE_S = 0.05
"""What was on its way when the desk died has arrived by then."""


def sent(rig, role: Role, op: str = "place") -> bool:
    """A request of this kind has left the desk."""
    for called, request in rig.venue.calls:
        tag = request if isinstance(request, str) else request.tag
        if called == op and rig.desk.blotter.orders[tag].role is role:
            return True
    return False


def order(rig, role: Role):
    found = [o for o in rig.desk.blotter.orders.values() if o.role is role]
    return found[-1] if found else None


def state(rig, role: Role) -> OrderState | None:
    found = order(rig, role)
    return found.state if found else None


async def begun(rig) -> None:
    rig.tick(PE, 150.0)
    rig.request(Enter, side=Side.BUY)


async def until(rig, true: Callable[[], bool]) -> None:
    await rig.wait_until(true, limit_s=5, step=0.0005)


async def entry_intended(rig) -> None:
    next(task for task in rig.desk._tasks if task.get_name() == "gateway of entries").cancel()
    await asyncio.sleep(0)
    await begun(rig)
    await until(rig, lambda: order(rig, Role.ENTRY) is not None)


async def entry_sent(rig) -> None:
    await begun(rig)
    await until(rig, lambda: sent(rig, Role.ENTRY))


async def entry_unknown(rig) -> None:
    rig.venue.lose_answers = rig.venue.reads_fail = rig.venue.mute_pushes = True
    await begun(rig)
    await until(rig, lambda: state(rig, Role.ENTRY) is OrderState.UNKNOWN)


async def entry_part_filled(rig) -> None:
    rig.tick(PE, 150.0, size=25)
    rig.request(Enter, side=Side.BUY)
    await until(rig, lambda: state(rig, Role.ENTRY) is OrderState.PART_FILLED)


async def filled_without_a_stop(rig) -> None:
    await begun(rig)
    await until(rig, lambda: state(rig, Role.ENTRY) is OrderState.FILLED)
    assert not sent(rig, Role.STOP)


async def stop_sent(rig) -> None:
    await begun(rig)
    await until(rig, lambda: sent(rig, Role.STOP))
    assert not order(rig, Role.STOP).is_at_broker


async def stop_working_without_target(rig) -> None:
    await begun(rig)
    await until(rig, lambda: state(rig, Role.STOP) is OrderState.TRIGGER_PENDING)
    assert not order(rig, Role.TARGET).is_at_broker


async def both_working(rig) -> None:
    await begun(rig)
    await until(rig, lambda: bool(order(rig, Role.TARGET)) and order(rig, Role.TARGET).is_at_broker)
    await rig.pass_s(0.1)


async def target_part_filled(rig) -> None:
    await both_working(rig)
    rig.tick(PE, 155.0, size=25)
    await until(rig, lambda: order(rig, Role.TARGET).filled_qty == 25)


async def target_filled_and_stop_still_working(rig) -> None:
    await both_working(rig)
    rig.tick(PE, 155.0)
    await until(rig, lambda: state(rig, Role.TARGET) is OrderState.FILLED)


async def exit_cancels_out(rig) -> None:
    await both_working(rig)
    rig.request(ExitLeg, symbol=PE)
    await until(rig, lambda: sent(rig, Role.TARGET, "cancel"))
    assert not sent(rig, Role.EXIT)


async def exit_sent(rig) -> None:
    await both_working(rig)
    rig.request(ExitLeg, symbol=PE)
    await until(rig, lambda: sent(rig, Role.EXIT))


async def exit_part_filled(rig) -> None:
    await both_working(rig)
    rig.tick(PE, 150.0, size=25)
    rig.request(ExitLeg, symbol=PE)
    await until(rig, lambda: bool(order(rig, Role.EXIT)) and order(rig, Role.EXIT).filled_qty == 25)


async def exit_filled_and_not_proven(rig) -> None:
    await both_working(rig)
    rig.venue.read_delay_s = 1.0
    rig.request(ExitLeg, symbol=PE)
    await until(rig, lambda: state(rig, Role.EXIT) is OrderState.FILLED)
    assert rig.leg(PE).is_active


ENTERING = [
    (entry_sent, 75),
    (entry_unknown, 75),
    (entry_part_filled, 75),
    (filled_without_a_stop, 75),
    (stop_sent, 75),
    (stop_working_without_target, 75),
    (both_working, 75),
    (target_part_filled, 50),
]
LEAVING = [exit_cancels_out, exit_sent, exit_part_filled, exit_filled_and_not_proven]


def roles_at_broker(rig) -> Counter[str]:
    return Counter(o.tag[-1] for o in rig.exchange.orders("paper"))


async def crashed_and_back(rig, reach: Step, down_s: float, price: float):
    await reach(rig)
    image = await rig.kill()
    await rig.pass_s(PAST_ITS_WIRE_S)
    await rig.pass_s(down_s)
    again = await rig.revived(image)
    await again.quiet(12.0, price)
    assert not again.desk.failures
    return again


@pytest.mark.row("OPS-17", "LEG-72")
@pytest.mark.parametrize("down_s", [0.0, 20.0])
@pytest.mark.parametrize(("reach", "held"), ENTERING, ids=lambda value: getattr(value, "__name__", str(value)))
@pytest.mark.fault("STO-03")
@pytest.mark.invariant("R2", "O2")
def test_a_crash_while_a_position_is_built_ends_protected_with_three_orders(
    run_desk, seed_setup, reach, held, down_s
) -> None:
    async def scenario(rig):
        again = await crashed_and_back(rig, reach, down_s, 150.0)
        bracket = again.leg(PE).bracket

        assert again.net(PE) == bracket.open_qty == held
        assert bracket.covered_qty == held
        assert roles_at_broker(again) == {"E": 1, "T": 1, "S": 1}
        assert {o.type.value: o.qty - o.filled_qty for o in again.working()} == {"LIMIT": held, "SL": held}
        assert not again.desk.entry_block(again.clock.now_ns()) and not again.desk.mismatch

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-17")
@pytest.mark.parametrize("down_s", [0.0, 20.0])
@pytest.mark.parametrize("reach", LEAVING, ids=lambda reach: reach.__name__)
@pytest.mark.fault("STO-03")
@pytest.mark.invariant("R2", "E2")
def test_a_crash_while_a_position_is_left_ends_flat_with_one_closing_order(run_desk, seed_setup, reach, down_s) -> None:
    async def scenario(rig):
        again = await crashed_and_back(rig, reach, down_s, 150.0)

        assert again.net(PE) == 0 and not again.working()
        assert not again.leg(PE).is_active
        roles = roles_at_broker(again)
        assert roles == {"E": 1, "T": 1, "S": 1, "X": 1}
        assert [(row[0], row[2].removesuffix(" (recovered)")) for row in again.trades()] == [(PE, "Square-Off")]
        assert again.trades()[0][1] == again.bot.body.day_net_paise

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-17", "OPS-18")
@pytest.mark.invariant("E5")
def test_a_crash_between_the_target_and_its_siblings_cancel_ends_flat(run_desk, seed_setup) -> None:
    async def scenario(rig):
        again = await crashed_and_back(rig, target_filled_and_stop_still_working, 0.0, 154.0)

        assert again.net(PE) == 0 and not again.working() and not again.leg(PE).is_active
        assert roles_at_broker(again) == {"E": 1, "T": 1, "S": 1}
        assert [row[:2] for row in again.trades()] == [(PE, 375_00)]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-17")
@pytest.mark.fault("STO-02")
@pytest.mark.invariant("O3", "R2")
def test_an_entry_that_was_committed_and_never_sent_is_given_up_and_nothing_is_sent(run_desk, seed_setup) -> None:
    async def scenario(rig):
        again = await crashed_and_back(rig, entry_intended, 0.0, 150.0)

        assert again.exchange.orders("paper") == [] and again.venue.calls == []
        assert not again.leg(PE).is_active and not again.desk.entry_block(again.clock.now_ns())
        assert again.said("1 never placed")

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-17")
@pytest.mark.parametrize("reach", [step for step, _ in ENTERING] + LEAVING, ids=lambda reach: reach.__name__)
@pytest.mark.fault("STO-04")
@pytest.mark.invariant("R2", "R1")
def test_a_second_crash_inside_recovery_loses_nothing(run_desk, seed_setup, heir, reach) -> None:
    """The first heir dies at every 14 ms of its own first eighth of a second, the second one finishes the work."""

    def dies_after(ms: int):
        async def scenario(rig):
            await reach(rig)
            first = heir(rig, await rig.kill())
            starting = asyncio.ensure_future(first.desk.start())
            await rig.pass_s(ms / 1000)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            again = await first.revived(await first.kill())
            await again.quiet(12.0, 150.0)

            bracket, roles = again.leg(PE).bracket, roles_at_broker(again)
            assert max(roles.values()) == 1, f"after {ms} ms: {roles}"
            if reach in LEAVING:
                assert again.net(PE) == 0 and not again.working() and not again.leg(PE).is_active
            else:
                assert bracket.covered_qty == bracket.open_qty == again.net(PE) > 0
            assert not again.desk.failures

        run_desk(scenario, seed_setup(symbols=(PE,)))

    for ms in range(0, 140, 14):
        dies_after(ms)
