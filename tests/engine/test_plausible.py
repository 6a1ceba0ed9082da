"""What a broker cannot truly say about an order is not booked, and a person hears of it once (UPD-10)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.blotter import Blotter
from engine.order import Order, OrderState, OrderType, Role, Side, Trade
from engine.plausible import implausible_position, implausible_report, implausible_trade
from engine.port import OrderReport, PositionReport

SYMBOL = "NIFTY01DEC2624500PE"


def entry() -> Order:
    return Order(
        tag="SD00010001E",
        account="paper",
        bracket_id="B1",
        bot="legs",
        role=Role.ENTRY,
        symbol=SYMBOL,
        exchange="NFO",
        product="MIS",
        side=Side.BUY,
        type=OrderType.MARKET,
        qty=65,
        limit_paise=10_000,
        state=OrderState.SENT,
    )


REPORT = OrderReport(
    tag="SD00010001E",
    broker_id="N1",
    symbol=SYMBOL,
    side=Side.BUY,
    type=OrderType.MARKET,
    product="MIS",
    qty=65,
    limit_paise=10_000,
    trigger_paise=0,
    state=OrderState.PART_FILLED,
    filled_qty=30,
    average_paise=9_990,
)
TRADE = Trade(
    trade_id="T1", broker_id="N1", tag="SD00010001E", symbol=SYMBOL, side=Side.BUY, qty=65, price_paise=9_990, at_ns=1
)


@pytest.mark.row("HRD-02")
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"filled_qty": 65_000}, "65000 of 65"),
        ({"filled_qty": -65}, "-65 of 65"),
        ({"qty": 0, "filled_qty": 0}, "0 units"),
        ({"average_paise": -1}, "-1 paise"),
        ({"limit_paise": -5}, "-5 paise"),
    ],
)
@pytest.mark.fault("UPD-10")
@pytest.mark.invariant("C6")
def test_an_impossible_row_is_named_by_its_raw_figure_and_books_nothing(wrong, says):
    report = replace(REPORT, **wrong)
    blotter = Blotter()
    order = entry()
    blotter.add(order)

    assert says in implausible_report(report)
    assert blotter.apply_report("paper", report, 5) is None
    assert (order.filled_qty, order.state) == (0, OrderState.SENT)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"qty": 65_000}, "65000 units on an order of 65"),
        ({"qty": -65}, "-65 units"),
        ({"price_paise": 0}, "at 0 paise"),
        ({"price_paise": 10**30}, f"at {10**30} paise"),
        ({"at_ns": 2**63}, f"at the instant {2**63}"),
        ({"side": Side.SELL}, "a SELL trade of a BUY order"),
    ],
)
@pytest.mark.fault("UPD-10")
@pytest.mark.invariant("A2")
def test_an_impossible_trade_is_named_by_its_raw_figure_and_books_nothing(wrong, says):
    trade = replace(TRADE, **wrong)
    blotter = Blotter()
    order = entry()
    blotter.add(order)

    assert says in implausible_trade(trade, order)
    assert blotter.apply_trade("paper", trade, 5) == (order, False)
    assert order.filled_qty == 0
    assert blotter.take_booked() == []


def test_what_may_be_true_is_believed():
    assert implausible_report(REPORT) == ""
    assert implausible_report(replace(REPORT, qty=130, filled_qty=130)) == "", "changed by hand at the broker"
    assert implausible_trade(TRADE, entry()) == ""


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"symbol": "BANKNIFTY\x1b[31m"}, "an order of 'BANKNIFTY\\x1b[31m'"),
        ({"side": Side.SELL}, "a SELL order, ours is BUY"),
        ({"qty": 65 * 101, "filled_qty": 0}, "an order of 6565 units, ours was 65"),
    ],
)
def test_a_row_with_our_name_that_is_about_something_else_books_nothing(wrong, says):
    report = replace(REPORT, **wrong)
    blotter = Blotter()
    order = entry()
    blotter.add(order)

    assert implausible_report(report, order) == says
    assert blotter.apply_report("paper", report, 5) is None
    assert (order.filled_qty, order.qty, order.state) == (0, 65, OrderState.SENT)


def test_a_row_is_ours_in_either_case_without_a_symbol_and_after_a_hand_made_it_large():
    for change in ({"symbol": REPORT.symbol.lower()}, {"symbol": " "}, {"qty": 6_500}):
        assert implausible_report(replace(REPORT, **change), entry()) == ""


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"symbol": "  "}, "symbol '  '"),
        ({"symbol": "PE\n"}, "symbol 'PE\\n'"),
        ({"product": ""}, "product '', +65 units"),
        ({"product": "MTF"}, "product 'MTF', +65 units"),
        ({"net_qty": -(10**9)}, "-1000000000 units"),
        ({"product": " mis "}, ""),
        ({"net_qty": -65}, ""),
    ],
)
def test_a_position_row_that_cannot_be_read_is_named_by_its_raw_value(wrong, says):
    row = PositionReport(symbol="PE", product="MIS", net_qty=65, average_paise=100_00)

    assert implausible_position(replace(row, **wrong), {"MIS", "NRML"}) == says


@pytest.mark.fault("UPD-10")
def test_the_true_record_counts_after_the_false_one_of_the_same_id():
    blotter = Blotter()
    order = entry()
    blotter.add(order)
    blotter.apply_trade("paper", replace(TRADE, qty=65_000), 5)

    assert blotter.apply_trade("paper", TRADE, 6) == (order, True)
    assert order.filled_qty == 65


@pytest.mark.fault("UPD-10")
@pytest.mark.invariant("A2")
def test_trades_of_one_broker_order_never_add_up_to_more_than_the_order():
    """The same execution under a second trade id would double the position and everything that protects it."""
    blotter = Blotter()
    order = entry()
    blotter.add(order)
    assert blotter.apply_trade("paper", TRADE, 5) == (order, True)

    assert blotter.apply_trade("paper", replace(TRADE, trade_id="another name"), 6) == (order, False)

    assert order.filled_qty == order.traded_qty == 65
    assert [reason for _, reason in blotter.take_disbelieved()] == ["trades of 130 units on an order of 65"]


@pytest.mark.fault("ORD-15", "UPD-10")
def test_a_second_broker_order_under_our_tag_has_units_of_its_own():
    """They are at the exchange, so they count; and each of the two orders still fills no more than its quantity."""
    blotter = Blotter()
    order = entry()
    blotter.add(order)
    blotter.apply_trade("paper", TRADE, 5)

    assert blotter.apply_trade("paper", replace(TRADE, trade_id="T2", broker_id="B2"), 6) == (order, True)

    assert order.traded_qty == 130
    order.filled_qty = 65  # whatever a report may have made of it
    assert blotter.apply_trade("paper", replace(TRADE, trade_id="T3"), 7) == (order, False)


def test_the_same_impossible_news_is_told_once():
    blotter = Blotter()
    blotter.add(entry())
    for _ in range(3):
        blotter.apply_report("paper", replace(REPORT, filled_qty=65_000), 5)

    assert [reason for _, reason in blotter.take_disbelieved()] == ["65000 of 65 units filled"]
    assert blotter.take_disbelieved() == []


def test_a_modified_order_may_fill_up_to_what_was_asked():
    order = entry()
    order.doubt(1)
    grown = replace(TRADE, qty=130)
    assert implausible_trade(grown, order)

    order.qty = 130

    assert implausible_trade(grown, order) == ""


def test_a_trade_made_before_the_order_was_made_smaller_is_believed() -> None:
    """Found by the bracket machine: an exit shrunk to 25 had already traded 75, and its record was never booked."""
    order = entry()

    assert implausible_trade(replace(TRADE, qty=order.qty + 25), order)
    assert implausible_trade(replace(TRADE, qty=order.qty + 25), order, order.qty + 25) == ""
