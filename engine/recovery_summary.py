"""What a recovery found and did, as one record and in the words of the log and the screen (OPS-17). Pure.

The record is also the body of a journal event, so that a night's restart can be read the next morning. Quantities in
units, positions signed as the broker signs them; money in paise.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.instant import NS_PER_MS, NS_PER_S
from engine.money import rupees_text

SHOWN_NS: Final = 300 * NS_PER_S
"""How long the headline stays on the screen when nobody acknowledges it."""
_NAMED: Final = 6
"""Positions and sentences that are spelled out; the rest is counted."""


class HeldPosition(msgspec.Struct, frozen=True, kw_only=True):
    """One position that is open after the restart."""

    symbol: str
    bot: str
    net_qty: int
    covered_qty: int
    """Units whose stop the broker has acknowledged."""
    protection: str
    """`protection_words`."""


class BookedTrip(msgspec.Struct, frozen=True, kw_only=True):
    """A position that ended while the program was not running."""

    symbol: str
    reason: str
    net_paise: int


class RecoverySummary(msgspec.Struct, frozen=True, kw_only=True):
    """The facts; `lines` and `headline` say them."""

    began_ns: int
    took_ns: int
    """From the start to protection being asked for, waiting for the broker included."""
    tries: int = 1
    """Reads of the books until one was complete."""
    held: tuple[HeldPosition, ...] = ()
    listed: int = 0
    """Rows of the broker's order book."""
    matched: int = 0
    """Of them ours."""
    found: int = 0
    """Orders without an answer that the broker's book shows."""
    never_placed: int = 0
    unknown: tuple[str, ...] = ()
    """Tags of those whose fate is still open."""
    fills: int = 0
    fill_qty: int = 0
    """Trade records of ours that the journal did not have, and their units."""
    trips: tuple[BookedTrip, ...] = ()
    expired: int = 0
    """Orders of an earlier day that are over."""
    differences: tuple[str, ...] = ()
    """Positions that differ from ours, in words."""
    done: tuple[str, ...] = ()
    """What was done about anything of this."""
    decide: tuple[str, ...] = ()
    """What a person must decide or look at."""

    @property
    def is_news(self) -> bool:
        """There was something to recover; a first start on an empty account is none."""
        return bool(self.held or self.listed or self.found or self.never_placed or self.unknown or self.fills) or bool(
            self.trips or self.expired or self.differences or self.done or self.decide
        )


def protection_words(open_qty: int, covered_qty: int, *, has_target: bool, is_watched: bool) -> str:
    """How one position is protected at this instant. Quantities unsigned."""
    target = "target at the broker" if has_target else "target watched here"
    if covered_qty >= open_qty > 0:
        return f"stop at the broker, {target}"
    if is_watched:
        return "watched here"
    if covered_qty:
        return f"stop at the broker for {covered_qty} of {open_qty}, {target}"
    return "NO STOP at the broker yet"


def lines(summary: RecoverySummary) -> tuple[str, ...]:
    """One sentence for each kind of fact, the broker's book first; what is zero is left out."""
    positions = f"{len(summary.held)} position(s) restored"
    said = [f"broker lists {summary.listed} order(s) today, {summary.matched} ours; {positions}"]
    held = [
        f"; {p.symbol} {p.net_qty:+d} covered {p.covered_qty}/{abs(p.net_qty)}, {p.protection}" for p in summary.held
    ]
    said[0] += _listed(held, "; and {} more")
    if words := _settled_words(summary):
        said.append(f"orders without an answer: {words}")
    if summary.expired:
        said.append(f"{summary.expired} order(s) of an earlier day have expired")
    if summary.fills:
        said.append(f"{summary.fills} fill(s) of {summary.fill_qty} units booked that came while down")
    said += [f"{t.symbol} ended while down: {t.reason}, net {_money(t.net_paise)}" for t in summary.trips[:_NAMED]]
    said += [f"differs: {text}" for text in summary.differences]
    said += [f"done: {text}" for text in summary.done]
    said += [f"YOU DECIDE: {text}" for text in summary.decide]
    tries = f", {summary.tries} tries" if summary.tries > 1 else ""
    said.append(f"took {_span(summary.took_ns)}{tries}")
    return tuple(said)


def headline(summary: RecoverySummary) -> str:
    """One line for the screen: `recovered 2 positions (all protected), 6 orders matched, 1 settled, 2 fills booked`."""
    bare = [p.symbol for p in summary.held if p.protection.startswith("NO STOP")]
    state = f"{len(bare)} WITHOUT STOP" if bare else "all protected"
    parts = [f"recovered {_count(len(summary.held), 'position')}" + (f" ({state})" if summary.held else "")]
    parts.append(f"{_count(summary.matched, 'order')} matched")
    settled = summary.found + summary.never_placed
    if settled or summary.unknown:
        parts.append(f"{settled} settled, {len(summary.unknown)} unknown")
    if summary.fills:
        parts.append(f"{_count(summary.fills, 'fill')} booked")
    if summary.differences:
        parts.append(_count(len(summary.differences), "difference"))
    if summary.decide:
        parts.append(f"DECIDE: {summary.decide[0]}")
    parts.append(_span(summary.took_ns))
    return ", ".join(parts)


def _settled_words(summary: RecoverySummary) -> str:
    parts = [f"{summary.found} found"] if summary.found else []
    parts += [f"{summary.never_placed} never placed"] if summary.never_placed else []
    if summary.unknown:
        parts.append(f"{len(summary.unknown)} still unknown ({', '.join(summary.unknown[:_NAMED])})")
    return ", ".join(parts)


def _listed(texts: list[str], more: str) -> str:
    rest = len(texts) - _NAMED
    return "".join(texts[:_NAMED]) + (more.format(rest) if rest > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _span(ns: int) -> str:
    return f"{ns / NS_PER_S:.1f} s" if ns >= NS_PER_S else f"{ns // NS_PER_MS} ms"


def _money(paise: int) -> str:
    return f"₹{rupees_text(paise, signed=True)}"
