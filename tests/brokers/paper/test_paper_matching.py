"""What trades, at which price, for how much: the matching table of the paper exchange."""

from __future__ import annotations

import pytest

from engine import refusals
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import Acked, OrderReport, Refused

PUT = "NIFTY01DEC2624500PE"


@pytest.mark.row("OPS-05", "OPS-32")
@pytest.mark.parametrize(
    ("side", "limit", "bid", "ask", "expected"),
    [
        (Side.BUY, 10_010, 10_000, 10_010, [(65, 10_010)]),  # limit on the touch takes it
        (Side.BUY, 10_100, 10_000, 10_010, [(65, 10_010)]),  # a better touch gives a better price
        (Side.BUY, 10_005, 10_000, 10_010, []),  # inside the spread rests
        (Side.SELL, 10_000, 10_000, 10_010, [(-65, 10_000)]),
        (Side.SELL, 9_900, 10_000, 10_010, [(-65, 10_000)]),
        (Side.SELL, 10_005, 10_000, 10_010, []),
    ],
)
def test_an_arriving_limit_takes_the_touch_at_the_touchs_price(venue, side, limit, bid, ask, expected) -> None:
    venue.quote(bid, ask)

    venue.place(side, 65, limit)

    assert expected == venue.fills()


@pytest.mark.parametrize(
    ("side", "limit", "ticks", "expected"),
    [
        # (ltp, bid, ask)
        (Side.BUY, 10_000, [(10_020, 10_015, 10_025), (10_005, 10_000, 10_005)], []),
        (Side.BUY, 10_000, [(10_005, 9_995, 10_000)], [(65, 10_000)]),  # the touch reaches it
        (Side.BUY, 10_000, [(9_900, 9_895, 9_905)], [(65, 10_000)]),  # a gap serves a resting bid at its own price
        (Side.BUY, 10_000, [(9_995, 10_000, 10_005)], [(65, 10_000)]),  # a trade went through it
        (Side.BUY, 10_000, [(10_000, 9_995, 10_005)], []),  # a trade at it: the queue before it is unknown
        (Side.SELL, 10_100, [(10_050, 10_100, 10_105)], [(-65, 10_100)]),
        (Side.SELL, 10_100, [(10_105, 10_090, 10_110)], [(-65, 10_100)]),
        (Side.SELL, 10_100, [(10_100, 10_090, 10_110)], []),
    ],
)
def test_a_resting_limit_trades_at_its_own_price_when_reached(venue, side, limit, ticks, expected) -> None:
    venue.quote(10_040, 10_060)
    venue.place(side, 65, limit)

    for ltp, bid, ask in ticks:
        venue.tick(ltp, bid, ask)

    assert expected == venue.fills()


def test_a_quote_update_that_repeats_an_old_last_price_is_no_trade(venue) -> None:
    """The last trade may be minutes old: a bid placed above it must not be filled by its echo."""
    venue.tick(9_900, 10_000, 10_020)
    venue.buy(65, 10_005)

    venue.tick(9_900, 10_000, 10_015)

    assert venue.fills() == []


def test_the_first_tick_of_a_run_may_carry_an_old_trade_and_fills_by_its_touch_only(venue) -> None:
    venue.buy(65, 10_005)

    venue.tick(9_900, 10_010, 10_020)
    assert venue.fills() == []

    venue.tick(9_950, 10_010, 10_020)
    assert venue.fills() == [(65, 10_005)]


def test_a_tick_without_a_touch_trades_both_sides_at_its_last_price(venue) -> None:
    venue.tick(10_000)

    venue.buy(1755, 10_000)
    venue.sell(1755, 10_000)

    assert venue.fills() == [(1755, 10_000), (-1755, 10_000)]


def test_a_displayed_quantity_fills_once_and_the_rest_works_on(venue) -> None:
    venue.quote(10_000, 10_010, qty=65)

    first = venue.buy(195, 10_020)
    second = venue.buy(65, 10_020)

    assert venue.fills() == [(65, 10_010)]
    assert OrderState.PART_FILLED is venue.report(first).state
    assert OrderState.WORKING is venue.report(second).state

    venue.quote(10_000, 10_015, qty=195)

    assert venue.fills() == [(65, 10_010), (130, 10_015), (65, 10_015)]  # the first came first


def test_the_rest_of_a_crossing_order_rests_at_its_limit_once_the_touch_leaves_it(venue) -> None:
    venue.quote(10_000, 10_010, qty=65)
    venue.buy(130, 10_020)

    venue.quote(10_020, 10_030)
    venue.quote(9_990, 10_000)

    assert venue.fills() == [(65, 10_010), (65, 10_020)]


def test_a_taker_waiting_for_more_size_is_not_filled_at_its_far_limit_by_a_trade_in_between(venue) -> None:
    venue.quote(10_000, 10_010, qty=65)
    venue.buy(195, 10_500)

    venue.tick(10_100, 10_090, 10_100, qty=65)

    assert venue.fills() == [(65, 10_010), (65, 10_100)]


def test_the_print_that_triggers_a_stop_does_not_also_fill_it(venue) -> None:
    """The trade at 99.00 was made before the stop stood in the book at 98.00."""
    venue.quote(10_000, 10_010)
    stop = venue.stop(65, 9_950, 9_800)

    venue.tick(9_900, 9_700, 9_910)

    assert venue.fills() == []
    assert venue.report(stop).state is OrderState.WORKING


def test_more_quantity_goes_to_the_end_of_the_queue(venue) -> None:
    venue.quote(10_000, 10_100)
    first, second = venue.buy(65, 10_050), venue.buy(65, 10_050)
    venue.modify(first, 130, 10_050)

    venue.tick(10_060, 9_900, 10_050, qty=65)

    assert venue.report(second).state is OrderState.FILLED
    assert venue.report(first).filled_qty == 0


def test_a_smaller_quantity_leaves_a_resting_order_resting_even_on_a_stale_book(venue) -> None:
    venue.quote(10_000, 10_100)
    order = venue.buy(130, 10_050)
    venue.now_ns += 60 * 10**9
    venue.modify(order, 65, 10_050)

    venue.tick(10_100, 9_900, 10_000)

    assert venue.fills() == [(65, 10_050)]  # its own price: it stood there before the offer came


def test_better_price_then_time_is_served_first(venue) -> None:
    venue.quote(10_000, 10_100)
    late_best, early = venue.buy(65, 10_050), venue.buy(65, 10_060)

    venue.tick(10_060, 9_900, 10_040, qty=65)

    assert OrderState.FILLED is venue.report(early).state
    assert OrderState.WORKING is venue.report(late_best).state


def test_displayed_size_off_fills_everything_at_the_touch(venue_with) -> None:
    venue = venue_with(displayed_size=False, funds_paise=10**10)
    venue.quote(10_000, 10_010, qty=65)

    venue.buy(1755, 10_010)

    assert venue.fills() == [(1755, 10_010)]


@pytest.mark.parametrize("age_ns", [5_000_000_001, 3_600_000_000_000])
def test_a_stale_touch_no_longer_trades_and_the_next_tick_serves_at_the_touch(venue, age_ns) -> None:
    venue.quote(10_000, 10_010)
    venue.now_ns += age_ns

    venue.buy(65, 10_050)
    assert venue.fills() == []

    venue.quote(10_010, 10_020)
    assert venue.fills() == [(65, 10_020)]


@pytest.mark.parametrize(
    ("side", "trigger", "limit", "quotes", "expected", "state"),
    [
        (Side.SELL, 9_900, 9_800, [(9_905, 9_910)], [], OrderState.TRIGGER_PENDING),
        (Side.SELL, 9_900, 9_800, [(9_900, 9_905)], [(-65, 9_900)], OrderState.FILLED),
        (Side.SELL, 9_900, 9_800, [(9_850, 9_855)], [(-65, 9_850)], OrderState.FILLED),  # slips inside its limit
        (Side.SELL, 9_900, 9_895, [(9_700, 9_705)], [], OrderState.WORKING),  # jumped: rests unfilled (BUG-18)
        (Side.SELL, 9_900, 9_895, [(9_700, 9_705), (9_895, 9_900)], [(-65, 9_895)], OrderState.FILLED),
        (Side.BUY, 10_100, 10_200, [(10_095, 10_100)], [], OrderState.TRIGGER_PENDING),
        (Side.BUY, 10_100, 10_200, [(10_100, 10_110)], [(65, 10_110)], OrderState.FILLED),
    ],
)
def test_a_stop_triggers_on_the_last_price_and_then_works_as_a_limit(
    venue, side, trigger, limit, quotes, expected, state
) -> None:
    venue.quote(10_000, 10_010)
    stop = venue.place(side, 65, limit, kind=OrderType.SL, trigger=trigger)

    for bid, ask in quotes:
        venue.quote(bid, ask)

    assert expected == venue.fills()
    assert state is venue.report(stop).state


def test_the_touch_does_not_trigger_a_stop_only_a_trade_does(venue) -> None:
    venue.quote(10_000, 10_010)
    stop = venue.stop(65, 9_900, 9_800)

    venue.tick(10_000, 9_850, 9_890)

    assert OrderState.TRIGGER_PENDING is venue.report(stop).state


def test_a_stop_far_out_is_taken_and_rejected_by_limit_protection_when_it_triggers(venue) -> None:
    venue.quote(10_000, 10_010)
    stop = venue.stop(65, 9_000, 3_000)
    assert isinstance(stop, Acked)

    venue.quote(8_900, 8_905)

    assert OrderState.REJECTED is venue.report(stop).state
    assert "beyond 89.00" in venue.report(stop).reject_text
    assert venue.fills() == []


def test_market_with_protection_takes_the_touch_and_its_rest_stays_working(venue) -> None:
    venue.quote(10_000, 10_010, qty=65)

    order = venue.buy(130, 10_100, kind=OrderType.MARKET)
    venue.tick(10_150, 10_090, 10_200)

    assert venue.fills() == [(65, 10_010)]
    assert OrderState.PART_FILLED is venue.report(order).state
    assert venue.report(order).limit_paise == 10_100


def test_a_triggered_sl_m_in_equity_becomes_a_protected_limit(venue) -> None:
    venue.tick(100_000, 99_990, 100_010, symbol="RELIANCE")
    stop = venue.sell(10, 0, kind=OrderType.SL_M, trigger=99_000, symbol="RELIANCE", exchange="NSE", product="MIS")

    venue.tick(98_900, 98_890, 98_910, qty=4, symbol="RELIANCE")

    assert venue.fills() == [(-4, 98_890)]
    assert venue.report(stop).limit_paise == 93_950  # 5 % below 989.00, floored to the tick


def test_modify_moves_shrinks_and_turns_a_stop_into_a_marketable_exit(venue) -> None:
    venue.quote(10_000, 10_010)
    venue.buy(130, 10_010)
    stop = venue.stop(130, 9_900, 9_800)

    venue.modify(stop, 65, 9_850, OrderType.SL, 9_950)
    assert (venue.report(stop).qty, venue.report(stop).trigger_paise) == (65, 9_950)

    venue.modify(stop, 65, 9_900, OrderType.LIMIT)
    assert venue.fills() == [(130, 10_010), (-65, 10_000)]
    assert OrderState.FILLED is venue.report(stop).state


def test_a_triggered_stop_stays_a_limit_when_its_trigger_is_modified(venue) -> None:
    venue.quote(10_000, 10_010)
    stop = venue.stop(65, 9_900, 9_895)
    venue.quote(9_700, 9_705)

    answer = venue.modify(stop, 65, 9_690, OrderType.SL, 9_695)

    assert isinstance(answer, Acked)
    assert venue.fills() == [(-65, 9_700)]


def test_modify_below_the_filled_quantity_is_refused_and_changes_nothing(venue) -> None:
    """Quantity is total, not remaining (ORD-20)."""
    venue.quote(10_000, 10_010, qty=65)
    order = venue.buy(130, 10_010)
    before = venue.report(order)

    answer = venue.modify(order, 65, 10_005)

    assert isinstance(answer, Refused) and answer.code == refusals.OTHER
    assert before == venue.report(order)


def test_a_part_filled_target_turned_into_a_stop_waits_for_its_trigger(venue) -> None:
    venue.quote(10_000, 10_010, qty=65)
    venue.buy(65, 10_010)
    venue.quote(10_000, 10_010, qty=65)
    venue.buy(65, 10_010)
    target = venue.sell(130, 10_100)
    venue.tick(10_100, 10_100, 10_110, qty=65)
    assert OrderState.PART_FILLED is venue.report(target).state

    venue.modify(target, 130, 9_800, OrderType.SL, 9_900)
    venue.quote(10_200, 10_210)
    assert venue.net() == 65

    venue.quote(9_900, 9_910)
    assert venue.net() == 0


def test_modify_changes_queue_place_only_for_a_new_price_or_more_quantity(venue) -> None:
    venue.quote(10_000, 10_100)
    first, second = venue.buy(130, 10_050), venue.buy(65, 10_050)
    venue.modify(first, 65, 10_050)

    venue.tick(10_060, 9_900, 10_050, qty=65)
    assert OrderState.FILLED is venue.report(first).state

    third = venue.buy(65, 10_040)
    venue.modify(second, 130, 10_040)
    venue.tick(10_061, 9_900, 10_040, qty=65)
    assert OrderState.FILLED is venue.report(third).state


def test_a_closed_market_tick_fills_nothing(venue) -> None:
    venue.quote(10_000, 10_010)
    venue.buy(65, 9_900)
    venue.is_open = False

    venue.quote(9_800, 9_810)

    assert venue.fills() == []


@pytest.mark.fault("UPD-01")
def test_reports_and_trades_are_told_apart_in_the_order_they_happen(venue) -> None:
    venue.quote(10_000, 10_010, qty=65)

    venue.buy(130, 10_010)

    told = [event.state if isinstance(event, OrderReport) else event.qty for event in venue.events]
    assert told == [OrderState.WORKING, OrderState.PART_FILLED, 65]
    assert isinstance(venue.events[2], Trade)
    assert venue.events[1].average_paise == 10_010


def test_two_accounts_share_a_book_and_its_displayed_size_but_nothing_else(venue) -> None:
    venue.quote(10_000, 10_010, qty=65)

    venue.buy(65, 10_010, tag="SAME")
    venue.buy(65, 10_010, tag="SAME", account="PAPER2")

    assert venue.net() == 65
    assert venue.exchange.positions("PAPER2") == []
    assert OrderState.WORKING is venue.exchange.orders("PAPER2")[0].state


def test_positions_average_and_cash_are_exact(venue) -> None:
    start = venue.cash
    for price in (10_000, 10_005):
        venue.tick(price)
        venue.buy(65, price)
    venue.tick(10_105)
    venue.sell(65, 10_105)

    (row,) = venue.exchange.positions("PAPER1")
    assert (row.net_qty, row.average_paise) == (65, 10_003)  # 100.025 half-up
    assert start - 65 * (10_000 + 10_005 - 10_105) == venue.cash


def test_selling_through_zero_leaves_a_short_at_the_price_of_the_surplus(venue) -> None:
    venue.tick(10_000)
    venue.buy(65, 10_000)
    venue.tick(10_200)
    venue.sell(130, 10_200)

    (row,) = venue.exchange.positions("PAPER1")
    assert (row.net_qty, row.average_paise) == (-65, 10_200)


def test_day_orders_expire_on_the_next_day_before_its_first_tick_can_fill_them(venue) -> None:
    venue.quote(10_000, 10_010)
    order = venue.buy(65, 9_900)

    venue.now_ns += 86_400 * 10**9
    venue.quote(9_800, 9_810)

    assert OrderState.EXPIRED is venue.report(order).state
    assert venue.fills() == []


def test_finished_orders_do_not_expire_on_the_next_day(venue) -> None:
    venue.quote(10_000, 10_010)
    venue.buy(65, 10_010)
    venue.cancel(venue.buy(65, 9_000))
    told = len(venue.events)

    venue.now_ns += 86_400 * 10**9
    venue.exchange.roll_day(venue.now_ns)

    assert venue.exchange.orders("PAPER1") == [] and venue.exchange.trades("PAPER1") == []
    assert len(venue.events) == told
    assert venue.net() == 65
