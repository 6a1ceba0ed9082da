"""The terminal driver that cannot hold up the desk: frames are dropped, never waited for.

Stock Textual 8.2 blocks the loop once thirty strings wait for a terminal that stopped reading, spins at full CPU on a
terminal that is gone, and stops the whole process on SIGTSTP. This driver returns at once when more than a dozen
strings wait, says when a full repaint is due, notices a hang-up, and ends without waiting on the loop. It leans on
private names of Textual (`RELIED_UPON`), which a contract test checks.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Full, Queue
from types import FrameType
from typing import Any, Final

from textual.app import App
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver

MAX_WAITING_WRITES: Final = 12
FROZEN_AFTER_S: Final = 1.0
"""A terminal that is behind for longer gets a full repaint when it comes back, whether or not a write was lost."""
CLOSE_WAIT_S: Final = 1.0
RELIED_UPON: Final[dict[type, tuple[str, ...]]] = {
    LinuxDriver: ("write", "close", "disable_input", "run_input_thread", "start_application_mode"),
    WriterThread: ("write", "stop", "run"),
    App: ("_fatal_error", "_close_messages_no_wait", "_handle_exception", "_filters"),
}
"""Names of Textual that a new version may take away."""


class TerminalFile:
    """Writes to the terminal's descriptor without Python's buffers, and swallows a terminal that is gone.

    A writer blocked inside a buffered stream would hold that stream's lock and hang the interpreter's exit.
    """

    def __init__(self, fileno: int) -> None:
        self._fileno = fileno
        self.is_gone = False

    def fileno(self) -> int:
        return self._fileno

    def write(self, text: str) -> int:
        data = memoryview(text.encode("utf-8", errors="replace"))
        while data and not self.is_gone:
            try:
                data = data[os.write(self._fileno, data) :]
            except BlockingIOError:
                select.select([], [self._fileno], [])
            except OSError:
                self.is_gone = True
        return len(text)

    def flush(self) -> None:
        """Nothing is buffered here."""


class FrameDroppingDriver(LinuxDriver):
    """Linux and macOS driver whose write never blocks."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._file = TerminalFile(sys.__stderr__.fileno())  # type: ignore[assignment,union-attr]
        self._fell_behind = False
        self._is_closing = False
        self._behind_since_s = 0.0
        self.on_stop_request: Callable[[], None] = lambda: None
        """Called on SIGTSTP: leave the screen. Nothing may stop the process, the engine lives in it."""
        signal.signal(signal.SIGTSTP, self._stop_requested)
        # A background read or write would stop the process too; ignored, it is an error that means "terminal lost".
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)

    def _stop_requested(self, _signal: int, _frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self.on_stop_request)

    # ---- writing

    @property
    def _waiting(self) -> Queue[str | None] | None:
        return self._writer_thread._queue if self._writer_thread is not None else None

    def write(self, data: str) -> None:
        """Queue for the writer thread, or drop: a terminal that does not read gets a full repaint later."""
        queue = self._waiting
        if queue is None:
            return
        if self._fell_behind and not queue.qsize() and not self._is_closing:
            # Nothing may be painted on top of a hole; `take_recovery` starts again from a full repaint.
            return
        if queue.qsize() > MAX_WAITING_WRITES and not self._is_closing:
            self._fell_behind = True
            return
        try:
            queue.put_nowait(data)
        except Full:
            self._fell_behind = True

    def is_behind(self) -> bool:
        """Writes wait, or some were dropped and not yet made good. A terminal that stays behind counts as frozen."""
        queue = self._waiting
        if queue is None or not (self._fell_behind or queue.qsize() > MAX_WAITING_WRITES // 2):
            self._behind_since_s = 0.0
            return False
        now_s = time.monotonic()
        self._behind_since_s = self._behind_since_s or now_s
        self._fell_behind = self._fell_behind or now_s - self._behind_since_s > FROZEN_AFTER_S
        return True

    def take_recovery(self) -> bool:
        """True once, when everything queued has been taken after a write was dropped or the terminal was frozen."""
        queue = self._waiting
        if self._fell_behind and queue is not None and not queue.qsize():
            self._fell_behind = False
            self._behind_since_s = 0.0
            return True
        return False

    def is_hung_up(self) -> bool:
        """The terminal is gone: a microsecond's poll, because a hung-up input reads as endless empty input."""
        if isinstance(self._file, TerminalFile) and self._file.is_gone:
            return True
        poll = select.poll()
        poll.register(self.fileno, 0)
        return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))

    # ---- ending

    def run_input_thread(self) -> None:
        """Read keys; a terminal that vanished ends the thread quietly (the frame pump notices the hang-up)."""
        with suppress(OSError):
            super().run_input_thread()

    def start_application_mode(self) -> None:
        super().start_application_mode()
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)

    def disable_input(self) -> None:
        """Ask the key thread to end; it is not waited for on the loop (stock Textual waits up to 0.2 s)."""
        if self.exit_event.is_set():
            return
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        self._is_closing = True
        self._disable_mouse_support()
        self.exit_event.set()

    def close(self) -> None:
        """Ask the writer thread to end; `wait_closed` waits for it, with a limit."""
        queue = self._waiting
        if queue is not None:
            with suppress(Full):
                queue.put_nowait(None)

    def wait_closed(self, limit_s: float = CLOSE_WAIT_S) -> bool:
        """Wait off the loop for both threads, `limit_s` at most. False when a dead terminal still holds the writer."""
        until = time.monotonic() + limit_s
        threads = [thread for thread in (self._key_thread, self._writer_thread) if thread is not None]
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        with suppress(termios.error):
            termios.tcflush(self.fileno, termios.TCIFLUSH)
        return not any(thread.is_alive() for thread in threads)
