"""Leaving on a whole desk: both exits at the broker, one cancels the other, partial fills, races, styles and money."""

from __future__ import annotations

from datetime import date

import pytest

from brokers.paper.rules import PaperRules
from engine import refusals
from engine.instant import NS_PER_MS, NS_PER_S
from engine.operator import Enter
from engine.order import OrderType, Role, Side
from engine.port import OrderRequest, Refused, Unknown
from engine.view import ExitStyle, ProtectionWord

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
DAY = date(2026, 11, 25)


def both_fill(rig, symbol: str, target: float, stop: float) -> None:
    """Price spikes through the target and falls through the stop before anybody can cancel (EXI-01)."""
    rig.tick(symbol, target)
    rig.tick(symbol, stop)


@pytest.mark.row("LEG-19", "I-4")
def test_a_stop_cancelled_by_hand_is_placed_again_alone(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        facts = rig.facts(PE)
        rig.exchange.cancel("paper", facts.sl_order_id, rig.clock.now_ns())
        await rig.quiet(1.0, 150.0)

        assert rig.said("[CRITICAL]") == ["[CRITICAL] Position detected without exits! Re-arming protection..."]
        assert rig.said("[ENSURE_EXITS]") == [f"[ENSURE_EXITS] {PE} Re-arming protection"]
        assert rig.venue.story()[3:] == ["place stop SELL SL 75 142.10/145.00"]
        assert rig.facts(PE).tp_order_id == facts.tp_order_id

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-21")
def test_every_pass_leaves_a_trace_of_each_active_leg(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(20.0, 150.0)
        passes = dict(rig.desk.main.reader.passes)
        assert passes == {PE: 4, CE: 4}

        await rig.quiet(11.0, {PE: 150.0, CE: 155.0})
        assert rig.desk.main.reader.passes[PE] == 6
        assert rig.desk.main.reader.passes[CE] <= 5, "a flat leg is not asked for"

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-21", "LEG-30")
@pytest.mark.fault("EXI-09")
def test_a_stop_left_behind_by_a_flat_leg_is_cancelled_once(run_desk, seed_setup) -> None:
    """The stop's request hangs on the wire and the books cannot be read; the leg is squared off all the same after 2 s
    (design §5.10). Then the stop arrives at the exchange: flat, and an order left over (ORD-03)."""

    async def scenario(rig):
        def script(op, request):
            lost = op == "place" and request.tag.endswith("S")
            return Unknown("reply lost") if lost else None

        rig.tick(PE, 150.0)
        rig.venue.script = script
        rig.venue.reads_fail = True
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.5)
        stop = rig.venue.placed(Role.STOP)[0]
        assert rig.leg(PE).bracket.protection(rig.clock.now_ns()) is ProtectionWord.UNKNOWN
        rig.desk.step(lambda now: rig.bot.exit_leg(PE, "test", now, rig.desk.out))
        await rig.quiet(3.5, 150.0)
        assert rig.net(PE) == 0 and rig.leg(PE).is_active

        rig.venue.reads_fail = False
        rig.exchange.place("paper", stop, rig.clock.now_ns())
        await rig.quiet(5.0, 150.0)
        assert not rig.leg(PE).is_active and rig.net(PE) == 0 and not rig.working()
        assert rig.said("[CLEANUP]") == [f"[CLEANUP] {PE} Removing stale orders"]
        assert len(rig.said(f"({PE}_sl_cleanup)")) == 1
        assert [op for op, request in rig.venue.calls if request == stop.tag] == ["cancel"]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-22")
def test_a_slow_pass_is_told_once_and_a_push_acts_at_once(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.read_delay_s = 4.2
        await rig.quiet(9.5, 150.0)
        assert rig.said("[PERF]") == ["[PERF] check_order_status took 4.2s"]

        rig.tick(PE, 155.0)
        took = await rig.wait_until(lambda: rig.facts(PE).tp_order_id is None)
        assert took < 0.25

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-23")
def test_a_check_during_a_check_is_done_right_after_it(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.read_delay_s, rig.venue.mute_pushes = 0.5, True
        reads = rig.desk.main.reader.reads
        rig.desk.main.reader.status_pass()
        await rig.pass_s(0.6)  # orders are read, trades not yet
        rig.tick(PE, 155.0)
        rig.desk.main.reader.status_pass()
        rig.desk.main.reader.status_pass()
        took = await rig.wait_until(lambda: rig.facts(PE).tp_order_id is None, limit_s=4)

        assert took < 2.0
        assert rig.desk.main.reader.reads - reads == 2

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-24", "LEG-27", "LEG-30")
def test_a_filled_target_cancels_the_stop_and_leaves_the_other_leg_alone(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        other = rig.facts(CE)
        rig.tick(PE, 155.0)
        await rig.quiet(1.0, {PE: 155.0, CE: 150.0})

        assert rig.trades() == [(PE, 375_00, "Target Hit")]
        assert rig.said(f"({PE}_tp_complete)")[0].startswith(f"[CANCEL] {PE} stop ")
        assert rig.facts(CE) == other and len(rig.working(CE)) == 2 and not rig.working(PE)

        await rig.quiet(1.0, {CE: 145.0})
        assert rig.bot.all_legs_flat and not rig.working()
        assert rig.bot.body.day_net_paise == 375_00 - 375_00
        assert rig.venue.story(PE)[3:] == ["cancel stop"], "three orders and one cancel (O8)"
        assert rig.venue.story(CE)[3:] == ["cancel target"]

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-24")
@pytest.mark.fault("ORD-17")
def test_a_cancel_answered_already_filled_is_a_race_not_an_end(run_desk, seed_setup) -> None:
    """The stop fills while its cancel is on the way: go on as in LEG-26."""

    async def scenario(rig):
        await rig.enter(150.0)
        rig.tick(PE, 155.0)
        await rig.wait_until(lambda: any(op == "cancel" for op, _ in rig.venue.calls))
        rig.tick(PE, 144.9)
        await rig.quiet(1.5, 144.9)

        assert rig.net(PE) == 0
        assert [reason for _, _, reason in rig.trades()].count("Target Hit (OCO Race)") >= 1
        assert len(rig.venue.placed(Role.REPAIR)) == 1

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-25")
def test_a_filled_stop_cancels_the_target(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.tick(PE, 145.0, bid=144.9, ask=145.1)
        await rig.quiet(1.0, {CE: 150.0})

        assert rig.trades() == [(PE, -382_50, "Stoploss Hit")]
        assert rig.said(f"({PE}_sl_complete)")[0].startswith(f"[CANCEL] {PE} target ")

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-26", "I-1")
@pytest.mark.fault("EXI-01")
@pytest.mark.invariant("E2")
def test_both_exits_filling_books_the_target_and_buys_the_surplus_back(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        both_fill(rig, PE, 155.0, 145.0)
        assert rig.net(PE) == -75
        took = await rig.wait_until(lambda: rig.net(PE) == 0)
        await rig.quiet(1.0, {PE: 145.0, CE: 150.0})

        print(f"I-1: surplus repaired {took * 1000:.0f} ms after the second fill")
        assert took < 1.0
        repairs = rig.venue.placed(Role.REPAIR)
        assert [(r.side, r.qty) for r in repairs] == [(Side.BUY, 75)]
        assert rig.said("[CRITICAL]") == [f"[CRITICAL] {PE} Both TP and SL filled! OCO failure"]
        assert any("closed 75 too many" in alarm for alarm in rig.alarms)
        trade, surplus = rig.trades()
        assert trade == (PE, 375_00, "Target Hit (OCO Race)")
        assert surplus[1] == 0, "sold at 145.00, bought back at 145.00"
        assert len(rig.working(CE)) == 2

    run_desk(scenario, seed_setup())


@pytest.mark.row("I-1", "LEG-26")
def test_the_surplus_price_is_in_the_day(run_desk, seed_setup) -> None:
    """Bought back 0.50 dearer than it was sold: the ledger shows it, to the paisa."""

    async def scenario(rig):
        await rig.enter(150.0)
        both_fill(rig, PE, 155.0, 145.0)
        rig.tick(PE, 145.5)
        await rig.quiet(1.0, {PE: 145.5})

        assert [net for _, net, _ in rig.trades()] == [375_00, -37_50]
        cash = rig.exchange.funds("paper").cash_paise - rig.setup.rules.funds_paise
        assert cash == rig.bot.body.day_net_paise == 337_50

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-28", "I-2")
def test_market_on_target_converts_the_leg_once_and_not_the_other(run_desk, seed_setup) -> None:
    """HRD-19's numbers: the price gaps 100 to 105 past a target of 102 that the exchange has not filled yet."""

    async def scenario(rig):
        await rig.enter(100.0)
        rig.desk.on_tick(_desk_only(rig, CE, 105.0))  # the feed is ahead of the exchange
        for _ in range(10):
            await rig.pass_s(0.001)
            rig.drain()
        rig.tick(CE, 0.0, bid=101.9, ask=106.0)
        await rig.quiet(1.5, {PE: 100.0})

        assert rig.said("[TARGET]") == [f"[TARGET] {CE} LTP 105.00 >= TP 102.00: converting to market"]
        assert [r.qty for r in rig.venue.placed(Role.EXIT)] == [75]
        assert rig.venue.placed(Role.EXIT)[0].symbol == CE
        assert rig.net(CE) == 0 and [reason for _, _, reason in rig.trades()] == ["Target Hit"]
        assert len(rig.working(PE)) == 2 and rig.venue.story(PE)[3:] == []

    run_desk(scenario, seed_setup(2, 1, market_on_target=True))


def _desk_only(rig, symbol: str, ltp: float):
    from engine.tick import Tick

    paise = round(ltp * 100)
    return Tick(symbol, rig.clock.now_ns(), paise, paise, 1000, paise, 1000)


@pytest.mark.row("LEG-29", "I-4", "I-9")
@pytest.mark.fault("EXI-05")
def test_a_stop_refused_three_times_flattens_the_leg_loudly(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.script = lambda op, request: (
            Refused(refusals.OTHER, "no") if op == "place" and request.tag.endswith("S") else None
        )
        await rig.enter(150.0)
        await rig.quiet(5.0, 150.0)

        assert len(rig.venue.placed(Role.STOP)) == 3
        assert len(rig.said("[CRITICAL] SL rejected - position UNPROTECTED on downside!")) == 3
        assert len(rig.said("[CRITICAL] Max exit legs retries reached - position is UNPROTECTED!")) == 1
        assert any("refused 3 times" in alarm for alarm in rig.alarms)
        assert rig.net(PE) == 0
        assert [reason for _, _, reason in rig.trades()] == ["Unprotected"]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-29", "I-4")
def test_alert_only_keeps_the_position_with_a_standing_alarm_and_watches_it(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.script = lambda op, request: (
            Refused(refusals.OTHER, "no") if op == "place" and request.tag.endswith("S") else None
        )
        await rig.enter(150.0)
        await rig.quiet(10.0, 150.0)
        assert rig.net(PE) == 75 and len(rig.venue.placed(Role.STOP)) == 3
        assert rig.leg(PE).bracket.protection(rig.clock.now_ns()) is ProtectionWord.NAKED
        assert any("without a working stop" in view.text for view in rig.desk.alarms.values())

        rig.tick(PE, 144.9)
        await rig.quiet(1.0, 144.9)
        assert rig.net(PE) == 0, "the level is watched here"
        assert not [v for v in rig.desk.alarms.values() if "without a working stop" in v.text]

    run_desk(scenario, seed_setup(symbols=(PE,), on_exhausted="alert"))


@pytest.mark.row("LEG-30")
def test_square_off_cancels_carry_their_context_once_each(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.desk.step(lambda now: rig.bot.square_off("test", now, rig.desk.out))
        await rig.quiet(1.5, 150.0)
        for symbol in (PE, CE):
            for part in ("tp", "sl"):
                assert len(rig.said(f"({symbol}_square_off_{part})")) == 1
        assert len(rig.said("[CANCEL]")) == 4
        assert rig.bot.all_legs_flat

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-46", "LEG-47")
def test_money_comes_from_what_filled(run_desk, seed_setup) -> None:
    """Asked 150, filled 75, 100.50 to 102.50, brokerage 20 a side: gross 150.00, net 110.00 (the seed: 260.00)."""

    async def scenario(rig):
        rig.tick(PE, 100.5, size=75)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(5.0)
        rig.tick(PE, 102.5)
        await rig.quiet(1.0, 102.5)

        row = rig.journal.load("paper", trading_day=DAY.isoformat()).trades_today[0]
        assert (row.qty, row.gross_paise, row.brokerage_paise, row.net_paise) == (75, 150_00, 40_00, 110_00)
        assert rig.said("[EXIT]") == [
            f"💰 [EXIT] {PE} Target Hit | Entry ₹100.50 → Exit ₹102.50 | Net ₹+110.00 | Day ₹+110.00"
        ]

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,), lots=2, brokerage_paise=2000))


@pytest.mark.row("LEG-46")
def test_slippage_is_a_modelling_cost_that_is_off_by_default(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(1.0, 102.0)
        return [net for _, net, _ in rig.trades()]

    assert run_desk(scenario, seed_setup(2, 1, symbols=(PE,))) == [150_00]
    assert run_desk(scenario, seed_setup(2, 1, symbols=(PE,), slippage_paise=10_00)) == [140_00]


@pytest.mark.row("LEG-47")
def test_the_day_accumulates_over_legs(run_desk, seed_setup) -> None:
    """PE +110.00, then CE -60.00: the second line ends with the sum."""

    async def scenario(rig):
        await rig.enter(100.5)
        await rig.quiet(1.0, {PE: 102.5, CE: 100.5})
        rig.tick(CE, 100.25, bid=100.25, ask=100.3)
        rig.desk.step(lambda now: rig.bot.exit_leg(CE, "test", now, rig.desk.out))
        await rig.quiet(1.0, {CE: 100.25})

        first, second = rig.said("[EXIT]")
        assert first.startswith("💰") and first.endswith("Net ₹+110.00 | Day ₹+110.00")
        assert second.startswith("💸") and second.endswith("Net ₹-58.75 | Day ₹+51.25")

    run_desk(scenario, seed_setup(2, 1, brokerage_paise=2000))


@pytest.mark.row("LEG-48", "I-6")
def test_a_missing_average_is_provisional_and_corrected_by_the_trade_book(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.hide_averages = rig.venue.hide_trades = True
        rig.tick(PE, 155.0, bid=156.0, ask=156.1)  # sold at its limit 155.00
        await rig.quiet(3.0, 156.0)
        assert rig.said("booked provisionally at ₹155.00")
        assert rig.trades() == [(PE, 375_00, "Target Hit")]
        assert "₹0.00" not in "".join(rig.said("[EXIT]"))

        rig.venue.hide_averages = rig.venue.hide_trades = False
        await rig.quiet(3.0, 156.0)
        row = rig.journal.load("paper", trading_day=DAY.isoformat()).trades_today[0]
        assert (row.net_paise, row.provisional) == (375_00, False)
        assert not rig.desk.mismatch, "the records explain the position"

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-48")
@pytest.mark.fault("UPD-11")
@pytest.mark.invariant("A1")
def test_a_provisional_stop_price_is_put_right(run_desk, seed_setup) -> None:
    """The stop's limit is all that is known (142.10); the trade book says 144.50."""

    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.hide_averages = rig.venue.hide_trades = True
        rig.tick(PE, 144.5)
        await rig.quiet(3.0, 144.5)
        assert rig.trades() == [(PE, -592_50, "Stoploss Hit")]

        rig.venue.hide_averages = rig.venue.hide_trades = False
        await rig.quiet(3.0, 144.5)
        assert rig.trades() == [(PE, -412_50, "Stoploss Hit")]
        assert rig.said("corrected by trade book: exit ₹144.50 net ₹-412.50 (was ₹-592.50)")
        assert rig.bot.body.day_net_paise == -412_50

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-48")
def test_a_trade_record_a_second_late_is_waited_for(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(30.0, 150.0)
        rig.venue.hide_averages = rig.venue.hide_trades = True
        rig.tick(PE, 144.5)
        await rig.pass_s(1.0)
        rig.venue.hide_averages = rig.venue.hide_trades = False
        await rig.quiet(2.0, 144.5)
        assert rig.trades() == [(PE, -412_50, "Stoploss Hit")]
        assert not rig.said("provisionally")

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-65", "HRD-15")
@pytest.mark.fault("EXI-02")
@pytest.mark.invariant("P2")
def test_a_partial_target_resizes_the_stop_once(run_desk, seed_setup) -> None:
    """The bold numbers: 50 of 75 at the target, stop 75 -> 25, ten more polls send nothing, the stop sells 25."""

    async def scenario(rig):
        await rig.enter(150.0)
        rig.tick(PE, 155.0, size=50)
        await rig.pass_s(0.2)
        assert rig.facts(PE).tp_filled_qty == 50
        assert rig.venue.story()[3:] == ["modify stop SL 25 142.10/145.00"]
        assert {(o.type, o.qty - o.filled_qty) for o in rig.working()} == {(OrderType.LIMIT, 25), (OrderType.SL, 25)}
        assert rig.said("[PARTIAL]") == [f"[PARTIAL] {PE} target filled 50/75"]
        assert rig.said("[SYNC_NEEDED]") == ["[SYNC_NEEDED] Total exits 50, remaining 25"]
        assert rig.said("[SYNC]") == ["[SYNC] Adjusting exits for remaining qty 25"]

        sent = len(rig.venue.calls)
        for _ in range(10):
            rig.desk.main.reader.reconcile()
            await rig.quiet(1.0, 154.0)
        assert len(rig.venue.calls) == sent

        rig.tick(PE, 145.0)
        await rig.quiet(1.0, 145.0)
        sold = sum(o.filled_qty for o in rig.exchange.orders("paper") if o.side is Side.SELL)
        assert sold == 75 and rig.net(PE) == 0 and not rig.working()
        assert rig.bot.body.day_net_paise == 50 * 500 - 25 * 500
        assert len(rig.said("[PARTIAL]")) == len(rig.said("[SYNC_NEEDED]")) == 1

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-65")
@pytest.mark.fault("NET-14")
def test_failed_status_reads_are_told_and_change_nothing(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.reads_fail = True
        await rig.quiet(6.0, 150.0)
        assert rig.said("[WARN] TP status check failed") and rig.said("[WARN] SL status check failed")
        assert rig.leg(PE).bracket.covered_qty == 75 and len(rig.venue.calls) == 3

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-65", "HRD-24")
def test_a_clean_run_never_says_unprotected_and_states_every_step(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(20.0, 152.0)
        await rig.quiet(2.0, 155.0)

        assert not rig.said("UNPROTECTED") and not rig.said("[CRITICAL]") and not rig.alarms
        assert [line for line in rig.texts() if line.startswith("STATE")] == [
            f"STATE=LONG qty=75 entry=150.00 tp=155.00 sl=145.00 symbol={PE}",
            f"STATE=FLAT symbol={PE}",
        ]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-24")
def test_the_state_line_follows_a_partial_exit_and_a_trailed_stop(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        rig.tick(PE, 102.0)
        await rig.pass_s(0.2)
        rig.tick(PE, 104.0, size=50)
        await rig.pass_s(0.2)
        states = [line for line in rig.texts() if line.startswith("STATE")]
        assert states[0] == f"STATE=LONG qty=75 entry=100.00 tp=104.00 sl=99.00 symbol={PE}"
        assert states[1] == f"STATE=LONG qty=75 entry=100.00 tp=104.00 sl=101.50 symbol={PE}"
        assert f"STATE=LONG qty=25 entry=100.00 tp=104.00 sl=103.00 symbol={PE}" in states[2:]

    run_desk(scenario, seed_setup(4, 1, symbols=(PE,), trail={}))


# --- styles ----------------------------------------------------------------------------------------------------------


@pytest.mark.row("CON-01")
@pytest.mark.parametrize(
    ("style", "resting", "story"),
    [
        ("resting", 2, ["cancel stop"]),
        ("hybrid", 1, ["modify stop LIMIT 75 98.90/0.00"]),
        ("monitored", 0, ["place exit SELL MARKET 75 98.90/0.00"]),
    ],
)
def test_each_style_rests_what_it_says_and_leaves_at_the_target(run_desk, seed_setup, style, resting, story) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        assert len(rig.working()) == resting
        sent = len(rig.venue.calls)
        rig.tick(PE, 102.0)
        await rig.quiet(1.0, 102.0)

        assert rig.venue.story()[sent:] == story
        assert rig.trades() == [(PE, 150_00, "Target Hit")]
        assert not rig.alarms

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,), style=style))


@pytest.mark.row("CON-01")
@pytest.mark.parametrize("style", ["resting", "hybrid", "monitored"])
def test_each_style_leaves_at_the_stop(run_desk, seed_setup, style) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        rig.tick(PE, 98.9)
        took = await rig.wait_until(lambda: rig.net(PE) == 0)
        await rig.quiet(1.0, 98.9)
        assert took < 0.1
        assert rig.trades() == [(PE, -82_50, "Stoploss Hit")]
        assert not rig.working()

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,), style=style))


@pytest.mark.row("CON-01")
def test_one_position_of_each_style_in_one_session(run_desk, seed_setup) -> None:
    """Styles are opening terms: a changed config counts for the next position, open ones keep theirs."""
    import msgspec

    async def scenario(rig):
        symbols = rig.setup.symbols
        for symbol, style in zip(symbols, ("resting", "hybrid", "monitored"), strict=True):
            bracket = msgspec.structs.replace(rig.bot.terms.bracket, style=ExitStyle(style))
            rig.bot.terms = msgspec.structs.replace(rig.bot.terms, bracket=bracket)
            rig.ticks(100.0)
            rig.desk.step(lambda now, symbol=symbol: _open_alone(rig, symbol, now))
            await rig.quiet(0.5)
        assert [len(rig.working(s)) for s in symbols] == [2, 1, 0]
        await rig.quiet(1.0, 102.0)
        assert [net for _, net, _ in rig.trades()] == [150_00] * 3

    run_desk(scenario, seed_setup(2, 1, symbols=(PE, CE, "NIFTY01DEC2624550PE")))


def _open_alone(rig, symbol: str, now: int) -> None:
    """Enter one leg while others are open; the legs bot itself enters only a flat group."""
    bot = rig.bot
    bot._open(bot.legs[symbol], Side.BUY, 75, now, rig.desk.out)


@pytest.mark.row("CON-01")
@pytest.mark.fault("EXI-06")
def test_a_broker_that_wants_margin_for_the_second_exit_makes_the_position_hybrid(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(5.0, 100.0)

        assert [o.type for o in rig.working()] == [OrderType.SL]
        assert len(rig.venue.placed(Role.TARGET)) == 1, "asked once, never in a loop"
        assert rig.said("SL kept, TP watched here (hybrid)")
        rig.tick(PE, 102.0)
        await rig.quiet(1.0, 102.0)
        assert rig.trades() == [(PE, 150_00, "Target Hit")]
        assert rig.net(PE) == 0 and not rig.working()

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,), rules=PaperRules(second_exit_margin=True)))


# --- invariants ------------------------------------------------------------------------------------------------------


@pytest.mark.row("I-2")
@pytest.mark.fault("EXI-17")
@pytest.mark.invariant("E3")
def test_whatever_asks_for_an_exit_there_is_one(run_desk, seed_setup) -> None:
    """Tick, status pass, key and square-off within one write slot: one closing order."""
    from engine.operator import ExitLeg, ZeroOut

    async def scenario(rig):
        await rig.enter(100.0)
        rig.venue.write_delay_s = 0.2
        rig.request(ExitLeg, symbol=PE)
        rig.request(ZeroOut)
        await rig.pass_s(0.001)
        for _ in range(5):
            rig.desk.step(lambda now: rig.bot.square_off("EOD Square-Off", now, rig.desk.out))
            rig.desk.main.reader.reconcile()
            rig.tick(PE, 99.5)
            await rig.pass_s(0.02)
        await rig.quiet(4.0, 99.5)

        assert [(r.qty, r.side) for r in rig.venue.placed(Role.EXIT)] == [(75, Side.SELL)]
        assert rig.net(PE) == 0 and [reason for _, _, reason in rig.trades()] == ["Square-Off"]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-3")
@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.fault("ORD-01")
@pytest.mark.invariant("O3")
def test_a_stop_without_an_answer_is_looked_up_before_another_goes(run_desk, seed_setup, arrives) -> None:
    async def scenario(rig):
        lost: list[str] = []

        def script(op, request):
            if op == "place" and request.tag.endswith("S") and not lost:
                lost.append(request.tag)
                if arrives:
                    rig.exchange.place("paper", request, rig.clock.now_ns())
                return Unknown("reply lost")
            return None

        rig.venue.script = script
        rig.venue.mute_pushes = True
        await rig.enter(150.0)
        await rig.quiet(4.0, 150.0)

        stops = rig.venue.placed(Role.STOP)
        assert len(stops) == (1 if arrives else 2)
        assert len({s.tag for s in stops}) == len(stops)
        assert len([o for o in rig.working() if o.type is OrderType.SL]) == 1
        assert rig.leg(PE).bracket.covered_qty == 75
        assert rig.said("found, trigger-pending" if arrives else "not placed")

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-5")
@pytest.mark.fault("EXI-11")
@pytest.mark.invariant("Q1")
def test_a_position_that_the_broker_does_not_confirm_is_an_alarm_and_stops_entries(run_desk, seed_setup) -> None:
    """Our fills say flat; the broker still holds 75 (somebody bought by hand)."""

    async def scenario(rig):
        await rig.enter(100.0)
        hand = OrderRequest(
            tag="HAND1", symbol=PE, exchange="NFO", product="MIS", side=Side.BUY, type=OrderType.LIMIT,
            qty=75, limit_paise=101_00, trigger_paise=0,
        )  # fmt: skip
        rig.exchange.place("paper", hand, rig.clock.now_ns())
        rig.tick(PE, 102.0)
        await rig.quiet(4.0, 102.0)

        assert rig.net(PE) == 75
        assert rig.said("[RECONCILE]") == [f"[RECONCILE] {PE} State mismatch! Expected: +0, Actual: +75"]
        assert any("broker +75" in alarm for alarm in rig.alarms)
        assert "position mismatch" in rig.desk.entry_block(rig.clock.now_ns())

        rig.exchange.place(
            "paper",
            _sell(75),
            rig.clock.now_ns(),
        )
        await rig.quiet(4.0, 102.0)
        assert not rig.desk.entry_block(rig.clock.now_ns())
        assert "mismatch" not in rig.desk.alarms

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,)))


def _sell(qty: int) -> OrderRequest:
    return OrderRequest(
        tag="HAND2", symbol=PE, exchange="NFO", product="MIS", side=Side.SELL, type=OrderType.LIMIT,
        qty=qty, limit_paise=100_00, trigger_paise=0,
    )  # fmt: skip


@pytest.mark.row("I-5")
@pytest.mark.fault("ORD-25")
def test_an_accepted_cancel_is_not_an_end(run_desk, seed_setup) -> None:
    """The broker takes the cancel of the stop but the order lives on: the leg does not call itself flat."""
    from engine.port import Acked

    async def scenario(rig):
        await rig.enter(100.0)
        rig.venue.script = lambda op, request: Acked("") if op == "cancel" else None
        rig.tick(PE, 102.0)
        await rig.quiet(3.0, 102.0)
        assert rig.net(PE) == 0 and len(rig.working()) == 1
        assert rig.leg(PE).is_active, "ids are kept until the order is known to be finished"

        rig.venue.script = lambda op, request: None
        await rig.quiet(15.0, 102.0)
        assert not rig.leg(PE).is_active and not rig.working()

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,)))


@pytest.mark.row("I-6")
@pytest.mark.fault("ORD-26")
def test_a_complete_status_without_a_fill_changes_nothing(run_desk, seed_setup) -> None:
    import msgspec

    from engine.order import OrderState

    async def scenario(rig):
        await rig.enter(100.0)
        target = next(o for o in rig.working() if o.type is OrderType.LIMIT)
        rig.desk.main.on_report(msgspec.structs.replace(target, state=OrderState.FILLED, filled_qty=0))
        await rig.quiet(1.0, 100.0)
        assert rig.leg(PE).bracket.open_qty == 75 and len(rig.working()) == 2
        assert len(rig.venue.calls) == 3

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-7")
def test_a_stopped_price_is_told_and_then_left(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.pass_s(7.0)
        assert rig.said("[BLIND]") and any(PE in alarm for alarm in rig.alarms)
        assert len(rig.working()) == 2
        rig.tick(PE, 100.0)
        await rig.quiet(2.0, 100.0)
        assert rig.said("prices are back") and not rig.desk.alarms

        await rig.pass_s(40.0)
        assert rig.net(PE) == 75, "the exit rests: no touch is fresh enough at the venue to trade with"
        assert [r.limit_paise for r in rig.venue.placed(Role.EXIT)][:1] == [91_00], "three bands wide on a stale price"
        assert rig.said("exiting blind")
        rig.tick(PE, 99.0)
        await rig.quiet(1.0, 99.0)
        assert rig.net(PE) == 0 and [reason for _, _, reason in rig.trades()] == ["No Price"]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-8")
def test_the_traders_own_orders_are_left_alone_all_day(run_desk, seed_setup) -> None:
    """A resting BUY and a resting SELL of the trader's, in the leg's own contract, outlive entry, exit and zero out."""
    from engine.operator import ZeroOut

    async def scenario(rig):
        for tag, side, price in (("MINE1", Side.BUY, 80_00), ("MINE2", Side.SELL, 130_00)):
            hand = OrderRequest(
                tag=tag, symbol=PE, exchange="NFO", product="NRML", side=side, type=OrderType.LIMIT,
                qty=75, limit_paise=price, trigger_paise=0,
            )  # fmt: skip
            rig.exchange.place("paper", hand, rig.clock.now_ns())
        await rig.enter(100.0)
        rig.request(ZeroOut)
        await rig.quiet(8.0, 100.0)

        assert {o.tag for o in rig.working()} == {"MINE1", "MINE2"}
        assert rig.net(PE) == 0 and not rig.alarms
        assert not [r for op, r in rig.venue.calls if "MINE" in str(r)]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-4")
@pytest.mark.invariant("P1", "P4")
def test_a_position_is_covered_within_two_seconds_or_an_alarm_stands(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.script = lambda op, request: Unknown("lost") if op == "place" and request.tag.endswith("S") else None
        rig.venue.reads_fail = True
        rig.tick(PE, 100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.wait_until(lambda: rig.net(PE) == 75)
        filled = rig.clock.now_ns()
        while rig.clock.now_ns() - filled < 4 * NS_PER_S:
            rig.tick(PE, 100.0)
            await rig.pass_s(0.05)
            if rig.clock.now_ns() - filled > 2 * NS_PER_S + 100 * NS_PER_MS:
                assert any("without a working stop" in view.text for view in rig.desk.alarms.values())

        rig.tick(PE, 94.9)  # the level is watched here meanwhile (design §5.10)
        took = await rig.wait_until(lambda: rig.net(PE) == 0, limit_s=5)
        assert took < 3.0

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-9")
def test_every_critical_line_of_a_bad_day_has_an_alarm(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        both_fill(rig, PE, 155.0, 145.0)
        await rig.quiet(2.0, 145.0)
        criticals = [line for line in rig.log.lines_since(0) if line.level == "CRITICAL"]
        assert criticals and len(rig.alarms) >= 1
        events = {twin["event"] for twin in rig.twins if twin["level"] == "CRITICAL"}
        assert events == {"oco_failure"}

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-3")
@pytest.mark.fault("NET-06")
def test_one_stale_book_does_not_prove_an_order_absent(run_desk, seed_setup) -> None:
    """The first book read after the lost reply is a cached one from before (NET-06): two clean reads are needed."""

    async def scenario(rig):
        real, stale = rig.venue.inner.read_orders, []

        async def cached():
            book = await real()
            if rig.desk.blotter.live_orders() and len(stale) < 1 and rig.said("[UNKNOWN]"):
                stale.append(True)
                return [order for order in book if not order.tag.endswith("S")]
            return book

        rig.venue.inner.read_orders = cached

        def script(op, request):
            if op == "place" and request.tag.endswith("S") and not rig.said("[UNKNOWN]"):
                rig.exchange.place("paper", request, rig.clock.now_ns())
                return Unknown("reply lost")
            return None

        rig.venue.script = script
        rig.venue.mute_pushes = True
        await rig.enter(150.0)
        await rig.quiet(5.0, 150.0)
        assert stale and len(rig.venue.placed(Role.STOP)) == 1
        assert rig.leg(PE).bracket.covered_qty == 75

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-07", "I-4")
def test_a_stop_is_sent_before_a_target_that_waits_longer(run_desk, seed_setup) -> None:
    """200 ms a write, both legs filled: protection of both first, then both targets."""

    async def scenario(rig):
        rig.venue.write_delay_s = 0.2
        rig.ticks(150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(3.0, 150.0)
        roles = [request.tag[-1] for _, request in rig.venue.calls]
        assert roles[:1] == ["E"] and sorted(roles[1:4]) == ["E", "S", "S"] and roles[4:] == ["T", "T"]

    run_desk(scenario, seed_setup())
