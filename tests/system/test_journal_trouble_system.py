"""The journal's disk fails while positions are open: entries stop, exits and protection go on, nothing is lost (J3)."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from engine.alerts import AlertKind
from engine.journal.errors import JournalWriteFailed
from engine.operator import CancelAll, Enter, ExitLeg
from engine.order import OrderState, Role, Side

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624600CE"


@contextmanager
def disk_away(rig, error="disk I/O error"):
    """Every commit fails until the block is left."""

    def refuse(group):
        raise JournalWriteFailed(f"journal desk.db: {error}; nothing was written")

    rig.journal.write = refuse
    yield
    del rig.journal.write


def rows(rig, sql: str) -> list[tuple]:
    return rig.journal._conn.execute(sql).fetchall()


def journalled_fills(rig) -> list[tuple]:
    return rows(rig, "SELECT tag, side, qty, price_paise FROM fills ORDER BY seq")


@pytest.mark.row("OPS-15", "I-9")
@pytest.mark.parametrize(
    "error", ["disk I/O error", "database or disk is full", "attempt to write a readonly database"]
)
@pytest.mark.fault("STO-09")
@pytest.mark.invariant("J3")
def test_a_position_is_left_while_the_disk_is_away_and_booked_when_it_returns(run_desk, seed_setup, error) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        with disk_away(rig, error):
            await rig.quiet(2.0, 150.0)
            rig.request(ExitLeg, symbol=PE)
            await rig.quiet(5.0, 150.0)
            assert rig.net(PE) == 0 and not rig.desk.any_active
            assert "journal" in rig.desk.alarms and error in rig.desk.entry_block(rig.clock.now_ns())
            assert AlertKind.STATE_WRITE in {alert.kind for alert in rig.alerts.unread}
            assert len(rig.said("entries stop, exits go on from memory")) == 1, "told once, not at every attempt"
            assert rig.trades() == []
        await rig.quiet(3.0, 150.0)

        assert "journal" not in rig.desk.alarms
        assert not rig.desk.entry_block(rig.clock.now_ns())
        assert [(symbol, reason) for symbol, _, reason in rig.trades()] == [(PE, "Square-Off")]
        assert {tag for tag, *_ in journalled_fills(rig)} == set(rig.desk.blotter.orders) & {
            order.tag for order in rig.desk.blotter.orders.values() if order.filled_qty
        }
        intended = {tag for (tag,) in rows(rig, "SELECT tag FROM intents WHERE op = 'place'")}
        assert {request.tag for request in rig.venue.placed()} <= intended
        assert rows(rig, "SELECT count(*) FROM alarms WHERE alarm_id = 'journal' AND ended_ns > 0") == [(1,)]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-15")
@pytest.mark.fault("STO-09")
@pytest.mark.invariant("J3")
def test_an_entry_that_fills_as_the_disk_goes_away_is_protected(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.wait_until(lambda: bool(rig.venue.placed()))
        with disk_away(rig):
            await rig.quiet(3.0, 100.0)
            assert rig.net(PE) == 75
            assert rig.leg(PE).bracket.covered_qty == 75

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-15")
@pytest.mark.fault("STO-07")
@pytest.mark.invariant("O1")
def test_an_entry_whose_record_comes_too_late_is_never_sent(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        with disk_away(rig):
            rig.request(Enter, side=Side.BUY)  # the disk is not known to be away yet
            await rig.quiet(4.0, 100.0)
            assert rig.venue.calls == []
            rig.request(Enter, side=Side.BUY)
            await rig.quiet(1.0, 100.0)
            assert rig.said("refused") and rig.venue.calls == []
        await rig.quiet(5.0, 100.0)

        assert rig.venue.calls == [] and not rig.desk.any_active
        (order,) = rig.desk.blotter.orders.values()
        assert (order.role, order.state) == (Role.ENTRY, OrderState.CANCELLED)
        assert rows(rig, "SELECT state FROM orders") == [("cancelled",)]

    run_desk(scenario, seed_setup(symbols=(PE,)))


def test_an_entry_that_is_cancelled_while_it_waits_for_its_record_is_never_sent(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        with disk_away(rig):
            rig.request(Enter, side=Side.BUY)
            await rig.pass_s(0.3)
            rig.request(CancelAll)
            await rig.pass_s(0.3)
        await rig.quiet(4.0, 100.0)

        assert rig.venue.calls == [] and not rig.desk.any_active

    run_desk(scenario, seed_setup(symbols=(PE,)))


def test_a_short_hiccup_delays_an_entry_and_loses_nothing(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.desk.parts.writer._retry_s = 0.2
        rig.ticks(100.0)
        with disk_away(rig):
            rig.request(Enter, side=Side.BUY)
            await rig.pass_s(0.1)
            assert rig.venue.calls == []
        await rig.quiet(2.0, 100.0)

        assert rig.net(PE) == 75 and rig.leg(PE).bracket.covered_qty == 75
        assert "journal" not in rig.desk.alarms

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-15")
@pytest.mark.fault("STO-09")
@pytest.mark.invariant("R2")
def test_a_crash_while_the_disk_is_away_ends_flat_once_by_the_tags_at_the_broker(run_desk, seed_setup) -> None:
    """The exit was sent and filled; the journal has neither its intent nor its order, and no second file was left."""

    async def scenario(rig):
        await rig.enter(150.0)
        with disk_away(rig):
            await rig.quiet(1.0, 150.0)
            rig.request(ExitLeg, symbol=PE)
            await rig.quiet(3.0, 150.0)
            assert rig.net(PE) == 0
            image = await rig.kill()
        again = await rig.revived(image)
        await again.quiet(10.0, 150.0)

        assert again.net(PE) == 0 and not again.desk.any_active
        assert again.working() == []
        assert [request.side for request in again.venue.placed()] == []

    run_desk(scenario, seed_setup(symbols=(PE,)))


def test_a_crash_with_an_unrecorded_stop_at_the_broker_leaves_the_position_covered_once(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.wait_until(lambda: bool(rig.venue.placed()))
        with disk_away(rig):
            await rig.quiet(3.0, 100.0)
            assert rig.leg(PE).bracket.covered_qty == 75
            image = await rig.kill()
        again = await rig.revived(image)
        await again.quiet(15.0, 100.0)

        assert again.net(PE) == 75
        stops = [order for order in again.working(PE) if order.state is OrderState.TRIGGER_PENDING]
        assert sum(order.qty - order.filled_qty for order in stops) == 75, "covered, and not twice"

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("STO-09")
@pytest.mark.invariant("J2")
def test_a_disk_that_fails_now_and_then_all_day_loses_no_row(run_desk, seed_setup) -> None:
    async def scenario(rig):
        for number in range(6):
            rig.ticks(150.0)
            rig.request(Enter, side=Side.BUY)
            await rig.quiet(2.0, 150.0)
            with disk_away(rig):
                await rig.quiet(1.5, 150.0 + number)
                rig.request(ExitLeg, symbol=PE)
                await rig.quiet(2.5, 150.0)
            await rig.quiet(4.0, 150.0)
            assert rig.net(PE) == 0, number
        fills = {trade.trade_id for trade in rig.exchange.trades("paper")}
        assert {row[0] for row in rows(rig, "SELECT trade_id FROM fills")} == fills
        assert len(rig.trades()) == 6
        net = sum(paise for _, paise, _ in rig.trades())
        assert rig.bot.body.day_net_paise == net

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-15")
@pytest.mark.fault("STO-07")
@pytest.mark.invariant("O1")
def test_no_intent_of_a_placed_entry_is_ever_missing(run_desk, seed_setup) -> None:
    """Two legs, a disk that dies at a random turn: whatever left before its record only closes or protects."""

    async def scenario(rig, after_s):
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(after_s)
        with disk_away(rig):
            await rig.quiet(3.0, {PE: 100.0, CE: 100.0})
            written = {tag for (tag,) in rows(rig, "SELECT tag FROM intents WHERE op = 'place'")}
            for request in rig.venue.placed():
                order = rig.desk.blotter.orders[request.tag]
                assert order.tag in written or order.role is not Role.ENTRY
            for symbol in (PE, CE):
                bracket = rig.leg(symbol).bracket
                assert bracket is None or bracket.covered_qty >= bracket.open_qty
        await rig.quiet(3.0, {PE: 100.0, CE: 100.0})
        assert "journal" not in rig.desk.alarms

    for after_s in (0.001, 0.01, 0.012, 0.02, 0.03, 0.05, 0.08):
        run_desk(lambda rig, after_s=after_s: scenario(rig, after_s), seed_setup(symbols=(PE, CE)))


def test_the_alarm_comes_and_goes_with_a_backlog_that_is_full(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.desk.parts.writer._waiting_max = 1
        with disk_away(rig):
            await rig.quiet(1.0, 150.0)
            rig.request(ExitLeg, symbol=PE)
            await rig.quiet(5.0, 150.0)
            assert rig.net(PE) == 0, "an exit goes even when its record is not taken at all"
            assert "journal" in rig.desk.alarms
        await rig.quiet(5.0, 150.0)
        assert not rig.desk.disk.reason

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.invariant("O1")
def test_an_entry_whose_record_was_not_taken_at_all_is_never_sent(run_desk, seed_setup) -> None:
    """The backlog is full at the very step that decides it: nothing had refused entries before."""

    async def scenario(rig):
        rig.ticks(100.0)
        await rig.quiet(1.0, 100.0)
        rig.desk.parts.writer._waiting_max = 0
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(3.0, 100.0)
        assert rig.venue.placed() == []
        assert "journal" in rig.desk.alarms

        rig.desk.parts.writer._waiting_max = 10_000
        await rig.quiet(5.0, 100.0)
        assert rig.venue.placed() == [], "nor later, on an old price"
        assert not rig.desk.any_active

    run_desk(scenario, seed_setup(symbols=(PE,)))
