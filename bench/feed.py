"""A feed of ticks from a process of its own, so that a busy desk cannot hold back its own measurement.

Every record carries the instant at which it was sent (CLOCK_MONOTONIC is one clock for all processes of a machine).
Each leg's price is a saw; on demand one single tick falls to `DIP` or jumps to `SPIKE`, at an instant the desk does not
choose, and on request every few ticks are a new highest price that only that one tick shows.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from array import array
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from engine.instrument import Instrument
from engine.port import Clock, ReadFailed
from engine.tick import Tick

PRICE, DIP, SPIKE = 15_000, 14_400, 15_400
"""Paise: the middle of the saw, and the two single ticks that a position leaves by. Both lie within the band of a
marketable exit, so that it fills although the price has come back before the order arrives."""
_SAW_STEPS = 8
_FIRST_HIGH = PRICE + 200
_RECORD = struct.Struct("<IiQ")
_PLAIN, _HIGH, _DIP, _SPIKE = range(4)
_SOCKET_BYTES = 8 << 20
_PHASE_S = 0.03
"""An asked-for tick comes at a random instant of the next 30 ms: nothing of the desk is in step with it."""


class FeedPlan(NamedTuple):
    legs: int
    ticks_per_s: int
    highs_every: int = 0
    """One tick in so many is a new highest price of its leg; 0 = none."""
    seed: int = 1


class Feed:
    """The sender: a forked process. Make it before the loop and any thread; closing the socket ends it."""

    def __init__(self, plan: FeedPlan) -> None:
        self.socket, theirs = socket.socketpair()
        for end in (self.socket, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            end.setblocking(False)
        self.pid = os.fork()
        if self.pid == 0:
            self.socket.close()
            status = 1
            try:
                status = _send(theirs, plan)
            finally:
                os._exit(status)
        theirs.close()

    def end(self) -> None:
        """Wait for the sender. Raises SystemExit when it was ever held up: then its stamps are not the market's."""
        self.socket.close()
        _, status = os.waitpid(self.pid, 0)
        if status:
            raise SystemExit("feed: the sender was held up by a full socket, or failed")


def _send(wire: socket.socket, plan: FeedPlan) -> int:
    random = Random(plan.seed)
    asked: dict[int, tuple[float, int]] = {}
    highs = [_FIRST_HIGH] * plan.legs
    began, number = time.monotonic(), 0
    while True:
        number += 1
        if (wait := began + number / plan.ticks_per_s - time.monotonic()) > 0:
            time.sleep(wait)
        try:
            for word in wire.recv(4096) or b"\xff":
                if word == 0xFF:
                    return 0
                asked[word >> 1] = (time.monotonic() + random.random() * _PHASE_S, _SPIKE if word & 1 else _DIP)
        except BlockingIOError:
            pass
        except ConnectionError:
            return 0
        leg = number % plan.legs
        kind, price = _PLAIN, PRICE + 5 * abs(number // plan.legs % (2 * _SAW_STEPS) - _SAW_STEPS) - 20
        if leg in asked and time.monotonic() >= asked[leg][0]:
            kind = asked.pop(leg)[1]
            price = DIP if kind == _DIP else SPIKE
        elif plan.highs_every and number // plan.legs % plan.highs_every == 0:
            highs[leg] += 5
            kind, price = _HIGH, highs[leg]
        try:
            wire.send(_RECORD.pack(leg << 2 | kind, price, time.monotonic_ns()))
        except BlockingIOError:
            return 2
        except ConnectionError:
            return 0


class FeedMarket(asyncio.Protocol):
    """The market port at the other end. Ticks go to the listeners inside `data_received`, as an adapter's would."""

    def __init__(self, clock: Clock, instruments: Sequence[Instrument], feed: Feed) -> None:
        self._clock = clock
        self._symbols = [instrument.symbol for instrument in instruments]
        self._feed = feed
        self._rest = b""
        self._listeners: list[Callable[[Tick], None]] = []
        self._transport: asyncio.WriteTransport | None = None
        self.sent_ns = 0
        """When the tick that is being handled was sent."""
        self.late_ns: array[int] = array("q")
        """Of every tick: from its sending to the moment the desk begins with it."""
        self.on_extreme: Callable[[Tick], None] = lambda tick: None
        """Hears every new high, dip and spike right after the listeners did."""

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: self, sock=self._feed.socket)  # type: ignore[assignment]

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def subscribe(self, symbols: Sequence[str]) -> None: ...

    async def instruments(self) -> Sequence[Instrument]:
        return []

    async def quote(self, symbol: str) -> Tick:
        raise ReadFailed("ticks are sent, not asked for")

    def ask(self, leg: int, *, spike: bool = False) -> None:
        """Have the feed send one dip (or spike) of this leg soon."""
        assert self._transport is not None
        self._transport.write(bytes([leg << 1 | spike]))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        whole = len(data) - len(data) % _RECORD.size
        self._rest = data[whole:]
        for word, price, sent_ns in _RECORD.iter_unpack(data[:whole]):
            self.late_ns.append(time.monotonic_ns() - sent_ns)
            self.sent_ns = sent_ns
            symbol = self._symbols[word >> 2]
            tick = Tick(symbol, self._clock.now_ns(), price, price - 5, 6500, price + 5, 6500)
            for listener in self._listeners:
                listener(tick)
            if word & 3:
                self.on_extreme(tick)
