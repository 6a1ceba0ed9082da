"""The desk of `tests/system`, killed and started again on what it left, while the exchange goes on."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.journal.store import Journal
from engine.order import OrderType, Side
from engine.port import OrderRequest
from engine.tick import Tick

_SYSTEM = runpy.run_path(str(Path(__file__).resolve().parents[1] / "system" / "conftest.py"))
run_desk = _SYSTEM["run_desk"]
seed_setup = _SYSTEM["seed_setup"]


@pytest.fixture
def exchange_sees() -> Callable[..., None]:
    """exchange_sees(rig, symbol, rupees, size): a price that trades while no desk listens."""

    def trade(rig, symbol: str, rupees: float, size: int = 100_000) -> None:
        paise = round(rupees * 100)
        rig.exchange.on_tick(Tick(symbol, rig.clock.now_ns(), paise, paise, size, paise, size))

    return trade


@pytest.fixture
def by_hand() -> Callable[..., str]:
    """by_hand(rig, symbol, side, qty, rupees): somebody's order straight at the exchange; returns its broker id."""

    def place(
        rig,
        symbol: str,
        side: Side,
        qty: int,
        rupees: float,
        *,
        tag: str = "",
        trigger: float = 0,
        product: str = "MIS",
    ) -> str:
        orders = rig.exchange.orders("paper")
        request = OrderRequest(
            tag=tag or f"HAND{len(orders)}",
            symbol=symbol,
            exchange="NFO",
            product="MIS",
            side=side,
            type=OrderType.SL if trigger else OrderType.LIMIT,
            qty=qty,
            limit_paise=round(rupees * 100),
            trigger_paise=round(trigger * 100),
        )
        return rig.exchange.place("paper", request, rig.clock.now_ns()).broker_id

    return place


@pytest.fixture
def heir() -> Callable[..., object]:
    """heir(rig, image): the next desk on that journal, built and not started, so that its venue can be prepared."""

    def build(rig, image: bytes, **changes: object):
        return type(rig)(rig.setup, Journal.in_memory(image), rig.exchange, rig.clock)

    return build


STATE_TABLES = ("orders", "fills", "brackets", "positions", "trades", "alarms", "bots", "intents", "exposures")


@pytest.fixture
def state_of() -> Callable[..., dict[str, list[tuple[object, ...]]]]:
    """state_of(image): every row of the tables of facts in a journal; events and runs are its story, not its state."""
    import sqlite3

    def read(image: bytes) -> dict[str, list[tuple[object, ...]]]:
        conn = sqlite3.connect(":memory:")
        conn.deserialize(image)
        rows = {table: conn.execute(f"SELECT * FROM {table}").fetchall() for table in STATE_TABLES}
        conn.close()
        return rows

    return read
