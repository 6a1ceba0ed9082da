"""What ties a desk to its guardian: the lease it sends under, its pulse once a second, and the process it starts.

The pulse comes from the desk's own loop, so a loop that stands still is silent. A lost lease ends every send
(`engine.fence`). The guardian is a process in a session of its own: neither the terminal nor the desk takes it along.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.fence import Fence
from engine.lease import Lease
from engine.lease_record import Holder
from engine.messages import Msg
from engine.pulse import Stakes
from engine.pulse_file import PulseUnusable, PulseWriter
from tui.guardian_files import GuardianFiles, boot_id
from tui.start_failure import StartFailed

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount

_BEAT_S: Final = 1.0
ALREADY_WATCHED: Final = 4
"""Exit code of a guardian that found another one at work."""


def take_lease(account_lock: Path) -> Lease:
    """The desk's, right after its account lock. Raises LeaseHeld and LeaseUnusable."""
    path = GuardianFiles.beside(account_lock).lease
    return Lease.take(path, Holder.DESK, pid=os.getpid(), at_ns=time.time_ns())


class GuardianLink:
    """One per account of a desk in real or scaled time. `run` beats until cancelled; `end` says how it ended."""

    def __init__(self, desk: Desk, account: DeskAccount, lease: Lease, command: Sequence[str] | None) -> None:
        """`command`: starts the guardian; None when the configuration wants none. Raises StartFailed."""
        self._desk = desk
        self._account = account
        self._lease = lease
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._stakes = Stakes()
        self._fence = Fence(desk, account, lease.is_mine, self._holder)
        path = GuardianFiles.beside(lease.path.with_suffix(".lock")).pulse
        try:
            self._pulse = PulseWriter.open(
                path, run_no=desk.parts.run_no, pid=os.getpid(), epoch=lease.epoch, boot=boot_id()
            )
        except PulseUnusable as failure:
            raise StartFailed(str(failure)) from None

    async def run(self) -> None:
        """Beat, look at the lease, and see that the guardian lives."""
        self._beat()
        if self._command is not None:
            self._start(self._command)
        while True:
            await asyncio.sleep(_BEAT_S)
            self._fence.look()
            self._beat()
            self._look_after_child()

    def end(self, code: int) -> None:
        """The last record: the desk is over."""
        with suppress(OSError):
            self._pulse.end(time.monotonic_ns(), code)
        self._pulse.close()
        if self._child is not None:
            self._child.poll()

    def _beat(self) -> None:
        try:
            self._stakes = stakes_of(self._account)
        except Exception as error:  # noqa: BLE001 - a desk whose counting fails is alive all the same
            self._lost(f"its positions cannot be counted: {type(error).__name__}: {error}")
        try:
            self._pulse.beat(time.monotonic_ns(), self._stakes)
        except OSError as error:
            self._lost(f"the pulse cannot be written: {error.strerror}")

    def _start(self, command: Sequence[str]) -> None:
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self._lost(f"the guardian cannot be started: {error.strerror}")

    def _look_after_child(self) -> None:
        code = self._child.poll() if self._child is not None else None
        if code is None:
            return
        self._child = None
        if code == ALREADY_WATCHED:
            text = "a guardian watches this account already, with the configuration it was started with"
            self._desk.step(lambda _now: self._account.say(Msg.DESK_WARN, text=text))
        else:
            self._lost(f"the guardian has ended with exit code {code}")

    def _lost(self, reason: str) -> None:
        """Once: it stays an alarm until the desk is started again."""
        desk, account = self._desk, self._account
        alarm_id = account.alarm_id("guardian")
        if alarm_id in desk.alarms:
            return

        def tell(_now_ns: int) -> None:
            account.say(Msg.GUARDIAN_LOST, reason=reason)
            desk.out.raise_alarm(alarm_id, account.words(f"nobody watches this desk from outside: {reason}"))

        desk.step(tell)

    def _holder(self) -> str:
        record = self._lease.holder_now()
        return record.words if record is not None else "the lease file is gone or damaged"


def stakes_of(account: DeskAccount) -> Stakes:
    """What would be left behind in this account if the desk stopped now."""
    brackets = account.open_brackets()
    return Stakes(
        open_qty=sum(abs(bracket.open_qty) for bracket in brackets),
        bare_qty=sum(max(0, abs(bracket.open_qty) - bracket.covered_qty) for bracket in brackets),
        live_orders=len(account.live_orders()),
    )


def guardian_command(config: Path | None, env_file: Path | None, db: Path | None) -> tuple[str, ...]:
    """How this desk's guardian is started; files by their whole names, so that the folder does not matter."""
    given = (("--config", config), ("--env-file", env_file), ("--db", db))
    files = [part for name, path in given if path is not None for part in (name, str(path.resolve()))]
    return (sys.executable, "-m", "tui", "guardian", "--for-pid", str(os.getpid()), *files)
