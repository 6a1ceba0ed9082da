"""The prices of a ladder, and nothing else: arithmetic (GRD-01) and geometric (GRD-64..66)."""

from __future__ import annotations

import msgspec

from engine.grid.terms import GridKind, GridTerms, TradeSide, trade_side_of
from engine.money import round_to_tick
from engine.order import Side


class Rung(msgspec.Struct, frozen=True):
    """One level as it is laid out: prices in paise, `qty` in units; `index` 1 is nearest to the centre."""

    side: Side
    index: int
    entry_paise: int
    target_paise: int
    qty: int

    @property
    def trade_side(self) -> TradeSide:
        return trade_side_of(self.side)


def ladder(terms: GridTerms, centre_paise: int, tick_paise: int) -> list[Rung]:
    """Every level of the grid round `centre_paise`: BUY levels nearest first, then SELL levels nearest first."""
    lay = _linear if terms.kind is GridKind.LINEAR else _geometric
    return [rung for side in terms.trade_type.sides for rung in lay(terms, side, centre_paise, tick_paise)]


def level_count(terms: GridTerms) -> int:
    """Levels of one side: the steps, or as many as the total quantity fills."""
    if terms.kind is GridKind.LINEAR:
        return terms.steps
    return -(-terms.total_qty // terms.qty_a) if terms.qty_a > 0 else 0


def converges(terms: GridTerms) -> bool:
    """All targets of a side of a geometric grid meet at one price (GRD-65)."""
    return terms.kind is GridKind.LINEAR or terms.base_target_paise == 2 * terms.base_space_paise


def _linear(terms: GridTerms, side: Side, centre_paise: int, tick_paise: int) -> list[Rung]:
    return [
        _rung(side, i, centre_paise, i * terms.spread_paise, terms.target_spread_paise, terms.qty_a, tick_paise)
        for i in range(1, terms.steps + 1)
    ]


def _geometric(terms: GridTerms, side: Side, centre_paise: int, tick_paise: int) -> list[Rung]:
    """Subset i stands `base_space * (2^(i+1) - 1)` away; its target is `base_target * 2^i` back towards the centre."""
    rungs: list[Rung] = []
    left = terms.total_qty
    for i in range(level_count(terms)):
        distance, offset = terms.base_space_paise * (2 ** (i + 1) - 1), terms.base_target_paise * 2**i
        qty = min(terms.qty_a, left)
        left -= qty
        rungs.append(_rung(side, i + 1, centre_paise, distance, offset, qty, tick_paise))
    return rungs


def _rung(side: Side, index: int, centre: int, distance: int, offset: int, qty: int, tick: int) -> Rung:
    away = -side.sign  # a BUY level stands below the centre
    entry = round_to_tick(centre + away * distance, tick)
    return Rung(side, index, entry, round_to_tick(entry - away * offset, tick), qty)
