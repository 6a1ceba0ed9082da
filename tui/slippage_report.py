"""Compares what exits lost against their levels when they rest at the broker and when they are watched here (RTP-44).

Pure: round trips in, lines out. Slippage is rupees a unit against the level the exit was for, positive = worse; levels
are a stop, a target, or the price that decided. Sums are exact in paise and rounded once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.bracket import REASON_TARGET
from engine.bracket_rules import REASON_STOP, REASON_TRAIL
from engine.money import divide_half_up, rupees_text
from engine.outbox import RoundTrip
from engine.view import ExitStyle

COMPARED = (ExitStyle.RESTING, ExitStyle.MONITORED)
_KINDS = {"stops": (REASON_STOP, REASON_TRAIL), "targets": (REASON_TARGET,)}


def slippage_report(trips_of: Mapping[ExitStyle, Sequence[RoundTrip]]) -> str:
    """One line for each style, over the round trips of the same ticks."""
    lines = ["slippage of exits against their level, rupees a unit, + is worse; the same ticks in each style:"]
    for style, trips in trips_of.items():
        measured = [trip for trip in trips if trip.kind == "trade" and trip.level_paise and trip.qty]
        parts = [f"{name} {_words(_of(measured, reasons))}" for name, reasons in _KINDS.items()]
        others = [trip for trip in measured if not any(trip in _of(measured, reasons) for reasons in _KINDS.values())]
        parts.append(f"others {_words(others)}")
        lines.append(f"  {style.value:9}  {_words(measured)}; {', '.join(parts)}")
    return "\n".join(lines)


def _of(trips: Sequence[RoundTrip], reasons: Sequence[str]) -> list[RoundTrip]:
    """A reason may carry a remark behind its word, such as an OCO race."""
    return [trip for trip in trips if trip.reason.startswith(tuple(reasons))]


def _words(trips: Sequence[RoundTrip]) -> str:
    if not trips:
        return "none"
    average = divide_half_up(sum(_lost_paise(trip) for trip in trips), sum(trip.qty for trip in trips))
    worst = max(trip.slippage_paise for trip in trips)
    signed = rupees_text(average, signed=True)
    return f"{len(trips)} at {signed} on average, worst {rupees_text(worst, signed=True)}"


def _lost_paise(trip: RoundTrip) -> int:
    """Of the whole round trip, before any rounding."""
    behind = trip.level_paise * trip.qty - trip.exit_value_paise
    return behind if trip.side == "LONG" else -behind
