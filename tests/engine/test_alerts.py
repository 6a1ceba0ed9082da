"""Which lines call a person and how repeats are held back: RTP-45's six each once, no grave one behind a small one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alerts import REPEAT_NS, AlertBook, AlertKind, Damper, RaisedAlert, kind_of_alarm, kind_of_line
from engine.instant import NS_PER_S
from engine.log import LogBook
from engine.messages import Msg
from engine.secrets import Redactions

NOON_NS = 1_800_000_000 * NS_PER_S
PE, CE = "NIFTY01DEC2624500PE", "NIFTY01DEC2624500CE"
SIX = ("exit_failed", "not_closed", "gap", "slippage", "ticks_stopped", "queue_overflow")


class Desk:
    """A log with an alert book behind it, and what went out."""

    def __init__(self) -> None:
        self.book = AlertBook()
        self.out: list[RaisedAlert] = []
        self.book.listen(self.out.append)
        self.redactions = Redactions()
        self.log = LogBook(self.redactions, alerts=self.book)

    def alert(self, kind: str, symbol: str = PE, text: str = "look", *, at_s: float = 0) -> None:
        fields = {"kind": kind, "what": kind.replace("_", " "), "text": text}
        self.log.say(Msg.ALERT, fields, NOON_NS + round(at_s * NS_PER_S), "legs", symbol)

    def say(self, msg: Msg, symbol: str = "", *, at_s: float = 0, **fields: object) -> None:
        self.log.say(msg, fields, NOON_NS + round(at_s * NS_PER_S), "legs", symbol)

    @property
    def kinds(self) -> list[str]:
        return [alert.kind.value for alert in self.out]


@pytest.mark.row("RTP-45")
def test_the_six_kinds_make_six_distinct_alerts_each_once() -> None:
    desk = Desk()

    for repeat in range(10):
        for kind in SIX:
            desk.alert(kind, text=f"{kind} {repeat}", at_s=repeat)

    assert desk.kinds == list(SIX)
    assert desk.book.held_back == 54


@pytest.mark.row("RTP-45")
def test_a_repeat_is_held_back_for_sixty_seconds_and_counted_with_the_next() -> None:
    desk = Desk()

    for at_s in (0, 1, 59.999, 60, 119, 121):
        desk.alert("gap", at_s=at_s)

    assert [(alert.at_ns - NOON_NS, alert.held_back) for alert in desk.out] == [
        (0, 0),
        (60 * NS_PER_S, 2),
        (121 * NS_PER_S, 1),
    ]
    assert desk.out[1].words == "[ALERT] gap: look (and 2 more like it before)"


def test_another_symbol_is_another_alert() -> None:
    desk = Desk()

    desk.alert("gap", PE)
    desk.alert("gap", CE)

    assert [alert.symbol for alert in desk.out] == [PE, CE]


@pytest.mark.row("I-9")
def test_two_critical_sentences_are_never_taken_for_the_same() -> None:
    desk = Desk()

    desk.say(Msg.TP_REJECTED, PE)
    desk.say(Msg.SL_REJECTED, PE, at_s=1)
    desk.say(Msg.SL_REJECTED, PE, at_s=2)

    assert [alert.text for alert in desk.out] == [Msg.TP_REJECTED.text(), Msg.SL_REJECTED.text()]


def test_an_alarm_about_a_target_does_not_silence_the_one_about_a_naked_position() -> None:
    desk = Desk()

    for alarm_id in ("target:B1", "watched:B1", "naked:B1"):
        kind, what = kind_of_alarm(alarm_id), alarm_id.partition(":")[0]
        desk.say(Msg.ALARM, PE, kind=kind.value, what=what, text=what)

    assert desk.kinds == ["alarm", "alarm", "naked_exposure"]


@pytest.mark.row("OPS-26")
@pytest.mark.parametrize(
    ("msg", "kind"),
    [
        (Msg.MISMATCH, AlertKind.MISMATCH),
        (Msg.JOURNAL, AlertKind.STATE_WRITE),
        (Msg.BLIND, AlertKind.TICKS_STOPPED),
        (Msg.OVERFLOW, AlertKind.QUEUE_OVERFLOW),
        (Msg.OCO_FAILURE, AlertKind.SURPLUS),
        (Msg.STILL_IN_POSITION, AlertKind.CRITICAL),
        (Msg.EXIT, None),
        (Msg.DESK_WARN, None),
        (Msg.CHANNEL_DOWN, None),
    ],
)
def test_a_line_of_the_log_is_the_alert_it_says(msg: Msg, kind: AlertKind | None) -> None:
    assert kind_of_line(msg, {}) is kind


def test_a_line_and_the_alarm_of_the_same_cause_are_one_alert() -> None:
    desk = Desk()

    desk.say(Msg.BLIND, PE, age="6")
    desk.say(Msg.ALARM, PE, kind=kind_of_alarm(f"blind:{PE}").value, what="blind", text=f"{PE}: price is 6 s old")

    assert desk.kinds == ["ticks_stopped"]


def test_a_kind_that_nobody_knows_is_an_alert_all_the_same() -> None:
    desk = Desk()

    desk.alert("meteorite")
    desk.alert("flood")

    assert desk.kinds == ["alarm", "alarm"]


@pytest.mark.fault("TIM-01")
@pytest.mark.invariant("T1")
def test_a_clock_that_is_set_back_silences_nothing() -> None:
    desk = Desk()

    desk.alert("gap", at_s=1000)
    desk.alert("gap", at_s=0)

    assert len(desk.out) == 2


@pytest.mark.row("OPS-12")
def test_what_goes_out_is_the_finished_line_without_credentials_or_control_characters() -> None:
    desk = Desk()
    desk.redactions.add("s3cr3t-token")

    desk.alert("session_expired", "PE\x1b[31m", text="login failed: s3cr3t-token\x1b]52;c;AAAA\x07\nnext")

    assert desk.out[0].text.isprintable() and desk.out[0].symbol.isprintable()
    assert "s3cr3t" not in desk.out[0].text


def test_unread_alerts_are_newest_first_and_gone_once_acknowledged() -> None:
    desk = Desk()
    desk.alert("gap", text="first")
    desk.say(Msg.MANUAL, at_s=1)
    desk.say(Msg.ALARM, PE, kind="naked_exposure", what="naked", text="stands on the desk")

    assert [alert.kind.value for alert in desk.book.unread] == ["critical", "gap"]
    assert desk.book.acknowledge() == 2
    assert desk.book.unread == ()


@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from("abc")), max_size=80))
def test_two_alerts_of_one_key_are_never_closer_than_the_span_and_none_goes_uncounted(
    said: list[tuple[int, str]],
) -> None:
    damper = Damper(REPEAT_NS)
    told: dict[str, list[int]] = {}
    counted = 0
    for at_s, key in sorted(said):
        held = damper.admit(key, at_s * NS_PER_S)
        if held is not None:
            counted += 1 + held
            told.setdefault(key, []).append(at_s)

    for instants in told.values():
        assert all(later - earlier >= 60 for earlier, later in pairwise(instants))
    assert set(told) == {key for _, key in said}, "the first of each is always told"
    assert counted <= len(said)


def test_a_damper_forgets_keys_that_have_long_been_quiet() -> None:
    damper = Damper(NS_PER_S)
    for number in range(5_000):
        damper.admit(number, number * NS_PER_S)

    assert len(damper._told) <= 1_000
