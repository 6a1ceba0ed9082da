"""The venue's websocket: subscriptions in, ticker packets, heartbeats and order frames out (facts/kite.md §5)."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

from aiohttp import WSMsgType, web

from brokers.kite.rules import TOKENS_PER_SOCKET
from brokers.kite.venue_master import VenueMaster
from brokers.kite.venue_packets import HEARTBEAT, MODES, frame, packet
from brokers.kite.venue_prices import DayPrices
from engine.tick import Tick

_BEAT_S: Final = 1.0
_PACKETS_WAITING: Final = 20_000
"""Of one client that reads too slowly: the oldest are dropped. Order frames never are."""
_PACKETS_PER_FRAME: Final = 200
_MESSAGE_MAX: Final = 256 * 1024


class Watcher:
    """One connection."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.modes: dict[int, str] = {}
        self.packets: deque[bytes] = deque(maxlen=_PACKETS_WAITING)
        self.texts: deque[str] = deque()
        self.wake = asyncio.Event()


class TickerHub:
    """All connections. `watch` is asked for the floor's ticks of symbols."""

    def __init__(
        self,
        master: VenueMaster,
        prices: Callable[[str], DayPrices],
        watch: Callable[[Sequence[str]], Awaitable[None]],
    ) -> None:
        self._master = master
        self._prices = prices
        self._watch = watch
        self._watchers: set[Watcher] = set()

    def count(self, account: str) -> int:
        return sum(watcher.account == account for watcher in self._watchers)

    def on_tick(self, tick: Tick) -> None:
        quoted = self._master.by_symbol(tick.symbol)
        if quoted is None:
            return
        token = quoted.listing.token
        for watcher in self._watchers:
            mode = watcher.modes.get(token)
            if mode is not None:
                watcher.packets.append(packet(token, tick, self._prices(tick.symbol), mode))
                watcher.wake.set()

    def tell(self, account: str, message: object) -> None:
        """An order frame to every connection of the account."""
        text = json.dumps(message)
        for watcher in self._watchers:
            if watcher.account == account:
                watcher.texts.append(text)
                watcher.wake.set()

    async def serve(self, request: web.Request, account: str) -> web.WebSocketResponse:
        """From the upgrade to the end."""
        socket = web.WebSocketResponse(compress=False, max_msg_size=_MESSAGE_MAX)
        await socket.prepare(request)
        watcher = Watcher(account)
        self._watchers.add(watcher)
        writer = asyncio.get_running_loop().create_task(self._write(socket, watcher))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._obey(watcher, cast("str", message.data))
        finally:
            self._watchers.discard(watcher)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _write(self, socket: web.WebSocketResponse, watcher: Watcher) -> None:
        await socket.send_bytes(HEARTBEAT)
        while True:
            try:
                async with asyncio.timeout(_BEAT_S):
                    await watcher.wake.wait()
            except TimeoutError:
                await socket.send_bytes(HEARTBEAT)
                continue
            watcher.wake.clear()
            while watcher.texts:
                await socket.send_str(watcher.texts.popleft())
            while watcher.packets:
                some = [watcher.packets.popleft() for _ in range(min(_PACKETS_PER_FRAME, len(watcher.packets)))]
                await socket.send_bytes(frame(some))

    async def _obey(self, watcher: Watcher, text: str) -> None:
        """What makes no sense is answered with an error text, as Kite does."""
        try:
            message: Any = json.loads(text)
            action, value = message["a"], message["v"]
            mode, tokens = value if action == "mode" else ("quote", value)
            known = [int(token) for token in tokens if isinstance(token, int)]
        except (ValueError, TypeError, KeyError, RecursionError):
            action, mode, known = "", "", []
        if action == "unsubscribe":
            for token in known:
                watcher.modes.pop(token, None)
        elif action in ("subscribe", "mode") and mode in MODES:
            await self._set_modes(watcher, known, mode, is_new=action == "subscribe")
        else:
            watcher.texts.append(json.dumps({"type": "error", "data": "Invalid message"}))
            watcher.wake.set()

    async def _set_modes(self, watcher: Watcher, tokens: Sequence[int], mode: str, *, is_new: bool) -> None:
        """New ones get a first packet at once; tokens beyond the limit are refused."""
        symbols: list[str] = []
        for token in tokens:
            quoted = self._master.by_token(token)
            if quoted is None or (is_new and len(watcher.modes) >= TOKENS_PER_SOCKET and token not in watcher.modes):
                continue
            if is_new or token in watcher.modes:
                watcher.modes[token] = mode
                symbols.append(quoted.instrument.symbol)
        await self._watch(symbols)
        for symbol in symbols:
            quoted, prices = self._master.by_symbol(symbol), self._prices(symbol)
            if quoted is not None and prices.tick is not None:
                watcher.packets.append(packet(quoted.listing.token, prices.tick, prices, mode))
        watcher.wake.set()
