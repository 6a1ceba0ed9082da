"""Puts one guardian together: clocks, log, alert channels, the desk's files, and the broker when it is needed."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.alerts import AlertBook
from engine.clock import LoopClock
from engine.config.load import Loaded
from engine.guardian import Guardian, Look
from engine.guardian_runner import GuardianParts, GuardianRunner
from engine.lease import Lease, LeaseUnusable, read_lease
from engine.lease_record import Holder, Proof
from engine.log import LogBook, RotatingFile, TextStream
from engine.messages import Msg
from engine.paths import places
from engine.pulse_file import read_pulse
from engine.secrets import Redactions, Secrets
from engine.single_instance import is_locked
from tui.files import DeskFiles
from tui.guardian_files import GuardianFiles, account_name, boot_id
from tui.guardian_ports import port_opener

if TYPE_CHECKING:
    from engine.alert_relay import AlertRelay, ChannelState

_YOUNG_NS: Final = 3_000_000_000
"""A beat that is younger needs no look at the account's lock."""


class Watch:
    """One guardian at work. `run` ends by itself; `close` gives everything back."""

    def __init__(self, loaded: Loaded, files: GuardianFiles, db: Path | None, desk_pid: int) -> None:
        config = loaded.config
        self._files = files
        self._boot = boot_id()
        self._source = config.name
        self._redactions = Redactions()
        self._alerts = AlertBook()
        loop = asyncio.get_running_loop()
        self._wall = LoopClock.wall(loop)
        self._file = RotatingFile(files.log)
        self._log = LogBook(self._redactions, sinks=[TextStream(sys.stderr), self._file], alerts=self._alerts)
        self._relay = self._open_relay(loaded, db)
        guardian = config.guardian
        self._runner = GuardianRunner(
            GuardianParts(
                clock=LoopClock(loop, time.monotonic_ns()),
                guardian=Guardian(silence_ns=guardian.silence_ns, act=guardian.act, desk_pid=desk_pid),
                look=self.look,
                take_lease=self._take_lease,
                open_ports=port_opener(config),
                say=self.say,
            )
        )
        words = config.alerts.channel_words
        self.say(
            Msg.GUARDIAN,
            {
                "text": f"guarding account {account_name(config)}: act = {guardian.act.value} after "
                f"{guardian.silence_seconds} s of silence; told: this log{', ' if words else ''}{', '.join(words)}"
            },
        )

    async def run(self) -> int:
        relay = asyncio.ensure_future(self._relay.run()) if self._relay is not None else None
        try:
            self._tell_unproven()
            return await self._runner.run()
        finally:
            if relay is not None:
                relay.cancel()
                await asyncio.gather(relay, return_exceptions=True)

    def told_to_end(self) -> int:
        """By a signal; what it holds it keeps."""
        code = self._runner.exit_code
        left = "the account stays taken over and is NOT proven flat" if code else "nothing is left to do"
        self.say(Msg.GUARDIAN_STUCK if code else Msg.GUARDIAN, {"text": f"told to end: {left}"})
        return code

    async def close(self) -> None:
        if self._relay is not None:
            await self._relay.close()
        self._log.flush()
        self._file.close()

    def say(self, msg: Msg, fields: Mapping[str, object]) -> None:
        self._log.say(msg, dict(fields), self._wall.now_ns(), self._source)

    def look(self) -> Look:
        now_ns = time.monotonic_ns()
        pulse = read_pulse(self._files.pulse)
        is_live = pulse is not None and pulse.exit_code is None and pulse.boot == self._boot
        is_young = is_live and pulse is not None and now_ns - pulse.at_ns < _YOUNG_NS
        is_held = is_young or is_locked(self._files.account_lock)
        return Look(now_ns=now_ns, boot=self._boot, pulse=pulse, is_held=is_held)

    def _take_lease(self) -> Lease:
        return Lease.take(self._files.lease, Holder.GUARDIAN, pid=os.getpid(), at_ns=time.time_ns())

    def _tell_unproven(self) -> None:
        """A guardian before this one took the account and did not finish."""
        with suppress(LeaseUnusable):
            record = read_lease(self._files.lease)
            if record is not None and record.holder is Holder.GUARDIAN and record.proof is not Proof.FLAT:
                self.say(Msg.GUARDIAN_STUCK, {"text": f"taken over before and not proven flat ({record.words})"})

    def _open_relay(self, loaded: Loaded, db: Path | None) -> AlertRelay | None:
        config = loaded.config
        if not config.alerts.channel_words:
            return None
        from engine.alert_relay import AlertRelay
        from tui.alert_outlets import open_channels, striker

        files = DeskFiles.of(config, places(os.environ), db)
        secrets = Secrets(loaded.env, files.secrets, self._redactions)
        channels = open_channels(config, secrets, self._redactions, loaded.env)
        strike = striker([config.legs.account], [config.trading_account])
        relay = AlertRelay(channels, self._wall, strike, self._tell_channel)
        self._alerts.listen(relay.hear)
        return relay

    def _tell_channel(self, state: ChannelState) -> None:
        if state.reason:
            fields = {"channel": state.channel, "reason": state.reason, "waiting": state.waiting}
            self.say(Msg.CHANNEL_DOWN, fields)
        else:
            self.say(Msg.CHANNEL_UP, {"channel": state.channel})


def open_watch(loaded: Loaded, files: GuardianFiles, db: Path | None, *, desk_pid: int) -> Watch:
    """On the running loop. Raises ConfigError, SecretMissing and OSError for what cannot be opened."""
    return Watch(loaded, files, db, desk_pid)
