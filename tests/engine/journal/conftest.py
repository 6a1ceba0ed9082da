"""What the journal's tests write: one order of one bracket, and the rows around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.journal.records import Batch, BracketRow, EventRow, FillRow, IntentRow
from engine.journal.store import Journal
from engine.order import Order, OrderType, Role, Side

START_NS = 1_795_405_500_000_000_000  # 2026-11-23 09:15 IST


@pytest.fixture
def start_ns() -> int:
    return START_NS


@pytest.fixture
def make_order() -> Callable[..., Order]:
    def make(tag: str = "R1T1", **changes: object) -> Order:
        fields: dict[str, object] = {
            "tag": tag,
            "account": "AB1234",
            "bracket_id": "B1",
            "bot": "pair",
            "role": Role.ENTRY,
            "symbol": "NIFTY24500PE",
            "exchange": "NFO",
            "product": "NRML",
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "qty": 75,
            "limit_paise": 10_005,
            "intended_ns": START_NS,
            "state_ns": START_NS,
        }
        return Order(**{**fields, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_intent() -> Callable[..., IntentRow]:
    def make(tag: str = "R1T1", op: str = "place", **changes: object) -> IntentRow:
        fields: dict[str, object] = {
            "tag": tag,
            "op": op,
            "account": "AB1234",
            "bracket_id": "B1",
            "role": Role.ENTRY,
            "symbol": "NIFTY24500PE",
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "qty": 75,
            "limit_paise": 10_005,
            "trigger_paise": 0,
            "reason": "entry",
            "at_ns": START_NS,
        }
        return IntentRow(**{**fields, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_fill() -> Callable[..., FillRow]:
    def make(trade_id: str = "X1", tag: str = "R1T1", **changes: object) -> FillRow:
        fields: dict[str, object] = {
            "trade_id": trade_id,
            "broker_id": "26112300001",
            "tag": tag,
            "account": "AB1234",
            "bracket_id": "B1",
            "symbol": "NIFTY24500PE",
            "side": Side.BUY,
            "qty": 75,
            "price_paise": 10_005,
            "at_ns": START_NS,
        }
        return FillRow(**{**fields, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_bracket() -> Callable[..., BracketRow]:
    def make(bracket_id: str = "B1", **changes: object) -> BracketRow:
        fields: dict[str, object] = {
            "bracket_id": bracket_id,
            "account": "AB1234",
            "bot": "pair",
            "symbol": "NIFTY24500PE",
            "style": "resting",
            "state": "entering",
            "open_qty": 0,
            "entry_paise": 0,
            "stop_paise": 9_505,
            "target_paise": 10_505,
            "opened_ns": START_NS,
            "body": b'{"trail":null}',
        }
        return BracketRow(**{**fields, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def numbered_batch() -> Callable[[int], Batch]:
    """A batch that says its number, so that the order on disk can be read back."""

    def make(number: int) -> Batch:
        return Batch(events=[EventRow(at_ns=START_NS + number, level="INFO", event=str(number), source="test")])

    return make


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path / "desk.db", now_ns=START_NS)
    yield opened
    opened.close()
