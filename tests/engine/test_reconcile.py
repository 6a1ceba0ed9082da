"""Who holds what of an account, and what differs from the broker's book, by numbers and properties."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.model import Config, Legs
from engine.instant import NS_PER_S
from engine.port import PositionReport
from engine.reconcile import (
    SIGHTINGS_EXPLAINED,
    SIGHTINGS_UNEXPLAINED,
    Difference,
    Event,
    EventKind,
    OnUnexpected,
    OwnRow,
    Sightings,
    Tape,
    Verdict,
    converted,
    judge,
    key_of,
    replay,
    rows_by_key,
)

PE = "NIFTY28OCT2525300PE"
LONG_AGO = -60 * NS_PER_S
"""Our last fill: no book is that old."""


def own(at: int, qty: int) -> Event:
    return Event(at_ns=at, kind=EventKind.OWN, qty=qty)


def hand(at: int, qty: int, price: int = 100_00) -> Event:
    return Event(at_ns=at, kind=EventKind.FOREIGN, qty=qty, price_paise=price)


def row(net: int = 0, *, average: int = 0, closed: int = 0, lost: int = 0, proven: bool = False) -> OwnRow:
    return OwnRow(
        symbol=PE, product="MIS", net_qty=net, average_paise=average, is_price_proven=proven, closed_qty=closed,
        lost_qty=lost,
    )  # fmt: skip


def held(symbol: str, product: str, net: int, average: int = 0) -> PositionReport:
    return PositionReport(symbol=symbol, product=product, net_qty=net, average_paise=average)


# --- whose units ------------------------------------------------------------------------------------------------


@pytest.mark.row("BUG-12", "LEG-39", "I-8")
@pytest.mark.fault("HUM-02")
def test_what_the_trader_buys_by_hand_stays_his() -> None:
    tape = replay(0, 0, [own(1, 75), hand(2, 150)])

    assert (tape.own_qty, tape.foreign_qty, tape.taken_qty) == (75, 150, 0)


@pytest.mark.row("BUG-12", "I-8")
def test_a_sale_by_hand_takes_his_own_units_first_and_ours_only_below_them() -> None:
    assert replay(0, 150, [own(1, 75), hand(2, -150)]) == Tape(own_qty=75, foreign_qty=0, is_mixed=True)
    assert replay(0, 150, [own(1, 75), hand(2, -200, 90_00)]) == Tape(
        own_qty=25, foreign_qty=0, taken_qty=50, taken_long_qty=50, taken_long_paise=50 * 90_00, is_mixed=True
    )


@pytest.mark.row("LEG-40")
def test_a_sale_by_hand_without_units_of_his_own_closes_ours() -> None:
    tape = replay(0, 0, [own(1, 75), hand(2, -75, 101_50)])

    assert (tape.own_qty, tape.foreign_qty, tape.taken_qty, tape.taken_long_paise) == (0, 0, 75, 75 * 101_50)


@pytest.mark.row("I-8")
def test_a_short_of_the_traders_that_was_there_before_is_not_a_close_of_ours() -> None:
    tape = replay(0, -150, [own(1, 75)])

    assert (tape.own_qty, tape.foreign_qty, tape.taken_qty) == (75, -150, 0)
    assert judge(row(75), -75, 0, tape, 0).difference is Difference.EQUAL


@pytest.mark.row("LEG-39", "BUG-03")
def test_a_short_of_ours_is_closed_by_a_purchase_by_hand() -> None:
    tape = replay(0, 0, [own(1, -75), hand(2, 75, 99_00)])

    assert (tape.own_qty, tape.taken_qty, tape.taken_short_paise) == (0, -75, 75 * 99_00)


@pytest.mark.row("BUG-07")
@pytest.mark.fault("HUM-01")
def test_an_exit_of_ours_that_fills_after_the_hands_sale_has_oversold() -> None:
    """Hand first, target second: 75 too many are sold, and they are ours to buy back."""
    after = replay(0, 0, [own(1, 75), hand(2, -75), own(3, -75)])
    before = replay(0, 0, [own(1, 75), own(2, -75), hand(3, -75)])

    assert (after.own_qty, after.foreign_qty, after.taken_qty) == (-75, 0, 75)
    assert (before.own_qty, before.foreign_qty, before.taken_qty) == (0, -75, 0), "the trader opened a short of his own"


def test_records_are_walked_in_time_order_however_they_arrive() -> None:
    events = [own(3, -75), hand(2, -75), own(1, 75)]

    assert replay(0, 0, events) == replay(0, 0, sorted(events, key=lambda event: event.at_ns))


_events = st.lists(
    st.builds(
        Event,
        at_ns=st.integers(0, 50),
        kind=st.sampled_from(EventKind),
        qty=st.integers(-300, 300),
        price_paise=st.integers(5, 50_000),
    ),
    max_size=20,
)


@given(own_qty=st.integers(-300, 300), foreign_qty=st.integers(-300, 300), events=_events)
@pytest.mark.fault("HUM-05")
@pytest.mark.invariant("A3", "R3")
def test_every_unit_belongs_to_somebody(own_qty: int, foreign_qty: int, events: list[Event]) -> None:
    tape = replay(own_qty, foreign_qty, events)

    assert tape.own_qty + tape.foreign_qty == own_qty + foreign_qty + sum(event.qty for event in events)
    ours = own_qty + sum(event.qty for event in events if event.kind is EventKind.OWN)
    assert tape.own_qty + tape.taken_qty == ours
    assert {type(tape.own_qty), type(tape.foreign_qty), type(tape.taken_qty)} == {int}


@pytest.mark.row("I-8")
@given(extra=st.integers(0, 500), sales=st.lists(st.integers(1, 200), max_size=6))
def test_ours_is_untouched_while_the_hand_sells_no_more_than_it_holds(extra: int, sales: list[int]) -> None:
    events = [own(1, 75), *(hand(2 + i, -qty) for i, qty in enumerate(sales))]

    tape = replay(0, sum(sales) + extra, events)

    assert (tape.own_qty, tape.taken_qty) == (75, 0)


# --- what differs -----------------------------------------------------------------------------------------------


@pytest.mark.row("LEG-37")
def test_a_broker_row_is_matched_whatever_case_its_symbol_has() -> None:
    rows = rows_by_key([held("nifty28oct2525300pe", "mis", 75)])

    assert rows[key_of(PE, "MIS")].net_qty == 75


def test_two_rows_of_one_symbol_and_product_count_together() -> None:
    rows = rows_by_key([held(PE, "NRML", 75, 100_00), held(PE, "NRML", -25, 0)])

    assert (rows[key_of(PE, "NRML")].net_qty, rows[key_of(PE, "NRML")].product) == (50, "NRML")


@pytest.mark.parametrize(
    ("first", "second", "average"),
    [
        ((0, 90_00), (75, 100_00), 100_00),  # a flat row has no say in the price
        ((0, 90_00), (75, 0), 90_00),
        ((75, 90_00), (75, 100_00), 0),  # of two prices neither is the average
    ],
)
def test_the_average_of_two_rows_is_known_only_when_the_first_is_flat(
    first: tuple[int, int], second: tuple[int, int], average: int
) -> None:
    rows = rows_by_key([held(PE, "NRML", *first), held(PE, "NRML", *second)])

    assert rows[key_of(PE, "NRML")].average_paise == average


@pytest.mark.row("LEG-38", "LEG-40", "LEG-41", "HRD-16")
@pytest.mark.parametrize(
    ("ours", "broker", "difference", "qty"),
    [
        (75, 75, Difference.EQUAL, 0),
        (-75, -75, Difference.EQUAL, 0),
        (75, 0, Difference.CLOSED, 75),
        (-75, 0, Difference.CLOSED, -75),
        (150, 75, Difference.REDUCED, 75),
        (-150, -75, Difference.REDUCED, -75),
        (75, 225, Difference.GROWN, 150),
        (-75, -225, Difference.GROWN, -150),
        (75, -75, Difference.REVERSED, 75),
        (-75, 75, Difference.REVERSED, -75),
        (0, 75, Difference.UNEXPECTED, 75),
        (0, -75, Difference.UNEXPECTED, -75),
    ],
)
def test_direction_and_quantity_are_compared_both_ways(
    ours: int, broker: int, difference: Difference, qty: int
) -> None:
    verdict = judge(row(ours), broker, 0, Tape(own_qty=ours), 0)

    assert (verdict.difference, verdict.qty) == (difference, qty)
    assert (verdict.expected_qty, verdict.actual_qty) == (ours, broker)


@pytest.mark.row("HRD-16")
@pytest.mark.parametrize(
    ("ours", "broker", "difference"),
    [
        (100_50, 100_62, Difference.PRICE),
        (100_50, 100_51, Difference.EQUAL),
        (100_50, 100_49, Difference.EQUAL),
        (100_50, 100_48, Difference.PRICE),
        (0, 100_62, Difference.PRICE),
        (100_50, 0, Difference.EQUAL),
    ],
)
def test_average_prices_are_compared_to_the_paisa(ours: int, broker: int, difference: Difference) -> None:
    verdict = judge(row(75, average=ours), 75, broker, Tape(own_qty=75), 0)

    assert (verdict.difference, verdict.average_paise) == (difference, broker)
    assert verdict.qty == (75 if difference is Difference.PRICE else 0), "a price is of all that is held"


def test_an_average_that_was_mixed_with_the_traders_units_says_nothing_even_when_his_are_gone() -> None:
    tape = replay(0, 150, [own(1, 75), hand(2, -150)])

    assert judge(row(75, average=100_50), 75, 90_00, tape, 0).difference is Difference.EQUAL


def test_an_average_over_the_traders_units_too_says_nothing_about_ours() -> None:
    verdict = judge(row(75, average=100_50), 225, 120_00, Tape(own_qty=75, foreign_qty=150), 0)

    assert verdict.difference is Difference.EQUAL


@pytest.mark.row("RTP-51", "CON-08")
def test_found_units_are_ours_only_by_tag_or_by_a_position_that_was_closed_here() -> None:
    def found(gap: int, **facts: int) -> Difference:
        return judge(row(0, **facts), gap, 0, Tape(), 0).difference

    assert found(75, closed=75) is Difference.STILL_OPEN
    assert found(50, closed=75) is Difference.STILL_OPEN
    assert found(150, closed=75) is Difference.UNEXPECTED, "more than was ever closed here is not ours"
    assert found(-75, closed=75) is Difference.UNEXPECTED, "the other direction is not ours"
    assert found(75, lost=75) is Difference.OURS_UNKNOWN
    assert found(150, lost=75) is Difference.UNEXPECTED


@pytest.mark.row("LEG-40")
def test_what_the_trade_book_explains_carries_its_value_and_is_told_once() -> None:
    tape = replay(0, 0, [own(1, 75), hand(2, -75, 101_50)])

    verdict = judge(row(75), 0, 99_00, tape, 0)

    assert (verdict.difference, verdict.qty, verdict.explained) == (Difference.CLOSED, 75, True)
    assert (verdict.value_paise, verdict.average_paise) == (75 * 101_50, 99_00)
    assert (verdict.expected_qty, verdict.actual_qty) == (75, 0)
    assert judge(row(0), 0, 0, tape, 75).difference is Difference.EQUAL


@pytest.mark.row("BUG-07")
def test_both_a_hand_and_our_target_sold_the_same_units() -> None:
    tape = replay(0, 0, [own(1, 75), hand(2, -75), own(3, -75)])

    verdict = judge(row(0), -75, 0, tape, 0)

    assert (verdict.difference, verdict.qty, verdict.explained) == (Difference.OVERSOLD, 75, True)


@pytest.mark.row("I-8")
def test_units_that_vanish_without_a_trade_are_the_traders_first() -> None:
    tape = Tape(own_qty=75, foreign_qty=150)

    gone = judge(row(75), 75, 99_00, tape, 0)
    assert (gone.difference, gone.qty, gone.average_paise) == (Difference.FOREIGN_GONE, -150, 99_00)
    reduced = judge(row(75), 50, 0, tape, 0)
    assert (reduced.difference, reduced.qty) == (Difference.REDUCED, 25)


@given(ours=st.integers(-300, 300), foreign=st.integers(-300, 300), broker=st.integers(-600, 600))
@pytest.mark.invariant("E2")
def test_no_verdict_takes_more_than_we_hold(ours: int, foreign: int, broker: int) -> None:
    verdict = judge(row(ours), broker, 0, Tape(own_qty=ours, foreign_qty=foreign), 0)

    if verdict.difference in (Difference.CLOSED, Difference.REDUCED, Difference.REVERSED):
        assert 0 < abs(verdict.qty) <= abs(ours) and verdict.qty * ours > 0
    if verdict.difference is Difference.EQUAL:
        assert broker == ours + foreign


# --- a product that was converted -------------------------------------------------------------------------------


@pytest.mark.fault("EXI-15")
def test_units_that_left_one_product_for_another_are_converted_not_closed() -> None:
    closed = judge(row(75), 0, 0, Tape(own_qty=75), 0)
    now = rows_by_key([held(PE, "MIS", 0), held(PE, "NRML", 75)])

    (verdict,) = converted([closed], {}, now)

    assert (verdict.difference, verdict.product_to, verdict.qty) == (Difference.CONVERTED, "NRML", 75)
    (same,) = converted([closed], {key_of(PE, "NRML"): 75}, now)
    assert same.difference is Difference.CLOSED, "it stood there before"


def test_a_close_that_trades_explain_is_no_conversion() -> None:
    tape = replay(0, 0, [own(1, 75), hand(2, -75)])
    now = rows_by_key([held(PE, "NRML", 75)])

    (verdict,) = converted([judge(row(75), 0, 0, tape, 0)], {}, now)

    assert verdict.difference is Difference.CLOSED


# --- seen often enough ------------------------------------------------------------------------------------------


def seen(explained: bool, actual: int = 0) -> Verdict:
    return Verdict(
        difference=Difference.CLOSED, symbol=PE, product="MIS", expected_qty=75, actual_qty=actual, qty=75,
        explained=explained,
    )  # fmt: skip


@pytest.mark.parametrize(("explained", "needed"), [(True, 2), (False, 4)])
def test_a_difference_is_proven_by_reads_that_begin_after_each_other(explained: bool, needed: int) -> None:
    sightings = Sightings()

    proofs = [sightings.is_proven(seen(explained), 10 * n, 10 * n + 5, LONG_AGO) for n in range(needed)]

    assert proofs == [False] * (needed - 1) + [True]
    assert needed == (SIGHTINGS_EXPLAINED if explained else SIGHTINGS_UNEXPLAINED)


@pytest.mark.fault("STO-18")
@pytest.mark.parametrize(("lost", "is_backed"), [(0, False), (-75, True), (-50, False), (75, False)])
def test_units_that_went_are_backed_by_trades_of_our_tags_that_say_the_same(lost: int, is_backed: bool) -> None:
    verdict = judge(row(75, lost=lost), 0, 0, Tape(), 0)

    assert (verdict.difference, verdict.is_backed) == (Difference.CLOSED, is_backed)


@pytest.mark.fault("NET-06")
@pytest.mark.parametrize(
    ("difference", "is_backed", "proven_s"),
    [
        (Difference.CLOSED, False, 8), (Difference.STILL_OPEN, False, 10), (Difference.UNEXPECTED, False, 8),
        (Difference.FOREIGN_GONE, False, 60), (Difference.CLOSED, True, 3), (Difference.OURS_UNKNOWN, True, 3),
    ],
)  # fmt: skip
def test_what_an_old_book_can_feign_has_to_wait_until_our_last_fill_is_ten_seconds_old(
    difference: Difference, is_backed: bool, proven_s: int
) -> None:
    sightings = Sightings()
    verdict = msgspec.structs.replace(seen(explained=False), difference=difference, is_backed=is_backed)
    looks = (s for s in range(100) if sightings.is_proven(verdict, s * NS_PER_S, s * NS_PER_S, -2 * NS_PER_S))

    assert next(looks) == proven_s


def test_two_reads_that_overlap_count_once() -> None:
    sightings = Sightings()

    assert not sightings.is_proven(seen(explained=True), 0, 10, LONG_AGO)
    assert not sightings.is_proven(seen(explained=True), 5, 12, LONG_AGO)
    assert sightings.is_proven(seen(explained=True), 11, 20, LONG_AGO)


def test_a_read_that_begins_as_the_last_one_ends_is_a_look_of_its_own() -> None:
    sightings = Sightings()

    assert [sightings.is_proven(seen(explained=True), 10 * n, 10 * n + 10, LONG_AGO) for n in range(2)] == [False, True]


def test_the_sightings_of_a_difference_are_counted_until_it_is_forgotten() -> None:
    sightings, verdict = Sightings(), seen(explained=False)
    assert sightings.count(verdict.key) == 0
    for n in range(3):
        sightings.is_proven(verdict, 10 * n, 10 * n + 5, LONG_AGO)
    assert sightings.count(verdict.key) == 3

    sightings.forget(verdict.key)
    assert sightings.count(verdict.key) == 0


def test_a_difference_that_changes_starts_anew() -> None:
    sightings = Sightings()

    assert not sightings.is_proven(seen(explained=True, actual=25), 0, 1, LONG_AGO)
    assert not sightings.is_proven(seen(explained=True, actual=0), 2, 3, LONG_AGO)
    assert sightings.is_proven(seen(explained=True, actual=0), 4, 5, LONG_AGO)


def test_prices_are_not_compared_where_several_positions_share_a_row() -> None:
    tape = replay(0, 0, [own(1, 200)])

    shared = msgspec.structs.replace(row(200), is_shared=True)
    assert judge(shared, 200, 100_00, tape, 0).difference is Difference.EQUAL
    assert judge(row(200, average=90_00), 200, 100_00, tape, 0).difference is Difference.PRICE


@pytest.mark.fault("NET-06")
@pytest.mark.row("I-8")
def test_units_of_the_traders_that_vanish_without_a_trade_are_missed_for_a_minute_before_that_is_believed() -> None:
    sightings = Sightings()
    gone = msgspec.structs.replace(seen(explained=False), difference=Difference.FOREIGN_GONE)

    looks = [sightings.is_proven(gone, n * NS_PER_S, n * NS_PER_S + 5, LONG_AGO) for n in range(70)]

    assert looks.index(True) == 60
    with_trade = msgspec.structs.replace(gone, explained=True)
    sightings.forget(gone.key)
    assert not sightings.is_proven(with_trade, 0, 5, LONG_AGO)
    assert sightings.is_proven(with_trade, NS_PER_S, NS_PER_S + 5, LONG_AGO)


# --- configured -------------------------------------------------------------------------------------------------


@pytest.mark.row("CON-08", "LEG-36", "CON-02")
def test_the_file_says_what_is_adopted_and_how_often_it_is_looked() -> None:
    default = Config()
    terms = default.terms_of(default.legs)
    assert (terms.on_unexpected, terms.reserved_symbols) == (OnUnexpected.ADOPT, False)
    assert (default.desk.reconcile_active_ns, default.desk.reconcile_flat_ns) == (30 * NS_PER_S, 300 * NS_PER_S)

    config = Config(legs=Legs(on_unexpected=OnUnexpected.ALERT, reserved_symbols=True))
    terms = config.terms_of(config.legs)
    assert (terms.on_unexpected, terms.reserved_symbols) == (OnUnexpected.ALERT, True)
