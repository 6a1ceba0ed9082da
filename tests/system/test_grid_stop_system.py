"""A desk with a grid is told to stop: what rests stays in its three accounts, or is taken back, and the legs go flat.

Real desk, gateways, books and exchange: entries and targets in `paper`, hedges in `up` and `down`.
"""

from __future__ import annotations

import msgspec
import pytest

from engine.grid.bot import GridBot
from engine.grid.terms import GridAccounts, GridTerms, TradeType
from engine.heartbeat import heartbeat_text
from engine.instrument import Instrument, Segment
from engine.operator import Enter, PauseEntries
from engine.order import OrderType, Side

PE = "NIFTY01DEC2624500PE"
IRFC = Instrument(symbol="IRFC", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=1)
SBIN = Instrument(symbol="SBIN", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)
TRADE, UP, DOWN = "paper", "up", "down"
GRID = "IRFC-SBIN Grid"
TERMS = GridTerms(
    bot=GRID,
    accounts=GridAccounts(trade=TRADE, upside_oco=UP, downside_oco=DOWN),
    token_a="IRFC",
    token_b="SBIN",
    entry_paise=50_00,
    spread_paise=1_00,
    target_spread_paise=50,
    oco_spread_paise=2_00,
    qty_a=100,
    qty_b=50,
)
"""The seed's worked example (GRD-60)."""
QUIET = {"IRFC": 50.0, "SBIN": 120.5, PE: 100.0}


def with_terms(**changes: object) -> GridTerms:
    return msgspec.structs.replace(TERMS, **changes)


@pytest.fixture
def grid_setup(seed_setup):
    def build(*, legs: tuple[str, ...] = (), **changes: object):
        return seed_setup(
            5,
            5,
            symbols=legs,
            grids=(with_terms(**changes),),
            accounts=(TRADE, UP, DOWN),
            instruments={"IRFC": IRFC, "SBIN": SBIN},
        )

    return build


def grid_of(rig) -> GridBot:
    return rig.desk.bots[GRID]


async def one_level_filled(rig) -> None:
    """Both nearest entries rest, the BUY fills, its target and its hedge rest, the next BUY rests: four orders."""
    await rig.quiet(3.0, QUIET)
    await rig.quiet(3.0, {**QUIET, "IRFC": 48.99})
    await rig.quiet(3.0, {**QUIET, "IRFC": 49.2})
    assert resting(rig) == {
        TRADE: [("BUY", "LIMIT", 48_00), ("SELL", "LIMIT", 49_50), ("SELL", "LIMIT", 51_00)],
        UP: [],
        DOWN: [("SELL", "SL", 118_50)],
    }
    assert (rig.net("IRFC"), rig.net("SBIN", UP), rig.net("SBIN", DOWN)) == (100, 0, 0)


def resting(rig) -> dict[str, list[tuple[str, str, int]]]:
    return {
        account: sorted(
            (o.side.value, o.type.value, o.trigger_paise if o.type is OrderType.SL else o.limit_paise)
            for o in rig.working(account=account)
        )
        for account in (TRADE, UP, DOWN)
    }


@pytest.mark.row("GRD-57", "OPS-21", "BUG-54", "GRD-38", "CON-54", "CON-55")
def test_a_stopped_grid_leaves_four_orders_resting_in_their_accounts_and_says_how_to_cancel_them(
    run_desk, grid_setup
) -> None:
    async def scenario(rig):
        await one_level_filled(rig)
        before, calls = resting(rig), [len(venue.calls) for venue in rig.venues.values()]

        code = await rig.desk.stop("asked to")

        assert code == 0
        assert resting(rig) == before and rig.net("IRFC") == 100
        assert [len(venue.calls) for venue in rig.venues.values()] == calls, "nothing is sent, nothing is cancelled"
        (kept,) = rig.said("remain active")
        assert "4 orders remain active: " in kept and "open: +100 IRFC in paper" in kept
        assert all(words in kept for words in ("2 entries", "1 target", "1 hedge"))
        health = rig.console.view().health
        assert health.survives_us == ("IRFC: 2 entries, 1 target", "SBIN: 1 hedge") and health.dies_with_us == ()
        assert "keeps its resting orders" in health.on_stop[0]
        assert f'strikedesk grid --bot-name "{GRID}" --cancel-all --token-a IRFC' in kept
        assert len(rig.said("hedge pairing is not enforced while stopped")) == 1
        assert not rig.said("end with this program") and not rig.said("STILL IN POSITION")

    run_desk(scenario, grid_setup())


@pytest.mark.row("GRD-57", "GRD-52", "GRD-36")
def test_a_hedge_that_does_not_rest_is_named_as_ending_with_the_program_and_the_exit_code_is_5(
    run_desk, grid_setup
) -> None:
    """Two levels have filled; by the bracketing only the nearer hedge rests."""

    async def scenario(rig):
        await one_level_filled(rig)
        await rig.quiet(3.0, {**QUIET, "IRFC": 47.99, "SBIN": 119.5})
        assert [level.label for level in grid_of(rig).body.levels if level.is_filled] == ["B1", "B2"]

        assert await rig.desk.stop("asked to") == 5
        assert rig.said("hedges that do not rest end with this program: B2 SELL 50 SBIN @ 117.50")
        assert rig.console.view().health.dies_with_us == ("hedge B2 SELL 50 SBIN @ 117.50",)
        assert "open 2, covered " in heartbeat_text(rig.console.view(), 1)

    run_desk(scenario, grid_setup())


@pytest.mark.row("GRD-57")
def test_with_cancel_on_stop_everything_that_rests_is_cancelled_and_the_next_start_places_it_again(
    run_desk, grid_setup
) -> None:
    async def scenario(rig):
        await one_level_filled(rig)
        before = resting(rig)

        code = await rig.desk.stop("asked to")

        assert resting(rig) == {TRADE: [], UP: [], DOWN: []}
        assert rig.net("IRFC") == 100, "positions are kept"
        assert code == 5, "100 units without a hedge"
        assert rig.said("no orders remain active; kept open: +100 IRFC in paper")
        assert rig.said("hedges that do not rest end with this program: B1 SELL 50 SBIN @ 118.50")

        again = await rig.revived(rig.journal.image())
        await again.quiet(4.0, {**QUIET, "IRFC": 49.2})
        assert resting(again) == before, "entries, the target and the hedge rest again"
        assert not again.desk.failures

    run_desk(scenario, grid_setup(cancel_on_stop=True))


@pytest.mark.row("GRD-57", "GRD-52", "GRD-20")
def test_a_cancelled_grid_without_a_position_ends_flat_with_exit_code_0(run_desk, grid_setup) -> None:
    async def scenario(rig):
        await rig.quiet(3.0, QUIET)
        assert len(rig.working()) == 2

        assert await rig.desk.stop("asked to") == 0
        assert not rig.working() and not rig.said("remain active")

    run_desk(scenario, grid_setup(cancel_on_stop=True))


@pytest.mark.row("OPS-21", "GRD-57")
def test_the_legs_of_the_same_desk_go_flat_while_the_grid_keeps_its_orders(run_desk, grid_setup) -> None:
    async def scenario(rig):
        await rig.quiet(3.0, QUIET)
        rig.request(Enter, side=Side.BUY, bot="random_scalp_live")
        await rig.quiet(2.0, QUIET)
        assert rig.net(PE) > 0 and len(rig.working("IRFC")) == 2

        assert await rig.desk.stop("asked to") == 0
        assert rig.net(PE) == 0
        assert len(rig.working("IRFC")) == 2
        assert rig.said("2 orders remain active: 2 entries")

    run_desk(scenario, grid_setup(legs=(PE,)))


@pytest.mark.row("OPS-21", "HRD-31")
def test_a_second_signal_takes_nothing_of_the_grid_back(run_desk, grid_setup) -> None:
    async def scenario(rig):
        await one_level_filled(rig)
        before = resting(rig)
        rig.desk.stopping = "asked to"
        rig.desk.ending.hurry()

        assert await rig.desk.stop("asked to") == 0
        assert resting(rig) == before

    run_desk(scenario, grid_setup())


@pytest.mark.row("GRD-57")
def test_a_planned_end_leaves_nothing_at_all(run_desk, grid_setup) -> None:
    async def scenario(rig):
        await one_level_filled(rig)

        assert await rig.desk.stop("the run is over", flatten=True) == 0
        assert resting(rig) == {TRADE: [], UP: [], DOWN: []}
        assert rig.net("IRFC") == 0

        again = await rig.revived(rig.journal.image())
        await again.quiet(3.0, QUIET)
        assert len(again.working("IRFC")) == 2, "levels that were left for the stop are free again"

    run_desk(scenario, grid_setup())


@pytest.mark.row("GRD-46", "GRD-38", "BUG-79")
def test_an_end_cancels_five_orders_in_every_account_and_keeps_the_positions(run_desk, grid_setup) -> None:
    """One entry and two targets in the trade account, two hedges in the other; then the end by imbalance."""

    async def scenario(rig):
        await rig.quiet(3.0, QUIET)
        await rig.quiet(3.0, {**QUIET, "IRFC": 48.99})
        await rig.quiet(3.0, {**QUIET, "IRFC": 47.99, "SBIN": 119.5})
        before = {account: len(orders) for account, orders in resting(rig).items()}
        assert before == {TRADE: 3, UP: 0, DOWN: 2}

        rig.desk.step(lambda now: rig.desk.decide(GRID, lambda bot: bot.terminate("OCO imbalance", now, rig.desk.out)))
        await rig.quiet(3.0, {**QUIET, "IRFC": 48.1, "SBIN": 119.5})

        assert resting(rig) == {TRADE: [], UP: [], DOWN: []}
        cancels = {account: sum(1 for op, _ in venue.calls if op == "cancel") for account, venue in rig.venues.items()}
        assert cancels == before
        assert rig.said("Terminated: OCO imbalance; still open: +100 IRFC in paper, +100 IRFC in paper")
        assert rig.net("IRFC") == 200

        again = await rig.revived(rig.journal.image())
        calls = [len(venue.calls) for venue in again.venues.values()]
        await again.quiet(5.0, QUIET)
        assert [len(venue.calls) for venue in again.venues.values()] == calls, "it sends nothing"
        assert again.desk.bots[GRID].body.status == "Terminated: OCO imbalance"

    run_desk(scenario, grid_setup(trade_type=TradeType.BUY_OCO, oco_bracket_depth=2))


@pytest.mark.row("GRD-47", "BUG-78")
def test_a_resumed_grid_goes_on_with_its_target_and_hedge_and_is_not_ended_by_the_same_fills_again(
    run_desk, grid_setup
) -> None:
    async def scenario(rig):
        await one_level_filled(rig)
        before = resting(rig)
        grid_of(rig).body.downside_oco = 5
        await rig.quiet(3.0, {**QUIET, "IRFC": 49.2})
        assert grid_of(rig).body.status == "Terminated: OCO imbalance"
        assert resting(rig) == {TRADE: [], UP: [], DOWN: []}

        rig.request(PauseEntries, paused=False, bot=GRID)
        await rig.quiet(4.0, {**QUIET, "IRFC": 49.2})
        assert grid_of(rig).body.status == "Active"
        assert resting(rig) == before

    run_desk(scenario, grid_setup())
