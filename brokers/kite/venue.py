"""Kite's REST routes and websocket on loopback, in front of the floor: a rehearsal of a live Kite configuration.

The official Python client logs in, places, modifies, cancels, lists and streams against it (facts/kite.md). Not shown:
what the floor does not have (holdings, GTT, mutual funds, varieties other than regular, validity other than DAY), and
read limits; the limit on order writes is (`VenueTerms.writes_per_s`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any, Final
from zlib import crc32

from aiohttp import web

from brokers.kite.market_reads import INTERVALS
from brokers.kite.rules import QUOTES_PER_CALL
from brokers.kite.times import ns_of, stamp_of
from brokers.kite.venue_forms import wrong
from brokers.kite.venue_master import VenueMaster
from brokers.kite.venue_orders import Accounts, Lost, VenueAccount
from brokers.kite.venue_prices import DayPrices
from brokers.kite.venue_rows import KiteError, candle_row, margins, order_frame, quote_item, success
from brokers.kite.venue_sessions import Sessions, account_of, dead_token
from brokers.kite.venue_ticker import TickerHub
from brokers.paper.server import Floor, UnknownAccount
from brokers.venue.site import REHEARSAL, Site, VenueTerms
from brokers.wire.numbers import decimal_of
from engine.port import ReadFailed
from engine.tick import Tick

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_AUTHORIZATION: Final = re.compile(r"token ([^:\s]{1,128}):([^:\s]{1,256})")
_SOCKETS_MAX: Final = 3
_MINUTES: Final = {word: minutes for minutes, (word, _) in INTERVALS.items()}
_PROFILE: Final = {
    "user_type": "individual", "email": "rehearsal@example.com", "user_name": "Rehearsal",
    "user_shortname": "Rehearsal", "broker": "ZERODHA", "exchanges": ["NSE", "NFO", "BFO", "BSE"],
    "products": ["CNC", "NRML", "MIS"], "order_types": ["MARKET", "LIMIT", "SL", "SL-M"], "avatar_url": None,
    "meta": {"demat_consent": "physical"},
}  # fmt: skip


class KiteVenue(Site):
    """One venue."""

    def __init__(
        self,
        floor: Floor,
        random: Random,
        terms: VenueTerms | None = None,
        on_note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        super().__init__(floor, random, terms, on_note)
        expires = self.terms.token_expires
        self._sessions = Sessions(lambda: floor.clock.now_ns(), random, REHEARSAL, expires=expires)
        self._master = VenueMaster()
        self._prices: dict[str, DayPrices] = {}
        self._accounts = Accounts(self._open_account)
        self._hub = TickerHub(self._master, self._prices_of, self._watch)
        self.app.middlewares.append(self._in_kites_words)
        self._add_routes()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.floor.market.listen(self._on_tick)
        await self._refresh_master()
        await super().start(host, port)

    def end_sessions(self) -> None:
        """Streams too."""
        self._sessions.end_all()
        self.cut_streams()

    def _add_routes(self) -> None:
        router = self.app.router
        router.add_get("/", self._ticker)
        router.add_get("/connect/login", self._login_page)
        router.add_post("/session/token", self._log_in)
        router.add_delete("/session/token", self._log_out)
        reads: dict[str, Callable[[web.Request, VenueAccount], Awaitable[object]]] = {
            "/user/profile": self._profile,
            "/user/margins": self._margins,
            "/user/margins/{segment}": self._margins,
            "/orders": lambda _request, account: account.orders(),
            "/orders/{order_id}": lambda request, account: account.history(request.match_info["order_id"]),
            "/orders/{order_id}/trades": lambda request, account: account.trades(request.match_info["order_id"]),
            "/trades": lambda _request, account: account.trades(),
            "/portfolio/positions": self._positions,
            "/portfolio/holdings": self._nothing,
            "/quote": self._quotes,
            "/quote/ohlc": self._quotes,
            "/quote/ltp": self._quotes,
            "/instruments/historical/{token}/{interval}": self._history,
        }
        for path, read in reads.items():
            router.add_get(path, self._reader(read))
        router.add_post("/margins/orders", self._reader(self._order_margins))
        for path in ("/instruments", "/instruments/{exchange}"):
            router.add_get(path, self._dump)
        router.add_post("/orders/{variety}", self._writer(lambda _id, form, variety, acc: acc.place(variety, form)))
        one = "/orders/{variety}/{order_id}"
        router.add_put(one, self._writer(lambda order_id, form, _variety, account: account.modify(order_id, form)))
        router.add_delete(one, self._writer(lambda order_id, _form, _variety, account: account.cancel(order_id)))

    # --- errors and credentials -------------------------------------------------------------------------------------

    @web.middleware
    async def _in_kites_words(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except KiteError as error:
            return web.json_response(error.body, status=error.status)
        except web.HTTPException as error:
            kind = "GeneralException" if error.status in (404, 405) else "InputException"
            return web.json_response(KiteError(error.status, kind, error.reason).body, status=error.status)
        except Lost:
            return await self.lose_reply(request)
        except UnknownAccount as error:
            return web.json_response(KiteError(403, "UserException", str(error)).body, status=403)

    async def _caller(self, request: web.Request) -> tuple[str, VenueAccount]:
        """(account name, account) of the Authorization header. Raises KiteError."""
        if request.headers.get("X-Kite-Version") != "3":
            raise wrong("Invalid or missing `X-Kite-Version`.")
        match = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if match is None:
            raise dead_token()
        self._sessions.check(match[1], match[2])
        name = account_of(match[1])
        return name, await self._accounts.get(name)

    def _reader(self, read: Callable[[web.Request, VenueAccount], Awaitable[object]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            _, account = await self._caller(request)
            return web.json_response(success(await read(request, account)))

        return handle

    def _writer(self, write: Callable[[str, Mapping[str, str], str, VenueAccount], Awaitable[str]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            name, account = await self._caller(request)
            if self.is_throttled(name):
                raise KiteError(429, "NetworkException", "Too many requests")
            if not self.terms.trading_allowed:
                text = f"IP ({request.remote}) is not allowed to place orders for this app."
                raise KiteError(403, "PermissionException", text)
            posted = await request.post()
            form = {key: value for key, value in posted.items() if isinstance(value, str)}
            info = request.match_info
            order_id = await write(info.get("order_id", ""), form, info["variety"], account)
            return web.json_response(success({"order_id": order_id}))

        return handle

    # --- session ----------------------------------------------------------------------------------------------------

    async def _login_page(self, request: web.Request) -> web.StreamResponse:
        """Where Kite asks for password and code; here the redirect comes at once and ends on a page that shows it."""
        if "request_token" in request.query:
            return web.Response(text="Copy the address of this page: it holds the request token.")
        token = self._sessions.request_token()
        raise web.HTTPFound(f"/connect/login?action=login&type=login&status=success&request_token={token}")

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        api_key, token, given = (str(form.get(name, "")) for name in ("api_key", "request_token", "checksum"))
        access_token = self._sessions.log_in(api_key, token, given)
        account = await self._accounts.get(account_of(api_key))
        more = {
            "user_id": account.user, "api_key": api_key, "access_token": access_token, "public_token": "",
            "enctoken": "", "refresh_token": "", "silo": "", "login_time": stamp_of(self.floor.clock.now_ns()),
        }  # fmt: skip
        return web.json_response(success(_PROFILE | more))

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        api_key, token = request.query.get("api_key", ""), request.query.get("access_token", "")
        self._sessions.check(api_key, token)
        self._sessions.end(api_key, token)
        return web.json_response(success(True))

    async def _open_account(self, name: str) -> VenueAccount:
        port = await self.floor.account(name)

        def tell(row: dict[str, Any]) -> None:
            self._hub.tell(name, order_frame(row, name, REHEARSAL))

        user = f"RH{crc32(port.account_id.encode()):08X}"
        return VenueAccount(port, user, self._master, self.floor.clock, self._quote, tell)

    # --- reads ------------------------------------------------------------------------------------------------------

    async def _profile(self, _request: web.Request, account: VenueAccount) -> object:
        return _PROFILE | {"user_id": account.user}

    async def _margins(self, request: web.Request, _account: VenueAccount) -> object:
        name, _ = await self._caller(request)
        cash = next((row.cash_paise for row in self.floor.ledger().accounts if row.name == name), 0)
        segments = {"equity": margins(cash), "commodity": margins(0)}
        wanted = request.match_info.get("segment")
        if wanted is not None and wanted not in segments:
            raise wrong("Invalid `segment`.")
        return segments if wanted is None else segments[wanted]

    async def _positions(self, _request: web.Request, account: VenueAccount) -> object:
        rows = await account.positions()
        return {"net": rows, "day": rows}

    async def _nothing(self, _request: web.Request, _account: VenueAccount) -> object:
        return []

    async def _quotes(self, request: web.Request, _account: VenueAccount) -> object:
        """Unknown instruments are silently absent, as at Kite."""
        names = request.query.getall("i", [])[:QUOTES_PER_CALL]
        kind = request.path.rpartition("/")[2]
        items: dict[str, Any] = {}
        for name in names:
            exchange, _, tradingsymbol = name.partition(":")
            quoted = self._master.by_name(exchange, tradingsymbol)
            tick = await self._quote(quoted.instrument.symbol) if quoted is not None else None
            if quoted is None or tick is None:
                continue
            item = quote_item(quoted.listing.token, tick, self._prices_of(tick.symbol))
            parts = {"ltp": ("instrument_token", "last_price"), "ohlc": ("instrument_token", "last_price", "ohlc")}
            items[name] = {part: item[part] for part in parts[kind]} if kind in parts else item
        return items

    async def _history(self, request: web.Request, _account: VenueAccount) -> object:
        token, interval = request.match_info["token"], request.match_info["interval"]
        quoted = self._master.by_token(int(token)) if token.isdecimal() and len(token) <= 10 else None
        from_ns, to_ns = ns_of(request.query.get("from")), ns_of(request.query.get("to"))
        if quoted is None or interval not in _MINUTES or not from_ns or not to_ns:
            raise wrong("Invalid `instrument_token`, `interval` or date.")
        bars = self._prices_of(quoted.instrument.symbol).bars(_MINUTES[interval], from_ns, to_ns)
        return {"candles": [candle_row(bar, with_oi=request.query.get("oi") == "1") for bar in bars]}

    async def _order_margins(self, request: web.Request, _account: VenueAccount) -> object:
        """Options are bought with their premium; what a sale would ask is not modelled."""
        orders = await request.json()
        rows: list[dict[str, Any]] = []
        for order in orders:
            price, qty = decimal_of(order.get("price")) or 0, decimal_of(order.get("quantity")) or 0
            total = float(price * qty) if order.get("transaction_type") == "BUY" else 0
            names = {key: order.get(key) for key in ("tradingsymbol", "exchange")}
            rows.append({"type": "equity", **names, "span": 0, "exposure": 0, "option_premium": total, "total": total})
        return rows

    async def _dump(self, request: web.Request) -> web.StreamResponse:
        await self._caller(request)
        await self._refresh_master()
        text = self._master.csv(request.match_info.get("exchange", ""))
        return web.Response(body=text.encode(), content_type="text/csv")

    async def _ticker(self, request: web.Request) -> web.StreamResponse:
        """The upgrade is refused with 403 for dead credentials, and for one socket too many: how Kite answers that is
        not known (facts/kite.md §9)."""
        api_key, token = request.query.get("api_key", ""), request.query.get("access_token", "")
        self._sessions.check(api_key, token)
        name = account_of(api_key)
        await self._accounts.get(name)
        if self._hub.count(name) >= _SOCKETS_MAX:
            raise KiteError(403, "PermissionException", "Too many connections")
        with self.streaming(request):
            return await self._hub.serve(request, name)

    # --- the market -------------------------------------------------------------------------------------------------

    async def _refresh_master(self) -> None:
        self._master.list_instruments(await self.floor.market.instruments())

    def _prices_of(self, symbol: str) -> DayPrices:
        return self._prices.setdefault(symbol, DayPrices())

    def _on_tick(self, tick: Tick) -> None:
        self._prices_of(tick.symbol).on_tick(tick)
        self._hub.on_tick(tick)

    async def _watch(self, symbols: Sequence[str]) -> None:
        await self.floor.market.subscribe(symbols)

    async def _quote(self, symbol: str) -> Tick | None:
        await self.floor.market.subscribe([symbol])
        try:
            return await self.floor.market.quote(symbol)
        except ReadFailed:
            return None
