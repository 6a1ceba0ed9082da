"""A day with more orders than the desk keeps: what it has forgotten is still its own in the broker's books."""

from __future__ import annotations

import pytest

from engine import desk_commit
from engine.operator import Enter, ExitLeg
from engine.order import Side

PE = "NIFTY01DEC2624500PE"


@pytest.mark.row("LEG-36", "PRC-13")
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

        rig.desk.reader.reconcile()
        await rig.quiet(1.0)

        assert not rig.said("second desk")
        assert not rig.desk.reader.reconciler.foreign_orders
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(1.0)
        assert rig.leg(PE).is_active

    run_desk(scenario, seed_setup(symbols=(PE,)))
