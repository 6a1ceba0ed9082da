"""The command line as a user has it: a home folder of its own, real processes, and waiting for what they say."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 240.0
"""A hang, not a slow machine: the longest command, a whole demo day, takes 14 s of processor."""


class Home:
    """A user's folder with nothing in it; commands run there and see no variable of the machine's own user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'lean'}",
            "HOME": str(folder / "home"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "TZ": "Asia/Kolkata",
        }
        self.live: list[LiveDesk] = []

    @property
    def state(self) -> Path:
        return self.folder / "state" / "strikedesk"

    @property
    def settings(self) -> Path:
        """The user's configuration directory, made on first use."""
        made = self.folder / "config" / "strikedesk"
        made.mkdir(parents=True, exist_ok=True)
        return made

    def write(self, name: str, text: str | bytes, *, mode: int = 0o644) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    def popen(
        self, *arguments: str, env: Mapping[str, str] | None = None, program: str = "", has_input: bool = False
    ) -> subprocess.Popen[str]:
        """`strikedesk ARGUMENTS`, or `program` (Python text) with them."""
        what = ["-c", program] if program else ["-m", "tui"]
        return subprocess.Popen(
            [sys.executable, *what, *arguments],
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, program: str = "", typed: str | None = None
    ) -> Ended:
        """To its end; `typed` is what stands on its stdin."""
        return finish(self.popen(*arguments, env=env, program=program, has_input=typed is not None), typed)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None, program: str = "") -> LiveDesk:
        """In the background; ended with the test at the latest."""
        desk = LiveDesk(self.popen(*arguments, env=env, program=program))
        self.live.append(desk)
        return desk

    def end_all(self) -> None:
        for desk in self.live:
            if desk.process.poll() is None:
                desk.process.kill()
            desk.join()


class Ended:
    """What a command left behind: its exit code and both streams."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def complaints(self) -> list[str]:
        """What was said to the person without a log, notes left out."""
        said = [line for line in self.err.splitlines() if line.startswith("strikedesk: ")]
        return [line.removeprefix("strikedesk: ") for line in said if not line.startswith("strikedesk: note: ")]

    @property
    def decision_hash(self) -> str:
        words = self.out.splitlines()[-1].split()
        assert words[:2] == ["decision", "hash"], self.out
        return words[2]

    def assert_refused(self, code: int, *parts: str) -> None:
        """One line with all the parts, the exit code, no traceback, nothing on stdout."""
        assert (self.code, self.out) == (code, ""), self.err
        assert "Traceback" not in self.err
        assert len(self.complaints) == 1, self.err
        for part in parts:
            assert part in self.complaints[0]


def finish(process: subprocess.Popen[str], typed: str | None = None) -> Ended:
    try:
        out, err = process.communicate(typed, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"did not end: {process.args}\n{out}\n{err[-4000:]}")
    return Ended(process.returncode, out, err)


class LiveDesk:
    """A running desk whose stderr is read as it is written."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: list[str] = []
        self._out: list[str] = []
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(process.stderr, self._lines), daemon=True),
            threading.Thread(target=self._read, args=(process.stdout, self._out), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> list[str]:
        with self._news:
            return list(self._lines)

    def wait_for(self, text: str, times: int = 1) -> str:
        """The line that says `text` for the given time."""
        with self._news:
            found = self._news.wait_for(lambda: self._found(text, times) or self._is_over(), PATIENCE_S)
            line = self._found(text, times)
            assert found, f"never said: {text!r}\n{''.join(self._lines[-30:])}"
            assert line, f"ended without saying {text!r}\n{''.join(self._lines[-30:])}"
            return line

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals | None = None) -> Ended:
        """Send a signal, if any, and wait for the end."""
        if number is not None:
            self.tell(number)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"did not end:\n{''.join(self.said[-30:])}")
        self.join()
        return Ended(code, "".join(self._out), "".join(self.said))

    def join(self) -> None:
        self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _found(self, text: str, times: int) -> str:
        hits = [line for line in self._lines if text in line]
        return hits[times - 1] if len(hits) >= times else ""

    def _is_over(self) -> bool:
        return not self._readers[0].is_alive()

    def _read(self, stream: IO[str], into: list[str]) -> None:
        for line in stream:
            with self._news:
                into.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


def rows(path: Path, sql: str, values: Sequence[object] = ()) -> list[tuple]:
    """A trader's look at a file, without writing to it."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.end_all()


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for the runs that several tests of a module look at."""
    made = Home(tmp_path_factory.mktemp("home"))
    yield made
    made.end_all()


@pytest.fixture(scope="session")
def query():
    return rows


@pytest.fixture(scope="session")
def finished():
    return finish


@pytest.fixture(scope="session")
def far_exits() -> dict[str, str]:
    """Entries each minute from the open on, with target and stop so far away that both legs stay protected."""
    return {
        "STRIKEDESK_LEGS_SESSION_START": "09:15",
        "STRIKEDESK_LEGS_INTERVAL": "1m",
        "STRIKEDESK_LEGS_PROFIT_TARGET_RUPEES": "60",
        "STRIKEDESK_LEGS_STOP_LOSS_RUPEES": "50",
    }
