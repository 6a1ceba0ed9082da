"""Dhan's order-update socket: its greeting, and its frames as reports (facts/dhan.md §5c).

The login is not acknowledged, and a good stream may be silent for hours. A bad login is taken as well and dropped a few
milliseconds later, so the stream counts as live only when it has outlived that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection

from brokers.dhan.line import DhanLine
from brokers.dhan.orders import BrokenRow, frame_of
from brokers.wire.stream import Address, CredentialsDead
from engine.port import OrderReport

_OUTLIVES_S: Final = 0.3
_JSON: Final = msgspec.json.Decoder()


class DroppedAtOnce(OSError):
    """The socket was dropped right after the login."""


class OrderWords:
    """Implements `brokers.wire.stream.StreamWords`."""

    def __init__(self, line: DhanLine, on_report: Callable[[OrderReport], None]) -> None:
        self._line = line
        self._on_report = on_report

    def address(self) -> Address:
        return Address(self._line.terms.order_feed_url)

    async def greet(self, socket: ClientConnection) -> None:
        if not self._line.state.is_live:
            raise CredentialsDead(self._line.state.reason)
        login = {"MsgCode": 42, "ClientId": self._line.client_id, "Token": self._line.token}
        await socket.send(msgspec.json.encode({"LoginReq": login, "UserType": "SELF"}).decode())
        try:
            async with asyncio.timeout(_OUTLIVES_S):
                await socket.wait_closed()
        except TimeoutError:
            return
        self._line.prove_soon()
        raise DroppedAtOnce

    def hear(self, frame: str | bytes) -> None:
        try:
            report = frame_of(_JSON.decode(frame), self._line.master.symbol_of_frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._line.oddities.add("an order update that is no JSON", frame)
        except BrokenRow as broken:
            self._line.oddities.add(f"an order update: {broken}", frame)
        else:
            if report is None:
                self._line.oddities.add("an order update of another type", frame)
            else:
                self._on_report(report)
