"""Alerts of a whole desk: trouble reaches a person once, stays on screen and in the journal, and costs nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from engine import refusals
from engine.alert_channels import ChannelFailed
from engine.alert_relay import AlertRelay
from engine.alerts import AlertKind, RaisedAlert
from engine.config.accounts import KiteAccount
from engine.event_hub import WAITING_MAX, Event, EventKind
from engine.gap_watch import GapWatch, is_gap
from engine.heartbeat import start_heartbeat
from engine.legs import PairPolicy
from engine.operator import Acknowledge, Enter, PauseEntries
from engine.order import Role, Side
from engine.port import Refused
from engine.tick import Tick
from tui.alert_outlets import open_relay

PE, CE = "NIFTY01DEC2624500PE", "NIFTY01DEC2624500CE"


class Listener:
    def __init__(self, rig) -> None:
        self.alerts: list[RaisedAlert] = []
        rig.alerts.listen(self.alerts.append)

    def of(self, kind: AlertKind) -> list[RaisedAlert]:
        return [alert for alert in self.alerts if alert.kind is kind]


def refuse(role: Role, symbol: str = ""):
    letter = {Role.ENTRY: "E", Role.EXIT: "X"}[role]

    def script(op, request):
        hit = op == "place" and request.tag.endswith(letter) and (not symbol or request.symbol == symbol)
        return Refused(refusals.MARGIN, "no") if hit else None

    return script


@pytest.mark.row("RTP-45", "OPS-26")
def test_six_fault_injections_make_six_distinct_alerts_each_once(run_desk, seed_setup) -> None:
    """Three by their real cause, three handed to the outbox as the exit executor hands them over; each for a minute."""
    six = [
        AlertKind.EXIT_FAILED,
        AlertKind.NOT_CLOSED,
        AlertKind.GAP,
        AlertKind.SLIPPAGE,
        AlertKind.TICKS_STOPPED,
        AlertKind.QUEUE_OVERFLOW,
    ]

    async def scenario(rig):
        heard = Listener(rig)
        rig.market.listen(GapWatch(rig.desk, 200, asyncio.get_running_loop().call_soon).on_tick)
        rig.desk.hub.subscribe(EventKind.TICK_UPDATE, lambda _: None)
        await rig.enter(150.0)

        rig.tick(PE, 150.0)
        rig.tick(PE, 147.0)  # 2.00 %
        for _ in range(WAITING_MAX + 100):
            rig.tick(CE, 150.0)
        for second in range(20):  # three causes that go on, told again and again; CE goes without a price
            for kind in ("exit_failed", "not_closed", "slippage"):
                rig.desk.step(lambda _now, kind=kind: rig.desk.out.alert(kind, PE, f"{kind} of {PE}"))
            rig.tick(PE, 147.0 + 0.05 * (second % 2))
            await rig.pass_s(1)

        assert sorted(alert.kind for alert in heard.alerts if alert.kind in six) == sorted(six)

    run_desk(scenario, seed_setup(stop=20, target=20))


@pytest.mark.row("RTP-09")
@pytest.mark.parametrize(
    ("last", "ltp", "gap"),
    [(100_00, 98_00, True), (100_00, 98_01, False), (0, 98_00, False), (2_00, 2_05, False), (2_00, 1_75, True)],
)
def test_a_gap_is_two_per_cent_and_five_ticks(last: int, ltp: int, gap: bool) -> None:
    assert is_gap(last, ltp, bps=200, tick_paise=5) is gap


@pytest.mark.row("RTP-09")
def test_a_gap_is_said_only_while_a_position_is_open_and_behind_the_tick(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.market.listen(GapWatch(rig.desk, 200, asyncio.get_running_loop().call_soon).on_tick)
        rig.ticks(100.0)
        rig.ticks(90.0)
        await rig.pass_s(0.1)
        assert not rig.said("Gap detected")

        await rig.enter(100.0)
        rig.tick(PE, 97.0)
        assert not rig.said("Gap detected")
        await rig.pass_s(0.1)
        assert rig.said(f"Gap detected for {PE}: 3.00% change")

    run_desk(scenario, seed_setup(stop=20, target=20))


@pytest.mark.row("LEG-62", "OPS-26")
@pytest.mark.parametrize("policy", PairPolicy)
def test_a_leg_that_fails_to_enter_calls_a_person_under_either_policy(run_desk, seed_setup, policy) -> None:
    async def scenario(rig):
        heard = Listener(rig)
        rig.venue.script = refuse(Role.ENTRY, CE)
        await rig.enter(100.0)
        await rig.quiet(2.0)

        (alert,) = heard.of(AlertKind.ENTRY_FAILED)
        assert alert.symbol == CE and CE in alert.text

    run_desk(scenario, seed_setup(pair_policy=policy))


@pytest.mark.row("I-9", "OPS-26")
@pytest.mark.invariant("P4")
def test_every_critical_line_and_every_alarm_of_a_bad_day_reaches_the_listeners(run_desk, seed_setup) -> None:
    async def scenario(rig):
        heard = Listener(rig)
        rig.venue.script = lambda op, request: (
            Refused(refusals.OTHER, "no") if op == "place" and request.tag[-1] in "TS" else None
        )
        await rig.enter(100.0)
        await rig.quiet(30.0)

        told = " / ".join(alert.text for alert in heard.alerts)
        criticals = {line.text for line in rig.log.lines_since(0) if line.level == "CRITICAL"}
        assert criticals and [text for text in criticals if text not in told] == []
        assert rig.alarms and heard.alerts

    run_desk(scenario, seed_setup(symbols=(PE,)))


def rows(image: bytes, tmp_path: Path) -> list[tuple[str, int, int, int]]:
    path = tmp_path / "desk.db"
    path.write_bytes(image)
    with sqlite3.connect(path) as journal:
        return journal.execute(
            "SELECT text, since_ns > 0, acknowledged_ns > 0, ended_ns > 0 FROM alarms ORDER BY since_ns"
        ).fetchall()


@pytest.mark.invariant("P4")
def test_an_alarm_is_a_row_with_start_reason_acknowledgement_and_end(run_desk, seed_setup, tmp_path) -> None:
    """Policy 10 of the faults page: alarms persist."""

    async def scenario(rig):
        rig.desk.step(lambda _: rig.desk.out.raise_alarm("mismatch", f"{PE} ours +65, broker +0"))
        await rig.pass_s(1)
        rig.desk.step(lambda _: rig.desk.out.alert("slippage", PE, "2.10 past the stop"))
        shown = [alarm.text for alarm in rig.console.view().alarms]
        assert shown == ["[ALERT] slippage: 2.10 past the stop", f"{PE} ours +65, broker +0"]
        standing, told = rows(rig.journal.image(), tmp_path)
        assert standing == (f"{PE} ours +65, broker +0", 1, 0, 0)
        assert told == ("slippage: 2.10 past the stop", 1, 0, 1)

        rig.request(Acknowledge)
        await rig.pass_s(0.1)
        (alarm,) = rig.console.view().alarms
        assert alarm.acknowledged_ns and rig.said("2 seen and acknowledged")
        assert [row[2] for row in rows(rig.journal.image(), tmp_path)] == [1, 1]

        rig.desk.step(lambda _: rig.desk.out.end_alarm("mismatch"))
        assert rig.console.view().alarms == ()
        assert [row[1:] for row in rows(rig.journal.image(), tmp_path)] == [(1, 1, 1), (1, 1, 1)]
        again = await rig.revived(await rig.kill())
        assert again.console.view().alarms == ()

    run_desk(scenario, seed_setup())


def test_with_nothing_to_acknowledge_the_request_is_refused_in_words(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.request(Acknowledge)
        await rig.pass_s(0.1)

        assert rig.said("refused, no alarm is waiting")

    run_desk(scenario, seed_setup())


class Dead:
    """A channel that never delivers."""

    name = "webhook"

    def __init__(self) -> None:
        self.tries = 0

    async def send(self, alert: RaisedAlert) -> str:
        self.tries += 1
        raise ChannelFailed("cannot connect")

    async def close(self) -> None: ...


@pytest.mark.row("OPS-26")
def test_a_dead_webhook_costs_a_warning_a_minute_and_a_word_on_screen_and_no_order_waits(run_desk, seed_setup) -> None:
    async def scenario(rig):
        dead = Dead()
        relay: AlertRelay = open_relay(rig.desk, [dead], [KiteAccount(kind="kite")])
        rig.desk.spawn("alerts", relay.run)
        for _ in range(180):
            rig.desk.step(lambda _: rig.desk.out.alert("slippage", PE, "far"))
            rig.ticks(100.0)
            await rig.pass_s(1)

        warnings = rig.said("channel webhook does not deliver: cannot connect")
        assert 2 <= len(warnings) <= 3 and dead.tries > 3
        standing = [alarm.text for alarm in rig.desk.alarms.values()]
        assert standing == ["alerts do not leave by webhook: cannot connect"]
        await rig.enter(100.0)
        assert rig.net(PE) == 65 and rig.leg(PE).bracket.covered_qty == 65

    run_desk(scenario, seed_setup(lot=65))


@pytest.mark.row("RTP-38")
def test_observers_of_a_real_desk_hear_trades_commands_prices_and_errors(run_desk, seed_setup) -> None:
    async def scenario(rig):
        heard: list[Event] = []
        for kind in EventKind:
            rig.desk.hub.subscribe(kind, heard.append)
        await rig.enter(100.0)
        rig.request(PauseEntries, paused=True)
        rig.desk.step(lambda _: rig.desk.out.alert("slippage", PE, "far"))
        await rig.quiet(1.0)

        kinds = {event.kind for event in heard}
        assert {EventKind.TICK_UPDATE, EventKind.TRADE_EXECUTED, EventKind.USER_COMMAND, EventKind.ERROR} <= kinds
        trades = [event.body for event in heard if event.kind is EventKind.TRADE_EXECUTED]
        assert sorted((trade.symbol, trade.qty) for trade in trades) == [(CE, 75), (PE, 75)]

    run_desk(scenario, seed_setup())


@pytest.mark.row("RTP-25", "RTP-38")
@pytest.mark.fault("MKT-11")
@pytest.mark.invariant("X4")
def test_a_stop_behind_ten_thousand_queued_ticks_is_the_next_event_and_observers_change_no_order(
    run_desk, seed_setup
) -> None:
    async def run_once(rig, *, observed: bool) -> list[str]:
        heard: list[Event] = []
        if observed:
            rig.desk.hub.subscribe(EventKind.TICK_UPDATE, heard.append)
            rig.desk.hub.subscribe(EventKind.EXIT_SIGNAL, heard.append)
            rig.desk.hub.subscribe(EventKind.EXIT_SIGNAL, lambda _: 1 // 0)
        await rig.enter(100.0)
        heard.clear()
        for _ in range(10_000):
            rig.tick(PE, 100.0)
        rig.tick(PE, 90.0)
        await rig.pass_s(1)
        if observed:
            assert heard[0].kind is EventKind.EXIT_SIGNAL and heard[0].symbol == PE
        return rig.venue.story(PE)

    setup = {"symbols": (PE,), "style": "monitored"}
    watched = run_desk(lambda rig: run_once(rig, observed=True), seed_setup(**setup))
    alone = run_desk(lambda rig: run_once(rig, observed=False), seed_setup(**setup))

    assert watched == alone and len(alone) == 2


@pytest.mark.row("OPS-29")
def test_a_desk_says_one_heartbeat_a_minute_with_its_own_figures(run_desk, seed_setup) -> None:
    async def scenario(rig):
        beat = start_heartbeat(rig.desk, rig.console.view)
        await rig.enter(100.0)
        await rig.quiet(200.0)
        beat.stop()

        lines = rig.said("[HEARTBEAT]")
        assert len(lines) == 3
        assert "3 | open 2, covered 150/150 | orders 6, working 4, unknown 0" in lines[2]

    run_desk(scenario, seed_setup())


def test_a_tick_without_observers_leaves_nothing_behind(run_desk, seed_setup) -> None:
    async def scenario(rig):
        for _ in range(100):
            rig.ticks(100.0)

        assert rig.desk.hub.counts.published == 0 and rig.desk.hub.depth == 0

    run_desk(scenario, seed_setup())


def test_an_observer_that_asks_the_desk_for_something_is_heard_in_a_step_of_its_own(run_desk, seed_setup) -> None:
    async def scenario(rig):
        depth: list[int] = []

        def enters(event: Event) -> None:
            depth.append(len(rig.desk.out.commands))
            if isinstance(event.body, Tick) and len(depth) == 1:
                rig.request(Enter, side=Side.BUY)

        rig.ticks(100.0)
        rig.desk.hub.subscribe(EventKind.TICK_UPDATE, enters)
        rig.ticks(100.0)
        await rig.pass_s(0.5)

        assert set(depth) == {0}, "never inside a step"
        assert rig.net(PE) == 75

    run_desk(scenario, seed_setup())
