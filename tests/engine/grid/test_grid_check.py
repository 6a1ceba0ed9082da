"""What keeps a grid from starting: each rule by itself, its key named, and that sound grids pass (GRD-62, GRD-09)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.grid.check import GridFacts, held_back, violations, warnings
from engine.grid.geometry import ladder
from engine.grid.terms import GridAccounts, GridKind, GridTerms, HedgeOrderType, TradeType
from engine.instrument import Instrument, Segment
from engine.order import Side

IRFC = Instrument(symbol="IRFC", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)
SBIN = Instrument(symbol="SBIN", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)
NUMERIC = GridTerms(  # GRD-02, GRD-60
    bot="IRFC-SBIN Grid",
    accounts=GridAccounts(trade="t", upside_oco="u", downside_oco="d"),
    token_a="IRFC",
    token_b="SBIN",
    entry_paise=5000,
    steps=5,
    spread_paise=100,
    target_spread_paise=50,
    oco_spread_paise=200,
    qty_a=100,
    qty_b=50,
)
GEOMETRIC = GridTerms(
    bot="geo",
    accounts=GridAccounts(trade="t"),
    token_a="IRFC",
    kind=GridKind.GEOMETRIC,
    trade_type=TradeType.GRID,
    entry_paise=5000,
    qty_a=300,
    total_qty=1000,
)
PENNY = msgspec.structs.replace(IRFC, tick_paise=1)


def changed(terms: GridTerms = NUMERIC, **values: object) -> GridTerms:
    return msgspec.structs.replace(terms, **values)


def keys(*arguments: object) -> list[str]:
    return [fault.key for fault in violations(*arguments)]


@pytest.mark.row("GRD-62", "GRD-02", "GRD-60")
def test_the_seeds_own_example_may_start() -> None:
    facts = GridFacts(price_a_paise=5000, price_b_paise=12050, band_a=(4000, 6000), band_b=(10000, 14000))

    assert violations(NUMERIC, IRFC, SBIN, facts) == []
    assert warnings(NUMERIC, 5, facts) == []


@pytest.mark.row("GRD-62", "GRD-10")
@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"bot": " "}, "bot_name"),
        ({"token_a": ""}, "token_a_symbol"),
        ({"token_b": ""}, "token_b_symbol"),
        ({"token_b": "IRFC"}, "token_b_symbol"),
        ({"steps": 0}, "steps"),
        ({"steps": 501}, "steps"),
        ({"spread_paise": 0}, "spread"),
        ({"spread_paise": -100}, "spread"),
        ({"target_spread_paise": 0}, "target_spread"),
        ({"qty_a": 0}, "token_a_quantity"),
        ({"oco_spread_paise": 0}, "oco_spread"),
        ({"qty_b": 0}, "token_b_quantity"),
        ({"entry_paise": -1}, "entry_price"),
        ({"accounts": GridAccounts(trade="", upside_oco="u", downside_oco="d")}, "accounts.trade"),
        ({"accounts": GridAccounts(trade="t", downside_oco="d")}, "accounts.upside_oco"),
        ({"accounts": GridAccounts(trade="t", upside_oco="u")}, "accounts.downside_oco"),
    ],
)
def test_each_rule_names_its_key_and_the_value(values: dict[str, object], key: str) -> None:
    found = violations(changed(**values))

    assert [fault.key for fault in found] == [key]
    assert found[0].reason
    assert found[0].text.startswith(key)


@pytest.mark.row("GRD-62", "GRD-04")
@pytest.mark.parametrize("kind", [TradeType.BUY, TradeType.SELL, TradeType.GRID])
def test_a_type_without_hedge_needs_nothing_of_token_b(kind: TradeType) -> None:
    bare = GridTerms(
        bot="b",
        accounts=GridAccounts(trade="t"),
        token_a="IRFC",
        trade_type=kind,
        entry_paise=5000,
        target_spread_paise=50,
        qty_a=1,
    )

    assert violations(bare, IRFC) == []


@pytest.mark.row("GRD-62")
def test_a_one_sided_hedge_needs_only_the_account_of_its_side() -> None:
    accounts = GridAccounts(trade="t", downside_oco="d")

    assert violations(changed(trade_type=TradeType.BUY_OCO, accounts=accounts)) == []
    assert keys(changed(trade_type=TradeType.SELL_OCO, accounts=accounts)) == ["accounts.upside_oco"]


def test_two_grids_of_one_name_are_refused_whatever_their_letters() -> None:
    assert keys(NUMERIC, None, None, GridFacts(names_taken=("irfc-sbin grid",))) == ["bot_name"]


# --- the crossing guard -----------------------------------------------------------------------------------------------


@pytest.mark.row("GRD-09", "CON-16")
def test_the_seeds_default_spreads_are_refused_because_the_targets_meet() -> None:
    (fault,) = violations(changed(target_spread_paise=100))

    assert (fault.key, fault.value) == ("target_spread", "1.00")
    assert "BUY level 1 (SELL 50.00)" in fault.reason
    assert "SELL level 1 (BUY 50.00)" in fault.reason
    assert "below spread 1.00" in fault.reason
    assert violations(changed(target_spread_paise=100, allow_crossing=True)) == []


@pytest.mark.row("GRD-09")
def test_a_grid_of_one_side_may_sell_where_its_nearer_level_buys() -> None:
    assert violations(changed(trade_type=TradeType.BUY, target_spread_paise=100)) == []


@pytest.mark.row("GRD-09")
@pytest.mark.parametrize(("target", "meets"), [(99, False), (100, True), (125, False), (150, True), (300, True)])
def test_targets_meet_where_twice_the_target_is_a_multiple_of_the_spread(target: int, meets: bool) -> None:
    assert keys(changed(target_spread_paise=target), PENNY) == (["target_spread"] if meets else [])


@pytest.mark.row("GRD-09")
def test_the_rounding_to_ticks_can_make_targets_meet() -> None:
    near = changed(spread_paise=101, target_spread_paise=100)

    assert keys(near, PENNY, SBIN) == []
    assert keys(near, IRFC, SBIN) == ["target_spread"], "50.00 both, in steps of five paise"


@pytest.mark.row("GRD-09")
@given(
    steps=st.integers(1, 8),
    spread=st.integers(1, 300),
    target=st.integers(1, 900),
    tick=st.sampled_from([1, 5, 10]),
)
def test_the_guard_finds_exactly_the_pairs_that_can_rest_and_trade(steps: int, spread: int, target: int, tick: int):
    """By brute force: some price lets both rest (BUY at or below it, SELL at or above it), and their limits cross."""
    terms = changed(steps=steps, spread_paise=spread, target_spread_paise=target, entry_paise=10_000)
    rungs = ladder(terms, 10_000, tick)
    buys = [rung.target_paise for rung in rungs if rung.side is Side.SELL]
    sells = [rung.target_paise for rung in rungs if rung.side is Side.BUY]
    prices = range(min(buys + sells), max(buys + sells) + 1)
    crossing = any(p >= q and any(p <= m <= q for m in prices) for p in buys for q in sells)

    token = msgspec.structs.replace(IRFC, tick_paise=tick)
    found = [fault for fault in violations(terms, token, SBIN) if "at one price" in fault.reason]

    assert bool(found) is crossing


@pytest.mark.row("GRD-09", "GRD-65")
def test_a_geometric_grid_whose_targets_meet_is_refused_with_its_own_key() -> None:
    (fault,) = violations(changed(GEOMETRIC, base_target_paise=1), PENNY)

    assert (fault.key, fault.value) == ("base_target", "0.01")
    assert violations(GEOMETRIC, PENNY) == []


@pytest.mark.row("GRD-09")
def test_levels_that_would_trade_at_once_are_held_back_and_told() -> None:
    rungs = ladder(NUMERIC, 5000, 5)

    assert [rung.entry_paise for rung in held_back(rungs, 4820)] == [4900]
    assert [rung.entry_paise for rung in held_back(rungs, 5200)] == [5100, 5200]
    (told,) = warnings(NUMERIC, 5, GridFacts(price_a_paise=4820))
    assert told.key == "entry_price"
    assert "48.20" in told.reason
    assert "BUY 49.00" in told.reason


# --- the facts of the instruments and the day -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "tick", "key"),
    [
        ({"spread_paise": 4, "target_spread_paise": 5}, 5, "spread"),
        ({"target_spread_paise": 4}, 5, "target_spread"),
        ({"oco_spread_paise": 4}, 5, "oco_spread"),
        ({"spread_paise": 5, "target_spread_paise": 5}, 10, "spread"),
    ],
)
def test_a_spread_below_the_tick_is_refused(values: dict[str, object], tick: int, key: str) -> None:
    token_a, token_b = (msgspec.structs.replace(token, tick_paise=tick) for token in (IRFC, SBIN))

    assert key in keys(changed(**values), token_a, token_b)


def test_quantities_are_whole_lots_inside_the_freeze_quantity() -> None:
    future = msgspec.structs.replace(IRFC, segment=Segment.FUTURE, lot_size=75, freeze_qty=1800)

    assert keys(changed(qty_a=150, qty_b=75), future, future) == []
    assert keys(changed(qty_a=100, qty_b=50), future, future) == ["token_a_quantity", "token_b_quantity"]
    assert keys(changed(qty_a=1875, qty_b=75), future, future) == ["token_a_quantity"]
    penny = msgspec.structs.replace(future, tick_paise=1)
    assert keys(changed(GEOMETRIC, qty_a=75, total_qty=160), penny) == ["total_quantity"]


@pytest.mark.parametrize(
    ("entry", "band", "key"),
    [
        (5000, (4000, 6000), None),
        (6100, (4000, 6000), "entry_price"),
        (5600, (4000, 6000), "spread"),
        (4400, (4000, 6000), "spread"),
        (5500, (4000, 6000), None),
        (400, (0, 0), "spread"),
    ],
)
def test_every_price_lies_above_zero_and_in_the_days_band(entry: int, band: tuple[int, int], key: str | None) -> None:
    found = keys(changed(entry_paise=entry), IRFC, SBIN, GridFacts(band_a=band))

    assert found == ([key] if key else [])


def test_without_an_entry_price_the_days_price_is_the_centre() -> None:
    auto = changed(entry_paise=0)

    assert keys(auto, IRFC, SBIN, GridFacts(band_a=(4000, 6000))) == []
    assert keys(auto, IRFC, SBIN, GridFacts(band_a=(4000, 6000), price_a_paise=5600)) == ["spread"]


@pytest.mark.row("GRD-10")
def test_a_hedge_at_or_below_zero_or_outside_its_band_is_refused() -> None:
    assert keys(NUMERIC, IRFC, SBIN, GridFacts(price_b_paise=150)) == ["oco_spread"]
    assert keys(NUMERIC, IRFC, SBIN, GridFacts(price_b_paise=200)) == ["oco_spread"]
    assert keys(NUMERIC, IRFC, SBIN, GridFacts(price_b_paise=12050, band_b=(11900, 13000))) == ["oco_spread"]
    assert keys(changed(trade_type=TradeType.SELL_OCO), IRFC, SBIN, GridFacts(price_b_paise=150)) == []
    assert keys(changed(trade_type=TradeType.SELL_OCO, hedge_sign=-1), IRFC, SBIN, GridFacts(price_b_paise=150)) == [
        "oco_spread"
    ]


@pytest.mark.row("GRD-59")
def test_sell_entries_that_deliver_need_the_shares() -> None:
    sells = changed(trade_type=TradeType.SELL, product="CNC")

    assert keys(sells, IRFC, None, GridFacts(holdings_a_qty=0)) == ["product_type"]
    assert keys(sells, IRFC, None, GridFacts(holdings_a_qty=100)) == []
    assert keys(sells, IRFC, None) == [], "not known, not judged"
    assert keys(changed(sells, product="MIS"), IRFC, None, GridFacts(holdings_a_qty=0)) == []
    assert keys(changed(sells, trade_type=TradeType.GRID), IRFC, None, GridFacts(holdings_a_qty=0)) == []


@pytest.mark.row("GRD-59")
def test_a_hedge_that_sells_shares_short_is_for_the_day_only() -> None:
    assert keys(changed(product="CNC"), IRFC, SBIN) == ["product_type"]
    assert keys(changed(product="CNC", trade_type=TradeType.SELL_OCO), IRFC, SBIN) == []
    future = msgspec.structs.replace(SBIN, segment=Segment.FUTURE)
    assert keys(changed(product="NRML"), IRFC, future) == []


def test_a_grid_that_its_accounts_cannot_pay_is_refused_with_the_sums() -> None:
    def facts(**free: int) -> GridFacts:
        return GridFacts(price_b_paise=12050, free_paise=free, margin_bps=2000)

    # SELL side: (51 + 52 + 53 + 54 + 55) x 100 = 26,500 rupees; hedges: 5 x 50 x 120.50 = 30,125; a fifth of each
    assert keys(NUMERIC, IRFC, SBIN, facts(t=5_300_00, u=6_025_00, d=6_025_00)) == []
    (fault,) = violations(NUMERIC, IRFC, SBIN, facts(t=5_299_99, u=6_025_00, d=6_025_00))
    assert fault.key == "token_a_quantity"
    assert "5,300.00" in fault.reason
    assert "t has 5,299.99" in fault.reason
    assert keys(NUMERIC, IRFC, SBIN, facts(t=10_000_00, u=6_025_00, d=6_024_99)) == ["token_b_quantity"]
    assert keys(NUMERIC, IRFC, SBIN, facts()) == [], "not known, not judged"


# --- the geometric kind, and what is only told ------------------------------------------------------------------------


@pytest.mark.row("GRD-64", "GRD-66", "GRD-62")
@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"base_space_paise": 0}, "base_space"),
        ({"base_target_paise": 0}, "base_target"),
        ({"total_qty": 0}, "total_quantity"),
        ({"qty_a": 1, "total_qty": 10**9}, "total_quantity"),
        ({"entry_paise": 10}, "base_space"),
    ],
)
def test_the_geometric_rules_name_their_own_keys(values: dict[str, object], key: str) -> None:
    assert keys(changed(GEOMETRIC, **values), PENNY) == [key]


@pytest.mark.row("GRD-65")
def test_targets_that_do_not_converge_are_told_with_their_prices() -> None:
    told = warnings(changed(GEOMETRIC, base_target_paise=3), 1)

    assert [fault.key for fault in told] == ["base_target", "base_target"]
    assert told[0].value == "0.03"
    assert "50.02, 50.03, 50.05, 50.09" in told[0].reason
    assert warnings(GEOMETRIC, 1) == []


@pytest.mark.row("CON-11", "CON-13")
def test_the_literal_ways_of_the_seed_are_told() -> None:
    literal = changed(hedge_order_type=HedgeOrderType.LIMIT, literal_termination=True)

    assert [fault.key for fault in warnings(literal)] == ["hedge_order_type", "literal_termination"]
    assert warnings(changed(literal, trade_type=TradeType.BUY)) == []


def test_a_spread_off_the_tick_is_told_not_refused() -> None:
    odd = changed(spread_paise=102)

    assert violations(odd, IRFC, SBIN) == []
    assert [(fault.key, fault.value) for fault in warnings(odd, 5)] == [("spread", "1.02")]
