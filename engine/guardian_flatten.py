"""How a guardian takes a dead desk's positions out of the market: books in, requests out, until the broker says flat.

Pure, and a code path of its own. Its rules, money first:

* never an exit larger than what the broker shows and today's fills of our tags explain;
* what our live orders could still take from a position counts as taken: they are cancelled and seen ended first, and
  one that cannot be cancelled makes the exit smaller, never the other way round;
* never a duplicate: an exit that nobody answered for, or that the book does not show yet, holds its position back until
  it is seen, or until two clean reads begun after its time say that it is not there;
* books that contradict what was seen before are no books; an empty list is not flat;
* nothing is touched before the last request of the silent desk must be visible (`ready_ns`);
* units that no fill of today explains are not ours to close: as much of the desk's resting stops as covers them stays;
* it never gives up, it only gets slower; and when it is flat it looks again, because a stopped desk may have had one
  request on its lips.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

import msgspec

from engine import refusals
from engine.guardian_books import (
    Books,
    Holding,
    Key,
    contradictions,
    guardian_tag,
    holdings,
    is_guardians,
    is_ours,
    remaining,
)
from engine.instant import NS_PER_S, ns_from_s
from engine.instrument import Instrument
from engine.lease_record import Proof
from engine.order import OrderType
from engine.order_pricing import marketable_limit
from engine.outbox import Op
from engine.port import Acked, Answer, NotSent, OrderReport, OrderRequest, Refused
from engine.slices import slices
from engine.tick import Tick
from engine.venue_rules import RequestFacts, VenueRules, check_request

WRITES_MAX: Final = 5
"""Of one look; looks are a second apart at least, and brokers count 10 requests a second (F-40)."""
_PACE_S: Final = (1, 1, 1, 2, 5, 10, 30)
"""Between two tries of the same thing; the last one for ever."""
_CHASE_S: Final = (3, 3, 3, 3, 5, 10, 30)
"""How long one exit may rest before it is taken back and priced again."""
_CANCEL_AGAIN_NS: Final = 10 * NS_PER_S
_CANCEL_PATIENCE_NS: Final = 5 * NS_PER_S
"""How long the end of a cancelled order is awaited before its units are counted as lost to the exit."""
_ACKED_SHOWS_NS: Final = 30 * NS_PER_S
"""An accepted order that no book has shown for so long beyond the ambiguity window is not there."""
_UNKNOWN_SHOWS_NS: Final = 2 * NS_PER_S
_FLAT_APART_NS: Final = 2 * NS_PER_S
"""Between the two reads that prove flat."""
_UNEXPLAINED_NS: Final = 30 * NS_PER_S
"""A position that no fill explains may be a late book; after this it is somebody's."""
_SETTLED_NS: Final = 10 * NS_PER_S
"""How long flat must have lasted, beyond the ambiguity window, before a dead desk is left alone."""
_REMIND_NS: Final = 60 * NS_PER_S
_WATCH_S: Final = 5
_WATCH_SLOW_S: Final = 30
_BAND_MAX_BPS: Final = 2_000


class Voice(Enum):
    """How loud a sentence is."""

    NOTE = auto()
    WARN = auto()
    STUCK = auto()
    FLAT = auto()


class Tell(msgspec.Struct, frozen=True):
    voice: Voice
    text: str


class CancelOurs(msgspec.Struct, frozen=True):
    tag: str
    broker_id: str


class PlaceExit(msgspec.Struct, frozen=True):
    request: OrderRequest


class Prove(msgspec.Struct, frozen=True):
    """Write down in the lease what is proven now."""

    proof: Proof


Act = Tell | CancelOurs | PlaceExit | Prove


class Takeover(msgspec.Struct, frozen=True, kw_only=True):
    """What the flattening is about."""

    epoch: int
    instruments: Mapping[str, Instrument]
    rules: VenueRules
    ambiguity_ns: int
    protection_bps: int
    desk_open_qty: int
    """Units the desk's last beat knew of; 0 when unknown."""
    ready_ns: int
    """From when on every request of the silent desk is visible or will never be."""


class _Exit(msgspec.Struct, kw_only=True):
    """One exit of ours that no book has shown yet."""

    key: Key
    qty: int
    sent_ns: int
    shows_ns: int
    """Reads begun after this must show it."""
    clean_looks: int = 0


class _Pace(msgspec.Struct, kw_only=True):
    """How often something has been tried, and when it may be tried again."""

    tries: int = 0
    next_ns: int = 0

    def again(self, now_ns: int) -> None:
        self.next_ns = now_ns + _PACE_S[min(self.tries, len(_PACE_S) - 1)] * NS_PER_S
        self.tries += 1


class Flatten:
    """One takeover. `on_books`, `on_books_failed` and `on_answer` say what to do; `next_read_ns` when to look again."""

    def __init__(self, takeover: Takeover, now_ns: int) -> None:
        self._of = takeover
        self._began_ns = now_ns
        self.next_read_ns = now_ns
        self.proof = Proof.OPEN
        self.flat_since_ns = 0
        """Begin of the first of the reads that say flat; 0 while they do not."""
        self._seen: dict[str, int] = {}
        self._unseen: dict[str, _Exit] = {}
        self._first_seen_ns: dict[str, int] = {}
        self._cancels: dict[str, tuple[int, int]] = {}
        """Broker id -> (first asked, newest asked)."""
        self._pace: dict[Key, _Pace] = {}
        self._left: dict[Key, int] = {}
        """Units of ours that were open at the newest look."""
        self._read_fails = 0
        self._count = 0
        self._writes = 0
        self._open_most = 0
        self._unexplained_ns = 0
        self._remind_ns = now_ns + _REMIND_NS // 2
        self._remind_step_ns = _REMIND_NS
        self._trouble: dict[Key, str] = {}
        """What keeps a position from being closed, in words."""

    # --- news -----------------------------------------------------------------------------------------------------

    def on_books(self, books: Books, now_ns: int) -> list[Act]:
        """One complete read of orders, trades and positions, in that order."""
        odd = next(contradictions(books, self._seen), "")
        if odd:
            return self.on_books_failed(f"the broker's books contradict themselves: {odd}", now_ns)
        self._read_fails = 0
        self._note_seen(books, now_ns)
        found = holdings(books)
        self._open_most = max(self._open_most, sum(abs(holding.open_qty) for holding in found.values()))
        acts: list[Act] = []
        self._writes = 0
        if now_ns >= self._of.ready_ns:
            for holding in found.values():
                self._note_progress(holding)
                acts += self._leave(holding, books.ticks.get(holding.symbol), now_ns)
        acts += self._judge_flat(found, books.began_ns, now_ns)
        self.next_read_ns = now_ns + self._read_gap_ns(now_ns)
        return [*acts, *self._remind(self._words(found), now_ns)]

    def on_books_failed(self, reason: str, now_ns: int) -> list[Act]:
        """A read without an answer proves nothing: neither flat nor open."""
        step = _PACE_S[min(self._read_fails, len(_PACE_S) - 1)]
        self._read_fails += 1
        self.next_read_ns = now_ns + step * NS_PER_S
        return self._remind(f"the broker's books cannot be read: {reason}", now_ns)

    def on_answer(self, tag: str, op: Op, answer: Answer, now_ns: int) -> list[Act]:
        """The broker's answer to one of our requests."""
        if op == "cancel":
            return []  # the order's end is read from the book, whatever was answered
        sent = self._unseen.get(tag)
        if sent is None:
            return []
        if isinstance(answer, Acked):
            sent.shows_ns = sent.sent_ns + self._of.ambiguity_ns + _ACKED_SHOWS_NS
            self._trouble.pop(sent.key, None)
            return []
        if not isinstance(answer, NotSent | Refused):
            sent.shows_ns = max(sent.shows_ns, now_ns + self._of.ambiguity_ns)
            return [Tell(Voice.WARN, f"{sent.key[0]} exit {tag}: no answer ({answer.reason}); it is looked up first")]
        del self._unseen[tag]
        wait_s = answer.retry_after_s if isinstance(answer, Refused) and answer.code == refusals.THROTTLED else 0.0
        pace = self._pace_of(sent.key)
        pace.next_ns = max(pace.next_ns, now_ns + ns_from_s(wait_s))
        reason = answer.text if isinstance(answer, Refused) else answer.reason
        was, self._trouble[sent.key] = self._trouble.get(sent.key), f"exit refused: {reason}"
        return [] if was == self._trouble[sent.key] else [Tell(Voice.WARN, f"{sent.key[0]} {self._trouble[sent.key]}")]

    def is_settled(self, now_ns: int) -> bool:
        """Proven flat for so long that no request of a dead desk can still appear."""
        return self.proof is Proof.FLAT and now_ns - self.flat_since_ns > self._of.ambiguity_ns + _SETTLED_NS

    # --- what was seen --------------------------------------------------------------------------------------------

    def _note_seen(self, books: Books, now_ns: int) -> None:
        shown = {order.tag for order in books.orders}
        for order in books.orders:
            if is_ours(order.tag):
                self._seen[order.broker_id] = order.filled_qty
                self._first_seen_ns.setdefault(order.broker_id, now_ns)
        for tag, sent in list(self._unseen.items()):
            if tag in shown:
                del self._unseen[tag]
            elif books.began_ns > sent.shows_ns:
                sent.clean_looks += 1
                if sent.clean_looks >= 2:
                    del self._unseen[tag]
                    self._pace_of(sent.key).again(now_ns)

    def _note_progress(self, holding: Holding) -> None:
        """What gets smaller is going well: the next try need not wait."""
        if abs(holding.open_qty) < self._left.get(holding.key, 0):
            self._pace.pop(holding.key, None)
        self._left[holding.key] = abs(holding.open_qty)

    # --- leaving --------------------------------------------------------------------------------------------------

    def _leave(self, holding: Holding, tick: Tick | None, now_ns: int) -> list[Act]:
        acts = self._cancel(holding, now_ns)
        if acts or self._writes >= WRITES_MAX or holding.open_qty == 0 or self._awaits(holding, now_ns):
            return acts
        free_qty = abs(holding.broker_qty) - holding.closing_qty
        qty = min(abs(holding.open_qty), free_qty)
        if qty <= 0:
            self._trouble[holding.key] = "our own orders that cannot be cancelled may still fill"
            return []
        if now_ns < self._pace_of(holding.key).next_ns:
            return []
        return self._place(holding, qty, tick, now_ns)

    def _cancel(self, holding: Holding, now_ns: int) -> list[Act]:
        """Our live orders go, except as much of the closing ones as covers units that are not ours to close."""
        keep_qty = self._kept_qty(holding)
        acts: list[Act] = []
        for order in holding.live:
            if order.side is holding.closing_side and not is_guardians(order.tag) and remaining(order) <= keep_qty:
                keep_qty -= remaining(order)
                continue
            if is_guardians(order.tag) and self._is_working(order, holding, now_ns):
                continue
            first_ns, last_ns = self._cancels.get(order.broker_id, (now_ns, 0))
            if last_ns and now_ns - last_ns < _CANCEL_AGAIN_NS:
                continue
            if self._writes >= WRITES_MAX:
                break
            self._writes += 1
            self._cancels[order.broker_id] = first_ns, now_ns
            acts.append(CancelOurs(order.tag, order.broker_id))
        return acts

    def _kept_qty(self, holding: Holding) -> int:
        """Units on the position's side that no fill of today explains."""
        sign = 1 if holding.broker_qty > 0 else -1
        return max(0, min(holding.unexplained_qty * sign, abs(holding.broker_qty)))

    def _is_working(self, order: OrderReport, holding: Holding, now_ns: int) -> bool:
        """An exit of a guardian gets its time to fill, as long as there is something for it to close."""
        if remaining(order) > abs(holding.open_qty) or order.side is not holding.closing_side:
            return False
        tries = self._pace_of(holding.key).tries
        since_ns = self._first_seen_ns.get(order.broker_id, now_ns)
        return now_ns - since_ns < _CHASE_S[min(tries, len(_CHASE_S) - 1)] * NS_PER_S

    def _awaits(self, holding: Holding, now_ns: int) -> bool:
        """Something of ours may still fill in this position, and its end is near or unknown."""
        if any(sent.key == holding.key for sent in self._unseen.values()):
            return True
        for order in holding.live:
            if is_guardians(order.tag) and order.broker_id not in self._cancels:
                return True
            asked = self._cancels.get(order.broker_id)
            if asked is not None and now_ns - asked[0] < _CANCEL_PATIENCE_NS:
                return True
        return False

    def _place(self, holding: Holding, qty: int, tick: Tick | None, now_ns: int) -> list[Act]:
        instrument = self._of.instruments.get(holding.symbol)
        pace = self._pace_of(holding.key)
        if instrument is None:
            return self._cannot(holding, "it is no contract of today's instrument master", now_ns)
        if tick is None and holding.last_paise:  # without a quote the newest fill is better than no exit
            tick = Tick(holding.symbol, now_ns, holding.last_paise, 0, 0, 0, 0)
        bps = min(self._of.protection_bps * (1 + pace.tries // 3), _BAND_MAX_BPS)
        limit = marketable_limit(holding.closing_side, tick, instrument, bps) if tick is not None else 0
        if not limit:
            return self._cannot(holding, "there is no price for it", now_ns)
        acts: list[Act] = []
        for part in slices(qty, instrument)[: WRITES_MAX - self._writes]:
            self._count += 1
            request = OrderRequest(
                tag=guardian_tag(self._of.epoch, self._count),
                symbol=holding.symbol,
                exchange=instrument.exchange,
                product=holding.product,
                side=holding.closing_side,
                type=OrderType.LIMIT,
                qty=part,
                limit_paise=limit,
                trigger_paise=0,
            )
            if odd := _violation(request, instrument, self._of.rules):
                return [*acts, *self._cannot(holding, odd, now_ns)]
            self._writes += 1
            shows_ns = now_ns + self._of.ambiguity_ns + _UNKNOWN_SHOWS_NS
            self._unseen[request.tag] = _Exit(key=holding.key, qty=part, sent_ns=now_ns, shows_ns=shows_ns)
            acts.append(PlaceExit(request))
        pace.again(now_ns)
        return acts

    def _cannot(self, holding: Holding, reason: str, now_ns: int) -> list[Act]:
        self._pace_of(holding.key).again(now_ns)
        was, self._trouble[holding.key] = self._trouble.get(holding.key), reason
        return [] if was == reason else [Tell(Voice.WARN, f"{holding.symbol} cannot be closed: {reason}")]

    def _pace_of(self, key: Key) -> _Pace:
        return self._pace.setdefault(key, _Pace())

    # --- flat -----------------------------------------------------------------------------------------------------

    def _judge_flat(self, found: Mapping[Key, Holding], began_ns: int, now_ns: int) -> list[Act]:
        unexplained = [holding for holding in found.values() if holding.unexplained_qty]
        if not unexplained:
            self._unexplained_ns = 0
        elif not self._unexplained_ns:
            self._unexplained_ns = began_ns
        if now_ns < self._of.ready_ns or not self._is_flat(found, began_ns):
            was, self.flat_since_ns = self.proof, 0
            self.proof = Proof.OPEN
            if was is Proof.FLAT:
                self._remind_ns = now_ns + _REMIND_NS // 2
                text = f"something of ours has appeared after flat: {self._words(found)}; leaving it too"
                return [Prove(Proof.OPEN), Tell(Voice.WARN, text)]
            return []
        if not self.flat_since_ns:
            self.flat_since_ns = began_ns
        if self.proof is Proof.FLAT or began_ns - self.flat_since_ns < _FLAT_APART_NS:
            return []
        self.proof = Proof.FLAT
        theirs = ", ".join(holding.words for holding in found.values() if holding.broker_qty)
        left = f" Not of this desk's orders and left alone: {theirs}." if theirs else ""
        return [Prove(Proof.FLAT), Tell(Voice.FLAT, f"nothing of this desk is open at the broker any more.{left}")]

    def _is_flat(self, found: Mapping[Key, Holding], began_ns: int) -> bool:
        if self._unseen or any(holding.live for holding in found.values()):
            return False
        if any(holding.own_qty and holding.broker_qty for holding in found.values()):
            return False
        unexplained_qty = sum(abs(holding.unexplained_qty) for holding in found.values())
        if self._open_most < self._of.desk_open_qty and (unexplained_qty or not found):
            return False  # the desk knew of units that today's tags do not explain
        return not unexplained_qty or began_ns - self._unexplained_ns >= _UNEXPLAINED_NS

    # --- pace and words -------------------------------------------------------------------------------------------

    def _read_gap_ns(self, now_ns: int) -> int:
        if self.proof is Proof.FLAT:
            return (_WATCH_S if now_ns - self.flat_since_ns < _REMIND_NS else _WATCH_SLOW_S) * NS_PER_S
        return (1 if now_ns - self._began_ns < 10 * _REMIND_NS else 3) * NS_PER_S

    def _remind(self, detail: str, now_ns: int) -> list[Act]:
        """A person hears again and again that it is not over; ever slower, never no more."""
        if now_ns < self._remind_ns or self.proof is Proof.FLAT:
            return []
        self._remind_ns = now_ns + self._remind_step_ns
        self._remind_step_ns = min(self._remind_step_ns * 2, 10 * _REMIND_NS)
        return [Tell(Voice.STUCK, f"{detail}; it is tried on, look at the broker now")]

    def _words(self, found: Mapping[Key, Holding]) -> str:
        parts: list[str] = []
        for holding in found.values():
            if not (holding.open_qty or holding.live or (holding.own_qty and holding.broker_qty)):
                continue
            trouble = f" ({self._trouble[holding.key]})" if holding.key in self._trouble else ""
            parts.append(f"{holding.words}, {len(holding.live)} live order(s) of ours{trouble}")
        if self._open_most < self._of.desk_open_qty:
            parts.append(
                f"the desk's last beat knew of {self._of.desk_open_qty} units, today's orders explain {self._open_most}"
            )
        if self._unseen:
            parts.append(f"{len(self._unseen)} exit(s) not seen in the book yet")
        return "; ".join(parts) or "waiting for a second read that says flat"


def _violation(request: OrderRequest, instrument: Instrument, rules: VenueRules) -> str:
    """What the venue would refuse; odd lots that are held must go whatever the lot says."""
    facts = RequestFacts(
        tag=request.tag,
        type=request.type,
        qty=request.qty,
        limit_paise=request.limit_paise,
        trigger_paise=request.trigger_paise,
        product=request.product,
    )
    found = check_request(facts, instrument, rules)
    return "" if found is None or found.code == refusals.LOT_SIZE else found.text
