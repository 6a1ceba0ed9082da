"""Pictures of a desk with a grid, made by hand: the IRFC/SBIN grid of the seed in a busy minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine.grid.terms import GridAccounts, GridKind, TradeSide, TradeType
from engine.grid.view import GridHedgeView, GridLevelView, GridView, HedgeWord, LevelWord, TokenView
from engine.instant import NS_PER_S
from engine.order import OrderState, Side
from engine.view import BracketState, BracketView, DeskView, ExitStyle, ExitView

L, H = LevelWord, HedgeWord


def level(label: str, paise: int, **fields: Any) -> GridLevelView:
    side = Side.BUY if label[0] == "B" else Side.SELL
    base: dict[str, Any] = {
        "level_id": f"{label.lower()}c0ffee0001",
        "index": int(label[1:]),
        "side": side,
        "price_paise": paise,
        "target_paise": paise + side.sign * 50,
        "state": L.FRESH,
        "wanted_qty": 100,
    }
    return GridLevelView(**(base | fields))


def levels() -> tuple[GridLevelView, ...]:
    return (
        level(
            "B1", 4900, state=L.TARGET_PLACED, working_qty=100, filled_qty=100, open_qty=100, open_paise=-3800,
            order_tag="SD000100042T", bracket_id="B00010042", hedge_bracket_id="B00010043", hedge_state=H.RESTING,
            hedge_trigger_paise=11850, hedge_covered_qty=50, hedge_needed_qty=50, cycles=3,
        ),
        level(
            "B2", 4800, state=L.TARGET_PLACED, working_qty=40, wanted_qty=40, filled_qty=40, open_qty=40,
            open_paise=2480, order_tag="SD000100051T", bracket_id="B00010051", hedge_state=H.HELD_BACK,
            hedge_trigger_paise=11760, hedge_needed_qty=20,
        ),
        level("B3", 4700, state=L.ENTRY_PLACED, working_qty=100, order_tag="SD000100060E", bracket_id="B00010060"),
        level("B4", 4600),
        level("B5", 4500),
        level(
            "S1", 5100, state=L.OCO_FILLED, wanted_qty=0, filled_qty=100, open_qty=-100, open_paise=11900,
            hedge_bracket_id="B00010031", hedge_state=H.FILLED, hedge_trigger_paise=12250, hedge_covered_qty=50,
            hedge_needed_qty=50, hedge_open_qty=50, note="closed by its hedge 122.55",
        ),
        level("S2", 5200, state=L.ENTRY_PLACED, working_qty=100, order_tag="SD000100055E", bracket_id="B00010055"),
        level("S3", 5300, state=L.PAUSED, note="refused 3x: [b]margin[/b]\x1b[31m short"),
        level("S4", 5400),
        level("S5", 5500),
    )  # fmt: skip


def make_grid(now_ns: int, **fields: Any) -> GridView:
    base: dict[str, Any] = {
        "bot": "irfc-sbin",
        "trade_type": TradeType.GRID_OCO,
        "kind": GridKind.LINEAR,
        "accounts": GridAccounts(trade="DEMO1", upside_oco="DEMO2", downside_oco="DEMO3"),
        "token_a": TokenView(
            symbol="IRFC", ltp_paise=4862, ltp_move=-1, tick_ns=now_ns - NS_PER_S // 5, net_qty=40, average_paise=4871
        ),
        "token_b": TokenView(
            symbol="SBIN", ltp_paise=11905, ltp_move=1, tick_ns=now_ns - NS_PER_S // 2, net_qty=50, average_paise=12255
        ),
        "centre_paise": 5000,
        "realised_paise": 15000,
        "open_paise": 10580,
        "charges_paise": 412,
        "cycles": 3,
        "upside_net_qty": 0,
        "downside_net_qty": 140,
        "upside_oco_count": 1,
        "used_qty": 140,
        "max_qty": 500,
        "imbalance": 1,
        "imbalance_limit": 5,
        "overdue_limit": 3,
        "levels": levels(),
        "hedges": (
            GridHedgeView(
                direction=Side.SELL, trade_side=TradeSide.DOWNSIDE, account="DEMO3", state=H.RESTING,
                trigger_paise=11850, limit_paise=11790, qty=50, covered_qty=50, needed_qty=50, levels="B1",
                since_ns=now_ns - 41 * NS_PER_S, is_resting=True,
            ),
            GridHedgeView(
                direction=Side.SELL, trade_side=TradeSide.DOWNSIDE, account="DEMO3", state=H.HELD_BACK,
                trigger_paise=11760, qty=20, needed_qty=20, levels="B2", since_ns=now_ns - 12 * NS_PER_S,
            ),
        ),
    }  # fmt: skip
    return GridView(**(base | fields))


def bare_grid(now_ns: int) -> GridView:
    """Two levels hold units without a hedge, MaxQuantity is reached, and the next hedge fill ends it."""
    rows = list(levels())
    for index in (0, 1):
        rows[index] = msgspec.structs.replace(
            rows[index], hedge_state=H.UNHEDGED, hedge_covered_qty=0, hedge_trigger_paise=0, hedge_bracket_id=""
        )
    hedge = GridHedgeView(
        direction=Side.SELL, trade_side=TradeSide.DOWNSIDE, account="DEMO3", state=H.UNHEDGED, qty=70, needed_qty=70,
        levels="B1 B2", since_ns=now_ns - 3 * NS_PER_S,
    )  # fmt: skip
    return make_grid(
        now_ns,
        levels=tuple(rows),
        hedges=(hedge,),
        used_qty=500,
        max_reached=True,
        imbalance=4,
        overdue=2,
        note="no SBIN price for 6 s: nothing can be hedged from it",
    )


def brackets_of_grid() -> tuple[BracketView, ...]:
    """Of the two levels that hold units; they rest their targets and have no stop of their own."""
    return tuple(
        BracketView(
            bracket_id=f"B000100{number}",
            name="IRFC",
            bot="irfc-sbin",
            style=ExitStyle.RESTING,
            state=BracketState.PROTECTED,
            open_qty=qty,
            covered_qty=qty,
            working_exit_qty=qty,
            stop=None,
            target=ExitView(price_paise=4950, qty=qty, resting=True, state=OrderState.WORKING),
            trail="",
        )
        for number, qty in ((42, 100), (51, 40))
    )


@pytest.fixture
def now_ns(console: Any) -> int:
    return console.view().status.now_ns


@pytest.fixture
def grid_of(now_ns: int) -> Callable[..., GridView]:
    """The busy grid with other values."""
    return lambda **fields: make_grid(now_ns, **fields)


@pytest.fixture
def grid_console(console_in: Callable[[str], Any], now_ns: int) -> Callable[[str], Any]:
    """A fake desk: `grid`, `bare`, `ended`, `waiting`, `buy`, `two`, `both`, `both_bare`."""

    def make(state: str) -> Any:
        console = console_in("normal")
        view: DeskView = console.view()
        grid = make_grid(now_ns)
        grids: dict[str, tuple[GridView, ...]] = {
            "grid": (grid,),
            "both": (grid,),
            "bare": (bare_grid(now_ns),),
            "both_bare": (bare_grid(now_ns),),
            "ended": (make_grid(now_ns, status="Terminated: OCO imbalance", levels=levels()[:6], imbalance=5),),
            "waiting": (
                make_grid(
                    now_ns, centre_paise=0, levels=(), hedges=(), token_a=TokenView(symbol="IRFC"),
                    token_b=TokenView(symbol="SBIN"), used_qty=0, downside_net_qty=0, upside_oco_count=0, imbalance=0,
                    cycles=0, realised_paise=0, open_paise=0, charges_paise=0,
                ),
            ),
            "buy": (
                make_grid(
                    now_ns, trade_type=TradeType.BUY, accounts=GridAccounts(trade="DEMO1"), token_b=None, hedges=(),
                    levels=tuple(
                        msgspec.structs.replace(row, hedge_state=H.NONE) for row in levels() if row.side is Side.BUY
                    ),
                ),
            ),
            "two": (grid, make_grid(now_ns, bot="second", centre_paise=5050)),
        }  # fmt: skip
        has_legs = state.startswith("both")
        console.change(
            grids=grids[state],
            legs=view.legs if has_legs else (),
            brackets=(*(view.brackets if has_legs else ()), *brackets_of_grid()),
        )
        console.change_status(index_name="", index_paise=0)
        return console

    return make


@pytest.fixture(scope="session")
def fresh_grid_console(fresh_console: Callable[[], Any]) -> Callable[[], Any]:
    """For properties: a new desk with the busy grid alone for every example."""

    def make() -> Any:
        console = fresh_console()
        console.change(grids=(make_grid(console.view().status.now_ns),), legs=(), brackets=())
        return console

    return make
