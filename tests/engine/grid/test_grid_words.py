"""What leaving a part of a grid would do, in numbers: units of both tokens, and orders by kind."""

from __future__ import annotations

import pytest

from engine.grid.terms import GridAccounts, GridKind, TradeSide, TradeType
from engine.grid.view import GridLevelView, GridView, HedgeWord, LevelWord, TokenView
from engine.grid.words import cancel_words, exit_words, levels_in
from engine.order import Side


def level(
    label: str, state: LevelWord, open_qty: int = 0, hedge: HedgeWord = HedgeWord.NONE, b: int = 0
) -> GridLevelView:
    return GridLevelView(
        level_id=label,
        index=int(label[1:]),
        side=Side.BUY if label[0] == "B" else Side.SELL,
        price_paise=5000,
        target_paise=5050,
        state=state,
        wanted_qty=100,
        open_qty=open_qty,
        hedge_state=hedge,
        hedge_open_qty=b,
    )


GRID = GridView(
    bot="g",
    trade_type=TradeType.GRID_OCO,
    kind=GridKind.LINEAR,
    accounts=GridAccounts(trade="1", upside_oco="2", downside_oco="3"),
    token_a=TokenView(symbol="IRFC"),
    token_b=TokenView(symbol="SBIN"),
    levels=(
        level("B1", LevelWord.TARGET_PLACED, 100, HedgeWord.RESTING),
        level("B2", LevelWord.ENTRY_PLACED),
        level("S1", LevelWord.OCO_FILLED, -100, HedgeWord.FILLED, 50),
        level("S2", LevelWord.FRESH),
    ),
)


@pytest.mark.parametrize(
    ("side", "level_id", "words"),
    [
        (None, "", "SELL 100 IRFC, BUY 100 IRFC, SELL 50 SBIN; cancel 3 orders (1 entry, 1 target, 1 hedge)"),
        (TradeSide.DOWNSIDE, "", "SELL 100 IRFC; cancel 3 orders (1 entry, 1 target, 1 hedge)"),
        (TradeSide.UPSIDE, "", "BUY 100 IRFC, SELL 50 SBIN"),
        (None, "B2", "cancel 1 order (1 entry)"),
        (None, "S2", "nothing open, nothing working"),
        (None, "gone", "nothing open, nothing working"),
        (TradeSide.UPSIDE, "B1", "nothing open, nothing working"),
    ],
)
def test_a_scope_is_told_by_its_units_in_both_directions_and_its_working_orders(
    side: TradeSide | None, level_id: str, words: str
) -> None:
    assert exit_words(GRID, levels_in(GRID, side, level_id)) == words


def test_only_entries_are_counted_when_protection_is_kept() -> None:
    assert cancel_words(GRID.levels, entries_only=True) == "cancel 1 order (1 entry)"
    assert cancel_words(GRID.levels[2:], entries_only=True) == ""


def test_a_level_has_a_place_name_and_says_which_side_it_wants_next() -> None:
    target, entry, _, sell = GRID.levels

    assert [GRID.level_key(one) for one in GRID.levels] == ["g/B1", "g/B2", "g/S1", "g/S2"]
    assert (target.wanted_side, entry.wanted_side, sell.wanted_side) == (Side.SELL, Side.BUY, Side.SELL)
    assert (entry.trade_side, sell.trade_side) == (TradeSide.DOWNSIDE, TradeSide.UPSIDE)
