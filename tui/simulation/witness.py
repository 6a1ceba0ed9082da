"""Ears at the four doors of the desk: the exchange, the broker's wire, the journal and the step. They change nothing.

Each wraps or extends the real part, passes everything through, and tells the `Truth`; the oracle looks after every
change of the exchange and after every step of the desk that wrote or sent something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from brokers.paper.exchange import PaperExchange
from brokers.paper.ledger import Ledger
from engine.desk import Desk
from engine.desk_parts import DeskParts
from engine.instant import NS_PER_S
from engine.journal.rows import ALARMS, BRACKETS, EVENTS, FILLS, INTENTS, ORDERS, TRADES, Rows
from engine.journal.store import Journal
from engine.order import Role, Side, Trade
from engine.port import (
    Answer,
    BrokerPort,
    OrderChange,
    OrderReport,
    OrderRequest,
    PositionReport,
    ReadFailed,
    Unknown,
)
from engine.venue_rules import VenueRules
from tui.simulation.crashes import CrashPoint
from tui.simulation.life import Life
from tui.simulation.truth import Intent, Sent, Truth

Look = Callable[[], None]
Now = Callable[[], int]


_OUTAGE_NS: Final = 3 * NS_PER_S


class WatchedExchange(PaperExchange):
    """The paper exchange; after every change that is whole and told, the oracle looks."""

    truth: Truth
    look: Look
    now: Now
    heard = False

    def watch(self, truth: Truth, look: Look, now: Now) -> None:
        self.truth, self.look, self.now = truth, look, now
        self._sink = self._hear

    def _hear(self, _account_id: str, event: OrderReport | Trade) -> None:
        if not self.heard:
            self.truth.now_ns = self.now()
        self.heard = True
        self.truth.on_exchange(event)

    def _settle(self, ledger: Ledger, now_ns: int) -> None:
        super()._settle(ledger, now_ns)
        if self.heard:
            self.heard = False
            self.look()


class WitnessPort:
    """The broker's door, outermost: what the desk sends, is answered, is told and reads."""

    def __init__(self, inner: BrokerPort, truth: Truth, look: Look, life: Life) -> None:
        self._inner = inner
        self._truth = truth
        self._look = look
        self._life = life
        self._now = life.world_clock.now_ns

    @property
    def account_id(self) -> str:
        return self._inner.account_id

    @property
    def rules(self) -> VenueRules:
        return self._inner.rules

    @property
    def ambiguity_s(self) -> float:
        return self._inner.ambiguity_s

    def listen(self, on_order: Callable[[OrderReport], None], on_trade: Callable[[Trade], None]) -> None:
        def order(report: OrderReport) -> None:
            if self._life.is_over:
                return
            self._truth.now_ns = self._now()
            self._truth.on_told(report, pushed=True)
            on_order(report)

        def trade(record: Trade) -> None:
            if self._life.is_over:
                return
            self._truth.now_ns = self._now()
            self._truth.on_told(record, pushed=True)
            on_trade(record)

        self._inner.listen(order, trade)

    async def connect(self) -> None:
        await self._inner.connect()

    async def close(self) -> None:
        await self._inner.close()

    async def place(self, request: OrderRequest) -> Answer:
        sent = Sent(op="place", tag=request.tag, at_ns=self._now(), request=request)
        return await self._write(sent, lambda: self._inner.place(request))

    async def modify(self, change: OrderChange) -> Answer:
        sent = Sent(op="modify", tag=change.tag, at_ns=self._now(), broker_id=change.broker_id, change=change)
        return await self._write(sent, lambda: self._inner.modify(change))

    async def cancel(self, tag: str, broker_id: str) -> Answer:
        sent = Sent(op="cancel", tag=tag, at_ns=self._now(), broker_id=broker_id)
        return await self._write(sent, lambda: self._inner.cancel(tag, broker_id))

    async def _write(self, sent: Sent, call: Callable[[], Awaitable[Answer]]) -> Answer:
        truth, life = self._truth, self._life
        if not life.passes(CrashPoint.BEFORE_SEND, sent):
            await life.never()
        truth.now_ns = self._now()
        truth.on_sent(sent)
        self._look()
        # A task of the world's: what is on the wire arrives, whatever becomes of the desk.
        on_the_wire = asyncio.ensure_future(call())
        if not life.passes(CrashPoint.IN_FLIGHT, sent):
            await life.never()
        try:
            answer = await asyncio.shield(on_the_wire)
        except asyncio.CancelledError:
            if life.is_over:
                raise
            on_the_wire.cancel()
            truth.now_ns = self._now()
            truth.on_answer(sent, Unknown("the desk gave up waiting"))
            raise
        except Exception as error:  # the gateway turns whatever an adapter raises into unknown
            truth.now_ns = self._now()
            truth.on_answer(sent, Unknown(f"{type(error).__name__}: {error}"))
            raise
        if not life.passes(CrashPoint.ANSWERED, sent):
            await life.never()
        truth.now_ns = self._now()
        truth.on_answer(sent, answer)
        return answer

    async def read_orders(self) -> Sequence[OrderReport]:
        began_ns = self._now()
        reports = await self._read("orders", self._inner.read_orders)
        self._truth.now_ns = self._now()
        self._truth.on_book_read(began_ns, list(reports))
        return reports

    async def read_trades(self) -> Sequence[Trade]:
        trades = await self._read("trades", self._inner.read_trades)
        self._truth.now_ns = self._now()
        for trade in trades:  # a record of a fill settles what nobody had answered
            if trade.tag in self._truth.doubts:
                self._truth.on_told(trade, pushed=False)
        return trades

    async def read_positions(self) -> Sequence[PositionReport]:
        return await self._read("positions", self._inner.read_positions)

    async def _read(self, what: str, call: Callable[[], Awaitable[Sequence]]) -> Sequence:
        began_ns = self._truth.reading_ns[what] = self._now()
        try:
            rows = await call()
            if self._life.is_over:
                await self._life.never()
            self._truth.on_read(what)
            return rows
        except ReadFailed as error:
            self._truth.now_ns = self._truth.path_failed_ns = self._now()
            if self._truth.now_ns > self._truth.read_ok_ns + _OUTAGE_NS:
                self._truth.outage_ns = self._truth.now_ns
            self._truth.note("read failed", f"{what}: {error}")
            raise
        finally:
            if self._truth.reading_ns.get(what) == began_ns:
                del self._truth.reading_ns[what]


class WitnessStore:
    """What a writer needs of a journal, with a look at what really reached the disk."""

    def __init__(self, journal: Journal, truth: Truth, life: Life) -> None:
        self._journal = journal
        self._truth = truth
        self._life = life
        self._now = life.world_clock.now_ns
        upserts = {"orders": ORDERS, "brackets": BRACKETS, "trades": TRADES, "alarms": ALARMS}
        self._plain = {table.insert: name for name, table in upserts.items()}
        self._columns = {
            table.name: {column: index for index, column in enumerate(table.columns)}
            for table in (INTENTS, FILLS, EVENTS, *upserts.values())
        }

    def write(self, group: Sequence[Rows]) -> None:
        if not self._life.passes(CrashPoint.BEFORE_COMMIT, group):
            return
        self._journal.write(group)
        self._tell(group)
        self._life.passes(CrashPoint.AFTER_COMMIT, group)

    def _tell(self, group: Sequence[Rows]) -> None:
        truth = self._truth
        truth.now_ns = self._now()
        truth.writes += 1
        for rows in group:
            for table, added in rows.chained:
                for row in added:
                    self._on_row(table.name, dict(zip(table.columns, row, strict=True)))
            for sql, replaced in rows.plain:
                name = self._plain.get(sql.split(" ON CONFLICT", 1)[0], "")
                if not name:
                    continue
                columns = self._columns[name]
                for row in replaced:
                    self._on_row(name, {column: row[index] for column, index in columns.items()})

    def _on_row(self, table: str, row: dict) -> None:
        truth = self._truth
        match table:
            case "intents":
                intent = Intent(
                    tag=row["tag"],
                    bracket_id=row["bracket_id"],
                    role=Role(row["role"]),
                    symbol=row["symbol"],
                    side=Side(row["side"]),
                    at_ns=row["at_ns"],
                )
                truth.on_intent(intent, row["op"])
            case "fills":
                truth.on_fill_row(row["trade_id"], row["tag"], row["side"], row["qty"], row["price_paise"])
            case "events":
                truth.note("says", f"{row['level']} {row['text']}")
                if row["level"] == "CRITICAL":
                    truth.to_be_heard.append((truth.now_ns, row["symbol"], row["text"]))
            case "alarms":
                truth.on_alarm_row(row["alarm_id"], row["since_ns"], row["ended_ns"], row["text"])
            case "trades":
                truth.trade_rows[row["trade_id"]] = (row["bracket_id"], row["gross_paise"])
            case "orders":
                truth.on_order_row(row["tag"], row["state"], row["filled_qty"])
            case "brackets":
                truth.on_bracket_row(row["bracket_id"], row["state"], row["style"], row["stop_paise"], row["closed_ns"])
            case _:
                pass


class WatchedDesk(Desk):
    """The desk; after every step the oracle looks."""

    look: Look
    life: Life

    def __init__(self, parts: DeskParts, look: Look, life: Life) -> None:
        self.look, self.life = look, life
        super().__init__(parts)

    def step(self, work: Callable[[int], object]) -> None:
        if self.life.is_over:
            return
        super().step(work)
        self.look()

    def bury(self) -> None:
        """Its tasks end; whatever they still try reaches nobody."""
        for task in list(self._tasks):
            task.cancel()
