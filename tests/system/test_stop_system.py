"""A desk that is told to stop: nothing enters behind its back, and what it says about cover is what rests."""

from __future__ import annotations

import pytest

from brokers.paper.rules import PaperRules
from engine.desk_stall import note_stall
from engine.exit_rules.rule import NO_HIGH, NO_LOW, Proposal, RuleMemory
from engine.instant import NS_PER_S
from engine.operator import Enter, ZeroOut
from engine.order import Role, Side
from engine.port import ReadFailed
from engine.stall_guard import BotHung
from engine.view import ExitStyle

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"


@pytest.mark.row("I-4", "OPS-22")
def test_an_entry_that_still_works_is_taken_back_before_the_desk_leaves(run_desk) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.exchange.on_tick(rig_tick(rig, PE, ask=110.0))  # the exchange's ask has run away: the entry rests
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.3)
        assert rig.leg(PE).bracket.live(Role.ENTRY)

        code = await rig.desk.stop("asked to", flatten=False)

        assert rig.working(PE) == []
        assert rig.net(CE) == 65
        assert {order.qty for order in rig.working(CE)} == {65}
        assert code == 5
        assert rig.said(f"covered by resting stops: {CE} 65/65")

    run_desk(scenario)


def rig_tick(rig, symbol: str, *, ask: float):
    from engine.tick import Tick

    return Tick(symbol, rig.clock.now_ns(), 10_000, 9_990, 6500, round(ask * 100), 6500)


def bid_at(rig, symbol: str, rupees: float):
    """The exchange alone sees this market: the desk's own price stays, so its exit keeps its limit."""
    from engine.tick import Tick

    paise = round(rupees * 100)
    rig.exchange.on_tick(Tick(symbol, rig.clock.now_ns(), 10_000, paise, 6500, 10_005, 6500))


def seconds_of(rig, began_ns: int) -> float:
    return (rig.clock.now_ns() - began_ns) / NS_PER_S


@pytest.mark.row("HRD-26", "OPS-21", "OPS-22", "BUG-103")
def test_a_stop_closes_both_legs_by_the_seeds_policy_and_is_flat_at_the_broker(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        began = rig.clock.now_ns()

        code = await rig.desk.stop("asked to")

        assert code == 0
        assert seconds_of(rig, began) < 1.75
        assert (rig.net(PE), rig.net(CE), rig.working()) == (0, 0, [])
        assert {reason for _, _, reason in rig.trades()} == {"Strategy Paused"}
        assert [request.qty for request in rig.venue.placed(Role.EXIT)] == [65, 65]

    run_desk(scenario)


@pytest.mark.row("HRD-30", "BUG-14")
def test_a_stop_sells_what_the_target_has_left(run_desk, seed_setup) -> None:
    setup = seed_setup(5, 5, rules=PaperRules(displayed_size=True))

    async def scenario(rig):
        await rig.enter(100.0)
        rig.tick(PE, 105.0, size=50)
        await rig.pass_s(0.2)
        assert rig.net(PE) == 25
        rig.tick(PE, 102.0)

        code = await rig.desk.stop("asked to")

        assert [request.qty for request in rig.venue.placed(Role.EXIT, PE)] == [25]
        assert rig.net(PE) == 0
        assert code == 0

    run_desk(scenario, setup)


@pytest.mark.row("HRD-27", "BUG-23")
def test_a_hanging_exit_is_cancelled_and_its_rest_sent_once_more(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        bid_at(rig, PE, 50.0)
        rig.clock.call_at(rig.clock.now_ns() + 6 * NS_PER_S, lambda: bid_at(rig, PE, 100.0))

        code = await rig.desk.stop("asked to")

        assert code == 0
        assert rig.said("[ESCALATE] Exit not confirmed after 5s, retrying MARKET order...")
        first, second = rig.venue.placed(Role.EXIT, PE)
        assert (first.qty, second.qty) == (65, 65)
        cancels = [request for op, request in rig.venue.calls if op == "cancel" and request == first.tag]
        assert len(cancels) == 1
        assert (rig.net(PE), rig.net(CE)) == (0, 0)
        assert len(rig.venue.placed(Role.EXIT, CE)) == 1, "the leg that is out is left alone"

    run_desk(scenario)


@pytest.mark.row("HRD-27", "BUG-23")
def test_an_exit_that_fills_while_it_is_being_cancelled_is_never_followed_by_a_second(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        bid_at(rig, PE, 50.0)
        late_ns = rig.clock.now_ns() + 5 * NS_PER_S + 2 * NS_PER_S // 1_000
        rig.clock.call_at(late_ns, lambda: bid_at(rig, PE, 100.0))

        code = await rig.desk.stop("asked to")

        assert rig.said("[ESCALATE]")
        assert len(rig.venue.placed(Role.EXIT, PE)) == 1
        assert rig.net(PE) == 0
        assert code == 0

    run_desk(scenario)


@pytest.mark.row("HRD-28", "HRD-29", "OPS-22", "BUG-24")
@pytest.mark.fault("EXI-16")
def test_a_dead_market_is_watched_for_35_seconds_then_told_as_critical_once(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        bid_at(rig, PE, 50.0)
        began = rig.clock.now_ns()

        code = await rig.desk.stop("asked to")

        assert code == 5
        assert 35 <= seconds_of(rig, began) < 36
        assert len(rig.said("[CRITICAL] STILL IN POSITION AFTER PAUSE ATTEMPTS!")) == 1
        assert f"{PE} +65" in rig.said("STILL IN POSITION")[0]
        assert rig.said("Manual intervention may be required")
        assert any("still in position" in text for text in rig.alarms)
        assert rig.net(PE) == 65
        assert rig.venue.placed(Role.STOP, PE)[1:] == [], "the reads of the watch arm nothing again"
        selling = [order for order in rig.working(PE) if order.side is Side.SELL]
        assert sum(order.qty - order.filled_qty for order in selling) <= 65

    run_desk(scenario)


@pytest.mark.row("HRD-29")
def test_a_broker_that_cannot_be_read_ends_as_still_in_position_in_time(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        rig.venue.reads_fail = True
        began = rig.clock.now_ns()

        code = await rig.desk.stop("asked to")

        assert code == 5
        assert seconds_of(rig, began) < 40
        assert len(rig.said("STILL IN POSITION")) == 1

    run_desk(scenario)


@pytest.mark.row("HRD-31")
@pytest.mark.fault("PRC-02")
def test_a_second_request_rests_the_stop_again_and_leaves_it(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        for symbol in (PE, CE):
            bid_at(rig, symbol, 50.0)
        rig.clock.call_at(rig.clock.now_ns() + NS_PER_S, rig.desk.ending.hurry)
        began = rig.clock.now_ns()

        code = await rig.desk.stop("asked to")

        assert code == 5
        assert seconds_of(rig, began) < 5
        assert (rig.net(PE), rig.net(CE)) == (65, 65)
        stops = [order for order in rig.working() if order.state.value == "trigger-pending"]
        assert sorted((order.symbol, order.qty) for order in stops) == [(CE, 65), (PE, 65)]
        (left,) = rig.said("left open on purpose")
        assert f"covered by resting stops: {PE} 65/65, {CE} 65/65" in left

    run_desk(scenario)


@pytest.mark.row("OPS-21", "OPS-22")
def test_a_leg_whose_stop_does_not_rest_is_closed_though_its_bot_leaves(run_desk, seed_setup) -> None:
    setup = seed_setup(2, 1, style=ExitStyle.MONITORED)

    async def scenario(rig):
        await rig.enter(100.0)

        code = await rig.desk.stop("asked to", flatten=False)

        assert code == 0
        assert (rig.net(PE), rig.net(CE)) == (0, 0)

    run_desk(scenario, setup)


@pytest.mark.fault("PRC-09", "TIM-02")
@pytest.mark.invariant("X1", "M1", "T1")
def test_after_a_standstill_prices_are_stale_until_they_move_and_the_books_are_read(run_desk) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        reads = rig.desk.main.reader.reads

        note_stall(rig.desk, 2_300, "station.py:12 f > slow.py:3 g")

        assert rig.said("[CRITICAL] the desk stood still for 2300 ms at station.py:12 f > slow.py:3 g")
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.2)
        assert rig.venue.placed() == [], "a price from before the standstill enters nothing"
        assert rig.desk.main.reader.reads > reads
        assert not rig.said("[BLIND]"), "stale is not blind"
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.5)
        assert len(rig.venue.placed(Role.ENTRY)) == 2

    run_desk(scenario)


@pytest.mark.row("OPS-23")
@pytest.mark.fault("EXI-17", "HUM-06")
@pytest.mark.invariant("E3")
def test_the_kill_switch_twice_is_one_exit_per_position_and_no_entry_until_resumed(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        rig.request(ZeroOut)
        rig.request(ZeroOut)
        await rig.quiet(1.0)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(1.0)

        assert (rig.net(PE), rig.net(CE)) == (0, 0)
        assert len(rig.venue.placed(Role.EXIT)) == 2
        assert len(rig.venue.placed(Role.ENTRY)) == 2
        assert rig.desk.is_paused

    run_desk(scenario)


@pytest.mark.row("OPS-23")
@pytest.mark.fault("EXI-17")
def test_the_kill_switch_stops_entries_of_a_flat_desk_too(run_desk) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.request(ZeroOut)
        await rig.pass_s(0.1)
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(1.0)

        assert rig.venue.placed() == []
        assert rig.desk.is_paused

    run_desk(scenario)


@pytest.mark.row("OPS-23")
@pytest.mark.parametrize("broken", ["band", "wake_ns"])
@pytest.mark.fault("PRC-10")
def test_a_rule_that_fails_where_nothing_can_be_said_is_set_aside_a_moment_later(run_desk, broken) -> None:
    class Rule:
        name = "mine"

        def needs(self):
            return ()

        def band(self, facts, memory):
            return self.fail() if broken == "band" else (NO_LOW, NO_HIGH)

        def wake_ns(self, facts, memory):
            return self.fail() if broken == "wake_ns" else 0

        def on_price(self, facts, memory, readings):
            self.asked_after = getattr(self, "failed", 0)
            return Proposal()

        on_candle = on_price

        def fail(self):
            self.failed = getattr(self, "failed", 0) + 1
            raise BotHung("an exit rule", 250)

    async def scenario(rig):
        await rig.enter(100.0)
        rule = Rule()
        bracket = rig.leg(PE).bracket
        bracket.exit_rules = (rule,)
        bracket.body.memories = [RuleMemory()]
        await rig.quiet(3.0)

        assert rule.failed == 1
        assert rule.asked_after == 0, "a rule that is set aside is not asked"
        assert any("rule mine" in text for text in rig.texts())
        assert rig.leg(PE).bracket.covered_qty == 65
        await rig.desk.stop("asked to")
        assert rig.net(PE) == 0

    run_desk(scenario)


@pytest.mark.row("I-5")
def test_a_failed_read_of_positions_is_asked_again_until_flat_is_proven(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        before = rig.desk.main.reader.reconciled_ns
        rig.venue.reads_fail = True
        rig.tick(PE, 102.0)
        await rig.quiet(2.0, {PE: 102.0, CE: 100.0})
        assert rig.leg(PE).bracket.open_qty == 0
        assert rig.leg(PE).is_active, "fills alone are no proof"
        assert rig.desk.main.reader.reconciled_ns == before

        rig.venue.reads_fail = False
        await rig.quiet(2.5, {PE: 102.0, CE: 100.0})

        assert rig.desk.main.reader.reconciled_ns > before
        assert not rig.leg(PE).is_active

    run_desk(scenario)


@pytest.mark.invariant("R4")
def test_a_read_that_fails_at_the_end_of_recovery_does_not_end_the_desk(run_desk) -> None:
    async def scenario(rig):
        reader, calls = rig.desk.main.reader, []
        inner = rig.venue.read_positions

        async def twice_odd():
            calls.append(1)
            if len(calls) == 2:
                raise ReadFailed("scripted")
            return await inner()

        rig.venue.read_positions = twice_odd
        rig.exchange.on_tick(rig_tick(rig, PE, ask=100.0))
        await rig.enter(100.0)
        rig.leg(PE).bracket.body.away_qty = 40  # the journal says less than the broker: a second look is due

        await reader.recover()

        assert len(calls) >= 2
        rig.leg(PE).bracket.body.away_qty = 0

    run_desk(scenario)


@pytest.mark.row("I-3")
@pytest.mark.fault("PRC-07")
@pytest.mark.invariant("X2")
def test_the_order_path_comes_back_after_its_worker_broke(run_desk) -> None:
    async def scenario(rig):
        heard = rig.desk.main.gateway._answered
        broken = []

        def once(tag, op, answer):
            if not broken:
                broken.append(tag)
                raise RuntimeError("scripted")
            heard(tag, op, answer)

        rig.desk.main.gateway._answered = once
        await rig.enter(100.0)
        await rig.quiet(4.0)

        assert broken
        assert rig.desk.failures
        assert {order.symbol for order in rig.working()} == {PE, CE}
        rig.desk.failures.clear()

    run_desk(scenario)
