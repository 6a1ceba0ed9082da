"""Contract parameters of index options by date: lot, freeze quantity, tick (facts/market.md §4).

For replay of old days and as sanity bounds beside the instrument master; never silently for live trading, whose
parameters come from the broker's master every morning. The rows are in `engine/data/contracts.toml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Literal

import msgspec

from engine.dated_rows import DataFileError, in_force, read_packaged

Confidence = Literal["H", "M", "L"]
"""H: exchange circular or two sources; M: one good secondary source; L: inference or old."""


class ContractFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an index option's contract was on one day."""

    underlying: str
    exchange: str
    """NFO or BFO."""
    lot_size: int
    """Units per lot."""
    freeze_qty: int
    """Largest units of one order; 0 when no figure is known for that day."""
    tick_paise: int
    conf: Confidence
    """Of the lot."""


class _Underlying(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    exchange: Literal["NFO", "BFO"]
    tick_paise: int


class _LotRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    underlying: str
    effective_from: date
    units: int
    basis: Literal["day", "expiry"]
    conf: Confidence
    note: str = ""


class _FreezeRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    underlying: str
    effective_from: date
    units: int
    conf: Confidence
    note: str = ""


class _ContractTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    underlying: tuple[_Underlying, ...]
    lot: tuple[_LotRow, ...]
    freeze: tuple[_FreezeRow, ...]


def contract_facts(underlying: str, on: date, expiry: date | None = None) -> ContractFacts | None:
    """The contract of `underlying` traded on `on`; None when no row covers that name or day.

    Around a lot change contracts of both lots trade side by side: give the contract's `expiry` where it is known, since
    the newer changes hold from a first expiry on. Without it the trading day decides.
    """
    table = _table()
    named = next((row for row in table.underlying if row.name == underlying), None)
    lot = _lot_in_force([row for row in table.lot if row.underlying == underlying], on, expiry or on)
    if named is None or lot is None:
        return None
    freeze = in_force([row for row in table.freeze if row.underlying == underlying], on)
    return ContractFacts(
        underlying=underlying,
        exchange=named.exchange,
        lot_size=lot.units,
        freeze_qty=0 if freeze is None else freeze.units,
        tick_paise=named.tick_paise,
        conf=lot.conf,
    )


def known_underlyings() -> tuple[str, ...]:
    """The index underlyings of the table, in its order."""
    return tuple(row.name for row in _table().underlying)


def _lot_in_force(rows: Sequence[_LotRow], on: date, expiry: date) -> _LotRow | None:
    return in_force([row for row in rows if row.effective_from <= (expiry if row.basis == "expiry" else on)], date.max)


@cache
def _table() -> _ContractTable:
    table = read_packaged("contracts.toml", _ContractTable)
    names = {row.name for row in table.underlying}
    for row in (*table.lot, *table.freeze):
        if row.underlying not in names or row.units <= 0:
            raise DataFileError(f"contracts.toml: {row.underlying} {row.effective_from}: unknown name or no units")
    return table
