"""What is hedged where: triggers, which of them rest, which are due, and how fills are shared out (GRD-35..41). Pure.

The hedge of a level is a stop on token B: it acts when the market goes on against the entry ("Hedge (OCO) semantics").
At the broker rests, per direction, the nearest pending trigger; what is due goes at the market, together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from engine.grid.terms import TradeSide, trade_side_of
from engine.money import divide_half_up, round_to_tick
from engine.order import Side

_FULL_BPS: Final = 10_000


class Want(NamedTuple):
    """What one level still needs of its hedge."""

    uuid: str
    trigger_paise: int
    qty: int
    is_due: bool


class Rest(NamedTuple):
    """One trigger that shall rest, with everybody who shares it (GRD-40)."""

    trigger_paise: int
    wants: tuple[Want, ...]

    @property
    def qty(self) -> int:
        return sum(want.qty for want in self.wants)


class HedgeGroup(msgspec.Struct, kw_only=True, omit_defaults=True, eq=False):
    """One hedge order's life, from its placing to the end of the position it opens: a bracket on token B, shared."""

    bracket_id: str
    side: Side
    """Of the hedge order."""
    entry_side: Side
    """Of the levels that it hedges."""
    members: list[str] = []
    """Level uuids, in the order in which their triggers are crossed."""
    shares: list[int] = []
    """Units that each member wants of this group, filled ones included."""
    taken: list[int] = []
    """Units that each has got."""
    surplus_qty: int = 0
    """Filled units that no member wanted any more."""
    is_market: bool = False
    """Made for hedges that were due: never rested (H-06)."""
    is_withdrawn: bool = False
    moved_ns: int = 0
    """When it was placed or moved to another trigger (GRD-37)."""

    @property
    def trade_side(self) -> TradeSide:
        return trade_side_of(self.entry_side)

    @property
    def wanted_qty(self) -> int:
        """Units that its order is for, filled ones and surplus included."""
        return sum(self.shares) + self.surplus_qty

    @property
    def allotted_qty(self) -> int:
        return sum(self.taken) + self.surplus_qty

    @property
    def missing_qty(self) -> int:
        """Units that still have to fill."""
        return sum(self.shares) - sum(self.taken)

    def missing_of(self, uuid: str) -> int:
        index = self._index(uuid)
        return self.shares[index] - self.taken[index] if index >= 0 else 0

    def want(self, wants: Sequence[Want]) -> None:
        """From now on it works for these; who is not among them keeps what he has got."""
        mine = {want.uuid: want for want in wants}
        for index, uuid in enumerate(self.members):
            want = mine.pop(uuid, None)
            self.shares[index] = self.taken[index] + (want.qty if want is not None else 0)
        for want in wants:
            if want.uuid in mine:
                self.members.append(want.uuid)
                self.shares.append(want.qty)
                self.taken.append(0)
        self._drop_idle()

    def share_out(self, filled_qty: int) -> list[tuple[str, int]]:
        """Give newly filled units to the members, first crossed first; what nobody wants is surplus (GRD-18)."""
        new = filled_qty - self.allotted_qty
        given: list[tuple[str, int]] = []
        for index, uuid in enumerate(self.members):
            part = min(new, self.shares[index] - self.taken[index])
            if part > 0:
                self.taken[index] += part
                new -= part
                given.append((uuid, part))
        self.surplus_qty += max(new, 0)
        return given

    def _index(self, uuid: str) -> int:
        return self.members.index(uuid) if uuid in self.members else -1

    def _drop_idle(self) -> None:
        kept = [index for index, share in enumerate(self.shares) if share or self.taken[index]]
        self.members = [self.members[index] for index in kept]
        self.shares = [self.shares[index] for index in kept]
        self.taken = [self.taken[index] for index in kept]


def hedge_side(entry_side: Side, hedge_sign: int) -> Side:
    """The direction of the target, where the tokens move together (GRD-06)."""
    return entry_side.opposite if hedge_sign > 0 else entry_side


def hedge_trigger(side: Side, token_b_paise: int, oco_spread_paise: int, tick_paise: int) -> int:
    """One spread beyond token B in the direction that hurts; at or below zero there is none (GRD-06, GRD-10)."""
    return max(round_to_tick(token_b_paise + side.sign * oco_spread_paise, tick_paise), 0)


def is_passed(side: Side, trigger_paise: int, ltp_paise: int) -> bool:
    """Token B stands at the trigger or beyond it."""
    return ltp_paise > 0 and side.sign * (ltp_paise - trigger_paise) >= 0


def scaled(qty_b: int, open_qty: int, level_qty: int, lot_size: int) -> int:
    """Hedge units of a level that holds `open_qty` of its `level_qty`, to the nearest lot (GRD-21)."""
    if open_qty <= 0 or level_qty <= 0:
        return 0
    lots = divide_half_up(qty_b * min(open_qty, level_qty), level_qty * lot_size)
    return max(lots, 1) * lot_size


def crossing_order(side: Side, wants: Iterable[Want]) -> list[Want]:
    """First crossed first: the lowest trigger of a BUY, the highest of a SELL."""
    return sorted(wants, key=lambda want: (side.sign * want.trigger_paise, want.uuid))


def to_rest(side: Side, wants: Iterable[Want], depth: int) -> list[Rest]:
    """The pending triggers that rest, nearest first; equal ones share an order (GRD-36, GRD-40)."""
    rests: dict[int, list[Want]] = {}
    for want in crossing_order(side, (want for want in wants if not want.is_due and want.qty > 0)):
        if want.trigger_paise in rests or len(rests) < depth:
            rests.setdefault(want.trigger_paise, []).append(want)
    return [Rest(trigger, tuple(members)) for trigger, members in rests.items()]


def bracketed(prices: Iterable[int], token_b_paise: int) -> tuple[int, ...]:
    """The seed's rule, for `limit` mode: the highest price at or below token B, and the lowest above it (GRD-35)."""
    known = set(prices)
    below = [price for price in known if price <= token_b_paise]
    above = [price for price in known if price > token_b_paise]
    return tuple(([max(below)] if below else []) + ([min(above)] if above else []))
