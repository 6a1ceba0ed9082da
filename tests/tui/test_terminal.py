"""The screen may die, the desk may not: a frozen, a vanished and a closing terminal against the engine's own beat."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a Linux pseudo-terminal and /proc")

CHILD = Path(__file__).with_name("terminal_child.py")
MAX_GAP_S = 0.1
"""The engine's beat is 20 ms; a gap above this is a screen holding up the desk (style/tui.md §5)."""


class DeskOnTerminal:
    """One child process whose controlling terminal is ours to read, to ignore and to close."""

    def __init__(self, folder: Path, state: str) -> None:
        self.report = folder / "report.json"
        self.output = b""
        self.is_open = True
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40")
            os.environ.pop("NO_COLOR", None)
            os.execv(sys.executable, [sys.executable, str(CHILD), str(self.report), state])
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def read_for(self, seconds: float, until: bytes = b"") -> bytes:
        """Take what the program writes, for a time or until some text came."""
        taken = b""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not (until and until in taken):
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    taken += os.read(self.master, 65_536)
                except OSError:
                    break
        self.output += taken
        return taken

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def facts(self) -> dict[str, object]:
        return json.loads(self.report.read_text()) if self.report.exists() else {}

    def wait_for(self, key: str, value: object, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.facts().get(key) != value:
            assert time.monotonic() < deadline, f"{key} never became {value!r}: {self.facts()} {self.output[-2000:]!r}"
            time.sleep(0.02)

    def start_measuring(self) -> None:
        """From here on the largest gap counts; start-up is over when the garbage collector has been frozen."""
        assert self.read_for(20, until=b"Zero out"), "no first paint"
        self.read_for(1.5)
        os.kill(self.pid, signal.SIGUSR1)
        self.read_for(0.2)
        assert self.facts().get("resets") == 1

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close_terminal(self) -> None:
        os.close(self.master)
        self.is_open = False

    def ended_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    self.pid = 0
                    return True
            except ChildProcessError:
                return True
            time.sleep(0.02)
        return False

    def discard(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.is_open:
            os.close(self.master)


@pytest.fixture
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DeskOnTerminal]:
    child = DeskOnTerminal(tmp_path, getattr(request, "param", "normal"))
    yield child
    child.discard()


@pytest.mark.row("OPS-02")
@pytest.mark.fault("PRC-05")
@pytest.mark.invariant("X4")
def test_a_terminal_that_stops_reading_does_not_delay_the_engine(desk: DeskOnTerminal) -> None:
    desk.start_measuring()

    time.sleep(8)
    stalled = desk.facts()
    after = desk.read_for(3.0, until=b"Zero out")

    assert stalled["largest_gap_s"] < MAX_GAP_S
    assert desk.facts()["largest_gap_s"] < MAX_GAP_S
    # Only a full repaint writes the footer again; ordinary frames touch the rows that moved.
    assert b"Zero out" in after


@pytest.mark.row("OPS-02")
@pytest.mark.fault("PRC-01")
@pytest.mark.invariant("X4")
def test_a_closed_terminal_ends_the_screen_and_nothing_else(desk: DeskOnTerminal) -> None:
    desk.start_measuring()

    desk.close_terminal()
    desk.wait_for("outcome", "lost terminal", 3)
    beats, cpu_s = desk.facts()["beats"], desk.cpu_s()
    time.sleep(1.5)

    assert desk.facts()["largest_gap_s"] < MAX_GAP_S
    assert desk.facts()["beats"] >= beats + 50
    assert desk.cpu_s() - cpu_s < 0.15
    os.kill(desk.pid, signal.SIGTERM)
    assert desk.ended_within(2)
    assert desk.facts()["engine_ended"] is True


@pytest.mark.parametrize("desk", ["empty"], indirect=True)
def test_quitting_while_the_terminal_is_frozen_takes_less_than_three_seconds(desk: DeskOnTerminal) -> None:
    desk.start_measuring()
    time.sleep(2)  # frames pile up against a terminal nobody reads

    desk.type(b"q")

    assert desk.ended_within(3)
    assert desk.facts()["outcome"] == "quit"
    assert desk.facts()["largest_gap_s"] < MAX_GAP_S


@pytest.mark.fault("PRC-03")
@pytest.mark.invariant("X4")
def test_an_interrupt_signal_asks_and_does_not_stop_anything(desk: DeskOnTerminal) -> None:
    desk.start_measuring()

    os.kill(desk.pid, signal.SIGINT)
    asked = desk.read_for(3, until=b"stop the engine")

    assert b"keep the engine" in asked + desk.read_for(0.2)
    assert desk.facts()["outcome"] == ""


def test_a_stop_request_leaves_the_screen_and_the_engine_goes_on(desk: DeskOnTerminal) -> None:
    desk.start_measuring()

    os.kill(desk.pid, signal.SIGTSTP)
    desk.read_for(1)
    desk.wait_for("outcome", "detached", 3)
    beats = desk.facts()["beats"]
    os.kill(desk.pid, signal.SIGTSTP)  # and again, without a screen
    desk.read_for(1)

    assert desk.facts()["beats"] > beats
    assert desk.facts()["largest_gap_s"] < MAX_GAP_S


@pytest.mark.parametrize("desk", ["crash"], indirect=True)
@pytest.mark.fault("PRC-04")
@pytest.mark.invariant("X4")
def test_a_screen_that_breaks_is_reported_and_another_one_opens(desk: DeskOnTerminal) -> None:
    assert desk.read_for(20, until=b"Zero out")
    deadline = time.monotonic() + 15
    while desk.facts().get("first_outcome") != "crashed":
        assert time.monotonic() < deadline, desk.facts()
        desk.read_for(0.1)

    second = desk.read_for(10, until=b"Zero out")

    assert b"Zero out" in second
    assert desk.facts()["crash"] == "RuntimeError: the picture broke"
    beats = desk.facts()["beats"]
    desk.read_for(1)
    assert desk.facts()["beats"] > beats
    desk.type(b"qd")
    desk.read_for(1)
    desk.wait_for("outcome", "detached", 3)
