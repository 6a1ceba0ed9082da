"""Units that turn up in the account without any trade (a transfer, a correction): named, never taken for ours."""

from __future__ import annotations

import pytest

from brokers.paper.ledger import Holding
from engine.order import Side

PE = "NIFTY01DEC2624500PE"


@pytest.mark.row("CON-08", "I-8", "BUG-12")
@pytest.mark.fault("HUM-02")
@pytest.mark.invariant("R3")
def test_units_that_came_without_a_trade_are_named_and_not_touched(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(150.0)
        holdings = rig.exchange._ledgers["paper"].holdings
        holdings.setdefault((PE, "MIS"), Holding()).apply(Side.BUY, 75, 150_00)
        rig.desk.main.reader.reconcile()
        await rig.quiet(40.0, 150.0)

        assert rig.venue.calls == [] and rig.net(PE) == 75
        assert rig.said("State mismatch!") == [f"[RECONCILE] {PE} State mismatch! Expected: +0, Actual: +75"]
        assert "mismatch" in rig.desk.alarms
        assert "position mismatch" in rig.desk.entry_block(rig.clock.now_ns())

    run_desk(scenario, seed_setup(symbols=(PE,)))
