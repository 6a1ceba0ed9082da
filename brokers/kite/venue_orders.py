"""One account of the venue: Kite's order calls in front of the floor's account, its book, history and order frames.

The gate refuses malformed requests at once; what the risk system or the exchange refuses is accepted first and then
rejected, with a row of its own (facts/kite.md §2: acceptance is not execution). Tags are labels to Kite and may repeat
or be missing: the floor, whose tags are unique, then gets one of the venue's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from brokers.kite.master import Listing
from brokers.kite.venue_forms import Terms, product_of, protected_limit, side_of, tag_of, terms_of, wrong
from brokers.kite.venue_master import Quoted, VenueMaster
from brokers.kite.venue_rows import INTERIM, KiteError, order_row, position_row, trade_row
from brokers.venue.late_refusal import rejected_report
from engine import refusals
from engine.instant import ist_date
from engine.order import TERMINAL, OrderState, OrderType, Trade
from engine.port import (
    Acked,
    Answer,
    BrokerPort,
    Clock,
    NotSent,
    OrderChange,
    OrderReport,
    OrderRequest,
    ReadFailed,
    Refused,
    Unknown,
)
from engine.tick import Tick

_OWN_TAG: Final = "VENUE"
_STEPS_MAX: Final = 200
_AT_THE_GATE: Final = frozenset(
    {refusals.UNKNOWN_SYMBOL, refusals.LOT_SIZE, refusals.TAG, refusals.SESSION_CLOSED, refusals.THROTTLED}
)


class Lost(Exception):
    """The floor leaves the outcome open: the caller is not told."""


class VenueAccount:
    """`tell` hears every new row; `quote` gives the floor's price, or None."""

    def __init__(
        self,
        port: BrokerPort,
        user: str,
        master: VenueMaster,
        clock: Clock,
        quote: Callable[[str], Awaitable[Tick | None]],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._port = port
        self.user = user
        self._master = master
        self._clock = clock
        self._quote = quote
        self._tell = tell
        self._client_tags: dict[str, str] = {}
        """By the floor's tag, where it is one of the venue's own."""
        self._labels: dict[str, tuple[str, ...]] = {}
        """By the floor's tag: the broker's own labels."""
        self._rejected: dict[str, OrderReport] = {}
        self._steps: dict[str, list[dict[str, Any]]] = {}
        """By order id: the rows it has been, oldest first."""
        self._number = 0
        port.listen(self._on_order, lambda _trade: None)

    # --- writes -----------------------------------------------------------------------------------------------------

    async def place(self, variety: str, form: Mapping[str, str]) -> str:
        """The order id. Raises KiteError and Lost."""
        if variety != "regular":
            raise wrong("Only the `regular` variety is offered in a rehearsal.")
        quoted = self._master.by_name(form.get("exchange", ""), form.get("tradingsymbol", ""))
        if quoted is None:
            raise wrong("The instrument you are placing an order for has either expired or does not exist.")
        side, product, client_tag, terms = side_of(form), product_of(form), tag_of(form), terms_of(form)
        tick = await self._quote(quoted.instrument.symbol)
        is_usable = client_tag.isalnum() and not client_tag.startswith(_OWN_TAG)
        request = OrderRequest(
            tag=client_tag if is_usable else self._own_tag(client_tag),
            symbol=quoted.instrument.symbol,
            exchange=quoted.instrument.exchange,
            product=product,
            side=side,
            type=terms.type,
            qty=terms.qty,
            limit_paise=terms.limit_paise,
            trigger_paise=terms.trigger_paise,
        )
        request = self._protected(request, quoted, terms, tick)
        answer = await self._port.place(request)
        if isinstance(answer, Refused) and answer.code == refusals.DUPLICATE_TAG:
            before, request = request, replace(request, tag=self._own_tag(client_tag))
            self._labels[request.tag] = self._labels.get(before.tag, ())
            answer = await self._port.place(request)
        match answer:
            case Acked(broker_id=broker_id):
                return broker_id
            case Refused(code=code, text=text) if code not in _AT_THE_GATE:
                return self._reject(request, text)
            case _:
                raise _failure(answer)

    async def modify(self, broker_id: str, form: Mapping[str, str]) -> str:
        """The order id. Raises KiteError and Lost."""
        before = await self._report(broker_id)
        terms = terms_of(form, before)
        quoted = self._master.by_symbol(before.symbol)
        if terms.type is OrderType.MARKET and quoted is not None:
            terms = self._protected_change(before, quoted, terms, await self._quote(before.symbol))
        change = OrderChange(
            tag=before.tag,
            broker_id=broker_id,
            type=terms.type,
            qty=terms.qty,
            limit_paise=terms.limit_paise,
            trigger_paise=terms.trigger_paise,
        )
        answer = await self._port.modify(change)
        if isinstance(answer, Acked):
            return broker_id
        raise _failure(answer)

    async def cancel(self, broker_id: str) -> str:
        """The order id. Raises KiteError and Lost."""
        before = await self._report(broker_id)
        answer = await self._port.cancel(before.tag, broker_id)
        if isinstance(answer, Acked):
            return broker_id
        raise _failure(answer)

    def _own_tag(self, client_tag: str) -> str:
        """One of the venue's, for a client's tag that the floor cannot have: none, with a space, or used before."""
        self._number = max(self._number + 1, self._clock.now_ns() // 1000 % 10**15)
        tag = f"{_OWN_TAG}{self._number:015d}"
        self._client_tags[tag] = client_tag
        return tag

    def _protected(self, request: OrderRequest, quoted: Quoted, terms: Terms, tick: Tick | None) -> OrderRequest:
        """A MARKET order goes to the exchange as a LIMIT, and is shown as one."""
        if request.type is not OrderType.MARKET:
            return request
        if tick is None:
            raise KiteError(400, "OrderException", "No price to protect a market order with.")
        limit, percent = protected_limit(quoted.instrument, request.side, tick.ltp_paise, terms.protection_bps)
        self._labels[request.tag] = ("mktp", f"mktp:{percent}")
        return replace(request, type=OrderType.LIMIT, limit_paise=limit)

    def _protected_change(self, before: OrderReport, quoted: Quoted, terms: Terms, tick: Tick | None) -> Terms:
        if tick is None:
            raise KiteError(400, "OrderException", "No price to protect a market order with.")
        limit, percent = protected_limit(quoted.instrument, before.side, tick.ltp_paise, terms.protection_bps)
        self._labels[before.tag] = ("mktp", f"mktp:{percent}")
        return replace(terms, type=OrderType.LIMIT, limit_paise=limit)

    def _reject(self, request: OrderRequest, text: str) -> str:
        now_ns = self._clock.now_ns()
        self._number = max(self._number + 1, now_ns // 1000 % 10**12)
        order_id = f"{ist_date(now_ns):%y%m%d}9{self._number % 10**12:012d}"
        report = rejected_report(request, order_id, f"RMS:{text}", now_ns)
        self._rejected[report.broker_id] = report
        self._on_order(report)
        return report.broker_id

    # --- books ------------------------------------------------------------------------------------------------------

    async def orders(self) -> list[dict[str, Any]]:
        """Raises Lost when the floor's book cannot be read."""
        return [self._row(report) for report in await self._reports()]

    async def history(self, broker_id: str) -> list[dict[str, Any]]:
        report = await self._report(broker_id)
        rows, now = self._steps.get(broker_id, []), self._row(report)
        return rows if rows and rows[-1] == now else [*rows, now]

    async def trades(self, broker_id: str = "") -> list[dict[str, Any]]:
        products = {report.broker_id: report.product for report in await self._reports()}
        return [
            trade_row(trade, self._listing(trade.symbol), products.get(trade.broker_id, ""))
            for trade in await self._trades()
            if broker_id in ("", trade.broker_id)
        ]

    async def positions(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        trades = await self._trades()
        products = {report.broker_id: report.product for report in await self._reports()}
        for position in await _floor(self._port.read_positions):
            tick = await self._quote(position.symbol)
            key = (position.symbol, position.product)
            mine = [trade for trade in trades if (trade.symbol, products.get(trade.broker_id)) == key]
            ltp = tick.ltp_paise if tick is not None else position.average_paise
            rows.append(position_row(position, self._listing(position.symbol), mine, ltp))
        return rows

    async def _trades(self) -> list[Trade]:
        return list(await _floor(self._port.read_trades))

    async def _reports(self) -> list[OrderReport]:
        today = ist_date(self._clock.now_ns())
        self._rejected = {key: row for key, row in self._rejected.items() if ist_date(row.at_ns) == today}
        found = [*await _floor(self._port.read_orders), *self._rejected.values()]
        return sorted(found, key=lambda report: report.broker_id[:6])

    async def _report(self, broker_id: str) -> OrderReport:
        for report in await self._reports():
            if report.broker_id == broker_id:
                return report
        raise KiteError(400, "OrderException", "Couldn't find that `order_id`.")

    def _row(self, report: OrderReport, word: str = "") -> dict[str, Any]:
        tag = self._client_tags.get(report.tag, "" if report.tag.startswith(_OWN_TAG) else report.tag)
        labels = self._labels.get(report.tag, ())
        return order_row(report, self._listing(report.symbol), self.user, tag, labels=labels, word=word)

    def _listing(self, symbol: str) -> Listing:
        quoted = self._master.by_symbol(symbol)
        return quoted.listing if quoted is not None else Listing(0, "NFO", symbol)

    # --- pushes -----------------------------------------------------------------------------------------------------

    def _on_order(self, report: OrderReport) -> None:
        """A row for the history and a frame for the streams; a new order first walks through its interim statuses."""
        steps = self._steps.setdefault(report.broker_id, [])
        rows = [self._row(report)]
        if not steps and report.state not in TERMINAL:
            fresh = replace(report, filled_qty=0, average_paise=0, state=OrderState.WORKING)
            rows = [*(self._row(fresh, word) for word in INTERIM), *rows]
        elif not steps:
            rows = [self._row(replace(report, filled_qty=0, average_paise=0), INTERIM[0]), *rows]
        for row in rows:
            if len(steps) < _STEPS_MAX:
                steps.append(row)
            self._tell(row)


async def _floor(read: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await read()
    except ReadFailed:
        raise Lost from None


def _failure(answer: Answer) -> KiteError | Lost:
    """The broker's refusal for the floor's, or Lost."""
    match answer:
        case Refused(code=refusals.THROTTLED, text=text):
            return KiteError(429, "NetworkException", f"Too many requests: {text}")
        case Refused(code=refusals.MARGIN, text=text):
            return KiteError(400, "MarginException", f"Insufficient funds: {text}")
        case Refused(code=refusals.NOT_ALLOWED, text=text):
            return KiteError(403, "PermissionException", text)
        case Refused(code=refusals.TOO_MANY_CHANGES):
            return KiteError(400, "OrderException", "Maximum allowed order modifications exceeded.")
        case Refused(code=refusals.LOT_SIZE | refusals.TICK_SIZE | refusals.TAG | refusals.UNKNOWN_SYMBOL, text=text):
            return KiteError(400, "InputException", text)
        case Refused(text=text):
            return KiteError(400, "OrderException", text)
        case NotSent() | Unknown():
            return Lost()
        case _:
            raise AssertionError("an acknowledgement is no failure")


class Accounts:
    """The venue's accounts, each opened once."""

    def __init__(self, open_one: Callable[[str], Awaitable[VenueAccount]]) -> None:
        self._open_one = open_one
        self._open: dict[str, VenueAccount] = {}
        self._line = asyncio.Lock()

    async def get(self, name: str) -> VenueAccount:
        async with self._line:
            if name not in self._open:
                self._open[name] = await self._open_one(name)
            return self._open[name]
