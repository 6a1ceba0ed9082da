"""One Zerodha account behind the engine's trading port: orders out, the day's books in, order frames as they come.

Kite's trades bear no tag, so the tag of an order id is remembered from its acknowledgement and from every row that has
both. A refused change is looked at once: only the order's own row can tell that it was over (facts/kite.md §3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar, cast

from brokers.kite import requests
from brokers.kite.market_reads import funds_of, margin_of
from brokers.kite.master import Listing, Master
from brokers.kite.orders import NotRead, may_be_ours, position_of, report_of, trade_of
from brokers.kite.rest import Rest
from brokers.kite.rules import AMBIGUITY_S, KITE_RULES
from brokers.kite.ticker import Ticker
from brokers.wire.oddities import Oddities
from brokers.wire.pace import Pace
from engine import refusals
from engine.order import TERMINAL, Trade
from engine.port import (
    Acked,
    Answer,
    NotSent,
    OrderChange,
    OrderReport,
    OrderRequest,
    PositionReport,
    ReadFailed,
    Refused,
)
from engine.port_reads import Funds
from engine.venue_rules import VenueRules

T = TypeVar("T")
LIVE_S: Final = 10.0
"""Real seconds that `connect` waits for the stream; it goes on trying after that."""
_LOOK_S: Final = 3.0
"""Real seconds for the look at an order whose change was refused: the next order waits behind it."""
_NO_TICKET: Final = "no order id to change"


class Parts(Protocol):
    """What account and feed have of their session."""

    @property
    def master(self) -> Master: ...

    @property
    def user_id(self) -> str: ...

    @property
    def rest(self) -> Rest: ...

    @property
    def ticker(self) -> Ticker: ...

    @property
    def reads(self) -> Pace: ...

    @property
    def oddities(self) -> Oddities: ...

    @property
    def time_scale(self) -> float: ...

    @property
    def why_closed(self) -> str:
        """Why nothing can be sent; empty while the session lives."""
        ...


class KiteTrading:
    """Implements `engine.port_reads.TradingPort`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tags: dict[str, str] = {}
        """By order id; a day has a few thousand."""
        self._on_order: Callable[[OrderReport], None] | None = None

    @property
    def account_id(self) -> str:
        """`kite-AB1234`; without the user before the session was opened."""
        return f"kite-{self._parts.user_id}" if self._parts.user_id else "kite"

    @property
    def rules(self) -> VenueRules:
        return KITE_RULES

    @property
    def ambiguity_s(self) -> float:
        return AMBIGUITY_S * self._parts.time_scale

    def listen(self, on_order: Callable[[OrderReport], None], on_trade: Callable[[Trade], None]) -> None:
        """Kite pushes no trades: they are read."""
        self._on_order = on_order

    def on_link(self, heard: Callable[[str], None]) -> None:
        self._parts.ticker.on_link(heard)

    async def connect(self) -> None:
        ticker = self._parts.ticker
        ticker.on_order = self._hear
        ticker.stream.start()
        await ticker.stream.wait_live(LIVE_S)

    async def close(self) -> None:
        self._parts.ticker.on_order = None

    # --- writes -----------------------------------------------------------------------------------------------------

    async def place(self, request: OrderRequest) -> Answer:
        if why := self._parts.why_closed:
            return NotSent(why)
        listing = self._listing(request)
        if listing is None:
            text = f"{request.exchange}:{request.symbol} is not in today's instruments of Kite"
            return Refused(refusals.UNKNOWN_SYMBOL, text)
        form = requests.place_form(request, listing)
        answer = await self._parts.rest.write("POST", f"/orders/{requests.VARIETY}", form)
        if isinstance(answer, Acked):
            self._tags[answer.broker_id] = request.tag
        return answer

    async def modify(self, change: OrderChange) -> Answer:
        path = requests.order_path(change.broker_id)
        if not path:
            return NotSent(_NO_TICKET)
        answer = await self._parts.rest.write("PUT", path, requests.modify_form(change), change.broker_id)
        return await self._explained(answer, change.broker_id)

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        path = requests.order_path(broker_id)
        if not path:
            return NotSent(_NO_TICKET)
        return await self._explained(await self._parts.rest.write("DELETE", path, broker_id=broker_id), broker_id)

    async def _explained(self, answer: Answer, broker_id: str) -> Answer:
        """A refusal without a code of its own: was the order over?"""
        if not isinstance(answer, Refused) or answer.code != refusals.OTHER:
            return answer
        try:
            history = await self._parts.rest.read(f"/orders/{broker_id}", self._parts.reads, deadline_s=_LOOK_S)
        except ReadFailed:
            return answer
        rows = cast("list[object]", history) if isinstance(history, list) else []
        last = report_of(rows[-1], self._parts.master) if rows else NotRead("no row")
        if isinstance(last, OrderReport) and last.broker_id == broker_id and last.state in TERMINAL:
            return Refused(refusals.ALREADY_FINISHED, answer.text)
        return answer

    # --- books ------------------------------------------------------------------------------------------------------

    async def read_orders(self) -> Sequence[OrderReport]:
        """Raises ReadFailed, also for a row that is not understood and may be ours."""
        reports: list[OrderReport] = []
        for row in await self._rows("/orders"):
            report = report_of(row, self._parts.master)
            if isinstance(report, NotRead):
                self._parts.oddities.add(report, row)
                if may_be_ours(row):
                    raise ReadFailed(f"/orders: {report}")
                continue
            self._learn(report)
            reports.append(report)
        return reports

    async def read_trades(self) -> Sequence[Trade]:
        """Raises ReadFailed, also for a row that is not understood: it may be ours."""
        return self._all_of("/trades", await self._rows("/trades"), lambda row: trade_of(row, self._master, self._tags))

    async def read_positions(self) -> Sequence[PositionReport]:
        """The net book. Raises ReadFailed, also for a row that is not understood."""
        data: Any = await self._parts.rest.read("/portfolio/positions", self._parts.reads)
        net = cast("dict[str, Any]", data).get("net") if isinstance(data, dict) else None
        if not isinstance(net, list):
            raise ReadFailed("/portfolio/positions: no list of net positions")
        return self._all_of(
            "/portfolio/positions", cast("list[object]", net), lambda row: position_of(row, self._master)
        )

    async def read_funds(self) -> Funds:
        funds = funds_of(await self._parts.rest.read("/user/margins/equity", self._parts.reads))
        if funds is None:
            raise ReadFailed("/user/margins/equity: no net figure")
        return funds

    async def read_margin(self, request: OrderRequest) -> int:
        listing = self._listing(request)
        if listing is None:
            raise ReadFailed(f"{request.symbol} is not in today's instruments of Kite")
        body = requests.margin_order(request, listing)
        margin = margin_of(await self._parts.rest.read("/margins/orders", self._parts.reads, json=body))
        if margin is None:
            raise ReadFailed("/margins/orders: no total")
        return margin

    async def _rows(self, path: str) -> list[object]:
        """A list, and nothing else: null is no empty book (faults §4.7)."""
        data: Any = await self._parts.rest.read(path, self._parts.reads)
        if not isinstance(data, list):
            raise ReadFailed(f"{path}: no list")
        return cast("list[object]", data)

    def _all_of(self, path: str, rows: list[object], read: Callable[[object], T | NotRead]) -> list[T]:
        found: list[T] = []
        for row in rows:
            entry = read(row)
            if isinstance(entry, NotRead):
                self._parts.oddities.add(entry, row)
                raise ReadFailed(f"{path}: {entry}")
            found.append(entry)
        return found

    # --- pushes -----------------------------------------------------------------------------------------------------

    def _hear(self, data: object) -> None:
        """One order frame; it may come before the reply to its own place call."""
        report = report_of(data, self._master)
        if isinstance(report, NotRead):
            self._parts.oddities.add(f"an order frame: {report}", data)
            return
        self._learn(report)
        if self._on_order is not None:
            self._on_order(report)

    def _learn(self, report: OrderReport) -> None:
        if report.tag:
            self._tags[report.broker_id] = report.tag

    @property
    def _master(self) -> Master:
        return self._parts.master

    def _listing(self, request: OrderRequest) -> Listing | None:
        listing = self._master.listings.get(request.symbol)
        return listing if listing is not None and listing.exchange == request.exchange else None
