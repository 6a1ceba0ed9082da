"""Positions watched here: what is refused, what costs nothing, and what one round trip asks of the broker."""

from __future__ import annotations

import pytest

from engine import refusals
from engine.instant import NS_PER_S
from engine.operator import Enter
from engine.order import Role, Side
from engine.port import Refused
from engine.tick import Tick
from engine.view import ExitStyle

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
WATCHED = {"style": ExitStyle.MONITORED}


@pytest.mark.row("RTP-03", "I-4")
def test_a_position_without_any_stop_is_refused_before_it_is_bought(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        assert rig.console.why_not(Enter(request_id="x", side=Side.BUY)) == f"{PE}: it would have no stop"
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(2.0)

        assert rig.venue.calls == [] and not rig.leg(PE).is_active
        assert any("it would have no stop" in text for text in rig.texts())

    run_desk(scenario, seed_setup(5, 0, symbols=(PE,)))


@pytest.mark.row("RTP-02")
def test_a_symbol_has_one_position_at_a_time_and_keeps_it_until_its_exit_is_proven(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        rig.venue.reads_fail = True  # the proof of flat cannot come
        rig.tick(PE, 95.0)
        await rig.quiet(3.0, 95.0)
        assert (rig.net(PE), rig.leg(PE).bracket.open_qty) == (0, 0)
        assert rig.leg(PE).is_active and len(rig.bot.open_brackets()) == 1, "not unregistered while its exit is open"
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.5)
        assert len(rig.venue.placed(Role.ENTRY)) == 1

        rig.venue.reads_fail = False
        await rig.quiet(3.0, 95.0)
        assert rig.bot.open_brackets() == []
        await rig.enter(100.0)
        assert [bracket.body.symbol for bracket in rig.bot.open_brackets()] == [PE]
        assert len(rig.bot.brackets) == 2, "the finished one is only kept for late news"

    run_desk(scenario, seed_setup(symbols=(PE,), **WATCHED))


@pytest.mark.row("RTP-06")
def test_ticks_without_a_price_of_strangers_or_without_a_position_decide_nothing(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        for _ in range(2):  # the first of each kind is told, and nothing more
            begun, version = rig.desk.decisions_begun, rig.desk.version
            for ltp in (0, -5):
                rig.desk.on_tick(Tick(PE, rig.clock.now_ns(), ltp, 0, 0, 0, 0))
            assert rig.desk.prices[PE].tick.ltp_paise == 100_00
            rig.desk.on_tick(Tick("BANKNIFTY01DEC2650000CE", rig.clock.now_ns(), 5_00, 5_00, 1, 5_00, 1))
            assert set(rig.desk.prices) == {PE, CE}
        for paise in (70_00, 97_05, 130_00):
            rig.desk.on_tick(Tick(PE, rig.clock.now_ns(), paise, paise, 1, paise, 1))
            assert rig.desk.prices[PE].tick.ltp_paise == paise

        assert (rig.desk.decisions_begun, rig.desk.version) == (begun, version), "no step, no commit: one price kept"
        assert rig.venue.calls == []

    run_desk(scenario, seed_setup(**WATCHED))


@pytest.mark.row("RTP-27")
def test_a_stray_signal_for_a_flat_leg_says_so_and_sends_nothing(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.desk.step(lambda now: rig.bot.exit_leg(PE, "Stoploss Hit", now, rig.desk.out))
        assert rig.said("No active trade") == [f"No active trade found for {PE}"]

        await rig.enter(100.0)
        rig.tick(PE, 95.0)
        await rig.quiet(2.0, 95.0)
        sent = len(rig.venue.calls)
        rig.desk.step(lambda now: rig.bot.exit_leg(PE, "Stoploss Hit", now, rig.desk.out))
        await rig.quiet(1.0, 95.0)
        assert len(rig.said("No active trade")) == 2 and len(rig.venue.calls) == sent

    run_desk(scenario, seed_setup(symbols=(PE,), **WATCHED))


@pytest.mark.row("RTP-29", "LEG-66")
@pytest.mark.fault("ORD-09")
def test_a_429_on_an_exit_is_waited_for_and_keeps_entries_away_meanwhile(run_desk, seed_setup) -> None:
    async def scenario(rig):
        throttled: list[int] = []

        def first_is_throttled(op, request):
            if op == "place" and request.tag.endswith("X") and not throttled:
                throttled.append(rig.clock.now_ns())
                return Refused(refusals.THROTTLED, "429", retry_after_s=2.0)
            return None

        await rig.enter(100.0)
        rig.venue.script = first_is_throttled
        rig.tick(PE, 95.0)
        await rig.pass_s(0.1)
        now_ns, window = rig.clock.now_ns(), rig.desk.main.gateway.window
        assert window.next_slot_ns(now_ns, is_exit=False) >= throttled[0] + 2 * NS_PER_S
        assert window.next_slot_ns(now_ns, is_exit=True) == now_ns
        await rig.quiet(3.0, 95.0)

        exits = rig.venue.placed(Role.EXIT)
        assert len(exits) == 2 and len({request.tag for request in exits}) == 1, "a 429 is proof: the same order again"
        began = [began for began, _ in rig.venue.spans]
        assert began[-1] - throttled[0] == pytest.approx(2 * NS_PER_S, abs=NS_PER_S // 100)
        assert rig.net(PE) == 0 and rig.desk.main.gateway.writes == 3

    run_desk(scenario, seed_setup(symbols=(PE,), **WATCHED))


@pytest.mark.row("RTP-35")
def test_two_hundred_trailing_moves_cost_no_broker_call(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        sent, reads = len(rig.venue.calls), rig.venue.reads
        stops = [rig.leg(PE).bracket.body.stop_paise]
        for step in range(1, 201):
            rig.tick(PE, 110.0 + step * 0.2)
            stops.append(rig.leg(PE).bracket.body.stop_paise)
            await rig.pass_s(0.01)

        assert len(set(stops)) == 201 and stops == sorted(stops)
        assert (len(rig.venue.calls), rig.venue.reads) == (sent, reads)

    run_desk(scenario, seed_setup(200, 5, symbols=(PE,), trail={"activation_bps": 100}, **WATCHED))


@pytest.mark.row("RTP-48", "CON-05")
def test_five_percent_protection_is_the_worst_price_and_the_rest_is_repriced_until_flat(
    run_desk, seed_setup, exchange_sees
) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        exchange_sees(rig, PE, 60.0)  # nobody buys at 85.50
        rig.desk.on_tick(Tick(PE, rig.clock.now_ns(), 90_00, 90_00, 100, 90_00, 100))
        await rig.pass_s(0.1)
        assert [r.limit_paise for r in rig.venue.placed(Role.EXIT)] == [85_50]
        assert rig.net(PE) == 75
        await rig.quiet(3.0, 60.0)

        assert rig.net(PE) == 0 and len(rig.venue.placed(Role.EXIT)) == 1
        assert [line.split()[0] for line in rig.venue.story()[2:]] == ["modify"]

    run_desk(scenario, seed_setup(symbols=(PE,), protection_bps=500, **WATCHED))


@pytest.mark.row("HRD-36", "RTP-46")
def test_a_clean_round_trip_asks_no_more_of_the_broker_than_plain_polling_would(run_desk, seed_setup) -> None:
    """The plain loop: entry, target, stop and one cancel; two orders read every 5 s while they rest."""

    async def scenario(rig):
        await rig.quiet(1.0, 100.0)
        reads = rig.venue.reads
        await rig.enter(100.0)
        await rig.quiet(60.0, 100.0)
        rig.tick(PE, 105.0)
        await rig.quiet(5.0, 105.0)
        assert not rig.leg(PE).is_active

        assert rig.venue.story() == [
            "place entry BUY MARKET 75 103.00/0.00",
            "place stop SELL SL 75 93.10/95.00",
            "place target SELL LIMIT 75 105.00/0.00",
            "cancel stop",
        ]
        plain = 2 * 60 // 5
        assert rig.venue.reads - reads <= plain

    run_desk(scenario, seed_setup(symbols=(PE,)))
