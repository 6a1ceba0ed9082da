"""Cuts a quantity into orders that the exchange takes: at most the freeze quantity each (HRD-10)."""

from __future__ import annotations

from typing import Final

from engine.instrument import Instrument

SLICES_MAX: Final = 10
"""Of one entry; what must be closed is cut into as many as it takes."""


def slices(qty: int, instrument: Instrument) -> list[int]:
    """Units per order, largest first; one slice when no freeze quantity is known."""
    most = instrument.max_order_qty
    if most <= 0 or qty <= most:
        return [qty] if qty > 0 else []
    full, rest = divmod(qty, most)
    return [most] * full + ([rest] if rest else [])


def entry_qty_max(instrument: Instrument) -> int:
    """Most units of one entry; 0 = no limit known."""
    return SLICES_MAX * instrument.max_order_qty
