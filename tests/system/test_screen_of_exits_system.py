"""What the console of a whole desk tells and takes about exits: consent, unanswered orders, shorts, figures."""

from __future__ import annotations

import msgspec
import pytest

from engine.operator import Adopt, Enter, ExitLeg, ZeroOut
from engine.order import OrderState, OrderType, Role, Side
from engine.port import OrderRequest, Unknown

PE = "NIFTY01DEC2624500PE"


def bought_by_hand(rig, qty: int, price: float) -> None:
    rig.exchange.place(
        "paper",
        OrderRequest(
            tag="HAND1", symbol=PE, exchange="NFO", product="MIS", side=Side.BUY if qty > 0 else Side.SELL,
            type=OrderType.LIMIT, qty=abs(qty), limit_paise=round(price * 100), trigger_paise=0,
        ),
        rig.clock.now_ns(),
    )  # fmt: skip


@pytest.mark.row("LEG-39", "CON-08")
def test_an_unexpected_position_is_shown_and_becomes_the_bots_by_the_traders_key(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(150.0)
        request = Adopt(request_id="A0", symbol=PE)
        assert rig.console.why_not(request) == "the broker shows nothing unexpected in this symbol"
        bought_by_hand(rig, 75, 150.0)
        await rig.quiet(40.0, 150.0)
        leg = rig.console.view().legs[0]
        assert (leg.unexpected_qty, leg.open_qty, rig.venue.placed()) == (75, 0, [])
        assert any("by hand +75" in alarm.text for alarm in rig.console.view().alarms)

        text = rig.console.describe(request)
        assert text == f"+75 24500PE goes to {rig.bot.name}: LONG, its exits sell, levels from the broker's average"
        rig.request(Adopt, symbol=PE)
        await rig.quiet(5.0, 150.0)
        leg = rig.console.view().legs[0]
        assert (leg.unexpected_qty, leg.open_qty, leg.covered_qty) == (0, 75, 75)
        assert {(r.side, r.qty) for r in rig.venue.placed()} == {(Side.SELL, 75)}

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("HUM-02")
def test_what_grows_beside_a_position_of_ours_cannot_be_adopted(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        bought_by_hand(rig, 150, 150.0)
        await rig.quiet(40.0, 150.0)
        assert rig.console.view().legs[0].unexpected_qty == 0
        assert rig.console.why_not(Adopt(request_id="A1", symbol=PE))

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-05")
@pytest.mark.fault("ORD-01")
def test_an_unanswered_stop_tells_its_look_ups_and_how_it_ended(run_desk, seed_setup) -> None:
    async def scenario(rig):
        lost: list[str] = []

        def lose_first_stop(op, request):
            if op == "place" and request.tag.endswith("S") and not lost:
                lost.append(request.tag)
                return Unknown("the request was lost")
            return None

        rig.venue.script = lose_first_stop
        rig.ticks(150.0)
        rig.request(Enter, side=Side.BUY)
        seen = []
        for _ in range(60):
            await rig.quiet(0.05, 150.0)
            seen += [o.doubt for o in rig.console.view().orders if o.tag in lost and o.state is OrderState.UNKNOWN]
        order = next(o for o in rig.console.view().orders if o.tag == lost[0])
        assert seen and all(doubt.next_ns for doubt in seen)
        assert order.doubt.outcome == "never placed" and order.doubt.looks >= 2
        stops = [o for o in rig.console.view().orders if o.role is Role.STOP and o.bracket_id == order.bracket_id]
        assert [stop.state for stop in stops] == [OrderState.TRIGGER_PENDING, OrderState.REJECTED]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-28", "RTP-42")
def test_the_figures_of_an_exit_are_measured_on_the_whole_desk(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(6.0, 150.0)
        rig.request(ExitLeg, symbol=PE)
        await rig.quiet(3.0, 150.0)
        metrics = {metric.name: metric for metric in rig.console.metrics()}
        for name in ("exit signal to order sent", "order sent to flat, proven", "wish to leave to flat"):
            assert metrics[name].count == 1, name
        assert metrics["order sent to flat, proven"].p50_ns > 0
        assert metrics["entry to its fill"].count == metrics["first fill to a working stop"].count == 1
        assert metrics["status pass"].count and metrics["reconcile"].count
        assert [(row.good, row.total) for row in rig.console.counts()][:2] == [(1, 1), (1, 1)]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-44")
def test_the_pushed_updates_are_told_newest_first_with_whose_they_are(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        bought_by_hand(rig, 75, 150.0)
        await rig.quiet(1.0, 150.0)
        updates = rig.console.order_updates()
        assert [u.at_ns for u in updates] == sorted((u.at_ns for u in updates), reverse=True)
        assert {u.is_ours for u in updates} == {True, False}
        assert all(u.tag == "HAND1" for u in updates if not u.is_ours)
        assert len(updates) <= 50

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-40", "RTP-48")
def test_the_words_of_an_exit_fit_a_short(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.bot.terms = msgspec.structs.replace(rig.bot.terms, allow_short=True)
        rig.ticks(150.0)
        rig.request(Enter, side=Side.SELL)
        await rig.quiet(3.0, 150.0)
        leg = rig.console.view().legs[0]
        assert (leg.open_qty, leg.covered_qty) == (-75, 75)
        text = rig.console.describe(ExitLeg(request_id="X", symbol=PE))
        assert text.startswith("BUY 75 24500PE, limit 15") and "3 % through it at worst" in text
        assert "(24500PE -75)" in rig.console.describe(ZeroOut(request_id="Z"))

    run_desk(scenario, seed_setup(symbols=(PE,)))
