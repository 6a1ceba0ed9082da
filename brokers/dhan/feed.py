"""Dhan's prices behind the engine's feed port: the binary stream, and quotes, candles and option chains by request.

The stream has no heartbeat of its own, so one index is always asked for beside what the desk wants: while the market is
open it ticks every second, and when it stops the stream is lost, whatever the socket says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Final
from urllib.parse import urlencode

import msgspec
from websockets.asyncio.client import ClientConnection

from brokers.dhan.line import DhanLine
from brokers.dhan.market_replies import MINUTES, candles_in, chain_in, expiries_in, tick_in
from brokers.dhan.master import Listed
from brokers.dhan.packets import Cut, Known, decode
from brokers.dhan.vocabulary import wire_time
from brokers.wire.stream import Address, CoolOff, CredentialsDead, Stream, StreamRules
from engine.instant import NS_PER_DAY, NS_PER_S, ist_date, ist_time_ns
from engine.instrument import Instrument, Segment
from engine.port import ReadFailed
from engine.port_reads import Candle, ChainRow
from engine.tick import Tick

BATCH_MAX: Final = 100
"""Instruments of one message (OPT-09)."""
_INSTRUMENTS_MAX: Final = 5000
"""Of one connection."""
_TICKER, _FULL = 15, 21
"""Request codes: an index has nothing but its value; of everything else the touch is wanted too."""
_PULSE: Final = ("NIFTY", "SENSEX")
_SILENCE_S: Final = 10.0
_OPENS_NS, _CLOSES_NS = (9 * 3600 + 15 * 60 + 30) * NS_PER_S, (15 * 3600 + 30 * 60) * NS_PER_S
"""Between these times of a weekday an index never rests; a holiday costs a reconnection in ten seconds."""
_SATURDAY: Final = 5
_LIVE_WITHIN_S: Final = 8.0
_SPAN_MAX_NS: Final = 90 * NS_PER_DAY
_QUICK_S: Final = 2.0
_QUICK_LOSSES_MAX: Final = 4
_LAG_ALLOWED_NS: Final = 2 * NS_PER_S
"""Trade times have no fraction, and a packet travels: so much behind is no lag."""
_FUTURE_MAX_NS: Final = 60 * NS_PER_S
_DEAD: Final = {807: "has expired", 808: "is refused", 809: "is not valid", 810: "belongs to another client id"}
_CUT_TOO_OFTEN: Final = 805
_CUT_NO_DATA: Final = 806


class DhanFeed:
    """Implements `engine.port_reads.FeedPort`."""

    def __init__(self, line: DhanLine) -> None:
        self._line = line
        self._listeners: list[Callable[[Tick], None]] = []
        self._on_link: list[Callable[[str], None]] = []
        self._wanted: dict[str, Listed] = {}
        self._sent: set[str] = set()
        """What this connection was asked for."""
        self._known: Known = {}
        self._greeted_at = 0.0
        self._quick_losses = 0
        self._newest_ns = 0
        """The newest trade of any instrument on this connection: how far the feed has come."""
        self._stream = Stream(
            "dhan-feed",
            self,
            line.tools.random,
            self._tell_link,
            StreamRules(silence_s=_SILENCE_S, may_be_silent=self._may_be_silent),
        )

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    def on_link(self, heard: Callable[[str], None]) -> None:
        self._on_link.append(heard)

    @property
    def is_live(self) -> bool:
        """Of the socket itself (OPT-12)."""
        return self._stream.is_live

    async def connect(self) -> None:
        self._stream.start()
        await self._stream.wait_live(_LIVE_WITHIN_S)

    async def close(self) -> None:
        await self._stream.close()

    def revive(self) -> None:
        """After a new login, perhaps on a new day with another list."""
        listed = self._line.master.by_symbol
        self._wanted = {symbol: listed[symbol] for symbol in self._wanted if symbol in listed}
        self._stream.revive()

    async def instruments(self) -> Sequence[Instrument]:
        return [row.instrument for row in self._line.master.by_symbol.values()]

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Adds contracts. A name that Dhan's list does not have gets no ticks and is noted."""
        for symbol in symbols:
            listed = self._line.master.by_symbol.get(symbol)
            if listed is None:
                self._line.oddities.add("prices asked of a contract that Dhan does not list", symbol)
            elif len(self._wanted) < _INSTRUMENTS_MAX - 1:
                self._wanted[symbol] = listed
            else:
                self._line.oddities.add(f"more than {_INSTRUMENTS_MAX - 1} contracts asked for", symbol)
        if self._stream.is_live:
            await self._ask(self._stream.send)

    # --- the stream's words -------------------------------------------------------------------------------------------

    def address(self) -> Address:
        """Holds the token."""
        who = {"version": "2", "token": self._line.token, "clientId": self._line.client_id, "authType": "2"}
        return Address(f"{self._line.terms.feed_url}?{urlencode(who)}")

    async def greet(self, socket: ClientConnection) -> None:
        """No greeting and no acknowledgement; what is wanted is asked for again, for a connection remembers its own."""
        if not self._line.state.is_live:
            raise CredentialsDead(self._line.state.reason)
        if self._quick_losses >= _QUICK_LOSSES_MAX:
            self._quick_losses = 0
            raise CoolOff(f"Dhan's feed was dropped at once {_QUICK_LOSSES_MAX} times in a row")
        self._greeted_at = asyncio.get_running_loop().time()
        self._sent.clear()
        self._newest_ns = 0

        async def send(text: str) -> bool:
            await socket.send(text)
            return True

        await self._ask(send)

    def hear(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            self._line.oddities.add("text in the feed of packets", frame)
            return
        cut = decode(frame, self._known, self._price, self._line.oddities.add)
        if cut is not None:
            self._cut(cut)

    async def _ask(self, send: Callable[[str], Awaitable[bool]]) -> None:
        """Until nothing is missing: more may be wanted while a batch is on its way."""
        while missing := {name: row for name, row in self._with_pulse().items() if name not in self._sent}:
            self._known.update(self._line.master.known(missing))
            for batch in batches(missing.values()):
                names = [row.instrument.symbol for row in batch]
                self._sent.update(names)
                if not await send(request_of(batch)):
                    self._sent.difference_update(names)
                    return  # the connection is over; the next one is asked for all

    def _with_pulse(self) -> Mapping[str, Listed]:
        pulse = next((name for name in _PULSE if name in self._line.master.by_symbol), "")
        return {**self._wanted, pulse: self._line.master.by_symbol[pulse]} if pulse else dict(self._wanted)

    def _price(self, symbol: str, trade_ns: int, ltp: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> None:
        """One packet. It has the time of the last trade only: of a quiet contract that is old though its book is new.

        So a packet is as old as the feed is: now, or the newest trade of all when that stays behind.
        """
        now_ns = self._line.tools.clock.now_ns()
        if self._newest_ns < trade_ns < now_ns + _FUTURE_MAX_NS:
            self._newest_ns = trade_ns
        if symbol not in self._wanted or not self._listeners or not (ltp or bid or ask):
            return
        at_ns = min(now_ns, self._newest_ns + _LAG_ALLOWED_NS) if self._newest_ns else now_ns
        tick = Tick(symbol, at_ns, ltp, bid if bid_qty else 0, bid_qty, ask if ask_qty else 0, ask_qty)
        for listener in self._listeners:
            listener(tick)

    def _cut(self, cut: Cut) -> None:
        """Raises what the stream's end calls for."""
        if cut.reason in _DEAD:
            why = f"Dhan's feed says that the access token {_DEAD[cut.reason]} ({cut.reason}): log in again"
            self._line.end(why)
            raise CredentialsDead(why)
        if cut.reason == _CUT_NO_DATA:
            raise CredentialsDead("Dhan's Data API is not subscribed for this account (806)")
        if cut.reason == _CUT_TOO_OFTEN:
            raise CoolOff("Dhan's feed says too many requests or connections (805)")
        self._line.oddities.add(f"a disconnection for reason {cut.reason}", cut.reason)

    def _may_be_silent(self) -> bool:
        now_ns = self._line.tools.clock.now_ns()
        is_open = _OPENS_NS <= ist_time_ns(now_ns) < _CLOSES_NS and ist_date(now_ns).weekday() < _SATURDAY
        return not is_open or not any(name in self._sent for name in _PULSE)

    def _tell_link(self, why: str) -> None:
        """Dhan drops a bad token without a word too: a read tells, and a line that never holds is not hammered."""
        if why and self._greeted_at:
            is_quick = asyncio.get_running_loop().time() - self._greeted_at < _QUICK_S
            self._quick_losses = self._quick_losses + 1 if is_quick else 0
            if is_quick:
                self._line.prove_soon()
        for heard in self._on_link:
            heard(why)

    # --- by request ---------------------------------------------------------------------------------------------------

    async def quote(self, symbol: str) -> Tick:
        """One request a second at most; the tick's time is when it came."""
        row = self._listed(symbol)
        reply = await self._line.read("POST", "/marketfeed/quote", {row.segment: [row.security_id]}, kind="quote")
        return tick_in(reply.data, row.segment, row.security_id, symbol, self._line.tools.clock.now_ns())

    async def candles(self, symbol: str, minutes: int, from_ns: int, to_ns: int) -> Sequence[Candle]:
        """A day more is asked for than wanted: the end of the range is left out, or its last minute is missing."""
        row = self._listed(symbol)
        if minutes not in MINUTES:
            raise ReadFailed(f"Dhan has bars of {', '.join(map(str, MINUTES))} minutes, not of {minutes}")
        if to_ns - from_ns > _SPAN_MAX_NS:
            raise ReadFailed("Dhan gives at most 90 days of bars in one answer")
        body = {
            "securityId": str(row.security_id),
            "exchangeSegment": row.segment,
            "instrument": row.kind,
            "interval": str(minutes),
            "oi": row.instrument.is_option,
            "fromDate": wire_time(from_ns),
            "toDate": wire_time(to_ns + NS_PER_DAY),
        }
        reply = await self._line.read("POST", "/charts/intraday", body, kind="charts", empty=_no_bars)
        return candles_in(reply.data, from_ns, to_ns, self._line.oddities)

    async def expiries(self, underlying: str) -> Sequence[date]:
        body = self._underlying(underlying)
        return expiries_in((await self._line.read("POST", "/optionchain/expirylist", body, kind="chain")).data)

    async def chain(self, underlying: str, expiry: date) -> Sequence[ChainRow]:
        """One request in three seconds at most."""
        body = {**self._underlying(underlying), "Expiry": expiry.isoformat()}
        reply = await self._line.read("POST", "/optionchain", body, kind="chain")
        return chain_in(reply.data, underlying, expiry, self._line.oddities)

    def _underlying(self, name: str) -> dict[str, object]:
        row = self._listed(name)
        if row.instrument.segment is not Segment.INDEX:
            raise ReadFailed(f"{name} is no index")
        return {"UnderlyingScrip": row.security_id, "UnderlyingSeg": row.segment}

    def _listed(self, symbol: str) -> Listed:
        row = self._line.master.by_symbol.get(symbol)
        if row is None:
            raise ReadFailed(f"{symbol}: not in Dhan's list of today")
        return row


def batches(rows: Iterable[Listed]) -> list[list[Listed]]:
    """Of one request code each, and of no more than Dhan takes in one message."""
    found: list[list[Listed]] = []
    given = list(rows)
    for is_index in (True, False):
        same = iter([row for row in given if (row.segment == "IDX_I") is is_index])
        while batch := list(islice(same, BATCH_MAX)):
            found.append(batch)
    return found


def request_of(batch: Sequence[Listed]) -> str:
    """The subscription of one batch; ids are texts here."""
    return msgspec.json.encode({
        "RequestCode": _TICKER if batch[0].segment == "IDX_I" else _FULL,
        "InstrumentCount": len(batch),
        "InstrumentList": [{"ExchangeSegment": row.segment, "SecurityId": str(row.security_id)} for row in batch],
    }).decode()  # fmt: skip


def _no_bars() -> dict[str, list[object]]:
    return {name: [] for name in ("timestamp", "open", "high", "low", "close", "volume")}
