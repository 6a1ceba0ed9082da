"""Entering on a whole desk: what is sent, in which order, what is waited for, and what makes an entry not happen."""

from __future__ import annotations

import itertools
from datetime import date, time

import msgspec
import pytest

from brokers.paper.account import Latency
from engine import refusals
from engine.entry_trigger import TriggerSettings
from engine.gateway import GatewayLimits
from engine.instant import NS_PER_MS, NS_PER_S, at_ist, clock_text
from engine.leg import LegFacts
from engine.legs import PairPolicy
from engine.operator import Enter, ExitLeg, ZeroOut
from engine.order import OrderType, Role, Side
from engine.port import Acked, Refused
from engine.venue_rules import RequestFacts, check_request

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
DAY = date(2026, 11, 25)


def refuse(role_letter: str, code: str = refusals.OTHER, symbol: str = ""):
    """A script that refuses every placement of one role."""

    def script(op, request):
        is_it = op == "place" and request.tag.endswith(role_letter) and (not symbol or request.symbol == symbol)
        return Refused(code, f"scripted: {code}") if is_it else None

    return script


@pytest.mark.row("LEG-03")
def test_a_single_symbol_buys_once_and_behaves_like_a_leg(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)

        assert [(r.symbol, r.side) for r in rig.venue.placed(Role.ENTRY)] == [(PE, Side.BUY)]
        assert len(rig.working()) == 2
        assert rig.said("[ENTRY] BUY 1 symbols x 75")

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-04")
def test_a_fresh_leg_has_the_seeds_start_values_and_moving_one_leaves_the_other(run_desk, seed_setup) -> None:
    async def scenario(rig):
        fresh = {
            "in_position": False,
            "side": None,
            "entry_price": None,
            "entry_price_hint": None,
            "actual_filled_qty": 0,
            "tp_level": None,
            "sl_level": None,
            "entry_order_id": None,
            "tp_order_id": None,
            "sl_order_id": None,
            "tp_filled_qty": 0,
            "sl_filled_qty": 0,
            "highest_favorable_price": None,
            "sl_trail_active": False,
            "original_sl_level": None,
        }
        for symbol in (PE, CE):
            dump = msgspec.structs.asdict(rig.facts(symbol))
            assert {name: dump[name] for name in fresh} == fresh
            assert (dump["exit_legs_placed"], dump["exit_retry_count"], dump["lifecycle"]) == (False, 0, "flat")

        await rig.enter(150.0)
        before = rig.facts(CE)
        rig.tick(PE, 155.0)
        await rig.quiet(1.0, {PE: 155.0, CE: 150.0})

        assert rig.facts(PE) == LegFacts()
        assert rig.facts(CE) == before
        assert (before.in_position, before.side, before.entry_price) == (True, "LONG", 150_00)
        assert (before.tp_level, before.sl_level, before.actual_filled_qty) == (155_00, 145_00, 75)
        assert before.tp_order_id and before.sl_order_id and before.tp_order_id != before.sl_order_id
        assert (before.exit_legs_placed, before.owner) == (True, "random_scalp_live")

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-05")
def test_the_two_pair_queries_follow_the_legs(run_desk) -> None:
    async def scenario(rig):
        bot = rig.bot
        assert (bot.any_leg_active, bot.all_legs_flat) == (False, True)
        await rig.enter(100.0)
        assert (bot.any_leg_active, bot.all_legs_flat) == (True, False)
        await rig.quiet(1.0, {PE: 102.0, CE: 100.0})
        assert [rig.leg(s).is_active for s in (PE, CE)] == [False, True]
        assert (bot.any_leg_active, bot.all_legs_flat) == (True, False)
        await rig.quiet(1.0, {PE: 102.0, CE: 102.0})
        assert (bot.any_leg_active, bot.all_legs_flat) == (False, True)

    run_desk(scenario)


@pytest.mark.row("LEG-06")
def test_a_full_dual_cycle_logs_in_once(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(2.0, 102.0)

        assert rig.venue.logins == 1
        assert {order.account for order in rig.desk.blotter.orders.values()} == {"paper"}
        assert len(rig.desk.blotter.orders) == 6

    run_desk(scenario)


@pytest.mark.row("LEG-07")
def test_writes_never_overlap_and_go_primary_first(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.write_delay_s = 0.2
        rig.ticks(150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(6.0, 150.0)

        spans = rig.venue.spans
        assert len(spans) == 6
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
        assert [r.symbol for r in rig.venue.placed(Role.ENTRY)] == [PE, CE]

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-07")
def test_an_exit_asked_for_during_a_fill_wait_leaves_in_the_next_write_slot(run_desk, seed_setup) -> None:
    """CE's entry rests unfilled (the 4.5 s wait); PE's target gap must not wait for it."""

    async def scenario(rig):
        rig.venue.write_delay_s = 0.2
        rig.ticks(150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.05)
        rig.tick(CE, 170.0)  # CE ran away: its limit rests
        await rig.wait_until(lambda: rig.leg(PE).bracket.covered_qty == 75)
        assert rig.leg(CE).bracket.open_qty == 0
        await rig.wait_until(lambda: rig.desk.main.gateway.is_idle)

        asked = rig.clock.now_ns()
        rig.tick(PE, 145.2)
        rig.desk.step(lambda now: rig.bot.exit_leg(PE, "test", now, rig.desk.out))
        await rig.wait_until(lambda: len(rig.venue.placed(Role.EXIT)) == 1)

        cancels = [span for span in rig.venue.spans if span[0] >= asked]
        assert cancels[0][0] == asked  # the first cancel left at once
        assert rig.clock.now_ns() - asked < 2 * 220 * NS_PER_MS + 30 * NS_PER_MS  # two cancels, then the exit

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-08")
def test_an_entry_while_any_leg_is_active_is_skipped(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(1.0, {PE: 102.0, CE: 100.0})
        assert [rig.leg(s).is_active for s in (PE, CE)] == [False, True]
        sent = len(rig.venue.calls)

        rig.desk.step(lambda now: rig.bot.enter([PE, CE], Side.BUY, 1, now, rig.desk.out))
        await rig.quiet(0.5)

        assert len(rig.venue.calls) == sent
        assert rig.said("[SKIP] Position already active") == ["[SKIP] Position already active"]

    run_desk(scenario)


@pytest.mark.row("LEG-09", "LEG-12")
@pytest.mark.parametrize(("lots", "qty"), [(1, 75), (2, 150)])
def test_the_entry_tells_the_batch_then_each_leg_and_carries_the_terms(run_desk, seed_setup, lots, qty) -> None:
    async def scenario(rig):
        await rig.enter(150.0)

        assert rig.said("[ENTRY]") == [
            f"[ENTRY] BUY 2 symbols x {qty}",
            f"[ENTRY] BUY {PE} x {qty}",
            f"[ENTRY] BUY {CE} x {qty}",
        ]
        for request in rig.venue.placed(Role.ENTRY):
            assert (request.type, request.side, request.qty) == (OrderType.MARKET, Side.BUY, qty)
            assert (request.product, request.exchange) == ("MIS", "NFO")
            assert request.limit_paise == 154_50  # 3 % through the touch: never a bare MARKET (CON-05)
            assert rig.desk.blotter.orders[request.tag].bot == "random_scalp_live"

    run_desk(scenario, seed_setup(lots=lots))


@pytest.mark.row("LEG-10")
def test_long_buys_and_a_short_is_refused_with_a_reason(run_desk) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.request(Enter, side=Side.SELL)
        await rig.quiet(0.5)
        assert rig.venue.calls == []
        assert rig.said("short legs are switched off (allow_short=false)")

        await rig.enter(100.0)
        assert [r.side for r in rig.venue.placed(Role.ENTRY)] == [Side.BUY, Side.BUY]

    run_desk(scenario)


@pytest.mark.row("LEG-11")
def test_the_last_price_is_the_hint_and_a_quote_without_a_trade_leaves_it_empty(run_desk) -> None:
    async def scenario(rig):
        rig.tick(PE, 149.95)
        rig.tick(CE, 0.0, bid=149.9, ask=150.0)  # quoted, never traded today
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.001)

        assert rig.facts(PE).entry_price_hint == 149_95
        assert rig.facts(CE).entry_price_hint is None
        assert rig.said(f"no quote for {CE}, entry sent without a price hint")
        await rig.pass_s(0.1)
        assert len(rig.venue.placed(Role.ENTRY)) == 2

    run_desk(scenario)


@pytest.mark.row("I-7", "LEG-11")
@pytest.mark.invariant("M1")
def test_an_entry_on_a_stale_price_is_refused(run_desk) -> None:
    """O10 outranks LEG-11's "entry still sent": without a fresh price nothing is entered."""

    async def scenario(rig):
        rig.ticks(100.0)
        await rig.pass_s(5.2)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.5)

        assert rig.venue.calls == []
        assert rig.said(f"price of {PE} is 5.2 s old")

    run_desk(scenario)


@pytest.mark.row("LEG-13")
def test_without_pushes_a_fill_is_seen_by_the_third_poll_and_no_poll_follows(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.mute_pushes = True
        rig.ticks(150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.002)
        rig.tick(PE, 170.0)  # away before the order arrives: it rests at 154.50
        read_at: list[float] = []
        real = rig.venue.inner.read_orders

        async def noted():
            read_at.append(rig.clock.now_ns())
            return await real()

        rig.venue.inner.read_orders = noted
        began = rig.leg(PE).bracket.body.opened_ns
        await rig.pass_s(1.3)
        rig.tick(PE, 153.0)  # fills the resting limit; nobody is told
        await rig.wait_until(lambda: rig.facts(PE).in_position)

        seen_s = (rig.clock.now_ns() - began) / NS_PER_S
        assert [round((at - began) / NS_PER_S, 1) for at in read_at] == [0.3, 0.9, 1.8]
        assert seen_s <= 1.85
        assert (rig.facts(PE).entry_price, rig.facts(PE).actual_filled_qty) == (154_50, 75)

        await rig.quiet(3.0, 153.0)
        polls = [round((at - began) / NS_PER_S, 1) for at in read_at if at - began < 4.6 * NS_PER_S]
        assert polls == [0.3, 0.9, 1.8]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-14")
@pytest.mark.parametrize(
    ("entry", "target", "stop", "levels"),
    [(150.00, 5, 5, (155_00, 145_00)), (100.05, 2, 1, (102_05, 99_05)), (100.00, 2, 1, (102_00, 99_00))],
)
def test_levels_come_from_the_fill_on_the_tick(run_desk, seed_setup, entry, target, stop, levels) -> None:
    async def scenario(rig):
        await rig.enter(entry)

        assert (rig.facts(PE).tp_level, rig.facts(PE).sl_level) == levels
        target_order, stop_order = rig.venue.placed(Role.TARGET, PE)[0], rig.venue.placed(Role.STOP, PE)[0]
        assert (target_order.limit_paise, stop_order.trigger_paise) == levels

    run_desk(scenario, seed_setup(target, stop))


@pytest.mark.row("LEG-14")
def test_an_average_between_ticks_rounds_half_up_to_the_tick(run_desk, seed_setup) -> None:
    """Two fills, 100.00 x 30 and 100.05 x 45, average 100.03: target 102.05, stop 99.05 (the row's own numbers)."""

    async def scenario(rig):
        rig.tick(PE, 100.0, size=30)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.1)
        rig.tick(PE, 100.05, size=45)
        await rig.pass_s(0.3)

        assert rig.facts(PE).entry_price == 100_03
        assert (rig.facts(PE).tp_level, rig.facts(PE).sl_level) == (102_05, 99_05)

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,)))


@pytest.mark.row("LEG-15", "LEG-16", "LEG-20")
def test_a_position_is_three_orders_and_says_the_lines_operators_grep(run_desk, seed_setup) -> None:
    """The storm of LEG-16: a hundred reconciles and status passes while the exits are being placed."""

    async def scenario(rig):
        rig.tick(PE, 150.0)
        rig.request(Enter, side=Side.BUY)
        for _ in range(100):
            await rig.pass_s(0.003)
            rig.desk.main.reader.reconcile()
            rig.drain()
        await rig.quiet(2.0, 150.0)

        assert rig.venue.story() == [
            "place entry BUY MARKET 25 154.50/0.00",
            "place stop SELL SL 25 142.10/145.00",
            "place target SELL LIMIT 25 155.00/0.00",
        ]
        facts = rig.facts(PE)
        assert rig.said("[ORDER]") == [f"[ORDER] BUY {PE} qty=25 @₹150.00"]
        assert rig.said("[EXITS]") == [
            f"[EXITS] TP oid={facts.tp_order_id} @₹155.00 | SL oid={facts.sl_order_id} @₹145.00"
        ]

    run_desk(scenario, seed_setup(symbols=(PE,), lot=25))


@pytest.mark.row("LEG-15")
def test_a_refused_target_leaves_no_id_keeps_the_stop_and_says_so(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.script = refuse("T")
        await rig.enter(150.0)

        assert rig.facts(PE).tp_order_id is None
        assert rig.facts(PE).sl_order_id is not None
        assert rig.said("[CRITICAL] TP rejected - position UNPROTECTED on upside!")

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-17")
def test_fifty_ensure_exits_while_the_target_is_in_flight_send_one_pair(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.tick(PE, 150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.wait_until(lambda: len(rig.venue.placed(Role.TARGET)) == 1)
        assert rig.facts(PE).tp_order_id is None
        for _ in range(50):
            rig.drain()
        await rig.quiet(1.0, 150.0)

        assert [len(rig.venue.placed(role)) for role in (Role.TARGET, Role.STOP)] == [1, 1]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-18")
def test_exits_in_flight_answer_the_guard(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.tick(PE, 150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.wait_until(lambda: len(rig.venue.placed(Role.STOP)) == 1)
        sent = len(rig.venue.calls)
        rig.drain()

        assert rig.said("[INFO]") == ["[INFO] Exit legs already placed, waiting for order IDs to populate..."]
        assert len(rig.venue.calls) == sent

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-01", "LEG-64")
@pytest.mark.fault("UPD-08")
@pytest.mark.invariant("P2")
def test_a_partial_entry_is_protected_for_what_filled(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.tick(PE, 100.5)
        rig.tick(CE, 100.5, size=75)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.1)
        await rig.quiet(1.0, {PE: 100.5})

        assert (rig.facts(PE).actual_filled_qty, rig.facts(CE).actual_filled_qty) == (150, 75)
        assert [r.qty for r in rig.venue.placed(Role.STOP, CE) + rig.venue.placed(Role.TARGET, CE)] == [75, 75]
        assert [r.qty for r in rig.venue.placed(Role.STOP, PE) + rig.venue.placed(Role.TARGET, PE)] == [150, 150]
        assert rig.said("[PARTIAL_FILL]") == ["[PARTIAL_FILL] Entry filled 75/150 @ ₹100.50"]

    run_desk(scenario, seed_setup(lots=2))


@pytest.mark.row("LEG-64")
def test_an_odd_partial_entry_of_forty_units_is_protected_for_forty(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.tick(PE, 100.5)
        rig.tick(CE, 100.5, size=40)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.1)
        await rig.quiet(1.0, {PE: 100.5})

        held = {o.symbol: {w.qty for w in rig.working(o.symbol) if w.side is Side.SELL} for o in rig.working()}
        assert held == {PE: {75}, CE: {40}}

    run_desk(scenario, seed_setup())


@pytest.mark.row("HRD-03")
@pytest.mark.fault("UPD-08")
def test_the_rest_of_an_entry_is_cancelled_at_its_timeout(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.tick(PE, 100.5, size=75)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.02)
        entered = rig.leg(PE).bracket.body.opened_ns
        await rig.wait_until(lambda: any(op == "cancel" for op, _ in rig.venue.calls))
        assert (rig.clock.now_ns() - entered) / NS_PER_S == pytest.approx(4.5, abs=0.005)
        await rig.pass_s(0.2)
        await rig.quiet(8.0, 100.5)  # what would have filled the rest

        assert rig.net(PE) == rig.leg(PE).bracket.open_qty == 75
        assert {order.qty for order in rig.working()} == {75}

    run_desk(scenario, seed_setup(symbols=(PE,), lots=2, target=10, stop=10))


@pytest.mark.row("HRD-03")
def test_grow_keeps_the_rest_and_enlarges_the_exits_as_it_fills(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.tick(PE, 100.5, size=75)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.1)
        for _ in range(8):
            rig.tick(PE, 0.0, bid=0.0, ask=120.0)  # a quote without a last price trades nothing
            await rig.pass_s(1.0)
        assert rig.net(PE) == 75
        rig.tick(PE, 100.5, size=75)
        await rig.pass_s(0.5)

        assert rig.net(PE) == rig.leg(PE).bracket.open_qty == 150
        sells = [order for order in rig.working() if order.side is Side.SELL]
        assert sorted(order.qty for order in sells) == [150, 150]
        assert len(rig.exchange.orders("paper")) == 3

    run_desk(scenario, seed_setup(symbols=(PE,), lots=2, target=10, stop=10, entry_rest="grow"))


@pytest.mark.row("HRD-11")
@pytest.mark.parametrize(
    ("policy", "story"),
    [
        ("exit_now", ["place exit SELL MARKET 75 96.20/0.00"]),
        ("adjust", ["place stop SELL SL 75 97.20/99.15", "place target SELL LIMIT 75 105.50/0.00"]),
    ],
)
def test_a_stop_that_the_price_has_passed_already(run_desk, seed_setup, policy, story) -> None:
    """Filled at 100.50, stop 99.50, and the last price is 99.20 by then."""

    async def scenario(rig):
        rig.tick(PE, 100.5)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.015)  # filled at the exchange, not known here yet
        rig.tick(PE, 99.2)
        await rig.quiet(1.0, 99.2)

        assert rig.venue.story()[1:] == story
        if policy == "exit_now":
            assert [reason for _, _, reason in rig.trades()] == ["Stoploss Hit"]
        else:
            assert rig.said("[WARN] SL trigger") == ["[WARN] SL trigger 99.50 >= LTP 99.20, adjusting"]

    run_desk(scenario, seed_setup(symbols=(PE,), target=5, stop=1, breached_stop=policy))


@pytest.mark.row("HRD-12")
@pytest.mark.fault("REJ-06")
def test_an_index_option_never_gets_an_sl_m(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.5)
        stops = rig.venue.placed(Role.STOP)
        assert [(s.type, s.trigger_paise, s.limit_paise) for s in stops] == [(OrderType.SL, 99_50, 97_55)] * 2

    run_desk(scenario, seed_setup(5, 1, stop_type="SL-M"))


@pytest.mark.row("HRD-12")
def test_the_one_tick_gap_of_the_seed_is_an_option(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.5)
        assert [(s.trigger_paise, s.limit_paise) for s in rig.venue.placed(Role.STOP)] == [(99_50, 99_45)]

    run_desk(scenario, seed_setup(5, 1, symbols=(PE,), stop_gap_bps=-1))


@pytest.mark.row("HRD-12")
def test_one_refused_sl_m_falls_back_and_is_not_tried_again_that_session(run_desk, seed_setup, equity) -> None:
    async def scenario(rig):
        def script(op, request):
            is_slm = op == "place" and request.type is OrderType.SL_M
            return Refused(refusals.ORDER_TYPE, "SL-M blocked") if is_slm else None

        rig.venue.script = script
        for _ in range(2):
            await rig.enter(100.5)
            await rig.quiet(1.0, 100.5)
            assert len(rig.working("ACME")) == 2
            await rig.quiet(1.0, 105.5)
            assert not rig.leg("ACME").is_active

        kinds = [r.type.value for r in rig.venue.placed(Role.STOP)]
        assert kinds == ["SL-M", "SL", "SL"]
        assert len(rig.said("[FALLBACK]")) == 1

    run_desk(scenario, seed_setup(5, 1, lot=1, symbols=("ACME",), instruments={"ACME": equity}))


@pytest.mark.row("LEG-56")
def test_legs_with_different_lots_trade_their_own_quantity(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)

        assert [(r.symbol, r.qty) for r in rig.venue.placed(Role.ENTRY)] == [(PE, 75), (CE, 65)]
        assert rig.said("[ENTRY] BUY") == [
            "[ENTRY] BUY 2 symbols x 75/65",
            f"[ENTRY] BUY {PE} x 75",
            f"[ENTRY] BUY {CE} x 65",
        ]

    run_desk(scenario, seed_setup(lot_of={PE: 75, CE: 65}))


BARS = TriggerSettings(interval_ns=300 * NS_PER_S, every_n_bars=3)


@pytest.mark.row("LEG-58", "LEG-60")
def test_the_schedule_enters_at_every_third_bar_and_not_from_the_session_end(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.quiet(15 * 60, 100.0, step=4.0)
        queued = rig.said("[SIGNAL]")
        assert queued == ["[SIGNAL] bar 3 closed: LONG queued for 09:35:01"]
        await rig.quiet(3, 100.0)
        assert [clock_text(b.body.opened_ns) for b in rig.bot.brackets.values()] == ["09:35:01"] * 2
        assert rig.bot.body.trigger.pending_planned_ns == 0

        await rig.quiet(40, 102.0)
        assert rig.bot.all_legs_flat
        await rig.quiet(15 * 60, 100.0, step=4.0)
        assert len(rig.venue.placed(Role.ENTRY)) == 4, "bar 6 enters again, nothing in between does"

    run_desk(scenario, seed_setup(2, 1, trigger=BARS, start_ns=at_ist(DAY, time(9, 20))))


@pytest.mark.row("LEG-58")
def test_no_signal_whose_open_is_at_the_square_off(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.quiet(11 * 60, 100.0, step=4.0)
        assert rig.clock.now_ns() > at_ist(DAY, time(15, 15))
        assert not [text for text in rig.said("queued for") if "15:15" in text]
        assert len(rig.venue.placed(Role.ENTRY)) == 2, "15:10:01 is the last entry"

    settings = msgspec.structs.replace(BARS, every_n_bars=1)
    run_desk(scenario, seed_setup(50, 50, trigger=settings, start_ns=at_ist(DAY, time(15, 4, 50))))


@pytest.mark.row("LEG-60")
@pytest.mark.parametrize("block", ["paused", "refused"])
def test_a_signal_is_used_up_by_its_one_entry_good_or_bad(run_desk, seed_setup, block) -> None:
    async def scenario(rig):
        rig.venue.script = refuse("E")
        if block == "paused":
            await rig.quiet(299, 100.0, step=4.0)
            rig.desk.is_paused = True
        await rig.quiet(310 if block == "refused" else 11, 100.0, step=4.0)
        assert rig.bot.body.trigger.pending_planned_ns == 0
        sent = len(rig.venue.calls)
        assert sent == (0 if block == "paused" else 2)
        rig.desk.is_paused = False
        rig.venue.script = lambda op, request: None
        await rig.quiet(200, 100.0, step=4.0)
        assert len(rig.venue.calls) == sent, "no second entry from the same signal"

    settings = msgspec.structs.replace(BARS, every_n_bars=1)
    run_desk(scenario, seed_setup(trigger=settings, start_ns=at_ist(DAY, time(9, 20))))


@pytest.mark.row("LEG-62")
def test_independent_legs_go_on_alone_with_an_alert(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.script = refuse("E", refusals.MARGIN, CE)
        await rig.enter(100.0)

        assert rig.leg(PE).bracket.covered_qty == 75
        assert not rig.leg(CE).is_active
        assert rig.said(f"[ERROR] placeorder failed for {CE}")
        assert any(CE in alarm for alarm in rig.alarms)

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-62")
def test_both_or_none_closes_the_filled_leg_within_a_write_slot(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.script = refuse("E", refusals.MARGIN, CE)
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.wait_until(lambda: bool(rig.said("[ERROR] placeorder failed")))
        took = await rig.wait_until(lambda: rig.net(PE) == 0 and len(rig.venue.placed(Role.EXIT)) == 1)
        await rig.quiet(1.0)

        assert took < 0.1
        assert rig.bot.all_legs_flat and not rig.working()
        assert [reason for _, _, reason in rig.trades()] == ["Pair Unwind"]
        assert any(CE in alarm for alarm in rig.alarms)

    run_desk(scenario, seed_setup(pair_policy=PairPolicy.BOTH_OR_NONE))


@pytest.mark.row("LEG-63", "I-3")
@pytest.mark.fault("UPD-05")
@pytest.mark.invariant("P1")
def test_a_fill_that_nobody_told_is_protected_on_first_sight(run_desk, seed_setup) -> None:
    """20 s without pushes and without books; the order stays watched and is not sent again."""

    async def scenario(rig):
        rig.venue.mute_pushes = rig.venue.reads_fail = rig.venue.lose_answers = True
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(20.0, 100.0)
        assert rig.net(PE) == 75 and rig.leg(PE).is_active
        assert len(rig.venue.placed()) == 1

        rig.venue.mute_pushes = rig.venue.reads_fail = rig.venue.lose_answers = False
        await rig.wait_until(lambda: rig.facts(PE).in_position, limit_s=4)
        took = await rig.wait_until(lambda: rig.leg(PE).bracket.covered_qty == 75)
        await rig.quiet(1.0)

        assert took < 1.0
        assert rig.venue.story()[-2:] == [
            "place stop SELL SL 75 93.10/95.00",
            "place target SELL LIMIT 75 105.00/0.00",
        ]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-66")
@pytest.mark.fault("REJ-14")
@pytest.mark.invariant("O4")
def test_forty_writes_stay_under_eight_a_second_and_none_is_throttled(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(4.0, 100.0)
        before = len(rig.venue.calls)
        rig.request(ZeroOut)
        await rig.pass_s(0.001)
        queued = rig.desk.main.gateway.depth + len(rig.venue.calls) - before
        await rig.quiet(6.0, 100.0)

        assert queued == 8, "the targets of eight legs, at once; each stop protects until its target has ended (ORD-25)"
        assert rig.bot.all_legs_flat
        starts = [span[0] for span in rig.venue.spans]
        assert len(starts) == 48
        busiest = max(sum(1 for other in starts if at <= other < at + NS_PER_S) for at in starts)
        assert busiest <= 8
        assert not [a for a in rig.desk.blotter.orders.values() if a.reject_code]

    strikes = tuple(f"NIFTY01DEC26{24_000 + 50 * n}{kind}" for n in range(4) for kind in ("PE", "CE"))
    run_desk(scenario, seed_setup(symbols=strikes))


@pytest.mark.row("LEG-66")
def test_an_order_gap_spaces_every_write(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(5.0, 100.0)
        starts = [span[0] for span in rig.venue.spans]
        assert len(starts) == 6
        assert min(b - a for a, b in itertools.pairwise(starts)) >= NS_PER_S // 2

    run_desk(scenario, seed_setup(gateway=GatewayLimits(order_gap_ns=NS_PER_S // 2)))


@pytest.mark.row("LEG-66")
@pytest.mark.fault("ORD-09")
def test_a_429_is_waited_for_and_the_exit_goes_first(run_desk, seed_setup) -> None:
    async def scenario(rig):
        refused: list[str] = []

        def script(op, request):
            if op == "place" and request.tag.endswith("S") and len(refused) < 2:
                refused.append(request.tag)
                return Refused(refusals.THROTTLED, "429", retry_after_s=1.0)
            return None

        rig.venue.script = script
        await rig.enter(100.0)
        await rig.quiet(4.0, 100.0)

        stops = rig.venue.placed(Role.STOP)
        assert [s.tag for s in stops].count(refused[0]) == 3, "a refusal is proof: the same order went again"
        assert len({s.tag for s in stops}) == 1
        assert rig.leg(PE).bracket.covered_qty == 75

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-67")
def test_both_legs_are_entered_and_protected_in_two_seconds(run_desk, seed_setup) -> None:
    """150 ms a write, 200 ms until a fill is told: the row's fake broker."""

    async def scenario(rig):
        rig.venue.write_delay_s = 0.13  # plus 2 x 10 ms on the wire
        rig.ticks(150.0)
        rig.request(Enter, side=Side.BUY)
        done = lambda: all(  # noqa: E731
            rig.facts(s).in_position and rig.facts(s).tp_order_id and rig.leg(s).bracket.covered_qty == 75
            for s in (PE, CE)
        )
        took = await rig.wait_until(done)
        print(f"LEG-67: both legs entered and protected in {took:.3f} s (150 ms writes, 200 ms fills)")
        assert took < 2.0

    latency = Latency(request_ms=(10, 10), push_ms=(200, 200), overtake_pct=0)
    run_desk(scenario, seed_setup(latency=latency))


@pytest.mark.row("LEG-68")
def test_the_state_of_a_leg_is_about_a_kilobyte(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.tick(PE, 153.0)
        await rig.pass_s(0.2)
        sizes = [len(msgspec.json.encode(rig.leg(s).bracket.body)) for s in (PE, CE)]
        print(f"LEG-68: {sizes} bytes of state")
        assert max(sizes) <= 1024

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-69")
def test_the_primary_summary_is_the_primary_leg_at_every_step(run_desk, seed_setup) -> None:
    async def scenario(rig):
        bot = rig.bot
        for price in (150.0, 152.0, 155.0):
            if price == 150.0:
                await rig.enter(price)
            await rig.quiet(1.0, {PE: price, CE: 150.0})
            assert bot.primary_summary() == rig.facts(PE)
        assert bot.primary_summary() == LegFacts()
        assert rig.facts(CE).in_position

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-71")
def test_four_legs_trade_with_the_same_guarantees(run_desk, seed_setup) -> None:
    symbols = (PE, CE, "NIFTY01DEC2624550PE", "NIFTY01DEC2624550CE")

    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(3.0, 100.0)
        assert [r.symbol for r in rig.venue.placed(Role.ENTRY)] == list(symbols)
        assert len(rig.venue.placed()) == 12
        assert all(rig.leg(s).bracket.covered_qty == 75 for s in symbols)

        await rig.quiet(2.0, dict.fromkeys(symbols, 100.0) | {CE: 105.0, symbols[3]: 95.0})
        assert [rig.leg(s).is_active for s in symbols] == [True, False, True, False]
        assert len(rig.working()) == 4
        assert sum(net for _, net, _ in rig.trades()) == 375_00 - 375_00

    run_desk(scenario, seed_setup(symbols=symbols))


@pytest.mark.row("OPS-31")
@pytest.mark.fault("TIM-05")
@pytest.mark.invariant("O10")
def test_a_holiday_takes_no_entries_and_says_so(run_desk, seed_setup) -> None:
    async def scenario(rig):
        assert len(rig.said("[SESSION] 2026-11-24 is no trading day")) == 1
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(600, 100.0, step=4.0)
        assert rig.venue.calls == []
        assert rig.said("holiday")

    settings = msgspec.structs.replace(BARS, every_n_bars=1)
    run_desk(scenario, seed_setup(trigger=settings, start_ns=at_ist(date(2026, 11, 24), time(10, 0))))


@pytest.mark.row("OPS-35")
@pytest.mark.fault("REJ-04")
@pytest.mark.invariant("O7")
def test_a_request_against_the_venues_rules_is_caught_before_it_is_sent(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(0.5)
        assert rig.venue.calls == []
        assert rig.said("[RULES]")[0].startswith(f"[RULES] {PE} entry refused before sending: product 'CO'")

        option, rules = rig.instruments[PE], rig.venue.rules
        good = RequestFacts(tag="SD1", type=OrderType.SL, qty=75, limit_paise=97_00, trigger_paise=99_00, product="MIS")
        assert check_request(good, option, rules) is None
        for change, code in (
            ({"type": OrderType.SL_M}, refusals.ORDER_TYPE),
            ({"tag": "X" * 24}, refusals.TAG),
            ({"limit_paise": 97_03}, refusals.TICK_SIZE),
            ({"qty": 70}, refusals.LOT_SIZE),
        ):
            violation = check_request(msgspec.structs.replace(good, **change), option, rules)
            assert violation is not None and violation.code == code and violation.text

    run_desk(scenario, seed_setup(product="CO"))


@pytest.mark.row("I-3")
@pytest.mark.fault("STO-01", "STO-02")
@pytest.mark.invariant("O1")
def test_an_entry_is_stored_before_it_is_sent_and_never_sent_twice(run_desk, seed_setup) -> None:
    """Replies lost for good: one order per leg at the exchange, found by its tag, protected."""

    async def scenario(rig):
        rig.venue.lose_answers = rig.venue.mute_pushes = True
        real = rig.venue.inner.place

        async def checked(request):
            intents = rig.journal.load("paper", trading_day=DAY.isoformat()).orders
            assert request.tag in {order.tag for order in intents}, "sent before it was stored"
            return await real(request)

        rig.venue.inner.place = checked
        rig.ticks(150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(12.0, 150.0)

        assert rig.said("[UNKNOWN]")
        orders = rig.exchange.orders("paper")
        assert [(o.symbol, o.side.value, o.qty) for o in orders if o.side is Side.BUY] == [
            (PE, "BUY", 75),
            (CE, "BUY", 75),
        ]
        assert all(rig.leg(s).bracket.covered_qty == 75 for s in (PE, CE))
        assert len(orders) == 6

    run_desk(scenario, seed_setup())


@pytest.mark.row("I-3")
@pytest.mark.fault("ORD-02")
def test_an_entry_that_never_arrived_is_given_up_not_repeated(run_desk, seed_setup) -> None:
    async def scenario(rig):
        from engine.port import Unknown

        rig.venue.script = lambda op, request: Unknown("lost on the way") if op == "place" else None
        rig.ticks(150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(5.0, 150.0)

        assert len(rig.venue.placed()) == 2
        assert rig.bot.all_legs_flat
        assert rig.said("not placed")

    run_desk(scenario, seed_setup())


@pytest.mark.fault("ORD-24", "UPD-01")
def test_an_acknowledgement_of_an_order_that_already_filled_changes_nothing(run_desk, seed_setup) -> None:
    """The push overtakes the reply to the place call (UPD-01)."""

    async def scenario(rig):
        await rig.enter(150.0)
        entry = rig.desk.blotter.orders[rig.venue.placed(Role.ENTRY)[0].tag]
        rig.desk.on_answer(entry.tag, "place", Acked(entry.broker_id))
        await rig.quiet(0.5, 150.0)
        assert len(rig.venue.placed()) == 3
        assert (entry.filled_qty, entry.state.value) == (75, "filled")

    latency = Latency(request_ms=(50, 50), push_ms=(5, 5), overtake_pct=100)
    run_desk(scenario, seed_setup(symbols=(PE,), latency=latency))


@pytest.mark.row("HRD-10")
@pytest.mark.fault("REJ-02", "ORD-23")
def test_an_entry_above_the_freeze_quantity_goes_out_in_slices_and_is_protected_and_left_whole(
    run_desk, seed_setup
) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.pass_s(2.0)
        assert [order.qty for order in rig.venue.placed(Role.ENTRY)] == [1755, 1755, 390]
        assert rig.net(PE) == 60 * 65
        covered = sum(order.qty for order in rig.working(PE) if order.type is OrderType.SL)
        assert covered == 60 * 65
        assert max(order.qty for order in rig.venue.placed()) <= 1800

        rig.request(ExitLeg, symbol=PE)
        await rig.quiet(10.0)
        assert (rig.net(PE), rig.leg(PE).is_active) == (0, False)

    run_desk(scenario, seed_setup(symbols=(PE,), lots=60, lot=65))


@pytest.mark.row("HRD-10")
def test_an_entry_of_more_than_ten_slices_is_refused_with_its_reason(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)

        assert rig.venue.placed() == []
        assert any("at most 17550 in one entry" in text for text in rig.texts())

    run_desk(scenario, seed_setup(symbols=(PE,), lots=271, lot=65))
