"""Figures against their targets (OPS-28): percentiles, one exit from its signal to its proof, and bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.instant import NS_PER_MS
from engine.metrics import RING, TARGETS, Metrics, Ring, Span
from engine.order import Order, OrderType, Role, Side
from engine.tick import Tick


def order(role: Role, bracket_id: str = "B1") -> Order:
    return Order(
        tag="T1", account="A", bracket_id=bracket_id, bot="legs", role=role, symbol="X", exchange="NFO", product="MIS",
        side=Side.SELL, type=OrderType.MARKET, qty=75,
    )  # fmt: skip


@given(st.lists(st.integers(min_value=0, max_value=10**10), min_size=1, max_size=300), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[int], percent: int) -> None:
    ring = Ring()
    for value in values:
        ring.note(value)
    found = ring.at_percent(percent)

    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_a_ring_keeps_the_newest_and_counts_all() -> None:
    ring = Ring(size=3)
    for value in (900, 1, 2, 3):
        ring.note(value)

    assert (ring.at_percent(100), ring.count) == (3, 4)
    assert Ring().at_percent(99) == 0


@pytest.mark.row("OPS-28", "RTP-42")
def test_an_exit_is_timed_from_its_signal_to_the_socket_and_to_its_proof() -> None:
    metrics = Metrics()
    metrics.signalled("B1", 1_000)
    metrics.sending(order(Role.STOP), "cancel", 1_500)
    metrics.sending(order(Role.EXIT), "place", 3_000)
    metrics.sending(order(Role.EXIT), "place", 9_000)  # a second slice, or another try, is another story
    metrics.closed_out("B1", 10_000, rejects=0, looks=0, asked_ns=1_000)

    assert metrics.rings[Span.HANDED].at_percent(100) == 2_000
    assert metrics.rings[Span.PROVEN].at_percent(100) == 7_000
    assert metrics.rings[Span.LEAVE].at_percent(100) == 9_000
    assert [metrics.rings[span].count for span in (Span.HANDED, Span.PROVEN, Span.LEAVE)] == [1, 1, 1]


@pytest.mark.row("RTP-43")
def test_what_went_wrong_once_is_counted_against_the_share_that_must_be_good() -> None:
    metrics = Metrics()
    for number, (rejects, looks) in enumerate([(0, 0), (2, 0), (0, 1)]):
        metrics.signalled(f"B{number}", 0)
        metrics.sending(order(Role.EXIT, f"B{number}"), "place", 1)
        metrics.closed_out(f"B{number}", 2, rejects=rejects, looks=looks, asked_ns=0)
    counts = {row.row + row.name.split()[0]: (row.good, row.total) for row in metrics.counts(requests=9, throttled=2)}

    assert counts == {"RTP-43exits": (2, 3), "RTP-43closures": (2, 3), "LEG-66requests": (7, 9)}


def test_a_position_that_a_resting_stop_closed_is_no_exit_of_ours() -> None:
    metrics = Metrics()
    metrics.closed_out("B1", 5, rejects=0, looks=0, asked_ns=0)

    assert (metrics.exits, metrics.closed) == (0, 1)
    assert metrics.rings[Span.PROVEN].count == 0


def test_protection_is_timed_once_for_each_position() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.protected("B1", opened_ns=100, filled_ns=400, protected_ns=900)
    metrics.protected("B2", opened_ns=100, filled_ns=400, protected_ns=0)

    assert [(metrics.rings[s].count, metrics.rings[s].at_percent(50)) for s in (Span.ENTRY, Span.PLACED)] == [
        (1, 300),
        (1, 500),
    ]


@pytest.mark.row("RTP-07")
def test_some_ticks_are_timed_and_all_are_heard() -> None:
    now = iter(range(0, 10**9, 7))
    metrics = Metrics(lambda: next(now))
    heard: list[Tick] = []
    listener = metrics.timed(heard.append)
    for number in range(200):
        listener(Tick("X", number, 100))

    assert len(heard) == 200
    assert (metrics.rings[Span.TICK].count, metrics.rings[Span.TICK].at_percent(50)) == (3, 7)


def test_without_a_stopwatch_nothing_of_a_run_depends_on_real_time() -> None:
    metrics = Metrics()
    heard: list[Tick] = []

    assert metrics.timed(heard.append) == heard.append
    metrics.ticked(0, signalled=True)
    assert metrics.rings[Span.CHECK].count == metrics.rings[Span.SIGNAL].count == 0


@pytest.mark.invariant("X3")
def test_memory_is_bounded_over_a_day_of_signals_that_never_end() -> None:
    metrics = Metrics()
    for number in range(5_000):
        metrics.signalled(f"B{number}", number)
        metrics.note(Span.STATUS, number)

    assert len(metrics._exits) < 300
    assert len(metrics.rings[Span.STATUS]._values) == RING


def test_every_span_has_a_target_and_a_view_before_anything_was_measured() -> None:
    views = Metrics().views()

    assert set(TARGETS) == set(Span)
    assert [view.count for view in views] == [0] * len(Span)
    assert next(view for view in views if view.name == Span.SIGNAL.value).limit_ns == 10 * NS_PER_MS
