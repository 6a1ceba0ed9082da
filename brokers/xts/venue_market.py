"""The market-data side of the rehearsal venue: quotes, subscriptions, candles, the master (facts/xts.md §7, §8)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from brokers.paper.server import Floor
from brokers.wire.numbers import whole_of
from brokers.xts import socketio, times, venue_rows
from brokers.xts import venue_replies as replies
from brokers.xts.segments import segment_number
from brokers.xts.venue_rows import Listed
from brokers.xts.venue_socket import VenueSocket
from engine.instant import NS_PER_S
from engine.port import ReadFailed
from engine.tick import Tick

Wanted = tuple[int, int, int]
"""Segment, instrument, message code."""
SUBSCRIPTIONS_MAX: Final = 1000
_FIRST_TICK_S: Final = 1.0
"""Real time: a contract that does not trade must not hold its order up for longer."""
_QUOTES_MAX: Final = 50
_CODES: Final = frozenset({1501, 1502, 1504, 1505, 1507, 1510, 1512})
_MINUTE_NS: Final = 60 * NS_PER_S
_BARS_MAX: Final = 400
_FIRST_SEQUENCE: Final = 1_583_105_123_157_252


class MarketSeat:
    """One market-data login: its subscriptions outlive its sockets."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.wanted: set[Wanted] = set()
        self.sockets: set[VenueSocket] = set()


class Bar:
    """One minute of one symbol, in paise."""

    __slots__ = ("close", "high", "low", "open", "start_ns")

    def __init__(self, start_ns: int, paise: int) -> None:
        self.start_ns = start_ns
        self.open = self.high = self.low = self.close = paise

    def add(self, paise: int) -> None:
        self.high, self.low, self.close = max(self.high, paise), min(self.low, paise), paise


class MarketDesk:
    """The handlers of one venue. `seat_of` gives the session of a request's token, or the refusal of it."""

    def __init__(
        self,
        floor: Floor,
        seat_of: Callable[[web.Request], MarketSeat | web.Response],
        seats: Callable[[], Sequence[MarketSeat]],
        contract_at: Callable[[tuple[int, int]], Listed | None],
        contract_of: Callable[[str], Listed | None],
    ) -> None:
        self._floor = floor
        self._seat_of = seat_of
        self._seats = seats
        self._contract_at = contract_at
        self._contract_of = contract_of
        self._bars: dict[str, deque[Bar]] = {}
        self._seen: dict[str, asyncio.Event] = {}
        """By symbol: set with its first tick."""
        self.rows: list[Listed] = []
        """The day's contracts, set by the venue."""

    def add_routes(self, router: web.UrlDispatcher, prefix: str) -> None:
        for method, path, handler in (
            ("POST", "/instruments/quotes", self._quotes),
            ("POST", "/instruments/subscription", self._subscribe),
            ("PUT", "/instruments/subscription", self._unsubscribe),
            ("POST", "/instruments/master", self._master),
            ("GET", "/instruments/indexlist", self._indices),
            ("GET", "/instruments/ohlc", self._ohlc),
            ("GET", "/config/clientConfig", self._config),
        ):
            router.add_route(method, f"{prefix}{path}", handler)

    async def show(self, symbol: str) -> None:
        """See to it that the exchange has prices of what an order is for, whether or not anybody subscribed to it."""
        seen = self._seen.setdefault(symbol, asyncio.Event())
        if not seen.is_set():
            await self._floor.market.subscribe([symbol])
            with suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_TICK_S):
                    await seen.wait()

    # --- ticks --------------------------------------------------------------------------------------------------------

    def on_tick(self, tick: Tick) -> None:
        contract = self._contract_of(tick.symbol)
        if contract is None:
            return
        self._seen.setdefault(tick.symbol, asyncio.Event()).set()
        self._note_bar(tick)
        frames: dict[int, list[str]] = {}
        for seat in self._seats():
            if not seat.sockets:
                continue
            for code in (1501, 1502, 1512, 1504):
                if (*contract.key, code) in seat.wanted:
                    if code not in frames:
                        frames[code] = _frames(tick, contract, code)
                    for socket in tuple(seat.sockets):
                        for frame in frames[code]:
                            socket.emit_frame(frame)

    def _note_bar(self, tick: Tick) -> None:
        start_ns = tick.at_ns // _MINUTE_NS * _MINUTE_NS
        bars = self._bars.setdefault(tick.symbol, deque(maxlen=_BARS_MAX))
        if bars and bars[-1].start_ns == start_ns:
            bars[-1].add(tick.ltp_paise)
        else:
            bars.append(Bar(start_ns, tick.ltp_paise))

    # --- requests -----------------------------------------------------------------------------------------------------

    async def _quotes(self, request: web.Request) -> web.StreamResponse:
        seat, asked = await self._asked(request)
        if isinstance(seat, web.Response):
            return seat
        code, contracts, named = asked
        if len(named) > _QUOTES_MAX:
            return replies.bad_request("instruments", f"must contain less than or equal to {_QUOTES_MAX} items")
        listed = [text for contract in contracts if (text := await self._quote_text(contract, code))]
        result = {"mdp": code, "quotesList": named, "listQuotes": listed}
        return replies.success("s-quotes-0001", "Get quotes successfully!", result)

    async def _subscribe(self, request: web.Request) -> web.StreamResponse:
        """One that is subscribed already makes the whole request an error."""
        seat, asked = await self._asked(request)
        if isinstance(seat, web.Response):
            return seat
        code, contracts, named = asked
        wanted = {(*contract.key, code) for contract in contracts}
        if wanted & seat.wanted:
            return replies.already_subscribed()
        if len(seat.wanted | wanted) > SUBSCRIPTIONS_MAX:
            return replies.error(400, "e-session-0001", "Maximum subscription limit reached")
        seat.wanted |= wanted
        await self._floor.market.subscribe([contract.instrument.symbol for contract in contracts])
        listed = [text for contract in contracts if (text := await self._quote_text(contract, code))]
        for text in listed if code == 1501 else []:  # the flat snapshot comes on the stream too
            for socket in tuple(seat.sockets):
                socket.emit("1501-json-full", text)
        result = {
            "mdp": code,
            "quotesList": named,
            "listQuotes": listed,
            "Remaining_Subscription_Count": SUBSCRIPTIONS_MAX - len(seat.wanted),
        }
        return replies.success("s-session-0001", "Instrument subscribed successfully!", result)

    async def _unsubscribe(self, request: web.Request) -> web.StreamResponse:
        seat, asked = await self._asked(request)
        if isinstance(seat, web.Response):
            return seat
        code, contracts, named = asked
        seat.wanted -= {(*contract.key, code) for contract in contracts}
        result = {"mdp": code, "unsubList": named}
        return replies.success("s-session-0001", "Instrument unsubscribed successfully!", result)

    async def _asked(
        self, request: web.Request
    ) -> tuple[MarketSeat | web.Response, tuple[int, list[Listed], list[Any]]]:
        """The session, and what it asks about: ids may be texts, and the unknown ones are passed over."""
        nothing: tuple[int, list[Listed], list[Any]] = (0, [], [])
        seat = self._seat_of(request)
        if isinstance(seat, web.Response):
            return seat, nothing
        body = await _body(request)
        code, instruments = whole_of(body.get("xtsMessageCode")), body.get("instruments")
        if code not in _CODES:
            return replies.bad_request("xtsMessageCode", '"xtsMessageCode" must be one of the message codes'), nothing
        if not isinstance(instruments, list):
            return replies.bad_request("instruments", '"instruments" must be an array'), nothing
        contracts: list[Listed] = []
        for entry in cast("list[Any]", instruments):
            fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
            segment = segment_number(fields.get("exchangeSegment"))
            number = whole_of(fields.get("exchangeInstrumentID"))
            contract = self._contract_at((segment or 0, number or 0))
            if contract is not None:
                contracts.append(contract)
        return seat, (code, contracts, cast("list[Any]", instruments))

    async def _quote_text(self, contract: Listed, code: int) -> str:
        """Empty when there is no price yet."""
        try:
            tick = await self._floor.market.quote(contract.instrument.symbol)
        except ReadFailed:
            return ""
        return _text(venue_rows.quote_frame(tick, contract, code, flat=True))

    async def _master(self, request: web.Request) -> web.StreamResponse:
        """Asks for no token, as at several brokers."""
        segments = (await _body(request)).get("exchangeSegmentList")
        names = [str(name) for name in cast("list[Any]", segments)] if isinstance(segments, list) else []
        return replies.success(
            "s-instrument-0010", "Fetch master successfully", venue_rows.master_text(self.rows, names)
        )

    async def _indices(self, request: web.Request) -> web.StreamResponse:
        number = segment_number(request.query.get("exchangeSegment")) or 0
        listed = venue_rows.index_list(self.rows, number)
        if not listed:
            return replies.error(400, "e-instrument-0001", "Data Not Available")
        result = {"exchangeSegment": number, "indexList": listed}
        return replies.success("s-instrument-0007", "Index List successfully fetched", result)

    async def _ohlc(self, request: web.Request) -> web.StreamResponse:
        """Minutes that this venue has seen, stamped with their last second; the field is misspelt as ever."""
        seat = self._seat_of(request)
        if isinstance(seat, web.Response):
            return seat
        query = request.query
        segment, number = segment_number(query.get("exchangeSegment")), whole_of(query.get("exchangeInstrumentID"))
        contract = self._contract_at((segment or 0, number or 0))
        begin, end = times.from_query_text(query.get("startTime")), times.from_query_text(query.get("endTime"))
        seconds = whole_of(query.get("compressionValue")) or 0
        if contract is None or not begin or not end or seconds < 60:
            return replies.bad_request("exchangeInstrumentID", "instrument, times and compressionValue are required")
        bars = [bar for bar in self._bars.get(contract.instrument.symbol, ()) if begin <= bar.start_ns <= end]
        lines = [_ohlc_line(bar, seconds // 60) for bar in _merged(bars, seconds // 60)]
        result = {"exchangeSegment": segment, "exchangeInstrumentID": number, "dataReponse": ",".join(lines)}
        return replies.success("s-instrument-0002", "Instrument ohlc fetched", result)

    async def _config(self, request: web.Request) -> web.StreamResponse:
        seat = self._seat_of(request)
        if isinstance(seat, web.Response):
            return seat
        return replies.success("s-response-0001", "Fetched configurations successfully", {"exchangeSegments": {}})


def _frames(tick: Tick, contract: Listed, code: int) -> list[str]:
    """A depth frame brings a touchline along, with its sequence (facts §8)."""
    sequence = _FIRST_SEQUENCE + contract.number
    if code != 1502:
        return [_frame(tick, contract, code, sequence)]
    return [_frame(tick, contract, 1502, sequence + 1), _frame(tick, contract, 1501, sequence + 1)]


def _frame(tick: Tick, contract: Listed, code: int, sequence: int) -> str:
    body = _text(venue_rows.quote_frame(tick, contract, code, sequence=sequence))
    return socketio.event_frame(f"{code}-json-full", body)


def _text(frame: Mapping[str, Any]) -> str:
    return msgspec.json.encode(frame).decode()


def _merged(bars: Sequence[Bar], minutes: int) -> list[Bar]:
    """Minutes into longer bars."""
    whole: list[Bar] = []
    for bar in bars:
        start_ns = times.bar_start(bar.start_ns, minutes)
        if not whole or whole[-1].start_ns != start_ns:
            whole.append(Bar(start_ns, bar.open))
        for paise in (bar.high, bar.low, bar.close):
            whole[-1].add(paise)
    return whole


def _ohlc_line(bar: Bar, minutes: int) -> str:
    stamp = times.to_wall_unix(bar.start_ns) + minutes * 60 - 1
    prices = "|".join(f"{venue_rows.rupees(paise)}" for paise in (bar.open, bar.high, bar.low, bar.close))
    return f"{stamp}|{prices}|0|0|"


async def _body(request: web.Request) -> Mapping[str, Any]:
    """Empty when it is no object."""
    try:
        body = msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}
