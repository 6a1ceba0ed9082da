"""Exits under pressure: siblings in time (E5), twenty positions at once, a refused slice, and no larger call."""

from __future__ import annotations

import inspect
from collections import Counter
from datetime import date, time

import pytest

from engine import refusals
from engine.instant import NS_PER_S, at_ist
from engine.operator import Enter
from engine.order import Role, Side
from engine.port import BrokerPort, OrderChange, Refused

PE = "NIFTY01DEC2624500PE"
SQUARE_OFF = at_ist(date(2026, 11, 25), time(15, 15))
T_OCO_NS = NS_PER_S
"""Leg fill visible to sibling request sent (faults §2)."""


def sibling_delays(rig) -> dict[str, int]:
    """Role of the leg that filled -> ns from its first fill at the exchange to the first request about its sibling."""
    fills: dict[str, int] = {}
    for trade in rig.exchange.ledger("paper").trades:
        if trade.tag[-1] in "TS":
            fills.setdefault(trade.tag[-1], trade.at_ns)
    delays: dict[str, int] = {}
    for (began_ns, _), (op, request) in zip(rig.venue.spans, rig.venue.calls, strict=True):
        tag = request if isinstance(request, str) else request.tag
        for filled, at_ns in fills.items():
            if op != "place" and tag[-1] in "TS" and tag[-1] != filled and began_ns >= at_ns:
                delays.setdefault(filled, began_ns - at_ns)
    return delays


@pytest.mark.fault("EXI-02")
@pytest.mark.invariant("E5")
@pytest.mark.parametrize(("price", "filled"), [(105.0, "T"), (94.9, "S")])
@pytest.mark.parametrize("size", [30, 100_000])
def test_the_sibling_of_an_exit_that_fills_is_asked_about_within_a_second(
    run_desk, seed_setup, price, filled, size
) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(2.0, 100.0)
        for _ in range(8):  # a stop triggers on one print and fills on a later one
            rig.tick(PE, price, size=size)
            await rig.pass_s(0.25)

        assert 0 < sibling_delays(rig)[filled] <= T_OCO_NS

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("UPD-05")
@pytest.mark.invariant("E5")
@pytest.mark.parametrize(("price", "filled"), [(105.0, "T"), (94.9, "S")])
def test_a_fill_that_nobody_tells_has_its_sibling_asked_about_by_the_next_look_at_the_books(
    run_desk, seed_setup, price, filled
) -> None:
    """Visible to the desk from the read on, and that comes every 3 s while a position is open (T_BOOK)."""

    async def scenario(rig):
        await rig.enter(100.0)
        rig.venue.mute_pushes = True
        await rig.quiet(4.0, 100.0)
        await rig.quiet(5.0, price, step=0.25)

        assert sibling_delays(rig)[filled] <= 3 * NS_PER_S + T_OCO_NS

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("EXI-14", "REJ-14")
@pytest.mark.invariant("O4", "Q2")
def test_twenty_positions_are_squared_off_inside_the_rate_and_long_before_the_brokers_own_cut_off(
    run_desk, seed_setup
) -> None:
    symbols = tuple(f"NIFTY01DEC26{strike}PE" for strike in range(24_000, 25_000, 50))

    async def scenario(rig):
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(20.0, 100.0)
        assert [rig.net(symbol) for symbol in symbols] == [75] * 20
        assert len(rig.working()) == 40
        await rig.quiet((SQUARE_OFF - rig.clock.now_ns()) / NS_PER_S, 100.0)
        asked = len(rig.venue.spans)
        await rig.quiet(60.0, 100.0)

        assert not rig.working() and not any(rig.net(symbol) for symbol in symbols)
        began = [span[0] for span in rig.venue.spans[asked:]]
        assert max(began) - SQUARE_OFF < 60 * NS_PER_S, "the cut-off of the earliest broker is five minutes away"
        for at_ns in began:
            assert sum(at_ns <= other < at_ns + NS_PER_S for other in began) <= 8
        assert Counter(request.symbol for request in rig.venue.placed(Role.EXIT)) <= Counter(symbols)

    patient = {"entry_fill_timeout_ns": 60 * NS_PER_S}  # entries wait for the exits of those before
    run_desk(scenario, seed_setup(symbols=symbols, start_ns=SQUARE_OFF - 120 * NS_PER_S, **patient))


@pytest.mark.fault("ORD-23")
@pytest.mark.invariant("P2", "E1")
def test_an_entry_of_which_one_slice_is_refused_is_protected_for_what_filled(run_desk, seed_setup) -> None:
    """Each slice is an order and an intent of its own; the position is the sum of what filled."""
    slices: list[str] = []

    def script(op: str, request: object):
        if op != "place" or not isinstance(request, object) or getattr(request, "tag", "E")[-1] != "E":
            return None
        slices.append(request.tag)  # type: ignore[attr-defined]
        return Refused(refusals.OTHER, "the second slice is not taken") if len(slices) == 2 else None

    async def scenario(rig):
        rig.venue.script = script
        await rig.enter(100.0)
        await rig.quiet(5.0, 100.0)

        asked = [request.qty for request in rig.venue.placed(Role.ENTRY)]
        assert len(asked) == len(slices) == 3 and sum(asked) == 75 * 60
        held = sum(asked) - asked[1]
        assert rig.net(PE) == held == rig.leg(PE).bracket.covered_qty
        stops = [row.qty for row in rig.working(PE) if row.tag.endswith("S")]
        assert sum(stops) == held

        await rig.quiet(2.0, 105.5)
        assert rig.net(PE) == 0 and not rig.working()

    run_desk(scenario, seed_setup(symbols=(PE,), lots=60))


@pytest.mark.fault("EXI-10", "EXI-11", "EXI-18")
def test_a_broker_is_never_asked_for_more_than_one_order_at_a_time() -> None:
    """No close-all, no target position, no kill switch: the port has no word for what a gateway may do half."""
    words = {name for name, _ in inspect.getmembers(BrokerPort, inspect.isfunction) if not name.startswith("_")}
    changed = {name for name in words if not name.startswith(("read_", "listen", "connect", "close"))}

    assert changed == {"place", "modify", "cancel"}
    assert "side" not in OrderChange.__struct_fields__, "a change never turns an order round"
