"""Carries alerts to their channels without ever making the desk wait: a bounded queue and a worker for each channel.

`AlertRelay.hear` only puts the alert in the queues. A worker sends one at a time, tries again with growing pauses, and
gives an alert up when it is old or hopeless. A dead channel costs a WARN once a minute and a standing word on screen.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from engine.alert_channels import Channel, ChannelFailed
from engine.alerts import AlertKind, Damper, RaisedAlert
from engine.instant import NS_PER_S
from engine.port import Clock

QUEUE_MAX: Final = 100
"""Alerts that may wait for one channel; the oldest that is not being sent goes when another comes, and is counted."""
PAUSE_FIRST_NS: Final = NS_PER_S
PAUSE_MAX_NS: Final = 30 * NS_PER_S
GIVE_UP_NS: Final = 15 * 60 * NS_PER_S
"""An alert that is older is not news any more."""
WARN_NS: Final = 60 * NS_PER_S
LAST_CALL_S: Final = 3.0
"""What a closing desk grants its last alerts, in real time."""


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk is told of a channel."""

    channel: str
    reason: str
    """Why it does not deliver; empty when it does again."""
    waiting: int = 0
    lost: int = 0
    """Alerts given up since the last report."""


class ChannelStats(msgspec.Struct, kw_only=True):
    """Counts of one run."""

    delivered: int = 0
    tries: int = 0
    lost: int = 0


class AlertQueue:
    """One channel with its queue. Exchange time of the desk's clock paces the repeats."""

    def __init__(self, channel: Channel, clock: Clock, report: Callable[[ChannelState], None]) -> None:
        self.channel = channel
        self.stats = ChannelStats()
        self._clock = clock
        self._report = report
        self._waiting: deque[RaisedAlert] = deque()
        self._wake = asyncio.Event()
        self._warned = Damper(WARN_NS)
        self._lost = 0
        self.down = ""
        """Why the newest try failed; empty while the channel delivers."""

    @property
    def depth(self) -> int:
        return len(self._waiting)

    def submit(self, alert: RaisedAlert) -> None:
        """Queue one alert; returns at once. News of a dead channel is not queued behind its own failure."""
        if alert.kind is AlertKind.CHANNEL_DOWN and self.down:
            return
        if len(self._waiting) >= QUEUE_MAX:
            del self._waiting[1]  # the first one is being sent
            self._count_lost()
        self._waiting.append(alert)
        self._wake.set()

    async def run(self) -> None:
        """The worker; ends only by cancellation."""
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._deliver(self._waiting[0])
            self._waiting.popleft()

    async def drain(self) -> None:
        """Give what waits one last try each, after the worker has ended: the desk is closing."""
        while self._waiting and not self.down:
            await self._try(self._waiting.popleft())

    async def _deliver(self, alert: RaisedAlert) -> None:
        pause_ns = PAUSE_FIRST_NS
        while not await self._try(alert):
            now_ns = self._clock.now_ns()
            if now_ns + pause_ns > alert.at_ns + GIVE_UP_NS:
                self._count_lost()
                return
            await self._clock.sleep_until(now_ns + pause_ns)
            pause_ns = min(pause_ns * 2, PAUSE_MAX_NS)

    async def _try(self, alert: RaisedAlert) -> bool:
        """One attempt; False when it may be tried again."""
        self.stats.tries += 1
        try:
            await self.channel.send(alert)
        except ChannelFailed as failure:
            if failure.is_final:
                self._count_lost()
            self._failed(str(failure))
            return failure.is_final
        except Exception as error:  # noqa: BLE001 - the top of a channel's worker: its bug must not silence the others
            self._failed(f"internal error: {type(error).__name__}")
            return False
        self.stats.delivered += 1
        self._works()
        return True

    def _failed(self, reason: str) -> None:
        self.down = reason
        if self._warned.admit("down", self._clock.now_ns()) is not None:
            lost, self._lost = self._lost, 0
            self._report(ChannelState(channel=self.channel.name, reason=reason, waiting=self.depth, lost=lost))

    def _works(self) -> None:
        if self.down or self._lost:
            lost, self._lost, self.down = self._lost, 0, ""
            self._report(ChannelState(channel=self.channel.name, reason="", waiting=self.depth, lost=lost))

    def _count_lost(self) -> None:
        self._lost += 1
        self.stats.lost += 1


class AlertRelay:
    """All channels of one desk. `hear` is the alert book's listener."""

    def __init__(
        self,
        channels: Sequence[Channel],
        clock: Clock,
        strike: Callable[[str], str],
        report: Callable[[ChannelState], None],
    ) -> None:
        """`strike` takes account ids and whatever else must not leave out of a text (SEC-15)."""
        self.queues = tuple(AlertQueue(channel, clock, report) for channel in channels)
        self._strike = strike

    def hear(self, alert: RaisedAlert) -> None:
        """Called in the middle of a step: no I/O, no wait, no error."""
        clean = msgspec.structs.replace(alert, text=self._strike(alert.text), symbol=self._strike(alert.symbol))
        for queue in self.queues:
            queue.submit(clean)

    async def run(self) -> None:
        """Works every queue until cancelled; one channel's trouble is not another's."""
        async with asyncio.TaskGroup() as group:
            for queue in self.queues:
                group.create_task(queue.run(), name=f"alerts {queue.channel.name}")

    async def close(self, patience_s: float = LAST_CALL_S) -> None:
        """The last alerts may be the ones that say "still in position": they get `patience_s` seconds to leave."""
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.gather(*(queue.drain() for queue in self.queues))
        except TimeoutError:
            pass  # what could not leave is in the log
        for queue in self.queues:
            await queue.channel.close()
