"""Runs a program on a pseudo-terminal of its own that reads as fast as a real one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import threading
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLUMNS, ROWS = 120, 40
_KEPT = 20_000


class Terminal:
    """A child on a pseudo-terminal; what it writes is read at once, because a terminal that waits would be measured as
    a slow screen."""

    def __init__(self, command: Sequence[str], state_dir: Path) -> None:
        """The child's configuration and state live in `state_dir`; nothing of the caller's terminal is inherited."""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(
                TERM="xterm-256color",
                XDG_STATE_HOME=str(state_dir),
                XDG_CONFIG_HOME=str(state_dir),
                PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'lean'}",
            )
            for name in ("NO_COLOR", "SSH_CONNECTION", "COLUMNS", "LINES"):
                os.environ.pop(name, None)
            os.execv(command[0], list(command))
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._output = bytearray()
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()

    @property
    def is_alive(self) -> bool:
        return self._reader.is_alive()

    def wait(self) -> str:
        """Until the child has ended; returns its last words."""
        os.waitpid(self.pid, 0)
        self._reader.join(2)
        os.close(self.master)
        return self._output[-3000:].decode(errors="replace")

    def _drain(self) -> None:
        while True:
            try:
                select.select([self.master], [], [])
                self._output += os.read(self.master, 65_536)
            except OSError:
                return
            del self._output[:-_KEPT]


def run_in_terminal(command: Sequence[str], state_dir: Path) -> str:
    """From start to end; returns the last words."""
    return Terminal(command, state_dir).wait()
