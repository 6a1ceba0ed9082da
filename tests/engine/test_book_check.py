"""Orders that a broker's order book does not show: what one page proves, what only time proves, and whether the page is
whole at all. One read a second from 100 s on."""

from __future__ import annotations

import pytest

from engine.book_check import MISSING_NS, BookCheck, Missing, is_listed, lacking
from engine.instant import NS_PER_S
from engine.order import Order, OrderState, OrderType, Role, Side

S = OrderState
DAY_NS = 50 * NS_PER_S
OTHERS = frozenset({"SOMEBODY"})


def order(state: OrderState = S.WORKING, *, tag: str = "MINE", intended_s: int = 60, since_s: int = 60) -> Order:
    made = Order(
        tag=tag,
        account="A",
        bracket_id="B1",
        bot="legs",
        role=Role.STOP,
        symbol="X",
        exchange="NFO",
        product="MIS",
        side=Side.SELL,
        type=OrderType.SL,
        qty=75,
        state=state,
        broker_id="9001",
        intended_ns=intended_s * NS_PER_S,
        state_ns=since_s * NS_PER_S,
    )
    return made


def look(check: BookCheck, live: list[Order], began_s: float, *, took_s: float = 0.5, listed=OTHERS) -> Missing:
    began_ns = int(began_s * NS_PER_S)
    return check.look(live, listed, began_ns=began_ns, ended_ns=began_ns + int(took_s * NS_PER_S), day_ns=DAY_NS)


def test_an_order_is_gone_after_four_books_without_it_and_not_before() -> None:
    check, mine = BookCheck(), order()

    found = [look(check, [mine], began_s) for began_s in (100, 101, 102, 103)]
    assert [missing.gone for missing in found] == [[], [], [], [mine]]
    assert [missing.expired for missing in found] == [[], [], [], []]
    assert (check.is_waiting, set(check.missing)) == (True, {"MINE"}), "kept until somebody decides on it"


def test_four_books_within_a_moment_prove_nothing_until_the_third_second() -> None:
    check, mine = BookCheck(), order()
    for began_s in (100, 100.2, 100.4, 100.6, 100.8):
        assert look(check, [mine], began_s, took_s=0.1).gone == []

    assert look(check, [mine], 100 + MISSING_NS / NS_PER_S - 0.001, took_s=0.0001).gone == []
    assert look(check, [mine], 100 + MISSING_NS / NS_PER_S, took_s=0.1).gone == [mine]


def test_a_book_asked_for_before_the_last_one_had_come_is_no_second_look() -> None:
    """Two reads at once may be two copies of one stale page."""
    check, mine = BookCheck(), order()
    look(check, [mine], 100, took_s=1.0)
    assert look(check, [mine], 100.9).gone == []
    assert [look(check, [mine], began_s).gone for began_s in (101, 102, 103)] == [[], [], [mine]]


def test_a_book_that_began_as_the_last_one_ended_is_a_look_of_its_own() -> None:
    check, mine = BookCheck(), order()

    assert [look(check, [mine], began_s, took_s=1.0).gone for began_s in (100, 101, 102, 103)] == [[], [], [], [mine]]


def test_one_book_that_shows_it_begins_the_count_anew() -> None:
    check, mine = BookCheck(), order()
    for began_s in (100, 101, 102):
        look(check, [mine], began_s)
    look(check, [mine], 103, listed={"9001"})
    assert not check.is_waiting

    assert [look(check, [mine], began_s).gone for began_s in (104, 105, 106, 107)] == [[], [], [], [mine]]


@pytest.mark.row("GRD-53")
def test_an_order_of_an_earlier_day_is_over_with_the_second_book_that_lacks_it() -> None:
    check, old, young = BookCheck(), order(intended_s=49), order(tag="TODAY", intended_s=50)

    assert look(check, [old, young], 100) == ([], [])
    assert look(check, [old, young], 101) == ([old], [])
    assert set(check.missing) == {"TODAY"}, "an expired one is decided"


def test_only_orders_the_broker_took_and_that_rested_before_the_read_are_missed() -> None:
    check = BookCheck()
    known = order(tag="KNOWN")
    unasked, unsure, over = order(S.INTENDED, tag="A"), order(S.UNKNOWN, tag="B"), order(S.CANCELLED, tag="C")
    sent_since, changed_since = order(tag="D", intended_s=100), order(tag="E", since_s=100)
    listed = order(tag="F")

    look(check, [unasked, unsure, over, known, sent_since, changed_since, listed], 100, listed={"F"})
    assert set(check.missing) == {"KNOWN"}, "what is listed or newer than the page does not end the look at the others"


def test_what_was_decided_is_missed_no_longer() -> None:
    check, mine = BookCheck(), order()
    look(check, [mine], 100)

    check.settled(mine)
    assert not check.is_waiting
    check.settled(mine)


@pytest.mark.parametrize(("listed", "expected"), [({"MINE"}, True), ({"9001"}, True), ({""}, False), (OTHERS, False)])
def test_an_order_is_listed_by_its_tag_or_its_broker_id(listed: set[str], expected: bool) -> None:
    assert is_listed(order(), listed) is expected


def test_an_order_without_a_broker_id_is_not_found_by_an_empty_one() -> None:
    mine = order()
    mine.broker_id = ""

    assert not is_listed(mine, {""})


@pytest.mark.parametrize(
    ("state", "changes", "expected"),
    [
        (S.FILLED, {}, 1),
        (S.CANCELLED, {}, 1),
        (S.REJECTED, {}, 0),  # left out by some brokers
        (S.WORKING, {}, 0),  # not over: `look` is about those
        (S.FILLED, {"broker_id": ""}, 0),  # the broker never had it
        (S.FILLED, {"intended_ns": DAY_NS - 1}, 0),  # of an earlier day
        (S.FILLED, {"intended_ns": DAY_NS}, 1),
        (S.FILLED, {"state_ns": 100 * NS_PER_S - MISSING_NS}, 0),  # the page may be that old
        (S.FILLED, {"state_ns": 100 * NS_PER_S - MISSING_NS - 1}, 1),
        (S.FILLED, {"tag": "SOMEBODY"}, 0),  # it is shown
    ],
)
def test_a_book_is_not_whole_when_it_lacks_what_ended_today(
    state: OrderState, changes: dict[str, object], expected: int
) -> None:
    ended = order(state)
    for name, value in changes.items():
        setattr(ended, name, value)

    assert lacking([ended], OTHERS, began_ns=100 * NS_PER_S, day_ns=DAY_NS) == expected


def test_everything_that_is_lacking_counts() -> None:
    ended = [order(S.FILLED, tag=f"T{number}") for number in range(3)]

    assert lacking(ended, OTHERS, began_ns=100 * NS_PER_S, day_ns=DAY_NS) == 3
