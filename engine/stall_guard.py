"""A watchdog thread beside the loop: ends a decision that never returns, and tells where the loop is stuck otherwise.

A decision that has used a quarter of a second of processor gets `BotHung` raised inside itself, by a signal that is
handled on the loop's own thread; the desk then goes on without that code (OPS-23, PRC-10). A loop that stands still
elsewhere for two seconds is written down with its stack and told when it moves again (PRC-09, X1). Time is counted in
the thread's own looks, so a stopped process or a sleeping machine, in which no look happens, is no hang.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

LOOK_MS: Final = 50
HUNG_LOOKS: Final = 5
"""250 ms of one and the same decision, most of it on the processor."""
_HUNG_CPU_NS: Final = 200_000_000
"""Less than that, and the machine was busy with something else: a starved decision is not a hung one."""
_BLOCKED_LOOKS: Final = 20
"""A decision that sleeps or waits (none may) uses no processor; it gets a second."""
_BLIND_LOOKS: Final = 100
"""Where nobody can tell waiting from starving: five seconds."""
_STUCK_LOOKS: Final = 40
_FRAMES_MAX: Final = 12
_SIGNAL: Final = getattr(signal, "SIGUSR2", None)
"""Windows has none: there the guard only tells."""


class BotHung(Exception):
    """Raised inside a bot's or a rule's decision that did not end. Code that swallows it gets it again."""

    def __init__(self, name: str, ms: int) -> None:
        super().__init__(f"{name} did not come to a decision within {ms} ms")
        self.name = name
        self.ms = ms


class Running(NamedTuple):
    """What the loop is deciding at this moment."""

    name: str
    """Whose code runs; empty between decisions."""
    number: int
    """Counts decisions, so that two short ones are never taken for a long one."""


class Stall(NamedTuple):
    """The loop stood still outside of any decision."""

    ms: int
    """As far as it was seen; in steps of the guard's looks."""
    stack: str
    """Innermost call last, on one line; file names without their folders."""


class StallGuard:
    """`start()` on the loop's thread, `beat()` from the loop at least twice a second, `stop()` at the end."""

    def __init__(self, running: Callable[[], Running], on_stuck: Callable[[Stall], None]) -> None:
        """`on_stuck` is called on the guard's own thread, once for each stall, while the loop stands."""
        self._running = running
        self._on_stuck = on_stuck
        self._loop_thread = threading.get_ident()
        self._task_id = threading.get_native_id()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall guard", daemon=True)
        self._before: signal.Handlers | Callable[[int, FrameType | None], object] | int | None = None
        self._beats: int = 0
        self._beats_seen: int = 0
        self._silent_looks = 0
        self._stall: Stall | None = None
        self._decision = Running("", 0)
        self._decision_looks = 0
        self._decision_cpu_ns = 0
        self._aim = 0
        """Number of the decision that the signal under way is meant for."""

    def start(self) -> None:
        if _SIGNAL is not None and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(_SIGNAL, self._interrupt)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(1.0)
        if self._before is not None and _SIGNAL is not None:
            signal.signal(_SIGNAL, self._before)
            self._before = None

    def beat(self) -> Stall | None:
        """The loop moves. Returns the stall that has just ended, once."""
        self._beats += 1
        stall, self._stall = self._stall, None
        return stall

    # --- on the guard's thread -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_MS / 1000):
            self.look()

    def look(self) -> None:
        """One look: the decision that runs, then the beat."""
        running = self._running()
        if not running.name or running != self._decision:
            self._decision = running
            self._decision_looks = 0
            self._decision_cpu_ns = self._cpu_ns()
        else:
            self._decision_looks += 1
            if self._is_hung():
                self._fire(running)
        self._look_at_beat(in_decision=bool(running.name))

    def _is_hung(self) -> bool:
        looks = self._decision_looks
        if looks >= HUNG_LOOKS and self._cpu_ns() - self._decision_cpu_ns >= _HUNG_CPU_NS:
            return True
        if looks < _BLOCKED_LOOKS:
            return False
        state = self._thread_state()
        return state in ("S", "D") or (state == "" and looks >= _BLIND_LOOKS)

    def _fire(self, running: Running) -> None:
        if self._before is None or _SIGNAL is None:
            return
        self._aim = running.number
        self._decision_looks = 0  # swallowed or not, it has another quarter of a second
        self._decision_cpu_ns = self._cpu_ns()
        signal.pthread_kill(self._loop_thread, _SIGNAL)

    def _look_at_beat(self, *, in_decision: bool) -> None:
        if self._beats != self._beats_seen:
            self._beats_seen = self._beats
            self._silent_looks = 0
            return
        if in_decision and self._before is not None:
            return  # the decision is dealt with by itself
        self._silent_looks += 1
        ms = self._silent_looks * LOOK_MS
        if self._silent_looks == _STUCK_LOOKS and self._beats:
            self._stall = Stall(ms, self._stack())
            self._on_stuck(self._stall)
        elif (stall := self._stall) is not None:
            self._stall = stall._replace(ms=ms)

    def _stack(self) -> str:
        frame: FrameType | None = vars(sys)["_current_frames"]().get(self._loop_thread)
        if frame is None:
            return "no stack"
        calls = traceback.extract_stack(frame)[-_FRAMES_MAX:]
        return " > ".join(f"{Path(call.filename).name}:{call.lineno} {call.name}" for call in calls)

    def _cpu_ns(self) -> int:
        """Processor time of the loop's thread; where that cannot be told, the wall is taken for it."""
        clock_of = getattr(time, "pthread_getcpuclockid", None)
        if clock_of is None:
            return self._decision_looks * LOOK_MS * 1_000_000
        return time.clock_gettime_ns(clock_of(self._loop_thread))

    def _thread_state(self) -> str:
        """`R` runs or wants to, `S` and `D` wait for something; empty where the system does not say."""
        with suppress(OSError, IndexError):
            status = os.open(f"/proc/self/task/{self._task_id}/stat", os.O_RDONLY)
            try:
                return os.read(status, 512).rpartition(b")")[2].split()[0].decode("ascii")
            finally:
                os.close(status)
        return ""

    # --- on the loop's thread --------------------------------------------------------------------------------------

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """The signal has reached the loop's thread: the decision it was meant for may be over by now."""
        running = self._running()
        aim, self._aim = self._aim, 0
        if running.name and running.number == aim:
            raise BotHung(running.name, HUNG_LOOKS * LOOK_MS)
