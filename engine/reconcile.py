"""Reconciliation, decided: our positions against the broker's on three axes, direction, quantity and average price.

Two pure steps. `replay` walks the day's trades in their order and says what of the account is ours and what the
trader's own hands hold (faults §4.8): a sale by hand takes the trader's units first and ours only below what he had.
`judge` holds that against one row of the broker's position book and names the difference. Neither acts: acting waits
until a difference has been seen twice (`Sightings`, faults §4.7). Quantities are signed units, prices paise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from engine.instant import NS_PER_S
from engine.port import PositionReport

Key = tuple[str, str]
"""Symbol in capitals, and product: a position's name (EXI-15)."""

PRICE_TOLERANCE_PAISE: Final = 1
"""Average prices this close are the same (0.01 rupee, F-26)."""
SIGHTINGS_EXPLAINED: Final = 2
"""Reads, each begun after the one before ended, that must agree before a difference is acted on."""
SIGHTINGS_UNEXPLAINED: Final = 4
OLD_BOOK_NS: Final = 10 * NS_PER_S
"""Without a trade that explains it: a gateway may serve an old book for a while (NET-06), and a busy desk reads it four
times in a second. So long after our own last fill a difference may be no more than that. Inside the 30 s of LEG-40."""
FOREIGN_GONE_NS: Final = 60 * NS_PER_S
"""The trader's own units, gone without a trade of his: nothing of ours hangs on it, and a book that is old for longer
looks the same. Believed too soon, units of his are taken for ours, and sold (NET-06, I-8)."""


class OnUnexpected(StrEnum):
    """What becomes of units that only the broker knows and that are ours to decide about (CON-08)."""

    ADOPT = "adopt"
    FLATTEN = "flatten"
    ALERT = "alert"


class Difference(StrEnum):
    """What is different; the first two are no difference that acts."""

    EQUAL = "equal"
    PRICE = "price mismatch"
    CLOSED = "closed externally"
    REDUCED = "reduced externally"
    GROWN = "grown externally"
    FOREIGN_GONE = "foreign units gone"
    REVERSED = "reversed"
    OVERSOLD = "closed by hand and by us"
    CONVERTED = "product converted"
    STILL_OPEN = "closed here, open at the broker"
    OURS_UNKNOWN = "ours by its tags, not in the journal"
    UNEXPECTED = "unexpected"


class EventKind(StrEnum):
    OWN = "own"
    """A fill of ours, or a correction of what we hold."""
    FOREIGN = "foreign"
    """A trade that somebody else made in this account."""
    SHIFT = "shift"
    """Foreign units that came or went without a trade; takes nothing of ours."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an account's position in one symbol and product."""

    at_ns: int
    kind: EventKind
    qty: int
    """Signed: a sale is negative."""
    price_paise: int = 0


class Tape(msgspec.Struct, kw_only=True):
    """Who holds what after the day's events."""

    own_qty: int = 0
    foreign_qty: int = 0
    taken_qty: int = 0
    """Units of ours that foreign trades closed, signed as they were held: longs and shorts against each other."""
    taken_long_qty: int = 0
    taken_short_qty: int = 0
    """The same apart, both as positive sums."""
    taken_long_paise: int = 0
    taken_short_paise: int = 0
    """What those trades paid for either, as positive sums."""
    is_mixed: bool = False
    """The trader held units of his own beside ours at some time: the broker's average is over both."""


def replay(own_qty: int, foreign_qty: int, events: Iterable[Event]) -> Tape:
    """Walk the events in time order from what was held before them.

    A foreign trade against our direction uses up the trader's own units first; below what he held (or owed) when our
    position was opened it closes ours (BUG-12). A trade of ours that comes after that oversells, and shows as such.
    """
    tape = Tape(own_qty=own_qty, foreign_qty=foreign_qty, is_mixed=foreign_qty != 0)
    rest = foreign_qty
    for event in sorted(events, key=lambda event: event.at_ns):
        if tape.own_qty == 0:
            rest = tape.foreign_qty
        if event.kind is EventKind.OWN:
            tape.own_qty += event.qty
            continue
        tape.foreign_qty += event.qty
        tape.is_mixed = tape.is_mixed or tape.foreign_qty * tape.own_qty > 0
        if tape.own_qty == 0 or event.kind is EventKind.SHIFT:
            continue
        side = 1 if tape.own_qty > 0 else -1
        below = min(0, rest * side) - tape.foreign_qty * side
        taken = side * max(0, min(abs(tape.own_qty), below))
        tape.own_qty -= taken
        tape.foreign_qty += taken
        tape.taken_qty += taken
        tape.taken_long_qty += max(taken, 0)
        tape.taken_short_qty += max(-taken, 0)
        tape.taken_long_paise += max(taken, 0) * event.price_paise
        tape.taken_short_paise += max(-taken, 0) * event.price_paise
    return tape


class OwnRow(msgspec.Struct, frozen=True, kw_only=True):
    """What our brackets say of one symbol and product."""

    symbol: str
    product: str
    net_qty: int = 0
    away_qty: int = 0
    """Units that left them without an order of ours, signed as they were held."""
    average_paise: int = 0
    """Average entry of what is open; 0 = none, or several positions whose average means nothing."""
    is_shared: bool = False
    """Several positions hold it: the broker's average is of none of them."""
    is_price_proven: bool = False
    """Every unit of it has its trade record: ours is the truth then."""
    closed_qty: int = 0
    """Units, signed as they were held, of today's positions that are over here (RTP-51)."""
    lost_qty: int = 0
    """Signed units of trades with tags of ours that the journal does not know."""
    is_settled: bool = True
    """No fill of ours can be under way in it."""

    @property
    def key(self) -> Key:
        return key_of(self.symbol, self.product)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One row judged. `qty` is what the verdict is about, signed as it is held."""

    difference: Difference
    symbol: str
    product: str
    expected_qty: int
    """What the broker should show: ours, plus what the trader was known to hold."""
    actual_qty: int
    qty: int = 0
    explained: bool = False
    """The trade book holds the trades that did it."""
    is_backed: bool = False
    """Something beside the position book tells the same: another of its rows, or trades with tags of ours."""
    value_paise: int = 0
    """What those trades paid; 0 = not known."""
    average_paise: int = 0
    """The broker's average price."""
    product_to: str = ""
    """Where a converted position stands now."""

    @property
    def key(self) -> Key:
        return key_of(self.symbol, self.product)


@lru_cache(maxsize=4096)
def key_of(symbol: str, product: str) -> Key:
    """Brokers spell symbols in either case (LEG-37)."""
    return symbol.strip().upper(), product.strip().upper()


def rows_by_key(reports: Sequence[PositionReport]) -> dict[Key, PositionReport]:
    """The broker's rows by name; two rows of one name (day and carried, say) count together."""
    rows: dict[Key, PositionReport] = {}
    for report in reports:
        key = key_of(report.symbol, report.product)
        known = rows.get(key)
        if known is not None:
            average = report.average_paise or known.average_paise
            report = PositionReport(
                symbol=known.symbol,
                product=known.product,
                net_qty=known.net_qty + report.net_qty,
                average_paise=average if not known.net_qty else 0,
            )
        rows[key] = report
    return rows


def judge(own: OwnRow, actual_qty: int, average_paise: int, tape: Tape, told_taken_qty: int) -> Verdict:
    """Compare one row. `told_taken_qty` is the part of the tape's takings that our brackets have heard of already."""
    taken = tape.taken_qty - told_taken_qty
    expected = own.net_qty + tape.foreign_qty
    if taken:
        return _taken(own, actual_qty, average_paise, tape, taken)
    gap = actual_qty - expected
    if gap == 0:
        return _priced(own, actual_qty, average_paise, tape)
    side = _sign(own.net_qty)
    if side == 0 and gap * tape.foreign_qty < 0 and abs(gap) <= abs(tape.foreign_qty):
        return _verdict(Difference.FOREIGN_GONE, own, actual_qty, average_paise, tape, qty=gap)
    if side == 0:
        return _verdict(_unexpected(own, gap), own, actual_qty, average_paise, tape, qty=gap)
    if gap * side > 0:
        return _verdict(Difference.GROWN, own, actual_qty, average_paise, tape, qty=gap)
    spare = max(0, tape.foreign_qty * side)
    lost = max(0, -gap * side - spare)
    if lost == 0:
        return _verdict(Difference.FOREIGN_GONE, own, actual_qty, average_paise, tape, qty=gap)
    held = abs(own.net_qty)
    kind = Difference.REDUCED if lost < held else Difference.CLOSED if lost == held else Difference.REVERSED
    return _verdict(kind, own, actual_qty, average_paise, tape, qty=side * min(lost, held))


def _taken(own: OwnRow, actual_qty: int, average_paise: int, tape: Tape, taken: int) -> Verdict:
    left = own.net_qty - taken
    if left == 0:
        kind = Difference.CLOSED
    elif left * taken < 0:
        kind = Difference.OVERSOLD
    else:
        kind = Difference.REDUCED
    units = tape.taken_long_qty if taken > 0 else tape.taken_short_qty
    value = (tape.taken_long_paise if taken > 0 else tape.taken_short_paise) * abs(taken) // units if units else 0
    verdict = _verdict(kind, own, actual_qty, average_paise, tape, qty=taken)
    return msgspec.structs.replace(verdict, explained=True, value_paise=value)


def _priced(own: OwnRow, actual_qty: int, average_paise: int, tape: Tape) -> Verdict:
    """The third axis; only where the broker's average is of our units alone, and of one position of ours."""
    alone = not own.is_shared and not tape.is_mixed and tape.foreign_qty == 0
    comparable = own.net_qty and alone and average_paise > 0
    if comparable and abs(own.average_paise - average_paise) > PRICE_TOLERANCE_PAISE:
        return _verdict(Difference.PRICE, own, actual_qty, average_paise, tape, qty=own.net_qty)
    return _verdict(Difference.EQUAL, own, actual_qty, average_paise, tape)


def _unexpected(own: OwnRow, gap: int) -> Difference:
    """Whose units are these? Ours when tags or a position that was closed here say so; else nobody knows."""
    if own.lost_qty * gap > 0 and abs(gap) <= abs(own.lost_qty):
        return Difference.OURS_UNKNOWN
    if own.closed_qty * gap > 0 and abs(gap) <= abs(own.closed_qty):
        return Difference.STILL_OPEN
    return Difference.UNEXPECTED


def _verdict(
    kind: Difference, own: OwnRow, actual_qty: int, average_paise: int, tape: Tape, *, qty: int = 0
) -> Verdict:
    expected_qty = own.net_qty + tape.foreign_qty
    gap = actual_qty - expected_qty
    return Verdict(
        difference=kind,
        symbol=own.symbol,
        product=own.product,
        expected_qty=expected_qty,
        actual_qty=actual_qty,
        qty=qty,
        is_backed=gap * own.lost_qty > 0 and abs(gap) <= abs(own.lost_qty),
        average_paise=average_paise,
    )


def converted(verdicts: Sequence[Verdict], before: dict[Key, int], now: dict[Key, PositionReport]) -> list[Verdict]:
    """Turn "closed here, grown there" of one symbol into "converted" (EXI-15): the units left one product for another.

    `before` holds the nets of the last book that had no difference.
    """
    changed: list[Verdict] = []
    for verdict in verdicts:
        to = _product_grown(verdict, before, now) if _may_be_converted(verdict) else ""
        if to:
            verdict = msgspec.structs.replace(verdict, difference=Difference.CONVERTED, product_to=to, is_backed=True)
        changed.append(verdict)
    return changed


def _may_be_converted(verdict: Verdict) -> bool:
    return verdict.difference in (Difference.CLOSED, Difference.REDUCED) and not verdict.explained


def _product_grown(verdict: Verdict, before: dict[Key, int], now: dict[Key, PositionReport]) -> str:
    symbol = verdict.key[0]
    for key, row in now.items():
        if key[0] != symbol or key == verdict.key:
            continue
        if row.net_qty - before.get(key, 0) == verdict.qty:
            return row.product
    return ""


class Sightings:
    """How often each difference was seen, unchanged, in reads that began after one another (NET-07)."""

    def __init__(self) -> None:
        self._seen: dict[Key, tuple[Difference, int, int, int, int]] = {}
        """Kind, actual quantity, sightings, end of the newest read, and of the first."""

    def is_proven(self, verdict: Verdict, began_ns: int, ended_ns: int, filled_ns: int) -> bool:
        """Count one sighting; True when there were enough of them to act. `filled_ns`: our newest fill in the row."""
        known = self._seen.get(verdict.key)
        count, first_ns = 0, ended_ns
        if known is not None and known[:2] == (verdict.difference, verdict.actual_qty):
            if began_ns < known[3]:
                return False  # the same look, or one that overlaps it
            count, first_ns = known[2], known[4]
        count += 1
        self._seen[verdict.key] = (verdict.difference, verdict.actual_qty, count, ended_ns, first_ns)
        if verdict.explained:
            return count >= SIGHTINGS_EXPLAINED
        if count < SIGHTINGS_UNEXPLAINED:
            return False
        if verdict.is_backed:
            return True
        if verdict.difference is Difference.FOREIGN_GONE:
            return ended_ns >= first_ns + FOREIGN_GONE_NS
        if verdict.difference is Difference.STILL_OPEN and ended_ns < first_ns + OLD_BOOK_NS:
            return False  # our own fills say that it is over: the trade book may not show yet whose units these are
        return began_ns >= filled_ns + OLD_BOOK_NS

    def forget(self, key: Key) -> None:
        """It was acted on, or it is gone: the next difference starts anew."""
        self._seen.pop(key, None)

    def count(self, key: Key) -> int:
        known = self._seen.get(key)
        return known[2] if known else 0


def overlap_qty(one_qty: int, other_qty: int) -> int:
    """The units that two signed quantities of one direction have in common."""
    if one_qty * other_qty <= 0:
        return 0
    return min(one_qty, other_qty) if one_qty > 0 else max(one_qty, other_qty)


def _sign(qty: int) -> int:
    return (qty > 0) - (qty < 0)
