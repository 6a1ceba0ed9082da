"""What the process is told from outside: stop, stop at once, flatten everything (HRD-31, OPS-23).

Light, because the console listens before the desk behind it is loaded.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engine.operator import ZeroOut

if TYPE_CHECKING:
    from engine.desk import Desk


class Signals:
    """Remembers what came before the desk was open."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._desk: Desk | None = None
        self._kills = 0

    def ask_to_stop(self) -> None:
        """SIGINT or SIGTERM: each bot by its policy; the second one leaves what is open under its resting stops."""
        if self.stop.is_set() and self._desk is not None:
            self._desk.ending.hurry()
        self.stop.set()

    def kill_switch(self) -> None:
        """SIGUSR1: the same as the console's panic key."""
        self._kills += 1
        if self._desk is not None:
            self._desk.submit(ZeroOut(request_id=f"signal-{self._kills}"))

    def attach(self, desk: Desk) -> None:
        """The desk is open; a kill switch that came before it counts now."""
        self._desk = desk
        if self._kills:
            self._desk.submit(ZeroOut(request_id=f"signal-{self._kills}"))

    def listen(self) -> None:
        """Without a screen: SIGINT stops as SIGTERM does. A lost terminal ends nothing (style/tui.md §5)."""
        self.hear({signal.SIGINT: self.ask_to_stop})
        self.listen_behind_a_screen()
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def listen_behind_a_screen(self) -> None:
        """The screen has Ctrl+C and the lost terminal for itself."""
        heard = {signal.SIGTERM: self.ask_to_stop}
        if hasattr(signal, "SIGUSR1"):
            heard[signal.SIGUSR1] = self.kill_switch
        self.hear(heard)

    def hear(self, heard: Mapping[signal.Signals, Callable[[], None]]) -> None:
        loop = asyncio.get_running_loop()
        add: Callable[[int, Callable[[], None]], object] | None = getattr(loop, "add_signal_handler", None)
        for number, act in heard.items():
            try:
                if add is None:
                    raise NotImplementedError
                add(number, act)
            except NotImplementedError:  # the virtual loop has no wake-up socket; it never blocks either
                signal.signal(number, lambda *_, act=act: loop.call_soon(act))
