"""Turns a finished bracket's fills into its round trip, and a surplus into one of its own (LEG-26, LEG-46, CON-04)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.bracket_state import BracketBody
from engine.order import OPENING_ROLES, Order, Role
from engine.outbox import RoundTrip

_CLOSING_ORDER = (Role.TARGET, Role.EXIT, Role.STOP)
"""The trade closes at the target's fill when both exits filled; what is left over is the surplus."""


def leg_costs_paise(body: BracketBody) -> int:
    """Brokerage on both sides plus the modelled slippage, as the legs' own formula has it (LEG-46)."""
    return 2 * body.terms.brokerage_paise + body.terms.slippage_paise


def round_trips(body: BracketBody, orders: Sequence[Order], reason: str) -> list[RoundTrip]:
    """One trade from fills alone, plus one surplus row when more was sold than held. Sums are exact in paise."""
    entries = [order for order in orders if order.role in OPENING_ROLES]
    repairs = [order for order in orders if order.role is Role.REPAIR]
    qty = sum(order.filled_qty for order in entries) + body.adopted_qty
    entry_value = sum(order.value_paise for order in entries) + body.adopted_value_paise
    closings = [order for role in _CLOSING_ORDER for order in orders if order.role is role and order.filled_qty]
    parts = [(order.filled_qty, order.value_paise) for order in closings]
    if body.away_qty > 0:
        parts.append((body.away_qty, body.away_value_paise))
    exit_value, left_qty, left_value, surplus_qty = 0, qty, 0, min(body.away_qty, 0)
    for part_qty, part_value in parts:
        used = min(left_qty, part_qty)
        used_value = part_value * used // part_qty
        exit_value += used_value
        left_qty -= used
        surplus_qty += part_qty - used
        left_value += part_value - used_value
    count = sum(1 for order in orders if order.broker_id)
    provisional = any(order.is_provisional for order in orders) or body.away_unpriced_qty > 0 or body.away_qty < 0
    sign = body.side.sign
    level, trigger = _aimed_at(body, orders)
    trade = RoundTrip(
        bracket_id=body.bracket_id,
        account=body.account,
        bot=body.bot,
        symbol=body.symbol,
        side="LONG" if sign > 0 else "SHORT",
        kind="trade",
        qty=qty,
        entry_value_paise=entry_value,
        exit_value_paise=exit_value,
        gross_paise=sign * (exit_value - entry_value),
        costs_paise=leg_costs_paise(body),
        reason=reason,
        order_count=count,
        is_provisional=provisional,
        opened_ns=body.opened_ns,
        closed_ns=body.closed_ns,
        level_paise=level,
        trigger_paise=trigger,
    )
    if surplus_qty <= 0:
        return [trade]
    repair_value = sum(order.value_paise for order in repairs)
    surplus = msgspec.structs.replace(
        trade,
        kind="surplus",
        qty=surplus_qty,
        entry_value_paise=repair_value,
        exit_value_paise=left_value,
        gross_paise=sign * (left_value - repair_value),
        costs_paise=0,
        order_count=0,
        level_paise=0,
        trigger_paise=0,
    )
    return [trade, surplus]


def _aimed_at(body: BracketBody, orders: Sequence[Order]) -> tuple[int, int]:
    """(level, trigger) of the exit: decided here, or the resting order's own price when the broker acted."""
    if body.exit_trigger_paise:
        return body.exit_level_paise or body.exit_trigger_paise, body.exit_trigger_paise
    resting = [order for order in orders if order.role in (Role.TARGET, Role.STOP) and order.filled_qty]
    if not resting:
        return 0, 0
    last = max(resting, key=lambda order: order.state_ns)
    level = body.target_paise if last.role is Role.TARGET else body.stop_paise
    return level, level
