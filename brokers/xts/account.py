"""The trading account of an XTS session behind the engine's port: order writes, the three books, funds, pushed updates.

A reply of the order gate says that an order is queued, not that the exchange has it: a rejection comes later, as a row
or an event (facts/xts.md §0.4). Nothing is pushed again after a reconnect: whoever listens reads the books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from brokers.wire.numbers import paise_of
from brokers.wire.stream import StreamRules
from brokers.xts import orders
from brokers.xts.answers import Refusal, Success, Verdict
from brokers.xts.event_order import EventOrder
from brokers.xts.orders import OrderTerms, RowUnreadable
from brokers.xts.rules import AMBIGUITY_S, XTS_RULES
from brokers.xts.socket_link import SocketLink
from brokers.xts.stream_words import SocketIoWords
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

if TYPE_CHECKING:
    from brokers.xts.session import XtsSession

Row = TypeVar("Row")
_STREAM_RULES: Final = StreamRules(silence_s=60.0, ping_s=10.0)
"""Quiet is normal here; heartbeats of either side are heard at least each 25 s, and a dead peer after 20 s."""
_ORDERS: Final = "/orders"
_ALL: Final = "ALL|ALL|ALL"
_TERMS_MAX: Final = 5_000
_QUIET_EVENTS: Final = frozenset(
    {"joined", "position", "tradeConversion", "marketStatusUpdate", "exchangeAdapterState", "success", "gttOrder"}
)
"""Fills are never taken from positions (facts §0.8)."""


class XtsTradingAccount:
    """Implements `engine.port_reads.TradingPort`."""

    def __init__(self, session: XtsSession) -> None:
        self._session = session
        self._requests = session.trade_requests
        self._on_order: Callable[[OrderReport], None] = _nobody
        self._on_trade: Callable[[Trade], None] = _nobody
        self._events = EventOrder()
        self._terms: dict[str, OrderTerms] = {}
        """By AppOrderID: what a change of the order has to say again."""
        per_s = session.terms.books_per_s
        self._order_pace, self._trade_pace, self._position_pace = (session.pace(per_s) for _ in range(3))
        self._funds_pace = session.pace(1)
        self._link = self._new_link()

    @property
    def account_id(self) -> str:
        """`xts-` and the client's code, which the login tells unless it is configured."""
        session, token = self._session, self._session.trade.token
        own = (*token.client_codes[:1], token.user_id) if token is not None else ()
        code = session.client_id or next(iter(own), "")
        plain = "".join(c for c in code if c.isascii() and c.isalnum())
        return f"xts-{plain.lower()}" if plain else "xts"

    @property
    def rules(self) -> VenueRules:
        return XTS_RULES

    @property
    def ambiguity_s(self) -> float:
        return AMBIGUITY_S * self._session.tools.time_scale

    def listen(self, on_order: Callable[[OrderReport], None], on_trade: Callable[[Trade], None]) -> None:
        self._on_order, self._on_trade = on_order, on_trade

    def on_link(self, heard: Callable[[str], None]) -> None:
        self._link.on_link(heard)

    async def connect(self) -> None:
        """Returns when order updates flow, or after the time a greeting may take: it goes on trying."""
        await self._link.connect(self._session.limits.join_s)

    async def close(self) -> None:
        await self._link.close()

    def renew(self) -> None:
        """The session has a new token."""
        self._link.renew()

    # --- writes -------------------------------------------------------------------------------------------------------

    async def place(self, request: OrderRequest) -> Answer:
        if not self._session.trade.is_live and self._session.trade.token is None:
            return NotSent(f"the session is not open: {self._session.trade.reason}")
        contract = self._session.known_master.by_symbol.get(request.symbol)
        if contract is None or contract.instrument.exchange != request.exchange:
            return Refused(
                refusals.UNKNOWN_SYMBOL, f"{request.exchange}:{request.symbol} is not in the broker's master"
            )
        body = orders.place_body(request, contract, self._session.client_id)
        answer, verdict = await self._requests.write("POST", _ORDERS, json=body)
        self._learn(verdict)
        if isinstance(answer, Acked):
            self._keep(answer.broker_id, OrderTerms(product=request.product, tag=request.tag))
        return answer

    async def modify(self, change: OrderChange) -> Answer:
        """NotSent when the order's product cannot be learnt: a change must repeat it."""
        if not change.broker_id.isdecimal():
            return NotSent(f"{change.broker_id!r} is no AppOrderID")
        terms = self._terms.get(change.broker_id)
        if terms is None:
            try:
                await self.read_orders()
            except ReadFailed as failure:
                return NotSent(f"what the order is could not be read: {failure}")
            terms = self._terms.get(change.broker_id)
        if terms is None:
            return Refused(refusals.NO_SUCH_ORDER, f"no order {change.broker_id} in the broker's book")
        body = orders.modify_body(change, terms, self._session.client_id)
        answer, verdict = await self._requests.write("PUT", _ORDERS, json=body)
        self._learn(verdict)
        return await self._explained(answer, change.broker_id)

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        if not broker_id.isdecimal():
            return NotSent(f"{broker_id!r} is no AppOrderID")
        query = orders.cancel_query(tag, broker_id, self._session.client_id)
        answer, verdict = await self._requests.write("DELETE", _ORDERS, query=query)
        self._learn(verdict)
        return await self._explained(answer, broker_id)

    def _learn(self, verdict: Verdict) -> None:
        """Whether orders are taken from here at all."""
        if isinstance(verdict, Success):
            self._session.took_an_order()
        elif isinstance(verdict, Refusal) and verdict.forbids:
            self._session.forbade_orders(verdict.text)

    async def _explained(self, answer: Answer, broker_id: str) -> Answer:
        """A refused change of an order that is over says so. The broker's own words for that are not known
        (facts §12), so its book is asked; without an answer the refusal stays as it came."""
        if not isinstance(answer, Refused) or answer.code not in (refusals.OTHER, refusals.NO_SUCH_ORDER):
            return answer
        try:
            rows = await self.read_orders()
        except ReadFailed:
            return answer
        row = next((row for row in rows if row.broker_id == broker_id), None)
        if row is None:
            return Refused(refusals.NO_SUCH_ORDER, answer.text)
        return Refused(refusals.ALREADY_FINISHED, answer.text) if row.state in TERMINAL else answer

    # --- reads --------------------------------------------------------------------------------------------------------

    async def read_orders(self) -> Sequence[OrderReport]:
        result = await self._requests.read(
            self._order_pace, "GET", _ORDERS, query=self._client_query(), is_book=True
        )  # fmt: skip
        rows = _whole(lambda: orders.orders_in(result, self._session.known_master.symbol_of, self._session.odd))
        for row in cast("list[object]", result):
            self._note_terms(row)
        return rows

    async def read_trades(self) -> Sequence[Trade]:
        result = await self._requests.read(
            self._trade_pace, "GET", f"{_ORDERS}/trades", query=self._client_query(), is_book=True
        )
        return _whole(lambda: orders.trades_in(result, self._session.known_master.symbol_of))

    async def read_positions(self) -> Sequence[PositionReport]:
        """Net, of all days."""
        query = [("dayOrNet", "NetWise"), *self._client_query()]
        result = await self._requests.read(
            self._position_pace, "GET", "/portfolio/positions", query=query, is_book=True
        )  # fmt: skip
        return _whole(lambda: orders.positions_in(result, self._session.known_master.symbol_of))

    async def read_funds(self) -> Funds:
        """Of the header over all segments, found by its name: it need not come first."""
        result = await self._requests.read(self._funds_pace, "GET", "/user/balance", query=self._client_query())
        return funds_of(result)

    async def read_margin(self, request: OrderRequest) -> int:
        raise ReadFailed(f"XTS tells the margin of no single order ({request.symbol})")

    def _client_query(self) -> list[tuple[str, str]]:
        return [("clientID", self._session.client_id)] if self._session.client_id else []

    # --- updates ------------------------------------------------------------------------------------------------------

    def _new_link(self) -> SocketLink:
        session = self._session
        root = session.terms.root.rstrip("/")
        words = SocketIoWords(
            f"ws{root.removeprefix('http')}{session.terms.interactive_socket_path}",
            {"apiType": "INTERACTIVE"},
            session.trade,
            on_event=self._hear,
            on_joined=self._joined,
            on_doubt=_nothing,
            odd=session.odd,
        )
        return SocketLink("xts orders", words, session.tools.random, _STREAM_RULES)

    async def _joined(self) -> None:
        self._events.forget()

    def _hear(self, name: str, payload: object) -> None:
        try:
            if name == "order":
                self._hear_order(payload)
            elif name == "trade":
                self._on_trade(orders.trade_of(payload, self._session.known_master.symbol_of))
            elif name not in _QUIET_EVENTS:
                self._session.odd.add(f"the event {name[:30]}", payload)
        except RowUnreadable as broken:
            self._session.odd.add(f"{name} event: {broken}", payload)

    def _hear_order(self, payload: object) -> None:
        report = orders.order_report(payload, self._session.known_master.symbol_of)
        self._note_terms(payload)
        if self._events.accept(report, orders.sequence_of(payload)):
            self._on_order(report)

    def _note_terms(self, row: object) -> None:
        try:
            broker_id = orders.order_id_in(row)
            if broker_id:
                self._keep(broker_id, orders.order_terms(row))
        except RowUnreadable:
            pass  # counted where the row was read

    def _keep(self, broker_id: str, terms: OrderTerms) -> None:
        self._terms.pop(broker_id, None)
        self._terms[broker_id] = terms
        if len(self._terms) > _TERMS_MAX:
            del self._terms[next(iter(self._terms))]


def _whole(read: Callable[[], Iterable[Row]]) -> list[Row]:
    """All rows, or ReadFailed."""
    try:
        return list(read())
    except RowUnreadable as broken:
        raise ReadFailed(str(broken)) from None


def funds_of(result: object) -> Funds:
    """Of the header over all segments. Raises ReadFailed. Pure."""
    rows = cast("dict[str, Any]", result).get("BalanceList") if isinstance(result, dict) else None
    for row in cast("list[Any]", rows) if isinstance(rows, list) else []:
        if isinstance(row, dict) and cast("dict[str, Any]", row).get("limitHeader") == _ALL:
            return _funds(cast("dict[str, Any]", row).get("limitObject"))
    raise ReadFailed(f"the balance has no {_ALL}")


def _funds(limits: object) -> Funds:
    sub = cast("dict[str, Any]", limits).get("RMSSubLimits") if isinstance(limits, dict) else None
    fields = cast("dict[str, Any]", sub) if isinstance(sub, dict) else {}
    available = paise_of(fields.get("netMarginAvailable"))
    if available is None:
        raise ReadFailed("the balance has no netMarginAvailable")
    return Funds(
        available_paise=available,
        used_paise=paise_of(fields.get("marginUtilized")) or 0,
        collateral_paise=paise_of(fields.get("collateral")) or 0,
    )


def _nobody(_heard: object) -> None:
    pass


def _nothing() -> None:
    pass
