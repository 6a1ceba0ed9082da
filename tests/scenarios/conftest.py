"""The desk of `tests/system` and the bracket bench of `tests/engine`, for the scenarios that the seeds name."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.order import OrderType, Side
from engine.port import OrderRequest
from engine.tick import Tick

_TESTS = Path(__file__).resolve().parents[1]
_WIRED = runpy.run_path(str(_TESTS / "scenarios" / "wired.py"))
_SYSTEM = _WIRED["SYSTEM"]
_ENGINE = runpy.run_path(str(_TESTS / "engine" / "conftest.py"))
on_paper = _SYSTEM["run_desk"]
seed_setup = _SYSTEM["seed_setup"]
equity = _SYSTEM["equity"]
bench = _ENGINE["bench"]


@pytest.fixture
def run_desk(request: pytest.FixtureRequest) -> Callable[..., object]:
    """On the paper account, or through the adapter that the test's parameter names."""
    kind = getattr(request, "param", "paper")
    return request.getfixturevalue("on_paper") if kind == "paper" else _WIRED["run_wired"](kind)


@pytest.fixture
def by_hand() -> Callable[..., None]:
    """by_hand(rig, symbol, side, qty, rupees): the trader's own marketable order, straight at the exchange."""

    def trade(rig, symbol: str, side: Side, qty: int, rupees: float) -> None:
        request = OrderRequest(
            tag=f"HAND{len(rig.exchange.orders('paper'))}",
            symbol=symbol,
            exchange="NFO",
            product="MIS",
            side=side,
            type=OrderType.LIMIT,
            qty=qty,
            limit_paise=round(rupees * 100),
            trigger_paise=0,
        )
        rig.exchange.place("paper", request, rig.clock.now_ns())

    return trade


def _price(rig, symbol: str, rupees: float) -> Tick:
    paise = round(rupees * 100)
    return Tick(symbol, rig.clock.now_ns(), paise, paise, 100_000, paise, 100_000)


@pytest.fixture
def exchange_sees() -> Callable[..., None]:
    """exchange_sees(rig, symbol, rupees): a price that the exchange matches at and the desk's own feed never shows."""
    return lambda rig, symbol, rupees: rig.exchange.on_tick(_price(rig, symbol, rupees))


@pytest.fixture
def desk_sees() -> Callable[..., None]:
    """desk_sees(rig, symbol, rupees): a price that only the desk hears; the exchange has not traded it yet."""
    return lambda rig, symbol, rupees: rig.desk.on_tick(_price(rig, symbol, rupees))
