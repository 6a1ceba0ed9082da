"""A grid's memory to the seed's state file and back: what stands in it, what a file begins, what it cannot begin."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.grid.bot import GridBot
from engine.grid.geometry import ladder
from engine.grid.level import fresh_level
from engine.grid.memory import GridBody
from engine.grid.record import GridBooks, StoredPosition, body_of, record_of
from engine.grid.state_file import StateFileError, export_text, import_text
from engine.grid.terms import GridAccounts, GridTerms
from engine.grid.view import LevelWord

TERMS = GridTerms(
    bot="IRFC-SBIN Grid",
    accounts=GridAccounts(trade="T", upside_oco="U", downside_oco="D"),
    token_a="IRFC",
    token_b="SBIN",
    entry_paise=50_00,
    target_spread_paise=50,
    oco_spread_paise=2_00,
    qty_a=100,
    qty_b=50,
)
TICK = 5


def books_of(bot: GridBot) -> GridBooks:
    positions = [
        StoredPosition(
            body=bracket.body,
            orders=bracket.mine,
            open_qty=bracket.net_qty,
            opened_ns=bracket.body.opened_ns,
            closed_ns=0,
        )
        for bracket in bot.brackets.values()
    ]
    return GridBooks(body=bot.body, positions=positions, total_paise=12_34)


@pytest.mark.row("GRD-55", "OPS-16", "GRD-11")
def test_a_filled_level_is_written_with_its_target_its_hedge_and_its_cycle(bench) -> None:
    grid = bench
    grid.a(50_00, 49_00)
    record = record_of(books_of(grid.bot), grid.terms)

    level = next(row for row in record.open_orders if row.order_side == "target")
    assert (level.entry_trade_price_paise, level.oco_trade_price_paise, level.token_b_price_paise) == (
        49_50,
        118_50,
        120_50,
    )
    assert level.entry_order_id and level.oco_order_id
    assert (record.downside_net_quantity, record.upside_net_quantity, record.total_pnl_paise) == (100, 0, 12_34)
    (cycle,) = record.order_history
    assert (cycle.uuid, cycle.entry_fill_price_paise, cycle.target_price_paise) == (level.uuid, 49_00, 49_50)
    assert cycle.target_fill_price_paise is None
    assert import_text(export_text(record)) == record


@pytest.mark.row("OPS-16")
def test_a_level_that_held_units_is_paused_with_what_it_held(bench) -> None:
    grid = bench
    grid.a(50_00, 49_00)
    record = record_of(books_of(grid.bot), grid.terms)

    body = body_of(record, grid.terms, TICK)

    (held,) = [level for level in body.levels if level.state is LevelWord.PAUSED]
    assert held.note == "imported while it held BUY 100 @ 49.00: close that by hand, then resume"
    assert not any(level.cycle or level.group for level in body.levels), "no order of another program is ours"


@pytest.mark.row("OPS-16", "GRD-47")
@given(
    closed=st.sets(st.integers(0, 9)),
    status=st.sampled_from(["Active", "Stopped", "Terminated: OCO imbalance"]),
    counts=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_what_waits_and_what_is_closed_comes_back_as_it_was(
    closed: set[int], status: str, counts: tuple[int, int]
) -> None:
    levels = [fresh_level(rung, f"{number:012x}") for number, rung in enumerate(ladder(TERMS, 50_00, TICK))]
    for number in closed:
        levels[number].state = LevelWord.OCO_FILLED
    before = GridBody(status=status, centre_paise=50_00, levels=levels, upside_oco=counts[0], downside_oco=counts[1])

    record = import_text(export_text(record_of(GridBooks(body=before), TERMS)))
    after = body_of(record, TERMS, TICK)

    def known(body: GridBody) -> list[tuple[object, ...]]:
        rows = [(one.uuid, one.side, one.index, one.entry_paise, one.target_paise, one.state) for one in body.levels]
        return sorted(rows, key=str)

    assert known(after) == known(before)
    assert (after.status, after.upside_oco, after.downside_oco) == (status, *counts)
    assert record_of(GridBooks(body=after), TERMS) == record or {
        row.uuid for row in record_of(GridBooks(body=after), TERMS).open_orders
    } == {row.uuid for row in record.open_orders}


@pytest.mark.row("OPS-16")
def test_a_level_of_another_ladder_is_refused_with_its_place() -> None:
    levels = [fresh_level(rung, f"{number:012x}") for number, rung in enumerate(ladder(TERMS, 50_00, TICK))]
    record = record_of(GridBooks(body=GridBody(centre_paise=50_00, levels=levels)), TERMS)
    other = msgspec.structs.replace(TERMS, spread_paise=1_50)

    with pytest.raises(StateFileError, match=r"open_orders\[0\].entry_trade_price = 49.00: no entry of a level"):
        body_of(record, other, TICK)
