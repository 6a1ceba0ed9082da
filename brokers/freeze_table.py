"""Freeze quantities of index options for a broker whose instrument list names none (Kite, DhanHQ).

They are the exchange's own of that day, from `engine/data/contracts.toml` (facts/market.md §4). An order above them
is refused by the exchange whole, so that an exit would not go out in slices.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from msgspec.structs import replace

from engine.contracts import contract_facts, known_underlyings
from engine.instrument import Instrument, Segment


def known_freezes(on: date) -> Mapping[str, int]:
    """Underlying -> largest units of one order on that day; without those for which no figure is known."""
    facts = (contract_facts(name, on) for name in known_underlyings())
    return {each.underlying: each.freeze_qty for each in facts if each is not None and each.freeze_qty}


def with_freeze(instrument: Instrument, freezes: Mapping[str, int]) -> Instrument:
    """The same contract, an index option with its exchange's figure."""
    if instrument.segment is not Segment.INDEX_OPTION or instrument.underlying not in freezes:
        return instrument
    return replace(instrument, freeze_qty=freezes[instrument.underlying])


def freeze_note(broker: str, freezes: Mapping[str, int]) -> str:
    """What a trader should know: these figures are not the broker's. One sentence."""
    figures = ", ".join(f"{name} {units}" for name, units in freezes.items())
    return f"{broker}'s list names no freeze quantity; orders of index options are cut by the exchange's: {figures}"
