"""What a venue's own records say of a desk that was killed again and again.

Truth is the venue's. Nothing here asks the desk what it believes, apart from its journal at the very end, which must
say the same as the venue to the paisa.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from brokers.paper.wire import AccountLedger
from engine.instant import NS_PER_S, clock_text
from engine.order import TERMINAL, OrderState, Role, Side
from engine.port import OrderReport
from engine.tags import role_of

_PROTECTS = frozenset({Role.STOP, Role.EXIT})
"""A stop that rests, waits or has triggered, and an exit under way; a target protects nothing."""


_NEVER_LEFT = frozenset({OrderState.REJECTED.value, OrderState.CANCELLED.value})
"""Ends that an order without a broker id may have: refused, or taken back before it was sent."""


class Watch(NamedTuple):
    """A span in which a recovered desk was alive, in exchange time."""

    from_ns: int
    to_ns: int


class Bare(NamedTuple):
    """A span in which more was held than stops and exits covered, or more was sold than held."""

    symbol: str
    from_ns: int
    to_ns: int
    qty: int
    """Most units at once; below zero: sold beyond what was held."""

    def words(self) -> str:
        what = "bare" if self.qty > 0 else "oversold"
        return (
            f"{self.symbol} {abs(self.qty)} {what} from {clock_text(self.from_ns, decimals=3)} for {self.seconds:.1f} s"
        )

    @property
    def seconds(self) -> float:
        return (self.to_ns - self.from_ns) / NS_PER_S


class Book:
    """The venue's order book of one account, followed by its pushes: position and cover of each symbol at any time."""

    def __init__(self) -> None:
        self.orders: dict[str, OrderReport] = {}
        self.began_ns: dict[str, int] = {}
        self.ended_ns: dict[str, int] = {}
        self.spans: list[Bare] = []
        self._open: dict[str, tuple[int, int]] = {}
        """Symbol -> since when, and how many at most."""

    def hear(self, report: OrderReport) -> None:
        """Reports come in the order in which they happened."""
        self.began_ns.setdefault(report.broker_id, report.at_ns)
        self.orders[report.broker_id] = report
        if report.state in TERMINAL:
            self.ended_ns.setdefault(report.broker_id, report.at_ns)
        self._look(report.symbol, report.at_ns)

    @property
    def at_work(self) -> set[str]:
        """Broker ids of orders that have not ended."""
        return self.orders.keys() - self.ended_ns.keys()

    def end(self, at_ns: int) -> None:
        """Nothing more comes: what is still bare ends here."""
        for symbol in list(self._open):
            self._close(symbol, at_ns)

    def _look(self, symbol: str, at_ns: int) -> None:
        net = cover = 0
        for order in self.orders.values():
            if order.symbol != symbol:
                continue
            net += order.side.sign * order.filled_qty
            if order.side is Side.SELL and order.state not in TERMINAL and role_of(order.tag) in _PROTECTS:
                cover += order.qty - order.filled_qty
        bare = net if net < 0 else max(0, net - cover)
        if not bare:
            self._close(symbol, at_ns)
            return
        since_ns, most = self._open.get(symbol, (at_ns, bare))
        if (most < 0) != (bare < 0):
            self._close(symbol, at_ns)
            since_ns, most = at_ns, bare
        self._open[symbol] = since_ns, bare if abs(bare) > abs(most) else most

    def _close(self, symbol: str, at_ns: int) -> None:
        since_ns, qty = self._open.pop(symbol, (0, 0))
        if qty:
            self.spans.append(Bare(symbol, since_ns, at_ns, qty))


def watched(spans: Iterable[Bare], watches: Sequence[Watch]) -> list[Bare]:
    """The parts of the spans during which a recovered desk was there to do something about them."""
    parts: list[Bare] = []
    for span in spans:
        for watch in watches:
            from_ns, to_ns = max(span.from_ns, watch.from_ns), min(span.to_ns, watch.to_ns)
            if from_ns < to_ns:
                parts.append(span._replace(from_ns=from_ns, to_ns=to_ns))
    return parts


class Journal(NamedTuple):
    """What the desk's journal says of one account, read after its end."""

    purposes: dict[str, tuple[str, str]]
    """Tag -> bracket and role."""
    orders: dict[str, tuple[str, int]]
    """Tag -> state and filled units."""
    sent: set[str]
    """Tags of orders that the venue accepted, or may have: all but those that were refused or never left."""
    fills: set[tuple[str, str, str, str, int, int]]
    net: dict[str, int]
    gross_paise: int
    """Of all round trips."""
    refused_tags: int
    """Orders that the venue refused because it knew their tag: something was sent twice."""


def read_journal(path: Path, account: str) -> Journal:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        orders = db.execute(
            "SELECT tag, bracket_id, role, state, filled_qty, broker_id, reject_code FROM orders WHERE account = ?",
            (account,),
        ).fetchall()
        fills = db.execute(
            "SELECT trade_id, tag, symbol, side, qty, price_paise FROM fills WHERE account = ?", (account,)
        ).fetchall()
        net = db.execute("SELECT symbol, sum(net_qty) FROM positions WHERE account = ? GROUP BY symbol", (account,))
        gross = db.execute("SELECT coalesce(sum(gross_paise), 0) FROM trades WHERE account = ?", (account,)).fetchone()
        return Journal(
            purposes={tag: (bracket, role) for tag, bracket, role, *_ in orders},
            orders={tag: (state, filled) for tag, _, _, state, filled, _, _ in orders},
            sent={tag for tag, _, _, state, _, broker_id, _ in orders if broker_id or state not in _NEVER_LEFT},
            fills=set(fills),
            net=dict(net),
            gross_paise=gross[0],
            refused_tags=sum(code == "duplicate_tag" for *_, code in orders),
        )


def twice_for_one_purpose(book: Book, purposes: dict[str, tuple[str, str]]) -> list[str]:
    """Two orders at work at once for the same bracket and role, and brackets that were entered twice."""
    by_purpose: dict[tuple[str, str], list[OrderReport]] = defaultdict(list)
    for order in book.orders.values():
        if order.tag in purposes:
            by_purpose[purposes[order.tag]].append(order)
    found: list[str] = []
    for (bracket, role), orders in by_purpose.items():
        lives = sorted((book.began_ns[o.broker_id], book.ended_ns.get(o.broker_id, 1 << 62), o.tag) for o in orders)
        for (_, ended_ns, first), (began_ns, _, second) in pairwise(lives):
            if began_ns < ended_ns:
                found.append(f"{bracket} {role}: {first} and {second} at work at once")
        if role == Role.ENTRY.value and sum(order.filled_qty > 0 for order in orders) > 1:
            found.append(f"{bracket} was entered {len(orders)} times")
    return found


def differences(ledger: AccountLedger, journal: Journal) -> list[str]:
    """Where the venue's records and the desk's journal do not say the same; empty when they do, to the paisa."""
    found: list[str] = []
    theirs = {(t.trade_id, t.tag, t.symbol, t.side.value, t.qty, t.price_paise) for t in ledger.trades}
    found += [f"a fill of the venue is not in the journal: {row}" for row in sorted(theirs - journal.fills)]
    found += [f"a fill of the journal is not the venue's: {row}" for row in sorted(journal.fills - theirs)]
    for order in ledger.orders:
        ours = journal.orders.get(order.tag)
        if ours is None:
            found.append(f"an order of the venue is not in the journal: {order.tag} {order.state.value}")
        elif ours != (order.state.value, order.filled_qty):
            found.append(
                f"order {order.tag}: venue {order.state.value} {order.filled_qty}, journal {ours[0]} {ours[1]}"
            )
    known = {order.tag for order in ledger.orders}
    found += [f"an order of the journal is not the venue's: {tag}" for tag in sorted(journal.sent - known)]
    net = {row.symbol: row.net_qty for row in ledger.positions}
    found += [
        f"position {symbol}: venue {net.get(symbol, 0)}, journal {journal.net.get(symbol, 0)}"
        for symbol in sorted(net.keys() | journal.net.keys())
        if net.get(symbol, 0) != journal.net.get(symbol, 0)
    ]
    earned_paise = ledger.cash_paise - ledger.opening_paise
    booked_paise = sum((1 if side == Side.SELL.value else -1) * qty * price for *_, side, qty, price in journal.fills)
    if earned_paise != booked_paise:
        found.append(f"cash: the venue's account moved by {earned_paise} paise, the journal's fills by {booked_paise}")
    if not any(net.values()) and journal.gross_paise != earned_paise:
        found.append(f"round trips: {journal.gross_paise} paise gross, the venue's account moved by {earned_paise}")
    return found
