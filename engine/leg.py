"""One leg of a bot: an option contract, its price, and the bracket of its current position, if any. Pure.

Two bots may hold the same symbol: each has a leg of its own, and nothing they hold meets here (CON-43).
"""

from __future__ import annotations

import msgspec

from engine.bracket import Bracket
from engine.instrument import Instrument
from engine.order import Role, Side
from engine.price_book import PriceBook
from engine.view import BracketState


class LegFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one leg in the seed's own words (LEG-04); derived, never stored. Prices in paise, None = none."""

    in_position: bool = False
    side: str | None = None
    entry_price: int | None = None
    entry_price_hint: int | None = None
    actual_filled_qty: int = 0
    tp_level: int | None = None
    sl_level: int | None = None
    entry_order_id: str | None = None
    tp_order_id: str | None = None
    sl_order_id: str | None = None
    tp_filled_qty: int = 0
    sl_filled_qty: int = 0
    highest_favorable_price: int | None = None
    sl_trail_active: bool = False
    original_sl_level: int | None = None
    exit_legs_placed: bool = False
    exit_retry_count: int = 0
    lifecycle: str = BracketState.FLAT.value
    owner: str = ""


class Leg:
    """One symbol of the group and its current bracket, if any."""

    def __init__(self, price: PriceBook) -> None:
        self.price = price
        self.instrument: Instrument = price.instrument
        self.symbol = price.instrument.symbol
        self.bracket: Bracket | None = None
        self.realised_paise = 0
        self.note = ""

    @property
    def is_active(self) -> bool:
        """In position, entering, or not yet proven flat."""
        return self.bracket is not None and self.bracket.body.state is not BracketState.FLAT

    @property
    def is_staying(self) -> bool:
        """Active, and nobody has asked it to leave yet."""
        return self.is_active and self.bracket is not None and not self.bracket.body.exit_reason

    def facts(self) -> LegFacts:
        """The seed's field names over the bracket's facts."""
        if self.bracket is None or not self.is_active:
            return LegFacts()
        bracket, body = self.bracket, self.bracket.body
        return LegFacts(
            in_position=bracket.open_qty != 0,
            side="LONG" if body.side is Side.BUY else "SHORT",
            entry_price=body.entry_paise or None,
            entry_price_hint=body.hint_paise or None,
            actual_filled_qty=bracket.filled(Role.ENTRY),
            tp_level=body.target_paise or None,
            sl_level=body.stop_paise or None,
            entry_order_id=_newest_id(bracket, Role.ENTRY),
            tp_order_id=_newest_id(bracket, Role.TARGET),
            sl_order_id=_newest_id(bracket, Role.STOP),
            tp_filled_qty=bracket.filled(Role.TARGET),
            sl_filled_qty=bracket.filled(Role.STOP),
            highest_favorable_price=body.best_paise or None,
            sl_trail_active=body.trail_active,
            original_sl_level=body.original_stop_paise or None,
            exit_legs_placed=bool(bracket.live(Role.STOP)),
            exit_retry_count=body.stop_rejects + body.target_rejects,
            lifecycle=body.state.value,
            owner=body.bot,
        )


def _newest_id(bracket: Bracket, role: Role) -> str | None:
    ids = [order.broker_id for order in bracket.orders_of(role) if order.broker_id and order.is_live]
    return ids[-1] if ids else None
