"""What a finished bracket's orders cost, by today's rates: brokerage once per executed order (OPS-34)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.charges import ChargeBook, charge_segment, total_of
from engine.instant import ist_date
from engine.instrument import Instrument
from engine.order import Order


class OrderCharges:
    """Looks up each order's instrument; an order without fills costs nothing."""

    def __init__(self, book: ChargeBook, instruments: Mapping[str, Instrument]) -> None:
        self._book = book
        self._instruments = instruments

    def paise(self, orders: Sequence[Order], now_ns: int) -> int:
        """Estimated total in paise, rounded once."""
        on = ist_date(now_ns)
        charged = [
            self._book.for_order(
                charge_segment(self._instruments[order.symbol].segment, order.product),
                order.exchange,
                order.side,
                order.value_paise,
                on,
            )
            for order in orders
            if order.filled_qty
        ]
        return total_of(charged).total_paise
