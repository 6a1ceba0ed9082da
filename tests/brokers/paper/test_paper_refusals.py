"""What the paper venue refuses, with which code, and that a refusal leaves nothing behind."""

from __future__ import annotations

import pytest

from engine import refusals
from engine.order import OrderType, Side
from engine.port import Acked, Refused

PUT = "NIFTY01DEC2624500PE"
SENSEX = "SENSEX03DEC2680000PE"


@pytest.mark.row("OPS-35", "HRD-12")
@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"side": Side.BUY, "qty": 65, "limit": 0, "kind": OrderType.MARKET}, refusals.NO_PROTECTION),
        ({"side": Side.SELL, "qty": 65, "limit": 0, "kind": OrderType.SL_M, "trigger": 9_900}, refusals.ORDER_TYPE),
        ({"side": Side.BUY, "qty": 65, "limit": 10_001}, refusals.TICK_SIZE),
        ({"side": Side.SELL, "qty": 65, "limit": 9_800, "kind": OrderType.SL, "trigger": 9_901}, refusals.TICK_SIZE),
        ({"side": Side.BUY, "qty": 50, "limit": 9_900}, refusals.LOT_SIZE),
        ({"side": Side.BUY, "qty": 0, "limit": 9_900}, refusals.LOT_SIZE),
        ({"side": Side.BUY, "qty": 1820, "limit": 9_900}, refusals.FREEZE_QTY),
        ({"side": Side.BUY, "qty": 65, "limit": 9_900, "tag": "A" * 24}, refusals.TAG),
        ({"side": Side.BUY, "qty": 65, "limit": 9_900, "tag": "no spaces"}, refusals.TAG),
        ({"side": Side.BUY, "qty": 65, "limit": 9_900, "product": "BO"}, refusals.NOT_ALLOWED),
        ({"side": Side.BUY, "qty": 65, "limit": 9_900, "symbol": "NIFTY01DEC2699999PE"}, refusals.UNKNOWN_SYMBOL),
        ({"side": Side.BUY, "qty": 65, "limit": 9_900, "exchange": "BFO"}, refusals.UNKNOWN_SYMBOL),
        ({"side": Side.BUY, "qty": 1, "limit": 9_900, "symbol": "NIFTY", "exchange": "NSE"}, refusals.UNKNOWN_SYMBOL),
        ({"side": Side.BUY, "qty": 65, "limit": 14_005}, refusals.PRICE_BAND),  # 100 + 40 % + a tick
        ({"side": Side.SELL, "qty": 65, "limit": 5_995}, refusals.PRICE_BAND),
        (
            {"side": Side.SELL, "qty": 65, "limit": 9_900, "kind": OrderType.SL, "trigger": 10_000},
            refusals.TRIGGER_CROSSED,
        ),
        (
            {"side": Side.BUY, "qty": 65, "limit": 10_100, "kind": OrderType.SL, "trigger": 9_995},
            refusals.TRIGGER_CROSSED,
        ),
        ({"side": Side.SELL, "qty": 65, "limit": 9_950, "kind": OrderType.SL, "trigger": 9_900}, refusals.STOP_GAP),
        ({"side": Side.BUY, "qty": 1755, "limit": 13_000}, ""),
        ({"side": Side.BUY, "qty": 65, "limit": 14_000}, ""),  # LPP is a limit, not a target
        ({"side": Side.BUY, "qty": 65, "limit": 5}, ""),  # one-sided: a low bid is fine
    ],
)
def test_each_rule_is_refused_with_its_own_code(venue, order, code) -> None:
    venue.quote(10_000, 10_010)
    venue.events.clear()

    answer = venue.place(**order)

    assert code == (answer.code if isinstance(answer, Refused) else "")
    if code:
        assert venue.events == [] and venue.exchange.orders("PAPER1") == []


def test_bse_stop_gap_is_refused_at_the_door_and_on_modify(venue) -> None:
    venue.tick(10_000, symbol=SENSEX)
    place = {"kind": OrderType.SL, "trigger": 9_000, "symbol": SENSEX, "exchange": "BFO"}

    wide = venue.sell(20, 7_195, **place)
    fair = venue.sell(20, 7_200, **place)

    assert isinstance(wide, Refused) and wide.code == refusals.STOP_GAP
    assert isinstance(fair, Acked)
    moved = venue.modify(fair, 20, 7_000, OrderType.SL, 9_000)
    assert isinstance(moved, Refused) and moved.code == refusals.STOP_GAP


def test_a_used_tag_is_refused_for_ever(venue) -> None:
    venue.quote(10_000, 10_010)
    venue.cancel(venue.buy(65, 9_900, tag="ONCE"))

    again = venue.buy(65, 9_900, tag="ONCE")

    assert isinstance(again, Refused) and again.code == refusals.DUPLICATE_TAG


def test_a_refused_tag_may_be_used_again(venue) -> None:
    venue.quote(10_000, 10_010)
    venue.buy(50, 9_900, tag="ONCE")

    assert isinstance(venue.buy(65, 9_900, tag="ONCE"), Acked)


def test_a_market_order_before_the_first_trade_of_the_day_is_refused(venue) -> None:
    answer = venue.buy(65, 10_000, kind=OrderType.MARKET)

    assert isinstance(answer, Refused) and answer.code == refusals.ORDER_TYPE


def test_a_closed_session_refuses_entries_and_changes_but_takes_cancels(venue) -> None:
    venue.quote(10_000, 10_010)
    order = venue.buy(65, 9_900)
    venue.is_open = False

    assert venue.buy(65, 9_900).code == refusals.SESSION_CLOSED
    assert venue.modify(order, 65, 9_905).code == refusals.SESSION_CLOSED
    assert isinstance(venue.cancel(order), Acked)


def test_price_bands_bind_limits_and_triggers(venue_with) -> None:
    venue = venue_with(price_bands={PUT: (9_000, 11_000)})
    venue.quote(10_000, 10_010)

    assert venue.buy(65, 8_995).code == refusals.PRICE_BAND
    assert venue.sell(65, 11_005).code == refusals.PRICE_BAND
    assert venue.stop(65, 8_995, 8_990).code == refusals.PRICE_BAND
    assert isinstance(venue.buy(65, 9_000), Acked)


def test_limit_protection_can_be_switched_off(venue_with) -> None:
    venue = venue_with(lpp=False)
    venue.quote(10_000, 10_010)

    assert isinstance(venue.buy(65, 20_000), Acked)


def test_unknown_and_finished_orders_have_their_own_codes(venue) -> None:
    venue.quote(10_000, 10_010)
    done = venue.buy(65, 10_010)

    assert venue.cancel(Acked("nonesuch")).code == refusals.NO_SUCH_ORDER
    assert venue.cancel(done).code == refusals.ALREADY_FINISHED
    assert venue.modify(done, 130, 10_010).code == refusals.ALREADY_FINISHED


def test_the_twenty_sixth_modify_is_refused_and_refused_ones_do_not_count(venue) -> None:
    venue.quote(10_000, 10_010)
    order = venue.buy(65, 9_000)
    for step in range(25):
        assert isinstance(venue.modify(order, 65, 9_001), Refused)
        assert isinstance(venue.modify(order, 65, 9_005 + 5 * step), Acked)

    assert venue.modify(order, 65, 9_500).code == refusals.TOO_MANY_CHANGES


def test_a_buy_needs_its_premium_and_working_buys_hold_it_back(venue_with) -> None:
    venue = venue_with(funds_paise=65 * 20_000)
    venue.quote(10_000, 10_010)

    assert venue.buy(195, 10_000).code == refusals.MARGIN
    resting = venue.buy(65, 9_990)
    assert venue.buy(130, 10_000).code == refusals.MARGIN
    assert venue.modify(resting, 195, 9_990).code == refusals.MARGIN
    assert venue.exchange.funds("PAPER1").blocked_paise == 65 * 9_990

    venue.cancel(resting)
    assert isinstance(venue.buy(130, 9_990), Acked)


def test_buying_back_a_short_needs_no_premium(venue_with) -> None:
    venue = venue_with(funds_paise=0)
    venue.tick(10_000)
    venue.sell(65, 10_000)
    venue.tick(13_000)

    assert isinstance(venue.buy(65, 13_000), Acked)
    assert venue.net() == 0
    assert venue.cash == -65 * 3_000


def test_a_change_that_asks_for_less_is_taken_even_when_cash_is_short(venue_with) -> None:
    venue = venue_with(funds_paise=0)
    venue.tick(10_000)
    venue.sell(65, 10_000)
    cover = venue.buy(65, 9_500)
    venue.buy(65, 10_000)  # closes the short with all the cash, so `cover` would now open a position
    assert (venue.net(), venue.cash) == (0, 0)

    assert venue.modify(cover, 65, 9_600).code == refusals.MARGIN
    assert isinstance(venue.modify(cover, 65, 9_400), Acked)


@pytest.mark.parametrize(("rules", "second"), [({}, ""), ({"second_exit_margin": True}, refusals.MARGIN)])
def test_a_second_resting_exit_asks_margin_only_where_the_venue_does(venue_with, rules, second) -> None:
    venue = venue_with(**rules)
    venue.quote(10_000, 10_010)
    venue.buy(65, 10_010)
    first = venue.sell(65, 10_200)

    answer = venue.stop(65, 9_900, 9_800)

    assert second == (answer.code if isinstance(answer, Refused) else "")
    if second:
        assert isinstance(venue.modify(first, 65, 9_800, OrderType.SL, 9_900), Acked)  # transforming the one is free


def test_short_margin_lifts_the_second_exit_refusal(venue_with) -> None:
    venue = venue_with(second_exit_margin=True, short_margin=True)
    venue.quote(10_000, 10_010)

    assert isinstance(venue.sell(65, 10_200), Acked)


def test_odd_units_may_only_leave(venue) -> None:
    venue.quote(10_000, 10_010, qty=30)
    entry = venue.buy(65, 10_010)
    venue.cancel(entry)
    assert venue.net() == 30

    assert venue.sell(31, 10_000).code == refusals.LOT_SIZE
    assert venue.sell(20, 10_000).code == refusals.LOT_SIZE
    assert venue.buy(30, 10_000).code == refusals.LOT_SIZE
    assert venue.sell(30, 10_001).code == refusals.TICK_SIZE
    assert isinstance(venue.sell(30, 10_200), Acked)
    assert isinstance(venue.stop(30, 9_900, 9_800), Acked)


def test_an_exit_may_shrink_to_the_odd_units_that_are_left(venue) -> None:
    """A target that filled 10 of 65 leaves 55: the stop is modified to 55 (design §5 rule 2)."""
    venue.quote(10_000, 10_010)
    venue.buy(65, 10_010)
    stop, target = venue.stop(65, 9_900, 9_800), venue.sell(65, 10_100)
    venue.tick(10_100, 10_100, 10_110, qty=10)
    assert venue.report(target).filled_qty == 10

    assert isinstance(venue.modify(stop, 55, 9_800, OrderType.SL, 9_900), Acked)
