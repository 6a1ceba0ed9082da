"""The gateway in virtual time: strictly one write at a time, in order, exits first, every answer one of four."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from engine import refusals
from engine.clock import LoopClock
from engine.gateway import Gateway, GatewayLimits
from engine.instant import NS_PER_MS, NS_PER_S, ns_from_s
from engine.order import Order, OrderState, OrderType, Pending, Role, Side
from engine.outbox import CancelOrder, ModifyOrder, OrderCommand, PlaceOrder
from engine.port import Acked, Answer, NotSent, OrderChange, OrderRequest, Refused, Unknown
from engine.virtual_time import run_virtual

START = 1_800_000_000 * NS_PER_S
Script = Callable[[int], Answer | Exception | None]
"""Number of the call, from 1 -> its answer; an exception is raised; None never answers."""


class SlowPort:
    """Answers each write after `write_ms`, as scripted; records when each began and ended."""

    def __init__(self, clock: LoopClock, write_ms: int, script: Script) -> None:
        self.clock = clock
        self.write_ns = write_ms * NS_PER_MS
        self.script = script
        self.began: list[tuple[int, str]] = []
        self.ended: list[int] = []
        self.changes: list[OrderChange] = []
        self.abandoned = 0

    async def _write(self, what: str) -> Answer:
        self.began.append((self.clock.now_ns() - START, what))
        answer = self.script(len(self.began))
        try:
            if answer is None:
                await asyncio.get_running_loop().create_future()
            await self.clock.sleep_until(self.clock.now_ns() + self.write_ns)
        except asyncio.CancelledError:
            self.abandoned += 1
            raise
        finally:
            self.ended.append(self.clock.now_ns() - START)
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer

    async def place(self, request: OrderRequest) -> Answer:
        return await self._write(f"place {request.tag}")

    async def modify(self, change: OrderChange) -> Answer:
        self.changes.append(change)
        return await self._write(f"modify {change.tag}")

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        return await self._write(f"cancel {tag} {broker_id}")

    @property
    def calls(self) -> list[str]:
        return [what for _, what in self.began]


class Bench:
    def __init__(self, write_ms: int, script: Script, limits: GatewayLimits) -> None:
        self.clock = LoopClock(asyncio.get_running_loop(), START)
        self.port = SlowPort(self.clock, write_ms, script)
        self.orders: dict[str, Order] = {}
        self.answers: list[tuple[str, str, Answer]] = []
        self.withdrawn: list[str] = []
        port: Any = self.port
        self.gateway = Gateway(port, self.clock, limits, self.orders, self._answered, self.withdrawn.append)

    def _answered(self, tag: str, op: str, answer: Answer) -> None:
        self.answers.append((tag, op, answer))
        if op == "place" and isinstance(answer, Acked):
            self.orders[tag].broker_id = answer.broker_id

    def order(self, tag: str, role: Role, *, broker_id: str = "") -> str:
        self.orders[tag] = Order(
            tag=tag,
            account="A",
            bracket_id="B1",
            bot="legs",
            role=role,
            symbol="X",
            exchange="NFO",
            product="MIS",
            side=Side.BUY if role is Role.ENTRY else Side.SELL,
            type=OrderType.LIMIT,
            qty=75,
            limit_paise=100_00,
            broker_id=broker_id,
            state=OrderState.WORKING if broker_id else OrderState.INTENDED,
        )
        return tag

    def place(self, tag: str, role: Role) -> None:
        self.gateway.submit(PlaceOrder(tag=self.order(tag, role)))

    def change(self, command: OrderCommand) -> None:
        self.gateway.submit(command)

    async def until_idle(self) -> None:
        while not self.gateway.is_idle:
            await self.pass_ms(10)

    async def pass_ms(self, ms: int) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + ms * NS_PER_MS)


async def both_lanes(gateway: Gateway) -> None:
    await asyncio.gather(gateway.run_exits(), gateway.run_entries())


def acked(_number: int) -> Answer:
    return Acked("77")


def run(
    scenario: Callable[[Bench], Awaitable[None]],
    *,
    write_ms: int = 200,
    script: Script = acked,
    limits: GatewayLimits | None = None,
) -> None:
    async def main() -> None:
        bench = Bench(write_ms, script, limits or GatewayLimits())
        worker = asyncio.ensure_future(both_lanes(bench.gateway))
        try:
            await scenario(bench)
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    run_virtual(main())


@pytest.mark.row("LEG-07")
def test_writes_never_overlap_and_keep_their_order() -> None:
    """A fake broker that takes 200 ms a write: PE before CE, one after the other."""

    async def scenario(bench: Bench) -> None:
        bench.place("PE", Role.ENTRY)
        bench.place("CE", Role.ENTRY)
        bench.place("third", Role.ENTRY)
        await bench.until_idle()

        assert bench.port.calls == ["place PE", "place CE", "place third"]
        spans = list(zip([at for at, _ in bench.port.began], bench.port.ended, strict=True))
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))

    run(scenario)


@pytest.mark.row("LEG-07")
def test_an_exit_outranks_every_waiting_entry_and_leaves_in_the_next_slot() -> None:
    """BUG-09: nobody waits for a fill here, only for the answer to the one write in flight."""

    async def scenario(bench: Bench) -> None:
        for number in range(4):
            bench.place(f"E{number}", Role.ENTRY)
        await bench.pass_ms(50)
        bench.place("T", Role.TARGET)
        bench.place("X", Role.EXIT)
        await bench.until_idle()

        assert bench.port.calls[:3] == ["place E0", "place X", "place T"]
        assert bench.port.began[1][0] == 200 * NS_PER_MS

    run(scenario)


@pytest.mark.row("LEG-07")
@pytest.mark.fault("ORD-01", "NET-01")
def test_an_entry_without_an_answer_holds_up_no_stop_and_no_exit_only_its_own_changes() -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("hung", Role.ENTRY)
        await bench.pass_ms(100)
        bench.change(CancelOrder(tag="hung", context="x"))
        bench.place("S", Role.STOP)
        bench.place("next", Role.ENTRY)
        await bench.pass_ms(1_000)
        assert bench.port.began[1][0] == 250 * NS_PER_MS
        assert bench.port.calls == ["place hung", "place S"]
        assert [tag for tag, _, _ in bench.answers] == []

        await bench.pass_ms(9_000)
        assert bench.port.calls == ["place hung", "place S", "place next"]
        first, *rest = bench.answers
        assert first[0] == "S" and isinstance(first[2], Unknown), "it hangs as well, but not behind the entry"
        by_tag = {(tag, op): answer for tag, op, answer in rest}
        assert isinstance(by_tag["hung", "place"], Unknown) and isinstance(by_tag["hung", "cancel"], NotSent)

    run(scenario, write_ms=60_000)


@pytest.mark.row("LEG-66")
def test_the_two_lanes_share_one_rate() -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("E", Role.ENTRY)
        for number in range(20):
            bench.place(f"X{number}", Role.EXIT)
            bench.place(f"E{number}", Role.ENTRY)
        await bench.until_idle()
        began = [at for at, _ in bench.port.began]
        assert len(began) == 41
        for index, at in enumerate(began):
            assert sum(1 for other in began[: index + 1] if other > at - NS_PER_S) <= 8

    run(scenario, write_ms=1)


@pytest.mark.row("LEG-07")
@pytest.mark.parametrize("role", [Role.EXIT, Role.STOP, Role.REPAIR])
def test_what_protects_or_closes_goes_before_targets_and_targets_before_entries(role: Role) -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("first", Role.ENTRY)
        await bench.pass_ms(10)
        bench.place("entry", Role.ENTRY)
        bench.place("target", Role.TARGET)
        bench.place("urgent", role)
        bench.order("old", Role.TARGET, broker_id="9")
        bench.change(CancelOrder(tag="old", context="x"))
        await bench.until_idle()

        assert bench.port.calls == ["place first", "place urgent", "cancel old 9", "place target", "place entry"]

    run(scenario)


def test_a_cancel_of_an_unsent_order_takes_both_back() -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("first", Role.ENTRY)
        await bench.pass_ms(10)
        bench.place("second", Role.ENTRY)
        bench.change(CancelOrder(tag="second", context="x"))
        await bench.until_idle()

        assert bench.port.calls == ["place first"]
        assert bench.withdrawn == ["second"]

    run(scenario)


def test_a_throttled_exit_is_looked_at_again_before_it_is_repeated() -> None:
    """Found by the simulator: a target went out a second time after its stop had filled."""

    async def scenario(bench: Bench) -> None:
        bench.gateway.fits = lambda _order, _command: len(bench.port.calls) == 0
        bench.place("T1", Role.TARGET)
        await bench.until_idle()

        assert (bench.port.calls, bench.withdrawn, bench.answers) == (["place T1"], ["T1"], [])

    run(scenario, script=lambda _number: Refused(refusals.THROTTLED, "429", 1.0))


def test_a_throttled_change_is_not_repeated_when_its_order_is_to_be_cancelled() -> None:
    """Found by the simulator: a target was enlarged once more after the stop had closed the position."""

    async def scenario(bench: Bench) -> None:
        bench.order("T1", Role.TARGET, broker_id="77")
        bench.change(
            ModifyOrder(tag="T1", type=OrderType.LIMIT, qty=150, limit_paise=99_00, trigger_paise=0, context="resize")
        )
        await bench.pass_ms(50)
        bench.orders["T1"].pending = Pending.CANCEL
        bench.change(CancelOrder(tag="T1", context="x"))
        await bench.until_idle()

        assert bench.port.calls == ["modify T1", "cancel T1 77"]
        assert [(tag, op) for tag, op, _ in bench.answers] == [("T1", "modify"), ("T1", "cancel")]

    run(scenario, script=lambda number: acked(number) if number > 1 else Refused(refusals.THROTTLED, "429", 1.0))


def test_a_cancel_drops_the_change_of_its_order_that_has_not_left() -> None:
    """Found by the simulator: a stop's modify waited behind a silent place and went out after the target had filled."""

    async def scenario(bench: Bench) -> None:
        bench.order("stop", Role.STOP, broker_id="77")
        bench.place("first", Role.ENTRY)
        await bench.pass_ms(10)
        bench.change(
            ModifyOrder(tag="stop", type=OrderType.SL, qty=75, limit_paise=97_00, trigger_paise=99_00, context="resize")
        )
        bench.change(CancelOrder(tag="stop", context="x"))
        await bench.until_idle()

        assert bench.port.calls == ["place first", "cancel stop 77"]
        assert [(tag, op) for tag, op, _ in bench.answers] == [
            ("stop", "modify"),
            ("first", "place"),
            ("stop", "cancel"),
        ]

    run(scenario)


def test_a_cancel_of_an_order_in_flight_follows_it() -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("first", Role.ENTRY)
        await bench.pass_ms(10)
        bench.change(CancelOrder(tag="first", context="x"))
        await bench.until_idle()

        assert bench.port.calls == ["place first", "cancel first 77"]
        assert bench.withdrawn == []

    run(scenario)


@pytest.mark.parametrize(
    ("role", "limit_s"), [(Role.ENTRY, 10.0), (Role.TARGET, 3.0), (Role.STOP, 3.0), (Role.EXIT, 3.0)]
)
@pytest.mark.fault("ORD-11", "NET-01")
def test_no_answer_within_the_deadline_is_unknown(role: Role, limit_s: float) -> None:
    """ORD-01, ORD-11: one overall deadline, and the queue goes on."""

    async def scenario(bench: Bench) -> None:
        bench.place("silent", role)
        await bench.until_idle()

        assert bench.answers == [("silent", "place", Unknown(f"no answer in {limit_s:g} s"))]
        assert bench.port.ended[0] == ns_from_s(limit_s)
        assert bench.port.abandoned == 1
        assert bench.gateway.path_error == f"no answer in {limit_s:g} s"

        bench.port.script = acked
        bench.place("next", role)
        await bench.until_idle()
        assert bench.answers[1] == ("next", "place", Acked("77"))
        assert bench.gateway.path_error == ""

    run(scenario, script=lambda _number: None)


def test_a_lost_link_takes_the_path_down_before_a_request_and_only_a_later_read_proves_it_back() -> None:
    async def scenario(bench: Bench) -> None:
        began_ns = bench.clock.now_ns()
        bench.gateway.note_link_lost("the venue says nothing")
        bench.gateway.note_books_read(began_ns)
        assert bench.gateway.path_error == "the venue says nothing", "that read may be older than the loss"

        bench.gateway.note_books_read(began_ns + 1)
        assert bench.gateway.path_error == ""

    run(scenario)


@pytest.mark.row("I-3")
@pytest.mark.parametrize(
    "error", [ValueError("bad json"), ConnectionResetError("reset by peer"), KeyError("order_id"), TimeoutError()]
)
@pytest.mark.fault("ORD-05", "ORD-06", "ORD-07", "ORD-10")
def test_whatever_an_adapter_raises_is_unknown_never_refused(error: Exception) -> None:
    """ORD-05..07: the order may exist."""

    async def scenario(bench: Bench) -> None:
        bench.place("broken", Role.EXIT)
        bench.place("after", Role.EXIT)
        await bench.until_idle()

        tag, op, answer = bench.answers[0]
        assert (tag, op) == ("broken", "place")
        assert isinstance(answer, Unknown)
        assert answer.reason.startswith(type(error).__name__)
        assert bench.answers[1] == ("after", "place", Acked("77"))

    run(scenario, script=lambda number: error if number == 1 else Acked("77"))


@pytest.mark.parametrize("answer", [Acked("5"), Refused("margin", "no"), NotSent("no route"), Unknown("lost")])
@pytest.mark.invariant("O3")
def test_each_answer_is_handed_on_as_it_is_and_nothing_is_sent_twice(answer: Answer) -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("one", Role.EXIT)
        await bench.until_idle()

        assert bench.answers == [("one", "place", answer)]
        assert bench.gateway.writes == 1
        assert (bench.gateway.path_error == "") is isinstance(answer, Acked | Refused)

    run(scenario, script=lambda _number: answer)


def throttled(retry_after_s: float, times: int) -> Script:
    return lambda number: Refused(refusals.THROTTLED, "429", retry_after_s) if number <= times else Acked("77")


@pytest.mark.row("LEG-66")
@pytest.mark.parametrize(("retry_after_s", "waits_s"), [(0.0, 1.0), (2.0, 2.0), (600.0, 5.0)])
@pytest.mark.fault("ORD-09")
def test_a_throttled_exit_goes_again_when_the_broker_listens_but_waits_for_nothing_longer(
    retry_after_s: float, waits_s: float
) -> None:
    """ORD-09: an explicit no, so the same request may go again."""

    async def scenario(bench: Bench) -> None:
        bench.place("X", Role.EXIT)
        await bench.until_idle()

        assert bench.port.calls == ["place X", "place X"]
        assert bench.port.began[1][0] - bench.port.ended[0] == ns_from_s(waits_s)
        assert bench.answers == [("X", "place", Acked("77"))]

    run(scenario, script=throttled(retry_after_s, 1))


@pytest.mark.row("LEG-66")
def test_a_throttled_exit_is_not_tried_for_ever() -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("X", Role.EXIT)
        await bench.until_idle()

        assert len(bench.port.calls) == 5
        assert bench.answers == [("X", "place", Refused(refusals.THROTTLED, "429", 1.0))]

    run(scenario, script=throttled(1.0, 99))


@pytest.mark.row("LEG-66")
@pytest.mark.fault("ORD-09")
def test_a_throttled_entry_is_refused_and_later_entries_wait() -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("E1", Role.ENTRY)
        bench.place("E2", Role.ENTRY)
        bench.place("E3", Role.ENTRY)
        await bench.pass_ms(1_000)
        bench.place("X", Role.EXIT)
        await bench.until_idle()

        assert bench.port.calls == ["place E1", "place X", "place E2", "place E3"]
        assert bench.answers[0] == ("E1", "place", Refused(refusals.THROTTLED, "429", 30.0))
        assert bench.port.began[1][0] == 1_000 * NS_PER_MS  # the exit did not wait
        assert bench.port.began[2][0] >= 30 * NS_PER_S

    run(scenario, script=throttled(30.0, 1))


@pytest.mark.row("LEG-66")
@pytest.mark.fault("REJ-14", "EXI-14")
@pytest.mark.invariant("O4")
def test_forty_queued_writes_keep_to_the_rate() -> None:
    async def scenario(bench: Bench) -> None:
        for number in range(40):
            bench.place(f"X{number}", Role.EXIT)
        await bench.until_idle()

        times = [at for at, _ in bench.port.began]
        assert len(times) == 40
        assert max(sum(1 for other in times if at <= other < at + NS_PER_S) for at in times) == 8

    run(scenario, write_ms=1)


@pytest.mark.row("LEG-66")
def test_a_fixed_gap_spaces_the_writes() -> None:
    async def scenario(bench: Bench) -> None:
        for number in range(5):
            bench.place(f"E{number}", Role.ENTRY)
        await bench.until_idle()

        times = [at for at, _ in bench.port.began]
        assert all(later - earlier >= NS_PER_S // 2 for earlier, later in pairwise(times))

    run(scenario, write_ms=1, limits=GatewayLimits(order_gap_ns=NS_PER_S // 2))


@pytest.mark.row("LEG-66")
@pytest.mark.fault("REJ-13", "EXI-14")
@pytest.mark.invariant("O4")
def test_an_exit_finds_its_reserve_behind_a_flood_of_entries() -> None:
    async def scenario(bench: Bench) -> None:
        for number in range(30):
            bench.place(f"E{number}", Role.ENTRY)
        await bench.pass_ms(500)
        before = len(bench.port.calls)
        bench.place("X", Role.EXIT)
        await bench.pass_ms(2)

        assert before == 5  # eight less the reserve of three
        assert bench.port.calls[before] == "place X"

    run(scenario, write_ms=1)


@pytest.mark.parametrize("state", [OrderState.FILLED, OrderState.CANCELLED])
def test_a_change_of_a_finished_order_is_not_sent(state: OrderState) -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("done", Role.STOP, broker_id="9")
        bench.orders["done"].state = state
        bench.change(CancelOrder(tag="done", context="x"))
        await bench.until_idle()

        assert bench.port.calls == []
        assert [(tag, op, type(answer)) for tag, op, answer in bench.answers] == [("done", "cancel", NotSent)]

    run(scenario)


def test_a_change_of_an_order_without_a_broker_id_is_not_sent() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("nameless", Role.STOP)
        bench.change(CancelOrder(tag="nameless", context="x"))
        bench.change(CancelOrder(tag="nobody", context="x"))
        await bench.until_idle()

        assert bench.port.calls == []
        assert [type(answer) for _, _, answer in bench.answers] == [NotSent, NotSent]

    run(scenario)


def test_a_modify_carries_its_terms_and_the_brokers_id() -> None:
    async def scenario(bench: Bench) -> None:
        bench.order("S", Role.STOP, broker_id="9")
        bench.change(
            ModifyOrder(tag="S", type=OrderType.SL, qty=25, limit_paise=97_00, trigger_paise=99_00, context="resize")
        )
        await bench.until_idle()

        assert bench.port.changes == [
            OrderChange(tag="S", broker_id="9", type=OrderType.SL, qty=25, limit_paise=97_00, trigger_paise=99_00)
        ]

    run(scenario)


def test_ending_the_worker_ends_the_call_in_flight_and_claims_no_answer() -> None:
    async def scenario(bench: Bench) -> None:
        worker = asyncio.ensure_future(both_lanes(bench.gateway))
        bench.place("X", Role.EXIT)
        await bench.pass_ms(100)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

        assert worker.cancelled()
        assert bench.answers == []

    async def main() -> None:
        await scenario(Bench(200, acked, GatewayLimits()))

    run_virtual(main())


def test_the_path_shows_the_time_of_the_newest_answer() -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("X", Role.EXIT)
        await bench.until_idle()

        assert bench.gateway.answer_ms == 200.0
        assert bench.gateway.proven_ns == START + 200 * NS_PER_MS
        assert bench.gateway.depth == 0

    run(scenario)


def refused_connection(times: int) -> Script:
    return lambda number: NotSent("connection refused") if number <= times else Acked("77")


@pytest.mark.row("HRD-04")
@pytest.mark.parametrize(("failures", "tries"), [(1, 2), (2, 3), (9, 3)])
@pytest.mark.fault("ORD-04")
def test_an_entry_that_never_left_goes_again_a_little_later_each_time_and_then_is_given_up(
    failures: int, tries: int
) -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("E1", Role.ENTRY)
        await bench.until_idle()

        assert [at_ns // NS_PER_MS for at_ns, _ in bench.port.began] == [0, 310, 920][:tries]
        (answer,) = (answer for _, _, answer in bench.answers)
        failed = NotSent("failed after 3 attempts: connection refused")
        assert answer == (failed if failures >= 3 else Acked("77"))

    run(scenario, write_ms=10, script=refused_connection(failures), limits=GatewayLimits(entry_tries=3))


@pytest.mark.row("HRD-04", "LEG-07")
def test_what_waits_for_its_next_try_holds_nobody_up_and_can_be_taken_back() -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("E1", Role.ENTRY)
        await bench.pass_ms(50)
        bench.place("X1", Role.EXIT)
        await bench.pass_ms(50)
        assert bench.port.calls == ["place E1", "place X1"]
        assert not bench.gateway.is_idle and bench.gateway.depth == 1

        bench.change(CancelOrder(tag="E1", context="test"))
        await bench.pass_ms(2_000)
        assert bench.withdrawn == ["E1"] and bench.gateway.is_idle
        assert bench.port.calls == ["place E1", "place X1"]

    run(scenario, write_ms=10, script=refused_connection(1))


@pytest.mark.row("HRD-04", "RTP-28")
def test_an_exit_that_never_left_is_answered_at_once_because_its_bracket_tries_again() -> None:
    async def scenario(bench: Bench) -> None:
        bench.place("X1", Role.EXIT)
        await bench.until_idle()
        assert [answer for _, _, answer in bench.answers] == [NotSent("connection refused")]

    run(scenario, write_ms=10, script=refused_connection(9))


def test_a_fenced_gateway_sends_nothing_whatever_waits_and_counts_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        asked: list[bool] = []
        bench.gateway.may_send = lambda: asked.append(True) is None and len(asked) < 3
        for tag, role in (("SD1X", Role.EXIT), ("SD2S", Role.STOP), ("SD3E", Role.ENTRY)):
            bench.place(tag, role)
        bench.order("SD4T", Role.TARGET, broker_id="9")
        bench.change(
            ModifyOrder(tag="SD4T", qty=50, limit_paise=90_00, trigger_paise=0, type=OrderType.LIMIT, context="x")
        )
        await bench.pass_ms(60_000)

        assert bench.port.calls == ["place SD1X", "place SD2S"]
        assert (bench.gateway.writes, bench.gateway.is_fenced, bench.gateway.depth) == (2, True, 2)
        assert len(asked) == 3, "asked once for each request, and not again after the first no"

        bench.change(CancelOrder(tag="SD1X", context="x"))
        bench.place("SD5X", Role.EXIT)
        await bench.pass_ms(60_000)

        assert bench.port.calls == ["place SD1X", "place SD2S"]
        assert [tag for tag, _, _ in bench.answers] == ["SD1X", "SD2S"], "what never left is answered by nobody"
        assert bench.orders["SD3E"].state is OrderState.INTENDED

    run(scenario)


def test_a_throttled_exit_is_not_sent_again_once_the_account_is_somebody_elses() -> None:
    async def scenario(bench: Bench) -> None:
        bench.gateway.may_send = lambda: not bench.port.calls
        bench.place("SD1X", Role.EXIT)
        await bench.pass_ms(60_000)

        assert bench.port.calls == ["place SD1X"]
        assert bench.answers == []
        assert bench.gateway.throttled == 1

    run(scenario, script=lambda _number: Refused(refusals.THROTTLED, "slower", retry_after_s=1.0))


@pytest.mark.fault("PRC-07")
def test_a_lane_that_breaks_leaves_the_request_of_the_other_alone() -> None:
    """Ended with it, the other's answer would be lost, and nobody would know whether the order exists."""

    async def main() -> None:
        bench = Bench(200, acked, GatewayLimits())
        bench.gateway.fits = lambda order, _command: 1 // (order.role is not Role.STOP)  # type: ignore[assignment]
        exits = asyncio.ensure_future(bench.gateway.run_exits())
        entries = asyncio.ensure_future(bench.gateway.run_entries())
        bench.place("E", Role.ENTRY)
        await bench.pass_ms(10)
        bench.place("S", Role.STOP)
        await bench.pass_ms(600)
        assert isinstance(exits.exception(), ZeroDivisionError) and not entries.done()
        assert [(tag, type(answer)) for tag, _, answer in bench.answers] == [("E", Acked)]
        entries.cancel()

    run_virtual(main())
