"""Naked exposure of a whole desk: each bare unit is timed, named, committed with its step, shown while it lasts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine import refusals
from engine.exposure import Cause, Exposure
from engine.instant import NS_PER_S, ist_date
from engine.operator import CancelAll, CancelScope, ZeroOut
from engine.order import Role
from engine.port import Refused
from engine.view import ExitStyle

PE, CE = "NIFTY01DEC2624500PE", "NIFTY01DEC2624500CE"


def exposures(rig) -> list[Exposure]:
    day = ist_date(rig.clock.now_ns()).isoformat()
    return list(rig.journal.load("paper", trading_day=day).exposures_today)


def story(rig) -> list[tuple[str, int]]:
    return [(row.cause.value, row.qty) for row in exposures(rig)]


def refuse_stops(times: int):
    left = [times]

    def script(op, request):
        if op == "place" and request.tag.endswith("S") and left[0]:
            left[0] -= 1
            return Refused(refusals.OTHER, "no")
        return None

    return script


@pytest.mark.row("I-4")
def test_an_undisturbed_entry_is_bare_only_while_its_stop_is_on_the_way(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        (row,) = exposures(rig)

        assert (row.cause, row.qty, row.symbol, row.bot) == (Cause.PLACING, 75, PE, "random_scalp_live")
        body = rig.leg(PE).bracket.body
        assert (row.began_ns, row.ended_ns) == (body.first_fill_ns, body.protected_ns)
        assert row.unit_ns == 75 * (row.ended_ns - row.began_ns) > 0
        health = rig.console.view().health
        assert (health.naked_count, health.naked_qty, health.naked_since_ns) == (1, 0, 0)
        assert health.naked_worst_ns == health.naked_p50_ns == row.ended_ns - row.began_ns

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-4", "HRD-04")
def test_a_refused_stop_is_bare_until_the_next_one_stands_and_is_seen_meanwhile(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.script = refuse_stops(2)
        rig.ticks(150.0)
        await rig.enter(150.0)
        while rig.leg(PE).bracket.covered_qty == 0:
            health = rig.console.view().health
            assert (health.naked_qty, health.naked_count) == (75, 0)
            assert health.naked_since_ns == rig.leg(PE).bracket.body.naked_since_ns
            await rig.pass_s(0.05)
        (row,) = exposures(rig)

        assert (row.cause, row.qty) == (Cause.REFUSED, 75)
        assert row.ended_ns - row.began_ns > 0.3 * NS_PER_S
        assert rig.console.view().health.naked_qty == 0

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-4", "HRD-05")
def test_an_unanswered_stop_is_named_unknown(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(150.0)
        rig.venue.mute_pushes = False
        lose = rig.venue

        def script(op, request):
            lose.lose_answers = op == "place" and request.tag.endswith("S")
            lose.mute_pushes = lose.lose_answers or lose.mute_pushes
            return None

        rig.venue.script = script
        await rig.enter(150.0)
        await rig.quiet(3.0, 150.0)

        assert Cause.UNKNOWN in {row.cause for row in exposures(rig)}
        assert rig.leg(PE).bracket.covered_qty == 75

    run_desk(scenario, seed_setup(symbols=(PE,), style="hybrid"))


@pytest.mark.row("I-4", "HRD-06")
def test_a_stop_cancelled_by_hand_is_named_so(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        (stop,) = [o for o in rig.working(PE) if o.tag.endswith("S")]
        await rig.venue.inner.cancel(stop.tag, stop.broker_id)
        await rig.quiet(2.0, 150.0)

        assert story(rig) == [("placing", 75), ("by hand", 75)]
        assert rig.leg(PE).bracket.covered_qty == 75

    run_desk(scenario, seed_setup(symbols=(PE,)))


def test_a_position_that_leaves_is_bare_from_its_cancelled_stop_to_its_last_unit(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.request(ZeroOut)
        await rig.quiet(3.0, 150.0)

        assert not rig.leg(PE).is_active
        assert story(rig) == [("placing", 75), ("exiting", 75)]
        assert rig.console.view().health.naked_count == 2

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-4", "I-7")
def test_a_watched_position_is_bare_from_the_age_at_which_its_price_no_longer_decides(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        last_ns = rig.clock.now_ns()
        rig.tick(PE, 150.0)
        await rig.pass_s(9.0)
        running = rig.console.view().health
        assert (running.naked_qty, running.naked_since_ns) == (75, last_ns + 5 * NS_PER_S)

        rig.tick(PE, 150.0)
        await rig.pass_s(1.5)
        (row,) = exposures(rig)
        assert (row.cause, row.began_ns) == (Cause.NO_PRICE, last_ns + 5 * NS_PER_S)
        assert 4.0 * NS_PER_S <= row.ended_ns - row.began_ns <= 5.0 * NS_PER_S
        assert rig.console.view().health.naked_qty == 0

    run_desk(scenario, seed_setup(symbols=(PE,), style=ExitStyle.MONITORED))


@pytest.mark.row("I-4", "LEG-72")
def test_an_interval_that_a_crash_cut_goes_on_from_its_first_instant(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.script = refuse_stops(99)
        await rig.enter(150.0)
        began_ns = rig.leg(PE).bracket.body.naked_since_ns
        assert began_ns and exposures(rig) == []
        image = await rig.kill()
        rig.venue.mute_pushes = False
        again = await rig.revived(image)
        assert again.console.view().health.naked_since_ns == began_ns
        await again.quiet(4.0, 150.0)
        (row,) = exposures(again)

        assert (row.began_ns, row.qty) == (began_ns, 75)
        assert again.leg(PE).bracket.covered_qty == 75
        third = await again.revived(await again.kill())
        assert third.console.view().health.naked_count == 1
        assert exposures(third) == [row]

    run_desk(scenario, seed_setup(symbols=(PE,)))


def test_a_restart_under_a_resting_stop_makes_no_interval(run_desk, seed_setup) -> None:
    """Between the journal and the broker's books every order is in doubt: that is not bare, it is not known."""

    async def scenario(rig):
        await rig.enter(150.0)
        before = exposures(rig)
        again = await rig.revived(await rig.kill())
        await again.quiet(5.0, 150.0)

        assert exposures(again) == before

    run_desk(scenario, seed_setup())


@pytest.mark.row("RTP-33", "RTP-34", "RTP-44")
@pytest.mark.fault("EXI-03")
def test_a_stop_that_is_jumped_books_the_real_fill_and_its_slippage(run_desk, seed_setup, tmp_path: Path) -> None:
    """RTP-34: last 100, stop 95, next tick 80: one exit, trigger 80, slippage against the stop 15."""

    async def scenario(rig):
        await rig.enter(100.0)
        rig.tick(PE, 80.0)
        await rig.quiet(3.0, 80.0)
        return rig.journal.image(), rig.venue.placed(Role.EXIT)

    image, exits = run_desk(scenario, seed_setup(symbols=(PE,), style=ExitStyle.MONITORED))
    path = tmp_path / "desk.db"
    path.write_bytes(image)
    with sqlite3.connect(path) as journal:
        shown = journal.execute(
            "SELECT side, level_rupees, trigger_rupees, exit_rupees, slippage_rupees FROM trades_view"
        ).fetchall()

    assert len(exits) == 1
    assert shown == [("LONG", 95.0, 80.0, 80.0, 15.0)]


def test_the_row_is_in_the_same_commit_as_the_step_that_ended_the_interval(run_desk, seed_setup) -> None:
    async def scenario(rig):
        batches: list = []
        submit = rig.desk.parts.writer.submit
        rig.desk.parts.writer.submit = lambda batch, *told: (batches.append(batch), submit(batch, *told))
        await rig.enter(150.0)
        (batch,) = [batch for batch in batches if batch.exposures]

        assert [row.bracket_id for row in batch.brackets] == [batch.exposures[0].bracket_id]
        assert [order.role for order in batch.orders] == [Role.STOP]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-4")
def test_cancelling_the_stops_by_key_shows_no_bare_units_because_they_are_watched_here(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.request(CancelAll, scope=CancelScope.ALL)
        await rig.quiet(3.0, 150.0)

        assert rig.leg(PE).bracket.body.style is ExitStyle.MONITORED
        assert story(rig) == [("placing", 75)]

    run_desk(scenario, seed_setup(symbols=(PE,)))
