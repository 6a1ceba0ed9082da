"""Where a stop and a target lie, given as a price, as percent of the entry or in rupees per unit (RTP-23).

Prices in paise, shares in basis points. Levels lie on the tick, rounded once, to the nearest, and never under one tick.
"""

from __future__ import annotations

from engine.exit_rules.rule import FULL_BPS
from engine.money import divide_half_up, round_to_tick
from engine.order import Side


def stop_from_percent(entry_paise: int, bps: int, tick_paise: int, side: Side) -> int:
    """`entry x (1 - p)` for a long position, `entry x (1 + p)` for a short one."""
    return _share_of(entry_paise, -side.sign * bps, tick_paise)


def target_from_percent(entry_paise: int, bps: int, tick_paise: int, side: Side) -> int:
    """`entry x (1 + q)` for a long position, `entry x (1 - q)` for a short one."""
    return _share_of(entry_paise, side.sign * bps, tick_paise)


def stop_from_offset(entry_paise: int, offset_paise: int, tick_paise: int, side: Side) -> int:
    """So many rupees per unit on the losing side of the entry."""
    return level_from_price(entry_paise - side.sign * offset_paise, tick_paise)


def target_from_offset(entry_paise: int, offset_paise: int, tick_paise: int, side: Side) -> int:
    """So many rupees per unit on the winning side of the entry."""
    return level_from_price(entry_paise + side.sign * offset_paise, tick_paise)


def level_from_price(price_paise: int, tick_paise: int) -> int:
    """A level that was given as a price."""
    return max(round_to_tick(price_paise, tick_paise), tick_paise)


def _share_of(entry_paise: int, bps: int, tick_paise: int) -> int:
    return max(divide_half_up(entry_paise * (FULL_BPS + bps), FULL_BPS * tick_paise), 1) * tick_paise
