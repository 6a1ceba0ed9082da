"""What the trader asks for by key, on a whole desk: zero out, cancel all, one leg, the same key twice, nonsense."""

from __future__ import annotations

from datetime import date

import pytest

from engine.operator import CancelAll, CancelOrder, CancelScope, Enter, ExitLeg, PauseEntries, ReconcileNow, ZeroOut
from engine.order import OrderType, Role, Side
from engine.view import ProtectionWord

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
DAY = date(2026, 11, 25)


@pytest.mark.row("OPS-03")
def test_zero_out_closes_everything_and_pauses_entries(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.request(ZeroOut)
        await rig.quiet(2.0, 150.0)

        assert rig.net(PE) == rig.net(CE) == 0 and not rig.working()
        assert [reason for _, _, reason in rig.trades()] == ["Zero Out"] * 2
        assert rig.desk.entry_block(rig.clock.now_ns()) == "paused"
        rig.request(PauseEntries, paused=False)
        await rig.quiet(0.5, 150.0)
        await rig.enter(150.0)
        assert rig.net(PE) == 75

    run_desk(scenario, seed_setup())


@pytest.mark.row("OPS-03")
def test_one_leg_leaves_and_the_other_stays(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.request(ExitLeg, symbol=CE)
        await rig.quiet(1.5, 150.0)
        assert (rig.net(PE), rig.net(CE)) == (75, 0)
        assert len(rig.working(PE)) == 2 and not rig.working(CE)
        assert [action.finished for action in rig.console.view().actions if "24500CE" in action.text][:1] == [True]

    run_desk(scenario, seed_setup())


@pytest.mark.row("OPS-03")
def test_cancel_all_by_default_takes_entries_and_keeps_protection(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.tick(PE, 150.0)
        rig.tick(CE, 150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.001)
        rig.tick(CE, 170.0)  # CE's entry rests unfilled
        await rig.pass_s(0.3)
        assert len(rig.working(CE)) == 1
        rig.request(CancelAll)
        await rig.quiet(1.0, {PE: 150.0, CE: 170.0})

        assert not rig.working(CE) and not rig.leg(CE).is_active
        assert len(rig.working(PE)) == 2 and rig.net(PE) == 75

    run_desk(scenario, seed_setup())


@pytest.mark.row("OPS-03", "I-4")
def test_cancel_all_with_protection_leaves_the_leg_watched_here(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.request(CancelAll, scope=CancelScope.ALL)
        await rig.quiet(3.0, 150.0)
        assert not rig.working() and (rig.net(PE), rig.net(CE)) == (75, 75)
        assert rig.leg(PE).bracket.protection(rig.clock.now_ns()) is ProtectionWord.LOCAL

        rig.tick(PE, 144.9)
        await rig.quiet(1.0, {PE: 144.9, CE: 150.0})
        assert (rig.net(PE), rig.net(CE)) == (0, 75)
        assert [reason for _, _, reason in rig.trades()] == ["Stoploss Hit"]

    run_desk(scenario, seed_setup())


@pytest.mark.row("OPS-03")
@pytest.mark.fault("HUM-06")
def test_the_same_request_id_twice_does_it_once(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(150.0)
        for _ in range(3):
            rig.desk.submit(Enter(request_id="key-1", side=Side.BUY))
        await rig.quiet(1.0, 150.0)
        assert len(rig.venue.placed(Role.ENTRY)) == 2
        for _ in range(3):
            rig.desk.submit(ExitLeg(request_id="key-2", symbol=PE))
            rig.desk.submit(ZeroOut(request_id="key-3"))
        await rig.quiet(2.0, 150.0)
        assert len(rig.venue.placed(Role.EXIT)) == 2
        assert len(rig.said("[YOU] zero out")) == 1

    run_desk(scenario, seed_setup())


@pytest.mark.row("OPS-03")
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (ExitLeg, {"symbol": "NIFTY01DEC2699999PE"}),
        (Enter, {"side": Side.BUY, "symbols": ("NOSUCH",)}),
        (CancelOrder, {"tag": "NOSUCHTAG"}),
        (CancelAll, {"symbols": ("NOSUCH",)}),
        (ExitLeg, {"symbol": PE}),
    ],
)
def test_a_mistyped_or_pointless_request_does_nothing_and_says_why(run_desk, seed_setup, kind, fields) -> None:
    async def scenario(rig):
        rig.ticks(150.0)
        request = kind(request_id="x", **fields)
        rig.console.describe(request), rig.console.why_not(request)
        rig.request(kind, **fields)
        await rig.quiet(1.0, 150.0)
        assert rig.venue.calls == []
        assert len(rig.said(": refused, ")) == 1
        rig.console.view()
        assert not rig.desk.entry_block(rig.clock.now_ns()), "a typing mistake does not stop the desk"

    run_desk(scenario, seed_setup())


@pytest.mark.row("OPS-03")
def test_cancelling_one_protective_order_means_watching_it_here(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        stop = next(o for o in rig.working(PE) if o.type is OrderType.SL)
        rig.request(CancelOrder, tag=stop.tag)
        await rig.quiet(2.0, 150.0)
        assert stop.tag not in {o.tag for o in rig.working()}
        assert rig.leg(PE).bracket.protection(rig.clock.now_ns()) is ProtectionWord.LOCAL
        assert len(rig.working(CE)) == 2

    run_desk(scenario, seed_setup())


@pytest.mark.row("OPS-04")
@pytest.mark.invariant("X5")
def test_the_same_scripted_session_gives_the_same_order_log(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.tick(PE, 153.0)
        await rig.quiet(3.0, {PE: 153.0, CE: 149.0})
        rig.tick(CE, 155.0, size=50)
        await rig.quiet(3.0, {PE: 152.0, CE: 154.0})
        rig.request(ReconcileNow)
        rig.request(ZeroOut)
        await rig.quiet(2.0, 152.0)
        assert rig.bot.all_legs_flat
        return rig.venue.story(), rig.desk.decisions.text(), rig.texts()

    first = run_desk(scenario, seed_setup(trail={}))
    second = run_desk(scenario, seed_setup(trail={}))
    assert len(first[0]) > 10
    assert first[:2] == second[:2]
    assert [t for t in first[2] if "oid" not in t and "SD" not in t] == [
        t for t in second[2] if "oid" not in t and "SD" not in t
    ]


@pytest.mark.row("I-7")
def test_an_exit_on_a_stale_price_still_goes(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.pass_s(10.0)
        rig.request(ExitLeg, symbol=PE)
        await rig.pass_s(0.3)
        assert [r.limit_paise for r in rig.venue.placed(Role.EXIT)] == [136_50], "9 %: three bands"

    run_desk(scenario, seed_setup(symbols=(PE,)))
