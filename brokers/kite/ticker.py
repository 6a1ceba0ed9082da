"""Kite's one websocket, shared by the account and the feed of a session: binary ticks in, order frames as text.

Subscriptions are state of the connection: all are sent again after each connect, in batches, before the stream counts
as live (facts/kite.md §5, OPT-09, OPT-10). There is no replay of what a gap swallowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection

from brokers.kite.answers import fields_of
from brokers.kite.packets import decode_frame
from brokers.kite.rules import SUBSCRIBE_BATCH
from brokers.wire.oddities import Oddities
from brokers.wire.stream import Address, Stream, StreamRules
from brokers.wire.tools import SessionTools
from engine.instant import NS_PER_S
from engine.tick import Tick

RULES: Final = StreamRules(silence_s=7.0, ping_s=None)
"""A heartbeat comes every couple of seconds; the official clients give up after about 5 s (facts/kite.md §5)."""
_MODE: Final = "full"
_UNTIMED_AGE_NS: Final = 2 * NS_PER_S
"""A subscription answers with a packet without a time before its mode is set. Dated now, it would be newer than every
full packet of the running second, whose time is that second's beginning, and they would decide nothing. So it is dated
back: by the second that times are cut to, and a second of the way here."""
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder().decode


class Ticker:
    """Implements `brokers.wire.stream.StreamWords`."""

    def __init__(
        self,
        address: Callable[[], Address],
        symbols: Callable[[], Mapping[int, str]],
        tools: SessionTools,
        oddities: Oddities,
        on_refused: Callable[[], None],
        rules: StreamRules = RULES,
    ) -> None:
        """`symbols`: today's names by token. `on_refused` hears that the upgrade was refused for good."""
        self.address = address
        self._symbols = symbols
        self._clock = tools.clock
        self._odd = oddities.add
        self._on_refused = on_refused
        self._wanted: dict[int, None] = {}
        self._sent: set[int] = set()
        self._links: list[Callable[[str], None]] = []
        self.on_tick: Callable[[Tick], None] | None = None
        self.on_order: Callable[[object], None] | None = None
        self.stream = Stream("kite ticker", self, tools.random, self._on_state, rules)

    def on_link(self, heard: Callable[[str], None]) -> None:
        self._links.append(heard)

    @property
    def wanted_count(self) -> int:
        return len(self._wanted)

    async def subscribe(self, tokens: Iterable[int]) -> None:
        """Remembered for ever; sent now when live, else with the next connect."""
        self._wanted.update(dict.fromkeys(tokens))
        if not self.stream.is_live:  # the greeting sends whatever is wanted by then
            return
        for batch in self._unsent():
            for text in self._words(batch):
                if not await self.stream.send(text):
                    return

    async def greet(self, socket: ClientConnection) -> None:
        """What is asked for while this is under way is sent as well."""
        self._sent.clear()
        while batches := self._unsent():
            for text in self._words(batches[0]):
                await socket.send(text)

    def hear(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            self._hear_text(frame)
        elif (on_tick := self.on_tick) is not None:
            for tick in decode_frame(frame, self._symbols(), self._clock.now_ns() - _UNTIMED_AGE_NS, self._odd):
                on_tick(tick)

    def _hear_text(self, frame: str) -> None:
        try:
            message: Any = _DECODE(frame)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self._odd("a ticker text that is no JSON", frame)
            return
        fields = fields_of(message)
        kind = fields.get("type")
        if kind == "order":
            if self.on_order is not None:
                self.on_order(fields.get("data"))
        elif kind == "error":
            self._odd("an error told by the ticker", fields.get("data"))
        elif kind is None:
            self._odd("a ticker text without a type", frame)

    def _unsent(self) -> list[list[int]]:
        """In batches."""
        left = [token for token in self._wanted if token not in self._sent]
        return [left[at : at + SUBSCRIBE_BATCH] for at in range(0, len(left), SUBSCRIBE_BATCH)]

    def _words(self, batch: list[int]) -> tuple[str, str]:
        self._sent.update(batch)
        return (
            _ENCODE({"a": "subscribe", "v": batch}).decode(),
            _ENCODE({"a": "mode", "v": [_MODE, batch]}).decode(),
        )

    def _on_state(self, why: str) -> None:
        for heard in self._links:
            heard(why)
        if self.stream.is_dead:
            self._on_refused()
