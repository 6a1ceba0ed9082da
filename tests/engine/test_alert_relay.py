"""The relay in virtual time: the desk never waits, repeats back off, nothing grows without bound, trouble is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from engine.alert_channels import ChannelFailed
from engine.alert_relay import GIVE_UP_NS, PAUSE_MAX_NS, QUEUE_MAX, AlertRelay, ChannelState
from engine.alerts import AlertBook, AlertKind, RaisedAlert
from engine.clock import LoopClock
from engine.instant import NS_PER_S, ns_from_s
from engine.messages import Msg
from engine.virtual_time import run_virtual

NOON_NS = 1_800_000_000 * NS_PER_S


class Line:
    """A channel that does as told and writes down every try."""

    def __init__(self, name: str, clock: LoopClock) -> None:
        self.name = name
        self.clock = clock
        self.tries: list[tuple[float, str]] = []
        self.delivered: list[RaisedAlert] = []
        self.trouble: Exception | None = None
        self.takes_s = 0.0
        self.closed = False

    async def send(self, alert: RaisedAlert) -> str:
        self.tries.append(((self.clock.now_ns() - NOON_NS) / NS_PER_S, alert.text))
        if self.takes_s:
            await self.clock.sleep_until(self.clock.now_ns() + ns_from_s(self.takes_s))
        if self.trouble is not None:
            raise self.trouble
        self.delivered.append(alert)
        return "taken"

    async def close(self) -> None:
        self.closed = True


class Bench:
    def __init__(self, *names: str) -> None:
        self.clock = LoopClock(asyncio.get_running_loop(), NOON_NS)
        self.lines = [Line(name, self.clock) for name in names or ("webhook",)]
        self.line = self.lines[0]
        self.told: list[tuple[int, ChannelState]] = []
        self.relay = AlertRelay(self.lines, self.clock, lambda text: text.replace("AB1234", "***"), self._report)
        self.worker = asyncio.ensure_future(self.relay.run())
        self.number = 0

    def _report(self, state: ChannelState) -> None:
        self.told.append((round((self.clock.now_ns() - NOON_NS) / NS_PER_S), state))

    def hear(self, text: str = "", kind: AlertKind = AlertKind.GAP) -> None:
        self.number += 1
        text = text or f"alert {self.number}"
        at_ns = self.clock.now_ns()
        self.relay.hear(RaisedAlert(number=self.number, kind=kind, symbol="PE", text=text, at_ns=at_ns))

    async def pass_s(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + ns_from_s(seconds))

    @property
    def texts(self) -> list[str]:
        return [alert.text for alert in self.line.delivered]


def run(scenario: Callable[[Bench], Awaitable[None]], *names: str) -> None:
    async def main() -> None:
        bench = Bench(*names)
        await scenario(bench)
        bench.worker.cancel()
        await asyncio.gather(bench.worker, return_exceptions=True)

    run_virtual(main())


def test_alerts_leave_in_order_and_every_channel_gets_each_once() -> None:
    async def scenario(bench: Bench) -> None:
        for _ in range(3):
            bench.hear()
        await bench.pass_s(1)

        assert [[alert.number for alert in line.delivered] for line in bench.lines] == [[1, 2, 3], [1, 2, 3]]
        assert bench.told == []

    run(scenario, "webhook", "command")


def test_hearing_an_alert_takes_no_time_and_sends_nothing_by_itself() -> None:
    async def scenario(bench: Bench) -> None:
        bench.line.takes_s = 5
        bench.hear()
        bench.hear()

        assert bench.line.tries == [] and bench.clock.now_ns() == NOON_NS

    run(scenario)


def test_a_failing_channel_is_tried_again_with_growing_pauses_and_then_catches_up() -> None:
    async def scenario(bench: Bench) -> None:
        bench.line.trouble = ChannelFailed("cannot connect")
        bench.hear()
        await bench.pass_s(70)
        assert [round(at) for at, _ in bench.line.tries] == [0, 1, 3, 7, 15, 31, 61]

        bench.hear()
        bench.line.trouble = None
        await bench.pass_s(PAUSE_MAX_NS / NS_PER_S)

        assert bench.texts == ["alert 1", "alert 2"]

    run(scenario)


@pytest.mark.row("OPS-26")
def test_a_dead_channel_costs_one_word_a_minute_and_says_when_it_is_back() -> None:
    async def scenario(bench: Bench) -> None:
        bench.line.trouble = ChannelFailed("cannot connect")
        for _ in range(300):
            bench.hear()
            await bench.pass_s(1)
        downs = [(at, state.reason) for at, state in bench.told]
        assert {reason for _, reason in downs} == {"cannot connect"}
        gaps = [later - earlier for (earlier, _), (later, _) in pairwise(downs)]
        assert 3 <= len(gaps) <= 5 and min(gaps) >= 60

        bench.line.trouble = None
        await bench.pass_s(60)

        assert bench.told[-1][1].reason == ""
        assert len(bench.line.delivered) == QUEUE_MAX
        assert sum(state.lost for _, state in bench.told) == 300 - QUEUE_MAX, "every lost alert is counted once"

    run(scenario)


def test_what_is_too_old_is_given_up_and_newer_alerts_get_their_turn() -> None:
    async def scenario(bench: Bench) -> None:
        bench.line.trouble = ChannelFailed("answered 500")
        bench.hear()
        await bench.pass_s(GIVE_UP_NS / NS_PER_S + 1)
        assert bench.relay.queues[0].stats.lost == 1 and bench.relay.queues[0].depth == 0

        bench.line.trouble = None
        bench.hear()
        await bench.pass_s(1)

        assert bench.texts == ["alert 2"]

    run(scenario)


def test_a_hopeless_alert_is_tried_once() -> None:
    async def scenario(bench: Bench) -> None:
        bench.line.trouble = ChannelFailed("answered 404", is_final=True)
        bench.hear()
        bench.hear()
        await bench.pass_s(100)

        assert len(bench.line.tries) == 2
        assert [(state.reason, state.lost) for _, state in bench.told] == [("answered 404", 1)]

    run(scenario)


def test_one_channels_trouble_is_not_anothers_even_when_it_is_a_bug() -> None:
    async def scenario(bench: Bench) -> None:
        bench.lines[0].trouble = KeyError("bug")
        bench.lines[1].takes_s = 1
        bench.hear()
        bench.hear()
        await bench.pass_s(3)

        assert [alert.number for alert in bench.lines[1].delivered] == [1, 2]
        assert bench.told[0][1] == ChannelState(channel="webhook", reason="internal error: KeyError", waiting=2)

    run(scenario, "webhook", "command")


def test_news_of_a_dead_channel_goes_to_the_living_ones_only() -> None:
    async def scenario(bench: Bench) -> None:
        bench.lines[0].trouble = ChannelFailed("cannot connect")
        bench.hear()
        await bench.pass_s(0.5)
        bench.hear("webhook is dead", AlertKind.CHANNEL_DOWN)
        await bench.pass_s(1)

        assert bench.relay.queues[0].depth == 1
        assert [alert.text for alert in bench.lines[1].delivered] == ["alert 1", "webhook is dead"]

    run(scenario, "webhook", "command")


@pytest.mark.fault("SEC-15")
def test_account_ids_are_struck_out() -> None:
    async def scenario(bench: Bench) -> None:
        bench.hear("positions of AB1234 differ")
        await bench.pass_s(1)

        assert bench.texts == ["positions of *** differ"]

    run(scenario)


def test_the_last_alert_still_leaves_when_the_desk_closes() -> None:
    async def scenario(bench: Bench) -> None:
        bench.worker.cancel()
        await asyncio.gather(bench.worker, return_exceptions=True)
        bench.hear("still in position")

        await bench.relay.close(3)

        assert bench.texts == ["still in position"] and bench.line.closed

    run(scenario)


def test_an_alert_in_the_middle_of_its_repeats_gets_its_last_try_at_the_end() -> None:
    async def scenario(bench: Bench) -> None:
        bench.line.takes_s = 10
        bench.hear("in the middle")
        await bench.pass_s(1)
        bench.worker.cancel()
        await asyncio.gather(bench.worker, return_exceptions=True)
        bench.line.takes_s = 0

        await bench.relay.close(3)

        assert bench.texts == ["in the middle"]

    run(scenario)


def test_closing_does_not_wait_for_a_dead_channel() -> None:
    async def scenario(bench: Bench) -> None:
        bench.line.takes_s = 1_000
        bench.worker.cancel()
        await asyncio.gather(bench.worker, return_exceptions=True)
        bench.hear()
        began_ns = bench.clock.now_ns()

        await bench.relay.close(3)

        assert bench.clock.now_ns() - began_ns == 3 * NS_PER_S and bench.line.closed

    run(scenario)


@pytest.mark.row("RTP-45")
def test_sixty_seconds_of_the_same_alert_in_virtual_time_are_one_delivery() -> None:
    async def scenario(bench: Bench) -> None:
        book = AlertBook()
        book.listen(bench.relay.hear)
        for _ in range(180):
            fields = {"kind": "slippage", "what": "slippage", "text": "2.10 past the stop"}
            book.hear(Msg.ALERT, fields, "PE", Msg.ALERT.text(**fields), bench.clock.now_ns())
            await bench.pass_s(1)

        assert [
            (round(at), alert.held_back) for (at, _), alert in zip(bench.line.tries, bench.line.delivered, strict=True)
        ] == [
            (0, 0),
            (60, 59),
            (120, 59),
        ]

    run(scenario)
