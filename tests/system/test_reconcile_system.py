"""Positions that change without us, on the whole desk: what is booked, what is resized, and what is left alone.

The trader's hand is an order placed straight at the paper exchange in the same account, with a tag that is not ours.
"""

from __future__ import annotations

import msgspec
import pytest

from brokers.paper.ledger import Holding
from engine.desk_parts import DeskTimes
from engine.instant import NS_PER_S
from engine.operator import Enter, ExitLeg
from engine.order import OrderType, Role, Side
from engine.port import OrderChange, OrderRequest, Unknown
from engine.reconcile import OnUnexpected
from engine.tick import Tick
from engine.view import ProtectionWord

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
KEY = (PE, "MIS")


def by_hand(rig, side: Side, qty: int, price: float, *, symbol: str = PE, product: str = "MIS", tag: str = "") -> None:
    """The trader's own marketable order."""
    rig.exchange.place(
        "paper",
        OrderRequest(
            tag=tag or f"HAND{len(rig.exchange.orders('paper'))}", symbol=symbol, exchange="NFO", product=product,
            side=side, type=OrderType.LIMIT, qty=qty, limit_paise=round(price * 100), trigger_paise=0,
        ),
        rig.clock.now_ns(),
    )  # fmt: skip


def holding(rig, symbol: str = PE, product: str = "MIS") -> Holding:
    return rig.exchange._ledgers["paper"].holdings.setdefault((symbol, product), Holding())


def move(rig, qty: int, price: float, *, product: str = "MIS", symbol: str = PE) -> None:
    """Units come or go without any trade: the risk desk, a transfer, a conversion."""
    side = Side.BUY if qty > 0 else Side.SELL
    holding(rig, symbol, product).apply(side, abs(qty), round(price * 100))


def reserve(rig, policy: OnUnexpected = OnUnexpected.ADOPT) -> None:
    rig.bot.terms = msgspec.structs.replace(rig.bot.terms, reserved_symbols=True, on_unexpected=policy)


def exits(rig, symbol: str = PE) -> dict[str, tuple[str, int]]:
    """Working orders of ours: type -> (side, remaining units)."""
    return {o.type.value: (o.side.value, o.qty - o.filled_qty) for o in rig.working(symbol) if o.tag.startswith("SD")}


# --- when it is looked ------------------------------------------------------------------------------------------


@pytest.mark.fault("NET-06", "HUM-02")
@pytest.mark.row("I-8")
@pytest.mark.parametrize("is_pushed", [True, False])
def test_what_the_trader_buys_while_the_trade_book_is_old_is_never_taken_for_a_closed_position_of_ours(
    run_desk, seed_setup, is_pushed: bool
) -> None:
    """The position book shows his units, the trade book does not yet; one like them was closed here today."""

    async def scenario(rig):
        await rig.enter(150.0)
        rig.tick(PE, 155.0)
        await rig.quiet(40.0, 151.0)
        assert rig.trades() == [(PE, 75 * 500, "Target Hit")] and rig.net(PE) == 0
        old, inner = list(await rig.venue.inner.read_trades()), rig.venue.read_trades
        rig.venue.read_trades = lambda: _answered(old)
        rig.venue.mute_pushes = not is_pushed
        by_hand(rig, Side.BUY, 75, 151.0)
        for _ in range(9):
            rig.desk.main.reader.reconcile()
            await rig.quiet(1.0, 151.0)
        rig.venue.read_trades = inner
        for _ in range(20):
            rig.desk.main.reader.reconcile()
            await rig.quiet(1.0, 151.0)

        assert rig.net(PE) == 75 and rig.venue.placed(Role.EXIT) == []
        assert not rig.leg(PE).is_active

    run_desk(scenario, seed_setup(5, 5, symbols=(PE,)))


async def _answered(trades):
    return trades


@pytest.mark.row("LEG-36", "CON-02")
def test_it_looks_every_30_s_with_a_position_and_every_300_s_without(run_desk, seed_setup) -> None:
    async def scenario(rig):
        reader = rig.desk.main.reader
        times: list[float] = []
        inner = rig.venue.read_positions

        async def read_positions():
            times.append((rig.clock.now_ns() - began_ns) / NS_PER_S)
            return await inner()

        rig.venue.read_positions = read_positions
        began_ns = rig.clock.now_ns()
        await rig.pass_s(1000)
        assert [round(t) for t in times] == [300, 600, 900]

        await rig.enter(150.0)
        times.clear()
        began_ns = rig.clock.now_ns()
        await rig.quiet(100, 150.0)
        assert [round(t) for t in times] == [30, 60, 90]
        assert not rig.said("All positions flat")

        await rig.quiet(2.0, 155.0)
        assert rig.said("[INFO]") == ["[INFO] All positions flat. Reconciliation reduced to 5 minutes."]
        times.clear()
        began_ns = rig.clock.now_ns()
        await rig.quiet(650, 155.0)
        assert [round(t, -1) for t in times] == [300, 600]
        assert reader.differences == 0

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-36")
def test_the_short_interval_stands_before_the_purchase_is_sent(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(150.0)
        due_at_send: list[int] = []

        def script(op, request):
            if request.tag.endswith("E"):
                due_at_send.append(rig.desk.main.reader._due.when() - rig.clock.loop_time(rig.clock.now_ns()))
            return None

        rig.venue.script = script
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(1.0)

        assert len(due_at_send) == 2 and all(29 < due <= 30 for due in due_at_send)

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-36", "RTP-46")
def test_one_read_of_the_position_book_serves_all_legs(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(2.0, 150.0)
        before = rig.desk.main.reader.position_reads
        rig.desk.main.reader.reconcile()
        await rig.pass_s(0.5)

        assert rig.desk.main.reader.position_reads == before + 1

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-36")
def test_a_slow_run_is_told(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.read_delay_s = 1.2
        rig.desk.main.reader.reconcile()
        await rig.quiet(5.0, 150.0)

        assert rig.said("[PERF] reconcile took 2.4s")

    run_desk(scenario, seed_setup())


# --- closed and reduced by hand -----------------------------------------------------------------------------------


@pytest.mark.row("LEG-40", "LEG-38", "CON-43")
@pytest.mark.fault("HUM-01")
@pytest.mark.invariant("R3")
def test_a_leg_closed_at_the_terminal_goes_flat_with_both_exits_cancelled_and_the_trades_price(
    run_desk, seed_setup
) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.tick(PE, 151.5)
        by_hand(rig, Side.SELL, 75, 151.5)
        took = await rig.wait_until(lambda: not rig.leg(PE).is_active, 30.0, step=0.05)

        assert took < 3.0
        assert rig.net(PE) == 0 and exits(rig) == {}
        assert rig.trades() == [(PE, 112_50, "Closed Externally")]
        assert rig.said(f"[RECONCILE] {PE}") == [
            f"[RECONCILE] {PE} State mismatch! Expected: +75, Actual: +0",
            f"[RECONCILE] {PE} Position closed externally",
        ]
        assert rig.venue.story(PE)[3:] in (["cancel stop", "cancel target"], ["cancel target", "cancel stop"])
        assert rig.leg(CE).is_active and rig.leg(CE).bracket.covered_qty == 75, "the other leg is untouched"
        await rig.quiet(40.0, {PE: 151.5, CE: 150.0})
        assert not rig.desk.mismatch and rig.venue.placed(Role.REPAIR) == []
        assert not rig.desk.alarms

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-40", "LEG-48")
@pytest.mark.fault("HUM-08", "NET-07")
def test_units_that_vanish_without_a_trade_are_looked_for_ten_seconds_and_booked_provisionally(
    run_desk, seed_setup
) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        move(rig, -75, 149.0)
        rig.desk.main.reader.reconcile()
        await rig.quiet(8.0, 149.0)
        assert rig.leg(PE).bracket.open_qty == 75, "however many looks: an old book shows the same for seconds"
        assert "position mismatch" in rig.desk.entry_block(rig.clock.now_ns())
        await rig.quiet(6.0, 149.0)

        assert not rig.leg(PE).is_active and exits(rig) == {}
        assert rig.trades() == [(PE, -75_00, "Closed Externally")]
        await rig.quiet(31.0, 149.0)
        assert not rig.desk.mismatch

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-41", "BUG-31", "RTP-26")
@pytest.mark.fault("HUM-02", "HUM-08")
@pytest.mark.invariant("P2")
def test_a_part_sold_by_hand_resizes_both_exits_and_sends_nothing_else(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        sent = len(rig.venue.calls)
        by_hand(rig, Side.SELL, 75, 150.0)
        await rig.quiet(3.0, 150.0)

        assert exits(rig) == {"LIMIT": ("SELL", 75), "SL": ("SELL", 75)}
        assert sorted(line.split()[0] for line in rig.venue.story()[sent:]) == ["modify", "modify"]
        assert rig.said("75 units closed externally: exits resized to 75")
        await rig.quiet(1.0, 155.0)
        await rig.quiet(3.0, 155.0)
        assert rig.net(PE) == 0 and not rig.leg(PE).is_active
        assert [net for _, net, _ in rig.trades()] == [375_00], "75 at +5, 75 at 0"

    run_desk(scenario, seed_setup(symbols=(PE,), lots=2))


@pytest.mark.fault("HUM-05", "HUM-07")
@pytest.mark.invariant("A3")
def test_two_bots_in_one_symbol_give_up_what_a_hand_sold_once_newest_position_first(
    run_desk, seed_setup, group
) -> None:
    """The broker nets them: 75 and 150 of ours are 225; 100 sold by hand leave 125 under working stops."""

    async def scenario(rig):
        for name in ("random_scalp_live", "twin"):
            rig.tick(PE, 150.0)
            rig.request(Enter, side=Side.BUY, bot=name)
            await rig.quiet(2.0, 150.0)
        assert rig.net(PE) == 225 and not rig.desk.mismatch
        by_hand(rig, Side.SELL, 100, 150.0)
        await rig.quiet(3.0, 150.0)

        held = {name: bot.legs[PE].bracket.open_qty for name, bot in rig.desk.bots.items()}
        assert held == {"random_scalp_live": 75, "twin": 50}
        stops = [o.qty - o.filled_qty for o in rig.working(PE) if o.type is OrderType.SL]
        assert sorted(stops) == [50, 75]
        await rig.quiet(31.0, 150.0)
        assert not rig.desk.mismatch and rig.net(PE) == 125

    twin = group("twin", (PE,), lots=6)
    run_desk(scenario, seed_setup(symbols=(PE,), lot=25, lots=3, groups=(twin,)))


@pytest.mark.row("BUG-31", "RTP-26")
def test_a_square_off_after_a_part_was_sold_by_hand_sells_only_the_rest(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        by_hand(rig, Side.SELL, 50, 150.0)
        await rig.quiet(2.0, 150.0)
        rig.desk.step(lambda now: rig.desk.square_off("Square-Off", now))
        await rig.quiet(2.0, 150.0)

        assert [(r.side, r.qty) for r in rig.venue.placed(Role.EXIT)] == [(Side.SELL, 25)]
        assert rig.net(PE) == 0

    run_desk(scenario, seed_setup(symbols=(PE,), lot=25, lots=3))


@pytest.mark.row("BUG-07", "LEG-40")
@pytest.mark.fault("UPD-05")
def test_a_target_that_filled_unseen_is_booked_as_ours_and_its_stop_is_cancelled(run_desk, seed_setup) -> None:
    """BUG-07: the broker is flat before the status pass comes; nothing is forgotten before its order has ended."""

    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.mute_pushes = True
        rig.tick(PE, 155.0)
        rig.desk.main.reader.verify_flat()
        await rig.pass_s(2.0)

        assert rig.trades() == [(PE, 375_00, "Target Hit")]
        assert exits(rig) == {} and rig.net(PE) == 0
        rig.tick(PE, 140.0)
        await rig.pass_s(2.0)
        assert rig.net(PE) == 0, "the stop is gone"
        assert not rig.said("closed externally")

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("BUG-07")
@pytest.mark.invariant("E2")
def test_a_target_that_fills_after_the_hands_sale_is_bought_back(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.mute_pushes = True
        by_hand(rig, Side.SELL, 75, 150.0)
        await rig.pass_s(0.01)
        rig.tick(PE, 155.0)
        assert rig.net(PE) == -75
        rig.venue.mute_pushes = False
        rig.desk.main.reader.reconcile()
        await rig.quiet(5.0, 155.0)

        assert rig.net(PE) == 0 and exits(rig) == {}
        assert [(r.side, r.qty) for r in rig.venue.placed(Role.REPAIR)] == [(Side.BUY, 75)]
        await rig.quiet(31.0, 155.0)
        assert not rig.desk.mismatch and not rig.leg(PE).is_active

    run_desk(scenario, seed_setup(symbols=(PE,)))


# --- what the trader holds is his -----------------------------------------------------------------------------------


@pytest.mark.row("BUG-12", "LEG-39", "CON-08", "I-8")
@pytest.mark.fault("HUM-02")
def test_what_the_trader_buys_beside_us_is_never_sold(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        sent = len(rig.venue.calls)
        by_hand(rig, Side.BUY, 150, 150.0)
        await rig.quiet(65.0, 150.0)

        assert rig.net(PE) == 225
        assert len(rig.venue.calls) == sent, "no order of ours for them"
        assert exits(rig) == {"LIMIT": ("SELL", 75), "SL": ("SELL", 75)}
        assert any("by hand +150" in alarm for alarm in rig.alarms)
        assert "position mismatch" in rig.desk.entry_block(rig.clock.now_ns())

        await rig.quiet(3.0, 155.0)
        assert rig.trades() == [(PE, 375_00, "Target Hit")]
        assert rig.net(PE) == 150 and exits(rig) == {}
        await rig.quiet(400.0, 155.0)
        assert rig.net(PE) == 150 and len(rig.venue.placed()) == 3, "left alone for good"

        by_hand(rig, Side.SELL, 150, 155.0)
        await rig.quiet(3.0, 155.0)
        assert not rig.desk.mismatch and not rig.desk.entry_block(rig.clock.now_ns())

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("BUG-12", "I-8")
def test_a_holding_from_before_the_start_is_no_difference_and_its_sale_is_not_ours(run_desk, seed_setup) -> None:
    async def scenario(rig):
        move(rig, 150, 140.0)
        again = await rig.revived(await rig.kill())
        assert not again.desk.mismatch
        await again.enter(150.0)
        by_hand(again, Side.SELL, 150, 150.0)
        await again.quiet(35.0, 150.0)
        assert exits(again) == {"LIMIT": ("SELL", 75), "SL": ("SELL", 75)}
        assert not again.said("[RECONCILE]") and not again.desk.alarms

        by_hand(again, Side.SELL, 50, 150.0)
        await again.quiet(3.0, 150.0)
        assert exits(again) == {"LIMIT": ("SELL", 25), "SL": ("SELL", 25)}

    run_desk(scenario, seed_setup(symbols=(PE,), lot=25, lots=3))


@pytest.mark.row("I-8")
@pytest.mark.fault("UPD-07")
@pytest.mark.invariant("R3")
def test_a_foreign_order_is_named_and_left_alone(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        by_hand(rig, Side.BUY, 75, 120.0, tag="MYOWN")
        await rig.quiet(6.0, 150.0)

        assert rig.said("[FOREIGN]") == [f"[FOREIGN] {PE} BUY 75 MIS working: not ours, left alone"]
        assert [o.tag for o in rig.working(PE) if not o.tag.startswith("SD")] == ["MYOWN"]
        assert [o.tag for o in rig.desk.main.reader.reconciler.foreign_orders.values()] == ["MYOWN"]
        assert not rig.desk.mismatch, "an order is no position"

    run_desk(scenario, seed_setup(symbols=(PE,)))


# --- unexpected units ---------------------------------------------------------------------------------------------


@pytest.mark.row("LEG-39", "CON-08")
def test_units_in_a_reserved_symbol_are_adopted_with_levels_from_their_price(run_desk, seed_setup) -> None:
    async def scenario(rig):
        reserve(rig)
        rig.ticks(150.2)
        move(rig, 75, 150.2)
        rig.desk.main.reader.reconcile()
        await rig.quiet(14.0, 150.2)

        assert rig.facts(PE).side == "LONG" and rig.leg(PE).bracket.open_qty == 75
        assert (rig.facts(PE).tp_level, rig.facts(PE).sl_level) == (152_20, 149_20)
        assert exits(rig) == {"LIMIT": ("SELL", 75), "SL": ("SELL", 75)}
        assert rig.said("Unexpected position detected, adopting") == [
            f"[RECONCILE] {PE} Unexpected position detected, adopting"
        ]
        assert rig.said("[RECONCILE] Position detected, checking exits...")
        await rig.quiet(3.0, 152.2)
        assert rig.net(PE) == 0 and rig.trades() == [(PE, 150_00, "Target Hit")]
        await rig.quiet(310.0, 152.2)
        assert not rig.desk.mismatch

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,)))


@pytest.mark.row("LEG-39", "BUG-03")
def test_a_short_found_in_a_reserved_symbol_gets_purchases_for_exits(run_desk, seed_setup) -> None:
    async def scenario(rig):
        reserve(rig)
        rig.ticks(150.0)
        move(rig, -75, 150.0)
        rig.desk.main.reader.reconcile()
        await rig.quiet(14.0, 150.0)

        assert exits(rig) == {"LIMIT": ("BUY", 75), "SL": ("BUY", 75)}
        assert not [r for r in rig.venue.placed() if r.side is Side.SELL]
        await rig.quiet(3.0, 151.0)
        assert rig.net(PE) == 0

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,)))


@pytest.mark.row("CON-08", "LEG-39")
def test_flatten_leaves_what_is_found_and_alert_only_names_it(run_desk, seed_setup) -> None:
    async def flatten(rig):
        reserve(rig, OnUnexpected.FLATTEN)
        rig.ticks(150.0)
        move(rig, 75, 150.0)
        rig.desk.main.reader.reconcile()
        await rig.quiet(16.0, 150.0)
        assert rig.net(PE) == 0 and rig.trades() == [(PE, 0, "Unexpected Position")]
        assert [(r.side, r.qty) for r in rig.venue.placed()] == [(Side.SELL, 75)]

    async def alert(rig):
        reserve(rig, OnUnexpected.ALERT)
        rig.ticks(150.0)
        move(rig, 75, 150.0)
        rig.desk.main.reader.reconcile()
        await rig.quiet(40.0, 150.0)
        assert rig.net(PE) == 75 and rig.venue.placed() == []
        assert "mismatch" in rig.desk.alarms and rig.desk.entry_block(rig.clock.now_ns())

    run_desk(flatten, seed_setup(symbols=(PE,)))
    run_desk(alert, seed_setup(symbols=(PE,)))


@pytest.mark.row("CON-08", "I-8")
def test_without_a_tag_a_reserve_or_a_word_of_the_trader_nothing_is_adopted(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(150.0)
        by_hand(rig, Side.BUY, 75, 150.0)
        await rig.quiet(40.0, 150.0)
        assert rig.venue.placed() == [] and "mismatch" in rig.desk.alarms

        rig.desk.main.reader.adopt(PE)
        await rig.quiet(5.0, 150.0)
        assert exits(rig) == {"LIMIT": ("SELL", 75), "SL": ("SELL", 75)}
        assert rig.leg(PE).bracket.covered_qty == 75 and not rig.desk.mismatch

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("RTP-51", "BUG-74")
@pytest.mark.fault("UPD-12")
def test_an_owned_position_that_our_books_call_closed_is_exited_exactly(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(3.0, 155.0)
        assert not rig.leg(PE).is_active
        move(rig, 75, 155.0)
        rig.desk.main.reader.reconcile()
        await rig.quiet(16.0, 155.0)

        assert rig.said("[CRITICAL]") == [f"[CRITICAL] {PE} the broker still holds 75 units of ours: exiting them"]
        assert [(r.side, r.qty) for r in rig.venue.placed(Role.EXIT)] == [(Side.SELL, 75)]
        assert rig.net(PE) == 0
        await rig.quiet(310.0, 155.0)
        assert not rig.desk.mismatch

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("EXI-15")
def test_exits_follow_a_position_whose_product_was_converted(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        move(rig, -75, 150.0)
        move(rig, 75, 150.0, product="NRML")
        rig.desk.main.reader.reconcile()
        await rig.quiet(10.0, 150.0)

        assert {o.product for o in rig.working(PE)} == {"NRML"}
        assert exits(rig) == {"LIMIT": ("SELL", 75), "SL": ("SELL", 75)}
        assert rig.said("product converted from MIS to NRML")
        await rig.quiet(5.0, 155.0)
        assert holding(rig, product="NRML").net_qty == 0 == holding(rig).net_qty
        await rig.quiet(310.0, 155.0)
        assert not rig.desk.mismatch and not rig.leg(PE).is_active

    run_desk(scenario, seed_setup(symbols=(PE,)))


# --- the third axis -----------------------------------------------------------------------------------------------


@pytest.mark.row("HRD-16")
def test_a_different_average_price_is_told_once_with_both(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.5)
        holding(rig).basis_paise = 75 * 100_62
        rig.desk.main.reader.reconcile()
        await rig.quiet(40.0, 100.5)

        assert rig.said("price mismatch") == [f"[RECONCILE] {PE} price mismatch: ours ₹100.50, broker ₹100.62"]
        assert rig.leg(PE).bracket.body.entry_paise == 100_50, "trade records outrank an average"
        assert not rig.desk.mismatch, "a price blocks nothing"

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,)))


@pytest.mark.row("HRD-16", "LEG-48")
def test_without_a_price_of_our_own_the_brokers_counts(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.hide_trades = True
        await rig.enter(100.5)
        holding(rig).basis_paise = 75 * 100_62
        rig.desk.main.reader.reconcile()
        await rig.quiet(2.0, 100.5)

        assert rig.leg(PE).bracket.body.entry_paise == 100_62
        assert rig.leg(PE).bracket.covered_qty == 75 and rig.facts(PE).tp_level == 102_60

    run_desk(scenario, seed_setup(2, 1, symbols=(PE,)))


# --- exits: stale, lost, and cancelled by hand ----------------------------------------------------------------------


@pytest.mark.row("LEG-37")
def test_a_broker_that_spells_symbols_in_small_letters_is_matched(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        inner = rig.venue.read_positions

        async def read_positions():
            rows = await inner()
            return [msgspec.structs.replace(row, symbol=row.symbol.lower()) for row in rows]

        rig.venue.read_positions = read_positions
        await rig.quiet(40.0, 150.0)
        assert not rig.desk.mismatch and not rig.said("[RECONCILE]")

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-42", "HRD-22", "LEG-44")
def test_stale_exits_of_a_flat_leg_are_cancelled_confirmed_and_forgotten(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        other = rig.facts(CE)
        by_hand(rig, Side.SELL, 75, 150.0)
        await rig.quiet(3.0, 150.0)

        assert rig.said("[CLEANUP]") == [f"[CLEANUP] {PE} Removing stale orders"] * 2
        assert len([line for line in rig.venue.story(PE) if line.startswith("cancel")]) == 2
        assert rig.facts(PE) == type(other)(), "every field of a fresh leg"
        assert rig.facts(CE) == other

    run_desk(scenario, seed_setup())


@pytest.mark.row("HRD-22")
def test_a_cancel_that_is_answered_not_found_is_not_repeated_in_a_loop(run_desk, seed_setup) -> None:
    from engine import refusals
    from engine.port import Refused

    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.mute_pushes = True
        rig.tick(PE, 155.0)

        def script(op, request):
            if op == "cancel":
                rig.exchange.cancel("paper", rig.desk.blotter.orders[request].broker_id, rig.clock.now_ns())
                return Refused(refusals.NO_SUCH_ORDER, "no such order")
            return None

        rig.venue.script = script
        await rig.quiet(40.0, 154.0)

        assert len([line for line in rig.venue.story() if line.startswith("cancel")]) == 1
        assert not rig.leg(PE).is_active

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-25", "I-5", "BUG-102")
def test_a_cancel_that_was_accepted_and_not_done_is_read_again_and_asked_again(run_desk, seed_setup) -> None:
    from engine.port import Acked

    async def scenario(rig):
        await rig.enter(150.0)
        by_hand(rig, Side.SELL, 75, 190.0, tag="MYOWN")
        lies = [1]

        def script(op, request):
            if op == "cancel" and lies[0]:
                lies[0] -= 1
                return Acked(rig.desk.blotter.orders[request].broker_id)
            return None

        rig.venue.script = script
        rig.tick(PE, 155.0)
        await rig.pass_s(0.05)
        reads = rig.desk.main.reader.reads
        await rig.pass_s(1.5)
        assert rig.desk.main.reader.reads - reads >= 3, "0.2 s, 0.4 s, 0.6 s"
        assert rig.leg(PE).is_active, "an answer is not an end"
        await rig.quiet(12.0, 154.0)

        assert [line for line in rig.venue.story() if line.startswith("cancel")] == ["cancel stop", "cancel stop"]
        assert not rig.leg(PE).is_active and exits(rig) == {}
        assert [o.tag for o in rig.working(PE)] == ["MYOWN"], "only orders of ours are swept"

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-43", "BUG-08")
@pytest.mark.fault("EXI-09")
def test_a_stop_that_fills_as_protection_is_rearmed_gets_no_second_one(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.mute_pushes = True
        rig.exchange.cancel("paper", rig.facts(PE).tp_order_id, rig.clock.now_ns())
        rig.tick(PE, 145.0)
        rig.desk.main.reader.status_pass()
        await rig.quiet(3.0, 145.0)

        assert len(rig.venue.placed()) == 3, "no SELL for a position that is gone"
        assert rig.trades()[0][2] == "Stoploss Hit" and rig.net(PE) == 0

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("HUM-03")
@pytest.mark.invariant("P4")
def test_a_stop_cancelled_by_hand_is_placed_again_and_not_for_ever(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        for _ in range(3):
            (stop,) = [o for o in rig.working(PE) if o.type is OrderType.SL]
            rig.exchange.cancel("paper", stop.broker_id, rig.clock.now_ns())
            await rig.quiet(2.0, 150.0)

        assert len(rig.venue.placed(Role.STOP)) == 3
        assert len(rig.said("[CRITICAL] Position detected without exits!")) == 2
        await rig.quiet(3.0, 150.0)
        assert rig.net(PE) == 0 and rig.trades()[0][2] == "Unprotected"

    run_desk(scenario, seed_setup(symbols=(PE,)))


def change(rig, order, *, qty: int = 0, limit: float = 0, trigger: float = 0) -> None:
    """The trader edits an order of ours in the broker's app."""
    rig.exchange.modify(
        "paper",
        OrderChange(
            tag=order.tag, broker_id=order.broker_id, type=order.type, qty=qty or order.qty,
            limit_paise=round(limit * 100) or order.limit_paise,
            trigger_paise=round(trigger * 100) or order.trigger_paise,
        ),
        rig.clock.now_ns(),
    )  # fmt: skip


def one(rig, kind: OrderType):
    (order,) = [o for o in rig.working(PE) if o.type is kind]
    return order


@pytest.mark.row("I-4")
@pytest.mark.fault("HUM-04")
def test_what_the_trader_changes_stays_when_it_protects_and_is_put_back_when_it_does_not(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(4.0, 150.0)
        change(rig, one(rig, OrderType.LIMIT), limit=157.0)
        change(rig, one(rig, OrderType.SL), limit=144.0, trigger=147.0)
        await rig.quiet(15.0, 150.0)
        assert one(rig, OrderType.LIMIT).limit_paise == 157_00 and one(rig, OrderType.SL).trigger_paise == 147_00
        assert (rig.facts(PE).tp_level, rig.facts(PE).sl_level) == (157_00, 147_00)
        assert len(rig.said("was changed by hand")) == 2
        assert not any(line.startswith("modify") for line in rig.venue.story()), "nobody fights the trader"

        change(rig, one(rig, OrderType.SL), limit=138.0, trigger=140.0)
        await rig.quiet(10.0, 150.0)
        assert one(rig, OrderType.SL).trigger_paise == 147_00, "a stop never loosens"
        change(rig, one(rig, OrderType.SL), qty=25)
        await rig.quiet(10.0, 150.0)
        assert one(rig, OrderType.SL).qty == 75 and rig.leg(PE).bracket.covered_qty == 75

    run_desk(scenario, seed_setup(symbols=(PE,), lot=25, lots=3))


# --- connections and reads ----------------------------------------------------------------------------------------


@pytest.mark.row("LEG-45")
@pytest.mark.fault("UPD-06", "NET-05")
def test_a_target_that_fills_while_the_link_is_down_is_booked_once_on_return(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.reads_fail = rig.venue.mute_pushes = True
        await rig.quiet(30.0, 150.0)
        rig.tick(PE, 155.0)
        await rig.quiet(30.0, 154.0)
        assert rig.leg(PE).is_active and rig.net(PE) == 0
        rig.venue.reads_fail = rig.venue.mute_pushes = False
        took = await rig.wait_until(lambda: not rig.leg(PE).is_active, 10.0, step=0.05)
        await rig.quiet(5.0, 154.0)

        assert took < 6.0
        assert exits(rig) == {} and rig.trades() == [(PE, 375_00, "Target Hit")]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("NET-07")
@pytest.mark.invariant("R4")
def test_one_empty_book_is_not_flat(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        inner, empties = rig.venue.read_positions, [2]

        async def read_positions():
            empties[0] -= 1
            return [] if empties[0] >= 0 else await inner()

        rig.venue.read_positions = read_positions
        rig.desk.main.reader.reconcile()
        await rig.quiet(10.0, 150.0)

        assert rig.leg(PE).bracket.covered_qty == 75
        assert rig.venue.story()[3:] == [] and not rig.said("closed externally")
        assert not rig.desk.mismatch

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-44")
def test_the_last_fifty_pushed_updates_are_kept(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        tags = {update.tag for _, update in rig.desk.main.reader.updates}
        assert {request.tag for request in rig.venue.placed()} <= tags
        for index in range(60):
            by_hand(rig, Side.BUY, 75, 120.0, tag=f"H{index}")
        await rig.pass_s(1.0)

        listed = [report.tag for report in rig.exchange.orders("paper")]
        assert len(listed) > 53 and [update.tag for _, update in rig.desk.main.reader.updates] == listed[-50:]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-44", "LEG-40")
def test_a_pushed_fill_acts_at_once_and_a_foreign_one_brings_a_read(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(1.0, 150.0)
        reads = rig.desk.main.reader.position_reads
        by_hand(rig, Side.SELL, 75, 150.0, symbol=CE)
        await rig.pass_s(0.5)
        assert rig.desk.main.reader.position_reads > reads

        rig.tick(PE, 155.0)
        took = await rig.wait_until(lambda: rig.leg(PE).bracket.open_qty == 0, 1.0)
        assert took < 0.25

    run_desk(scenario, seed_setup())


@pytest.mark.fault("PRC-13")
def test_a_tag_like_ours_that_is_not_ours_is_a_second_desk(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        by_hand(rig, Side.BUY, 75, 120.0, tag="SD9ZZZ00001E", symbol=CE)
        await rig.quiet(6.0, 150.0)

        assert any("second desk" in alarm for alarm in rig.alarms)
        await rig.quiet(31.0, 150.0)
        assert "second desk" in rig.desk.entry_block(rig.clock.now_ns())
        assert exits(rig) == {"LIMIT": ("SELL", 75), "SL": ("SELL", 75)}, "protection goes on"

    run_desk(scenario, seed_setup())


# --- while we were away -------------------------------------------------------------------------------------------


@pytest.mark.row("LEG-40")
@pytest.mark.fault("HUM-01")
@pytest.mark.invariant("R3")
def test_a_leg_closed_by_hand_while_we_were_down_is_booked_from_the_trade_book(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        rig.exchange.on_tick(_tick(rig, 151.0))
        by_hand(rig, Side.SELL, 75, 151.0)
        again = await rig.revived(image)
        await again.quiet(3.0, 151.0)

        assert again.trades() == [(PE, 75_00, "Closed Externally")]
        assert exits(again) == {} and again.net(PE) == 0 and again.venue.placed() == []
        third = await again.revived(await again.kill())
        await third.quiet(35.0, 151.0)
        assert not third.desk.mismatch and third.venue.calls == [], "a second restart changes nothing"

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-40")
@pytest.mark.fault("HUM-01")
@pytest.mark.invariant("R3", "E2")
def test_a_sale_by_hand_while_we_were_down_is_found_beside_an_earlier_purchase(run_desk, seed_setup) -> None:
    """The hand took a short of ours and later a long: the two must not cancel out (simulation, drill 10050)."""

    async def scenario(rig):
        await rig.enter(150.0)
        rig.venue.mute_pushes = True
        rig.tick(PE, 155.0)
        rig.tick(PE, 144.0)
        assert rig.net(PE) == -75, "both exits have filled"
        by_hand(rig, Side.BUY, 75, 146.0)
        rig.tick(PE, 155.0)
        rig.venue.mute_pushes = False
        rig.desk.main.reader.reconcile()
        await rig.quiet(35.0, 155.0)
        assert rig.net(PE) == 0 and not rig.desk.mismatch and exits(rig) == {}
        before = len(rig.trades())
        await rig.enter(155.0)
        assert rig.net(PE) == 75
        image = await rig.kill()
        rig.exchange.on_tick(_tick(rig, 154.0))
        by_hand(rig, Side.SELL, 75, 154.0)
        again = await rig.revived(image)
        await again.quiet(6.0, 153.0)

        assert again.trades()[before:] == [(PE, -75_00, "Closed Externally")], "at the price of the hand's sale"
        assert exits(again) == {} and again.net(PE) == 0 and again.venue.placed() == []

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("CON-08")
@pytest.mark.fault("STO-18")
def test_units_with_our_tags_and_no_journal_are_adopted(run_desk, seed_setup) -> None:
    from engine.journal.store import Journal

    async def scenario(rig):
        await rig.enter(150.0)
        await rig.kill()
        again = type(rig)(rig.setup, Journal.in_memory(), rig.exchange, rig.clock)
        again.journal.start_run(started_ns=0, version="lost", mode="paper", account="paper")
        again.desk = again.build()
        await again.desk.start()
        await again.quiet(8.0, 150.0)

        assert again.said(f"[RECONCILE] {PE} Unexpected position detected, adopting")
        assert again.leg(PE).bracket.open_qty == 75

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-36")
def test_the_intervals_are_the_desks_own(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.pass_s(100)
        reads = rig.desk.main.reader.position_reads
        await rig.pass_s(60)
        assert rig.desk.main.reader.position_reads == reads + 6

    run_desk(scenario, seed_setup(times=DeskTimes(reconcile_flat_ns=10 * NS_PER_S)))


def _tick(rig, ltp: float):
    from engine.tick import Tick

    paise = round(ltp * 100)
    return Tick(PE, rig.clock.now_ns(), paise, paise, 1000, paise, 1000)


def ghosts(rig, suffix: str) -> list[OrderRequest]:
    """Orders with this role's letter are swallowed, and nobody answers for them (ORD-03); returns those so far."""
    swallowed: list[OrderRequest] = []

    def script(op, request):
        if op != "place" or not request.tag.endswith(suffix):
            return None
        swallowed.append(request)
        return Unknown("no answer")

    rig.venue.script = script
    return swallowed


@pytest.mark.row("I-8", "BUG-12")
@pytest.mark.fault("ORD-03", "UPD-12", "STO-03")
@pytest.mark.invariant("E2")
def test_what_a_ghost_sold_while_nobody_was_there_is_ours_and_bought_back_once(run_desk, seed_setup) -> None:
    """Taken for the trader's own short, it would be his loss after the next purchase, and ours would be sold again."""

    async def scenario(rig):
        swallowed = ghosts(rig, "T")
        await rig.enter(150.0)
        await rig.quiet(5.0, 150.0)
        await rig.quiet(5.0, 144.0)
        assert not rig.leg(PE).is_active and rig.net(PE) == 0
        image = await rig.kill()
        rig.exchange.place("paper", swallowed[0], rig.clock.now_ns())
        rig.exchange.on_tick(Tick(PE, rig.clock.now_ns(), 190_00, 190_00, 1_000, 190_00, 1_000))
        assert rig.net(PE) == -75

        again = await rig.revived(image)
        await again.quiet(120.0, 150.0)

        assert again.net(PE) == 0
        assert [(request.side, request.qty) for request in again.venue.placed()] == [(Side.BUY, 75)]
        assert again.desk.main.reader.reconciler.tape((PE, "MIS")).foreign_qty == 0
        assert not again.desk.mismatch and not again.desk.alarms.keys() & {"mismatch"}

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-5")
@pytest.mark.fault("ORD-03", "UPD-12")
@pytest.mark.invariant("U1")
def test_a_leg_is_not_flat_while_an_older_position_of_it_is_open_again(run_desk, seed_setup) -> None:
    async def scenario(rig):
        swallowed = ghosts(rig, "E")
        rig.ticks(150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(60.0, 150.0)
        assert swallowed and not rig.leg(PE).is_active
        rig.venue.script = lambda op, request: None
        await rig.enter(150.0)
        await rig.quiet(5.0, 144.0)
        assert not rig.leg(PE).is_active, "the second position has come and gone"

        rig.venue.script = lambda op, request: Unknown("no answer") if op == "place" else None
        rig.exchange.place("paper", swallowed[0], rig.clock.now_ns())
        await rig.quiet(3.0, 144.0)
        assert rig.net(PE) == 75
        assert rig.leg(PE).is_active and rig.console.view().legs[0].protection is not ProtectionWord.FLAT
        rig.venue.script = lambda op, request: None
        await rig.quiet(60.0, 144.0)
        assert rig.net(PE) == 0 and not rig.leg(PE).is_active

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("BUG-12", "LEG-40")
@pytest.mark.fault("HUM-01", "NET-06", "STO-03")
@pytest.mark.invariant("E2")
def test_a_sale_by_hand_that_the_first_trade_book_lacks_is_not_counted_twice(run_desk, seed_setup) -> None:
    """Sold by hand while nobody was there; the trade comes into the book after the position has, and after our exit."""

    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        by_hand(rig, Side.SELL, 75, 149.0)
        rig.exchange.on_tick(Tick(PE, rig.clock.now_ns(), 150_00, 150_00, 1_000, 150_00, 1_000))
        whole, shown_ns = rig.exchange.trades, rig.clock.now_ns() + 9 * NS_PER_S

        def late(account: str) -> list:
            is_shown = rig.clock.now_ns() >= shown_ns
            return [trade for trade in whole(account) if is_shown or not trade.tag.startswith("HAND")]

        rig.exchange.trades = late
        await rig.pass_s(2.0)
        again = await rig.revived(image)
        again.request(ExitLeg, symbol=PE)
        await again.quiet(8.0, 150.0)
        assert again.venue.placed(Role.EXIT), "what the books cannot explain yet does not stop an exit"
        await again.quiet(60.0, 150.0)

        assert again.desk.main.reader.reconciler.tape(KEY).foreign_qty == 0
        assert again.net(PE) == 0 and not again.leg(PE).is_active and again.working() == []
        assert not again.desk.mismatch

    run_desk(scenario, seed_setup(symbols=(PE,)))
