"""How long the program takes to start (style/tui.md §17: first paint under 400 ms), beside an idle interpreter.

Every command runs in a process of its own with an empty state folder and compiled bytecode, in turns with
`python -c pass`. Wall time from exec to exit (to the first full frame for the console), and CPU time from `wait4`,
which other work on the machine does not lengthen. Run: python bench/bench_startup.py [--rounds 7]
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
        "PYTHONPATH": str(ROOT),
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


def first_paint(folder: Path) -> Run:
    """From exec until the footer and both legs stand on the terminal; CPU time is the child's until then."""
    began = time.perf_counter()
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(sys.executable, STRIKEDESK, environment(folder))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    output = b""
    try:
        while not (b"Zero out" in output and b"24500PE" in output and b"24500CE" in output):
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
    demo_minute = [*STRIKEDESK, "--no-ui", "--speed", "max", "--duration", "60s"]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "strikedesk --version": [*STRIKEDESK, "--version"],
        "strikedesk check": [*STRIKEDESK, "check"],
        "--no-ui --speed max --duration 60s": demo_minute,
    }
    paint = "first paint of the console"
    runs: dict[str, list[Run]] = {name: [] for name in (*commands, paint)}
    for number in range(rounds + 1):
        for name in runs:
            with tempfile.TemporaryDirectory() as home:
                folder = Path(home)
                shutil.copy(ROOT / "config.toml", folder)
                run = run_to_end(commands[name], folder) if name in commands else first_paint(folder)
            if number:  # the first round warms the page cache
                runs[name].append(run)
    print(f"     start-up, medians of {rounds} in turns     wall       CPU    over python -c pass (CPU)")
    bare = statistics.median(run.cpu_ms for run in runs["python -c pass"])
    for name, some in runs.items():
        wall, cpu = (statistics.median(values) for values in zip(*some, strict=True))
        goal = f"   (goal {PAINT_GOAL_MS} ms)" if name == paint else ""
        print(f"     {name:36s}  {wall:6.0f} ms {cpu:6.0f} ms   +{cpu - bare:.0f} ms{goal}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Start-up times beside python -c pass.")
    parser.add_argument("--rounds", type=int, default=7, help="repeats of each command (default 7)")
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
