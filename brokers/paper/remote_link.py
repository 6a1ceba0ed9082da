"""The desk's end of the socket to a paper venue in another process: one connection, kept up, for orders and prices.

A request is numbered, written, and waited for under one deadline. What fails before it is written was not sent; what
fails afterwards proves nothing (faults §3). A lost connection ends every request that waits, is told once, and is tried
again with growing, jittered pauses; the word that it is back comes after the subscriptions were renewed. A venue that
comes back with other books or another clock is another venue: the link stays down and says so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from random import Random
from typing import Final, TypeVar

import msgspec

from brokers.paper import wire
from engine.clock import LoopClock
from engine.instant import NS_PER_MS, NS_PER_S

R = TypeVar("R", bound=wire.Reply)

VENUE_PATTERN: Final = (
    r"(127\.0\.0\.1|localhost|\[::1\]):"
    r"(6553[0-5]|655[0-2]\d|65[0-4]\d{2}|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})"
)
_GREETING_S: Final = 5.0
"""Real time, for there is no other before the venue has told its clock: connect, greet and be welcomed."""
_UNREAD_MAX: Final = 1024 * 1024
"""Bytes that the venue has not taken; above it a request is not written at all."""
_QUIET_S: Final = 3
"""A silence of the venue is looked for this often, in exchange seconds; it says something every second."""
_QUIET_LOOKS: Final = 2
"""Looks in a row that found nothing said: one alone may have been our own standstill."""
_CLOCK_SLACK_S: Final = 0.05
"""Real seconds by which a venue's clock may differ from what it was before a reconnect."""


class VenueUnusable(Exception):
    """The venue cannot be used. The text is one sentence for the user."""


class NotWritten(Exception):
    """The request never left this process."""


class NoReply(Exception):
    """The request was written and nobody answered: it may have been carried out."""


class NoValue(Exception):
    """The venue answered that it has no valid answer to a read."""


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Pauses between two tries to connect, in exchange time; each is drawn from half to the whole of its length."""

    first_ms: int = 200
    factor: int = 2
    most_ms: int = 5_000

    def pause_ns(self, tries: int, random: Random) -> int:
        """Before the n-th try, from 1."""
        whole = min(self.most_ms, self.first_ms * self.factor ** min(tries - 1, 16)) * NS_PER_MS
        return random.randint(whole // 2, whole)


def venue_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8800`. Raises VenueUnusable."""
    if not re.fullmatch(VENUE_PATTERN, text):
        raise VenueUnusable(f"venue {wire.printable(text)!r}: a loopback address with a port, like 127.0.0.1:8800")
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class VenueLink:
    """`open` it once; requests then go by `ask`. One per process and account, shared by account and market."""

    def __init__(self, venue: str, account: str, random: Random, backoff: Backoff | None = None) -> None:
        """`account`: its name at the venue. Raises VenueUnusable for an address that is none."""
        self._host, self._port = venue_address(venue)
        self.venue = venue
        self._account = account
        self._random = random
        self._backoff = backoff or Backoff()
        self.clock: LoopClock
        """The venue's clock, from `open` on."""
        self.welcome: wire.Welcome
        self.down = "not connected yet"
        """Why there is no connection; empty while there is one."""
        self._number = 0
        self._waiting: dict[int, asyncio.Future[wire.AnyReply]] = {}
        self._symbols: list[str] = []
        self._on_push: list[Callable[[wire.Push], None]] = []
        self._on_link: list[Callable[[str], None]] = []
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._heard = 0
        """Lines that came."""
        self._cut = ""
        """Why we ended a connection ourselves."""

    # --- life -------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """The first connection. Raises VenueUnusable; later losses are told to the listeners and mended."""
        self._reader, self._writer, self.welcome = await self._greet()
        anchor = self.welcome.clock
        loop = asyncio.get_running_loop()
        self.clock = LoopClock.anchored(loop, anchor.venue_ns, anchor.monotonic_ns, anchor.speed)
        self.down = ""
        self._tasks = [
            loop.create_task(self._keep_up(), name="venue link"),
            loop.create_task(self._watch(), name="venue silence"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._lose("closed", tell=False)

    @property
    def deadline_ns(self) -> int:
        """Of every request, in exchange time."""
        return wire.deadline_ns(self.welcome.clock.speed)

    def on_push(self, hear: Callable[[wire.Push], None]) -> None:
        """What the venue says unasked, in its order. Listeners return at once and never raise."""
        self._on_push.append(hear)

    def on_link(self, hear: Callable[[str], None]) -> None:
        """Told why the link is lost, and with an empty text that it is back."""
        self._on_link.append(hear)

    # --- requests ---------------------------------------------------------------------------------------------------

    def number(self) -> int:
        """Of the next request."""
        self._number += 1
        return self._number

    async def ask(self, request: wire.Ask, kind: type[R]) -> R:
        """The venue's reply to one request. Raises NotWritten, NoReply and NoValue."""
        writer = self._writer
        if self.down or writer is None or writer.is_closing():
            raise NotWritten(f"no link to the venue: {self.down or 'the connection is closing'}")
        if writer.transport.get_write_buffer_size() > _UNREAD_MAX:
            raise NotWritten("the venue takes nothing in")
        reply: asyncio.Future[wire.AnyReply] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = reply
        timer = self.clock.call_at(self.clock.now_ns() + self.deadline_ns, lambda: self._give_up(reply))
        try:
            writer.write(wire.line_of(request))
            answer = await reply
        finally:
            timer.cancel()
            self._waiting.pop(request.id, None)
        if isinstance(answer, wire.Failed):
            raise NoValue(wire.printable(answer.text))
        if not isinstance(answer, kind):
            raise NoReply(f"the venue answered {type(answer).__name__} to {type(request).__name__}")
        return answer

    async def subscribe(self, symbols: list[str]) -> None:
        """Ask for prices, now and after every reconnect. Raises as `ask` does."""
        self._symbols += [symbol for symbol in symbols if symbol not in self._symbols]
        await self.ask(wire.Subscribe(id=self.number(), symbols=self._symbols), wire.Subscribed)

    def _give_up(self, reply: asyncio.Future[wire.AnyReply]) -> None:
        if not reply.done():
            reply.set_exception(NoReply(f"no answer in {self.deadline_ns / NS_PER_S:g} s"))

    # --- the connection ---------------------------------------------------------------------------------------------

    async def _greet(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, wire.Welcome]:
        """Raises VenueUnusable."""
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(_GREETING_S):
                reader, writer = await asyncio.open_connection(self._host, self._port, limit=wire.REPLY_BYTES_MAX)
                writer.write(wire.line_of(wire.Hello(account=self._account)))
                said = wire.read_said(await wire.next_line(reader))
            match said:
                case wire.Welcome(version=wire.VERSION):
                    return reader, writer, said
                case wire.Welcome(version=version):
                    raise VenueUnusable(f"{self.venue}: speaks version {version}, this desk version {wire.VERSION}")
                case wire.Goodbye(text=text):
                    raise VenueUnusable(f"{self.venue}: the venue refused: {wire.printable(text)}")
                case _:
                    raise VenueUnusable(f"{self.venue}: no welcome but {type(said).__name__}")
        except TimeoutError:
            failure = VenueUnusable(f"{self.venue}: no welcome within {_GREETING_S:g} s")
        except wire.WireError as error:
            failure = VenueUnusable(f"{self.venue}: not a paper venue ({error})")
        except (OSError, EOFError) as error:
            failure = VenueUnusable(f"{self.venue}: {_why(error)}")
        except VenueUnusable as error:
            failure = error
        except asyncio.CancelledError:
            if writer is not None:
                writer.close()
            raise
        if writer is not None:
            writer.close()
        raise failure from None

    async def _keep_up(self) -> None:
        """Read until the connection is lost, then get another; ends only by cancellation."""
        while True:
            self._lose(await self._read_to_the_end())
            await self._come_back()

    async def _read_to_the_end(self) -> str:
        """Hand out what the venue says; returns why it ended."""
        try:
            while True:
                said = wire.read_said(await wire.next_line(self._reader))
                self._heard += 1
                match said:
                    case wire.Goodbye(text=text):
                        return wire.printable(text)
                    case wire.Welcome():
                        return "a second welcome"
                    case wire.OrderPush() | wire.TradePush() | wire.TickPush() | wire.Beat():
                        for hear in self._on_push:
                            hear(said)
                    case _:
                        self._take_reply(said)
        except wire.WireError as error:
            return str(error)
        except (OSError, EOFError) as error:
            cut, self._cut = self._cut, ""
            return cut or _why(error)
        except Exception as error:  # noqa: BLE001 - a listener's mistake: told as a lost link, and everything read anew
            return f"{type(error).__name__} at what the venue said: {wire.printable(str(error))}"

    def _take_reply(self, reply: wire.AnyReply) -> None:
        """A reply whose request was given up is too late to mean anything."""
        waiting = self._waiting.get(reply.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def _lose(self, why: str, *, tell: bool = True) -> None:
        if self.down:
            return
        self.down = why
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NoReply(f"the link to the venue broke: {why}"))
        if tell:
            self._tell(why)

    async def _come_back(self) -> None:
        tries = 0
        while self.down:
            tries += 1
            await self.clock.sleep_until(self.clock.now_ns() + self._backoff.pause_ns(tries, self._random))
            try:
                reader, writer, welcome = await self._greet()
            except VenueUnusable as failure:
                self.down = str(failure)
                continue
            if why := self._is_another(welcome):
                writer.close()
                if self.down != why:
                    self.down = why
                    self._tell(why)
                continue
            self._reader, self._writer = reader, writer
            if self._symbols:
                writer.write(wire.line_of(wire.Subscribe(id=self.number(), symbols=self._symbols)))
            self.down = ""
            self._tell("")

    def _is_another(self, welcome: wire.Welcome) -> str:
        """Why this is not the venue we were connected to; empty when it is."""
        ours, theirs = self.welcome, welcome
        if theirs.account_id != ours.account_id:
            return f"the venue came back with other books: account {wire.printable(theirs.account_id)} instead of " + (
                f"{wire.printable(ours.account_id)}; start the desk again"
            )
        at_s = (theirs.clock.monotonic_ns - ours.clock.monotonic_ns) / NS_PER_S
        off_ns = theirs.clock.venue_ns - ours.clock.venue_ns - round(at_s * ours.clock.speed * NS_PER_S)
        if theirs.clock.speed != ours.clock.speed or abs(off_ns) > _CLOCK_SLACK_S * ours.clock.speed * NS_PER_S:
            return "the venue came back with another clock; start the desk again"
        return ""

    def _tell(self, why: str) -> None:
        for hear in self._on_link:
            hear(why)

    async def _watch(self) -> None:
        """A venue that stands still keeps its connection open and says nothing: that is a lost link too."""
        speed = self.welcome.clock.speed
        # A hurried clock hurries no process: a third of a real second of silence is nothing.
        every_ns = max(_QUIET_S * NS_PER_S, round(speed * NS_PER_S / 3))
        heard, quiet = self._heard, 0
        while True:
            await self.clock.sleep_until(self.clock.now_ns() + every_ns)
            quiet = quiet + 1 if self._heard == heard and not self.down else 0
            heard = self._heard
            if quiet >= _QUIET_LOOKS and self._writer is not None:
                quiet = 0
                self._cut = "the venue says nothing"
                self._writer.transport.abort()  # the reader wakes and takes it from there


def _why(error: OSError | EOFError) -> str:
    match error:
        case ConnectionRefusedError():
            return "nobody listens there"
        case EOFError():
            return "the venue closed the connection"
        case _:
            return error.strerror or type(error).__name__
