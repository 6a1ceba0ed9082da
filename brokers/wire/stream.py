"""One websocket that is kept up: connect, greet, subscribe again, watch for silence, pause, and say how it stands.

What the frames mean is the broker's own (`StreamWords`). A stream is back only when the broker's greeting is through
and the subscriptions are sent again; it is lost when the socket ends, or when nothing was heard for `silence_s`: a feed
that is connected and mute is no feed. A refusal of the credentials ends the tries: only a new login can help.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Final, Protocol

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from brokers.wire.backoff import Backoff

_FRAME_MAX: Final = 4 * 1024 * 1024
_OPEN_S: Final = 10.0
_CLOSE_S: Final = 1.0
_UNAUTHORISED: Final = (401, 403)
_TOO_MANY: Final = 429


class Address(msgspec.Struct, frozen=True):
    """Where to connect. It may hold a token: never shown."""

    url: str
    headers: Mapping[str, str] = {}


class CredentialsDead(Exception):
    """Raised by `greet` or `hear` when the broker says so. The text is one sentence."""


class CoolOff(Exception):
    """Raised by `greet` or `hear` when the broker says that we come too often: as HTTP 429 on the upgrade (OPT-10)."""


class StreamWords(Protocol):
    """One broker's side of the stream."""

    def address(self) -> Address: ...

    async def greet(self, socket: ClientConnection) -> None:
        """Log in and subscribe; returns when the stream is live. Raises CredentialsDead, or anything else to retry."""
        ...

    def hear(self, frame: str | bytes) -> None:
        """One frame. Must not raise but CredentialsDead and CoolOff: what is not understood is counted and skipped."""
        ...


def _never() -> bool:
    return False


class StreamRules(msgspec.Struct, frozen=True, kw_only=True):
    """Real seconds."""

    silence_s: float = 10.0
    """No frame of any kind for so long = lost. 0 = silence is normal on this stream."""
    may_be_silent: Callable[[], bool] = _never
    """Asked before a silence is held against the stream: outside the session nothing comes on a good one."""
    ping_s: float | None = 20.0
    """Protocol-level pings of ours; None = the broker dislikes them."""
    backoff: Backoff = Backoff()


class Stream:
    """`run` it as a task; `send` when live. `on_state` hears why it is lost (once per loss) and "" when it is back."""

    def __init__(
        self,
        name: str,
        words: StreamWords,
        random: Random,
        on_state: Callable[[str], None],
        rules: StreamRules | None = None,
    ) -> None:
        self._name = name
        self._words = words
        self._random = random
        self._on_state = on_state
        self._rules = rules or StreamRules()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._heard = 0
        self.down = "not connected yet"
        """Why there is no stream; empty while it is live."""
        self.is_dead = False
        """The credentials are refused: there are no more tries."""
        self.tries = 0

    @property
    def is_live(self) -> bool:
        return not self.down

    def start(self) -> None:
        """Begin to connect, in a task of its own."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self.run(), name=self._name)

    def revive(self) -> None:
        """After a new login: forget that the credentials were refused, and connect again."""
        if self.is_dead:
            self.is_dead, self.tries, self._task = False, 0, None
            self.start()

    async def wait_live(self, within_s: float) -> bool:
        """True once it is live."""
        try:
            async with asyncio.timeout(within_s):
                await self._up.wait()
        except TimeoutError:
            return False
        return self.is_live

    async def send(self, text: str) -> bool:
        """False when it is not live: whatever matters is sent again by `greet`."""
        if self._socket is None or self.down:
            return False
        try:
            await self._socket.send(text)
        except ConnectionClosed:
            return False
        return True

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self) -> None:
        """Until cancelled, or until the credentials are refused."""
        while not self.is_dead:
            why, throttled = "", False
            try:
                why = await self._live_once()
            except CredentialsDead as refusal:
                why, self.is_dead = str(refusal), True
            except CoolOff as refusal:
                why, throttled = str(refusal), True
            except InvalidStatus as refusal:
                status = refusal.response.status_code
                why, throttled = f"the upgrade was answered with HTTP {status}", status == _TOO_MANY
                self.is_dead = status in _UNAUTHORISED
            except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ConnectionClosed) as error:
                why = f"no connection: {type(error).__name__}"
            except Exception as error:  # noqa: BLE001 - a bug of ours must not end a stream in silence
                why = f"a frame could not be handled: {type(error).__name__}"
            self._lost(why)
            if not self.is_dead:
                self.tries += 1
                await asyncio.sleep(self._rules.backoff.pause_s(self.tries, self._random, throttled=throttled))

    async def _live_once(self) -> str:
        """One connection from its opening to its end; returns why it ended."""
        address = self._words.address()
        async with connect(
            address.url,
            additional_headers=dict(address.headers),
            open_timeout=_OPEN_S,
            close_timeout=_CLOSE_S,
            ping_interval=self._rules.ping_s,
            ping_timeout=self._rules.ping_s,
            max_size=_FRAME_MAX,
            compression=None,
            proxy=None,
        ) as socket:
            self._socket = socket
            try:
                async with asyncio.timeout(_OPEN_S):
                    await self._words.greet(socket)
                self._back()
                return await self._listen(socket)
            finally:
                self._socket = None

    async def _listen(self, socket: ClientConnection) -> str:
        hear, silence_s = self._words.hear, self._rules.silence_s
        watch: asyncio.Task[None] | None = None
        if silence_s:
            watch = asyncio.get_running_loop().create_task(self._watch(socket, silence_s))
        try:
            async for frame in socket:
                self._heard += 1
                hear(frame)
        except ConnectionClosed:
            pass
        finally:
            silent = watch is not None and watch.done()
            if watch is not None:
                watch.cancel()
        return f"nothing heard for {silence_s:g} s" if silent else "the connection ended"

    async def _watch(self, socket: ClientConnection, silence_s: float) -> None:
        """Ends the connection when two looks in a row find nothing new: one alone may be our own standstill."""
        seen, misses = self._heard, 0
        while misses < 2:
            await asyncio.sleep(silence_s / 2)
            misses = misses + 1 if self._heard == seen and not self._rules.may_be_silent() else 0
            seen = self._heard
        socket.transport.abort()

    def _back(self) -> None:
        self.tries, self.down = 0, ""
        self._up.set()
        self._on_state("")

    def _lost(self, why: str) -> None:
        first = not self.down or self.down == "not connected yet" or self.is_dead
        self.down = why
        self._up.clear()
        if first:
            self._on_state(why)
