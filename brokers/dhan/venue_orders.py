"""One client's orders at the venue: Dhan's requests to the exchange, the exchange's records as Dhan's rows.

The exchange behind takes tags of its own form; Dhan's `correlationId` is a label that may be missing, longer or used
twice. So labels are kept here, and the exchange gets them as tags where they fit. What Dhan accepts and rejects later
never reaches the exchange's book: such orders live here too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from brokers.dhan import venue_rows as rows
from brokers.dhan.venue_catalogue import Contract
from brokers.dhan.venue_market import VenueMarket
from brokers.dhan.venue_rows import Error, Labels
from brokers.dhan.vocabulary import DESK_PRODUCT, DESK_SIDE, DESK_TYPE, text_of
from brokers.paper.server import Floor
from brokers.venue.late_refusal import rejected_report
from brokers.wire.numbers import paise_of, whole_of
from engine.instant import NS_PER_MS, ist_date
from engine.instrument import Segment
from engine.money import ceil_to_tick, floor_to_tick
from engine.order import OrderType, Side
from engine.port import Acked, Answer, BrokerPort, OrderChange, OrderReport, OrderRequest, ReadFailed, Refused

Outcome = dict[str, str] | Error | None
"""A success, a refusal, or a reply that gets lost."""
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,25}", re.ASCII)
_FLOOR_TAG: Final = re.compile(r"[A-Za-z0-9]{1,20}", re.ASCII)
_OWN_TAG: Final = "DHX"
"""Begins the tags that are made here."""
_PROTECTION_PERCENT: Final = 5
"""Of the LIMIT that a MARKET order becomes; Dhan's own figure is not published."""
_SHORT_MARGIN_PERCENT: Final = 12
"""Of the contract's value, for the margin calculator; a round figure, not SPAN."""


class OrderDesk:
    """One account."""

    def __init__(
        self, name: str, client_id: str, port: BrokerPort, floor: Floor, market: VenueMarket, random: Random
    ) -> None:
        self.name = name
        self.client_id = client_id
        self._port = port
        self._floor = floor
        self._market = market
        self._random = random
        self._labels: dict[str, Labels] = {}
        """By order id."""
        self._label_of_tag: dict[str, str] = {}
        self._rejected: dict[str, OrderReport] = {}
        self._number = 0
        self._tell: Callable[[str, OrderReport], None] = lambda _name, _report: None

    def listen(self, tell: Callable[[str, OrderReport], None]) -> None:
        self._tell = tell

    def on_report(self, report: OrderReport) -> None:
        """What the exchange pushes."""
        self._tell(self.name, report)

    # --- writes -------------------------------------------------------------------------------------------------------

    async def place(self, body: dict[str, Any]) -> Outcome:
        request = await self._request(body)
        if not isinstance(request, OrderRequest):
            return request
        answer = await self._port.place(request)
        match answer:
            case Acked(broker_id=order_id):
                self._remember(order_id, request.tag)
                return {"orderId": order_id, "orderStatus": "TRANSIT"}
            case Refused():
                error = rows.place_error(answer)
                return error if error is not None else self._reject_later(request, answer)
            case _:
                return None

    async def modify(self, order_id: str, body: dict[str, Any]) -> Outcome:
        """Fields that are left out stay as they are; the quantity is the new total."""
        report = await self._report(order_id)
        if report is None:
            return rows.BAD_INPUT
        order_type = DESK_TYPE.get(text_of(body.get("orderType")).upper(), report.type)
        limit, trigger = paise_of(body.get("price")), paise_of(body.get("triggerPrice"))
        if order_type is OrderType.MARKET:
            contract = self._market.catalogue.by_symbol[report.symbol]
            order_type, limit = OrderType.LIMIT, await self._protected(contract, report.side)
        change = OrderChange(
            tag=report.tag,
            broker_id=order_id,
            type=order_type,
            qty=whole_of(body.get("quantity")) or report.qty,
            limit_paise=limit or report.limit_paise,
            trigger_paise=(trigger or report.trigger_paise) if order_type is OrderType.SL else 0,
        )
        return _changed(await self._port.modify(change), order_id, "TRANSIT")

    async def cancel(self, order_id: str) -> Outcome:
        report = await self._report(order_id)
        if report is None:
            return rows.BAD_INPUT
        if order_id in self._rejected:
            return (400, "Order_Error", "DH-906", "Order is already REJECTED")
        return _changed(await self._port.cancel(report.tag, order_id), order_id, "CANCELLED")

    async def _request(self, body: Mapping[str, Any]) -> OrderRequest | Error:
        contract = self._market.contract(body.get("exchangeSegment"), body.get("securityId"))
        side = DESK_SIDE.get(text_of(body.get("transactionType")).upper())
        product = DESK_PRODUCT.get(text_of(body.get("productType")).upper(), "")
        order_type = DESK_TYPE.get(text_of(body.get("orderType")).upper())
        label, qty, limit = (
            text_of(body.get("correlationId")),
            whole_of(body.get("quantity")),
            paise_of(body.get("price")),
        )
        trigger = paise_of(body.get("triggerPrice")) or 0
        if (label and not _LABEL.fullmatch(label)) or body.get("validity") not in ("DAY", "IOC"):
            return rows.BAD_INPUT
        if contract is None or contract.segment == "IDX_I" or side is None or not product or order_type is None:
            return rows.BAD_INPUT
        if qty is None or qty <= 0 or limit is None or not isinstance(body.get("securityId"), str):
            return rows.BAD_INPUT
        if order_type is OrderType.SL_M:
            return (400, "Order_Error", "DH-906", "Trigger Price should be greater than Price")
        if order_type is OrderType.MARKET:
            order_type, limit = OrderType.LIMIT, await self._protected(contract, side)
        return OrderRequest(
            tag=self._floor_tag(label),
            symbol=contract.instrument.symbol,
            exchange=contract.instrument.exchange,
            product=product,
            side=side,
            type=order_type,
            qty=qty,
            limit_paise=limit,
            trigger_paise=trigger if order_type is OrderType.SL else 0,
        )

    async def _protected(self, contract: Contract, side: Side) -> int:
        """Market-price protection: the LIMIT that a MARKET order becomes, and which may rest."""
        ltp, tick = (
            (await self._floor.market.quote(contract.instrument.symbol)).ltp_paise,
            contract.instrument.tick_paise,
        )
        limit = ltp * (100 + side.sign * _PROTECTION_PERCENT) // 100
        return ceil_to_tick(limit, tick) if side is Side.BUY else max(tick, floor_to_tick(limit, tick))

    def _floor_tag(self, label: str) -> str:
        """The label itself where the exchange takes it and has not had it; a label may be used twice here."""
        fits = _FLOOR_TAG.fullmatch(label) and label not in self._label_of_tag and not label.startswith(_OWN_TAG)
        tag = label if fits else f"{_OWN_TAG}{self._random.randrange(10**12):012d}"
        self._label_of_tag[tag] = label or "NA"
        return tag

    def _remember(self, order_id: str, tag: str) -> None:
        self._labels.setdefault(
            order_id, Labels(self._label_of_tag.get(tag, tag), created_ns=self._floor.clock.now_ns())
        )

    def _reject_later(self, request: OrderRequest, refused: Refused) -> dict[str, str]:
        """Accepted by the OMS, rejected behind it."""
        now_ns = self._floor.clock.now_ns()
        # By the time of day: a venue that starts again must not give a number twice.
        self._number = max(self._number + 1, now_ns // NS_PER_MS % 10**8)
        order_id = f"{ist_date(now_ns):%y%m%d}9{self._number:08d}"
        report = rejected_report(request, order_id, f"RMS: {refused.text}", now_ns)
        self._rejected[order_id] = report
        self._remember(order_id, request.tag)
        self._tell(self.name, report)
        return {"orderId": order_id, "orderStatus": "TRANSIT"}

    # --- reads --------------------------------------------------------------------------------------------------------

    async def _reports(self) -> list[OrderReport]:
        """Newest first, as Dhan lists them. Raises ReadFailed."""
        await self._market.refresh()
        reports = [*await self._port.read_orders(), *self._rejected.values()]
        return sorted(reports, key=lambda report: report.broker_id, reverse=True)

    async def _report(self, order_id: str) -> OrderReport | None:
        return next((report for report in await self._reports() if report.broker_id == order_id), None)

    async def order_rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for report in await self._reports():
            contract = self._market.catalogue.by_symbol.get(report.symbol)
            if contract is not None:
                found.append(rows.order_row(report, contract, self._labels_of(report), self.client_id))
        return found

    async def trade_rows(self, order_id: str = "") -> list[dict[str, Any]]:
        reports = {report.broker_id: report for report in await self._reports()}
        return [
            rows.trade_row(trade, contract, order, self._labels_of(order), self.client_id)
            for trade in await self._port.read_trades()
            if order_id in ("", trade.broker_id)
            and (order := reports.get(trade.broker_id)) is not None
            and (contract := self._market.catalogue.by_symbol.get(trade.symbol)) is not None
        ]

    async def position_rows(self) -> list[dict[str, Any]]:
        product_of = {report.broker_id: report.product for report in await self._reports()}
        trades = await self._port.read_trades()
        return [
            rows.position_row(position, contract, rows.trades_of_position(position, trades, product_of), self.client_id)
            for position in await self._port.read_positions()
            if (contract := self._market.catalogue.by_symbol.get(position.symbol)) is not None
        ]

    async def funds(self) -> dict[str, Any]:
        """Cash less what resting BUYs hold back. Raises ReadFailed."""
        ledger = next((row for row in self._floor.ledger().accounts if row.name == self.name), None)
        if ledger is None:
            raise ReadFailed(f"no books of {self.name}")
        blocked = sum(
            order.remaining_qty * order.limit_paise
            for order in ledger.orders
            if order.side is Side.BUY and order.is_live
        )
        return {
            "dhanClientId": self.client_id,
            "availabelBalance": (ledger.cash_paise - blocked) / 100,
            "sodLimit": ledger.opening_paise / 100,
            "collateralAmount": 0.0,
            "receiveableAmount": 0.0,
            "utilizedAmount": (ledger.opening_paise - ledger.cash_paise + blocked) / 100,
            "blockedPayoutAmount": 0.0,
            "withdrawableBalance": (ledger.cash_paise - blocked) / 100,
        }

    async def margin(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        contract = self._market.contract(body.get("exchangeSegment"), body.get("securityId"))
        qty, price = whole_of(body.get("quantity")), paise_of(body.get("price"))
        side = DESK_SIDE.get(text_of(body.get("transactionType")).upper())
        if contract is None or not qty or price is None or side is None:
            return None
        value = qty * price
        if side is Side.SELL and contract.instrument.segment is Segment.INDEX_OPTION:
            value = qty * contract.instrument.strike_paise * _SHORT_MARGIN_PERCENT // 100
        available = (await self.funds())["availabelBalance"]
        return {
            "totalMargin": value / 100,
            "spanMargin": 0.0,
            "exposureMargin": 0.0,
            "availableBalance": available,
            "variableMargin": value / 100,
            "insufficientBalance": max(value / 100 - available, 0.0),
            "brokerage": 20.0,
            "leverage": "1.00",
        }

    def frame(self, report: OrderReport, *, camel: bool) -> dict[str, Any] | None:
        contract = self._market.catalogue.by_symbol.get(report.symbol)
        if contract is None:
            return None
        return rows.order_frame(report, contract, self._labels_of(report), self.client_id, camel=camel)

    def _labels_of(self, report: OrderReport) -> Labels:
        """An order of an earlier run of this venue has its tag; a tag that was made here stands for no label."""
        known = self._labels.get(report.broker_id)
        if known is not None:
            return known
        label = self._label_of_tag.get(report.tag, "NA" if report.tag.startswith(_OWN_TAG) else report.tag)
        return Labels(label, report.at_ns)


def _changed(answer: Answer, order_id: str, status: str) -> Outcome:
    match answer:
        case Acked():
            return {"orderId": order_id, "orderStatus": status}
        case Refused():
            return rows.change_error(answer)
        case _:
            return None
