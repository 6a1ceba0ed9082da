"""One Dhan account behind the engine's trading port: four answers to writes, books that fail rather than lie.

Orders are found again by our tag, which Dhan carries as `correlationId`: in the day's order book, and for a tag whose
placing was not answered also by `GET /orders/external/{tag}`, since nobody says how soon the book shows a new order.
The order-update socket has fills only as sums, without trade ids: it tells reports, and trades are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final
from urllib.parse import quote

import msgspec

from brokers.dhan import answers
from brokers.dhan.line import DhanLine
from brokers.dhan.market_replies import funds_in, margin_in
from brokers.dhan.order_stream import OrderWords
from brokers.dhan.orders import (
    BrokenRow,
    modify_body,
    order_id_in,
    order_of,
    place_body,
    position_of,
    read_book,
    rows_in,
    trade_of,
)
from brokers.dhan.rules import RULES
from brokers.dhan.vocabulary import DHAN_PRODUCT, DHAN_TYPE
from brokers.wire.http import NoReply, NotWritten
from brokers.wire.stream import Stream, StreamRules
from engine import refusals
from engine.instant import NS_PER_S
from engine.instrument import Segment
from engine.order import TERMINAL, OrderType, Trade
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
    Unknown,
)
from engine.port_reads import Funds
from engine.venue_rules import VenueRules

_AMBIGUITY_S: Final = 45.0
"""T_AMB of a direct broker (faults §2)."""
_EXPLAIN_S: Final = 2.0
"""Real seconds: the next write of the account waits for it."""
_LIVE_WITHIN_S: Final = 5.0
_DOUBTS_READ_MAX: Final = 3
"""Look-ups by tag beside one read of the book."""
_MARGIN_FIELDS: Final = (
    *("dhanClientId", "exchangeSegment", "transactionType", "quantity", "productType", "securityId", "price"),
)


class DhanAccount:
    """Implements `engine.port_reads.TradingPort`."""

    def __init__(self, line: DhanLine) -> None:
        self._line = line
        self._on_order: Callable[[OrderReport], None] | None = None
        self._on_trade: Callable[[Trade], None] | None = None
        self._on_link: list[Callable[[str], None]] = []
        self._tags: dict[str, str] = {}
        """Our tag by order id, as far as anybody told."""
        self._doubts: dict[str, int] = {}
        """Tags whose placing was not answered, and until when they are looked for one by one."""
        self._stream = Stream(
            "dhan-orders",
            OrderWords(line, self._heard),
            line.tools.random,
            self._tell_link,
            StreamRules(silence_s=0),
        )

    @property
    def account_id(self) -> str:
        return "dhan-" + (re.sub(r"[^A-Za-z0-9_-]", "-", self._line.client_id) or "account")

    @property
    def rules(self) -> VenueRules:
        return RULES

    @property
    def ambiguity_s(self) -> float:
        return _AMBIGUITY_S * self._line.tools.time_scale

    def listen(self, on_order: Callable[[OrderReport], None], on_trade: Callable[[Trade], None]) -> None:
        """`on_trade` is never called: this broker pushes no trade records."""
        self._on_order, self._on_trade = on_order, on_trade

    def on_link(self, heard: Callable[[str], None]) -> None:
        self._on_link.append(heard)

    async def connect(self) -> None:
        """Starts the order-update socket and gives it a moment; without it the desk goes on by polling."""
        self._stream.start()
        await self._stream.wait_live(_LIVE_WITHIN_S)

    async def close(self) -> None:
        await self._stream.close()

    def revive(self) -> None:
        """After a new login."""
        self._stream.revive()

    # --- writes -------------------------------------------------------------------------------------------------------

    async def place(self, request: OrderRequest) -> Answer:
        refused = self._local_refusal(request)
        if refused is not None:
            return refused
        listed = self._line.master.by_symbol[request.symbol]
        body = place_body(request, self._line.client_id, listed.segment, str(listed.security_id))
        answer = await self._write("POST", "/orders", body)
        if isinstance(answer, Acked):
            self._tags[answer.broker_id] = request.tag
        elif isinstance(answer, Unknown):
            self._doubts[request.tag] = self._now_ns() + round(2 * self.ambiguity_s) * NS_PER_S
        return answer

    async def modify(self, change: OrderChange) -> Answer:
        """SL-M is refused here, as in `place`."""
        if change.type not in DHAN_TYPE:
            return _no_stop_market()
        if not order_id_in(change.broker_id):
            return _no_such_order()
        path = f"/orders/{quote(change.broker_id, safe='')}"
        answer = await self._write("PUT", path, modify_body(change, self._line.client_id), change.broker_id)
        return await self._explained(answer, change.broker_id)

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        if not order_id_in(broker_id):
            return _no_such_order()
        answer = await self._write("DELETE", f"/orders/{quote(broker_id, safe='')}", None, broker_id)
        return await self._explained(answer, broker_id)

    async def _write(self, method: str, path: str, body: object, order_id: str = "") -> Answer:
        try:
            reply = await self._line.write(method, path, body)
        except NotWritten as failure:
            return NotSent(str(failure))
        except NoReply as failure:
            return Unknown(str(failure))
        return answers.write_answer(reply.status, reply.data, order_id=order_id, retry_after_s=reply.retry_after_s)

    def _local_refusal(self, request: OrderRequest) -> Answer | None:
        """What Dhan would not take, or would take for something else; its own refusal names no field (DH-905)."""
        listed = self._line.master.by_symbol.get(request.symbol)
        if not self._line.state.is_live:
            return NotSent(self._line.state.reason)
        if listed is None or listed.instrument.segment is Segment.INDEX:
            return Refused(refusals.UNKNOWN_SYMBOL, f"{request.symbol}: not in Dhan's list of today")
        if listed.instrument.exchange != request.exchange:
            return Refused(refusals.UNKNOWN_SYMBOL, f"{request.symbol} is listed on {listed.instrument.exchange}")
        if len(request.tag) > RULES.tag_max or not re.fullmatch(RULES.tag_pattern, request.tag):
            return Refused(refusals.TAG, f"tag: at most {RULES.tag_max} of {RULES.tag_pattern}")
        if request.product not in DHAN_PRODUCT:
            return Refused(refusals.NOT_ALLOWED, f"product {request.product}: not traded at Dhan")
        if request.type not in DHAN_TYPE:
            return _no_stop_market()
        if request.limit_paise <= 0 or (request.type is OrderType.SL and request.trigger_paise <= 0):
            return Refused(refusals.NO_PROTECTION, "an order without a price")
        return None

    async def _explained(self, answer: Answer, order_id: str) -> Answer:
        """DH-905 and DH-906 do not say why: a refused change of an order that is over is told as that."""
        if not isinstance(answer, Refused) or answer.code != refusals.OTHER:
            return answer
        with suppress(ReadFailed, BrokenRow):
            path = f"/orders/{quote(order_id, safe='')}"
            rows = rows_in((await self._line.read("GET", path, deadline_s=_EXPLAIN_S)).data)
            reports = [order_of(row, self._symbol_of) for row in rows]
            if any(report.broker_id == order_id and report.state in TERMINAL for report in reports):
                return Refused(refusals.ALREADY_FINISHED, answer.text)
        return answer

    # --- reads --------------------------------------------------------------------------------------------------------

    async def read_orders(self) -> Sequence[OrderReport]:
        reply = await self._line.read("GET", "/orders")
        parse = partial(order_of, symbol_of=self._symbol_of)
        reports = [self._tagged(report) for report in read_book(reply.data, "order book", parse, self._line.oddities)]
        for report in reports:
            self._doubts.pop(report.tag, None)
        return [*reports, *await self._found_by_tag()]

    async def read_trades(self) -> Sequence[Trade]:
        reply = await self._line.read("GET", "/trades")
        parse = partial(trade_of, symbol_of=self._symbol_of, tag_of=self._tags)
        return read_book(reply.data, "trade book", parse, self._line.oddities)

    async def read_positions(self) -> Sequence[PositionReport]:
        reply = await self._line.read("GET", "/positions")
        parse = partial(position_of, symbol_of=self._symbol_of)
        return read_book(reply.data, "positions", parse, self._line.oddities)

    async def read_funds(self) -> Funds:
        return funds_in((await self._line.read("GET", "/fundlimit")).data)

    async def read_margin(self, request: OrderRequest) -> int:
        if isinstance(refused := self._local_refusal(request), Refused | NotSent):
            raise ReadFailed(refused.text if isinstance(refused, Refused) else refused.reason)
        listed = self._line.master.by_symbol[request.symbol]
        body = place_body(request, self._line.client_id, listed.segment, str(listed.security_id))
        wanted = {name: body[name] for name in _MARGIN_FIELDS}
        return margin_in((await self._line.read("POST", "/margincalculator", wanted)).data)

    async def _found_by_tag(self) -> list[OrderReport]:
        """Orders in doubt that the book does not show and the look-up by tag does. Not finding them proves nothing."""
        now_ns = self._now_ns()
        self._doubts = {tag: until for tag, until in self._doubts.items() if until > now_ns}
        found: list[OrderReport] = []
        for tag in tuple(self._doubts)[:_DOUBTS_READ_MAX]:
            with suppress(ReadFailed, BrokenRow):
                reply = await self._line.read("GET", f"/orders/external/{tag}")
                reports = [order_of(row, self._symbol_of) for row in rows_in(reply.data)]
                found += [self._tagged(report) for report in reports if report.tag == tag]
        for report in found:
            self._doubts.pop(report.tag, None)
        return found

    # --- pushes -------------------------------------------------------------------------------------------------------

    def _heard(self, report: OrderReport) -> None:
        self._doubts.pop(report.tag, None)
        if self._on_order is not None:
            self._on_order(self._tagged(report))

    def _tagged(self, report: OrderReport) -> OrderReport:
        """With our tag, whichever of the two sides told it first."""
        if report.tag:
            self._tags[report.broker_id] = report.tag
            return report
        tag = self._tags.get(report.broker_id, "")
        return msgspec.structs.replace(report, tag=tag) if tag else report

    def _tell_link(self, why: str) -> None:
        for heard in self._on_link:
            heard(why)

    def _symbol_of(self, segment: str, security_id: str) -> str:
        return self._line.master.symbol_of(segment, security_id)

    def _now_ns(self) -> int:
        return self._line.tools.clock.now_ns()


def _no_stop_market() -> Refused:
    return Refused(refusals.ORDER_TYPE, "SL-M: not sent to Dhan, where it may fill at once; use SL with a limit")


def _no_such_order() -> Refused:
    return Refused(refusals.NO_SUCH_ORDER, "no order id of Dhan's form")
