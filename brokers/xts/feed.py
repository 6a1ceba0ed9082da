"""The prices of an XTS session behind the engine's port: ticks, quotes, candles, option chains (facts/xts.md §7, §8).

Subscriptions are asked by request and belong to the market-data login, ticks come over Socket.IO. A touchline (1501)
has last price, bid and ask in one frame, so it is the one code that is subscribed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from brokers.wire.numbers import paise_of, whole_of
from brokers.wire.stream import StreamRules
from brokers.xts import ticks, times
from brokers.xts.answers import ALREADY_SUBSCRIBED, Dead, Refusal, Success, Throttled, Unclear, Verdict
from brokers.xts.login import Token
from brokers.xts.master import Contract
from brokers.xts.socket_link import SocketLink
from brokers.xts.stream_words import NotJoined, SocketIoWords
from brokers.xts.ticks import FrameUnreadable, NewestOnly, Quote
from engine.instrument import Instrument
from engine.port import ReadFailed
from engine.port_reads import Candle, ChainRow
from engine.tick import Tick

if TYPE_CHECKING:
    from brokers.xts.session import XtsSession

_STREAM_RULES: Final = StreamRules(silence_s=45.0, ping_s=10.0)
"""Heartbeats are frames too: a mute market is the engine's to notice, by the age of its ticks."""
_SUBSCRIPTION: Final = "/instruments/subscription"
_QUOTES: Final = "/instruments/quotes"
_AGAIN_S: Final = 1.0
_AGAIN_MOST_S: Final = 30.0
_MINUTES_MAX: Final = 375
_BARS_MAX: Final = 100_000


class XtsFeed:
    """Implements `engine.port_reads.FeedPort`."""

    def __init__(self, session: XtsSession) -> None:
        self._session = session
        self._requests = session.market_requests
        self._listeners: list[Callable[[Tick], None]] = []
        self._wanted: dict[str, Contract] = {}
        """By symbol, in the order of subscription."""
        self._taken: set[str] = set()
        """Symbols that the server has, for as long as the login lives."""
        self._taken_by: Token | None = None
        self._newest = NewestOnly()
        self._symbols: dict[tuple[int, int], str] = {}
        self._subscribe_pace = session.pace(session.limits.subscriptions_per_s)
        self._quote_pace = session.pace(session.terms.quotes_per_s)
        self._candle_pace = session.pace(session.terms.quotes_per_s)
        self._probe_pace = session.pace(1)
        self._link = self._new_link()
        self._probe: asyncio.Task[None] | None = None
        self._again: asyncio.Task[None] | None = None
        self._subscribing = asyncio.Lock()

    def listen(self, on_tick: Callable[[Tick], None]) -> None:
        self._listeners.append(on_tick)

    def on_link(self, heard: Callable[[str], None]) -> None:
        self._link.on_link(heard)

    async def connect(self) -> None:
        """Returns when ticks flow, or after the time a greeting may take: it goes on trying."""
        await self._link.connect(self._session.limits.join_s)

    async def close(self) -> None:
        await self._link.close()
        for job in (self._probe, self._again):
            if job is not None:
                job.cancel()

    def renew(self) -> None:
        """The session has a new token."""
        self._link.renew()

    async def instruments(self) -> Sequence[Instrument]:
        master = await self._session.master()
        return [contract.instrument for contract in master.by_symbol.values()]

    # --- subscriptions ------------------------------------------------------------------------------------------------

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Now, and after every reconnect. A symbol that the master does not have gets no ticks."""
        known = self._session.known_master.by_symbol
        for symbol in symbols:
            contract = known.get(symbol)
            if contract is None:
                self._session.odd.add("a symbol to subscribe that the master does not have", symbol)
            elif symbol not in self._wanted:
                self._wanted[symbol] = contract
                self._symbols[contract.key] = symbol
        if not self._link.is_live:
            return  # it is asked with the greeting
        try:
            await self._subscribe_missing()
        except ReadFailed as failure:
            self._session.tools.note(f"xts: a subscription failed and is asked again: {failure}")
            if self._again is None or self._again.done():
                self._again = asyncio.get_running_loop().create_task(self._ask_again(), name="xts subscriptions")

    async def _ask_again(self) -> None:
        """Until the server has what is wanted; while there is no stream the greeting sees to it."""
        pause_s = _AGAIN_S
        while self._link.is_wanted:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _AGAIN_MOST_S)
            if self._link.is_live:
                with suppress(ReadFailed):
                    await self._subscribe_missing()
                    return

    async def _joined(self) -> None:
        """Subscriptions outlive a socket, but not the login that made them."""
        try:
            await self._subscribe_missing()
        except ReadFailed as failure:
            raise NotJoined(f"subscriptions: {failure}") from None

    async def _subscribe_missing(self) -> None:
        """One at a time: what two ask for at once is asked once. Raises ReadFailed."""
        async with self._subscribing:
            token = self._session.market.token
            if token is not self._taken_by:
                self._taken.clear()
                self._taken_by = token
            size = self._session.limits.subscription_batch
            missing = [contract for symbol, contract in self._wanted.items() if symbol not in self._taken]
            for batch in (missing[at : at + size] for at in range(0, len(missing), size)):
                await self._subscribe_batch(batch)

    async def _subscribe_batch(self, batch: list[Contract]) -> None:
        """Where one of several is subscribed already, the refusal may be of all: each is asked alone."""
        verdict = await self._ask_subscription(batch)
        if isinstance(verdict, Refusal) and verdict.own == ALREADY_SUBSCRIBED and len(batch) > 1:
            for contract in batch:
                await self._subscribe_batch([contract])
            return
        if not isinstance(verdict, Success) and not (
            isinstance(verdict, Refusal) and verdict.own == ALREADY_SUBSCRIBED
        ):
            raise ReadFailed(_words(verdict))
        self._taken |= {contract.instrument.symbol for contract in batch}
        if isinstance(verdict, Success):
            for quote in self._quotes_in(verdict.result):
                self._tell(quote)

    async def _ask_subscription(self, batch: Sequence[Contract]) -> Verdict:
        body = {"instruments": [_named(contract) for contract in batch], "xtsMessageCode": ticks.TOUCHLINE}
        return await self._requests.ask(self._subscribe_pace, "POST", _SUBSCRIPTION, json=body)

    # --- ticks --------------------------------------------------------------------------------------------------------

    def _new_link(self) -> SocketLink:
        session = self._session
        root = session.terms.root.rstrip("/")
        words = SocketIoWords(
            f"ws{root.removeprefix('http')}{session.terms.market_socket_path}",
            {"publishFormat": "JSON", "broadcastMode": "Full"},
            session.market,
            on_event=self._hear,
            on_joined=self._joined,
            on_doubt=self._doubt,
            odd=session.odd,
        )
        return SocketLink("xts ticks", words, session.tools.random, _STREAM_RULES)

    def _hear(self, name: str, payload: object) -> None:
        try:
            quote = ticks.quote_of_event(name, payload) if ticks.event_code(name) else None
        except FrameUnreadable as broken:
            self._session.odd.add(str(broken), payload)
            return
        if quote is not None:
            self._tell(quote)

    def _tell(self, quote: Quote) -> None:
        symbol = self._symbols.get((quote.segment, quote.number))
        if symbol is None or quote.ltp_paise <= 0 or self._newest.is_old(quote):
            return
        tick = quote.tick(symbol, self._session.tools.clock.now_ns())
        for listener in self._listeners:
            listener(tick)

    def _doubt(self) -> None:
        """Nobody greeted: the token may be dead, which the cheapest request tells."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.get_running_loop().create_task(self._ask_whether_dead(), name="xts token probe")

    async def _ask_whether_dead(self) -> None:
        await self._requests.ask(self._probe_pace, "GET", "/config/clientConfig")

    # --- requests -----------------------------------------------------------------------------------------------------

    async def quote(self, symbol: str) -> Tick:
        contract = self._contract(symbol)
        for quote in await self._quotes([contract]):
            if (quote.segment, quote.number) == contract.key and quote.ltp_paise > 0:
                return quote.tick(symbol, self._session.tools.clock.now_ns())
        raise ReadFailed(f"the broker has no price of {symbol}")

    async def candles(self, symbol: str, minutes: int, from_ns: int, to_ns: int) -> Sequence[Candle]:
        """An empty text is also what a dead token gets: it counts only when the token proves alive (facts §1)."""
        contract = self._contract(symbol)
        if not 0 < minutes <= _MINUTES_MAX:
            raise ReadFailed(f"no candles of {minutes} minutes")
        query = [
            ("exchangeSegment", str(contract.key[0])),
            ("exchangeInstrumentID", str(contract.number)),
            ("startTime", times.query_text(from_ns)),
            ("endTime", times.query_text(to_ns)),
            ("compressionValue", str(minutes * 60)),
        ]
        result = await self._requests.read(self._candle_pace, "GET", "/instruments/ohlc", query=query)
        text = _ohlc_text(result)
        if not text.strip(", \n"):
            await self._requests.read(self._probe_pace, "GET", "/config/clientConfig")
        found = {candle.start_ns: candle for candle in self._bars(text, minutes) if from_ns <= candle.start_ns < to_ns}
        return [found[start_ns] for start_ns in sorted(found)]

    async def expiries(self, underlying: str) -> Sequence[date]:
        return (await self._session.master()).expiries(underlying)

    async def chain(self, underlying: str, expiry: date) -> Sequence[ChainRow]:
        contracts = (await self._session.master()).chain(underlying, expiry)
        if not contracts:
            raise ReadFailed(f"no options of {underlying} that expire on {expiry}")
        quotes = {(quote.segment, quote.number): quote for quote in await self._quotes(contracts)}
        interest = await self._open_interest(contracts)
        rows: list[ChainRow] = []
        for contract in contracts:
            quote = quotes.get(contract.key)
            rows.append(
                ChainRow(
                    symbol=contract.instrument.symbol,
                    ltp_paise=quote.ltp_paise if quote else 0,
                    bid_paise=quote.bid_paise if quote else 0,
                    ask_paise=quote.ask_paise if quote else 0,
                    volume=quote.volume if quote else 0,
                    open_interest=interest.get(contract.key, 0),
                )
            )
        return rows

    def _contract(self, symbol: str) -> Contract:
        contract = self._session.known_master.by_symbol.get(symbol)
        if contract is None:
            raise ReadFailed(f"{symbol} is not in the broker's master")
        return contract

    async def _quotes(self, contracts: Sequence[Contract]) -> list[Quote]:
        """Contracts that the broker does not know are silently missing (facts §7). Raises ReadFailed."""
        return [quote for result in await self._listed(contracts, ticks.TOUCHLINE) for quote in self._quotes_in(result)]

    async def _open_interest(self, contracts: Sequence[Contract]) -> dict[tuple[int, int], int]:
        found: dict[tuple[int, int], int] = {}
        for result in await self._listed(contracts, ticks.OPEN_INTEREST):
            for entry in _entries(result):
                if (read := ticks.open_interest_of(entry)) is not None:
                    found[read[0], read[1]] = read[2]
        return found

    async def _listed(self, contracts: Sequence[Contract], code: int) -> list[object]:
        size = self._session.limits.quote_batch
        results: list[object] = []
        for at in range(0, len(contracts), size):
            instruments = [_named(contract) for contract in contracts[at : at + size]]
            body = {"instruments": instruments, "xtsMessageCode": code, "publishFormat": "JSON"}
            results.append(await self._requests.read(self._quote_pace, "POST", _QUOTES, json=body))
        return results

    def _quotes_in(self, result: object) -> Iterator[Quote]:
        for entry in _entries(result):
            try:
                yield ticks.quote_of(entry)
            except FrameUnreadable as broken:
                self._session.odd.add(str(broken), entry)

    def _bars(self, text: str, minutes: int) -> Iterator[Candle]:
        for line in text.split(",")[:_BARS_MAX]:
            if not line.strip():
                continue
            bar = read_bar(line, minutes)
            if bar is None:
                self._session.odd.add("a candle that cannot be read", line)
            else:
                yield bar


def read_bar(line: str, minutes: int) -> Candle | None:
    """`ts|o|h|l|c|v|oi|`; None when it cannot be read. Pure."""
    cells = line.strip().split("|")
    if len(cells) < 6:
        return None
    at_ns = times.from_wall_unix(whole_of(cells[0]))
    prices = [paise_of(cell) for cell in cells[1:5]]
    opened, high, low, closed = prices
    if not at_ns or opened is None or high is None or low is None or closed is None:
        return None
    if not 0 < low <= min(opened, closed) or max(opened, closed) > high:
        return None
    return Candle(
        start_ns=times.bar_start(at_ns, minutes),
        open_paise=opened,
        high_paise=high,
        low_paise=low,
        close_paise=closed,
        volume=max(whole_of(cells[5]) or 0, 0),
        open_interest=max(whole_of(cells[6]) or 0, 0) if len(cells) > 6 else 0,
    )


def _ohlc_text(result: object) -> str:
    """The misspelt field, or the right one. Raises ReadFailed when there is neither."""
    fields = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
    text = fields.get("dataReponse", fields.get("dataResponse"))
    if not isinstance(text, str):
        raise ReadFailed("candles without their text")
    return text


def _entries(result: object) -> Iterator[object]:
    """`listQuotes`: JSON texts, or objects already."""
    listed = cast("dict[str, Any]", result).get("listQuotes") if isinstance(result, dict) else None
    for entry in cast("list[object]", listed) if isinstance(listed, list) else []:
        if not isinstance(entry, str):
            yield entry
            continue
        try:
            yield msgspec.json.decode(entry)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            yield entry


def _named(contract: Contract) -> dict[str, int]:
    return {"exchangeSegment": contract.key[0], "exchangeInstrumentID": contract.number}


def _words(verdict: Verdict) -> str:
    match verdict:
        case Refusal(text=text) | Throttled(text=text):
            return f"refused: {text}"
        case Dead(reason=reason) | Unclear(reason=reason):
            return reason
        case _:
            return type(verdict).__name__
