"""HRD-32, "safe placement". Ours: an intent in the journal, then `Gateway` with one request under one deadline, then
`BookReader.look_up` when nobody answered. Whatever happens, the caller gets one of four answers and no exception."""

from __future__ import annotations

import pytest

from engine import refusals
from engine.instant import NS_PER_S
from engine.operator import Enter
from engine.order import OrderState, Role, Side
from engine.port import NotSent, Refused, Unknown
from engine.view import ExitStyle

PE = "NIFTY01DEC2624500PE"


class HeldWriter:
    """A journal whose disk is slow: every batch waits until it is let through."""

    def __init__(self, inner) -> None:
        self.inner = inner
        self.held: list = []

    def trouble(self) -> str:
        return ""

    def submit(self, batch, on_durable, on_late) -> None:
        self.held.append((batch, on_durable))

    def let_through(self) -> None:
        held, self.held = self.held, []
        for batch, on_durable in held:
            self.inner.submit(batch, on_durable)

    def stats(self):
        return self.inner.stats()


@pytest.mark.row("HRD-32", "HRD-05")
def test_nothing_is_sent_before_its_intent_is_on_disk(run_desk, seed_setup) -> None:
    async def scenario(rig):
        writer = rig.desk.parts.writer = HeldWriter(rig.desk.parts.writer)
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(1.0)
        intents = [intent for batch, _ in writer.held for intent in batch.intents]
        assert len(intents) == 1 and rig.venue.calls == []

        writer.let_through()
        await rig.pass_s(0.05)
        assert [request.tag for request in rig.venue.placed()] == [intents[0].tag]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-32", "HRD-06", "HRD-08")
def test_a_definite_no_is_not_repeated_and_its_reason_is_shown(run_desk, seed_setup) -> None:
    async def scenario(rig):
        def no_margin(op, request):
            return Refused(refusals.MARGIN, "insufficient margin: 1,20,000 needed") if op == "place" else None

        rig.venue.script = no_margin
        await rig.enter(100.0)
        await rig.quiet(5.0, 100.0)

        assert len(rig.venue.placed()) == 1
        reason = "insufficient margin: 1,20,000 needed"
        assert rig.said("[ERROR]") == [f"[ERROR] placeorder failed for {PE}: {reason}"]
        facts = rig.facts(PE)
        assert (facts.in_position, facts.entry_order_id, facts.tp_order_id, facts.sl_order_id) == (False, *[None] * 3)
        assert any(reason in alarm for alarm in rig.alarms) and not rig.desk.engine_error

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-32", "HRD-06", "HRD-05")
def test_a_server_error_is_looked_up_and_then_tried_exactly_once_more(run_desk, seed_setup) -> None:
    async def scenario(rig):
        errors = ["HTTP 503"]

        def server_error(op, request):
            if op == "place" and request.tag.endswith("X") and errors:
                return Unknown(errors.pop())
            return None

        await rig.enter(100.0)
        rig.venue.script = server_error
        reads = rig.venue.reads
        rig.tick(PE, 95.0)
        await rig.quiet(10.0, 95.0)

        first, second = rig.venue.placed(Role.EXIT)
        assert first.tag != second.tag and rig.venue.reads > reads
        assert [o.tag for o in rig.exchange.orders("paper") if o.side is Side.SELL] == [second.tag]
        assert rig.net(PE) == 0 and rig.trades() == [(PE, -375_00, "Stoploss Hit")]

    run_desk(scenario, seed_setup(symbols=(PE,), style=ExitStyle.MONITORED))


@pytest.mark.row("HRD-32", "HRD-05", "I-3")
def test_an_order_is_not_called_absent_before_the_brokers_window_is_over(run_desk, seed_setup, monkeypatch) -> None:
    """The reply is lost and the request arrives 20 s late, inside the broker's 45 s: one order, and nobody sent two."""

    async def scenario(rig):
        monkeypatch.setattr(type(rig.venue), "ambiguity_s", 45.0)
        lost: list = []

        def lose_stop(op, request):
            if op == "place" and request.tag.endswith("S") and not lost:
                lost.append(request)
                return Unknown("no reply")
            return None

        rig.venue.script = lose_stop
        await rig.enter(100.0)
        await rig.quiet(20.0, 100.0)
        assert len(rig.venue.placed(Role.STOP)) == 1, "absence is not proven yet"
        rig.exchange.place("paper", lost[0], rig.clock.now_ns())
        await rig.quiet(40.0, 100.0)

        assert [r.tag for r in rig.venue.placed(Role.STOP)] == [lost[0].tag]
        assert rig.leg(PE).bracket.covered_qty == 75
        assert len([o for o in rig.working() if o.tag.endswith("S")]) == 1

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-04", "HRD-32")
def test_two_tries_of_an_entry_that_never_left_then_no_order_and_no_exception(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.venue.script = lambda op, request: NotSent("connection refused")
        await rig.enter(100.0)
        await rig.quiet(3.0, 100.0)

        first, second = (began for began, _ in rig.venue.spans)
        assert (second - first) / NS_PER_S == pytest.approx(0.3, abs=0.01)
        assert len({request.tag for request in rig.venue.placed()}) == 1, "the same order: it never existed"
        assert rig.said("[ERROR]") == [
            f"[ERROR] placeorder failed for {PE}: failed after 2 attempts: connection refused"
        ]
        assert not rig.leg(PE).is_active

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-07", "HRD-32")
@pytest.mark.parametrize(("role", "limit_s"), [("E", 10.0), ("X", 3.0), ("S", 3.0)])
def test_a_broker_that_hangs_is_given_up_after_ten_seconds_and_after_three_for_an_exit(
    run_desk, seed_setup, role, limit_s
) -> None:
    async def scenario(rig):
        inner = rig.venue.inner.place

        async def hang(request):
            if request.tag.endswith(role):
                rig.hung_ns = rig.clock.now_ns()
                await rig.clock.sleep_until(rig.hung_ns + 3600 * NS_PER_S)
            return await inner(request)

        rig.venue.inner.place = hang
        await rig.enter(100.0)
        if role == "X":
            rig.desk.step(lambda now: rig.bot.exit_leg(PE, "test", now, rig.desk.out))
            await rig.pass_s(0.1)
        await rig.wait_until(lambda: bool(rig.said("[UNKNOWN]")), 11.0)
        took_s = (rig.clock.now_ns() - rig.hung_ns) / NS_PER_S
        assert took_s == pytest.approx(limit_s, abs=0.02)
        assert f"no answer in {limit_s:g} s" in rig.said("[UNKNOWN]")[0]
        await rig.pass_s(0.1)  # what its look-up asked for

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("HRD-07", "HRD-32")
def test_an_exit_leaves_while_an_older_read_still_waits(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        rig.venue.read_delay_s = 8.0
        rig.desk.main.reader.reconcile()
        await rig.pass_s(0.1)
        rig.tick(PE, 95.0)
        took = await rig.wait_until(lambda: rig.net(PE) == 0, 2.0)

        assert took < 0.05
        rig.venue.read_delay_s = 0.0
        await rig.quiet(10.0, 95.0)
        assert not rig.leg(PE).is_active

    run_desk(scenario, seed_setup(symbols=(PE,), style=ExitStyle.MONITORED))


@pytest.mark.row("HRD-08", "HRD-32")
@pytest.mark.parametrize("answer", [NotSent("connection refused"), Unknown("garbage in the reply")])
def test_an_entry_that_fails_leaves_the_leg_flat_with_an_alert(run_desk, seed_setup, answer) -> None:
    async def scenario(rig):
        rig.venue.script = lambda op, request: answer if op == "place" else None
        await rig.enter(100.0)
        await rig.quiet(6.0, 100.0)

        assert rig.facts(PE).lifecycle == "flat" and rig.net(PE) == 0
        assert rig.facts(PE).entry_order_id is None
        assert any(f"{PE} not entered" in alarm for alarm in rig.alarms)
        assert {o.state for o in rig.desk.blotter.orders.values()} == {OrderState.REJECTED}

    run_desk(scenario, seed_setup(symbols=(PE,)))
