"""RTP-49, the integration tests the seed names, and RTP-39's flow of events: the whole desk, positions watched here.

The ids map one to one: `test_rtp49_<item>`; the unit half of the list is in test_rtp49_unit.py.
"""

from __future__ import annotations

import asyncio

import pytest

from engine.event_hub import Event, EventKind
from engine.gap_watch import GapWatch
from engine.operator import Enter, ExitLeg, ZeroOut
from engine.order import Role, Side
from engine.view import ExitStyle

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
PE2 = "NIFTY01DEC2624600PE"
CE2 = "NIFTY01DEC2624600CE"
PE3 = "NIFTY01DEC2624700PE"
SEED_LIST = ("gap", "several_positions", "duplicate_prevention")


def test_each_item_of_the_seeds_list_has_its_test() -> None:
    assert [name for name in globals() if name.startswith("test_rtp49_")] == [
        f"test_rtp49_{item}" for item in SEED_LIST
    ]


@pytest.mark.row("RTP-49", "RTP-34", "RTP-09")
def test_rtp49_gap(run_desk, seed_setup) -> None:
    """Last 100, stop 95, next price 80: one exit, trigger 80, 15 a unit past the stop, both gaps told."""

    async def scenario(rig):
        rig.market.listen(GapWatch(rig.desk, 200, asyncio.get_running_loop().call_soon).on_tick)
        await rig.enter(100.0)
        rig.tick(PE, 80.0)
        await rig.quiet(1.0, 80.0)

        assert [(r.side, r.qty) for r in rig.venue.placed(Role.EXIT)] == [(Side.SELL, 75)]
        assert rig.trades() == [(PE, -75 * 2000, "Stoploss Hit")] and rig.net(PE) == 0
        assert rig.said("Gap detected") == [f"Gap detected for {PE}: 20.00% change"]
        slip = f"[SLIPPAGE] {PE} Stoploss Hit: level 95.00, trigger 80.00, filled 80.00, 15.00 a unit"
        assert rig.said("[SLIPPAGE]") == [slip]

    run_desk(scenario, seed_setup(8, 5, symbols=(PE,), style=ExitStyle.MONITORED))


@pytest.mark.row("RTP-49", "HRD-41")
def test_rtp49_several_positions(run_desk, seed_setup) -> None:
    """Five positions: one stopped, one at its target, three still open with nothing sent for them; then the rest."""
    five = (PE, CE, PE2, CE2, PE3)

    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(2.0, 100.0)
        assert {symbol: rig.net(symbol) for symbol in five} == dict.fromkeys(five, 75)
        rig.tick(CE, 95.0)
        rig.tick(PE2, 108.0)
        await rig.quiet(1.0, {PE: 100.0, CE: 95.0, PE2: 108.0, CE2: 100.0, PE3: 100.0})

        assert sorted(rig.trades()) == sorted([(CE, -375_00, "Stoploss Hit"), (PE2, 600_00, "Target Hit")])
        assert sorted(r.symbol for r in rig.venue.placed(Role.EXIT)) == sorted([CE, PE2])
        assert {s: rig.leg(s).is_active for s in five} == {PE: True, CE: False, PE2: False, CE2: True, PE3: True}

        for symbol in (PE, CE2, PE3):
            rig.tick(symbol, 94.0)
        await rig.quiet(2.0, 94.0)
        assert {symbol: rig.net(symbol) for symbol in five} == dict.fromkeys(five, 0)
        assert len(rig.venue.placed(Role.EXIT)) == len(rig.trades()) == 5

    run_desk(scenario, seed_setup(8, 5, symbols=five, style=ExitStyle.MONITORED))


@pytest.mark.row("RTP-49", "RTP-24", "I-2")
def test_rtp49_duplicate_prevention(run_desk, seed_setup, exchange_sees, desk_sees) -> None:
    """A hundred prices below the stop within a second, and the trader and the panic key besides: one signal, one
    order, also while it hangs unfilled."""

    async def scenario(rig):
        signals: list[Event] = []
        rig.desk.hub.subscribe(EventKind.EXIT_SIGNAL, signals.append)
        await rig.enter(100.0)
        exchange_sees(rig, PE, 60.0)
        for step in range(100):
            desk_sees(rig, PE, 95.0 - step // 5 * 0.05)
            await rig.pass_s(0.01)
        rig.request(ExitLeg, symbol=PE)
        rig.request(ZeroOut)
        await rig.pass_s(0.2)
        assert len(rig.venue.placed(Role.EXIT)) == 1 and rig.net(PE) == 75

        rig.tick(PE, 94.0)
        await rig.quiet(3.0, 94.0)
        assert (len(rig.venue.placed(Role.EXIT)), rig.net(PE), len(rig.trades())) == (1, 0, 1)
        assert [event.body.exit_reason for event in signals] == ["Stoploss Hit"]
        assert f"Exit already in progress for {PE}, skipping duplicate" in rig.texts()

    run_desk(scenario, seed_setup(8, 5, symbols=(PE,), style=ExitStyle.MONITORED))


@pytest.mark.row("RTP-39", "RTP-33")
def test_rtp39_end_to_end_flow(run_desk, seed_setup) -> None:
    """Entry, registration, prices, trigger, order, validation, trade closed: in this order, each once."""

    async def scenario(rig):
        story: list[str] = []

        def hear(event: Event) -> None:
            story.append(f"{event.kind.value} {getattr(event.body, 'exit_reason', '')}".strip())

        for kind in (EventKind.USER_COMMAND, EventKind.TRADE_EXECUTED, EventKind.EXIT_SIGNAL, EventKind.ERROR):
            rig.desk.hub.subscribe(kind, hear)
        heard_ticks: list[Event] = []
        rig.desk.hub.subscribe(EventKind.TICK_UPDATE, heard_ticks.append)
        rig.tick(PE, 100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.2)
        assert rig.leg(PE).bracket.band() == (95_00, 108_00), "registered by its fill"
        for ltp in (99.0, 98.0, 97.0, 96.0, 95.05):
            rig.tick(PE, ltp)
            await rig.pass_s(0.05)
        assert "exit_signal Stoploss Hit" not in story
        rig.tick(PE, 95.0)
        await rig.quiet(2.0, 95.0)

        assert story == ["user_command", "trade_executed", "exit_signal Stoploss Hit", "trade_executed"]
        assert len(heard_ticks) >= 7
        lines = [
            f"[ENTRY] BUY {PE} x 75",
            f"[ORDER] BUY {PE} qty=75 @₹100.00",
            f"STATE=LONG qty=75 entry=100.00 tp=108.00 sl=95.00 symbol={PE}",
            f"[LEAVE] {PE} Stoploss Hit: closing 75 at market, LTP 95.00",
            f"✅ Position validated closed: {PE}",
            f"✅ Exit executed: {PE} - Stoploss Hit @ 95.00",
            f"STATE=FLAT symbol={PE}",
        ]
        assert [text for text in rig.texts() if text in lines] == lines
        (placed,) = rig.said("Market exit order placed")
        texts = rig.texts()
        assert texts.index(lines[3]) < texts.index(placed) < texts.index(lines[4])
        assert rig.trades() == [(PE, -375_00, "Stoploss Hit")]
        assert rig.venue.story() == ["place entry BUY MARKET 75 103.00/0.00", "place exit SELL MARKET 75 92.15/0.00"]

    run_desk(scenario, seed_setup(8, 5, symbols=(PE,), style=ExitStyle.MONITORED))
