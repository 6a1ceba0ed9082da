"""All orders of the desk, and the one place where answers, reports and trade records are merged into them.

The merge is monotone and idempotent: late, doubled and reordered news changes nothing twice (UPD-01..04, O6, A2). News
about orders that are not ours is counted, never acted on (UPD-07, I-8).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec

from engine import refusals
from engine.instant import NS_PER_S
from engine.money import rupees_text
from engine.order import AT_BROKER, TERMINAL, Order, OrderState, OrderType, Pending, Side, Trade
from engine.plausible import implausible_report, implausible_trade
from engine.port import Acked, Answer, NotSent, OrderReport, Refused, Unknown
from engine.price_book import PriceBook

NOT_SENT: Final = "not_sent"
ABSENT: Final = "absent"
OVERTAKEN: Final = "less is open than it was made for"
"""Why a decided request was not sent: a fill came first."""
WITHDRAWN: Final = "withdrawn"
"""Cancelled here before it was sent."""

_RANK: Final = {
    OrderState.INTENDED: 0,
    OrderState.SENT: 1,
    OrderState.UNKNOWN: 1,
    OrderState.TRIGGER_PENDING: 2,
    OrderState.WORKING: 3,
    OrderState.PART_FILLED: 4,
    OrderState.FILLED: 5,
    OrderState.CANCELLED: 5,
    OrderState.REJECTED: 5,
    OrderState.EXPIRED: 5,
}


_CHANGE_SHOWS_NS: Final = 3 * NS_PER_S
_EARLY_IDS: Final = 500
"""Orders whose trade records may wait for their order at a time."""


class Blotter:
    """Orders by tag and by broker id. One writer: the desk's step."""

    def __init__(self, prices: Mapping[str, PriceBook] | None = None) -> None:
        """`prices` by symbol, for fills whose average the broker omits (LEG-48)."""
        self._prices = prices or {}
        self.orders: dict[str, Order] = {}
        self._unended: dict[str, Order] = {}
        """All live orders, and such as have ended since the last look; oldest first."""
        self._unrecorded: dict[str, Order] = {}
        """All orders with a fill that lacks its trade record, and such as have got it since the last look."""
        self._tag_of: dict[tuple[str, str], str] = {}
        self._early_trades: dict[tuple[str, str], list[Trade]] = {}
        self._booked: list[tuple[Order, Trade]] = []
        self.foreign_ids: set[tuple[str, str]] = set()
        self._disbelieved: list[tuple[Order, str]] = []
        self._disbelieved_told: deque[tuple[str, str]] = deque(maxlen=_EARLY_IDS)
        self._changed_ns: dict[str, int] = {}
        """Tag -> when a change of ours was confirmed."""
        self._by_hand: list[tuple[Order, str]] = []
        self._ever_asked: dict[str, int] = {}
        """Tag -> the largest quantity the order ever had."""
        self._elsewhere: dict[str, int] = {}
        """Tag -> units traded by orders of other broker ids that carry it too (ORD-15)."""
        self.forgotten: set[str] = set()
        """Tags of orders that were dropped from memory: the broker's book of the day still shows them, and they are
        ours."""

    def add(self, order: Order) -> None:
        self.orders[order.tag] = self._unended[order.tag] = self._unrecorded[order.tag] = order
        self._note_size(order)
        if order.broker_id:
            self._tag_of[order.account, order.broker_id] = order.tag

    def live_orders(self) -> list[Order]:
        """Oldest first; its cost does not grow with the day's history."""
        for tag in [tag for tag, order in self._unended.items() if order.state in TERMINAL]:
            del self._unended[tag]
        return list(self._unended.values())

    def lacks_records(self, account: str) -> bool:
        """Some fill of an order of this account has no trade record yet; its cost does not grow with the day."""
        for tag in [tag for tag, order in self._unrecorded.items() if not order.is_provisional]:
            del self._unrecorded[tag]
        return any(order.account == account for order in self._unrecorded.values())

    def forget_finished(self, keep: int) -> None:
        """Bound memory: drop the oldest finished orders, newest `keep` stay (X3)."""
        finished = [tag for tag, order in self.orders.items() if order.is_terminal]
        for tag in finished[: max(0, len(finished) - keep)]:
            order = self.orders.pop(tag)
            self.forgotten.add(tag)
            self._unended.pop(tag, None)
            self._unrecorded.pop(tag, None)
            self._tag_of.pop((order.account, order.broker_id), None)
            self._changed_ns.pop(tag, None)
            self._ever_asked.pop(tag, None)
            self._elsewhere.pop(tag, None)

    def _last_paise(self, symbol: str) -> int:
        book = self._prices.get(symbol)
        return book.tick.ltp_paise if book is not None else 0

    def _note_size(self, order: Order) -> None:
        self._ever_asked[order.tag] = max(
            self._ever_asked.get(order.tag, 0), order.qty, order.asked_qty, order.filled_qty
        )

    # --- answers to our own calls -------------------------------------------------------------------------------

    def apply_place_answer(self, tag: str, answer: Answer, at_ns: int) -> Order:
        order = self.orders[tag]
        match answer:
            case Acked(broker_id=broker_id):
                self._learn_id(order, broker_id, at_ns)
                if order.state in (OrderState.INTENDED, OrderState.SENT, OrderState.UNKNOWN):
                    order.move(_resting_state(order.type), at_ns)
            case Refused(code=code, text=text):
                self._reject(order, code, text, at_ns)
            case NotSent(reason=reason):
                self._reject(order, NOT_SENT, reason, at_ns)
            case _:
                if order.state in (OrderState.INTENDED, OrderState.SENT):
                    order.move(OrderState.UNKNOWN, at_ns)
        return order

    def apply_modify_answer(self, tag: str, answer: Answer, at_ns: int) -> Order:
        order = self.orders[tag]
        if order.pending is not Pending.MODIFY:
            _note_overtaken_change(order, answer)
            return order
        self._note_size(order)
        if isinstance(answer, Acked):
            self._changed_ns[tag] = at_ns
            _take_asked(order)
        else:
            order.modify_count += isinstance(answer, Unknown)  # the broker may have counted it (O5)
            _note_unchanged(order, answer, Pending.MODIFY_UNKNOWN, at_ns)
        return order

    def apply_cancel_answer(self, tag: str, answer: Answer, at_ns: int) -> Order:
        """An accepted cancel is not yet a cancelled order: the end comes as a report (I-5)."""
        order = self.orders[tag]
        if order.is_terminal:
            return order
        if not isinstance(answer, Acked):
            _note_unchanged(order, answer, Pending.CANCEL_UNKNOWN, at_ns)
        return order

    def withdraw(self, tag: str, at_ns: int) -> Order:
        """Our own gateway took the order back before it was sent."""
        order = self.orders[tag]
        if order.state is OrderState.INTENDED:
            order.reject_code = WITHDRAWN
            order.move(OrderState.CANCELLED, at_ns)
        return order

    def prove_absent(self, tag: str, at_ns: int) -> Order:
        """The broker's book, read cleanly after the ambiguity window, does not hold it: not placed (ORD-02)."""
        order = self.orders[tag]
        if order.state in (OrderState.INTENDED, OrderState.SENT, OrderState.UNKNOWN):
            self._reject(order, ABSENT, "not in the broker's order book", at_ns)
        return order

    # --- what the broker says -----------------------------------------------------------------------------------

    def apply_report(self, account: str, report: OrderReport, at_ns: int, *, read_ns: int = 0) -> Order | None:
        """Merge one order row or push; None when the order is not ours. Also claims early trades of its broker id.

        `read_ns` is when the read of the book began, 0 for a push. Only a row that is certainly newer than an
        unanswered change can tell that the change was not done.
        """
        order = self._find(account, report.tag, report.broker_id)
        if order is None:
            self.foreign_ids.add((account, report.broker_id))
            return None
        if reason := implausible_report(report, order):
            self._disbelieve(order, reason)
            return None
        self._learn_id(order, report.broker_id, at_ns)
        self._revive(order, at_ns)
        self._settle_pending(order, report, at_ns, read_ns)
        order.apply_filled(report.filled_qty, provisional_price(order, report, self._last_paise(order.symbol)), at_ns)
        if order.is_provisional:
            self._unrecorded[order.tag] = order
        self._merge_state(order, report, at_ns)
        return order

    def apply_trade(self, account: str, trade: Trade, at_ns: int) -> tuple[Order | None, bool]:
        """Book one trade record. Returns the order and whether the record is new; keeps records that came too early."""
        order = self._find(account, trade.tag, trade.broker_id)
        if order is None:
            early = self._early_trades.setdefault((account, trade.broker_id), [])
            while len(self._early_trades) > _EARLY_IDS:  # foreign records: the oldest go (X3)
                del self._early_trades[next(iter(self._early_trades))]
            if all(known.trade_id != trade.trade_id for known in early) and len(early) < 100:
                early.append(trade)
            return None, False
        self._learn_id(order, trade.broker_id, at_ns)
        return order, self._book(order, trade, at_ns)

    def find(self, account: str, report: OrderReport | Trade) -> Order | None:
        """The order of ours that a report or a trade is about, or None."""
        return self._find(account, report.tag, report.broker_id)

    def take_booked(self) -> list[tuple[Order, Trade]]:
        """Records booked since the last call, each once, with our tag: those that came too early are among them."""
        booked, self._booked = self._booked, []
        return booked

    def take_hand_changes(self) -> list[tuple[Order, str]]:
        """Orders of ours whose terms somebody else changed since the last call, with `qty limit/trigger` before it."""
        changes, self._by_hand = self._by_hand, []
        return changes

    def _book(self, order: Order, trade: Trade, at_ns: int) -> bool:
        elsewhere = self._elsewhere.get(order.tag, 0)
        if trade.trade_id in order.trade_ids:
            return False
        if reason := implausible_trade(trade, order, self._ever_asked.get(order.tag, 0), elsewhere):
            self._disbelieve(order, reason)
            return False
        if trade.broker_id not in ("", order.broker_id):
            self._elsewhere[order.tag] = elsewhere + trade.qty
        self._revive(order, at_ns)
        order.apply_trade(trade, at_ns)
        self._booked.append((order, trade if trade.tag else msgspec.structs.replace(trade, tag=order.tag)))
        return True

    def take_disbelieved(self) -> list[tuple[Order, str]]:
        """Orders about which something impossible was said since the last call, and what; each saying only once."""
        disbelieved, self._disbelieved = self._disbelieved, []
        return disbelieved

    def _disbelieve(self, order: Order, reason: str) -> None:
        if (order.tag, reason) not in self._disbelieved_told:
            self._disbelieved_told.append((order.tag, reason))
            self._disbelieved.append((order, reason))

    def _revive(self, order: Order, at_ns: int) -> None:
        """A ghost: proven absent, and now the broker shows it after all (ORD-03). A refused order stays refused."""
        if order.state is OrderState.REJECTED and order.reject_code == ABSENT:
            order.reject_code = order.reject_text = ""
            self._unended = dict(self.orders)  # in its old place among them
            order.move(_resting_state(order.type), at_ns)

    def _learn_id(self, order: Order, broker_id: str, at_ns: int) -> None:
        if not broker_id or order.broker_id == broker_id:
            return
        if not order.broker_id:
            order.broker_id = broker_id
        self._tag_of[order.account, broker_id] = order.tag
        for trade in self._early_trades.pop((order.account, broker_id), []):
            self._book(order, trade, at_ns)

    def _find(self, account: str, tag: str, broker_id: str) -> Order | None:
        known = self._tag_of.get((account, broker_id))
        order = self.orders.get(known or tag)
        return order if order is not None and order.account == account else None

    def _reject(self, order: Order, code: str, text: str, at_ns: int) -> None:
        # A report may have overtaken the reply; what the broker's book showed outranks it.
        if order.state in (OrderState.INTENDED, OrderState.SENT, OrderState.UNKNOWN):
            order.reject_code, order.reject_text = code, text
            order.move(OrderState.REJECTED, at_ns)

    def _settle_pending(self, order: Order, report: OrderReport, at_ns: int, read_ns: int) -> None:
        """A book row tells how a change without an answer ended; without one, the larger size is believed (E1)."""
        shown = (report.qty, report.limit_paise, report.trigger_paise)
        is_newer = read_ns > order.pending_since_ns
        if order.pending is Pending.MODIFY_UNKNOWN:
            if shown == (order.asked_qty, order.asked_limit_paise, order.asked_trigger_paise):
                self._changed_ns[order.tag] = at_ns
                _take_asked(order)
            elif is_newer and report.qty > 0:
                order.qty, order.limit_paise, order.trigger_paise = shown
                order.clear_pending()
        elif order.pending is Pending.CANCEL_UNKNOWN and is_newer and report.state not in TERMINAL:
            if order.asked_qty and report.qty > 0:
                order.qty, order.limit_paise, order.trigger_paise = shown
            order.clear_pending()  # it is still there: asking again is right
        elif _is_changed_by_hand(order, report) and read_ns > self._settled_ns(order):
            was = order_terms(order)
            order.qty, order.limit_paise, order.trigger_paise = shown
            self._by_hand.append((order, was))
        elif order.is_live and order.pending is not Pending.MODIFY:
            order.qty = max(order.qty, report.qty)

    def _settled_ns(self, order: Order) -> int:
        """From when on a book must show our newest terms: some brokers acknowledge a change before it is done."""
        return max(order.state_ns, self._changed_ns.get(order.tag, 0)) + _CHANGE_SHOWS_NS

    def _merge_state(self, order: Order, report: OrderReport, at_ns: int) -> None:
        state = report.state
        if state is OrderState.WORKING and order.filled_qty:
            state = OrderState.PART_FILLED
        if _RANK[state] <= _RANK[order.state]:
            return
        if state is OrderState.FILLED and report.filled_qty < report.qty:
            return  # contradicts itself; the trade records will say
        if state is OrderState.REJECTED:
            order.reject_code = order.reject_code or report.reject_code or refusals.OTHER
            order.reject_text = report.reject_text
        if order.move(state, at_ns) and order.is_terminal and report.qty > 0:
            order.qty = report.qty


def provisional_price(order: Order, report: OrderReport, last_paise: int = 0) -> int:
    """Best price known for filled units without a trade record (LEG-48): what the average implies, else for an order
    at market the last price, never worse than its limit, else the limit.
    """
    gap = report.filled_qty - order.traded_qty
    if gap > 0 and report.average_paise > 0:
        implied = (report.average_paise * report.filled_qty - order.traded_value_paise) // gap
        return implied if implied > 0 else report.average_paise
    if order.type is OrderType.MARKET and last_paise > 0 and order.limit_paise > 0:
        pick = min if order.side is Side.BUY else max
        return order.provisional_paise or pick(last_paise, order.limit_paise)
    return order.provisional_paise or order.limit_paise or order.trigger_paise


def order_terms(order: Order) -> str:
    """`75 142.10/145.00`: units, limit and trigger."""
    return f"{order.qty} {rupees_text(order.limit_paise)}/{rupees_text(order.trigger_paise)}"


def _is_changed_by_hand(order: Order, report: OrderReport) -> bool:
    """The broker shows other terms for a resting order of ours, and no change of ours is under way (HUM-04).

    Only kinds whose prices every broker reports as they were sent: a MARKET order's limit is the venue's own affair.
    """
    if not order.is_at_broker or order.pending is not Pending.NONE or report.state not in AT_BROKER:
        return False
    if report.type is not order.type or order.type not in (OrderType.LIMIT, OrderType.SL):
        return False
    if report.qty <= 0 or report.limit_paise <= 0 or (order.type is OrderType.SL and report.trigger_paise <= 0):
        return False
    shown = (report.qty, report.limit_paise, report.trigger_paise)
    return shown != (order.qty, order.limit_paise, order.trigger_paise)


def _resting_state(order_type: OrderType) -> OrderState:
    return OrderState.TRIGGER_PENDING if order_type in (OrderType.SL, OrderType.SL_M) else OrderState.WORKING


def _note_overtaken_change(order: Order, answer: Answer) -> None:
    """The answer to a modify whose order is being cancelled meanwhile: it still tells which terms the order has."""
    if order.pending not in (Pending.CANCEL, Pending.CANCEL_UNKNOWN) or not order.asked_qty:
        return
    if isinstance(answer, Acked):
        _take_terms(order)
    if not isinstance(answer, Unknown):
        order.drop_asked()


def _take_terms(order: Order) -> None:
    order.qty, order.limit_paise, order.trigger_paise = (
        order.asked_qty,
        order.asked_limit_paise,
        order.asked_trigger_paise,
    )
    order.type = order.asked_type


def _take_asked(order: Order) -> None:
    _take_terms(order)
    order.modify_count += order.pending is not Pending.MODIFY_UNKNOWN  # that one was counted when nobody answered
    order.reject_code = ""
    order.clear_pending()


def _note_unchanged(order: Order, answer: Refused | NotSent | Unknown, in_doubt: Pending, at_ns: int) -> None:
    """A change that was refused or never left: the order stays as it is. One without an answer stays in doubt, and so
    does a modify that a refused cancel was to follow."""
    match answer:
        case Refused() | NotSent():
            if isinstance(answer, Refused):
                order.reject_code, order.reject_text = answer.code, answer.text
            else:
                order.reject_code, order.reject_text = NOT_SENT, answer.reason
            if in_doubt is Pending.CANCEL_UNKNOWN and order.asked_qty:
                order.pending = Pending.MODIFY_UNKNOWN
                order.pending_since_ns = at_ns
            else:
                order.clear_pending()
        case Unknown():
            order.pending = in_doubt
            order.pending_since_ns = at_ns
