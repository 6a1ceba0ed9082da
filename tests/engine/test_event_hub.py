"""The event hub: observers hear everything once and in order, exits first, and nobody can stop anybody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.event_hub import FACTS_MAX, WAITING_MAX, Event, EventHub, EventKind
from engine.instant import NS_PER_S
from engine.tick import Tick

SYMBOL = "NIFTY01DEC2624500PE"
NOON_NS = 1_800_000_000 * NS_PER_S


def tick(ltp_paise: int, symbol: str = SYMBOL, at_ns: int = NOON_NS) -> Tick:
    return Tick(symbol, at_ns, ltp_paise, ltp_paise - 5, 100, ltp_paise + 5, 100)


class Told:
    """A report that writes down what it is told."""

    def __init__(self) -> None:
        self.overflows: list[tuple[int, str]] = []
        self.failures: list[tuple[str, EventKind, int, str]] = []

    def overflowed(self, count: int, detail: str) -> None:
        self.overflows.append((count, detail))

    def observer_failed(self, observer: str, event: EventKind, held_back: int, error: str) -> None:
        self.failures.append((observer, event, held_back, error))


class Bench:
    """A hub on a hand-cranked loop."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.told = Told()
        self.hub = EventHub(self.soon.append, self.told)
        self.heard: list[Event] = []

    def listen(self, *kinds: EventKind) -> None:
        for kind in kinds:
            self.hub.subscribe(kind, self.heard.append)

    def publish(self, kind: EventKind, body: object = None, at_ns: int = NOON_NS) -> None:
        self.hub.publish(kind, SYMBOL, at_ns, body)

    def one_pass(self) -> None:
        ready, self.soon[:] = list(self.soon), []
        for job in ready:
            job()

    def run(self) -> None:
        while self.soon:
            self.one_pass()

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.heard]


def fails(event: Event) -> None:
    raise ValueError(f"cannot use {event.kind}")


@pytest.mark.row("RTP-38")
@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_reaches_its_observers_and_no_others(kind: EventKind) -> None:
    bench, others = Bench(), []
    bench.listen(kind)
    for other in set(EventKind) - {kind}:
        bench.hub.subscribe(other, others.append)

    if kind is EventKind.TICK_UPDATE:
        bench.hub.tick(tick(100_00))
    else:
        bench.publish(kind, "body")
    bench.run()

    assert bench.kinds == [kind] and others == []
    assert bench.heard[0].symbol == SYMBOL and bench.heard[0].at_ns == NOON_NS


@pytest.mark.row("RTP-38")
def test_an_observer_that_raises_stops_nobody_and_is_told_of() -> None:
    bench = Bench()
    bench.hub.subscribe(EventKind.TRADE_EXECUTED, fails)
    bench.listen(EventKind.TRADE_EXECUTED, EventKind.ERROR)

    bench.publish(EventKind.TRADE_EXECUTED)
    bench.run()

    assert bench.kinds == [EventKind.TRADE_EXECUTED, EventKind.ERROR]
    assert bench.heard[1].body == "observer fails: ValueError: cannot use trade_executed"
    assert bench.told.failures == [("fails", EventKind.TRADE_EXECUTED, 0, "ValueError: cannot use trade_executed")]


def test_an_observer_that_always_raises_is_told_of_once_a_minute_with_a_count() -> None:
    bench = Bench()
    bench.hub.subscribe(EventKind.TICK_UPDATE, fails)

    for second in range(121):
        bench.hub.tick(tick(100_00, at_ns=NOON_NS + second * NS_PER_S))
        bench.run()

    assert [held for _, _, held, _ in bench.told.failures] == [0, 59, 59]
    assert bench.hub.counts.failed == 121


def test_an_observer_of_errors_that_raises_does_not_feed_itself() -> None:
    bench = Bench()
    bench.hub.subscribe(EventKind.ERROR, fails)

    bench.publish(EventKind.ERROR)
    bench.run()

    assert bench.hub.counts.failed == 1 and bench.hub.depth == 0


@pytest.mark.row("RTP-38", "RTP-25")
def test_a_burst_of_ticks_overflows_with_an_alert_and_the_exit_signal_still_comes_first() -> None:
    bench = Bench()
    bench.listen(EventKind.TICK_UPDATE, EventKind.EXIT_SIGNAL)

    for number in range(100_000):
        bench.hub.tick(tick(100_00 + number))
    bench.publish(EventKind.EXIT_SIGNAL, "SL")
    bench.run()

    assert bench.kinds[0] is EventKind.EXIT_SIGNAL and bench.kinds.count(EventKind.EXIT_SIGNAL) == 1
    assert bench.told.overflows == [(100_000 - WAITING_MAX, f"tick_update {100_000 - WAITING_MAX}")]
    ticks = [event.body for event in bench.heard[1:]]
    assert len(ticks) == WAITING_MAX
    assert ticks[-1] == tick(100_00 + 99_999), "the newest price is never the one that is lost"


@pytest.mark.row("RTP-25")
@pytest.mark.fault("MKT-11")
@pytest.mark.invariant("X3")
def test_with_ten_thousand_ticks_queued_the_exit_signal_is_the_next_thing_delivered() -> None:
    bench = Bench()
    bench.listen(EventKind.TICK_UPDATE, EventKind.EXIT_SIGNAL)
    for number in range(10_000):
        bench.hub.tick(tick(100_00 + number))
    bench.one_pass()
    before = len(bench.heard)
    assert 0 < before < 10_000, "a pass leaves the loop to others"

    bench.publish(EventKind.EXIT_SIGNAL, "SL")
    bench.one_pass()

    assert bench.heard[before].kind is EventKind.EXIT_SIGNAL
    bench.run()
    assert len(bench.heard) == 10_001


def test_an_exit_signal_that_an_observer_causes_overtakes_the_rest_of_the_same_pass() -> None:
    bench = Bench()
    bench.hub.subscribe(
        EventKind.TICK_UPDATE,
        lambda event: bench.publish(EventKind.EXIT_SIGNAL) if event.body == tick(100_00) else None,
    )
    bench.listen(EventKind.TICK_UPDATE, EventKind.EXIT_SIGNAL)

    for number in range(3):
        bench.hub.tick(tick(100_00 + number))
    bench.run()

    assert bench.kinds == [EventKind.TICK_UPDATE, EventKind.EXIT_SIGNAL, EventKind.TICK_UPDATE, EventKind.TICK_UPDATE]


@pytest.mark.fault("MKT-11")
@pytest.mark.invariant("X3")
def test_while_full_each_symbol_keeps_its_newest_price_and_its_place() -> None:
    bench = Bench()
    bench.listen(EventKind.TICK_UPDATE)
    for _ in range(WAITING_MAX):
        bench.hub.tick(tick(1_00, "FLOOD"))

    for number in range(5):
        bench.hub.tick(tick(200_00 + number, "QUIET"))
    bench.run()

    quiet = [event.body for event in bench.heard if event.symbol == "QUIET"]
    assert quiet == [tick(200_04, "QUIET")], "one place, the newest price"
    assert bench.hub.counts.merged == 4


def test_other_events_are_bounded_too_and_their_loss_is_told_by_name() -> None:
    bench = Bench()
    bench.listen(EventKind.CANDLE_FORMED, EventKind.EXIT_SIGNAL)

    for _ in range(FACTS_MAX + 3):
        bench.publish(EventKind.CANDLE_FORMED)
    for _ in range(5):
        bench.publish(EventKind.EXIT_SIGNAL)
    bench.run()

    assert bench.kinds.count(EventKind.CANDLE_FORMED) == FACTS_MAX
    assert bench.kinds[:5] == [EventKind.EXIT_SIGNAL] * 5
    assert bench.told.overflows == [(3, "candle_formed 3")]


def test_nothing_is_queued_for_a_kind_that_nobody_observes() -> None:
    bench = Bench()
    assert not bench.hub.is_heard and not bench.hub.wants_ticks

    bench.publish(EventKind.ERROR)
    assert bench.hub.depth == 0 and bench.soon == []

    bench.listen(EventKind.EXIT_SIGNAL)
    assert bench.hub.is_heard and not bench.hub.wants_ticks


def test_an_observer_that_leaves_hears_no_more_even_of_what_was_waiting() -> None:
    bench = Bench()
    leave = bench.hub.subscribe(EventKind.ERROR, bench.heard.append)
    bench.publish(EventKind.ERROR)

    leave()
    leave()
    bench.run()

    assert bench.heard == [] and not bench.hub.is_heard


@given(st.lists(st.one_of(st.integers(1, 99), st.sampled_from(["exit", "fact"])), max_size=60))
def test_in_one_pass_exits_come_first_and_the_rest_in_order_of_arrival(published: list[int | str]) -> None:
    bench = Bench()
    bench.listen(EventKind.TICK_UPDATE, EventKind.EXIT_SIGNAL, EventKind.TRADE_EXECUTED)
    rest: list[object] = []
    for number, what in enumerate(published):
        if what == "exit":
            bench.publish(EventKind.EXIT_SIGNAL, number)
        elif what == "fact":
            bench.publish(EventKind.TRADE_EXECUTED, number)
            rest.append(number)
        else:
            made = tick(what, at_ns=NOON_NS + number)
            bench.hub.tick(made)
            rest.append(made)
    bench.run()

    exits = [number for number, what in enumerate(published) if what == "exit"]
    assert [event.body for event in bench.heard] == [*exits, *rest]
    assert bench.hub.counts.published == bench.hub.counts.delivered == len(published)
