"""Records of trades that are not ours, beside a trade book that may be older than they are (NET-06)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.instant import NS_PER_S
from engine.order import Side, Trade
from engine.reconcile import OLD_BOOK_NS
from engine.trade_rows import TradeRows

pytestmark = [pytest.mark.fault("NET-06", "HUM-02"), pytest.mark.row("I-8")]


def trade(number: int) -> Trade:
    return Trade(
        trade_id=f"T{number}", broker_id=f"O{number}", tag="", symbol="IRFC", side=Side.BUY, qty=10, price_paise=5000,
        at_ns=number,
    )  # fmt: skip


class Clock:
    now = 0

    def now_ns(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rows(clock: Clock) -> TradeRows:
    desk = SimpleNamespace(clock=clock, blotter=SimpleNamespace(find=lambda _account, _trade: None))
    account = SimpleNamespace(account_id="A", holdings=[("IRFC", "MIS")])
    return TradeRows(cast("Any", desk), cast("Any", account))


def ids(rows: TradeRows) -> list[str]:
    return sorted(each.trade_id for each in rows.of(("IRFC", "MIS")))


def test_a_pushed_record_counts_at_once_and_once(rows: TradeRows) -> None:
    rows.note([])
    assert ids(rows) == []
    for _ in range(2):
        rows.hear(trade(1))
    assert ids(rows) == ["T1"]
    rows.note([trade(1)], [trade(1)])
    rows.hear(trade(1))
    assert ids(rows) == ["T1"]


@pytest.mark.parametrize("seen_in", ["push", "book"])
def test_what_was_seen_counts_until_no_book_can_be_so_old(rows: TradeRows, clock: Clock, seen_in: str) -> None:
    if seen_in == "push":
        rows.hear(trade(1))
    else:
        rows.note([trade(1)], [trade(1)])
    clock.now = OLD_BOOK_NS
    rows.note([trade(2)], [trade(2)])
    assert ids(rows) == ["T1", "T2"]

    clock.now += NS_PER_S
    rows.note([trade(2)], [trade(2)])
    assert ids(rows) == ["T2"], "taken back by the exchange, then"


def test_the_brokers_own_records_of_ours_are_the_books_affair(rows: TradeRows) -> None:
    rows.note([trade(1), trade(2)], [trade(2)])
    rows.note([])
    assert ids(rows) == ["T2"]


def test_a_new_day_has_none(rows: TradeRows) -> None:
    rows.hear(trade(1))
    rows.clear()
    rows.note([])
    assert ids(rows) == []
