"""An order that a broker accepts and its exchange refuses a moment later: the record of it, which no exchange keeps."""

from __future__ import annotations

from engine.order import OrderState
from engine.port import OrderReport, OrderRequest


def rejected_report(request: OrderRequest, order_id: str, text: str, at_ns: int) -> OrderReport:
    """What such an order looks like in the broker's book. `text` is the broker's own way to say why."""
    return OrderReport(
        tag=request.tag,
        broker_id=order_id,
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        product=request.product,
        qty=request.qty,
        limit_paise=request.limit_paise,
        trigger_paise=request.trigger_paise,
        state=OrderState.REJECTED,
        filled_qty=0,
        average_paise=0,
        reject_text=text,
        at_ns=at_ns,
    )
