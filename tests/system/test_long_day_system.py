"""A day with many orders: what was dropped from memory is still ours, and a long book does not hold up the desk."""

from __future__ import annotations

import msgspec
import pytest

from engine import desk_commit
from engine.operator import Enter, ExitLeg
from engine.order import OrderState, Role, Side
from engine.port import OrderReport

PE = "NIFTY01DEC2624500PE"


@pytest.mark.row("LEG-36")
@pytest.mark.fault("PRC-13")
def test_finished_orders_that_were_dropped_from_memory_are_no_second_desk(run_desk, seed_setup, monkeypatch) -> None:
    """Found by the bench of a thousand exits: from the 2,001st finished order on, the book's oldest rows looked like
    another desk's, and entries were blocked for the rest of the day."""
    monkeypatch.setattr(desk_commit, "_FINISHED_KEPT", 4)

    async def scenario(rig):
        for _ in range(6):
            await rig.enter(100.0)
            rig.request(ExitLeg, symbol=PE)
            await rig.quiet(1.0)
        first = rig.venue.placed()[0]
        assert first.tag not in rig.desk.blotter.orders

        rig.desk.main.reader.reconcile()
        await rig.quiet(1.0)

        assert not rig.said("second desk")
        assert not rig.desk.main.reader.reconciler.foreign_orders
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(1.0)
        assert rig.leg(PE).is_active

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("RTP-12", "LEG-36")
def test_rows_of_ended_orders_are_merged_once_however_often_the_book_is_read(run_desk, seed_setup, monkeypatch) -> None:
    async def scenario(rig):
        for _ in range(4):
            await rig.enter(100.0)
            rig.request(ExitLeg, symbol=PE)
            await rig.quiet(2.0)
        merged: list[str] = []
        apply = rig.desk.blotter.apply_report

        def counted(account, report, at_ns, *, read_ns=0):
            merged.append(report.tag)
            return apply(account, report, at_ns, read_ns=read_ns)

        monkeypatch.setattr(rig.desk.blotter, "apply_report", counted)
        await rig.enter(100.0)
        merged.clear()
        reads = rig.desk.main.reader.reads
        for _ in range(5):
            rig.desk.main.reader.reconcile()
            await rig.quiet(1.0)

        assert rig.desk.main.reader.reads >= reads + 5
        resting = {report.tag for report in rig.working(PE)}
        assert set(merged) == resting, "only what can still change is merged again"

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-36")
@pytest.mark.fault("UPD-12")
def test_a_row_of_an_ended_order_that_changes_is_merged_again(run_desk, seed_setup) -> None:
    """Cancelled in every book it was read in, and then filled after all: only the changed row can tell."""

    async def scenario(rig):
        await rig.enter(100.0)
        rig.request(ExitLeg, symbol=PE)
        await rig.quiet(2.0)
        stop = rig.desk.blotter.orders[rig.venue.placed(Role.STOP)[0].tag]
        assert stop.state is OrderState.CANCELLED
        for _ in range(3):
            rig.desk.main.reader.reconcile()
            await rig.quiet(1.0)

        read = rig.venue.inner.read_orders

        async def haunted():
            return [_filled(row) if row.tag == stop.tag else row for row in await read()]

        rig.venue.inner.read_orders = haunted
        rig.desk.main.reader.reconcile()
        await rig.quiet(1.0)

        assert stop.filled_qty == 75
        assert any("late fill" in alarm for alarm in rig.alarms)

    run_desk(scenario, seed_setup(symbols=(PE,)))


def _filled(row: OrderReport) -> OrderReport:
    return msgspec.structs.replace(row, state=OrderState.FILLED, filled_qty=row.qty, average_paise=9_500)


@pytest.mark.fault("UPD-11")
def test_an_average_that_contradicts_the_trades_is_told_though_its_row_never_changes(run_desk, seed_setup) -> None:
    """The order's own records came by push; the trade book is read only later, for another order."""

    async def scenario(rig):
        read = rig.venue.inner.read_orders
        first: list[str] = []

        async def dear():
            rows = await read()
            first[:] = first or [row.tag for row in rows[:1]]
            return [msgspec.structs.replace(row, average_paise=9_000) if row.tag in first else row for row in rows]

        rig.venue.inner.read_orders = dear
        await rig.enter(100.0)
        await rig.quiet(6.0)
        rig.desk.main.reader.reconcile()
        await rig.quiet(1.0)
        rig.venue.hide_trades = True
        rig.request(ExitLeg, symbol=PE)
        await rig.quiet(6.0)
        rig.venue.hide_trades = False
        await rig.quiet(6.0)

        order = rig.desk.blotter.orders[first[0]]
        assert order.role is Role.ENTRY
        assert any("90.00" in text for text in rig.texts())

    run_desk(scenario, seed_setup(symbols=(PE,)))
