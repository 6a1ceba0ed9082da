"""Entries that the broker refuses for good: told once, never repeated by themselves, and nothing is left behind."""

from __future__ import annotations

import pytest

from engine import refusals
from engine.operator import Enter
from engine.order import OrderState, Role, Side
from engine.port import Refused

PE = "NIFTY01DEC2624500PE"
CODES = sorted(value for name, value in vars(refusals).items() if name.isupper() and isinstance(value, str))


@pytest.mark.fault("REJ-01", "REJ-09", "REJ-11", "REF-04")
@pytest.mark.invariant("O3", "O4")
@pytest.mark.parametrize("code", CODES)
def test_a_refused_entry_is_over_and_is_not_sent_again(run_desk, seed_setup, code) -> None:
    """An explicit refusal is definite whatever its reason: no book has an order of it, and none is looked for."""

    async def scenario(rig):
        rig.venue.script = lambda op, request: Refused(code, "RMS: not for you") if op == "place" else None
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(120.0, 100.0)

        assert len(rig.venue.calls) == 1
        (order,) = rig.desk.blotter.orders.values()
        assert (order.state, order.reject_code) == (OrderState.REJECTED, code)
        assert rig.net(PE) == 0 and not rig.working() and not rig.leg(PE).is_active
        assert len(rig.said("not entered")) <= 2

        rig.venue.script = lambda op, request: None
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(2.0, 100.0)
        assert len(rig.venue.placed(Role.ENTRY)) == 2, "the next one is the trader's own decision"

    run_desk(scenario, seed_setup(symbols=(PE,)))
