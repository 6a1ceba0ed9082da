"""Orders of ours are found in a book without tags, and never a second one is sent for the same purpose (ORD-13)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from brokers.openalgo.orders import OrderRow, Terms, Wire
from brokers.openalgo.placements import Placements
from engine.instant import NS_PER_DAY, NS_PER_S
from engine.order import OrderState, OrderType, Side
from engine.port import OrderRequest
from engine.port_reads import KnownOrder

pytestmark = [pytest.mark.row("OPS-05"), pytest.mark.fault("ORD-13")]
WIRE = Wire("NFO", "NIFTY01DEC2624500PE")
NOW = 1_795_600_000 * NS_PER_S
WINDOW = 130 * NS_PER_S
TERMS = Terms(
    wire=WIRE, product="MIS", side=Side.BUY, type=OrderType.LIMIT, qty=65, limit_paise=10_000, trigger_paise=0
)


def row(broker_id: str, at_ns: int = 0, strategy: str = "", **changes: Any) -> OrderRow:
    return OrderRow(
        broker_id=broker_id, terms=replace(TERMS, **changes), state=OrderState.WORKING, filled_qty=None,
        average_paise=0, strategy=strategy, text="", at_ns=at_ns,
    )  # fmt: skip


@pytest.fixture
def placements() -> Placements:
    return Placements(WINDOW)


def look(placements: Placements, *rows: OrderRow) -> list[str]:
    return placements.seen(rows, placements.begin_read())


@pytest.mark.fault("ORD-01")
def test_the_only_new_row_with_these_terms_is_the_unanswered_order(placements: Placements) -> None:
    look(placements, row("1"))
    placements.begin("T1", TERMS, NOW, serial=True)

    assert look(placements, row("1"), row("2", limit_paise=10_005), row("3", NOW + NS_PER_S)) == []
    assert (placements.tag_of("1"), placements.tag_of("2"), placements.tag_of("3")) == ("", "", "T1")
    assert not placements.has_open


def test_a_row_that_was_there_before_is_never_adopted(placements: Placements) -> None:
    look(placements, row("1"))
    placements.begin("T1", TERMS, NOW, serial=True)
    look(placements, row("1"))

    assert placements.tag_of("1") == "" and placements.has_open


@pytest.mark.parametrize(
    "changes",
    [
        {"qty": 130}, {"side": Side.SELL}, {"limit_paise": 9_995}, {"trigger_paise": 5}, {"product": "NRML"},
        {"type": OrderType.SL}, {"wire": Wire("BFO", WIRE.symbol)}, {"wire": Wire("NFO", "NIFTY01DEC2624550PE")},
    ],
)  # fmt: skip
def test_every_field_must_be_the_same(placements: Placements, changes: dict[str, Any]) -> None:
    placements.begin("T1", TERMS, NOW, serial=True)
    look(placements, row("9", **changes))

    assert placements.tag_of("9") == ""


def test_several_candidates_are_told_once_and_adopted_by_none(placements: Placements) -> None:
    placements.begin("T1", TERMS, NOW, serial=True)
    first, second = look(placements, row("1"), row("2")), look(placements, row("1"), row("2"))

    assert len(first) == 1 and "T1" in first[0] and "1, 2" in first[0]
    assert second == [] and placements.tag_of("1") == placements.tag_of("2") == ""


def test_the_time_of_a_row_excludes_it_only_where_it_is_older_in_every_zone(placements: Placements) -> None:
    placements.begin("T1", TERMS, NOW, serial=True)
    look(placements, row("old", NOW - 6 * 3600 * NS_PER_S))
    assert placements.tag_of("old") == ""

    look(placements, row("old", NOW - 6 * 3600 * NS_PER_S), row("utc", NOW - 19_800 * NS_PER_S))
    assert placements.tag_of("utc") == "T1", "a plugin that passes on UTC as if it were IST"


@pytest.mark.fault("ORD-15")
def test_an_identical_order_waits_until_the_first_is_known_or_its_window_is_over(placements: Placements) -> None:
    assert placements.begin("T1", TERMS, NOW, serial=True) == ""
    assert "unresolved" in placements.begin("T2", TERMS, NOW + NS_PER_S, serial=True)
    assert placements.begin("T3", replace(TERMS, limit_paise=9_000), NOW + NS_PER_S, serial=True) == ""
    assert placements.begin("T4", TERMS, NOW + NS_PER_S, serial=False) == "", "its tag comes back"
    assert "sent before" in placements.begin("T1", TERMS, NOW, serial=True)
    assert placements.begin("T5", TERMS, NOW + 2 * WINDOW, serial=True) == ""


def test_an_answer_ends_the_waiting(placements: Placements) -> None:
    placements.begin("T1", TERMS, NOW, serial=True)
    placements.adopt("T1", "7")
    assert placements.begin("T2", TERMS, NOW, serial=True) == ""
    placements.drop("T2")
    assert placements.begin("T2", TERMS, NOW, serial=True) == ""


def test_the_brokers_word_corrects_a_wrong_guess(placements: Placements) -> None:
    placements.begin("T1", TERMS, NOW, serial=True)
    look(placements, row("foreign"))
    assert placements.tag_of("foreign") == "T1"
    placements.adopt("T1", "mine")

    assert (placements.tag_of("foreign"), placements.tag_of("mine")) == ("", "T1")


@pytest.mark.fault("ORD-03")
def test_a_ghost_is_known_when_it_comes_after_its_window(placements: Placements) -> None:
    placements.begin("T1", TERMS, NOW, serial=True)
    look(placements)
    look(placements, row("late", NOW + 2 * WINDOW))

    assert placements.tag_of("late") == "T1"


def test_two_unanswered_orders_of_one_kind_share_no_row(placements: Placements) -> None:
    placements.begin("T1", TERMS, NOW, serial=True)
    placements.begin("T2", TERMS, NOW + 2 * WINDOW, serial=True)
    notes = look(placements, row("5", NOW + 2 * WINDOW))

    assert placements.tag_of("5") == "" and len(notes) == 2


def test_the_label_of_analyze_mode_is_the_tag(placements: Placements) -> None:
    placements.begin("T1", TERMS, NOW, serial=False)
    look(placements, row("4", strategy="T1"), row("5", strategy="OTHER"))

    assert (placements.tag_of("4"), placements.tag_of("5")) == ("T1", "")


@pytest.mark.fault("STO-02")
def test_orders_of_an_earlier_run_are_known_again(placements: Placements) -> None:
    def known(tag: str, broker_id: str, limit_paise: int, sent_ns: int = NOW) -> KnownOrder:
        request = OrderRequest(
            tag=tag, symbol=WIRE.symbol, exchange="NFO", product="MIS", side=Side.BUY, type=OrderType.MARKET, qty=65,
            limit_paise=limit_paise, trigger_paise=0,
        )  # fmt: skip
        return KnownOrder(tag=tag, broker_id=broker_id, request=request, sent_ns=sent_ns)

    placements.recall(
        [known("OLD", "11", 9_000), known("LOST", "", 10_000)], lambda symbol, exchange: Wire(exchange, symbol)
    )
    look(placements, row("11", limit_paise=9_000), row("12", NOW + NS_PER_S))

    assert (placements.tag_of("11"), placements.tag_of("12")) == ("OLD", "LOST")
    assert placements.ids_of_day(NOW) == {"11", "12"}
    assert placements.terms_of("11") == replace(TERMS, limit_paise=9_000)


def test_yesterdays_orders_are_not_expected_in_todays_book(placements: Placements) -> None:
    placements.begin("T1", TERMS, NOW - NS_PER_DAY, serial=True)
    placements.adopt("T1", "1")
    placements.begin("T2", TERMS, NOW, serial=True)

    assert placements.ids_of_day(NOW) == frozenset() and placements.tag_of("1") == ""


def test_a_change_is_remembered(placements: Placements) -> None:
    placements.begin("T1", TERMS, NOW, serial=True)
    placements.adopt("T1", "1")
    placements.change("1", replace(TERMS, limit_paise=9_000))

    assert placements.terms_of("1") == replace(TERMS, limit_paise=9_000)
    assert placements.terms_of("nobody") is None
