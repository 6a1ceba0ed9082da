"""A loopback XTS server in front of the paper exchange: logins by app key, tokens, both streams (facts/xts.md).

One live session per app key: a new login ends the older one, with a `logout` event (facts §0.2). An interactive key has
a paper account of its own. Keys and secrets that begin with `rehearsal` are taken, all others refused.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from random import Random
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from brokers.paper.server import Floor, UnknownAccount
from brokers.venue.site import REHEARSAL, Site, VenueTerms
from brokers.xts import venue_replies as replies
from brokers.xts.venue_market import MarketDesk, MarketSeat
from brokers.xts.venue_orders import OrderDesk
from brokers.xts.venue_rows import Listed, listed
from brokers.xts.venue_seat import TradeSeat
from brokers.xts.venue_socket import VenueSocket
from engine.instant import NS_PER_S
from engine.instrument import Instrument

INTERACTIVE: Final = "/interactive"
MARKET: Final = ("/apimarketdata", "/apibinarymarketdata")
TOKEN_LIFE_S: Final = 86_400
"""Of the exchange clock."""
_NAME_MAX: Final = 32
_ENUMS: Final = {
    "socketEvent": ["joined", "error", "warning", "success", "order", "trade", "logout", "position", "tradeConversion"],
    "orderSide": ["BUY", "SELL"],
    "orderType": ["MARKET", "LIMIT", "STOPLIMIT", "STOPMARKET"],
    "positionSqureOffMode": ["DayWise", "NetWise"],
    "dayOrNet": ["DAY", "NET"],
}


class _Pass(msgspec.Struct, frozen=True):
    """What a token opens."""

    key: str
    until_ns: int
    seat: Any


class XtsVenue(Site):
    """`start` it and `close` it."""

    def __init__(
        self,
        floor: Floor,
        random: Random,
        terms: VenueTerms | None = None,
        on_note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        super().__init__(floor, random, terms, on_note)
        self.dialects: tuple[str, ...] = ("3", "4")
        """Versions of engine.io that this install takes."""
        self._trade_seats: dict[str, TradeSeat] = {}
        """By app key; they outlive their sessions."""
        self._passes: dict[str, _Pass] = {}
        """By token; one for each app key."""
        self._by_symbol: dict[str, Listed] = {}
        self._by_key: dict[tuple[int, int], Listed] = {}
        self._market = MarketDesk(floor, self._market_seat, self._market_seats, self._by_key_get, self._by_symbol_get)
        self._orders = OrderDesk(self, self._trade_seat, self._by_key_get, self._by_symbol_get, self._market.show)
        self._add_routes()

    def _add_routes(self) -> None:
        router = self.app.router
        router.add_post(f"{INTERACTIVE}/user/session", self._trade_login)
        router.add_delete(f"{INTERACTIVE}/user/session", self._trade_logout)
        self._orders.add_routes(router, INTERACTIVE)
        for slash in ("", "/"):
            router.add_get(f"{INTERACTIVE}/socket.io{slash}", self._trade_socket)
        for prefix in MARKET:
            router.add_post(f"{prefix}/auth/login", self._market_login)
            router.add_delete(f"{prefix}/auth/logout", self._market_logout)
            self._market.add_routes(router, prefix)
            for slash in ("", "/"):
                router.add_get(f"{prefix}/socket.io{slash}", self._market_socket)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._list(await self.floor.market.instruments())
        self.floor.market.listen(self._market.on_tick)
        await super().start(host, port)

    def _list(self, instruments: object) -> None:
        rows = listed(cast("list[Instrument]", instruments))
        self._by_symbol = {row.instrument.symbol: row for row in rows}
        self._by_key = {row.key: row for row in rows}
        self._market.rows = rows

    def end_sessions(self) -> None:
        """As brokers reset their sessions over night: tokens die without a word, and the streams of them end."""
        self._passes.clear()
        self.cut_streams()

    # --- logins -------------------------------------------------------------------------------------------------------

    async def _trade_login(self, request: web.Request) -> web.StreamResponse:
        key = await _rehearsal_key(request)
        if not key:
            return replies.login_refused()
        seat = self._trade_seats.get(key)
        if seat is None:
            try:
                port = await self.floor.account(_account_name(key))
            except UnknownAccount as unknown:
                return replies.error(400, "e-user-0001", str(unknown))
            seat = self._trade_seats.setdefault(key, TradeSeat(_user_of(key), port, self._by_symbol_get))
        if any(known.key == key and known.seat is seat for known in self._passes.values()):
            seat.log_out()
        result = {
            "enums": _ENUMS,
            "clientCodes": [seat.user],
            "exchangeSegmentArray": [],
            "token": self._admit(key, seat),
            "userID": seat.user,
            "isInvestorClient": True,
            "isOneTouchUser": False,
        }
        return replies.success("s-user-0001", "Valid User.", result)

    async def _market_login(self, request: web.Request) -> web.StreamResponse:
        key = await _rehearsal_key(request)
        if not key:
            return replies.login_refused()
        for known in self._passes.values():
            if known.key == key and isinstance(known.seat, MarketSeat):
                for socket in tuple(known.seat.sockets):
                    socket.end()
        seat = MarketSeat(_user_of(key))
        result = {
            "token": self._admit(key, seat),
            "userID": seat.user,
            "appVersion": "2.0",
            "application_expiry_date": "31-12-2099",
        }
        return replies.success("s-auth-0001", "Valid User.", result)

    async def _trade_logout(self, request: web.Request) -> web.StreamResponse:
        seat = self._trade_seat(request)
        if isinstance(seat, web.Response):
            return seat
        self._passes.pop(request.headers["Authorization"], None)
        seat.log_out()
        return replies.success("s-user-0001", "successfully logout from all API.", "")

    async def _market_logout(self, request: web.Request) -> web.StreamResponse:
        seat = self._market_seat(request)
        if isinstance(seat, web.Response):
            return seat
        self._passes.pop(request.headers["Authorization"], None)
        return replies.success("s-auth-0002", "successfully logout.", "")

    def _admit(self, key: str, seat: TradeSeat | MarketSeat) -> str:
        """A new token for a key; the older one is dead."""
        kind = type(seat)
        self._passes = {
            token: known
            for token, known in self._passes.items()
            if known.key != key or not isinstance(known.seat, kind)
        }
        token = ".".join(f"{self.random.getrandbits(160):040x}" for _ in range(3))
        life_s = TOKEN_LIFE_S if self.terms.token_expires else 10**9
        self._passes[token] = _Pass(key, self.floor.clock.now_ns() + life_s * NS_PER_S, seat)
        return token

    # --- who asks -----------------------------------------------------------------------------------------------------

    def _trade_seat(self, request: web.Request) -> TradeSeat | web.Response:
        found = self._seat(request.headers.get("Authorization", ""))
        return found if isinstance(found, TradeSeat) else _refused(request)

    def _market_seat(self, request: web.Request) -> MarketSeat | web.Response:
        found = self._seat(request.headers.get("Authorization", ""))
        return found if isinstance(found, MarketSeat) else _refused(request)

    def _seat(self, token: str) -> object:
        known = self._passes.get(token)
        return known.seat if known is not None and self.floor.clock.now_ns() < known.until_ns else None

    def _market_seats(self) -> list[MarketSeat]:
        return [known.seat for known in self._passes.values() if isinstance(known.seat, MarketSeat)]

    def _by_key_get(self, key: tuple[int, int]) -> Listed | None:
        return self._by_key.get(key)

    def _by_symbol_get(self, symbol: str) -> Listed | None:
        return self._by_symbol.get(symbol)

    # --- streams ------------------------------------------------------------------------------------------------------

    async def _trade_socket(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, TradeSeat)

    async def _market_socket(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, MarketSeat)

    async def _stream(self, request: web.Request, kind: type[TradeSeat] | type[MarketSeat]) -> web.StreamResponse:
        """Only by websocket, as the official clients ask for it."""
        if request.query.get("transport") != "websocket" or "Upgrade" not in request.headers:
            return web.json_response({"code": 0, "message": "Transport unknown"}, status=400)
        if request.query.get("EIO", "3") not in self.dialects:
            return web.json_response({"code": 5, "message": "Unsupported protocol version"}, status=400)
        seat = self._seat(request.query.get("token", ""))
        socket = VenueSocket(request, f"{self.random.getrandbits(80):020x}")
        welcome = seat if isinstance(seat, kind) else None
        sockets: set[VenueSocket] = welcome.sockets if isinstance(welcome, TradeSeat | MarketSeat) else set()
        with self.streaming(request):
            try:
                return await socket.serve(
                    is_welcome=welcome is not None, on_joined=lambda: sockets.add(socket)
                )  # fmt: skip
            finally:
                sockets.discard(socket)


async def _rehearsal_key(request: web.Request) -> str:
    """The app key, or empty when key and secret are not of a rehearsal."""
    try:
        body = msgspec.json.decode(await request.read(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    key, secret = body.get("appKey"), body.get("secretKey")
    is_taken = all(isinstance(text, str) and text.startswith(REHEARSAL) and len(text) <= 200 for text in (key, secret))
    return str(key) if is_taken else ""


def _refused(request: web.Request) -> web.Response:
    return replies.invalid_token() if request.headers.get("Authorization") else replies.no_token()


def _user_of(key: str) -> str:
    return f"CLI{zlib.crc32(key.encode()) % 100_000:05d}"


def _account_name(key: str) -> str:
    """The exchange's name of a key's account: the key itself where it can be one."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", key)
    return plain if plain == key and len(plain) <= _NAME_MAX else f"{plain[:23]}-{zlib.crc32(key.encode()):08x}"
