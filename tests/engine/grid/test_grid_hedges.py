"""Hedges on token B: which stops rest, what is due goes out together, and races with the target (H-01..H-12)."""

from __future__ import annotations

import msgspec
import pytest

from engine import refusals
from engine.grid.hedge import HedgeGroup, Want, bracketed, hedge_trigger, scaled, to_rest
from engine.grid.terms import HedgeOrderType, RacePolicy, TradeSide, TradeType
from engine.grid.view import LevelWord
from engine.instant import NS_PER_S
from engine.order import Role, Side
from engine.view import ProtectionWord


def fill_buys(bench, *prices_b: int) -> None:
    """BUY levels 49, 48, 47 ... fill one after the other, at these prices of token B."""
    for step, price in enumerate(prices_b):
        bench.b(price)
        bench.a(49_00 - 100 * step)
        bench.cycle()


@pytest.mark.row("GRD-35", "H-03", "CON-12")
def test_the_seeds_rule_brackets_the_price_and_not_its_drawing() -> None:
    assert set(bracketed([125_00, 123_00, 119_00, 116_00, 113_00], 120_50)) == {123_00, 119_00}
    assert bracketed([125_00], 120_50) == (125_00,)
    assert bracketed([], 120_50) == ()


@pytest.mark.row("H-03", "GRD-36")
def test_stop_mode_rests_the_nearest_pending_and_counts_what_is_due() -> None:
    wants = [Want(str(p), p, 50, is_due=p <= 120_50) for p in (125_00, 123_00, 119_00, 116_00, 113_00)]

    assert [rest.trigger_paise for rest in to_rest(Side.BUY, wants, 1)] == [123_00]
    assert [rest.trigger_paise for rest in to_rest(Side.BUY, wants, 2)] == [123_00, 125_00]


@pytest.mark.row("H-05", "GRD-36")
def test_the_next_stop_rests_when_the_nearest_has_fired(bench) -> None:
    fill_buys(bench, 120_50, 119_50, 118_60)  # triggers 118.50, 117.50, 116.60
    bench.b(120_50)
    bench.cycle(2)
    assert bench.live(Role.HEDGE) == ["SELL SL 50 @ 118.50 D"]
    bench.b(118_40)
    bench.cycle(2)
    assert bench.level("B1").state is LevelWord.OCO_FILLED
    assert bench.live(Role.HEDGE) == ["SELL SL 50 @ 117.50 D"]


@pytest.mark.row("H-04")
def test_a_buy_stop_fires_on_the_way_up_and_the_next_takes_its_place(grid) -> None:
    bench = grid()
    bench.cycle()
    for price_b, price_a in ((121_00, 51_00), (123_00, 52_00)):  # triggers 123.00, 125.00
        bench.b(price_b - 50)
        bench.b(price_b)
        bench.a(price_a)
        bench.cycle()
    assert bench.level("S1").state is LevelWord.OCO_FILLED  # 123.00 was met on the way
    bench.cycle(2)
    assert bench.live(Role.HEDGE) == ["BUY SL 50 @ 125.00 U"]


@pytest.mark.row("H-06", "GRD-45", "CON-13", "BUG-46")
def test_a_gap_through_three_hedges_is_executed_and_ends_nothing(bench) -> None:
    fill_buys(bench, 120_50, 119_50, 118_60)
    bench.b(120_50)
    bench.cycle(2)
    before = len(bench.wrote)
    bench.b(112_00)
    assert len(bench.live(Role.HEDGE)) <= 2
    bench.now_ns += NS_PER_S
    bench.b(112_00)
    bench.cycle(1)

    assert bench.net("SBIN", "D") == -150
    assert [bench.level(name).state for name in ("B1", "B2", "B3")] == [LevelWord.OCO_FILLED] * 3
    assert bench.bot.body.is_active
    assert bench.counters == (0, 300, 0, 3)
    assert len(bench.wrote) - before < 15
    assert bench.most_live["D", "SELL"] <= 2


@pytest.mark.row("H-07")
def test_a_price_that_is_past_the_trigger_already_goes_at_the_market(bench) -> None:
    bench.price("SBIN", 120_50)
    bench.a(49_10)
    bench.holds.add("D")
    bench.a(49_00)
    hedge = next(o for o in bench.venue.values() if o.order.role is Role.HEDGE)
    assert hedge.type.value == "SL"
    fresh = type(bench)()
    fresh.cycle()
    fresh.price("SBIN", 120_50)
    fresh.refuse = lambda order: refusals.TRIGGER_CROSSED if order.type.value == "SL" else ""
    fresh.a(49_00)
    fresh.cycle()
    assert fresh.net("SBIN", "D") == -50


@pytest.mark.row("H-08", "GRD-18", "BUG-76")
def test_target_and_hedge_both_fill_and_the_surplus_is_closed(bench) -> None:
    bench.a(49_00)
    bench.price("SBIN", 118_50)
    bench.price("IRFC", 49_50)
    bench.match()  # both fill at the venue before the bot hears of either
    bench.hear()
    bench.cycle(3)

    assert bench.net("IRFC") == 0
    assert bench.net("SBIN") == 0
    assert any("too many" in line for line in bench.lines)
    assert any("too many" in text for text in bench.alerts)
    assert bench.level("B1").state in (LevelWord.FRESH, LevelWord.ENTRY_PLACED)
    assert bench.counters[1] == 0


@pytest.mark.row("H-08", "GRD-18")
def test_race_policy_keep_leaves_the_surplus_and_says_so(grid) -> None:
    bench = grid(race_policy=RacePolicy.KEEP)
    bench.cycle()
    bench.a(49_00)
    bench.price("SBIN", 118_50)
    bench.price("IRFC", 49_50)
    bench.match()
    bench.hear()
    bench.cycle(3)

    assert bench.net("SBIN") == -50
    assert any("kept by race_policy" in line for line in bench.lines)


@pytest.mark.row("H-08")
def test_a_level_waits_until_its_surplus_is_closed(bench) -> None:
    bench.a(49_00)
    bench.price("SBIN", 118_50)
    bench.price("IRFC", 49_50)
    bench.match()
    bench.holds.add("D")
    bench.hear()
    bench.cycle(3)
    assert bench.level("B1").state is LevelWord.FRESH and bench.level("B1").settling
    bench.holds.clear()
    bench.cycle(3)
    assert not bench.level("B1").settling
    assert bench.level("B1").state is LevelWord.ENTRY_PLACED


@pytest.mark.row("H-09")
def test_a_venue_that_takes_no_stop_is_watched_here(bench) -> None:
    bench.refuse = lambda order: refusals.ORDER_TYPE if order.type.value == "SL" else ""
    bench.a(49_00)
    bench.cycle(2)
    assert bench.live(Role.HEDGE) == []
    assert len(bench.said("venue takes no stop")) == 1
    bench.b(119_00, 118_50)
    bench.cycle()
    assert bench.net("SBIN", "D") == -50
    assert bench.level("B1").state is LevelWord.OCO_FILLED


@pytest.mark.row("H-10")
def test_a_triggered_stop_out_of_the_market_is_repriced_at_once(bench) -> None:
    bench.a(49_00)
    bench.b(116_00)
    assert bench.live(Role.HEDGE) == ["SELL SL 50 @ 117.95 D"]
    bench.now_ns += NS_PER_S // 3
    bench.b(116_00)
    assert bench.net("SBIN", "D") == -50


@pytest.mark.row("H-10")
def test_a_triggered_stop_in_the_market_is_repriced_after_two_seconds(bench) -> None:
    bench.a(49_00)
    bench.holds.add("D")
    bench.b(118_40)
    bench.cycle(1)
    assert [c for _, c in bench.wrote if getattr(c, "context", "") == "hedge_chase"] == []
    bench.cycle(2)
    assert [c for _, c in bench.wrote if getattr(c, "context", "") == "hedge_chase"]
    bench.holds.clear()
    bench.cycle(1)
    assert bench.net("SBIN", "D") == -50


@pytest.mark.row("H-11", "GRD-40", "BUG-50")
def test_two_levels_with_one_trigger_share_an_order_of_both_quantities(bench) -> None:
    fill_buys(bench, 120_50, 120_50)
    bench.cycle(2)
    assert bench.live(Role.HEDGE) == ["SELL SL 100 @ 118.50 D"]
    bench.a(48_50)  # the target of the second
    bench.cycle()
    assert bench.live(Role.HEDGE) == ["SELL SL 50 @ 118.50 D"]


@pytest.mark.row("H-12", "GRD-07", "BUG-49")
def test_a_stale_token_b_prices_by_the_placement_and_without_one_the_level_is_unhedged(grid) -> None:
    bench = grid(b=119_00)
    bench.cycle()
    for _ in range(6):
        bench.now_ns += NS_PER_S
    bench.a(49_00)
    level = bench.level("B1")
    assert (level.hedge_paise, level.is_stale) == (117_00, True)

    none = grid()
    none.cycle()
    none.level("B1").placed_b_paise = 0
    none.now_ns += 6 * NS_PER_S
    none.a(49_00)
    assert any("UNHEDGED" in line for line in none.lines)
    assert any(text.count("UNHEDGED") for text in none.alarms.values())
    none.cycle()
    none.b(120_50)
    assert none.level("B1").hedge_paise == 118_50
    assert none.live(Role.HEDGE) == ["SELL SL 50 @ 118.50 D"]
    assert not any(text.count("UNHEDGED") for text in none.alarms.values())


@pytest.mark.row("H-02", "CON-11", "BUG-80")
def test_the_literal_limit_fills_at_once_and_closes_the_level(grid) -> None:
    bench = grid(hedge_order_type=HedgeOrderType.LIMIT)
    bench.cycle()
    bench.a(49_00)
    bench.cycle(2)
    assert bench.net("SBIN", "D") == -50
    assert bench.level("B1").state is LevelWord.OCO_FILLED
    assert "SELL LIMIT 100 @ 49.50 T" not in bench.live()


@pytest.mark.row("GRD-37")
def test_an_oscillating_price_moves_the_resting_hedge_seldom(bench) -> None:
    fill_buys(bench, 120_50, 119_50)
    before = len(bench.wrote)
    for _ in range(60):
        bench.now_ns += NS_PER_S
        bench.b(119_49)
        bench.b(119_51)
    writes = [c for _, c in bench.wrote[before:] if bench.blotter.orders[c.tag].role is Role.HEDGE]
    assert len(writes) <= 60
    assert bench.most_live["D", "SELL"] <= 2


@pytest.mark.row("GRD-37", "GRD-35")
def test_a_nearer_level_takes_the_resting_order_over_by_modify(bench) -> None:
    bench.b(119_00)
    bench.a(49_00)
    assert bench.live(Role.HEDGE) == ["SELL SL 50 @ 117.00 D"]
    bench.cycle(2)
    bench.b(120_50)
    bench.a(48_00)
    bench.cycle(2)
    assert bench.live(Role.HEDGE) == ["SELL SL 50 @ 118.50 D"]
    hedges = [placed for placed in bench.venue.values() if placed.order.role is Role.HEDGE]
    assert len(hedges) == 1


@pytest.mark.row("GRD-39", "GRD-38")
def test_upside_hedges_go_to_their_own_account(bench) -> None:
    bench.a(51_00)
    assert bench.live(Role.HEDGE) == ["BUY SL 50 @ 122.50 U"]
    assert {placed.order.account for placed in bench.venue.values() if placed.order.symbol == "IRFC"} == {"T"}


@pytest.mark.row("GRD-06", "GRD-10")
def test_a_trigger_at_or_below_zero_is_no_trigger(grid) -> None:
    assert hedge_trigger(Side.SELL, 1_50, 2_00, 5) == 0
    bench = grid(b=1_50)
    bench.cycle()
    bench.a(49_00)
    assert any("UNHEDGED" in line for line in bench.lines)
    assert bench.live(Role.HEDGE) == []


@pytest.mark.row("GRD-41", "GRD-21")
def test_a_hedge_is_scaled_to_what_has_filled() -> None:
    assert scaled(50, 40, 100, 1) == 20
    assert scaled(50, 100, 100, 1) == 50
    assert scaled(50, 1, 100, 1) == 1
    assert scaled(75, 50, 100, 25) == 50
    assert scaled(50, 0, 100, 1) == 0


def test_fills_are_shared_out_in_the_order_of_crossing_and_the_rest_is_surplus() -> None:
    group = HedgeGroup(bracket_id="B", side=Side.SELL, entry_side=Side.BUY)
    group.want([Want("x", 118_50, 50, True), Want("y", 117_50, 50, True)])
    assert group.share_out(70) == [("x", 50), ("y", 20)]
    group.want([Want("x", 118_50, 0, True)])
    assert group.wanted_qty == 70
    assert group.share_out(100) == []
    assert group.surplus_qty == 30


def test_a_group_survives_the_journal() -> None:
    group = HedgeGroup(bracket_id="B", side=Side.SELL, entry_side=Side.BUY)
    group.want([Want("x", 118_50, 50, False)])
    again = msgspec.json.decode(msgspec.json.encode(group), type=HedgeGroup)
    assert (again.members, again.shares, again.trade_side) == (["x"], [50], TradeSide.DOWNSIDE)


@pytest.mark.row("GRD-42", "GRD-58")
def test_a_square_off_opens_no_new_hedge_while_its_exits_are_on_their_way(bench) -> None:
    bench.a(49_00)
    before = [placed.order.tag for placed in bench.venue.values() if placed.order.role is Role.HEDGE]
    bench.holds.add("T")  # the exit of token A does not fill for a while
    bench.bot.square_off("Square-Off", bench.now_ns, bench.out)
    bench.settle()
    bench.cycle(3)

    assert bench.net("IRFC") == 100
    assert [placed.order.tag for placed in bench.venue.values() if placed.order.role is Role.HEDGE] == before
    assert bench.live(Role.HEDGE) == []


@pytest.mark.row("GRD-07", "H-09")
def test_a_level_is_called_protected_only_while_its_hedge_rests(bench) -> None:
    bench.a(49_00)
    level = bench.level("B1")
    assert bench.bot.cycle_of(level).protection(bench.now_ns) is ProtectionWord.PROTECTED

    watched = type(bench)()
    watched.refuse = lambda order: refusals.ORDER_TYPE if order.type.value == "SL" else ""
    watched.cycle()
    watched.a(49_00)
    watched.cycle(2)
    assert watched.bot.cycle_of(watched.level("B1")).protection(watched.now_ns) is ProtectionWord.LOCAL

    refused = type(bench)()
    refused.refuse = lambda order: refusals.MARGIN if order.role is Role.HEDGE else ""
    refused.cycle()
    refused.a(49_00)
    refused.cycle(10)
    assert refused.bot.cycle_of(refused.level("B1")).protection(refused.now_ns) is ProtectionWord.NAKED
    assert any("refused" in text for text in refused.alarms.values())
    assert any("without a working stop" in text for text in refused.alarms.values())

    bare = type(bench)(trade_type=TradeType.BUY)
    bare.cycle()
    bare.a(49_00)
    assert bare.bot.cycle_of(bare.level("B1")).protection(bare.now_ns) is ProtectionWord.LOCAL
