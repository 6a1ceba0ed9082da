"""Levels by themselves: legal moves, refusals, partial fills, the quantity gate, ends, and another kind of ladder."""

from __future__ import annotations

import re
from datetime import date, time

import msgspec
import pytest

from engine import refusals
from engine.grid.geometry import ladder
from engine.grid.level import MOVES, IllegalLevelMove, Level
from engine.grid.memory import GridBody
from engine.grid.terms import GridAccounts, GridKind, GridTerms, OnTerminate, QuantityScope, TradeSide, TradeType
from engine.grid.view import LevelWord
from engine.instant import NS_PER_S, at_ist
from engine.order import OrderType, Role, Side

EXAMPLE = [
    ("SELL", 51_00, 50_50),
    ("SELL", 52_00, 51_50),
    ("SELL", 53_00, 52_50),
    ("SELL", 54_00, 53_50),
    ("SELL", 55_00, 54_50),
    ("BUY", 49_00, 49_50),
    ("BUY", 48_00, 48_50),
    ("BUY", 47_00, 47_50),
    ("BUY", 46_00, 46_50),
    ("BUY", 45_00, 45_50),
]


def rungs_of(terms: GridTerms) -> list[tuple[str, int, int]]:
    return [(r.side.value, r.entry_paise, r.target_paise) for r in ladder(terms, terms.entry_paise, 5)]


@pytest.mark.row("GRD-01", "GRD-02", "GRD-03")
def test_the_ten_prices_of_the_numeric_example(bench) -> None:
    assert sorted(rungs_of(bench.terms)) == sorted(EXAMPLE)
    assert bench.terms.max_quantity == 500


@pytest.mark.row("GRD-04")
@pytest.mark.parametrize(
    ("kind", "levels", "hedged"),
    [
        (TradeType.GRID_OCO, 10, True),
        (TradeType.BUY_OCO, 5, True),
        (TradeType.SELL_OCO, 5, True),
        (TradeType.BUY, 5, False),
        (TradeType.SELL, 5, False),
    ],
)
def test_each_trade_type_builds_its_own_sides(grid, kind: TradeType, levels: int, hedged: bool) -> None:
    bench = grid(trade_type=kind)
    bench.cycle()
    assert len(bench.bot.body.levels) == levels
    assert {level.side for level in bench.bot.body.levels} == set(kind.sides)
    bench.a(49_00 if Side.BUY in kind.sides else 51_00)
    assert bool(bench.live(Role.HEDGE)) is hedged


@pytest.mark.row("GRD-12")
@pytest.mark.parametrize("start", list(LevelWord))
@pytest.mark.parametrize("end", list(LevelWord))
def test_a_level_makes_the_moves_of_the_table_and_no_other(start: LevelWord, end: LevelWord) -> None:
    level = Level(uuid="a", index=1, side=Side.BUY, entry_paise=1, target_paise=2, qty=1, state=start)
    if end is start:
        assert not level.move(end)
    elif end in MOVES[start]:
        assert level.move(end)
        assert level.state is end
    else:
        with pytest.raises(IllegalLevelMove):
            level.move(end)
        assert level.state is start


@pytest.mark.row("GRD-19", "BUG-82")
def test_a_refused_entry_goes_again_and_three_refusals_pause_the_level(bench) -> None:
    fresh = type(bench)()
    refused: list[int] = []

    def refuse(order) -> str:
        if order.role is Role.ENTRY and order.side is Side.BUY:
            refused.append(order.limit_paise)
            return refusals.MARGIN
        return ""

    fresh.refuse = refuse
    fresh.cycle(20)
    assert refused.count(49_00) == 3
    assert fresh.level("B1").state is LevelWord.PAUSED
    assert any("paused" in line for line in fresh.lines)
    assert any("refused 3 times" in text for text in fresh.alerts)
    fresh.refuse = lambda order: ""
    fresh.bot.resume(fresh.out)
    fresh.cycle(2)
    assert fresh.level("B1").state is LevelWord.ENTRY_PLACED


@pytest.mark.row("GRD-20", "BUG-44")
def test_an_entry_cancelled_by_hand_leaves_the_level_as_before(bench) -> None:
    entry = next(o for o in bench.venue.values() if o.order.side is Side.BUY)
    uuid = bench.level("B1").uuid
    entry.is_live = False
    bench.hear()
    bench.cycle(3)
    assert bench.level("B1").uuid == uuid
    assert bench.level("B1").state is LevelWord.ENTRY_PLACED
    assert bench.live(Role.ENTRY).count("BUY LIMIT 100 @ 49.00 T") == 1


@pytest.mark.row("GRD-21", "BUG-41")
def test_a_part_filled_and_cancelled_entry_gets_its_target_its_hedge_and_its_count(bench) -> None:
    entry = next(o for o in bench.venue.values() if o.order.side is Side.BUY)
    bench.price("IRFC", 49_10)
    bench.fill(entry, 40, 49_00)
    bench.hear()
    entry.is_live = False
    bench.hear()
    bench.cycle(2)
    assert bench.live(Role.TARGET) == ["SELL LIMIT 40 @ 49.50 T"]
    assert bench.live(Role.HEDGE) == ["SELL SL 20 @ 118.50 D"]
    assert bench.counters == (0, 40, 0, 0)


@pytest.mark.row("GRD-21")
def test_a_target_that_fills_in_part_shrinks_the_hedge_with_it(bench) -> None:
    bench.a(49_00)
    target = next(o for o in bench.venue.values() if o.order.role is Role.TARGET)
    bench.fill(target, 60, 49_50)
    bench.hear()
    bench.cycle()
    assert bench.live(Role.HEDGE) == ["SELL SL 20 @ 118.50 D"]
    assert bench.counters == (0, 40, 0, 0)


@pytest.mark.row("GRD-22")
def test_without_re_entry_a_level_is_done_after_its_target(grid) -> None:
    bench = grid(auto_reenter=False)
    bench.cycle()
    bench.a(49_00, 49_50)
    bench.cycle(3)
    assert bench.level("B1").state is LevelWord.DONE
    assert "BUY LIMIT 100 @ 49.00 T" not in bench.live()


@pytest.mark.row("GRD-25", "CON-15")
def test_the_seeds_cadence_rests_one_more_entry_a_cycle(grid) -> None:
    bench = grid(seed_cadence=True)
    counts = []
    for _ in range(6):
        bench.cycle()
        counts.append(len(bench.live(Role.ENTRY)))
    assert counts == [2, 4, 6, 8, 10, 10]


@pytest.mark.row("GRD-26")
def test_a_nearer_free_level_takes_the_place_of_the_farther_entry(bench) -> None:
    bench.a(49_00)
    assert "BUY LIMIT 100 @ 48.00 T" in bench.live(Role.ENTRY)
    bench.a(49_50)
    bench.cycle(2)
    assert [row for row in bench.live(Role.ENTRY) if row.startswith("BUY")] == ["BUY LIMIT 100 @ 49.00 T"]


@pytest.mark.row("GRD-09", "BUG-53", "CON-16")
def test_a_marketable_level_waits_until_the_price_is_on_its_far_side(grid) -> None:
    bench = grid(a=48_20)
    bench.cycle(3)
    assert [row for row in bench.live(Role.ENTRY) if row.startswith("BUY")] == ["BUY LIMIT 100 @ 48.00 T"]
    bench.a(49_60)
    bench.cycle(2)
    assert [row for row in bench.live(Role.ENTRY) if row.startswith("BUY")] == ["BUY LIMIT 100 @ 49.00 T"]


@pytest.mark.row("GRD-27", "GRD-28", "GRD-03", "CON-18")
def test_at_max_quantity_entries_pause_on_both_sides_and_targets_do_not(grid) -> None:
    bench = grid(max_resting_entries_per_side=1)
    bench.cycle()
    for price in (49_00, 48_00, 47_00, 46_00, 45_00):
        bench.a(price)
        bench.cycle()
    assert bench.counters[1] == 500
    assert bench.bot.body.max_reached
    assert bench.said("MAX QUANTITY") == ["MAX QUANTITY REACHED — pausing new entries"]
    assert len(bench.live(Role.TARGET)) == 5
    bench.a(45_50)
    bench.cycle(2)
    assert bench.counters[1] == 400
    assert not bench.bot.body.max_reached
    assert "BUY LIMIT 100 @ 45.00 T" in bench.live(Role.ENTRY)


@pytest.mark.row("GRD-28", "CON-18")
def test_the_quantity_gate_may_hold_for_one_side_only(grid) -> None:
    for scope, rests in ((QuantityScope.GLOBAL, False), (QuantityScope.SIDE, True)):
        bench = grid(max_quantity_scope=scope, steps=2)
        bench.cycle()
        sells = [o for o in bench.venue.values() if o.order.side is Side.SELL]
        bench.a(49_00)
        bench.cycle()
        sells[0].is_live = False  # by hand
        bench.a(48_00)
        bench.cycle(3)
        assert bench.bot.body.max_reached
        assert any(row.startswith("SELL LIMIT 100 @ 51.00") for row in bench.live(Role.ENTRY)) is rests


@pytest.mark.row("GRD-28", "BUG-48")
def test_levels_that_a_hedge_has_closed_do_not_keep_the_gate_shut(grid) -> None:
    bench = grid(steps=2)
    bench.cycle()
    bench.a(49_00)
    bench.cycle()
    bench.b(118_50)
    bench.cycle()
    bench.a(48_00)
    bench.cycle()
    assert bench.counters[1] == 200
    assert not bench.bot.body.max_reached


@pytest.mark.row("GRD-31", "BUG-42", "CON-19")
def test_the_counters_of_the_worked_sequence(bench) -> None:
    bench.a(49_00)
    bench.a(49_20)
    bench.a(51_00)
    assert bench.counters == (100, 0, 0, 0)  # the BUY level's target filled on the way up
    bench.b(122_50)
    assert bench.counters == (100, 0, 1, 0)


@pytest.mark.row("GRD-34")
def test_profit_is_what_the_fills_say_to_the_paisa(bench) -> None:
    for _ in range(3):
        bench.a(49_00, 49_50, 50_00)
        bench.cycle(2)
    assert bench.bot.body.cycles == 3
    assert bench.bot.body.day_net_paise == 3 * 50_00


@pytest.mark.row("GRD-43", "GRD-46", "GRD-47", "BUG-78", "BUG-79")
def test_hedges_on_one_side_only_end_the_grid_and_cancel_all_of_it(grid) -> None:
    bench = grid(steps=2)
    bench.cycle()
    for level, price_b in ((49_00, 118_50), (48_00, 116_50)):
        bench.a(level)
        bench.cycle()
        bench.b(price_b)
        bench.cycle()
    assert bench.bot.body.status == "Terminated: OCO imbalance"
    assert bench.said("TERMINATING") == ["TERMINATING: OCO imbalance — upside_oco=0 downside_oco=2 steps=2"]
    assert bench.live() == []
    assert any("+100 IRFC" in line and "-50 SBIN" in line for line in bench.said("Terminated:"))
    assert any("still open" in text for text in bench.alarms.values())
    bench.cycle(5)
    assert bench.live() == []
    bench.bot.resume(bench.out)
    assert bench.bot.body.is_active


@pytest.mark.row("GRD-43")
@pytest.mark.parametrize(
    ("same", "up", "down", "ends"),
    [(True, 5, 0, True), (True, 7, 3, False), (False, 5, 0, True), (False, 4, 4, False)],
)
def test_imbalance_is_a_difference_in_one_account_and_a_count_in_two(same, up, down, ends) -> None:
    from engine.grid.termination import is_imbalanced

    accounts = GridAccounts(trade="T", upside_oco="U", downside_oco="U" if same else "D")
    terms = GridTerms(bot="x", accounts=accounts, token_a="IRFC", token_b="SBIN")
    assert is_imbalanced(terms, up, down) is ends


@pytest.mark.row("GRD-44", "GRD-45", "CON-13", "H-03")
def test_three_hedges_that_should_have_filled_and_do_not_end_the_grid_after_the_grace(bench) -> None:
    for step, price in enumerate((120_50, 119_50, 118_60)):
        bench.b(price)
        bench.a(49_00 - 100 * step)
        bench.cycle()
    bench.holds.add("D")
    bench.b(112_00)
    bench.cycle(4)
    assert bench.bot.body.is_active
    bench.cycle(3)
    assert bench.bot.body.status.startswith("Terminated: untriggered OCO orders")


@pytest.mark.row("H-12", "GRD-45")
def test_nothing_is_overdue_on_a_stale_price(grid) -> None:
    bench = grid(untriggered_grace_ns=10 * NS_PER_S)
    bench.cycle()
    for step, price in enumerate((120_50, 119_50, 118_60)):
        bench.b(price)
        bench.a(49_00 - 100 * step)
        bench.cycle()
    bench.holds.add("D")
    bench.b(112_00)
    for _ in range(15):
        bench.cycle(quiet=True)
    assert bench.bot.body.status == "Active"
    bench.cycle(2)
    assert bench.bot.body.is_terminated


@pytest.mark.row("GRD-46")
def test_on_terminate_flatten_closes_both_tokens(grid) -> None:
    bench = grid(steps=1, on_terminate=OnTerminate.FLATTEN)
    bench.cycle()
    bench.a(49_00)
    bench.b(118_50)
    bench.cycle(5)
    assert bench.bot.body.is_terminated
    assert (bench.net("IRFC"), bench.net("SBIN")) == (0, 0)


@pytest.mark.row("GRD-58", "BUG-55", "CON-42")
def test_entries_end_before_the_square_off(bench) -> None:
    bench.now_ns = at_ist(date(2026, 11, 20), time(15, 5))
    bench.cycle()
    assert bench.live(Role.ENTRY) == []
    assert bench.bot.times.square_off_ns == (15 * 3600 + 10 * 60) * NS_PER_S
    cnc = type(bench)(product="CNC")
    assert cnc.bot.times.square_off_ns == 0


@pytest.mark.row("GRD-52", "GRD-23", "GRD-56")
def test_a_grid_that_comes_back_takes_in_what_it_missed(bench) -> None:
    bench.a(49_00)
    bench.cycle(2)
    image = msgspec.json.encode(bench.bot.body)
    bodies = [bracket.body for bracket in bench.bot.open_brackets()]
    bench.price("IRFC", 49_50)
    bench.match()  # the target fills while nobody looks
    later = bench.new_bot()
    later.restore_body(image)
    later.restore(bodies)
    bench.bot = later
    bench.hear()
    bench.cycle(3)
    assert bench.net("IRFC") == 0
    assert bench.live(Role.HEDGE) == []
    assert bench.level("B1").state is LevelWord.ENTRY_PLACED
    assert len([row for row in bench.live(Role.ENTRY) if row.startswith("BUY")]) == 1


@pytest.mark.row("GRD-53", "BUG-51")
def test_yesterdays_levels_are_free_again_and_closed_ones_stay_closed(bench) -> None:
    bench.a(49_00)
    bench.cycle()
    bench.b(118_50)
    bench.cycle()
    image = msgspec.json.encode(bench.bot.body)
    later = bench.new_bot()
    later.body.trading_day = "2026-11-23"
    later.restore_body(image)
    later.restore([])
    bench.bot = later
    bench.cycle(2)
    assert later.body.trading_day == "2026-11-23"
    assert bench.level("B1").state is LevelWord.OCO_FILLED
    assert bench.level("S1").state is LevelWord.ENTRY_PLACED
    assert later.body.day_net_paise == 0


@pytest.mark.row("GRD-11", "GRD-16")
def test_every_cycle_has_a_uuid_of_its_own(bench) -> None:
    seen = {level.uuid for level in bench.bot.body.levels}
    for _ in range(5):
        bench.a(49_00, 49_50, 50_00)
        bench.cycle(2)
        seen.add(bench.level("B1").uuid)
    assert len(seen) == 15
    body = msgspec.json.decode(msgspec.json.encode(bench.bot.body), type=GridBody)
    assert [level.uuid for level in body.levels] == [level.uuid for level in bench.bot.body.levels]


@pytest.mark.row("GRD-33", "GRD-11")
def test_the_level_by_its_uuid(bench) -> None:
    level = bench.level("B1")
    assert bench.bot.level(level.uuid) is level
    assert bench.bot.level("none") is None


@pytest.mark.row("GRD-42")
def test_leaving_a_level_closes_its_pair_and_pauses_it(bench) -> None:
    bench.a(49_00)
    bench.b(118_50)
    bench.cycle()
    uuid = bench.level("B1").uuid
    bench.bot.exit_levels({uuid}, "Level Square-Off", bench.now_ns, bench.out)
    bench.settle()
    bench.cycle(3)
    assert (bench.net("IRFC"), bench.net("SBIN")) == (0, 0)


def test_leaving_a_filled_level_takes_its_hedge_back(bench) -> None:
    bench.a(49_00)
    bench.bot.exit_levels({bench.level("B1").uuid}, "Level Square-Off", bench.now_ns, bench.out)
    bench.settle()
    bench.cycle(3)
    assert bench.net("IRFC") == 0
    assert bench.live(Role.HEDGE) == []
    assert bench.level("B1").state is LevelWord.PAUSED


@pytest.mark.row("GRD-64", "GRD-66", "GRD-67", "GRD-68", "GRD-70")
def test_the_geometric_grid_rests_all_its_levels_and_earns_six_rupees_a_cycle(grid) -> None:
    bench = grid(
        kind=GridKind.GEOMETRIC,
        trade_type=TradeType.GRID,
        qty_a=300,
        total_qty=1000,
        token_b="",
    )
    for book in bench.prices.values():
        book.instrument = msgspec.structs.replace(book.instrument, tick_paise=1)
    bench.cycle()
    buys = sorted(
        ((level.entry_paise, level.target_paise, level.qty) for level in bench.bot.levels_of(TradeSide.DOWNSIDE)),
        reverse=True,
    )
    assert buys == [(49_99, 50_01, 300), (49_97, 50_01, 300), (49_93, 50_01, 300), (49_85, 50_01, 100)]
    sells = sorted((level.entry_paise, level.target_paise) for level in bench.bot.levels_of(TradeSide.UPSIDE))
    assert sells == [(50_01, 49_99), (50_03, 49_99), (50_07, 49_99), (50_15, 49_99)]
    assert len(bench.live(Role.ENTRY)) == 8
    assert bench.terms.max_quantity == 0
    bench.a(49_99)
    bench.a(50_00)
    bench.a(50_01)
    bench.cycle()
    assert bench.bot.body.day_net_paise == 6_00
    assert bench.bot.body.cycles == 1


def test_no_bare_market_order_ever_leaves(bench) -> None:
    bench.a(49_00)
    bench.b(112_00)
    bench.cycle(3)
    bench.bot.square_off("Square-Off", bench.now_ns, bench.out)
    bench.settle()
    assert all(placed.order.limit_paise > 0 for placed in bench.venue.values())
    assert {placed.order.type for placed in bench.venue.values()} <= {OrderType.LIMIT, OrderType.SL, OrderType.MARKET}


@pytest.mark.fault("ORD-03", "UPD-12")
def test_a_late_fill_reopens_its_position_and_is_traded_back(bench) -> None:
    bench.a(49_00)
    bench.bot.exit_levels({bench.level("B1").uuid}, "Level Square-Off", bench.now_ns, bench.out)
    bench.settle()
    bench.cycle(2)
    closed = next(placed for placed in bench.venue.values() if placed.order.role is Role.EXIT)
    assert bench.net("IRFC") == 0
    closed.qty += 100  # the exchange fills it once more
    closed.is_live = True
    bench.fill(closed, 100, 48_90)
    bench.refuse = lambda order: refusals.OTHER if order.role is Role.REPAIR else ""
    bench.hear()
    bench.refuse = lambda order: ""
    bench.cycle(4)
    assert bench.net("IRFC") == 0


@pytest.mark.row("GRD-48")
def test_one_cycle_reads_fills_then_ends_then_protects_then_enters(bench, monkeypatch) -> None:
    steps: list[str] = []
    for name in ("book_fills", "_look_at_end", "plan_hedges", "plan_entries"):
        real = getattr(bench.bot, name)
        monkeypatch.setattr(bench.bot, name, lambda *args, real=real, name=name: (steps.append(name), real(*args)))
    bench.cycle()
    assert steps == ["book_fills", "_look_at_end", "plan_hedges", "plan_entries"]


@pytest.mark.row("GRD-13", "GRD-30", "GRD-63", "BUG-43")
def test_every_order_has_its_id_its_account_and_a_tag_that_every_broker_takes(bench) -> None:
    bench.a(49_00)
    bench.a(51_00)
    bench.bot.square_off("Square-Off", bench.now_ns, bench.out)
    bench.settle()
    orders = [placed.order for placed in bench.venue.values()]
    assert {order.role for order in orders} >= {Role.ENTRY, Role.TARGET, Role.HEDGE, Role.EXIT}
    assert all(re.fullmatch(r"[A-Za-z0-9-]{1,20}", order.tag) and order.broker_id for order in orders)
    assert len({order.tag for order in orders}) == len(orders)
    assert {(order.symbol, order.account) for order in orders} <= {("IRFC", "T"), ("SBIN", "U"), ("SBIN", "D")}
