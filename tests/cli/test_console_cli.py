"""The console as a command on a pseudo-terminal: it paints before the desk is open, trades by keys, ends in order."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("console")
_LIMIT_S = 30


class Terminal:
    """`strikedesk` on a terminal of 120x40 whose files lie in `home`."""

    def __init__(self, home: Path, *arguments: str, **extra: str) -> None:
        self.output = b""
        self._code: int | None = None
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            **extra,
        }
        self._pid, self._master = pty.fork()
        if self._pid == 0:
            os.chdir(home)
            os.execve(sys.executable, [sys.executable, "-m", "tui", *arguments], env)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def wait_for(self, *marks: bytes, since: int = 0) -> int:
        """Read until all marks have been printed after `since`; returns how much was read by then."""
        until = time.monotonic() + _LIMIT_S
        while not all(mark in self.output[since:] for mark in marks):
            assert time.monotonic() < until, f"waited for {marks}, last: {self.output[-600:]!r}"
            self._read()
        return len(self.output)

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    def end(self) -> int:
        """Read to the end; the exit code."""
        until = time.monotonic() + _LIMIT_S
        while self._code is None and time.monotonic() < until:
            self._read()
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        assert self._code is not None, f"it runs on: {self.output[-600:]!r}"
        self._read()
        return self._code

    def close(self) -> None:
        if self._code is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._master)

    def _read(self) -> None:
        if select.select([self._master], [], [], 0.1)[0]:
            with suppress(OSError):
                self.output += os.read(self._master, 65_536)


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


@pytest.mark.row("OPS-02", "OPS-03")
def test_both_legs_are_bought_with_keys_and_zeroed_out_and_the_desk_ends_flat(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    wide = {"STRIKEDESK_LEGS_PROFIT_TARGET_RUPEES": "60", "STRIKEDESK_LEGS_STOP_LOSS_RUPEES": "50"}
    terminal = Terminal(tmp_path, **wide)
    terminals.append(terminal)

    terminal.wait_for(b"PAPER DEMO", b"24500PE", b"LTP")
    seen = len(terminal.output)
    deadline = time.monotonic() + _LIMIT_S
    while b"Enter previews" not in terminal.output[seen:] and time.monotonic() < deadline:
        terminal.press("b")  # refused with a sentence until the first price is there
        terminal._read()
    terminal.press("\r")
    terminal.wait_for(b"ARMED", since=seen)
    terminal.press("B")
    seen = terminal.wait_for(b"PROTECTED 65/65", since=seen)
    terminal.press("z")
    seen = terminal.wait_for(b"ARMED", since=seen)
    terminal.press("Z")
    terminal.wait_for(b"no open position", since=seen)
    terminal.press("q")
    terminal.press("Q")

    assert terminal.end() == 0


@pytest.mark.row("OPS-20", "OPS-22")
@pytest.mark.fault("PRC-12")
@pytest.mark.invariant("R5")
def test_a_second_console_says_who_holds_the_account_after_its_screen_is_gone(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    first = Terminal(tmp_path)
    terminals.append(first)
    first.wait_for(b"24500PE")

    second = Terminal(tmp_path)
    terminals.append(second)

    assert second.end() == 4
    assert f"pid {first._pid}".encode() in second.output or str(first._pid).encode() in second.output
    assert b"Traceback" not in second.output


@pytest.mark.row("LEG-53")
def test_an_unknown_strike_ends_the_screen_with_one_line(tmp_path: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(tmp_path, STRIKEDESK_LEGS_SYMBOL="NIFTY01DEC2699500PE")
    terminals.append(terminal)

    assert terminal.end() == 1
    assert b"NIFTY01DEC2699500PE" in terminal.output
    assert b"Traceback" not in terminal.output
