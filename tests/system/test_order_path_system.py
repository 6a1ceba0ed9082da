"""A desk that is flat when the order path falls silent must come back by itself when the broker answers again (L1)."""

from __future__ import annotations

import pytest

from engine.operator import Enter
from engine.order import Role, Side
from engine.port import NotSent

PE = "NIFTY01DEC2624500PE"


@pytest.mark.row("LEG-08")
@pytest.mark.fault("NET-05")
def test_a_flat_desk_enters_again_once_the_broker_answers_its_reads(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.script = lambda op, request: NotSent("connection refused")
        rig.venue.reads_fail = True
        rig.ticks(100)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(20)
        assert rig.desk.main.gateway.path_error == "connection refused"
        silent = rig.desk.entry_block(rig.clock.now_ns())
        rig.venue.script = lambda op, request: None
        rig.venue.reads_fail = False

        await rig.quiet(15)

        rig.request(Enter, side=Side.BUY)
        await rig.quiet(1)
        return silent, rig.desk.main.gateway.path_error, len(rig.venue.placed(Role.ENTRY, PE)), rig.net(PE)

    silent, path_error, entries, net = run_desk(scenario, seed_setup())

    assert "order path" in silent
    assert path_error == ""
    assert entries == 3, "two tries of the one that never left, then the new one"
    assert net == 75
