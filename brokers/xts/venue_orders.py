"""The interactive side of the rehearsal venue: order requests, books, balance (facts/xts.md §3, §5).

Types are taken as real servers take them: numbers may be texts, ids may be either (facts §10). What a person's program
got wrong is a "Bad Request" at once; what the exchange refuses is acknowledged and rejected afterwards, as XTS does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from brokers.paper.server import Floor
from brokers.venue.site import Site
from brokers.wire.numbers import paise_of, whole_of
from brokers.xts import venue_replies as replies
from brokers.xts import venue_rows
from brokers.xts.segments import segment_number
from brokers.xts.venue_rows import Listed
from brokers.xts.venue_seat import TradeSeat
from engine import refusals
from engine.money import ceil_to_tick, floor_to_tick
from engine.order import TERMINAL, OrderType, Side
from engine.port import Acked, Answer, OrderChange, OrderRequest, ReadFailed, Refused

_TYPES: Final = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOPLIMIT": OrderType.SL,
    "STOPMARKET": OrderType.SL_M,
}
_PROTECTION_PCT: Final = 3
"""Of a bare MARKET, which the exchange itself does not take."""
_BAD_REQUESTS: Final = {
    refusals.LOT_SIZE: "orderQuantity",
    refusals.UNKNOWN_SYMBOL: "exchangeInstrumentID",
    refusals.TAG: "orderUniqueIdentifier",
}
_SENT: Final = "API Order Id sent"


class Complaint(Exception):
    """A request that is wrong: the field, and what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class OrderDesk:
    """The handlers of one venue. `seat_of` gives the session of a request's token, or the refusal of it."""

    def __init__(
        self,
        site: Site,
        seat_of: Callable[[web.Request], TradeSeat | web.Response],
        contract_at: Callable[[tuple[int, int]], Listed | None],
        contract_of: Callable[[str], Listed | None],
        show: Callable[[str], Awaitable[None]],
    ) -> None:
        """`show` brings prices of a symbol to the exchange."""
        self._contract_of = contract_of
        self._show = show
        self._site = site
        self._floor: Floor = site.floor
        self._seat_of = seat_of
        self._contract_at = contract_at
        self._made_tags = 0

    def add_routes(self, router: web.UrlDispatcher, prefix: str) -> None:
        for method, path, handler in (
            ("POST", "/orders", self._place),
            ("PUT", "/orders", self._modify),
            ("DELETE", "/orders", self._cancel),
            ("GET", "/orders", self._orders),
            ("GET", "/orders/dealerorderbook", self._orders),
            ("POST", "/orders/cancelall", self._cancel_all),
            ("GET", "/orders/trades", self._trades),
            ("GET", "/orders/dealertradebook", self._trades),
            ("GET", "/portfolio/positions", self._positions),
            ("GET", "/portfolio/dealerpositions", self._positions),
            ("GET", "/portfolio/holdings", self._holdings),
            ("GET", "/user/balance", self._balance),
            ("GET", "/user/profile", self._profile),
        ):
            router.add_route(method, f"{prefix}{path}", handler)

    # --- writes -------------------------------------------------------------------------------------------------------

    async def _place(self, request: web.Request) -> web.StreamResponse:
        seat = self._writer(request)
        if isinstance(seat, web.Response):
            return seat
        try:
            body = await _body(request)
            contract = self._contract(body)
            order = await self._order(body, contract)
        except Complaint as wrong:
            return replies.bad_request(wrong.field, str(wrong))
        identifier = order.tag
        await self._show(order.symbol)
        answer = await self._send(seat, order)
        match answer:
            case Acked(broker_id=broker_id):
                return _ack(seat, seat.app_id(broker_id), identifier)
            case Refused(code=refusals.THROTTLED):
                return replies.throttled()
            case Refused(code=code, text=text) if code in _BAD_REQUESTS:
                return replies.bad_request(_BAD_REQUESTS[code], text)
            case Refused(text=text):
                number = seat.refuse(order, contract, f"OEMS:RMS : {text}", self._floor.clock.now_ns())
                return _ack(seat, number, identifier)
            case _:
                return await self._site.lose_reply(request)

    async def _send(self, seat: TradeSeat, order: OrderRequest) -> Answer:
        """The identifier is the exchange's tag too, where it can be: real servers take one twice, and any text."""
        answer = await seat.port.place(order)
        if isinstance(answer, Refused) and answer.code in (refusals.DUPLICATE_TAG, refusals.TAG):
            self._made_tags += 1
            tag = f"XV{self._floor.clock.now_ns() // 1000:x}{self._made_tags:x}"[-20:]
            seat.rename(tag, order.tag)
            return await seat.port.place(msgspec.structs.replace(order, tag=tag))
        return answer

    async def _modify(self, request: web.Request) -> web.StreamResponse:
        seat = self._writer(request)
        if isinstance(seat, web.Response):
            return seat
        try:
            body = await _body(request)
            number = _whole(body, "appOrderID")
            found = await seat.find(number)
            if found is None or found.state in TERMINAL:
                return self._over(seat, number, found is not None)
            kind = _word(body, "modifiedOrderType", _TYPES)
            limit_paise = _paise(body, "modifiedLimitPrice")
            contract = self._listed(found.symbol)
            change = OrderChange(
                tag=found.tag,
                broker_id=found.broker_id,
                type=kind,
                qty=_whole(body, "modifiedOrderQuantity"),
                limit_paise=await self._protected(contract, found.side) if kind is OrderType.MARKET else limit_paise,
                trigger_paise=_paise(body, "modifiedStopPrice"),
            )
        except Complaint as wrong:
            return replies.bad_request(wrong.field, str(wrong))
        seat.will_change(found.broker_id)
        answer = await seat.port.modify(change)
        return await self._changed(request, seat, number, found.tag, answer)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        seat = self._writer(request)
        if isinstance(seat, web.Response):
            return seat
        number = whole_of(request.query.get("appOrderID"))
        if number is None:
            return replies.bad_request("appOrderID", '"appOrderID" must be a number')
        found = await seat.find(number)
        if found is None or found.state in TERMINAL:
            return self._over(seat, number, found is not None)
        answer = await seat.port.cancel(found.tag, found.broker_id)
        return await self._changed(request, seat, number, found.tag, answer)

    async def _changed(
        self, request: web.Request, seat: TradeSeat, number: int, tag: str, answer: Answer
    ) -> web.StreamResponse:
        match answer:
            case Acked():
                return _ack(seat, number, tag, "Request sent")
            case Refused(code=refusals.THROTTLED):
                return replies.throttled()
            case Refused(code=refusals.ALREADY_FINISHED | refusals.NO_SUCH_ORDER as code):
                return self._over(seat, number, code == refusals.ALREADY_FINISHED)
            case Refused(text=text):
                return replies.error(400, "e-orders-0009", f"OEMS:RMS : {text}")
            case _:
                return await self._site.lose_reply(request)

    async def _cancel_all(self, request: web.Request) -> web.StreamResponse:
        """Of one contract, or of a whole segment where its id is 0."""
        seat = self._writer(request)
        if isinstance(seat, web.Response):
            return seat
        try:
            body = await _body(request)
        except Complaint as wrong:
            return replies.bad_request(wrong.field, str(wrong))
        segment, wanted = segment_number(body.get("exchangeSegment")), whole_of(body.get("exchangeInstrumentID")) or 0
        for report in await seat.port.read_orders():
            contract = self._listed(report.symbol)
            if report.state not in TERMINAL and contract.key[0] == segment and wanted in (0, contract.number):
                await seat.port.cancel(report.tag, report.broker_id)
        return replies.success("s-orders-0001", "Cancel all request sent", "")

    def _over(self, seat: TradeSeat, number: int, is_known: bool) -> web.Response:
        if is_known or seat.refused(number) is not None:
            return replies.error(400, "e-orders-0008", f"Order {number} is not open")
        return replies.no_such_order(number)

    # --- reads --------------------------------------------------------------------------------------------------------

    async def _orders(self, request: web.Request) -> web.StreamResponse:
        """The book, or the history of one order, of which this venue keeps only the last state."""
        seat = self._seat_of(request)
        if isinstance(seat, web.Response):
            return seat
        rows = await seat.order_rows()
        if (asked := request.query.get("appOrderID")) is not None:
            rows = [row for row in rows if str(row["AppOrderID"]) == asked]
            return replies.success("s-orders-0001", "Success", rows) if rows else replies.no_such_order(asked)
        return replies.rows_or_empty("s-orders-0001", "e-orders-0005", rows)

    async def _trades(self, request: web.Request) -> web.StreamResponse:
        seat = self._seat_of(request)
        if isinstance(seat, web.Response):
            return seat
        return replies.rows_or_empty("s-tradebook-0001", "e-tradebook-0005", await seat.trade_rows())

    async def _positions(self, request: web.Request) -> web.StreamResponse:
        seat = self._seat_of(request)
        if isinstance(seat, web.Response):
            return seat
        rows = await seat.position_rows()
        if not rows:
            return replies.error(400, "e-portfolio-0005", "Data Not Available")
        return replies.success("s-portfolio-0001", "Success", {"positionList": rows})

    async def _holdings(self, request: web.Request) -> web.StreamResponse:
        """Nothing is ever settled here."""
        seat = self._seat_of(request)
        return seat if isinstance(seat, web.Response) else replies.error(400, "e-holdings-0005", "Data Not Available")

    async def _balance(self, request: web.Request) -> web.StreamResponse:
        seat = self._seat_of(request)
        if isinstance(seat, web.Response):
            return seat
        kept = next((row for row in self._floor.ledger().accounts if row.account_id == seat.port.account_id), None)
        cash_paise = kept.cash_paise if kept is not None else 0
        return replies.success("s-user-0002", "OK", venue_rows.balance(seat.user, cash_paise))

    async def _profile(self, request: web.Request) -> web.StreamResponse:
        seat = self._seat_of(request)
        if isinstance(seat, web.Response):
            return seat
        return replies.success("s-user-0001", "Valid User.", {"ClientId": seat.user, "ClientName": "Rehearsal"})

    # --- what a request says ------------------------------------------------------------------------------------------

    def _writer(self, request: web.Request) -> TradeSeat | web.Response:
        """The session, unless it may not write now."""
        seat = self._seat_of(request)
        if isinstance(seat, web.Response):
            return seat
        if self._site.is_throttled(seat.user):
            return replies.throttled()
        return seat if self._site.terms.trading_allowed else replies.address_not_allowed()

    async def _order(self, body: Mapping[str, Any], contract: Listed) -> OrderRequest:
        kind, side = _word(body, "orderType", _TYPES), _word(body, "orderSide", {side.value: side for side in Side})
        identifier = body.get("orderUniqueIdentifier")
        if identifier is not None and (not isinstance(identifier, str) or len(identifier) > 20):
            raise Complaint("orderUniqueIdentifier", "length must be less than or equal to 20 characters long")
        product = body.get("productType")
        if product not in ("MIS", "NRML", "CNC"):
            raise Complaint("productType", "must be one of [MIS, NRML, CNC]")
        limit_paise = _paise(body, "limitPrice")
        return OrderRequest(
            tag=identifier or "",
            symbol=contract.instrument.symbol,
            exchange=contract.instrument.exchange,
            product=product,
            side=side,
            type=kind,
            qty=_whole(body, "orderQuantity"),
            limit_paise=await self._protected(contract, side) if kind is OrderType.MARKET else limit_paise,
            trigger_paise=_paise(body, "stopPrice"),
        )

    async def _protected(self, contract: Listed, side: Side) -> int:
        """The limit that stands for a bare market order."""
        try:
            ltp = (await self._floor.market.quote(contract.instrument.symbol)).ltp_paise
        except ReadFailed:
            raise Complaint("orderType", "no market price") from None
        tick = contract.instrument.tick_paise
        gap = ltp * _PROTECTION_PCT // 100 + tick
        return ceil_to_tick(ltp + gap, tick) if side is Side.BUY else max(tick, floor_to_tick(ltp - gap, tick))

    def _contract(self, body: Mapping[str, Any]) -> Listed:
        segment, number = segment_number(body.get("exchangeSegment")), whole_of(body.get("exchangeInstrumentID"))
        if segment is None:
            raise Complaint("exchangeSegment", '"exchangeSegment" must be one of [NSECM, NSEFO, BSECM, BSEFO]')
        if number is None:
            raise Complaint("exchangeInstrumentID", '"exchangeInstrumentID" must be a number')
        contract = self._contract_at((segment, number))
        if contract is None:
            raise Complaint("exchangeInstrumentID", f"no instrument {number} in this segment")
        return contract

    def _listed(self, symbol: str) -> Listed:
        contract = self._contract_of(symbol)
        assert contract is not None, "the exchange trades only what the venue lists"
        return contract


def _ack(seat: TradeSeat, number: int, identifier: str, description: str = _SENT) -> web.Response:
    result = {"AppOrderID": number, "OrderUniqueIdentifier": identifier, "ClientID": seat.user}
    return replies.success("s-orders-0001", description, result)


async def _body(request: web.Request) -> Mapping[str, Any]:
    try:
        body = msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Complaint("body", "must be JSON") from None
    if not isinstance(body, dict):
        raise Complaint("body", "must be an object")
    return cast("dict[str, Any]", body)


def _whole(body: Mapping[str, Any], name: str) -> int:
    number = whole_of(body.get(name))
    if number is None or not 0 <= number < 10**10:
        raise Complaint(name, f'"{name}" must be a number')
    return number


def _paise(body: Mapping[str, Any], name: str) -> int:
    """0 when it is left out."""
    value = body.get(name, 0)
    paise = 0 if value in (None, "") else paise_of(value)
    if paise is None or paise < 0:
        raise Complaint(name, f'"{name}" must be a number')
    return paise


def _word(body: Mapping[str, Any], name: str, words: Mapping[str, Any]) -> Any:
    value = body.get(name)
    found = words.get(value.upper()) if isinstance(value, str) else None
    if found is None:
        raise Complaint(name, f'"{name}" must be one of [{", ".join(words)}]')
    return found
