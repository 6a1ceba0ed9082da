"""A loopback OpenAlgo server in front of the paper exchange: REST and the WebSocket proxy (facts/openalgo.md).

It begins in analyze mode, as a rehearsal should, and a client may switch it (`analyzer/toggle`), as at the real one. In
live mode it writes what the XTS plugin writes: no filled quantities, no labels, numbers as order ids, generic refusals.
An account is an API key that begins with "rehearsal"; every other key gets the 403 that a dead session gets. Not copied
are the analyzer's own faults (a change of type that is ignored, full fills only): the paper exchange decides fills.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import time, timedelta
from random import Random
from typing import Any, Final

import msgspec
from aiohttp import web

from brokers.openalgo import venue_books as books
from brokers.openalgo import venue_checks as checks
from brokers.openalgo import venue_market as market
from brokers.openalgo.master import expiry_of
from brokers.openalgo.orders import STRATEGY_TAG
from brokers.openalgo.rules import Mode
from brokers.openalgo.shapes import object_of
from brokers.openalgo.venue_checks import Asked, Invalid
from brokers.openalgo.venue_stream import Desk, Proxy
from brokers.paper.server import Floor
from brokers.venue.site import REHEARSAL, Site, VenueTerms
from brokers.wire.numbers import rupees_of, whole_of
from engine import refusals
from engine.instant import NS_PER_MS, at_ist, ist_date
from engine.instrument import Instrument
from engine.money import ceil_to_tick, floor_to_tick
from engine.order import OrderState, OrderType, Side
from engine.port import Acked, Answer, BrokerPort, OrderChange, OrderReport, OrderRequest, ReadFailed, Refused
from engine.tick import Tick

_PLUGIN: Final = "compositedge"
"""The broker plugin that live mode imitates."""
_BAD_KEY: Final = "Invalid openalgo apikey"
_ENDS_AT: Final = time(3, 0)
_MARKET_BAND_PCT: Final = 3
"""A MARKET order's protection around the last price; the paper exchange takes no bare one."""
_KEY_MAX: Final = 32

Body = Mapping[str, Any]
Handler = Callable[[web.Request, str, Body], Awaitable[web.StreamResponse]]


class OpenAlgoVenue(Site):
    """`mode`, `semi_auto` and `broker_down` may be changed while it runs."""

    def __init__(
        self,
        floor: Floor,
        random: Random,
        terms: VenueTerms | None = None,
        on_note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        super().__init__(floor, random, terms, on_note)
        self._mode = Mode.ANALYZE
        self.semi_auto = False
        """Orders are queued for a person's approval instead of placed."""
        self.broker_down = False
        """Live mode: the broker answers 200 with an error body, and the server makes success of it (facts §6)."""
        self._instruments: dict[str, Instrument] = {}
        self._market = market.MarketSide()
        self._logins: dict[str, int] = {}
        """Key -> when it was first seen, or logged in again."""
        self._dead: set[str] = set()
        self._heard: set[str] = set()
        self._labels: dict[str, str] = {}
        """Order id -> `strategy` of its place call."""
        self._placed_ns: dict[str, int] = {}
        self._tags: set[str] = set()
        self._jobs: set[asyncio.Task[None]] = set()
        self.proxy = Proxy(
            Desk(self._account_of, self._exchange_of, self._want, lambda: _PLUGIN, lambda: self._now_ns() // NS_PER_MS)
        )
        self._handlers: dict[str, Handler] = {
            "ping": self._ping, "analyzer": self._analyzer, "analyzer/toggle": self._toggle,
            "placeorder": self._place, "modifyorder": self._modify, "cancelorder": self._cancel,
            "orderbook": self._orderbook, "orderstatus": self._orderstatus, "tradebook": self._tradebook,
            "positionbook": self._positionbook, "openposition": self._openposition, "holdings": self._holdings,
            "funds": self._funds, "margin": self._margin, "quotes": self._quotes, "multiquotes": self._multiquotes,
            "depth": self._depth, "history": self._history, "intervals": self._intervals, "symbol": self._symbol,
            "search": self._search, "expiry": self._expiry, "optionchain": self._optionchain,
        }  # fmt: skip
        self.app.router.add_get("/", self._page)
        self.app.router.add_get("/ws", self._socket)
        self.app.router.add_get("/api/v1/instruments", self._list_instruments)
        self.app.router.add_route("*", "/api/v1/{name:.+}", self._dispatch)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.floor.market.listen(self._on_tick)
        await self._refresh()
        await super().start(host, port)

    async def close(self) -> None:
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await super().close()

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        """The server-wide switch. Raises ValueError for a word that is neither."""
        self._mode = Mode(mode)

    # --- who is asking ------------------------------------------------------------------------------------------------

    def end_sessions(self) -> None:
        """Every key that was seen is refused, until a person logs in on the page again."""
        self._dead |= set(self._logins)

    def _account_of(self, key: object) -> str:
        """The account of a key, empty when it is refused. A login at the broker ends at 03:00 IST (facts §1)."""
        if not isinstance(key, str) or not key.startswith(REHEARSAL) or key in self._dead:
            return ""
        now_ns = self._now_ns()
        began_ns = self._logins.setdefault(key, now_ns)
        day = ist_date(began_ns)
        end_ns = at_ist(day, _ENDS_AT)
        end_ns = end_ns if began_ns < end_ns else at_ist(day + timedelta(1), _ENDS_AT)
        if self.terms.token_expires and now_ns >= end_ns:
            self._dead.add(key)
            return ""
        clean = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in key)
        return clean if len(clean) <= _KEY_MAX else f"{clean[: _KEY_MAX - 9]}-{zlib.crc32(key.encode()):08x}"

    async def _page(self, _request: web.Request) -> web.Response:
        """The web page where a person logs in; here a visit is enough."""
        self._logins.clear()
        self._dead.clear()
        return web.Response(text="This is a rehearsal venue for OpenAlgo. You are logged in.")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        with self.streaming(request):
            return await self.proxy.serve(request)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"].rstrip("/")
        handler = self._handlers.get(name)
        if handler is None or request.method != "POST":
            return _error(404, "Not found", path=request.path)
        if request.content_type != "application/json":
            return _error(500, "An unexpected error occurred in the API endpoint")
        try:
            body = object_of(msgspec.json.decode(await request.read()))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            text = "The browser (or proxy) sent a request that this server could not understand."
            return _json(400, {"message": text})
        account = self._account_of(body.get("apikey"))
        if name in ("placeorder", "modifyorder", "cancelorder") and self.is_throttled(account):
            return _limited(self.terms.writes_per_s)
        if not account:
            return _error(403, _BAD_KEY)
        try:
            return await handler(request, account, body)
        except ReadFailed as failure:
            return _error(500, str(failure))

    # --- orders -------------------------------------------------------------------------------------------------------

    async def _place(self, request: web.Request, account: str, body: Body) -> web.StreamResponse:
        try:
            asked = checks.read_place(body)
        except Invalid as invalid:
            return _error(400, str(invalid))
        if self.semi_auto:
            text = "Order queued for approval in Action Center"
            return _json(200, {"message": text, "mode": "semi_auto", "pending_order_id": 1, "status": "success"})
        if (wrong := self._wrong_order(asked)) is not None:
            return wrong
        if self._is_broker_down:
            return _json(200, {"orderid": None, "status": "success"})
        instrument = self._instruments[asked.symbol]
        port = await self._trader(account)
        await self.floor.market.subscribe([asked.symbol])  # an order that rests must see prices
        order = OrderRequest(
            tag=self._tag_for(asked.strategy),
            symbol=asked.symbol,
            exchange=asked.exchange,
            product=asked.product,
            side=asked.side,
            type=asked.type,
            qty=asked.qty,
            limit_paise=await self._limit_of(asked, instrument),
            trigger_paise=asked.trigger_paise,
        )
        answer = await port.place(order)
        if isinstance(answer, Acked):
            self._labels[answer.broker_id] = asked.strategy
            self._placed_ns.setdefault(answer.broker_id, self._now_ns())
        return await self._answered(request, answer, "place", "", instrument)

    async def _modify(self, request: web.Request, account: str, body: Body) -> web.StreamResponse:
        try:
            asked = checks.read_modify(body)
        except Invalid as invalid:
            return _error(400, str(invalid))
        if self.semi_auto and self._is_live:
            return _error(403, "Modify order operation is not allowed in Semi-Auto mode. Please switch to Auto mode.")
        if (wrong := self._wrong_order(asked)) is not None:
            return wrong
        if self._is_broker_down:
            return _json(200, {"orderid": asked.order_id, "status": "success"})
        instrument = self._instruments[asked.symbol]
        port = await self._trader(account)
        change = OrderChange(
            tag=asked.strategy,
            broker_id=asked.order_id,
            type=asked.type,
            qty=asked.qty,
            limit_paise=await self._limit_of(asked, instrument),
            trigger_paise=asked.trigger_paise,
        )
        answer = await port.modify(change)
        if _is_finished(answer):
            return await self._finished(port, asked.order_id, "modify")
        return await self._answered(request, answer, "modify", asked.order_id, instrument)

    async def _cancel(self, request: web.Request, account: str, body: Body) -> web.StreamResponse:
        try:
            order_id = checks.read_cancel(body)
        except Invalid as invalid:
            return _error(400, str(invalid))
        if self.semi_auto and self._is_live:
            return _error(403, "Cancel order operation is not allowed in Semi-Auto mode. Please switch to Auto mode.")
        if self._is_broker_down:
            return _json(200, {"orderid": order_id, "status": "success"})
        port = await self._trader(account)
        answer = await port.cancel("", order_id)
        if _is_finished(answer):
            return await self._finished(port, order_id, "cancel")
        return await self._answered(request, answer, "cancel", order_id, None)

    def _wrong_order(self, asked: Asked) -> web.Response | None:
        """What is refused before it reaches the exchange."""
        if not self.terms.trading_allowed:
            return _error(403, "Order refused: the address of this server is not registered with the broker")
        if self._exchange_of(asked.symbol) != asked.exchange:
            return self._no("place", f"Symbol {asked.symbol} not found on {asked.exchange}")
        if text := checks.price_error(asked):
            return self._no("place", text)
        return None

    async def _limit_of(self, asked: Asked, instrument: Instrument) -> int:
        """A MARKET order becomes one with protection around the last price."""
        if asked.type is not OrderType.MARKET:
            return asked.price_paise
        ltp = (await self.floor.market.quote(asked.symbol)).ltp_paise
        band = max(ltp * _MARKET_BAND_PCT // 100, 10 * instrument.tick_paise)
        if asked.side is Side.BUY:
            return ceil_to_tick(ltp + band, instrument.tick_paise)
        return max(instrument.tick_paise, floor_to_tick(ltp - band, instrument.tick_paise))

    async def _answered(
        self, request: web.Request, answer: Answer, verb: str, order_id: str, instrument: Instrument | None
    ) -> web.StreamResponse:
        """The floor's answer in the server's words."""
        match answer:
            case Acked(broker_id=broker_id):
                if self._is_live:
                    number = int(broker_id) if broker_id.isdecimal() and verb == "place" else broker_id
                    return _json(200, {"orderid": number, "status": "success"})
                said = {"modify": "Order modified successfully", "cancel": "Order cancelled successfully"}.get(verb)
                return self._ok({"orderid": broker_id} | ({"message": said} if said else {}))
            case Refused(code=refusals.THROTTLED):
                return _limited(self.terms.writes_per_s)
            case Refused():
                lot = instrument.lot_size if instrument is not None else 1
                status = 404 if answer.code == refusals.NO_SUCH_ORDER else 400
                return self._no(verb, books.refusal_text(answer, order_id, lot), status)
            case _:
                return await self.lose_reply(request)

    async def _finished(self, port: BrokerPort, order_id: str, verb: str) -> web.Response:
        states = {row.broker_id: row.state for row in await port.read_orders()}
        word = books.word(states.get(order_id, OrderState.CANCELLED), live=False)
        return self._no(verb, f"Cannot {verb} order in {word} status")

    def _no(self, verb: str, text: str, status: int = 400) -> web.Response:
        """Live mode loses the reason: its plugin reads another field (facts §2)."""
        if self._is_live:
            return _error(400, f"Failed to {verb} order")
        return _error(status, text, mode="analyze")

    def _tag_for(self, strategy: str) -> str:
        """The exchange wants every tag once; the server takes any label as often as it comes."""
        tag = strategy
        while tag in self._tags or not STRATEGY_TAG.fullmatch(tag):
            tag = f"OA{self._now_ns() // NS_PER_MS:x}{self.random.randrange(1 << 20):x}"
        self._tags.add(tag)
        return tag

    # --- books --------------------------------------------------------------------------------------------------------

    async def _orderbook(self, _request: web.Request, account: str, _body: Body) -> web.StreamResponse:
        rows = [] if self._is_broker_down else await self._order_rows(account)
        return self._ok({"data": books.order_book(rows, live=self._is_live)})

    async def _order_rows(self, account: str) -> list[dict[str, Any]]:
        reports = await (await self._trader(account)).read_orders()
        return [self._order_row(report) for report in reports]

    def _order_row(self, report: OrderReport) -> dict[str, Any]:
        placed_ns = self._placed_ns.get(report.broker_id, report.at_ns)
        label = self._label(report.broker_id, report.tag)
        return books.order_row(report, self._exchange_of(report.symbol), label, placed_ns, live=self._is_live)

    def _label(self, broker_id: str, tag: str) -> str:
        return self._labels.get(broker_id, tag)

    async def _orderstatus(self, _request: web.Request, account: str, body: Body) -> web.StreamResponse:
        if "strategy" not in body or "orderid" not in body:
            missing = next(name for name in ("strategy", "orderid") if name not in body)
            return self._mode_error(400, str({missing: ["Missing data for required field."]}))
        order_id = str(body["orderid"])
        reports = await (await self._trader(account)).read_orders()
        report = next((report for report in reports if report.broker_id == order_id), None)
        if report is None or self._is_broker_down:
            return self._mode_error(404, f"Order {order_id} not found")
        return self._ok({"data": books.status_row(self._order_row(report), report.average_paise)})

    async def _tradebook(self, _request: web.Request, account: str, _body: Body) -> web.StreamResponse:
        if self._is_broker_down:
            return self._ok({"data": []})
        port = await self._trader(account)
        orders = {report.broker_id: report for report in await port.read_orders()}
        rows: list[dict[str, Any]] = []
        for trade in await port.read_trades():
            order = orders.get(trade.broker_id)
            product, qty = (order.product, order.qty) if order is not None else ("MIS", trade.qty)
            label = self._label(trade.broker_id, trade.tag)
            exchange = self._exchange_of(trade.symbol)
            rows.append(books.trade_row(trade, exchange, product, label, qty, live=self._is_live))
        return self._ok({"data": rows})

    async def _positionbook(self, _request: web.Request, account: str, _body: Body) -> web.StreamResponse:
        if self._is_broker_down:
            return _error(500, "'list' object has no attribute 'get'")
        rows: list[dict[str, Any]] = []
        for report in await (await self._trader(account)).read_positions():
            tick = self._market.ticks.get(report.symbol)
            ltp = tick.ltp_paise if tick is not None else 0
            rows.append(books.position_row(report, self._exchange_of(report.symbol), ltp, live=self._is_live))
        return self._ok({"data": rows})

    async def _openposition(self, _request: web.Request, account: str, body: Body) -> web.StreamResponse:
        reports = await (await self._trader(account)).read_positions()
        asked = (body.get("symbol"), body.get("product"))
        net = next((report.net_qty for report in reports if (report.symbol, report.product) == asked), 0)
        return self._ok({"quantity": str(net) if self._is_live else net})

    async def _holdings(self, _request: web.Request, _account: str, _body: Body) -> web.StreamResponse:
        names = ("totalholdingvalue", "totalinvvalue", "totalpnlpercentage", "totalprofitandloss")
        return self._ok({"data": {"holdings": [], "statistics": dict.fromkeys(names, 0.0)}})

    async def _funds(self, _request: web.Request, account: str, _body: Body) -> web.StreamResponse:
        if self._is_broker_down:
            return self._ok({"data": {}})
        await self._trader(account)
        kept = next(row for row in self.floor.ledger().accounts if row.name == account)
        used = max(0, kept.opening_paise - kept.cash_paise)
        figures = {
            "availablecash": rupees_of(kept.cash_paise), "collateral": 0.0, "m2mrealized": 0.0, "m2munrealized": 0.0,
            "utiliseddebits": rupees_of(used),
        }  # fmt: skip
        return self._ok({"data": {k: f"{v:.2f}" for k, v in figures.items()} if self._is_live else figures})

    async def _margin(self, _request: web.Request, _account: str, _body: Body) -> web.StreamResponse:
        return _error(501, "Compositedge does not support margin calculator API")

    # --- data ---------------------------------------------------------------------------------------------------------

    async def _ping(self, _request: web.Request, _account: str, _body: Body) -> web.StreamResponse:
        return _json(200, {"data": {"broker": _PLUGIN, "message": "pong"}, "status": "success"})

    async def _analyzer(self, _request: web.Request, _account: str, _body: Body) -> web.StreamResponse:
        data = {"analyze_mode": not self._is_live, "mode": self.mode.value, "total_logs": 0}
        return _json(200, {"data": data, "status": "success"})

    async def _toggle(self, _request: web.Request, _account: str, body: Body) -> web.StreamResponse:
        if not isinstance(body.get("mode"), bool):
            return _json(400, {"message": {"mode": ["Not a valid boolean."]}, "status": "error"})
        self.mode = Mode.ANALYZE if body["mode"] else Mode.LIVE
        text = f"Analyzer mode switched to {self.mode}"
        data = {"analyze_mode": not self._is_live, "message": text, "mode": self.mode.value, "total_logs": 0}
        return _json(200, {"data": data, "status": "success"})

    async def _quotes(self, _request: web.Request, _account: str, body: Body) -> web.StreamResponse:
        symbol = self._known(body)
        if symbol is None:
            return _unknown_symbol(body)
        if self._is_broker_down:
            return _error(500, "Error fetching quotes: Failed to fetch market data")
        return _json(200, {"data": market.quote_data(await self.floor.market.quote(symbol)), "status": "success"})

    async def _multiquotes(self, _request: web.Request, _account: str, body: Body) -> web.StreamResponse:
        results: list[dict[str, Any]] = []
        asked = body.get("symbols")
        for row in map(object_of, asked if isinstance(asked, list) else ()):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            symbol = self._known(row)
            name = {"symbol": row.get("symbol"), "exchange": row.get("exchange")}
            if symbol is None:
                results.insert(0, {**name, "error": "Symbol not found"})  # failed entries first (facts §5)
            else:
                results.append({**name, "data": market.quote_data(await self.floor.market.quote(symbol))})
        return _json(200, {"results": results, "status": "success"})

    async def _depth(self, _request: web.Request, _account: str, body: Body) -> web.StreamResponse:
        symbol = self._known(body)
        if symbol is None:
            return _unknown_symbol(body)
        tick = Tick(symbol, 0, 0) if self._is_broker_down else await self.floor.market.quote(symbol)
        return _json(200, {"data": market.depth_data(tick), "status": "success"})

    async def _history(self, _request: web.Request, _account: str, body: Body) -> web.StreamResponse:
        symbol = self._known(body)
        if symbol is None:
            return _unknown_symbol(body)
        if body.get("interval") not in market.INTERVALS:
            return _error(400, f"Invalid interval: {str(body.get('interval'))[:20]}")
        bars = self._market.bars(symbol, body["interval"], str(body.get("start_date")), str(body.get("end_date")))
        return _json(200, {"data": bars, "status": "success"})

    async def _intervals(self, _request: web.Request, _account: str, _body: Body) -> web.StreamResponse:
        data = {"days": [], "hours": [], "minutes": list(market.INTERVALS), "months": [], "seconds": [], "weeks": []}
        return _json(200, {"data": data, "status": "success"})

    async def _symbol(self, _request: web.Request, _account: str, body: Body) -> web.StreamResponse:
        symbol = self._known(body)
        if symbol is None:
            return _error(404, f"Symbol {body.get('symbol')} not found in exchange {body.get('exchange')}")
        row = self._market.instrument_row(self._instruments[symbol], freeze=True)
        return _json(200, {"data": row, "status": "success"})

    async def _search(self, _request: web.Request, _account: str, body: Body) -> web.StreamResponse:
        words = str(body.get("query", "")).upper().split()
        rows = [
            self._market.instrument_row(instrument, freeze=True)
            for instrument in self._instruments.values()
            if all(word in instrument.symbol for word in words)
            and body.get("exchange") in (None, "", instrument.exchange)
        ]
        return _json(200, {"data": rows, "message": f"Found {len(rows)} matching symbols", "status": "success"})

    async def _expiry(self, _request: web.Request, _account: str, body: Body) -> web.StreamResponse:
        wants_options = body.get("instrumenttype") == "options"
        found = {
            instrument.expiry: market.expiry_dashed(instrument)
            for instrument in self._instruments.values()
            if instrument.expiry is not None
            and instrument.underlying == body.get("symbol")
            and instrument.is_option is wants_options
        }
        dates = [text for _, text in sorted(found.items())]
        text = f"Found {len(dates)} expiry dates for {body.get('symbol')} in {body.get('exchange')}"
        return _json(200, {"data": dates, "message": text, "status": "success"})

    async def _optionchain(self, _request: web.Request, _account: str, body: Body) -> web.StreamResponse:
        name, word = str(body.get("underlying")), str(body.get("expiry_date"))
        expiry = expiry_of(f"{word[:2]}-{word[2:5]}-{word[5:]}")
        count = whole_of(body.get("strike_count", 100))
        if count is None or not 1 <= count <= 100:
            return _json(400, {"message": {"strike_count": ["Must be between 1 and 100."]}, "status": "error"})
        underlying = self._instruments.get(name)
        options = [i for i in self._instruments.values() if i.is_option and (i.underlying, i.expiry) == (name, expiry)]
        if underlying is None or not options:
            return _error(404, f"No options found for {name[:40]} {word[:10]}")
        quote = self.floor.market.quote
        ticks = [(option, await quote(option.symbol)) for option in options]
        reply = market.chain_reply(underlying, await quote(name), ticks, count, self._now_ns())
        return _json(200, reply)

    async def _list_instruments(self, request: web.Request) -> web.StreamResponse:
        if not self._account_of(request.query.get("apikey")):
            return _error(403, _BAD_KEY)
        await self._refresh()
        exchange = request.query.get("exchange", "")
        if exchange and exchange not in checks.EXCHANGES:
            return _json(400, {"message": {"exchange": ["Invalid exchange."]}, "status": "error"})
        rows = [
            self._market.instrument_row(instrument, freeze=False)
            for instrument in self._instruments.values()
            if exchange in ("", instrument.exchange)
        ]
        return _json(200, {"data": rows, "message": f"Found {len(rows)} instruments", "status": "success"})

    # --- the floor ----------------------------------------------------------------------------------------------------

    @property
    def _is_live(self) -> bool:
        return self.mode is Mode.LIVE

    @property
    def _is_broker_down(self) -> bool:
        return self._is_live and self.broker_down

    def _now_ns(self) -> int:
        return self.floor.clock.now_ns()

    async def _refresh(self) -> None:
        self._instruments = {row.symbol: row for row in await self.floor.market.instruments()}

    def _exchange_of(self, symbol: str) -> str:
        instrument = self._instruments.get(symbol)
        return instrument.exchange if instrument is not None else ""

    def _known(self, body: Body) -> str | None:
        symbol, exchange = body.get("symbol"), body.get("exchange")
        return symbol if isinstance(symbol, str) and exchange and self._exchange_of(symbol) == exchange else None

    def _want(self, symbol: str) -> None:
        async def subscribe() -> None:
            await self.floor.market.subscribe([symbol])

        job = asyncio.get_running_loop().create_task(subscribe(), name=f"venue subscribes {symbol}")
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def _on_tick(self, tick: Tick) -> None:
        self._market.hear(tick)
        self.proxy.on_tick(tick)

    async def _trader(self, account: str) -> BrokerPort:
        port = await self.floor.account(account)
        if account not in self._heard:
            self._heard.add(account)
            port.listen(lambda report: self._push(account, report), lambda _trade: None)
        return port

    def _push(self, account: str, report: OrderReport) -> None:
        """Only analyze mode pushes: the plugin that live mode imitates has no order updates (facts §7)."""
        if not self._is_live:
            self.proxy.on_update(account, books.update_frame(report, self._exchange_of(report.symbol), account))

    # --- replies ------------------------------------------------------------------------------------------------------

    def _ok(self, body: dict[str, Any]) -> web.Response:
        """Of an order or account call: analyze mode says so, live says nothing."""
        return _json(200, body | ({} if self._is_live else {"mode": "analyze"}) | {"status": "success"})

    def _mode_error(self, status: int, text: str) -> web.Response:
        return _error(status, text) if self._is_live else _error(status, text, mode="analyze")


def _is_finished(answer: Answer) -> bool:
    return isinstance(answer, Refused) and answer.code == refusals.ALREADY_FINISHED


def _json(status: int, body: Body) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def _error(status: int, message: str, **more: str) -> web.Response:
    return _json(status, {"message": message, **more, "status": "error"})


def _limited(per_s: int) -> web.Response:
    """The limiter's own form: no status, no Retry-After."""
    return _json(429, {"message": f"{per_s} per 1 second"})


def _unknown_symbol(body: Body) -> web.Response:
    text = f"Symbol '{body.get('symbol')}' not found for exchange '{body.get('exchange')}'."
    return _error(400, f"{text} Please verify the symbol name and ensure master contracts are downloaded.")
