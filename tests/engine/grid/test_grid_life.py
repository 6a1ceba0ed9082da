"""The worked life cycle of seed 003 with both endings, and what may come between (GRD-60)."""

from __future__ import annotations

import pytest

from engine.grid.view import LevelWord
from engine.order import Role


@pytest.mark.row("GRD-60", "GRD-24", "GRD-25", "GRD-29")
def test_the_entries_nearest_to_the_market_rest_first(bench) -> None:
    assert bench.live() == ["BUY LIMIT 100 @ 49.00 T", "SELL LIMIT 100 @ 51.00 T"]
    assert bench.said("[downside] ENTRY") == ["[downside] ENTRY BUY placed: IRFC 100 @ 49.00 -> ID=V1"]
    bench.cycle(10)
    assert bench.live() == ["BUY LIMIT 100 @ 49.00 T", "SELL LIMIT 100 @ 51.00 T"]


@pytest.mark.row("GRD-60", "GRD-14", "GRD-15", "GRD-38", "H-01", "GRD-05", "GRD-06", "GRD-07")
def test_a_filled_entry_gets_its_target_and_its_hedge_at_once(bench) -> None:
    bench.b(119_00)
    bench.b(120_50)
    bench.a(49_00)

    assert "SELL LIMIT 100 @ 49.50 T" in bench.live(Role.TARGET)
    assert bench.live(Role.HEDGE) == ["SELL SL 50 @ 118.50 D"]
    hedge = next(o for o in bench.venue.values() if o.order.role is Role.HEDGE)
    assert hedge.limit == 117_95  # 0.5 % behind the trigger is 117.9075, on the tick on the safe side
    assert bench.counters == (0, 100, 0, 0)
    level = bench.level("B1")
    assert (level.state, level.token_b_paise, level.hedge_paise) == (LevelWord.TARGET_PLACED, 120_50, 118_50)
    assert bench.said("ENTRY FILLED") == [
        "[downside] ENTRY FILLED: BUY IRFC @ 49.00 (filled 49.00) | Target: SELL @ 49.50 | OCO: SELL @ 118.50"
        " | TokenB: 120.50"
    ]
    assert "BUY LIMIT 100 @ 48.00 T" in bench.live(Role.ENTRY)


@pytest.mark.row("GRD-60", "GRD-16", "GRD-32", "GRD-26", "GRD-34")
def test_the_target_fills_the_hedge_goes_and_the_level_begins_again(bench) -> None:
    bench.a(49_00)
    old = bench.level("B1").uuid
    bench.a(49_50)

    level = bench.level("B1")
    assert bench.live(Role.HEDGE) == [] and bench.live(Role.TARGET) == []
    assert bench.counters == (0, 0, 0, 0)
    assert level.uuid != old and len(level.uuid) == 12 and int(level.uuid, 16) >= 0
    assert not bench.bot.body.max_reached
    assert bench.said("TARGET FILLED") == ["[downside] TARGET FILLED: SELL @ 49.50 (filled 49.50)"]
    assert bench.said("Level reset") == ["[downside] Level reset for re-entry: BUY @ 49.00"]
    assert bench.bot.body.day_net_paise == 50_00
    bench.cycle()
    assert bench.live(Role.ENTRY) == ["BUY LIMIT 100 @ 49.00 T", "SELL LIMIT 100 @ 51.00 T"]


@pytest.mark.row("GRD-60", "GRD-17", "GRD-31", "GRD-32", "GRD-42", "H-01")
def test_the_hedge_fills_the_target_goes_and_the_level_is_closed_for_good(bench) -> None:
    bench.a(49_00)
    bench.b(120_00, 118_55)
    assert bench.net("SBIN") == 0
    bench.b(118_50)

    assert bench.net("SBIN", "D") == -50
    assert all(trade.price_paise >= 117_90 for _, trade in bench.trades if trade.symbol == "SBIN")
    assert bench.live(Role.TARGET) == []
    assert bench.level("B1").state is LevelWord.OCO_FILLED
    assert bench.counters == (0, 100, 0, 1)
    assert bench.said("OCO FILLED") == ["[downside] OCO FILLED: SELL @ 118.50 (filled 118.50)"]
    assert "+100 IRFC / -50 SBIN" in bench.said("pair stays open")[0]
    bench.a(49_50, 50_00, 49_00)
    bench.cycle(5)
    assert bench.level("B1").state is LevelWord.OCO_FILLED
    assert not [row for row in bench.live() if "49.00" in row]
    assert bench.bot.square_off("Square-Off", bench.now_ns, bench.out) >= 2
    bench.settle()
    bench.cycle(3)
    assert (bench.net("IRFC"), bench.net("SBIN")) == (0, 0)
