"""A grid's memory as the seed's state file says it, and such a file as the memory of a grid that begins. Pure (OPS-16).

What a file can carry is what the seed's program needs to go on: levels, counters, status, history. Orders are named by
the broker's ids, which are of another program's making: a level that held units when it was written is paused here,
with a note that says what it held, because no order of ours answers for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import msgspec

from engine.bracket_state import BracketBody
from engine.grid.brackets import UUID_BYTES
from engine.grid.geometry import Rung, ladder
from engine.grid.hedge import HedgeGroup, hedge_side
from engine.grid.level import Level, fresh_level
from engine.grid.memory import GridBody
from engine.grid.state_file import GridRecord, HistoryRecord, LevelRecord, StateFileError
from engine.grid.terms import GridTerms, TradeSide, trade_side_of
from engine.grid.view import LevelWord
from engine.money import rupees_text
from engine.order import OPENING_ROLES, Order, Role

_HOLDS = (LevelWord.TARGET_READY, LevelWord.TARGET_PLACED)


class StoredPosition(msgspec.Struct, frozen=True, kw_only=True):
    """One bracket of the grid as the journal has it."""

    body: BracketBody
    orders: Sequence[Order]
    open_qty: int
    """Signed units."""
    opened_ns: int
    closed_ns: int = 0
    """0 = still open."""


class GridBooks(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the journal knows of one grid."""

    body: GridBody
    positions: Sequence[StoredPosition] = ()
    """Oldest first."""
    total_paise: int = 0
    """Realised by all of its round trips, after estimated charges."""
    updated_ns: int | None = None


def record_of(books: GridBooks, terms: GridTerms) -> GridRecord:
    """What the state file says of it now."""
    body = books.body
    known = {position.body.bracket_id: position for position in books.positions}
    net = dict.fromkeys(TradeSide, 0)
    for position in books.positions:
        if not position.body.is_hedge:
            net[trade_side_of(position.body.side)] += abs(position.open_qty)
    return GridRecord(
        bot_name=terms.bot,
        bot_status=body.status,
        trade_type=terms.trade_type,
        token_a_symbol=terms.token_a,
        token_b_symbol=terms.token_b,
        entry_price_paise=body.centre_paise or terms.entry_paise,
        max_quantity=terms.max_quantity,
        upside_net_quantity=net[TradeSide.UPSIDE],
        downside_net_quantity=net[TradeSide.DOWNSIDE],
        upside_oco_net_count=body.upside_oco,
        downside_oco_net_count=body.downside_oco,
        total_pnl_paise=books.total_paise,
        last_updated_ns=books.updated_ns,
        open_orders=tuple(_level_record(level, terms, body.groups, known) for level in body.levels),
        order_history=tuple(_history(books.positions, body.levels, body.groups, terms, known)),
    )


def body_of(record: GridRecord, terms: GridTerms, tick_paise: int) -> GridBody:
    """The memory of a grid that goes on from a file. Raises StateFileError for a level that is not on its ladder."""
    centre = record.entry_price_paise
    left = {(rung.side, rung.index): rung for rung in ladder(terms, centre, tick_paise)}
    levels: list[Level] = []
    for number, row in enumerate(record.open_orders):
        rung = _rung_of(row, left.values())
        if rung is None:
            price = rupees_text(row.entry_trade_price_paise)
            raise StateFileError(
                f"open_orders[{number}].entry_trade_price = {price}: no {row.order_side} of a level of this grid, "
                f"whose centre is {rupees_text(centre)}"
            )
        del left[rung.side, rung.index]
        levels.append(_level_of(row, rung))
    levels += [fresh_level(rung, _uuid(f"{terms.bot}/{rung.side.value}{rung.index}")) for rung in left.values()]
    filled = sum(1 for row in record.order_history if row.target_fill_price_paise is not None)
    return GridBody(
        status=record.bot_status,
        centre_paise=centre,
        levels=sorted(levels, key=lambda level: (level.side.value, level.index)),
        upside_oco=record.upside_oco_net_count,
        downside_oco=record.downside_oco_net_count,
        cycles=filled,
        uuids=len(levels),
    )


# --- to the file ------------------------------------------------------------------------------------------------------


def _level_record(
    level: Level, terms: GridTerms, groups: Sequence[HedgeGroup], known: Mapping[str, StoredPosition]
) -> LevelRecord:
    cycle = known.get(level.cycle)
    works_target = level.state in _HOLDS or level.state is LevelWord.OCO_FILLED
    role = Role.TARGET if works_target else Role.ENTRY
    order = next((o for o in cycle.orders if o.role is role and o.is_live), None) if cycle is not None else None
    hedge = _hedge_order(level, groups, known)
    is_hedged = terms.is_hedged and works_target
    return LevelRecord(
        uuid=level.uuid,
        bot_name=terms.bot,
        entry_order_id=(order.broker_id or None) if order is not None else None,
        oco_order_id=(hedge.broker_id or None) if hedge is not None else None,
        entry_trade_direction=level.side.opposite if works_target else level.side,
        oco_trade_direction=hedge_side(level.side, terms.hedge_sign) if is_hedged else None,
        entry_trade_price_paise=level.target_paise if works_target else level.entry_paise,
        oco_trade_price_paise=level.hedge_paise or None,
        token_b_price_paise=level.token_b_paise or None,
        trade_side=level.trade_side,
        oco_filled=level.state is LevelWord.OCO_FILLED,
        order_side="target" if works_target else "entry",
        token_a_quantity=level.qty,
        token_b_quantity=terms.qty_b if terms.is_hedged else 0,
    )


def _hedge_order(level: Level, groups: Sequence[HedgeGroup], known: Mapping[str, StoredPosition]) -> Order | None:
    """The newest order that stands for its hedge."""
    group = next((group for group in groups if group.bracket_id == level.group), None)
    position = known.get(level.group) if group is not None else None
    orders = [order for order in position.orders if order.role is Role.HEDGE] if position is not None else []
    return orders[-1] if orders else None


def _history(
    positions: Sequence[StoredPosition],
    levels: Sequence[Level],
    groups: Sequence[HedgeGroup],
    terms: GridTerms,
    known: Mapping[str, StoredPosition],
) -> Iterable[HistoryRecord]:
    """Every cycle whose entry has filled, oldest first (GRD-33)."""
    current = {level.cycle: level for level in levels if level.cycle}
    for position in positions:
        body = position.body
        entry = _newest(position.orders, *OPENING_ROLES)
        if body.is_hedge or entry is None or not entry.filled_qty:
            continue
        target, level = _newest(position.orders, Role.TARGET), current.get(body.bracket_id)
        hedge = _hedge_order(level, groups, known) if level is not None else None
        yield HistoryRecord(
            uuid=level.uuid if level is not None else _uuid(body.bracket_id),
            bot_name=terms.bot,
            trade_side=trade_side_of(body.side),
            token_a_quantity=body.qty,
            token_b_quantity=terms.qty_b if terms.is_hedged else 0,
            entry_order_id=entry.broker_id or None,
            entry_trade_direction=body.side,
            entry_trade_price_paise=body.level_paise,
            entry_fill_price_paise=_average(entry),
            entry_status=entry.state.value,
            token_b_price_paise=(level.token_b_paise or None) if level is not None else None,
            target_order_id=(target.broker_id or None) if target is not None else None,
            target_price_paise=target.limit_paise if target is not None else None,
            target_fill_price_paise=_average(target) if target is not None else None,
            target_status=target.state.value if target is not None else "",
            oco_order_id=(hedge.broker_id or None) if hedge is not None else None,
            oco_trade_direction=hedge_side(body.side, terms.hedge_sign) if hedge is not None else None,
            oco_trade_price_paise=(level.hedge_paise or None) if level is not None else None,
            oco_fill_price_paise=_average(hedge) if hedge is not None else None,
            created_at_ns=position.opened_ns,
            completed_at_ns=position.closed_ns or None,
        )


def _newest(orders: Sequence[Order], *roles: Role) -> Order | None:
    """The one that filled, else the one that was sent last."""
    mine = [order for order in orders if order.role in roles]
    return next((order for order in reversed(mine) if order.filled_qty), mine[-1] if mine else None)


def _average(order: Order) -> int | None:
    return order.average_paise if order.filled_qty else None


def _uuid(name: str) -> str:
    """Of a cycle whose own is not kept any more: always the same for one bracket."""
    return blake2b(name.encode(), digest_size=UUID_BYTES).hexdigest()


# --- from the file ----------------------------------------------------------------------------------------------------


def _rung_of(row: LevelRecord, rungs: Iterable[Rung]) -> Rung | None:
    """The place in the ladder that the row waits at."""
    price = row.entry_trade_price_paise
    for rung in rungs:
        wanted = rung.target_paise if row.order_side == "target" else rung.entry_paise
        if rung.trade_side is row.trade_side and wanted == price:
            return rung
    return None


def _level_of(row: LevelRecord, rung: Rung) -> Level:
    level = fresh_level(rung, row.uuid)
    if row.oco_filled:
        level.state = LevelWord.OCO_FILLED
        level.note = "its hedge had filled before the import"
    elif row.order_side == "target":
        level.state = LevelWord.PAUSED
        holds = f"{rung.side.value} {row.token_a_quantity} @ {rupees_text(rung.entry_paise)}"
        level.note = f"imported while it held {holds}: close that by hand, then resume"
    return level
