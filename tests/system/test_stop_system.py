"""A desk that is told to stop: nothing enters behind its back, and what it says about cover is what rests."""

from __future__ import annotations

import pytest

from engine.operator import Enter
from engine.order import Role, Side
from engine.port import ReadFailed
from engine.view import ExitStyle

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"


@pytest.mark.row("I-4", "OPS-22")
def test_an_entry_that_still_works_is_taken_back_before_the_desk_leaves(run_desk) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.exchange.on_tick(rig_tick(rig, PE, ask=110.0))  # the exchange's ask has run away: the entry rests
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.3)
        assert rig.leg(PE).bracket.live(Role.ENTRY)

        code = await rig.desk.stop("asked to", flatten=False)

        assert rig.working(PE) == []
        assert rig.net(CE) == 65
        assert {order.qty for order in rig.working(CE)} == {65}
        assert code == 5
        assert rig.said(f"covered by resting stops: {CE} 65/65")

    run_desk(scenario)


def rig_tick(rig, symbol: str, *, ask: float):
    from engine.tick import Tick

    return Tick(symbol, rig.clock.now_ns(), 10_000, 9_990, 6500, round(ask * 100), 6500)


@pytest.mark.row("OPS-22")
def test_a_watched_leg_is_never_said_to_be_protected_when_the_desk_leaves(run_desk, seed_setup) -> None:
    setup = seed_setup(2, 1, style=ExitStyle.MONITORED)

    async def scenario(rig):
        await rig.enter(100.0)

        code = await rig.desk.stop("asked to", flatten=False)

        assert code == 5
        assert rig.said("covered by resting stops: ")[0].count("0/") == 2
        assert rig.said("Manual intervention may be required")

    run_desk(scenario, setup)


@pytest.mark.row("I-5")
def test_a_failed_read_of_positions_is_asked_again_until_flat_is_proven(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        before = rig.desk.reader.reconciled_ns
        rig.venue.reads_fail = True
        rig.tick(PE, 102.0)
        await rig.quiet(2.0, {PE: 102.0, CE: 100.0})
        assert not rig.leg(PE).is_active
        assert rig.desk.reader.reconciled_ns == before

        rig.venue.reads_fail = False
        await rig.quiet(2.5, {PE: 102.0, CE: 100.0})

        assert rig.desk.reader.reconciled_ns > before

    run_desk(scenario)


@pytest.mark.row("R4")
def test_a_read_that_fails_at_the_end_of_recovery_does_not_end_the_desk(run_desk) -> None:
    async def scenario(rig):
        reader, calls = rig.desk.reader, []
        inner = rig.venue.read_positions

        async def twice_odd():
            calls.append(1)
            if len(calls) == 2:
                raise ReadFailed("scripted")
            return await inner()

        rig.venue.read_positions = twice_odd
        rig.desk.positions.of("paper", PE, "MIS").net_qty = 65  # the journal says more than the broker

        await reader.recover()

        assert len(calls) == 2

    run_desk(scenario)


@pytest.mark.row("I-3")
def test_the_order_path_comes_back_after_its_worker_broke(run_desk) -> None:
    async def scenario(rig):
        heard = rig.desk.gateway._answered
        broken = []

        def once(tag, op, answer):
            if not broken:
                broken.append(tag)
                raise RuntimeError("scripted")
            heard(tag, op, answer)

        rig.desk.gateway._answered = once
        await rig.enter(100.0)
        await rig.quiet(4.0)

        assert broken
        assert rig.desk.failures
        assert {order.symbol for order in rig.working()} == {PE, CE}
        rig.desk.failures.clear()

    run_desk(scenario)
