"""Short legs of the whole desk: asked for by key, protected in the mirror, valued, charged, booked and restored."""

from __future__ import annotations

import msgspec
import pytest

from engine.charges import ChargeBook, ChargeSegment, read_charge_tables
from engine.instant import ist_date
from engine.operator import Enter, ExitLeg, ZeroOut
from engine.order import OrderType, Role, Side
from engine.risk import RiskLimits
from engine.view import ExitStyle, ProtectionWord

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
LOT = 75


def allow(rig) -> None:
    rig.bot.terms = msgspec.structs.replace(rig.bot.terms, allow_short=True)


async def sell(rig, price: float = 100.0, **fields: object) -> None:
    allow(rig)
    rig.ticks(price)
    rig.request(Enter, side=Side.SELL, **fields)
    await rig.pass_s(0.5)


def leg_view(rig, symbol: str = PE):
    return next(leg for leg in rig.console.view().legs if leg.symbol == symbol)


@pytest.mark.row("HRD-40", "LEG-10")
def test_shorts_are_refused_with_the_reason_until_they_are_allowed(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        why = rig.console.why_not(Enter(request_id="w", side=Side.SELL))
        assert why == "short legs are switched off (allow_short=false)"
        rig.request(Enter, side=Side.SELL)
        await rig.pass_s(0.5)
        assert rig.venue.calls == []
        allow(rig)
        assert rig.console.why_not(Enter(request_id="v", side=Side.SELL)) == ""

    run_desk(scenario, seed_setup())


@pytest.mark.row("HRD-40", "LEG-09", "LEG-14")
def test_two_short_legs_send_three_orders_each_and_their_exits_buy(run_desk, seed_setup) -> None:
    async def scenario(rig):
        allow(rig)
        for symbol in (PE, CE):
            rig.tick(symbol, 100.0, bid=99.9, ask=100.1)
        shown = rig.console.describe(Enter(request_id="d", side=Side.SELL))
        assert shown == "SELL 24500PE 75 (1 lot) bid 99.90 + 24500CE 75 (1 lot) bid 99.90"
        rig.request(Enter, side=Side.SELL)
        await rig.pass_s(0.5)

        assert rig.net(PE) == rig.net(CE) == -LOT
        assert rig.said("[ENTRY] SELL 2 symbols x 75") and rig.said(f"[ENTRY] SELL {PE} x 75")
        for symbol in (PE, CE):
            entry, stop, target = (rig.venue.placed(role, symbol) for role in (Role.ENTRY, Role.STOP, Role.TARGET))
            assert [r.side for r in (*entry, *stop, *target)] == [Side.SELL, Side.BUY, Side.BUY]
            assert (stop[0].type, stop[0].trigger_paise, target[0].limit_paise) == (OrderType.SL, 104_90, 94_90)
        view = leg_view(rig)
        assert (view.open_qty, view.protection) == (-LOT, ProtectionWord.PROTECTED)
        assert rig.facts(PE).side == "SHORT"
        await rig.quiet(5.0, 100.0)
        assert len(rig.venue.calls) == 6, "undisturbed: three orders a leg"

    run_desk(scenario, seed_setup())


@pytest.mark.row("HRD-40", "LEG-46", "OPS-34")
def test_a_short_that_falls_to_its_target_is_a_gain_on_screen_in_the_day_and_in_the_journal(
    run_desk, seed_setup
) -> None:
    async def scenario(rig):
        await sell(rig)
        rig.tick(PE, 97.0, bid=96.9, ask=97.1)
        await rig.pass_s(0.2)
        assert leg_view(rig).unrealised_paise == (100_00 - 97_10) * LOT, "bought back at the ask"
        await rig.quiet(3.0, 94.5)

        assert rig.net(PE) == 0
        ((symbol, net, reason),) = rig.trades()
        entry, leave = 100_00 * LOT, 95_00 * LOT
        now_ns = rig.clock.now_ns()
        book = ChargeBook(read_charge_tables(), 2000)
        day = ist_date(now_ns)
        sold = book.for_order(ChargeSegment.OPTION, "NFO", Side.SELL, entry, day)
        bought = book.for_order(ChargeSegment.OPTION, "NFO", Side.BUY, leave, day)
        assert sold.stt_npaise > 0 == bought.stt_npaise, "STT falls on the entry of a short"
        charges = (sold + bought).total_paise
        assert (symbol, reason) == (PE, "Target Hit")
        (row,) = rig.journal.load("paper", trading_day=day.isoformat()).trades_today
        assert (row.side, row.gross_paise, row.charges_paise) == (Side.SELL, entry - leave, charges)
        assert net == entry - leave
        assert leg_view(rig).realised_paise == entry - leave
        assert rig.desk.day_net_paise == entry - leave - charges

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-40", "LEG-25")
@pytest.mark.parametrize("style", list(ExitStyle))
def test_a_short_that_rises_through_its_stop_is_bought_back_once(run_desk, seed_setup, style) -> None:
    async def scenario(rig):
        await sell(rig)
        await rig.quiet(2.0, 104.0)
        assert rig.net(PE) == -LOT
        await rig.quiet(4.0, 105.5)
        assert rig.net(PE) == 0 and not rig.working()
        ((_, net, reason),) = rig.trades()
        assert reason == "Stoploss Hit" and -7_00 * LOT < net <= -5_00 * LOT
        bought = sum(o.filled_qty for o in rig.exchange.orders("paper") if o.side is Side.BUY)
        assert bought == LOT

    run_desk(scenario, seed_setup(symbols=(PE,), style=style))


@pytest.mark.row("HRD-40", "LEG-31", "LEG-34")
def test_the_trailed_stop_of_a_short_falls_at_the_broker_and_never_rises(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await sell(rig)
        (first,) = [o.trigger_paise for o in rig.working(PE) if o.type is OrderType.SL]
        await rig.quiet(3.0, 93.0)
        (second,) = [o.trigger_paise for o in rig.working(PE) if o.type is OrderType.SL]
        await rig.quiet(3.0, 95.0)
        (third,) = [o.trigger_paise for o in rig.working(PE) if o.type is OrderType.SL]
        assert first == 105_00 and 93_00 < second < 100_00 and third == second
        await rig.quiet(4.0, second / 100 + 0.3)
        assert rig.net(PE) == 0 and rig.trades()[0][1] > 0

    trail = {"activation_bps": 2_500, "lock_bps": 5_000}
    run_desk(scenario, seed_setup(symbols=(PE,), target=20, trail=trail))


@pytest.mark.row("HRD-40", "LEG-72")
def test_a_short_survives_a_kill_with_its_side_its_levels_and_its_orders(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await sell(rig)
        again = await rig.revived(await rig.kill())
        await again.quiet(3.0, 100.0)
        body = again.leg(PE).bracket.body
        assert (body.side, body.stop_paise, body.target_paise) == (Side.SELL, 105_00, 95_00)
        assert again.leg(PE).bracket.net_qty == -LOT == again.net(PE)
        assert again.venue.placed() == [] and len(again.working(PE)) == 2, "nothing is sent for what rests already"
        await again.quiet(4.0, 94.5)
        assert again.net(PE) == 0 and [reason for _, _, reason in again.trades()] == ["Target Hit"]
        assert again.trades()[0][1] == 5_00 * LOT
        await again.desk.stop("done")

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-40", "LEG-49")
@pytest.mark.parametrize("by", ["exit", "zero", "stop"])
def test_a_short_is_left_by_every_way_out(run_desk, seed_setup, by) -> None:
    async def scenario(rig):
        await sell(rig)
        shown = rig.console.describe(ExitLeg(request_id="d", symbol=PE))
        assert shown.startswith("BUY 75 24500PE, limit 103.00 (ask 100.00")
        if by == "exit":
            rig.request(ExitLeg, symbol=PE)
        elif by == "zero":
            assert "24500PE -75" in rig.console.describe(ZeroOut(request_id="z"))
            rig.request(ZeroOut)
        else:
            assert await rig.desk.stop("done") == 0
        if by != "stop":
            await rig.quiet(3.0, 100.0)
        assert rig.net(PE) == 0 and not rig.working()
        assert len(rig.venue.placed(Role.EXIT)) == 1 and rig.venue.placed(Role.EXIT)[0].side is Side.BUY

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-40")
@pytest.mark.invariant("O9")
def test_the_caps_of_entries_hold_for_shorts_as_well(run_desk, seed_setup) -> None:
    async def scenario(rig):
        allow(rig)
        rig.ticks(100.0)
        assert "2 lots" in rig.console.why_not(Enter(request_id="w", side=Side.SELL, lots=2))
        await sell(rig)
        rig.request(ExitLeg, symbol=PE)
        await rig.quiet(3.0, 100.0)
        assert rig.net(PE) == 0
        assert "1 entries today" in rig.console.why_not(Enter(request_id="x", side=Side.SELL))

    run_desk(scenario, seed_setup(symbols=(PE,), limits=RiskLimits(lots_max=1, entries_per_day=1)))
