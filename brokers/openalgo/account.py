"""One trading account at an OpenAlgo server: orders, books, funds. Implements `engine.port_reads.TradingPort`.

Every order call is answered by the table in `answers`, once, with one deadline. Which row of the book is ours is said
by `placements`; how much of it is filled, by `fills`. An empty book of a live server is believed only beside a
non-empty funds read, and never when orders of ours must be in it: a dead broker link looks just so (facts/openalgo.md
§6).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import msgspec

from brokers.openalgo import fills, orders
from brokers.openalgo.answers import Call
from brokers.openalgo.calls import Calls
from brokers.openalgo.fills import Fill, TradeRow
from brokers.openalgo.frames import Update, is_expected
from brokers.openalgo.master import Master
from brokers.openalgo.orders import STRATEGY_TAG, OrderRow, PositionRow
from brokers.openalgo.placements import Placements
from brokers.openalgo.rules import AMBIGUITY_S, CARRIES_PREVIOUS, POLLED, PUSHED, XTS_PLUGINS, Mode
from brokers.openalgo.shapes import object_of, rows_of
from brokers.openalgo.standing import SessionStanding
from brokers.openalgo.stream import OrderWords
from brokers.refusal_words import refusal_code
from brokers.wire.numbers import paise_of, rupees_of
from brokers.wire.oddities import Oddities
from brokers.wire.stream import Stream, StreamRules
from brokers.wire.tools import SessionTools
from engine import refusals
from engine.instant import ns_from_s
from engine.order import TERMINAL, OrderState, OrderType, Trade
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
from engine.port_reads import Funds, KnownOrder
from engine.venue_rules import VenueRules

_CONNECT_S: Final = 10.0
"""Real seconds for the order stream to be up; afterwards it goes on trying by itself."""
_EARLY_MAX: Final = 256
"""Updates kept that came before the reply which names their order."""
_FRESH_S: Final = 10.0
"""Real seconds in which an acknowledged order must be in the book: without it the read is stale (faults NET-06)."""


class OpenAlgoAccount:
    """Made by the session; reads and writes go through its calls."""

    def __init__(
        self,
        account_id: str,
        calls: Calls,
        standing: SessionStanding,
        master: Callable[[], Master],
        tools: SessionTools,
        words: Callable[[Oddities, Callable[[Update], None]], OrderWords],
    ) -> None:
        self._account_id = account_id
        self._calls = calls
        self._standing = standing
        self._master = master
        self._tools = tools
        self._ambiguity_s = AMBIGUITY_S * tools.time_scale
        self._placements = Placements(ns_from_s(self._ambiguity_s))
        self._oddities = Oddities("OpenAlgo account", tools.note)
        self._on_order: Callable[[OrderReport], None] = lambda _report: None
        self._on_link: list[Callable[[str], None]] = []
        self._words = words(self._oddities, self._hear)
        self._stream = Stream(
            "openalgo orders", self._words, Random(tools.random.random()), self._link, StreamRules(silence_s=0.0)
        )
        self._early: deque[OrderRow] = deque(maxlen=_EARLY_MAX)
        self._acked_s: dict[str, float] = {}
        self._ended: dict[str, OrderState] = {}
        """Ends that the newest live book showed: where one plugin's words are hints, a second look must agree."""
        self._plugin = ""
        self._whole = False

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def account_id(self) -> str:
        return self._account_id

    @property
    def rules(self) -> VenueRules:
        """`pushes_orders` is True where the server took `subscribe_orders` and its plugin has something to push."""
        return PUSHED if self._is_pushed else POLLED

    @property
    def ambiguity_s(self) -> float:
        return self._ambiguity_s

    @property
    def _is_live_mode(self) -> bool:
        return self._standing.expected is Mode.LIVE

    @property
    def _is_pushed(self) -> bool:
        can_push = not self._is_live_mode or self._words.broker not in XTS_PLUGINS
        return can_push and self._words.is_subscribed and self._stream.is_live

    def served_by(self, plugin: str) -> None:
        """The broker plugin behind the server, from its ping."""
        self._plugin = plugin
        self._whole = plugin in XTS_PLUGINS

    # --- the link -----------------------------------------------------------------------------------------------------

    def listen(self, on_order: Callable[[OrderReport], None], on_trade: Callable[[Trade], None]) -> None:
        """The server pushes no trades: `on_trade` is never called, the trade book is read."""
        del on_trade
        self._on_order = on_order

    def on_link(self, heard: Callable[[str], None]) -> None:
        self._on_link.append(heard)

    async def connect(self) -> None:
        self._stream.start()
        await self._stream.wait_live(_CONNECT_S)
        if self._is_live_mode:
            try:
                await self.read_orders()  # what is in the book before the first order of ours
            except ReadFailed as failure:
                self._tools.note(f"OpenAlgo: no order book before the first order: {failure}")

    async def close(self) -> None:
        await self._stream.close()

    def revive(self) -> None:
        self._stream.revive()

    def _link(self, why: str) -> None:
        for heard in self._on_link:
            heard(why)

    def recall(self, known: Sequence[KnownOrder]) -> None:
        """Implements `engine.port_reads.RecallingPort`."""
        self._placements.recall(known, lambda symbol, _exchange: self._master().wire_of(symbol))

    # --- writes -------------------------------------------------------------------------------------------------------

    async def place(self, request: OrderRequest) -> Answer:
        if why := self._standing.why_no_write():
            return NotSent(why)
        wire = self._master().wire_of(request.symbol)
        if wire is None or wire.exchange != request.exchange:
            return Refused(refusals.UNKNOWN_SYMBOL, f"{request.exchange}:{request.symbol} is not in today's master")
        if request.type is OrderType.MARKET and request.limit_paise <= 0:
            return Refused(refusals.NO_PROTECTION, "MARKET without a protection limit")
        terms = orders.terms_of(request, wire)
        now_ns = self._tools.clock.now_ns()
        if why := self._placements.begin(request.tag, terms, now_ns, serial=self._is_live_mode):
            return NotSent(why)
        answer = await self._calls.write(Call.PLACE, orders.order_body(request.tag, terms))
        match answer:
            case Acked(broker_id=broker_id):
                self._placements.adopt(request.tag, broker_id)
                self._acked_s[broker_id] = asyncio.get_running_loop().time()
            case NotSent() | Refused():
                self._placements.drop(request.tag)
            case Unknown():
                pass
        self._tell_early()
        return answer

    async def modify(self, change: OrderChange) -> Answer:
        terms = self._placements.terms_of(change.broker_id)
        if terms is None:
            try:
                await self.read_orders()
            except ReadFailed as failure:
                return NotSent(f"nothing is known of order {change.broker_id}: {failure}")
            terms = self._placements.terms_of(change.broker_id)
        if terms is None:
            return Refused(refusals.NO_SUCH_ORDER, f"order {change.broker_id} is not in the book")
        wanted = orders.changed(terms, change)
        body = {"orderid": change.broker_id, **orders.order_body(change.tag, wanted)}
        answer = await self._calls.write(Call.MODIFY, body)
        if isinstance(answer, Acked):
            if wanted.type is not terms.type and not self._is_live_mode:
                answer = await self._type_taken(change.broker_id, wanted.type, answer)
            if isinstance(answer, Acked):
                self._placements.change(change.broker_id, wanted)
        return await self._explained(answer, change.broker_id)

    async def _type_taken(self, broker_id: str, wanted: OrderType, acked: Acked) -> Answer:
        """The analyzer says success to a change of type and may not carry it out (facts §3.2): look."""
        try:
            body = await self._calls.book("orderstatus", {"strategy": "", "orderid": broker_id})
        except ReadFailed as failure:
            return Unknown(f"changed, and not seen since: {failure}")
        row = orders.order_row(body.get("data"))
        if row is None:
            return Unknown("changed, and its row cannot be read")
        if row.terms.type in (wanted, OrderType.MARKET) or row.state in TERMINAL:
            return acked
        return Refused(refusals.ORDER_TYPE, f"the analyzer did not make it {wanted.value}")

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        answer = await self._calls.write(Call.CANCEL, {"strategy": tag, "orderid": broker_id})
        return await self._explained(answer, broker_id)

    async def _explained(self, answer: Answer, broker_id: str) -> Answer:
        """A live server says no to a change without saying why (facts §2): the book knows whether the order is over."""
        if not self._is_live_mode or not isinstance(answer, Refused) or answer.code != refusals.OTHER:
            return answer
        try:
            states = {report.broker_id: report.state for report in await self.read_orders()}
        except ReadFailed:
            return answer
        state = states.get(broker_id)
        return Refused(refusals.ALREADY_FINISHED, f"{answer.text}: it is {state}") if state in TERMINAL else answer

    # --- the order book -----------------------------------------------------------------------------------------------

    async def read_orders(self) -> Sequence[OrderReport]:
        read = self._placements.begin_read()
        body = await self._calls.book("orderbook")
        raws = rows_of(object_of(body.get("data")).get("orders"))
        if raws is None:
            raise ReadFailed("the order book is no list of orders")
        rows, unread = self._understood(raws)
        listed = {row.broker_id for row in rows} | set(unread)
        await self._believe(listed)
        for note in self._placements.seen(rows, read):
            self._tools.note(f"OpenAlgo: {note}")
        known_fills = await self._fills(rows) if self._is_live_mode else {}
        reports = [self._report(row, known_fills.get(row.broker_id)) for row in rows]
        self._tell_early()
        return [*reports, *filter(None, map(self._doubtful, unread))]

    def _understood(self, raws: Sequence[object]) -> tuple[list[OrderRow], list[str]]:
        """The rows, and the ids of those that cannot be read. Raises ReadFailed when one of these may be ours."""
        rows: list[OrderRow] = []
        unread: list[str] = []
        for raw in raws:
            row = orders.order_row(raw)
            if row is not None:
                rows.append(row)
                continue
            self._oddities.add("order row", raw)
            unread.append(orders.broker_id_of(raw))
        if any(not self._placements.tag_of(i) for i in unread) and self._placements.has_open:
            raise ReadFailed("a row that cannot be read may be an order of ours without an answer")
        return rows, [i for i in unread if i]

    def _doubtful(self, broker_id: str) -> OrderReport | None:
        """An order of ours whose row cannot be read: it is there, and nothing else is sure."""
        placement = self._placements.placement_of(broker_id)
        if placement is None:
            return None
        terms = placement.terms
        return OrderReport(
            tag=placement.tag, broker_id=broker_id, symbol=self._master().name_of(terms.wire), side=terms.side,
            type=terms.type, product=terms.product, qty=terms.qty, limit_paise=terms.limit_paise,
            trigger_paise=terms.trigger_paise, state=OrderState.UNKNOWN, filled_qty=0, average_paise=0,
        )  # fmt: skip

    async def _believe(self, listed: set[str]) -> None:
        """Raises ReadFailed for a book that contradicts what is known (facts §6, faults §4.7, NET-06)."""
        missing = self._placements.ids_of_day(self._tools.clock.now_ns()) - listed
        if not listed and missing:
            raise ReadFailed(f"an empty order book, and {len(missing)} orders of ours exist: the broker link is down")
        now_s = asyncio.get_running_loop().time()
        stale = [i for i in missing if now_s - self._acked_s.get(i, -_FRESH_S) < _FRESH_S]
        if stale:
            raise ReadFailed(f"the order book is older than order {min(stale)}")
        if missing:
            self._oddities.add("orders of ours that the book does not show", ", ".join(sorted(missing)))
        if not listed:
            await self._prove_link()

    async def _prove_link(self) -> None:
        """Beside an empty book of a live server: raises ReadFailed unless its broker tells funds."""
        if self._is_live_mode:
            await self.read_funds()

    async def _fills(self, rows: Sequence[OrderRow]) -> dict[str, Fill]:
        """Of a live book, which has no filled quantities."""
        if not any(row.filled_qty is None for row in rows):
            return {}
        by_order = fills.by_order(await self._trade_rows())
        self._whole = self._whole or fills.writes_whole_quantity(rows, by_order)
        found = {r.broker_id: fills.fill_of(r, by_order.get(r.broker_id, ()), whole=self._whole) for r in rows}
        if any(fill.qty is None for fill in found.values()):
            found |= fills.settled_by_positions(rows, found, await self._position_rows())
        if self._plugin in CARRIES_PREVIOUS:
            found |= self._ends_seen_once(rows, found)
        return found

    def _ends_seen_once(self, rows: Sequence[OrderRow], found: dict[str, Fill]) -> dict[str, Fill]:
        """Orders that this book says ended and the book before did not: doubtful until it says so again (ORD-26)."""
        before, self._ended = self._ended, {r.broker_id: r.state for r in rows if r.state in TERMINAL}
        return {
            i: Fill(state=OrderState.UNKNOWN, qty=0)
            for i, state in self._ended.items()
            if before.get(i) is not state and not (state is OrderState.FILLED and found[i].average_paise)
        }

    def _report(self, row: OrderRow, fill: Fill | None) -> OrderReport:
        """`fill` None: the row says itself how much is filled."""
        terms = row.terms
        if fill is None:
            whole = terms.qty if row.state is OrderState.FILLED else 0
            fill = Fill(state=row.state, qty=row.filled_qty or whole, average_paise=row.average_paise)
        elif fill.qty is None:
            self._oddities.add("an order whose fills cannot be told", f"{row.broker_id} {row.state.value}")
            fill = Fill(state=OrderState.UNKNOWN, qty=0)
        return OrderReport(
            tag=self._tag_of(row.broker_id, row.strategy),
            broker_id=row.broker_id,
            symbol=self._master().name_of(terms.wire),
            side=terms.side,
            type=terms.type,
            product=terms.product,
            qty=terms.qty,
            limit_paise=terms.limit_paise,
            trigger_paise=terms.trigger_paise,
            state=fill.state,
            filled_qty=fill.qty or 0,
            average_paise=fill.average_paise,
            reject_text=row.text,
            reject_code=refusal_code(row.text) if fill.state is OrderState.REJECTED else "",
            at_ns=row.at_ns,
        )

    def _tag_of(self, broker_id: str, strategy: str) -> str:
        tag = self._placements.tag_of(broker_id)
        return tag or (strategy if STRATEGY_TAG.fullmatch(strategy) else "")

    # --- trades, positions, funds -------------------------------------------------------------------------------------

    async def read_trades(self) -> Sequence[Trade]:
        rows = await self._trade_rows()
        by_order = fills.by_order(rows)
        book: dict[str, OrderRow] = {}
        if any(not row.trade_id for row in rows):
            body = await self._calls.book("orderbook")
            raws = rows_of(object_of(body.get("data")).get("orders"))
            book = {row.broker_id: row for row in map(orders.order_row, raws or ()) if row is not None}
            self._whole = self._whole or fills.writes_whole_quantity(book.values(), by_order)
        return [
            self._trade(fill)
            for broker_id, some in by_order.items()
            for fill in fills.book_fills(book.get(broker_id), some, whole=self._whole)
        ]

    def _trade(self, fill: fills.BookFill) -> Trade:
        row = fill.row
        return Trade(
            trade_id=fill.trade_id,
            broker_id=row.broker_id,
            tag=self._tag_of(row.broker_id, row.strategy),
            symbol=self._master().name_of(row.wire),
            side=row.side,
            qty=fill.qty,
            price_paise=fill.price_paise,
            at_ns=row.at_ns or self._tools.clock.now_ns(),
        )

    async def _trade_rows(self) -> list[TradeRow]:
        """Raises ReadFailed, also for a row that cannot be read and may be ours."""
        raws = rows_of((await self._calls.book("tradebook")).get("data"))
        if raws is None:
            raise ReadFailed("the trade book is no list of trades")
        if not raws:
            await self._prove_link()
        rows: list[TradeRow] = []
        for raw in raws:
            row = fills.trade_row(raw)
            if row is not None:
                rows.append(row)
                continue
            self._oddities.add("trade row", raw)
            broker_id = orders.broker_id_of(raw)
            if not broker_id or self._placements.tag_of(broker_id) or self._placements.has_open:
                raise ReadFailed("a trade that cannot be read may be ours")
        return rows

    async def read_positions(self) -> Sequence[PositionReport]:
        return [
            PositionReport(
                symbol=self._master().name_of(row.wire),
                product=row.product,
                net_qty=row.net_qty,
                average_paise=row.average_paise,
            )
            for row in await self._position_rows()
        ]

    async def _position_rows(self) -> list[PositionRow]:
        """Raises ReadFailed, also for a row that cannot be read: an unread position is not a flat one."""
        raws = rows_of((await self._calls.book("positionbook")).get("data"))
        if raws is None:
            raise ReadFailed("the position book is no list of positions")
        if not raws:
            await self._prove_link()
        rows: list[PositionRow] = []
        for raw in raws:
            row = orders.position_row(raw)
            if row is None:
                self._oddities.add("position row", raw)
                raise ReadFailed("a position cannot be read")
            rows.append(row)
        return rows

    async def read_funds(self) -> Funds:
        body = await self._calls.book("funds")
        data = object_of(body.get("data"))
        available = paise_of(data.get("availablecash"))
        if available is None:
            raise ReadFailed("no funds are told: the server's link to its broker is down")
        return Funds(
            available_paise=available,
            used_paise=paise_of(data.get("utiliseddebits")) or 0,
            collateral_paise=paise_of(data.get("collateral")) or 0,
        )

    async def read_margin(self, request: OrderRequest) -> int:
        wire = self._master().wire_of(request.symbol)
        if wire is None:
            raise ReadFailed(f"{request.symbol} is not in today's master")
        terms = orders.terms_of(request, wire)
        position = {
            "symbol": wire.symbol, "exchange": wire.exchange, "action": terms.side.value, "quantity": str(terms.qty),
            "product": terms.product, "pricetype": terms.type.value, "price": str(rupees_of(terms.limit_paise)),
        }  # fmt: skip
        body = await self._calls.data("margin", {"positions": [position]})
        data = object_of(body.get("data"))
        margin = paise_of(data.get("total_margin_required"))
        if margin is None:
            raise ReadFailed("the margin reply has no total")
        return margin

    # --- pushed updates -----------------------------------------------------------------------------------------------

    def _hear(self, update: Update) -> None:
        """An update may come before the reply that names its order (facts §0.5): it waits for that."""
        if not is_expected(update, self._standing.expected):
            self._oddities.add(f"order update of {update.mode[:10] or 'no'} mode", update)
        elif update.row is None:
            self._oddities.add("order update", update)
        elif self._placements.tag_of(update.row.broker_id) or not self._placements.has_open:
            self._on_order(self._pushed(update.row))
        else:
            self._early.append(update.row)

    def _tell_early(self) -> None:
        """After an answer or a book: tell what has a tag now, and all when nothing is open any more."""
        waiting, self._early = self._early, deque(maxlen=_EARLY_MAX)
        for row in waiting:
            if self._placements.tag_of(row.broker_id) or not self._placements.has_open:
                self._on_order(self._pushed(row))
            else:
                self._early.append(row)

    def _pushed(self, row: OrderRow) -> OrderReport:
        """A frame has no time; a finished one has the fill's price instead of its limit (facts §7)."""
        report = self._report(row, None)
        placement = self._placements.placement_of(row.broker_id)
        limit = placement.terms.limit_paise if placement is not None else report.limit_paise
        return msgspec.structs.replace(report, limit_paise=limit, at_ns=row.at_ns or self._tools.clock.now_ns())
