"""The watchdog of a running desk: keeps its beat, writes a standstill down while it lasts, and tells the desk after it.

While the loop stands the log cannot be used: the line goes straight to the log file, and to stderr without a screen.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import Final

from engine.desk_stall import note_stall
from engine.instant import clock_text, ist_date
from engine.stall_guard import Running, Stall, StallGuard
from tui.station import Station

_BEAT_S: Final = 0.2


class DeskGuard:
    """One per desk in real or scaled time; in virtual time nothing hangs that a test would not show."""

    def __init__(self, station: Station) -> None:
        self._station = station
        desk = station.desk
        self._guard = StallGuard(lambda: Running(desk.deciding, desk.decisions_begun), self._write_down)

    async def run(self) -> None:
        """Until cancelled."""
        self._guard.start()
        try:
            while True:
                await asyncio.sleep(_BEAT_S)
                stall = self._guard.beat()
                if stall is not None:
                    note_stall(self._station.desk, stall.ms, stall.stack)
        finally:
            self._guard.stop()

    def _write_down(self, stall: Stall) -> None:
        """On the guard's own thread."""
        now_ns = self._station.clock.now_ns()
        text = f"[STALL] the loop has stood still for {stall.ms} ms: {stall.stack}"
        line = f"{ist_date(now_ns)} {clock_text(now_ns, decimals=3)} {'CRITICAL':<8} {text}\n".encode()
        plan = self._station.plan
        with suppress(OSError):
            if plan.log_to != "nothing":
                os.write(sys.stderr.fileno(), line)
        if plan.files.log is None:
            return
        with suppress(OSError):
            handle = os.open(plan.files.log, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
            try:
                os.write(handle, line)
            finally:
                os.close(handle)
