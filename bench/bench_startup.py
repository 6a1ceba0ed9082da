"""How long the program takes to start (style/tui.md §17: first paint under 400 ms), beside an idle interpreter.

Every command runs in a process of its own with compiled bytecode, in turns with `python -c pass` and with a Textual
program of one line; in a state folder that an earlier run left, and where it says so in an empty one. Wall time from
exec to exit (to the first full frame for a screen), and CPU time, which other work on the machine lengthens less.
Run: python bench/bench_startup.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import compileall
import fcntl
import os
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import NamedTuple

from machine import machine

ROOT = Path(__file__).resolve().parents[1]
COLUMNS, ROWS = 120, 40
PAINT_GOAL_MS = 400
PAINT_LIMIT_S = 30
STRIKEDESK = [sys.executable, "-m", "tui"]


ONE_LINE = """
from textual.app import App
from textual.widgets import Static
class OneLine(App):
    def compose(self):
        yield Static("one line")
OneLine().run(mouse=False)
"""
"""The least that a screen of this library can be: the floor of a first paint."""


class Run(NamedTuple):
    wall_ms: float
    cpu_ms: float


def environment(folder: Path) -> dict[str, str]:
    left_out = ("NO_COLOR", "SSH_CONNECTION", "COLUMNS", "LINES", "STRIKEDESK_CONFIG")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    return env | {
        "TERM": "xterm-256color",
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'lean'}",
    }


def run_to_end(command: list[str], folder: Path) -> Run:
    """Raises SystemExit with the program's own words when it fails."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, stdout=words, stderr=words
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_ms = (time.perf_counter() - began) * 1_000
        if process.returncode:
            words.seek(0)
            raise SystemExit(f"{command} ended with {process.returncode}: {words.read()[-500:].decode()}")
    return Run(wall_ms, (usage.ru_utime + usage.ru_stime) * 1_000)


def first_paint(command: list[str], folder: Path, *marks: bytes) -> Run:
    """From exec until all marks stand on the terminal; CPU time is the child's until then."""
    began = time.perf_counter()
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(sys.executable, command, environment(folder))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    output = b""
    try:
        while not all(mark in output for mark in marks):
            if time.perf_counter() - began > PAINT_LIMIT_S or not select.select([master], [], [], 5)[0]:
                raise SystemExit(f"no first frame: {output[-500:]!r}")
            output += os.read(master, 65_536)
        wall_ms = (time.perf_counter() - began) * 1_000
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu_ms = (int(fields[11]) + int(fields[12])) * 1_000 / os.sysconf("SC_CLK_TCK")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)
    return Run(wall_ms, cpu_ms)


def show(rounds: int) -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "strikedesk --version": [*STRIKEDESK, "--version"],
        "strikedesk check": [*STRIKEDESK, "check"],
        "--no-ui --speed max --duration 60s": [*STRIKEDESK, "--no-ui", "--speed", "max", "--duration", "60s"],
    }
    floor, paint, first, ready = (
        "first paint of a one-line Textual app",
        "first paint of the console",
        "same, first start ever",
        "until the legs stand on it",
    )
    runs: dict[str, list[Run]] = {name: [] for name in (*commands, floor, paint, first, ready)}
    for number in range(rounds + 1):
        for name in runs:
            with tempfile.TemporaryDirectory() as home:
                folder = Path(home)
                shutil.copy(ROOT / "config.toml", folder)
                if name in (paint, ready):  # leave a journal and a paper account behind
                    run_to_end([*STRIKEDESK, "--no-ui", "--speed", "100", "--duration", "1s"], folder)
                if name in commands:
                    run = run_to_end(commands[name], folder)
                elif name == floor:
                    run = first_paint([sys.executable, "-c", ONE_LINE], folder, b"one line")
                elif name == ready:
                    run = first_paint(STRIKEDESK, folder, b"Zero out", b"24500PE", b"24500CE")
                else:
                    run = first_paint(STRIKEDESK, folder, b"Zero out", b"PAPER DEMO")
            if number:  # the first round warms the page cache
                runs[name].append(run)
    print(f"     start-up, medians of {rounds} in turns      wall       CPU    over python -c pass (CPU)")
    bare = statistics.median(run.cpu_ms for run in runs["python -c pass"])
    for name, some in runs.items():
        wall, cpu = (statistics.median(values) for values in zip(*some, strict=True))
        goal = f"   (goal {PAINT_GOAL_MS} ms)" if name == paint else ""
        print(f"     {name:37s}  {wall:6.0f} ms {cpu:6.0f} ms   +{cpu - bare:.0f} ms{goal}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Start-up times beside python -c pass.")
    parser.add_argument("--rounds", type=int, default=5, help="repeats of each command (default 5)")
    options = parser.parse_args()
    if not sys.platform.startswith("linux"):
        print("bench_startup: needs a Linux pseudo-terminal and /proc")
        return
    for package in ("engine", "brokers", "tui"):
        compileall.compile_dir(ROOT / package, quiet=2)
    print(machine())
    show(options.rounds)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
