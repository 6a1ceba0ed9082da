"""Never more sends than the limit in any window of one second or minute, and room kept for exits."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.instant import NS_PER_MS, NS_PER_S
from engine.rate_window import RateWindow

START = 1_800_000_000 * NS_PER_S
Ask = tuple[bool, int]
ASKS = st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=120)
"""(is an exit, milliseconds since the request before)."""


def send_all(window: RateWindow, asks: list[Ask]) -> list[tuple[int, bool]]:
    """Send each as soon as its slot comes; later requests queue behind."""
    now, sent = START, []
    for is_exit, gap_ms in asks:
        now += gap_ms * NS_PER_MS
        slot = window.next_slot_ns(now, is_exit=is_exit)
        assert slot >= now
        now = slot
        window.note_sent(now)
        sent.append((now, is_exit))
    return sent


def most_in_any(sent: list[int], span_ns: int) -> int:
    return max((sum(1 for other in sent if at <= other < at + span_ns) for at in sent), default=0)


@pytest.mark.row("LEG-66")
@given(ASKS, st.integers(1, 10), st.integers(0, 12), st.integers(10, 60))
@pytest.mark.fault("REJ-14")
@pytest.mark.invariant("O4")
def test_no_window_of_a_second_or_a_minute_ever_holds_too_many(
    asks: list[Ask], per_s: int, reserve: int, per_min: int
) -> None:
    sent = send_all(RateWindow(per_s=per_s, per_min=per_min, exit_reserve_per_s=reserve), asks)
    times = [at for at, _ in sent]

    assert most_in_any(times, NS_PER_S) <= per_s
    assert most_in_any(times, 60 * NS_PER_S) <= per_min


@pytest.mark.row("LEG-66")
@given(st.lists(st.integers(0, 300), max_size=60), st.integers(2, 10), st.integers(1, 9))
def test_entries_alone_leave_the_reserve_free_at_every_instant(gaps: list[int], per_s: int, reserve: int) -> None:
    window, now = RateWindow(per_s=per_s, per_min=1000, exit_reserve_per_s=reserve), START
    for gap_ms in gaps:
        now = window.next_slot_ns(now + gap_ms * NS_PER_MS, is_exit=False)
        window.note_sent(now)

        assert window.sent_within(now) <= per_s - min(reserve, per_s - 1)
        assert window.next_slot_ns(now, is_exit=True) == now


@pytest.mark.row("LEG-66")
def test_forty_writes_leave_at_no_more_than_eight_a_second() -> None:
    window = RateWindow(per_s=8, per_min=180, exit_reserve_per_s=3)
    sent = [at for at, _ in send_all(window, [(True, 0)] * 40)]

    assert most_in_any(sent, NS_PER_S) == 8
    assert sent[-1] - sent[0] == 4 * NS_PER_S  # not slower than the limit asks for


@pytest.mark.row("LEG-66")
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 900)), min_size=2, max_size=40))
def test_a_fixed_gap_spaces_every_write(asks: list[Ask]) -> None:
    window = RateWindow(per_s=8, per_min=180, exit_reserve_per_s=3, gap_ns=NS_PER_S // 2)
    sent = [at for at, _ in send_all(window, asks)]

    assert all(later - earlier >= NS_PER_S // 2 for earlier, later in pairwise(sent))


@pytest.mark.fault("ORD-09")
def test_a_throttling_broker_holds_entries_back_and_lets_exits_go() -> None:
    """ORD-09."""
    window = RateWindow(per_s=8, per_min=180, exit_reserve_per_s=3)
    window.pause_entries(START + 5 * NS_PER_S)
    window.pause_entries(START + 2 * NS_PER_S)  # a shorter word does not shorten the first

    assert window.next_slot_ns(START, is_exit=True) == START
    assert window.next_slot_ns(START, is_exit=False) == START + 5 * NS_PER_S
    assert window.next_slot_ns(START + 6 * NS_PER_S, is_exit=False) == START + 6 * NS_PER_S


def test_sends_are_counted_inside_the_span_only() -> None:
    window = RateWindow(per_s=8, per_min=180, exit_reserve_per_s=3)
    for ms in (0, 400, 1_000):
        window.note_sent(START + ms * NS_PER_MS)

    assert window.sent_within(START + 1_000 * NS_PER_MS) == 2
    assert window.sent_within(START + 3_000 * NS_PER_MS, 60 * NS_PER_S) == 3
