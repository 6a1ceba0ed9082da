"""A grid at a real desk with three accounts: how often it reads, and who is asked."""

from __future__ import annotations

import msgspec
import pytest

from engine.grid.terms import GridAccounts, GridTerms
from engine.instrument import Instrument, Segment

SHARES = {
    symbol: Instrument(symbol=symbol, exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=1)
    for symbol in ("IRFC", "SBIN")
}
TERMS = GridTerms(
    bot="grid",
    accounts=GridAccounts(trade="paper", upside_oco="up", downside_oco="down"),
    token_a="IRFC",
    token_b="SBIN",
    entry_paise=50_00,
    spread_paise=1_00,
    target_spread_paise=50,
    oco_spread_paise=2_00,
    qty_a=100,
    qty_b=50,
)
QUIET = {"IRFC": 50.0, "SBIN": 120.5}


@pytest.fixture
def grid_setup(seed_setup):
    def build(**changes: object):
        terms = msgspec.structs.replace(TERMS, **changes)
        return seed_setup(5, 5, symbols=(), grids=(terms,), accounts=terms.accounts.all, instruments=SHARES)

    return build


@pytest.mark.row("GRD-49", "GRD-48", "BUG-77")
def test_one_read_of_the_order_book_serves_all_levels(run_desk, grid_setup) -> None:
    def reads(setup) -> tuple[int, int]:
        async def scenario(rig):
            await rig.quiet(5.0, QUIET)
            before = rig.venues["paper"].reads
            await rig.quiet(30.0, QUIET)
            return len(rig.working(account="paper")), rig.venues["paper"].reads - before

        return run_desk(scenario, setup)

    few, many = reads(grid_setup()), reads(grid_setup(max_resting_entries_per_side=0))

    assert (few[0], many[0]) == (2, 10)
    assert many[1] <= few[1] + 2


@pytest.mark.row("GRD-39", "GRD-54")
def test_roles_with_one_account_share_its_session(run_desk, grid_setup) -> None:
    async def scenario(rig):
        await rig.quiet(5.0, QUIET)
        await rig.quiet(3.0, {**QUIET, "IRFC": 48.99})
        return {name: venue.logins for name, venue in rig.venues.items()}, [
            o.symbol for o in rig.working(account="oco")
        ]

    shared = GridAccounts(trade="paper", upside_oco="oco", downside_oco="oco")

    logins, hedges = run_desk(scenario, grid_setup(accounts=shared))

    assert logins == {"paper": 1, "oco": 1}
    assert hedges == ["SBIN"]
