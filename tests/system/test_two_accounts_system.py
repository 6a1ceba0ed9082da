"""One desk on two accounts: each has its own orders, books, path and recovery, and nothing crosses over.

`first` trades the account `paper`, `second` trades `hedge`; both hold the same put, so that only the account tells
their orders and positions apart. `straddle` holds its put in one account and its call in the other.
"""

from __future__ import annotations

import dataclasses
from itertools import count

import pytest

from engine.bracket import Bracket
from engine.bracket_state import BracketBody, BracketTerms
from engine.desk_parts import BotTools, GroupParts
from engine.fence import HANDS_OFF, Fence
from engine.leg import Leg
from engine.legs import LegsBot
from engine.operator import Adopt, Enter, ExitLeg, ReconcileNow, ZeroOut
from engine.order import OrderType, Side
from engine.port import OrderRequest, Unknown

PE, CE = "NIFTY01DEC2624500PE", "NIFTY01DEC2624500CE"
MAIN, HEDGE = "paper", "hedge"
FIRST, SECOND = "random_scalp_live", "second"
LOT = 75
_numbers = count(1)


def terms(target: float, stop: float) -> BracketTerms:
    return BracketTerms(target_offset_paise=round(target * 100), stop_offset_paise=round(stop * 100))


@pytest.fixture
def two(seed_setup, group):
    """Two groups of the same put, each in an account of its own; the second has wider exits and two lots."""

    def build(**changes: object):
        second = group(SECOND, (PE,), lots=2, bracket=terms(20, 10), account=HEDGE)
        return seed_setup(5, 5, symbols=(PE,), groups=(second,), accounts=(MAIN, HEDGE), **changes)

    return build


def by_hand(rig, account: str, side: Side, qty: int, price: float) -> None:
    """An order of the trader's own, straight at the exchange."""
    request = OrderRequest(
        tag=f"HAND{next(_numbers)}", symbol=PE, exchange="NFO", product="MIS", side=side, type=OrderType.LIMIT,
        qty=qty, limit_paise=round(price * 100), trigger_paise=0,
    )  # fmt: skip
    rig.exchange.place(account, request, rig.clock.now_ns())


def assert_nobody_crossed(rig) -> None:
    """Every call that a venue got is about an order of its own account."""
    orders = rig.desk.blotter.orders
    for account, venue in rig.venues.items():
        tags = [request if isinstance(request, str) else request.tag for _, request in venue.calls]
        assert {orders[tag].account for tag in tags} <= {account}
    assert {order.account for order in orders.values()} <= set(rig.venues)


async def enter_both(rig) -> None:
    await rig.enter(100.0)
    await rig.quiet(1.0)
    assert (rig.net(PE), rig.net(PE, HEDGE)) == (LOT, 2 * LOT)


def covered(rig, bot: str) -> tuple[int, int]:
    bracket = rig.leg(PE, bot).bracket
    return bracket.open_qty, bracket.covered_qty


def bought(rig, bot: str) -> int:
    return rig.leg(PE, bot).bracket.entered_qty


@pytest.mark.row("GRD-38")
def test_entries_protection_and_exits_stay_in_the_account_of_their_bot(run_desk, two) -> None:
    async def scenario(rig):
        await enter_both(rig)
        for account, qty in ((MAIN, LOT), (HEDGE, 2 * LOT)):
            exits = {(order.type, order.side, order.qty) for order in rig.working(PE, account)}
            assert exits == {(OrderType.SL, Side.SELL, qty), (OrderType.LIMIT, Side.SELL, qty)}

        await rig.quiet(2.0, 105.0)
        assert (rig.net(PE), rig.net(PE, HEDGE)) == (0, 2 * LOT), "the target of the first alone was reached"
        assert not rig.working(PE) and covered(rig, SECOND) == (2 * LOT, 2 * LOT)

        rig.request(ExitLeg, symbol=PE, bot=SECOND)
        await rig.quiet(3.0, 105.0)
        assert rig.net(PE, HEDGE) == 0 and not rig.working(PE, HEDGE)
        assert not rig.desk.any_active, "proven flat by the account's own broker"
        assert_nobody_crossed(rig)

        rows = rig.journal.load(MAIN, HEDGE, trading_day="2026-11-25")
        assert {(row.account, row.bot) for row in rows.trades_today} == {(MAIN, FIRST), (HEDGE, SECOND)}
        assert {(row.account, row.bot) for row in rows.bots} == {(MAIN, FIRST), (HEDGE, SECOND)}
        assert {(row.account, row.symbol, row.net_qty) for row in rows.positions} == {(MAIN, PE, 0), (HEDGE, PE, 0)}
        assert [row.bot for row in rig.journal.load(HEDGE, trading_day="2026-11-25").trades_today] == [SECOND]

    run_desk(scenario, two())


@pytest.mark.row("I-5")
def test_flat_is_what_the_broker_of_that_account_says(run_desk, two) -> None:
    """The other account still shows the put: that is no proof against the one that was left, and no proof for it."""

    async def scenario(rig):
        await enter_both(rig)
        rig.venues[HEDGE].reads_fail = True
        for bot in (FIRST, SECOND):
            rig.request(ExitLeg, symbol=PE, bot=bot)
        await rig.quiet(3.0)
        assert (rig.net(PE), rig.net(PE, HEDGE)) == (0, 0)
        assert not rig.desk.is_active(FIRST)
        assert rig.desk.is_active(SECOND), "its broker has not said so yet"

        rig.venues[HEDGE].reads_fail = False
        await rig.quiet(6.0)
        assert not rig.desk.any_active

    run_desk(scenario, two())


@pytest.mark.fault("HUM-05")
def test_a_hands_trade_in_one_account_changes_nothing_in_the_other(run_desk, two) -> None:
    async def scenario(rig):
        await enter_both(rig)
        calls = len(rig.venue.calls)
        by_hand(rig, HEDGE, Side.SELL, LOT, 100.0)
        await rig.quiet(3.0)

        assert covered(rig, SECOND) == (LOT, LOT)
        assert covered(rig, FIRST) == (LOT, LOT) and len(rig.venue.calls) == calls
        assert any(line.source == HEDGE for line in rig.log.lines_since(0) if "closed externally" in line.text)

        by_hand(rig, HEDGE, Side.BUY, 150, 100.0)
        await rig.quiet(3.0)
        assert rig.desk.accounts[HEDGE].mismatch and not rig.desk.main.mismatch
        assert rig.desk.mismatch.startswith("hedge: ")
        assert set(rig.desk.alarms) == {"mismatch:hedge"}
        assert "hedge: " in rig.desk.alarms["mismatch:hedge"].text
        by_hand(rig, HEDGE, Side.SELL, 150, 100.0)
        rig.request(ReconcileNow)
        await rig.quiet(3.0)
        assert not rig.desk.mismatch and not rig.desk.alarms
        assert_nobody_crossed(rig)

    run_desk(scenario, two())


@pytest.mark.row("CON-08")
def test_units_found_in_one_account_are_adopted_by_the_bot_of_that_account(run_desk, two) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        by_hand(rig, HEDGE, Side.BUY, LOT, 100.0)
        await rig.quiet(4.0)
        assert rig.console.view().legs[0].unexpected_qty == 0
        assert rig.console.view().legs[1].unexpected_qty == LOT
        assert rig.console.why_not(Adopt(request_id="x", symbol=PE, bot=FIRST))

        rig.request(Adopt, symbol=PE)
        await rig.quiet(3.0)
        assert covered(rig, SECOND) == (LOT, LOT)
        assert not rig.desk.is_active(FIRST) and not rig.venue.calls
        assert_nobody_crossed(rig)

    run_desk(scenario, two())


@pytest.mark.row("GRD-38")
def test_one_dead_account_keeps_nobody_else_from_entering_and_leaving(run_desk, two) -> None:
    async def scenario(rig):
        await enter_both(rig)
        dead = rig.venues[HEDGE]
        dead.script = lambda op, request: Unknown("no answer")
        dead.reads_fail = dead.mute_pushes = True
        rig.request(ExitLeg, symbol=PE, bot=SECOND)
        await rig.quiet(1.0)
        now = rig.clock.now_ns()
        assert "order path: hedge: no answer" in rig.desk.entry_block(now, SECOND)
        assert rig.desk.entry_block(now, FIRST) == ""

        rig.request(ExitLeg, symbol=PE, bot=FIRST)
        await rig.quiet(2.0)
        assert rig.net(PE) == 0 and not rig.desk.is_active(FIRST)
        rig.request(Enter, side=Side.BUY, bot=FIRST)
        await rig.quiet(2.0)
        assert covered(rig, FIRST) == (LOT, LOT), "it entered and is protected, beside a dead account"
        assert rig.net(PE, HEDGE) == 2 * LOT and bought(rig, SECOND) == 2 * LOT

        status = rig.console.view().status
        assert [(one.account, bool(one.path_down)) for one in status.accounts] == [(MAIN, False), (HEDGE, True)]
        assert status.order_path_down.startswith("hedge: ")

        dead.script = lambda op, request: None
        dead.reads_fail = dead.mute_pushes = False
        await rig.wait_until(lambda: (rig.ticks(100.0), not rig.desk.is_active(SECOND))[1], 60.0, 0.25)
        assert rig.net(PE, HEDGE) == 0
        assert_nobody_crossed(rig)

    run_desk(scenario, two())


@pytest.mark.row("LEG-72")
def test_a_restart_takes_back_the_positions_of_both_accounts(run_desk, two) -> None:
    async def scenario(rig):
        await enter_both(rig)
        image = await rig.kill()
        by_hand(rig, HEDGE, Side.SELL, LOT, 100.0)

        again = await rig.revived(image)
        again.ticks(100.0)
        await again.quiet(6.0)
        assert again.desk.recovered
        assert covered(again, FIRST) == (LOT, LOT) and again.venue.calls == []
        assert covered(again, SECOND) == (LOT, LOT), "sold by hand while nobody watched"
        assert_nobody_crossed(again)
        headline = again.console.view().status.recovered
        assert "paper: " in headline and "hedge: " in headline

        again.request(ZeroOut)
        await again.quiet(4.0)
        assert (again.net(PE), again.net(PE, HEDGE)) == (0, 0) and not again.desk.any_active
        assert not again.desk.failures

    run_desk(scenario, two())


@pytest.mark.fault("NET-14")
def test_books_of_one_account_that_stay_unreadable_keep_only_its_own_positions_waiting(run_desk, two) -> None:
    """R7 for each account: the other protects at once; after 30 s the silent one goes by the journal alone."""

    async def scenario(rig):
        await enter_both(rig)
        image = await rig.kill()
        again = type(rig)(dataclasses.replace(rig.setup), type(rig.journal).in_memory(image), rig.exchange, rig.clock)
        again.venues[HEDGE].reads_fail = True
        again.desk.spawn("start", again.desk.start)
        again.ticks(100.0)
        await again.quiet(3.0)
        assert again.desk.main.recovered and not again.desk.recovered
        again.request(ExitLeg, symbol=PE, bot=FIRST)
        again.request(ExitLeg, symbol=PE, bot=SECOND)
        await again.quiet(5.0)
        assert again.net(PE) == 0
        assert again.net(PE, HEDGE) == 2 * LOT and again.venues[HEDGE].calls == [], "nothing before its books are known"

        await again.quiet(26.0)
        assert "recovery:hedge" in again.desk.alarms
        assert again.net(PE, HEDGE) == 0, "by the journal alone"
        again.venues[HEDGE].reads_fail = False
        await again.quiet(40.0)
        assert again.desk.recovered and "recovery:hedge" not in again.desk.alarms
        assert not again.desk.any_active and not again.desk.failures
        assert_nobody_crossed(again)

    run_desk(scenario, two())


@pytest.mark.row("OPS-21", "OPS-22")
def test_a_stop_is_flat_only_when_every_account_says_so(run_desk, two) -> None:
    async def scenario(rig):
        await enter_both(rig)
        assert await rig.desk.stop("test", flatten=True) == 0
        assert (rig.net(PE), rig.net(PE, HEDGE)) == (0, 0)
        assert_nobody_crossed(rig)

    run_desk(scenario, two())


@pytest.mark.row("OPS-22")
def test_a_stop_beside_an_account_that_cannot_be_read_is_not_called_flat(run_desk, two) -> None:
    async def scenario(rig):
        await enter_both(rig)
        rig.venues[HEDGE].reads_fail = True
        assert await rig.desk.stop("test", flatten=True) == 5
        assert (rig.net(PE), rig.net(PE, HEDGE)) == (0, 0), "and yet nobody has said so"
        assert [bracket.body.account for bracket in rig.desk.open_brackets()] == [HEDGE]

    run_desk(scenario, two())


def test_a_lost_lease_fences_its_own_account_and_no_other(run_desk, two) -> None:
    async def scenario(rig):
        await enter_both(rig)
        hedge = rig.desk.accounts[HEDGE]
        fence = Fence(rig.desk, hedge, lambda: False, lambda: "somebody")
        calls = len(rig.venues[HEDGE].calls)
        rig.request(ZeroOut)
        await rig.quiet(3.0)
        assert rig.net(PE) == 0 and rig.net(PE, HEDGE) == 2 * LOT
        assert len(rig.venues[HEDGE].calls) == calls and not fence.may_send()
        assert rig.desk.entry_block(rig.clock.now_ns(), SECOND) == f"hedge: {HANDS_OFF} (somebody)"
        assert HANDS_OFF not in rig.desk.entry_block(rig.clock.now_ns(), FIRST)
        assert rig.console.why_not(Enter(request_id="a", side=Side.BUY, bot=SECOND)) == HANDS_OFF
        assert rig.console.why_not(ExitLeg(request_id="b", symbol=PE, bot=FIRST)) != HANDS_OFF
        assert "lease:hedge" in rig.desk.alarms

    run_desk(scenario, two())


def test_a_bot_of_an_account_that_the_desk_does_not_have_is_refused(run_desk, two, group) -> None:
    async def scenario(rig):
        raise AssertionError("never started")

    stray = group("stray", (PE,), account="elsewhere")
    with pytest.raises(KeyError, match="elsewhere"):
        run_desk(scenario, dataclasses.replace(two(), groups=(stray,)))


# --- one bot in both accounts -------------------------------------------------------------------------------------


class Straddle(LegsBot):
    """A put in its own account, a call in the other."""

    @property
    def places(self):
        return {MAIN: (PE,), HEDGE: (CE,)}

    def _bracket(self, body: BracketBody, leg: Leg) -> Bracket:
        body.account = MAIN if leg.symbol == PE else HEDGE
        return super()._bracket(body, leg)


def build_straddle(parts: GroupParts, tools: BotTools) -> Straddle:
    prices = [tools.prices[symbol] for symbol in parts.legs]
    return Straddle(parts.terms, prices, tools.rules[MAIN], tools.tags, tools.orders, tools.readings)


@pytest.fixture
def straddle(seed_setup, monkeypatch):
    """A desk whose only bot trades in both accounts."""
    monkeypatch.setattr(GroupParts, "build", build_straddle)
    return lambda: seed_setup(5, 5, accounts=(MAIN, HEDGE))


async def straddle_open(rig) -> None:
    await rig.enter(100.0)
    await rig.quiet(1.0)
    assert (rig.net(PE), rig.net(CE, HEDGE)) == (LOT, LOT)
    assert (rig.net(CE), rig.net(PE, HEDGE)) == (0, 0)


@pytest.mark.row("GRD-38")
def test_one_bot_holds_a_symbol_in_each_account_and_each_book_is_judged_by_its_own(run_desk, straddle) -> None:
    async def scenario(rig):
        await straddle_open(rig)
        assert rig.desk.main.holdings == [(PE, "MIS")] and rig.desk.accounts[HEDGE].holdings == [(CE, "MIS")]
        by_hand(rig, HEDGE, Side.BUY, 150, 100.0)  # the put, which is none of ours in that account
        rig.request(ReconcileNow)
        await rig.quiet(3.0)
        assert not rig.desk.mismatch

        await rig.quiet(3.0, {PE: 100.0, CE: 105.0})
        assert (rig.net(PE), rig.net(CE, HEDGE)) == (LOT, 0) and rig.desk.any_active
        assert not rig.desk.accounts[HEDGE].any_active and rig.desk.main.any_active
        rig.request(ZeroOut)
        await rig.quiet(3.0)
        assert rig.net(PE) == 0 and not rig.desk.any_active
        assert_nobody_crossed(rig)
        rows = rig.journal.load(MAIN, HEDGE, trading_day="2026-11-25")
        assert {(row.account, row.symbol) for row in rows.trades_today} == {(MAIN, PE), (HEDGE, CE)}
        assert [row.account for row in rows.bots] == [MAIN]

    run_desk(scenario, straddle())


@pytest.mark.row("GRD-38")
def test_a_bot_enters_nothing_while_either_of_its_accounts_is_down(run_desk, straddle) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.desk.accounts[HEDGE].gateway.note_link_lost("cable")
        assert rig.desk.entry_block(rig.clock.now_ns(), FIRST) == "order path: hedge: cable"
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(1.0)
        assert not rig.venue.calls and not rig.venues[HEDGE].calls

    run_desk(scenario, straddle())


@pytest.mark.fault("NET-14")
def test_a_bot_of_two_accounts_waits_for_both_and_no_longer_than_the_journals_patience(run_desk, straddle) -> None:
    async def scenario(rig):
        await straddle_open(rig)
        image = await rig.kill()
        again = type(rig)(rig.setup, type(rig.journal).in_memory(image), rig.exchange, rig.clock)
        again.venues[HEDGE].reads_fail = True
        again.desk.spawn("start", again.desk.start)
        again.ticks(100.0)
        await again.quiet(2.0)
        again.request(ZeroOut)
        await again.quiet(10.0)
        assert [venue.calls for venue in again.venues.values()] == [[], []]

        await again.quiet(25.0)
        assert "recovery:hedge" in again.desk.alarms
        assert (again.net(PE), again.net(CE, HEDGE)) == (0, 0), "both left, once the bot was let go"
        again.venues[HEDGE].reads_fail = False
        await again.quiet(40.0)
        assert again.desk.recovered and not again.desk.any_active and not again.desk.failures
        assert_nobody_crossed(again)

    run_desk(scenario, straddle())


@pytest.mark.row("LEG-72")
def test_a_restart_takes_back_what_one_bot_holds_in_two_accounts(run_desk, straddle) -> None:
    async def scenario(rig):
        await straddle_open(rig)
        again = await rig.revived(await rig.kill())
        again.ticks(100.0)
        await again.quiet(5.0)
        legs = [again.leg(symbol).bracket for symbol in (PE, CE)]
        assert [(leg.body.account, leg.open_qty, leg.covered_qty) for leg in legs] == [
            (MAIN, LOT, LOT),
            (HEDGE, LOT, LOT),
        ]
        assert [venue.calls for venue in again.venues.values()] == [[], []], "nothing was missing"
        assert not again.desk.mismatch and not again.desk.failures

    run_desk(scenario, straddle())
