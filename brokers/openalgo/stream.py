"""The two websockets of one session at the proxy: the greeting they share, order updates, and prices.

Source: facts/openalgo.md §7. An older server that has no `subscribe_orders` answers INVALID_ACTION: the stream stays
up, and the account is polled. A feed that ticked and then is mute is no longer pinged, so that the silence is noticed
and the connection made anew; one that never ticked (a closed market) is kept alive by pings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from websockets.asyncio.client import ClientConnection

from brokers.openalgo import frames
from brokers.openalgo.frames import Control, Quote, Update
from brokers.openalgo.orders import Wire
from brokers.openalgo.shapes import object_of
from brokers.wire.oddities import Oddities, sample_of
from brokers.wire.stream import Address, CredentialsDead, Stream

SILENCE_S: Final = 10.0
"""Real seconds without any frame of the feed."""
PING_S: Final = 3.0
_FLOWING: Final = 20
"""Ticks of one connection after which its silence means something: a snapshot after subscribing is no flow."""
_BAD_KEY: Final = "AUTHENTICATION_ERROR"


class _Greeting:
    """Logs in at the proxy."""

    def __init__(self, url: str, key: Callable[[], str], oddities: Oddities, on_dead: Callable[[], None]) -> None:
        self._url = url
        self._key = key
        self._oddities = oddities
        self._on_dead = on_dead

    def address(self) -> Address:
        return Address(self._url)

    def hear(self, frame: str | bytes) -> None:
        raise NotImplementedError

    async def _log_in(self, socket: ClientConnection) -> Control:
        """The reply that lets us in. Raises CredentialsDead, and ConnectionError for anything else."""
        reply = await self._ask(socket, frames.authenticate(self._key()), "auth")
        if reply.is_ok:
            return reply
        if reply.code == _BAD_KEY:
            self._on_dead()
            raise CredentialsDead("the OpenAlgo feed refuses the key")
        raise ConnectionError(f"the feed's login failed: {sample_of(reply.code or reply.text)}")

    async def _ask(self, socket: ClientConnection, text: str, kind: str) -> Control:
        """Send, and wait for the reply of this type, or an error; frames that come between are heard."""
        await socket.send(text)
        async for frame in socket:
            read = frames.read_frame(frame)
            if isinstance(read, Control) and (read.type == kind or (not read.type and read.code)):
                return read
            self.hear(frame)
        raise ConnectionError("the connection ended in the greeting")


class OrderWords(_Greeting):
    """Order updates of one account. Implements `brokers.wire.stream.StreamWords`."""

    def __init__(
        self,
        url: str,
        key: Callable[[], str],
        oddities: Oddities,
        on_dead: Callable[[], None],
        on_update: Callable[[Update], None],
    ) -> None:
        super().__init__(url, key, oddities, on_dead)
        self._on_update = on_update
        self.broker = ""
        """The plugin's name, from the login's reply."""
        self.is_subscribed = False
        """The server pushes order updates on this connection."""

    async def greet(self, socket: ClientConnection) -> None:
        self.is_subscribed = False
        broker = (await self._log_in(socket)).body.get("broker")
        self.broker = broker if isinstance(broker, str) else ""
        self.is_subscribed = (await self._ask(socket, frames.subscribe_orders(), "subscribe_orders")).is_ok

    def hear(self, frame: str | bytes) -> None:
        match frames.read_frame(frame):
            case Update() as update:
                self._on_update(update)
            case Control():
                pass
            case _:
                self._oddities.add("order frame", frame)


class PriceWords(_Greeting):
    """Prices of the wanted contracts. Implements `brokers.wire.stream.StreamWords`."""

    def __init__(
        self,
        url: str,
        key: Callable[[], str],
        oddities: Oddities,
        on_dead: Callable[[], None],
        on_quote: Callable[[Quote], None],
    ) -> None:
        super().__init__(url, key, oddities, on_dead)
        self._on_quote = on_quote
        self._wanted: dict[Wire, int] = {}
        self._has_depth = True
        self._ticks = 0

    @property
    def is_flowing(self) -> bool:
        """This connection ticks, so its silence means something."""
        return self._ticks >= _FLOWING

    async def greet(self, socket: ClientConnection) -> None:
        self._ticks = 0
        features = (await self._log_in(socket)).body.get("supported_features")
        self._has_depth = object_of(features).get("depth") is not False
        for text in self.messages(self._wanted):
            await socket.send(text)

    def want(self, wires: Iterable[tuple[Wire, int]]) -> list[Wire]:
        """What is new of them; `greet` sends all of them again."""
        fresh = [(wire, mode) for wire, mode in wires if wire not in self._wanted]
        self._wanted.update(fresh)
        return [wire for wire, _ in fresh]

    def messages(self, wires: Iterable[Wire]) -> list[str]:
        by_mode: dict[int, list[Wire]] = {}
        for wire in wires:
            by_mode.setdefault(self._wanted[wire] if self._has_depth else frames.LTP, []).append(wire)
        return [text for mode, some in by_mode.items() for text in frames.subscribe(some, mode)]

    def hear(self, frame: str | bytes) -> None:
        read = frames.read_frame(frame)
        if isinstance(read, Quote):
            self._ticks += 1
            self._on_quote(read)
        elif isinstance(read, Control):
            self._hear_control(read)
        elif read is None and not frames.is_silent(frame):
            self._oddities.add("feed frame", frame)

    def _hear_control(self, read: Control) -> None:
        if read.type == "subscribe":
            for refused in frames.refused_symbols(read.body):
                self._oddities.add("subscription refused", refused)
        elif read.code:
            self._oddities.add(f"feed error {sample_of(read.code)[:40]}", read.text)


async def keep_alive(stream: Stream, words: PriceWords) -> None:
    """Ping a feed that does not tick; ends only by cancellation."""
    while True:
        await asyncio.sleep(PING_S)
        if not words.is_flowing:
            await stream.send(frames.ping())


async def ended(task: asyncio.Task[None] | None) -> None:
    """Cancel a job and wait for its end."""
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
