"""The guardian's judgement of a desk from its beats: alive, silent, ended, and who must hear of it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.guardian import Guardian, Look, OnSilence, Phase, Verdict, Word
from engine.instant import NS_PER_S
from engine.pulse import Pulse, Stakes

SILENCE = 15
HELD = Stakes(open_qty=130, bare_qty=65, live_orders=4)
FLAT = Stakes()
T0 = 1_000


def beat(at_s: int, stakes: Stakes = HELD, *, pid: int = 11, boot: str = "b", exit_code: int | None = None) -> Pulse:
    return Pulse(run_no=1, pid=pid, epoch=1, boot=boot, at_ns=at_s * NS_PER_S, stakes=stakes, exit_code=exit_code)


class Bench:
    """One guardian; `at` looks once."""

    def __init__(self, act: OnSilence = OnSilence.ALARM, desk_pid: int = 0) -> None:
        self.guardian = Guardian(silence_ns=SILENCE * NS_PER_S, act=act, desk_pid=desk_pid)
        self.words: list[Word] = []

    def at(self, now_s: int, pulse: Pulse | None, *, is_held: bool = True) -> list[Verdict]:
        verdicts = self.guardian.look(Look(now_ns=now_s * NS_PER_S, boot="b", pulse=pulse, is_held=is_held))
        self.words += [verdict.word for verdict in verdicts]
        return verdicts


def test_a_beating_desk_is_watched_and_nobody_is_called() -> None:
    bench = Bench()
    for second in range(600):
        bench.at(T0 + second, beat(T0 + second))

    assert bench.words == [Word.SEEN]


def test_silence_with_positions_open_is_told_after_the_span_and_not_before() -> None:
    bench = Bench()
    bench.at(T0, beat(T0))

    assert bench.at(T0 + SILENCE - 1, beat(T0)) == []
    (verdict,) = bench.at(T0 + SILENCE, beat(T0))
    assert (verdict.word, verdict.is_grave, verdict.flattens, verdict.ends) == (Word.SILENT, True, False, False)
    assert verdict.text == (
        "process 11 stands still, no beat for 15 s; in its last beat 130 units open, 65 of them without a resting "
        "stop, 4 order(s) that may fill"
    )


def test_a_process_that_is_gone_is_told_from_one_that_stands_still() -> None:
    bench = Bench()
    bench.at(T0, beat(T0))

    (verdict,) = bench.at(T0 + SILENCE, beat(T0), is_held=False)
    assert verdict.text.startswith("process 11 is gone, no beat for 15 s")
    assert not verdict.ends


def test_the_alarm_is_repeated_ever_slower_as_long_as_positions_are_open() -> None:
    bench = Bench()
    bench.at(T0, beat(T0))
    told = [second for second in range(4_000) if bench.at(T0 + second, beat(T0))]

    gaps = [later - earlier for earlier, later in pairwise(told)]
    assert gaps[:4] == [60, 120, 240, 480]
    assert set(gaps[4:]) == {600}


def test_only_the_first_word_of_a_silence_takes_the_account() -> None:
    bench = Bench(OnSilence.FLATTEN)
    bench.at(T0, beat(T0))
    found = [verdict for second in range(SILENCE, 1_000) for verdict in bench.at(T0 + second, beat(T0))]

    assert [verdict.flattens for verdict in found] == [True] + [False] * (len(found) - 1)
    assert len(found) > 3


def test_a_desk_that_beats_again_is_told_and_its_next_silence_is_a_new_one() -> None:
    bench = Bench(OnSilence.FLATTEN)
    bench.at(T0, beat(T0))
    bench.at(T0 + 20, beat(T0))
    bench.at(T0 + 30, beat(T0 + 30))
    (again,) = bench.at(T0 + 50, beat(T0 + 30))

    assert bench.words == [Word.SEEN, Word.SILENT, Word.BACK, Word.SILENT]
    assert again.flattens


@pytest.mark.parametrize(("code", "stakes", "is_grave"), [(0, FLAT, False), (5, HELD, True), (3, FLAT, False)])
def test_an_orderly_end_of_the_desk_is_the_guardians_end(code: int, stakes: Stakes, is_grave: bool) -> None:
    bench = Bench(OnSilence.FLATTEN)
    bench.at(T0, beat(T0))

    (verdict,) = bench.at(T0 + 1, beat(T0 + 1, stakes, exit_code=code))
    assert (verdict.word, verdict.ends, verdict.is_grave, verdict.flattens) == (Word.ENDED, True, is_grave, False)
    assert f"exit code {code}" in verdict.text
    assert ("leaving 130 units" in verdict.text) is is_grave
    assert bench.at(T0 + 2, beat(T0 + 2)) == [], "over is over"


def test_an_end_that_was_no_decision_of_the_desk_is_a_silence_at_once() -> None:
    bench = Bench()
    bench.at(T0, beat(T0))

    (verdict,) = bench.at(T0 + 1, beat(T0 + 1, exit_code=1), is_held=False)
    assert (verdict.word, verdict.is_grave) == (Word.SILENT, True)
    assert "it ended with exit code 1" in verdict.text


def test_what_an_earlier_desk_left_behind_is_waited_out() -> None:
    bench = Bench(OnSilence.FLATTEN)
    for second in range(100):
        bench.at(T0 + second, beat(10, FLAT, exit_code=0), is_held=False)
        bench.at(T0 + second, beat(10, FLAT), is_held=False)
        bench.at(T0 + second, beat(999_999, FLAT, boot="a"), is_held=False)
        bench.at(T0 + second, None, is_held=False)
    assert bench.words == []
    assert bench.guardian.phase is Phase.WAITING

    bench.at(T0 + 200, beat(T0 + 200))
    assert bench.words == [Word.SEEN]


def test_a_desk_that_died_with_positions_before_the_guardian_came_is_a_silence() -> None:
    bench = Bench()

    (verdict,) = bench.at(T0, beat(10), is_held=False)
    assert (verdict.word, verdict.is_grave) == (Word.SILENT, True)


def test_a_beat_from_before_the_machine_started_gets_the_span_from_now() -> None:
    """A desk that is started with the machine must have the time to come up."""
    bench = Bench(OnSilence.FLATTEN)
    old = beat(999_999, boot="a")
    assert bench.at(T0, old, is_held=False) == [
        Verdict(word=Word.SEEN, text=f"watching the desk of process 11: {HELD.words}")
    ]

    (verdict,) = bench.at(T0 + SILENCE, old, is_held=False)
    assert verdict.flattens
    assert "before the machine started" in verdict.text


def test_a_flat_desk_that_is_gone_ends_the_watch_after_the_books_were_read() -> None:
    bench = Bench(OnSilence.FLATTEN)
    bench.at(T0, beat(T0, FLAT))

    (verdict,) = bench.at(T0 + SILENCE, beat(T0, FLAT), is_held=False)
    assert (verdict.is_grave, verdict.flattens, verdict.ends) == (False, True, True)


def test_a_flat_desk_that_stands_still_is_told_once() -> None:
    bench = Bench()
    bench.at(T0, beat(T0, FLAT))
    for second in range(SILENCE, 1_000):
        bench.at(T0 + second, beat(T0, FLAT))

    assert bench.words == [Word.SEEN, Word.SILENT]


def test_a_pulse_that_cannot_be_read_only_makes_the_last_beat_older() -> None:
    bench = Bench()
    bench.at(T0, beat(T0))
    assert bench.at(T0 + 5, None) == []

    (verdict,) = bench.at(T0 + SILENCE, None)
    assert verdict.word is Word.SILENT


def test_a_guardian_of_one_desk_leaves_the_next_one_to_its_own() -> None:
    bench = Bench(desk_pid=11)
    bench.at(T0, beat(T0))
    bench.at(T0 + 20, beat(T0))

    (verdict,) = bench.at(T0 + 21, beat(T0 + 21, pid=12))
    assert verdict.ends
    assert "process 12" in verdict.text


def test_a_guardian_whose_desk_ended_before_its_first_look_ends_too() -> None:
    bench = Bench(desk_pid=11)

    (verdict,) = bench.at(T0, beat(T0, FLAT, exit_code=0), is_held=False)
    assert (verdict.word, verdict.ends) == (Word.ENDED, True)
