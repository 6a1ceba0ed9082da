"""The log: one sentence on the screen, in the text and in its JSON twin; safe, in order, never in the desk's way."""

from __future__ import annotations

import io
import json
import stat
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alerts import AlertBook
from engine.log import FLUSH_NS, LEVELS, Entry, JsonStream, LogBook, RotatingFile, TextStream
from engine.messages import Msg
from engine.secrets import Redactions

NOON_NS = 1_795_242_600_000_000_000 + 318_000_000
"""2026-11-21 12:00:00.318 IST, which is 06:30 UTC."""
CANARY = "Zq8/canary+7fx"


class StillClock:
    """Time that moves only when told; timers run then."""

    def __init__(self) -> None:
        self.at_ns = NOON_NS
        self.timers: list[tuple[int, Callable[[], None]]] = []

    def now_ns(self) -> int:
        return self.at_ns

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> StillClock:
        self.timers.append((at_ns, callback))
        return self

    def cancel(self) -> None:
        raise AssertionError("the log cancels no timer")

    async def sleep_until(self, at_ns: int) -> None:
        raise AssertionError("the log does not sleep")

    def advance(self, ns: int) -> None:
        self.at_ns += ns
        due, self.timers = self.timers, []
        for at_ns, callback in due:
            if at_ns <= self.at_ns:
                callback()
            else:
                self.timers.append((at_ns, callback))


class Kept:
    """A sink that keeps what it gets, or fails on demand."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.batches = 0
        self.error: OSError | None = None

    def write(self, entries: Sequence[Entry]) -> None:
        if self.error is not None:
            raise self.error
        self.entries += entries
        self.batches += 1


def fields_of(msg: Msg, text: str = "x") -> dict[str, object]:
    """Some value for every field of a template."""

    class Any(dict[str, object]):
        def __missing__(self, name: str) -> str:
            self[name] = text
            return text

    filled = Any()
    msg.value.template.format_map(filled)
    return dict(filled)


@pytest.mark.row("OPS-24")
@pytest.mark.parametrize("msg", Msg, ids=lambda msg: msg.name)
def test_every_phrase_reaches_the_text_stream_with_its_exact_words(msg: Msg) -> None:
    stream = io.StringIO()
    book = LogBook(Redactions(), sinks=[TextStream(stream)], level="DEBUG")

    text = book.say(msg, fields_of(msg), NOON_NS, "legs")

    assert text == msg.text(**fields_of(msg))
    assert stream.getvalue() == f"2026-11-21 12:00:00.318 {msg.level:<8} {text}\n"


@pytest.mark.row("OPS-25")
@pytest.mark.parametrize("msg", Msg, ids=lambda msg: msg.name)
def test_every_text_line_has_a_json_twin_with_time_level_event_and_ids(msg: Msg) -> None:
    text, twin = io.StringIO(), io.StringIO()
    book = LogBook(Redactions(), sinks=[TextStream(text), JsonStream(twin, "scalp")], level="DEBUG")

    said = book.say(msg, fields_of(msg), NOON_NS, "legs", symbol="NIFTY01DEC2624500PE", tag="T1")

    record = json.loads(twin.getvalue())
    assert list(record) == ["time", "level", "event", "strategy", "source", "symbol", "tag", "text", "fields"]
    assert (record["event"], record["level"], record["text"]) == (msg.name.lower(), msg.level, said)
    assert (record["strategy"], record["symbol"], record["tag"]) == ("scalp", "NIFTY01DEC2624500PE", "T1")
    assert record["fields"] == fields_of(msg)
    assert text.getvalue().count("\n") == twin.getvalue().count("\n") == 1


@pytest.mark.row("OPS-30")
def test_the_twin_stores_utc_with_offset_and_the_text_shows_ist() -> None:
    twin, text = io.StringIO(), io.StringIO()
    book = LogBook(Redactions(), sinks=[JsonStream(twin, "s"), TextStream(text)])

    book.say(Msg.DESK, {"text": "x"}, NOON_NS, "desk")

    stamp = datetime.fromisoformat(json.loads(twin.getvalue())["time"])
    assert stamp.utcoffset() == timedelta(0)
    assert stamp.isoformat() == "2026-11-21T06:30:00.318000+00:00"
    assert text.getvalue().startswith("2026-11-21 12:00:00.318 ")


@pytest.mark.row("OPS-30")
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_the_machines_own_time_zone_changes_no_line(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    twin, text = io.StringIO(), io.StringIO()
    book = LogBook(Redactions(), sinks=[JsonStream(twin, "s"), TextStream(text)])
    try:
        with monkeypatch.context() as machine:
            machine.setenv("TZ", zone)
            time.tzset()
            book.say(Msg.DESK, {"text": "x"}, NOON_NS, "desk")
    finally:
        time.tzset()

    assert json.loads(twin.getvalue())["time"] == "2026-11-21T06:30:00.318000+00:00"
    assert text.getvalue() == "2026-11-21 12:00:00.318 INFO     [DESK] x\n"


@pytest.mark.row("OPS-24")
@pytest.mark.parametrize(
    ("level", "written"),
    [("DEBUG", ["DEBUG", "INFO", "WARN"]), ("INFO", ["INFO", "WARN"]), ("WARN", ["WARN"]), ("ERROR", [])],
)
def test_the_level_chooses_what_is_written_but_the_screen_keeps_info_and_above(level: str, written: list[str]) -> None:
    sink = Kept()
    book = LogBook(Redactions(), sinks=[sink], level=level)

    for msg in (Msg.STATUS_PASS, Msg.BANNER, Msg.CLEANUP, Msg.DESK_WARN):
        book.say(msg, fields_of(msg), NOON_NS, "desk")

    expected = [entry for entry in ("DEBUG", "INFO", "INFO", "WARN") if entry in written]
    assert [entry.level for entry in sink.entries] == expected
    assert [line.level for line in book.lines_since(0)] == ["INFO", "INFO", "WARN"]


def test_an_unknown_level_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"VERBOSE.*one of DEBUG, INFO, WARN, ERROR, CRITICAL"):
        LogBook(Redactions(), level="VERBOSE")


def test_a_missing_field_leaves_a_visible_gap_and_stops_nothing() -> None:
    sink = Kept()
    book = LogBook(Redactions(), sinks=[sink])

    book.say(Msg.CLEANUP, {}, NOON_NS, "legs")

    assert [entry.text for entry in sink.entries] == ["[CLEANUP] {symbol} Removing stale orders"]


@pytest.mark.row("OPS-12")
@pytest.mark.fault("SEC-07")
@pytest.mark.invariant("C1")
def test_a_credential_reaches_neither_screen_nor_text_nor_twin_nor_the_returned_sentence() -> None:
    redactions = Redactions()
    redactions.add(CANARY)
    text, twin = io.StringIO(), io.StringIO()
    book = LogBook(redactions, sinks=[TextStream(text), JsonStream(twin, "s")])

    said = book.say(
        Msg.PLACE_FAILED,
        {"symbol": CANARY, "reason": f"401 for token {CANARY} at https://x?k=Zq8%2Fcanary%2B7fx"},
        NOON_NS,
        "kite",
        symbol=CANARY,
        tag=CANARY,
    )

    screen = book.lines_since(0)[0].text
    for place in (said, screen, text.getvalue(), twin.getvalue()):
        assert "canary" not in place
        assert "***" in place


@pytest.mark.row("OPS-24")
@pytest.mark.fault("SEC-13", "SEC-02")
@pytest.mark.invariant("C2")
def test_a_broker_text_can_neither_forge_a_line_nor_move_the_terminal() -> None:
    sink = io.StringIO()
    book = LogBook(Redactions(), sinks=[TextStream(sink)])

    book.say(
        Msg.DESK_WARN,
        {"text": "no\n2026-11-21 12:00:00.000 INFO     [EXIT] done\x1b[2J\x9b31m\u202e"},
        NOON_NS,
        "kite",
    )

    assert sink.getvalue().count("\n") == 1
    assert r"no\n2026" in sink.getvalue()
    assert r"\x1b[2J\x9b31m\u202e" in sink.getvalue()


@given(st.text())
@pytest.mark.fault("SEC-13")
@pytest.mark.invariant("C2")
def test_any_outside_text_becomes_one_printable_line_and_valid_json(outside: str) -> None:
    text, twin = io.StringIO(), io.StringIO()
    book = LogBook(Redactions(), sinks=[TextStream(text), JsonStream(twin, "s")])

    book.say(Msg.DESK_WARN, {"text": outside}, NOON_NS, "x", symbol=outside, tag=outside)

    assert text.getvalue().removesuffix("\n").isprintable()
    assert twin.getvalue().removesuffix("\n").isprintable()
    assert json.loads(twin.getvalue())["event"] == "desk_warn"


@pytest.mark.fault("SEC-03")
def test_a_sentence_of_a_megabyte_is_cut_and_says_so() -> None:
    book = LogBook(Redactions())

    said = book.say(Msg.DESK_WARN, {"text": "x" * 1_000_000}, NOON_NS, "kite")

    assert len(said) < 5_000
    assert said.endswith("… (1000007 characters)")


def test_quiet_lines_are_written_by_the_timer_in_one_batch_and_a_warning_takes_them_along_at_once() -> None:
    sink, clock = Kept(), StillClock()
    book = LogBook(Redactions(), sinks=[sink], clock=clock)

    for _ in range(3):
        book.say(Msg.BANNER, {}, NOON_NS, "desk")
    assert (sink.batches, len(clock.timers)) == (0, 1)
    clock.advance(FLUSH_NS)
    assert (sink.batches, len(sink.entries), len(clock.timers)) == (1, 3, 0)

    book.say(Msg.BANNER, {}, NOON_NS, "desk")
    book.say(Msg.DESK_WARN, {"text": "now"}, NOON_NS, "desk")
    assert (sink.batches, len(sink.entries)) == (2, 5)


def test_flush_writes_what_is_held_back_when_the_program_ends() -> None:
    sink = Kept()
    book = LogBook(Redactions(), sinks=[sink], clock=StillClock())
    book.say(Msg.BANNER, {}, NOON_NS, "desk")

    book.flush()
    book.flush()

    assert (sink.batches, len(sink.entries)) == (1, 1)


@pytest.mark.row("I-9")
def test_every_critical_line_is_an_alert_and_no_line_of_the_days_story_is() -> None:
    heard: list[str] = []
    alerts = AlertBook()
    alerts.listen(lambda alert: heard.append(alert.text))
    book = LogBook(Redactions(), alerts=alerts)

    for msg in Msg:
        book.say(msg, fields_of(msg), NOON_NS, "legs")

    by_level = {level: [msg.text(**fields_of(msg)) for msg in Msg if msg.level == level] for level in LEVELS}
    assert len(by_level["CRITICAL"]) > 5
    assert [text for text in by_level["CRITICAL"] if text not in heard] == []
    assert [text for text in heard if text in by_level["INFO"] + by_level["DEBUG"] + by_level["WARN"]] == []


def test_a_full_disk_is_told_once_on_the_screen_and_the_desk_goes_on() -> None:
    broken, healthy = Kept(), Kept()
    broken.error = OSError(28, "No space left on device")
    book = LogBook(Redactions(), sinks=[broken, healthy])

    for number in range(3):
        book.say(Msg.DESK_WARN, {"text": f"line {number}"}, NOON_NS, "desk")
    broken.error = None
    book.say(Msg.DESK_WARN, {"text": "after"}, NOON_NS, "desk")

    told = [line.text for line in book.lines_since(0) if "cannot be written" in line.text]
    assert told == ["[DESK] the log cannot be written: [Errno 28] No space left on device"]
    assert len(healthy.entries) == 4
    assert [entry.text for entry in broken.entries] == ["[DESK] after"]


def test_a_closed_stream_does_not_stop_the_desk() -> None:
    stream = io.StringIO()
    stream.close()
    book = LogBook(Redactions(), sinks=[TextStream(stream)])

    assert book.say(Msg.DESK_WARN, {"text": "x"}, NOON_NS, "desk") == "[DESK] x"


@pytest.mark.invariant("X3")
def test_the_screen_reads_only_newer_lines_and_the_ring_is_bounded() -> None:
    book = LogBook(Redactions(), ring_max=3)
    for number in range(5):
        book.say(Msg.DESK, {"text": str(number)}, NOON_NS, "desk")

    assert [line.text for line in book.lines_since(0)] == ["[DESK] 2", "[DESK] 3", "[DESK] 4"]
    assert [line.text for line in book.lines_since(book.seq - 1)] == ["[DESK] 4"]
    assert book.lines_since(book.seq) == []


@pytest.mark.row("OPS-24")
@pytest.mark.fault("SEC-08")
@pytest.mark.invariant("X3", "C3")
def test_the_file_rotates_at_its_size_keeps_so_many_and_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "random_scalp_live.log"
    file = RotatingFile(path, max_bytes=200, kept=2)
    book = LogBook(Redactions(), sinks=[file])

    for number in range(20):
        book.say(Msg.DESK_WARN, {"text": f"line {number:02d}"}, NOON_NS, "desk")
    file.close()

    names = sorted(entry.name for entry in path.parent.iterdir())
    assert names == ["random_scalp_live.log", "random_scalp_live.log.1", "random_scalp_live.log.2"]
    assert all(entry.stat().st_size <= 200 for entry in path.parent.iterdir())
    assert "line 19" in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.fault("SEC-14")
@pytest.mark.invariant("C4")
def test_the_file_is_appended_to_by_the_next_run_and_never_follows_a_link(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for text in ("first", "second"):
        file = RotatingFile(path, json_strategy="s")
        LogBook(Redactions(), sinks=[file]).say(Msg.DESK_WARN, {"text": text}, NOON_NS, "desk")
        file.close()
    link = tmp_path / "link.log"
    link.symlink_to(path)

    texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert texts == ["[DESK] first", "[DESK] second"]
    with pytest.raises(OSError, match="symbolic link"):
        RotatingFile(link)
