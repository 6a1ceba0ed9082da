"""The journal is gone, the broker still shows what it knew: taken over, protected, and entries wait for a person."""

from __future__ import annotations

import pytest

from engine.journal.store import Journal
from engine.operator import Enter, PauseEntries
from engine.order import Role, Side

PE = "NIFTY01DEC2624500PE"
LOST_EXIT = "SD0001ABCDES"
LOST_ENTRY = "SD0001ABCDEE"


async def without_journal(rig):
    """The next desk, on an empty journal; its run number is made of the seconds."""
    await rig.kill()
    await rig.pass_s(2)
    again = type(rig)(rig.setup, Journal.in_memory(), rig.exchange, rig.clock)
    again.ticks(150.0)
    await again.desk.start()
    return again


def books(rig) -> list[tuple[str, str, int]]:
    return [(o.tag, o.state.value, o.qty) for o in rig.exchange.orders("paper")]


@pytest.mark.row("LEG-39")
@pytest.mark.fault("STO-18")
@pytest.mark.invariant("R3", "R4")
def test_a_position_comes_back_with_the_exits_it_had_and_nothing_new_is_sent(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        before = books(rig)
        again = await without_journal(rig)
        await again.quiet(8.0, 150.0)
        bracket = again.leg(PE).bracket

        assert bracket.open_qty == bracket.covered_qty == 75
        assert [order.role for order in bracket.live(Role.STOP, Role.TARGET)] in (
            [Role.STOP, Role.TARGET],
            [Role.TARGET, Role.STOP],
        )
        assert books(again) == before and again.venue.placed() == []
        assert not again.desk.mismatch

        await again.quiet(2.0, 155.0)
        assert again.net(PE) == 0 and not again.working()
        assert [(row[1], row[2]) for row in again.trades()] == [(375_00, "Target Hit")]
        assert not again.desk.failures

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("STO-18")
@pytest.mark.invariant("O10", "R3")
def test_entries_stay_off_until_the_trader_resumes_them_even_over_one_more_restart(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        again = await without_journal(rig)
        await again.quiet(6.0, 150.0)
        assert "lost-journal" in again.desk.alarms
        assert again.desk.entry_block(again.clock.now_ns()) == "paused"

        later = await again.revived(await again.kill())
        await later.quiet(2.0, 150.0)
        assert later.desk.entry_block(later.clock.now_ns()) == "paused"
        later.request(PauseEntries, paused=False)
        await later.quiet(0.2, 150.0)
        assert "lost-journal" not in later.desk.alarms
        assert later.desk.entry_block(later.clock.now_ns()) == ""

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("STO-18")
@pytest.mark.invariant("R3")
def test_a_lost_entry_is_cancelled_and_a_lost_exit_without_its_position_too(run_desk, seed_setup, by_hand) -> None:
    async def scenario(rig):
        rig.ticks(150.0)
        by_hand(rig, PE, Side.BUY, 75, 120.0, tag=LOST_ENTRY)
        by_hand(rig, PE, Side.SELL, 75, 129.0, tag=LOST_EXIT, trigger=130.0)
        hand = by_hand(rig, PE, Side.BUY, 75, 110.0)
        again = await without_journal(rig)
        await again.quiet(8.0, 150.0)

        assert [o.broker_id for o in again.working()] == [hand], "the trader's own order is never touched"
        assert [op for op, _ in again.venue.calls] == ["cancel", "cancel"]
        assert not again.leg(PE).is_active and again.net(PE) == 0

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("STO-18")
@pytest.mark.invariant("R3")
def test_a_lost_entry_that_fills_before_its_cancel_is_adopted_and_protected(run_desk, seed_setup, by_hand) -> None:
    async def scenario(rig):
        rig.ticks(150.0)
        by_hand(rig, PE, Side.BUY, 75, 149.0, tag=LOST_ENTRY)
        await rig.kill()
        again = type(rig)(rig.setup, Journal.in_memory(), rig.exchange, rig.clock)
        again.venue.script = lambda op, request: again_fills(again) if op == "cancel" else None
        again.ticks(150.0)
        await again.desk.start()
        await again.quiet(10.0, 149.0)

        assert again.net(PE) == 75 == again.leg(PE).bracket.covered_qty
        assert not again.desk.failures

    def again_fills(again):
        again.tick(PE, 149.0)

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("CON-08")
@pytest.mark.fault("STO-18")
def test_where_the_policy_is_to_alert_nothing_is_touched_and_entries_stop(run_desk, seed_setup, by_hand) -> None:
    import msgspec

    from engine.reconcile import OnUnexpected

    async def scenario(rig):
        rig.ticks(150.0)
        by_hand(rig, PE, Side.BUY, 75, 120.0, tag=LOST_ENTRY)
        await rig.kill()
        again = type(rig)(rig.setup, Journal.in_memory(), rig.exchange, rig.clock)
        again.bot.terms = msgspec.structs.replace(again.bot.terms, on_unexpected=OnUnexpected.ALERT)
        await again.desk.start()
        await again.quiet(6.0, 150.0)
        again.request(Enter, side=Side.BUY)
        await again.quiet(1.0, 150.0)

        assert again.venue.calls == [] and [o.tag for o in again.working()] == [LOST_ENTRY]
        assert any(LOST_ENTRY in alarm.text for alarm in again.desk.alarms.values())

    run_desk(scenario, seed_setup(symbols=(PE,)))
