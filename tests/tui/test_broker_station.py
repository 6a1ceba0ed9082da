"""What a station tells a port that carries no tag of ours, after a restart (OPS-05, ORD-13)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.instant import NS_PER_S
from engine.order import Order, OrderState, OrderType, Role, Side
from engine.port_reads import KnownOrder, SessionState
from tui.broker_station import known_of, login_words, recall
from tui.station import Station


def order(tag: str, broker_id: str = "") -> Order:
    return Order(
        tag=tag, account="A", bracket_id="B1", bot="legs", role=Role.STOP, symbol="IRFC", exchange="NSE", product="MIS",
        side=Side.SELL, type=OrderType.SL, qty=100, limit_paise=4_900, trigger_paise=4_950, broker_id=broker_id,
        intended_ns=77, state=OrderState.UNKNOWN,
    )  # fmt: skip


class Forgetful:
    """A port without tags."""

    account_id = "A"

    def __init__(self) -> None:
        self.known: list[KnownOrder] = []

    def recall(self, known: Any) -> None:
        self.known += known


@pytest.mark.fault("ORD-13")
def test_every_order_of_the_journal_is_recalled_as_it_was_sent() -> None:
    forgetful = Forgetful()
    ours = [order("SD1S", "4711"), order("SD2S")]
    station = SimpleNamespace(
        sessions={"live": SimpleNamespace(account=forgetful)},
        desk=SimpleNamespace(accounts={"A": SimpleNamespace(orders=lambda: ours)}),
    )
    recall(cast(Station, station))

    assert [(one.tag, one.broker_id, one.sent_ns) for one in forgetful.known] == [
        ("SD1S", "4711", 77),
        ("SD2S", "", 77),
    ]
    request = forgetful.known[0].request
    assert (request.tag, request.side, request.type, request.qty) == ("SD1S", Side.SELL, OrderType.SL, 100)
    assert (request.limit_paise, request.trigger_paise, request.product) == (4_900, 4_950, "MIS")


def test_a_port_that_reads_tags_is_told_nothing() -> None:
    station = SimpleNamespace(sessions={"live": SimpleNamespace(account=SimpleNamespace(account_id="A"))})
    recall(cast(Station, station))

    assert known_of(order("SD3S")).broker_id == ""


HOUR_NS = 3_600 * NS_PER_S
ENDS_NS = 1_795_566_600 * NS_PER_S
"""06:00 IST, when Kite's tokens end."""


@pytest.mark.row("OPS-12")
@pytest.mark.parametrize(
    ("state", "words"),
    [
        (SessionState(is_live=True), ""),
        (SessionState(is_live=True, may_trade=True, expires_ns=ENDS_NS + HOUR_NS), ""),
        (SessionState(is_live=True, expires_ns=ENDS_NS), "live: login ends 06:00"),
        (SessionState(is_live=True, may_trade=False, reason="this address is not registered"),
         "live: this address is not registered"),
        (SessionState(is_live=False, reason="token expired"), "live: log in again (token expired)"),
    ],
)  # fmt: skip
def test_the_top_line_says_before_it_happens_that_a_login_ends(state: SessionState, words: str) -> None:
    well = SessionState(is_live=True, expires_ns=ENDS_NS + 10 * HOUR_NS)

    assert login_words({"feed": well, "live": state}, ENDS_NS - HOUR_NS // 4) == words
