"""One paper account of the rehearsal venue as XTS shows it: order numbers, books, and what is pushed about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from brokers.venue.late_refusal import rejected_report
from brokers.xts import venue_rows
from brokers.xts.venue_rows import Listed
from brokers.xts.venue_socket import VenueSocket
from engine.order import Side, Trade
from engine.port import BrokerPort, OrderReport, OrderRequest, PositionReport

_FIRST_ID: Final = 1_110_000_000
_FIRST_REFUSED_ID: Final = 1_990_000_000
_FIRST_SEQUENCE: Final = 1_585_730_101_638_345
_DIGITS: Final = 9


class TradeSeat:
    """Of one interactive app key."""

    def __init__(self, user: str, port: BrokerPort, contract_of: Callable[[str], Listed | None]) -> None:
        self.user = user
        self.port = port
        self.token = ""
        self.sockets: set[VenueSocket] = set()
        self._contract_of = contract_of
        self._identifiers: dict[str, str] = {}
        """Tags at the exchange that had to differ from the client's identifier -> that identifier."""
        self._refused: list[tuple[OrderReport, Listed, int]] = []
        """Orders that were acknowledged and then rejected before the exchange saw them."""
        self._announced: set[str] = set()
        self._orders: dict[str, OrderReport] = {}
        self._net: dict[tuple[str, str], int] = {}
        self._sequence = _FIRST_SEQUENCE
        self._changed: set[str] = set()
        port.listen(self._on_order, self._on_trade)

    # --- ids ----------------------------------------------------------------------------------------------------------

    def app_id(self, broker_id: str) -> int:
        """Nine or ten digits, from the exchange's number of the day: the same after a restart."""
        return _FIRST_ID + int("".join(c for c in broker_id if c.isdecimal())[-_DIGITS:] or "0")

    async def find(self, app_id: int) -> OrderReport | None:
        """The exchange's order behind a number."""
        rows = await self.port.read_orders()
        return next((row for row in rows if self.app_id(row.broker_id) == app_id), None)

    def refused(self, app_id: int) -> OrderReport | None:
        return next((report for report, _, number in self._refused if number == app_id), None)

    def rename(self, tag: str, identifier: str) -> None:
        self._identifiers[tag] = identifier

    def will_change(self, broker_id: str) -> None:
        """From now on its resting state is called `Replaced`."""
        self._changed.add(broker_id)

    # --- books --------------------------------------------------------------------------------------------------------

    async def order_rows(self) -> list[dict[str, Any]]:
        rows = [self._row(report) for report in await self.port.read_orders()]
        refused = [
            venue_rows.order_row(report, contract, number, self.user, report.tag)
            for report, contract, number in self._refused
        ]
        return [row for row in rows if row] + refused

    async def trade_rows(self) -> list[dict[str, Any]]:
        trades = await self.port.read_trades()
        orders = {row.broker_id: row for row in await self.port.read_orders()}
        return [row for trade in trades if (row := self._trade_row(trade, orders.get(trade.broker_id)))]

    async def position_rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for report in await self.port.read_positions():
            contract = self._contract_of(report.symbol)
            if contract is not None:
                found.append(venue_rows.position_row(report, contract, self.user))
        return found

    def refuse(self, request: OrderRequest, contract: Listed, text: str, at_ns: int) -> int:
        """An acknowledged order is rejected; returns its number."""
        number = _FIRST_REFUSED_ID + len(self._refused)
        report = rejected_report(request, str(number), text, at_ns)
        self._refused.append((report, contract, number))
        row = venue_rows.order_row(report, contract, number, self.user, report.tag)
        self._push_order(venue_rows.pending_row(row))
        self._push_order(row)
        return number

    # --- pushes -------------------------------------------------------------------------------------------------------

    def log_out(self) -> None:
        """Tells every socket that the session is over, and closes it."""
        self.emit("logout", {"type": "logout", "description": "User logged out"})
        for socket in tuple(self.sockets):
            socket.end()

    def emit(self, name: str, payload: object) -> None:
        for socket in tuple(self.sockets):
            socket.emit(name, payload)

    def _on_order(self, report: OrderReport) -> None:
        row = self._row(report)
        if not row:
            return
        self._orders[report.broker_id] = report
        if report.broker_id not in self._announced:
            self._announced.add(report.broker_id)
            self._push_order(venue_rows.pending_row(row))
        self._push_order(row)

    def _on_trade(self, trade: Trade) -> None:
        """Positions overtake the trade that made them, and are told twice (facts §0.8)."""
        contract = self._contract_of(trade.symbol)
        order = self._orders.get(trade.broker_id)
        row = self._trade_row(trade, order)
        if contract is None or not row:
            return
        key = (trade.symbol, order.product if order is not None else "MIS")
        self._net[key] = self._net.get(key, 0) + (trade.qty if trade.side is Side.BUY else -trade.qty)
        position = PositionReport(
            symbol=trade.symbol, product=key[1], net_qty=self._net[key], average_paise=trade.price_paise
        )
        for wise in ("NetWise", "DayWise"):
            self.emit("position", venue_rows.position_event(position, contract, self.user, wise))
        self._sequence += 1
        self.emit("trade", {**row, "SequenceNumber": self._sequence})

    def _push_order(self, row: dict[str, Any]) -> None:
        self._sequence += 2
        self.emit("order", venue_rows.as_event(row, self._sequence))

    def _row(self, report: OrderReport) -> dict[str, Any]:
        contract = self._contract_of(report.symbol)
        if contract is None:
            return {}
        identifier = self._identifiers.get(report.tag, report.tag)
        row = venue_rows.order_row(report, contract, self.app_id(report.broker_id), self.user, identifier)
        if row["OrderStatus"] == "New" and report.broker_id in self._changed:
            row["OrderStatus"] = "Replaced"
        return row

    def _trade_row(self, trade: Trade, order: OrderReport | None) -> dict[str, Any]:
        contract = self._contract_of(trade.symbol)
        if contract is None:
            return {}
        identifier = self._identifiers.get(trade.tag, trade.tag)
        return venue_rows.trade_row(trade, order, contract, self.app_id(trade.broker_id), self.user, identifier)
