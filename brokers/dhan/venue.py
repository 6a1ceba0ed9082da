"""Dhan's API over the paper exchange, on loopback: orders, books, market data, login and both sockets.

It answers as Dhan is known to answer, bad manners included: no envelope, two shapes for one order, refusals that come
after an acceptance, MARKET turned into a LIMIT that may rest, two ways to say that a token is dead. Credentials that
begin with `rehearsal` are taken, and so are tokens that its own login gave; nothing else is. The client id names the
account (facts/dhan.md §8).
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final

import msgspec
from aiohttp import web

from brokers.dhan import venue_rows as rows
from brokers.dhan.venue_login import LoginDesk
from brokers.dhan.venue_market import VenueMarket
from brokers.dhan.venue_orders import OrderDesk
from brokers.dhan.venue_streams import EXPIRED, FeedSocket, feed_socket, order_login
from brokers.dhan.vocabulary import object_in
from brokers.paper.server import Floor, UnknownAccount
from brokers.venue.site import Site, VenueTerms
from engine.instant import NS_PER_S
from engine.order import Trade
from engine.port import OrderReport, ReadFailed

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_API: Final = "/v2"
_MASTER: Final = "/api-data/api-scrip-master.csv"
_DATA_ROUTES: Final = ("/v2/charts", "/v2/profile")
"""Where a dead token is told as an order error."""
_TELL_MAX: Final = 1024
_READS: Final = {"quote": (1, 1), "charts": (5, 1), "chain": (1, 3)}
"""Calls in seconds of the exchange clock."""


class DhanVenue(Site):
    """A `brokers.venue.site.Site`."""

    def __init__(
        self,
        floor: Floor,
        random: Random,
        terms: VenueTerms | None = None,
        on_note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        super().__init__(floor, random, terms, on_note)
        self.market = VenueMarket(floor, self._on_price)
        self.logins = LoginDesk(floor.clock, random, lambda: self.terms.token_expires)
        self._feeds: list[FeedSocket] = []
        self._order_sockets: dict[asyncio.BaseTransport, tuple[str, asyncio.Queue[OrderReport]]] = {}
        self._desks: dict[str, OrderDesk] = {}
        self._opening = asyncio.Lock()
        self._reads: defaultdict[tuple[str, str], deque[int]] = defaultdict(deque)
        self._route()
        floor.market.listen(self.market.on_tick)

    def _route(self) -> None:
        add = self.app.router.add_route
        for method, path, handler in (
            ("GET", "/profile", self._profile),
            ("GET", "/ip/getIP", self._get_ip),
            ("POST", "/orders", self._place),
            ("PUT", "/orders/{order_id}", self._modify),
            ("DELETE", "/orders/{order_id}", self._cancel),
            ("GET", "/orders", self._orders),
            ("GET", "/orders/external/{label}", self._by_label),
            ("GET", "/orders/{order_id}", self._by_id),
            ("GET", "/trades", self._trades),
            ("GET", "/trades/", self._trades),
            ("GET", "/trades/{order_id}", self._trades),
            ("GET", "/positions", self._positions),
            ("GET", "/holdings", self._holdings),
            ("GET", "/fundlimit", self._funds),
            ("POST", "/margincalculator", self._margin),
            ("POST", "/marketfeed/{mode:ltp|ohlc|quote}", self._quotes),
            ("POST", "/charts/{span:intraday|historical}", self._bars),
            ("POST", "/optionchain", self._chain),
            ("POST", "/optionchain/expirylist", self._expiries),
        ):
            add(method, f"{_API}{path}", self._guarded(handler))
        for method, path, handler in self.logins.routes():
            add(method, path, handler)
        add("GET", _MASTER, self._master)
        add("GET", "/feed", self._feed)
        add("GET", "/orders", self._order_stream)
        add("*", "/{unknown:.*}", self._unknown)

    # --- sessions -----------------------------------------------------------------------------------------------------

    def end_sessions(self) -> None:
        """Every token seen or given so far; the streams that were opened with one end too."""
        self.logins.end_all()
        for feed in tuple(self._feeds):
            feed.cut(EXPIRED)
        for transport in tuple(self._order_sockets):
            _abort(transport)

    def _guarded(self, handler: Callable[[web.Request, OrderDesk], Awaitable[web.Response]]) -> Handler:
        """Token, then account, then the route."""

        async def guarded(request: web.Request) -> web.Response:
            token = request.headers.get("access-token", "")
            client_id = request.headers.get("client-id", "") or request.headers.get("dhanClientId", "")
            if not self.logins.is_alive(token, client_id):
                is_data = request.path.startswith(_DATA_ROUTES)
                return _refuse(rows.DEAD_TOKEN_OF_DATA if is_data else rows.DEAD_TOKEN)
            try:
                desk = await self._desk(self.logins.client_of(token, client_id), token)
            except UnknownAccount:
                return _refuse(rows.NO_ACCOUNT)
            try:
                return await handler(request, desk)
            except ReadFailed:
                return _refuse(rows.INTERNAL)

        return guarded

    async def _desk(self, client_id: str, token: str) -> OrderDesk:
        """Of a client; clients without an id of their own are told apart by their tokens."""
        who = client_id if client_id != "rehearsal" else token
        name = f"dhan-{re.sub(r'[^A-Za-z0-9_-]', '-', who)}"[:32]
        async with self._opening:
            desk = self._desks.get(name)
            if desk is None:
                await self.market.refresh()
                port = await self.floor.account(name)
                desk = self._desks[name] = OrderDesk(name, client_id, port, self.floor, self.market, self.random)
                desk.listen(self._tell)
                port.listen(desk.on_report, _on_trade)
        return desk

    async def _profile(self, request: web.Request, desk: OrderDesk) -> web.Response:
        return _json({
            "dhanClientId": desk.client_id,
            "tokenValidity": self.logins.validity(request.headers.get("access-token", "")),
            "activeSegment": "Equity, Derivative, Currency, Commodity",
            "ddpi": "Active",
            "mtf": "Active",
            "dataPlan": "Active",
            "dataValidity": "2099-12-31 00:00:00.0",
        })  # fmt: skip

    async def _get_ip(self, request: web.Request, _desk: OrderDesk) -> web.Response:
        allowed = self.terms.trading_allowed
        return _json({
            "modifyDatePrimary": "2026-07-30",
            "modifyDateSecondary": "2026-07-30",
            "primaryIP": request.remote if allowed else "192.0.2.10",
            "secondaryIP": "",
            "detectedIP": request.remote,
            "ipMatchStatus": "MATCH" if allowed else "MISMATCH",
            "ordersAllowed": allowed,
        })  # fmt: skip

    # --- orders -------------------------------------------------------------------------------------------------------

    async def _write(
        self, request: web.Request, desk: OrderDesk, act: Callable[[dict[str, Any]], Awaitable[Any]]
    ) -> web.Response:
        """What is common to place, modify and cancel: rate, address, body, and a reply that may get lost."""
        if self.is_throttled(desk.name):
            return _refuse(rows.TOO_MANY)
        if not self.terms.trading_allowed:
            return _refuse(rows.FORBIDDEN_ADDRESS)
        body: dict[str, Any] = {}
        if request.can_read_body:
            try:
                body = object_in(msgspec.json.decode(await request.read()))
            except msgspec.DecodeError:
                return _refuse(rows.BAD_INPUT)
        outcome = await act(body)
        if outcome is None:
            return await self.lose_reply(request)
        return _refuse(outcome) if isinstance(outcome, tuple) else _json(outcome)  # pyright: ignore[reportUnknownArgumentType]

    async def _place(self, request: web.Request, desk: OrderDesk) -> web.Response:
        return await self._write(request, desk, desk.place)

    async def _modify(self, request: web.Request, desk: OrderDesk) -> web.Response:
        return await self._write(request, desk, lambda body: desk.modify(request.match_info["order_id"], body))

    async def _cancel(self, request: web.Request, desk: OrderDesk) -> web.Response:
        return await self._write(request, desk, lambda _body: desk.cancel(request.match_info["order_id"]))

    async def _orders(self, _request: web.Request, desk: OrderDesk) -> web.Response:
        return _json(await desk.order_rows())

    async def _by_id(self, request: web.Request, desk: OrderDesk) -> web.Response:
        """A list of one, as it was recorded; none is an empty list."""
        found = [row for row in await desk.order_rows() if row["orderId"] == request.match_info["order_id"]]
        return _json(found)

    async def _by_label(self, request: web.Request, desk: OrderDesk) -> web.Response:
        """Of every shape that was reported: an object, a list of one, and nothing as `[]`, 400 or 404."""
        found = [row for row in await desk.order_rows() if row["correlationId"] == request.match_info["label"]]
        if found:
            return _json(found[0] if len(found) == 1 and self.random.random() < 0.5 else found)
        how = self.random.randrange(3)
        if how == 0:
            return _json([])
        return _refuse(rows.BAD_INPUT) if how == 1 else await self._unknown(request)

    async def _trades(self, request: web.Request, desk: OrderDesk) -> web.Response:
        return _json(await desk.trade_rows(request.match_info.get("order_id", "")))

    async def _positions(self, _request: web.Request, desk: OrderDesk) -> web.Response:
        return _json(await desk.position_rows())

    async def _holdings(self, _request: web.Request, _desk: OrderDesk) -> web.Response:
        return _refuse(rows.NO_HOLDINGS)

    async def _funds(self, _request: web.Request, desk: OrderDesk) -> web.Response:
        return _json(await desk.funds())

    async def _margin(self, request: web.Request, desk: OrderDesk) -> web.Response:
        margin = await desk.margin(await _body(request))
        return _refuse(rows.BAD_INPUT) if margin is None else _json(margin)

    # --- market data --------------------------------------------------------------------------------------------------

    async def _quotes(self, request: web.Request, desk: OrderDesk) -> web.Response:
        return await self._data(desk, "quote", await self._quotes_of(request))

    async def _quotes_of(self, request: web.Request) -> Any:
        await self.market.refresh()
        return await self.market.quotes(await _body(request), request.match_info["mode"])

    async def _bars(self, request: web.Request, desk: OrderDesk) -> web.Response:
        bars = self.market.bars(await _body(request), daily=request.match_info["span"] == "historical")
        if bars is not None and not bars["timestamp"]:
            return _json(
                {
                    "errorCode": "NONE",
                    "httpStatus": "BAD_REQUEST",
                    "internalErrorCode": "RS-9005",
                    "internalErrorMessage": "Data not available",
                },
                400,
            )
        return await self._data(desk, "charts", bars)

    async def _expiries(self, request: web.Request, desk: OrderDesk) -> web.Response:
        return await self._data(desk, "chain", self.market.expiries(await _body(request)))

    async def _chain(self, request: web.Request, desk: OrderDesk) -> web.Response:
        return await self._data(desk, "chain", await self.market.chain(await _body(request)))

    async def _data(self, desk: OrderDesk, kind: str, answer: Any) -> web.Response:
        """Rates of data routes are told in a form of their own."""
        most, span_s = _READS[kind]
        now_ns, times = self.floor.clock.now_ns(), self._reads[desk.name, kind]
        while times and times[0] <= now_ns - span_s * NS_PER_S:
            times.popleft()
        if len(times) >= most:
            return _refuse(rows.TOO_MANY)
        times.append(now_ns)
        return _refuse(rows.BAD_INPUT) if answer is None else _json(answer)

    async def _master(self, _request: web.Request) -> web.Response:
        await self.market.refresh()
        return web.Response(text=self.market.catalogue.csv(), content_type="text/csv")

    # --- streams ------------------------------------------------------------------------------------------------------

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        await self.market.refresh()
        with self.streaming(request):
            return await feed_socket(
                request, self._feeds, self.logins.is_alive, self.market, self.floor.market.subscribe
            )

    def _on_price(self, symbol: str) -> None:
        for feed in self._feeds:
            feed.show(symbol, self.market)

    async def _order_stream(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=10, max_msg_size=_TELL_MAX * 16, compress=False)
        await socket.prepare(request)
        transport = request.transport
        assert transport is not None, "aiohttp gives every live request its transport"
        with self.streaming(request):
            client_id, token = await order_login(socket)
            if not self.logins.is_alive(token, client_id):
                _abort(transport)
                return socket
            desk = await self._desk(self.logins.client_of(token, client_id), token)
            queue: asyncio.Queue[OrderReport] = asyncio.Queue(_TELL_MAX)
            self._order_sockets[transport] = (desk.name, queue)
            writer = asyncio.get_running_loop().create_task(self._write_orders(socket, desk, queue))
            try:
                async for _ in socket:
                    pass
            finally:
                del self._order_sockets[transport]
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _write_orders(
        self, socket: web.WebSocketResponse, desk: OrderDesk, queue: asyncio.Queue[OrderReport]
    ) -> None:
        """Keys in one of the two casings that were seen, one per connection."""
        camel = self.random.random() < 0.5
        while True:
            frame = desk.frame(await queue.get(), camel=camel)
            if frame is not None:
                await socket.send_str(msgspec.json.encode(frame).decode())

    def _tell(self, name: str, report: OrderReport) -> None:
        for transport, (owner, queue) in tuple(self._order_sockets.items()):
            if owner == name:
                if queue.full():
                    _abort(transport)  # updates are never left out silently
                else:
                    queue.put_nowait(report)

    async def _unknown(self, request: web.Request) -> web.Response:
        now_ms = self.floor.clock.now_ns() // 1_000_000
        return _json({"timestamp": now_ms, "status": 404, "error": "Not Found", "path": request.path}, 404)


def _on_trade(_trade: Trade) -> None:
    """Dhan pushes no trade records."""


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        return object_in(msgspec.json.decode(await request.read()))
    except msgspec.DecodeError:
        return {}


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def _refuse(error: rows.Error) -> web.Response:
    return _json(rows.error_body(error), error[0])


def _abort(transport: asyncio.BaseTransport) -> None:
    """A reset, without a close frame."""
    if isinstance(transport, asyncio.Transport):
        transport.abort()
