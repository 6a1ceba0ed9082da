"""The end of the day on a whole desk: at its time, missed, half filled, refused, and how fast."""

from __future__ import annotations

from datetime import date, time

import pytest

from engine import refusals
from engine.entry_trigger import TriggerSettings
from engine.instant import NS_PER_S, at_ist
from engine.order import Role, Side
from engine.port import Refused

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
DAY = date(2026, 11, 25)
BEFORE = at_ist(DAY, time(15, 14, 50))
SQUARE_OFF = at_ist(DAY, time(15, 15))


@pytest.mark.row("LEG-49", "LEG-30")
def test_the_square_off_closes_what_is_left_of_each_leg(run_desk, seed_setup) -> None:
    """PE 75 open, CE's target part-filled 50 of 75: SELL 75 PE and SELL 25 CE."""

    async def scenario(rig):
        await rig.enter(150.0)
        rig.tick(CE, 155.0, size=50)
        await rig.quiet(9.0, {PE: 150.0, CE: 154.0})
        assert not rig.said("[EOD]")
        await rig.quiet(6.0, {PE: 150.0, CE: 154.0})

        assert {(r.symbol, r.side, r.qty) for r in rig.venue.placed(Role.EXIT)} == {
            (PE, Side.SELL, 75),
            (CE, Side.SELL, 25),
        }
        assert rig.said("[EOD]") == [f"[EOD] Squaring off {PE}", f"[EOD] Squaring off {CE}"]
        assert {(symbol, reason) for symbol, _, reason in rig.trades()} == {
            (PE, "EOD Square-Off"),
            (CE, "EOD Square-Off"),
        }
        assert rig.net(PE) == rig.net(CE) == 0 and not rig.working()

    run_desk(scenario, seed_setup(start_ns=BEFORE))


@pytest.mark.row("LEG-49")
def test_a_square_off_order_that_does_not_fill_is_priced_again_until_flat(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(9.0, 150.0)
        prices = [149.0 - n for n in range(12)]
        for ltp in prices:  # no bid within the band of the last order, for a while
            rig.tick(PE, ltp, bid=ltp - 8, ask=ltp + 1)
            await rig.pass_s(0.5)
        rig.tick(PE, 140.0, bid=140.0, ask=140.1)
        await rig.quiet(3.0, 140.0)
        assert rig.net(PE) == 0 and not rig.working()
        assert len(rig.said("[EOD]")) == 1

    run_desk(scenario, seed_setup(symbols=(PE,), start_ns=BEFORE, stop=20))


@pytest.mark.row("LEG-49")
def test_a_refused_closing_order_is_tried_again_and_alarmed(run_desk, seed_setup) -> None:
    async def scenario(rig):
        refused = 0

        def script(op, request):
            nonlocal refused
            if op == "place" and request.tag.endswith("X") and refused < 4:
                refused += 1
                return Refused(refusals.OTHER, "no")
            return None

        rig.venue.script = script
        await rig.enter(150.0)
        await rig.quiet(30.0, 150.0)
        assert rig.net(PE) == 0 and refused == 4
        assert any("exit refused" in alarm for alarm in rig.alarms)
        assert not rig.desk.alarms, "over when flat"

    run_desk(scenario, seed_setup(symbols=(PE,), start_ns=BEFORE))


@pytest.mark.row("LEG-50")
def test_the_square_off_of_a_flat_leg_sends_no_order(run_desk, seed_setup) -> None:
    """CE's stop is left over (its cancel was taken but not done): it is cancelled, nothing is sold."""
    from engine.port import Acked

    async def scenario(rig):
        rig.venue.script = lambda op, request: Acked("") if op == "cancel" and rig.clock.now_ns() < SQUARE_OFF else None
        await rig.enter(150.0)
        await rig.quiet(1.0, {PE: 150.0, CE: 155.0})
        assert rig.net(CE) == 0 and len(rig.working(CE)) == 1
        await rig.quiet(20.0, {PE: 150.0, CE: 155.0})

        assert not rig.working() and rig.bot.all_legs_flat
        assert [r.symbol for r in rig.venue.placed(Role.EXIT)] == [PE]

    run_desk(scenario, seed_setup(start_ns=BEFORE))


@pytest.mark.row("LEG-51")
@pytest.mark.invariant("Q1")
def test_both_legs_are_flat_and_confirmed_within_five_seconds(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.write_delay_s = 0.28  # plus 2 x 10 ms on the wire: 300 ms a write
        until = SQUARE_OFF - 200_000_000
        while rig.clock.now_ns() < until:
            rig.ticks(150.0)
            await rig.pass_s(0.1)
        await rig.wait_until(lambda: bool(rig.said("[EOD]")))
        rig.ticks(150.0)
        took = await rig.wait_until(lambda: rig.bot.all_legs_flat and rig.net(PE) == rig.net(CE) == 0)
        print(f"LEG-51: two legs squared off and confirmed in {took:.3f} s with 300 ms writes")
        assert took < 5.0
        assert len(rig.trades()) == 2

    run_desk(scenario, seed_setup(start_ns=BEFORE))


@pytest.mark.row("LEG-52", "LEG-72")
@pytest.mark.fault("TIM-03")
@pytest.mark.invariant("Q2")
def test_a_missed_square_off_runs_at_once_on_start(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        await rig.pass_s(140.0)  # 15:17
        rig.exchange.on_tick(_tick(rig, 150.0))
        again = await rig.revived(image)
        started = again.clock.now_ns()
        assert started > at_ist(DAY, time(15, 17))
        for _ in range(20):
            again.tick(PE, 150.0)
            await again.pass_s(0.1)
        cancels = [
            span[0] for span, (op, _) in zip(again.venue.spans, again.venue.calls, strict=False) if op == "cancel"
        ]
        assert cancels and cancels[0] - started < 2 * NS_PER_S
        await again.quiet(2.0, 150.0)
        assert again.net(PE) == 0 and not again.working()
        assert again.trades() == [(PE, 0, "EOD Square-Off")]
        assert "square-off time has passed" in again.desk.entry_block(again.clock.now_ns())

    run_desk(scenario, seed_setup(symbols=(PE,), start_ns=BEFORE))


def _tick(rig, ltp: float):
    from engine.tick import Tick

    paise = round(ltp * 100)
    return Tick(PE, rig.clock.now_ns(), paise, paise, 1000, paise, 1000)


@pytest.mark.row("OPS-30", "LEG-49", "LEG-58")
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.fault("TIM-04")
def test_the_session_is_indian_on_any_host(run_desk, seed_setup, monkeypatch, zone) -> None:
    import time as clock

    monkeypatch.setenv("TZ", zone)
    clock.tzset()
    try:

        async def scenario(rig):
            await rig.quiet(11 * 60, 100.0, step=4.0)
            entries = [b.body.opened_ns for b in rig.bot.brackets.values()]
            assert entries == [at_ist(DAY, time(15, 10, 1))]
            assert rig.said("[EOD]")
            eod = next(twin for twin in rig.twins if twin["event"] == "eod")
            assert str(eod["time"]).startswith("2026-11-25T09:45:0") and str(eod["time"]).endswith("+00:00")
            assert [line.at_ns - SQUARE_OFF < NS_PER_S for line in rig.log.lines_since(0) if "[EOD]" in line.text]

        trigger = TriggerSettings(interval_ns=300 * NS_PER_S)
        run_desk(
            scenario,
            seed_setup(50, 50, symbols=(PE,), trigger=trigger, start_ns=at_ist(DAY, time(15, 4, 50))),
        )
    finally:
        monkeypatch.undo()
        clock.tzset()
