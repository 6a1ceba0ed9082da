"""The trailing stop on a whole desk: when it starts, where it stands, and that it only ever rises."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.paper.rules import PaperRules
from engine.operator import Enter
from engine.order import OrderType, Role, Side
from engine.tick import Tick

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
DAY = date(2026, 11, 25)


async def prices(rig, *steps: float, symbol: str = PE) -> None:
    """Each price, with time enough for what it causes."""
    for ltp in steps:
        rig.tick(symbol, ltp)
        await rig.pass_s(0.1)


def resting_stop(rig, symbol: str = PE) -> int:
    return next(o.trigger_paise for o in rig.working(symbol) if o.type is OrderType.SL)


@pytest.mark.row("LEG-31")
def test_trailing_is_off_by_default_and_the_best_price_is_still_known(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await prices(rig, 102.0, 103.5, 101.0)
        assert resting_stop(rig) == 99_00
        assert not rig.facts(PE).sl_trail_active

    run_desk(scenario, seed_setup(4, 1, symbols=(PE,)))


@pytest.mark.row("LEG-31")
def test_the_best_price_since_entry_is_remembered(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        assert rig.facts(PE).highest_favorable_price == 100_00
        await prices(rig, 103.0, 101.0)
        assert rig.facts(PE).highest_favorable_price == 103_00

    run_desk(scenario, seed_setup(20, 1, symbols=(PE,), trail={}))


@pytest.mark.row("LEG-32")
def test_trailing_starts_at_half_the_target_and_stays_on(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await prices(rig, 101.95)
        assert not rig.facts(PE).sl_trail_active
        await prices(rig, 102.0)
        assert rig.facts(PE).sl_trail_active
        assert rig.said("ACTIVATED") == [f"[TRAIL] {PE} ✅ ACTIVATED! Profit ₹2.00"]
        await prices(rig, 101.55)
        assert rig.facts(PE).sl_trail_active

    run_desk(scenario, seed_setup(4, 1, symbols=(PE,), trail={}))


@pytest.mark.row("LEG-33", "LEG-34")
@pytest.mark.parametrize(("lock_bps", "levels"), [(7500, [101_50, 102_25]), (8000, [101_60, 102_40])])
def test_the_stop_locks_its_share_of_the_best_profit(run_desk, seed_setup, lock_bps, levels) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        seen = []
        for ltp in (102.0, 103.0):
            await prices(rig, ltp)
            seen.append(resting_stop(rig))
        await prices(rig, 102.6)
        assert [*seen, resting_stop(rig)] == [*levels, levels[-1]]
        assert rig.facts(PE).original_sl_level == 99_00

    run_desk(scenario, seed_setup(4, 1, symbols=(PE,), trail={"lock_bps": lock_bps}))


@pytest.mark.row("LEG-34", "I-4")
def test_the_stop_moves_by_modify_and_says_from_where_to_where(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await prices(rig, 102.0, 103.0, 102.6)
        assert rig.venue.story()[3:] == ["modify stop SL 75 99.50/101.50", "modify stop SL 75 100.25/102.25"]
        assert rig.said("📈") == [
            f"[TRAIL] {PE} 📈 Moving SL: ₹99.00 → ₹101.50",
            f"[TRAIL] {PE} 📈 Moving SL: ₹101.50 → ₹102.25",
        ]

    run_desk(scenario, seed_setup(4, 1, symbols=(PE,), trail={}))


@pytest.mark.row("LEG-34")
def test_the_moved_stop_is_for_what_is_left(run_desk, seed_setup) -> None:
    """The target sold 50 of 75 before the trail moved again."""

    async def scenario(rig):
        await rig.enter(100.0)
        rig.tick(PE, 104.0, size=50)
        await rig.pass_s(0.3)
        stops = [o for o in rig.working() if o.type is OrderType.SL]
        assert [(o.qty, o.trigger_paise) for o in stops] == [(25, 103_00)]

    run_desk(scenario, seed_setup(4, 1, symbols=(PE,), trail={}))


@pytest.mark.row("LEG-34")
def test_a_level_above_the_price_is_an_exit_not_an_order(run_desk, seed_setup) -> None:
    """Best price 110, lock 75 %: 107.50; the next price is 104 while the stop still rests at 99."""

    async def scenario(rig):
        await rig.enter(100.0)
        rig.venue.write_delay_s = 0.05
        rig.tick(PE, 110.0)
        rig.tick(PE, 104.0)
        took = await rig.wait_until(lambda: rig.net(PE) == 0)
        await rig.quiet(1.0, 104.0)
        assert took < 0.5
        assert rig.trades() == [(PE, 300_00, "Trailing Stop")]
        assert not rig.working()

    run_desk(scenario, seed_setup(40, 1, symbols=(PE,), trail={"activation_bps": 1000}))


@pytest.mark.row("LEG-30", "LEG-34", "I-4")
@pytest.mark.fault("ORD-22")
def test_at_the_modify_cap_the_stop_is_replaced_with_the_level_watched_meanwhile(run_desk, seed_setup) -> None:
    """The venue takes 6 modifies, the desk stops at 1 (O5): then cancel, confirmed, and place again."""

    async def scenario(rig):
        await rig.enter(100.0)
        await prices(rig, 102.0, 103.0)
        await rig.pass_s(0.3)
        assert rig.venue.story()[3:] == [
            "modify stop SL 75 99.50/101.50",
            "cancel stop",
            "place stop SELL SL 75 100.25/102.25",
        ]
        assert len(rig.said(f"({PE}_trail_adjust)")) == 1
        assert not rig.said("[CRITICAL]"), "we took it away ourselves: nothing was lost"
        assert resting_stop(rig) == 102_25

    run_desk(scenario, seed_setup(4, 1, symbols=(PE,), trail={}, rules=PaperRules(modifies_max=6)))


@pytest.mark.row("LEG-35", "LEG-27")
def test_legs_trail_alone_and_a_restart_keeps_both(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        rig.tick(PE, 103.0)
        await rig.quiet(0.5, {CE: 101.0})
        assert (resting_stop(rig, PE), resting_stop(rig, CE)) == (102_25, 99_00)

        again = await rig.revived(await rig.kill())
        for symbol, active, stop in ((PE, True, 102_25), (CE, False, 99_00)):
            facts = again.facts(symbol)
            assert (facts.sl_trail_active, facts.sl_level, resting_stop(again, symbol)) == (active, stop, stop)
        assert again.facts(PE).highest_favorable_price == 103_00
        again.tick(PE, 103.2)
        await again.pass_s(0.2)
        assert resting_stop(again, PE) == 102_40
        assert not again.desk.failures

    run_desk(scenario, seed_setup(4, 1, trail={}))


@pytest.mark.row("I-4")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)  # each example has its own desk
@given(st.lists(st.integers(min_value=9_905, max_value=10_395).map(lambda p: p // 5 * 5), min_size=3, max_size=25))
def test_no_path_of_prices_loosens_a_stop(run_desk, seed_setup, path) -> None:
    """Every trigger the broker ever saw, in order, for any path between stop and target."""

    async def scenario(rig):
        await rig.enter(100.0)
        for paise in path:
            tick = Tick(PE, rig.clock.now_ns(), paise, paise - 5, 1000, paise + 5, 1000)
            for listener in list(rig.market.listeners):
                listener(tick)
            await rig.pass_s(0.2)
        stops = [r for op, r in rig.venue.calls if op != "cancel" and r.tag[-1] == "S"]
        triggers = [r.trigger_paise for r in stops if r.type is OrderType.SL]  # a jumped one becomes a limit order
        assert triggers == sorted(triggers)
        assert len(rig.venue.placed(Role.STOP)) == 1

    run_desk(scenario, seed_setup(4, 1, symbols=(PE,), trail={}))


@pytest.mark.row("I-4", "HRD-03")
def test_a_cheaper_late_fill_does_not_lower_the_stop(run_desk, seed_setup) -> None:
    """`grow`: 75 at 100.00, stop 99.00; then 75 more at 98.50 bring the average to 99.25, and the stop stays."""

    async def scenario(rig):
        rig.tick(PE, 101.0, bid=100.9, ask=100.0, size=75)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.3)
        assert rig.facts(PE).sl_level == 99_00
        rig.tick(PE, 100.0, bid=99.4, ask=99.5)
        await rig.pass_s(0.5)
        assert rig.facts(PE).actual_filled_qty == 150
        assert rig.facts(PE).sl_level >= 99_00
        assert resting_stop(rig) >= 99_00

    run_desk(scenario, seed_setup(10, 1, symbols=(PE,), lots=2, entry_rest="grow"))
