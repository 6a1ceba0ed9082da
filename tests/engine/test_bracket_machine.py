"""One bracket driven at random against a venue that answers, loses, delays, doubles and fills as it likes.

After every event the invariants of spec/faults.md §6 must hold; when the venue behaves again and time passes, the
bracket must end flat, at the venue too, with its round trips equal to the venue's ledger to the paisa (L1, A1).
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine import refusals
from engine.bracket_state import BracketTerms, BreachedStop, EntryRest, Exhausted
from engine.instant import NS_PER_MS, NS_PER_S
from engine.order import Order, OrderState, Pending, Role
from engine.outbox import CancelOrder, ModifyOrder, PlaceOrder
from engine.trailing import LockFraction
from engine.view import ExitStyle

WRITES_PER_MIN = 12
PROOF_NS = 2 * NS_PER_S
"""How long an unproven order may hold back an exit (design §5.10)."""
PROOF_WORDS = (OrderState.UNKNOWN, Pending.CANCEL_UNKNOWN)
SETTLE_S = 400

TROUBLE = ("lost", "late", "swallowed", "not_sent", refusals.OTHER)
OUTCOMES = {
    PlaceOrder: (*["ack"] * 4, *TROUBLE, refusals.MARGIN, refusals.TRIGGER_CROSSED, refusals.ORDER_TYPE),
    ModifyOrder: (*["ack"] * 3, *TROUBLE, refusals.TOO_MANY_CHANGES, refusals.TRIGGER_CROSSED),
    CancelOrder: (*["ack"] * 2, *TROUBLE, "slow_cancel", "slow_cancel", "lost_cancel"),
}


class BracketMachine(RuleBasedStateMachine):
    """Rules are the venue's and the world's moves; the bracket's own moves are judged as they are made."""

    def __init__(self, bench: Any) -> None:
        super().__init__()
        self.make = bench
        self.stop_seen = 0
        self.unproven_exit = False
        """An exit was sent past an order that nobody could prove finished: a surplus is then allowed."""

    @initialize(
        style=st.sampled_from(ExitStyle),
        trail=st.booleans(),
        rest=st.sampled_from(EntryRest),
        breached=st.sampled_from(BreachedStop),
        exhausted=st.sampled_from(Exhausted),
        market_on_target=st.booleans(),
        filled=st.sampled_from([0, 25, 50, 75, 75, 75]),
    )
    def enter(
        self,
        style: ExitStyle,
        trail: bool,
        rest: EntryRest,
        breached: BreachedStop,
        exhausted: Exhausted,
        market_on_target: bool,
        filled: int,
    ) -> None:
        self.bench = self.make(
            BracketTerms(
                style=style,
                trail=LockFraction() if trail else None,
                entry_rest=rest,
                breached_stop=breached,
                on_exhausted=exhausted,
                market_on_target=market_on_target,
            )
        )
        self.bench.judge = self.judge
        if filled:
            self.bench.filled_entry(qty=filled)
        else:
            self.bench.enter()

    # --- the world's moves -----------------------------------------------------------------------------------------

    @rule(steps=st.integers(1, 6))
    def flow(self, steps: int) -> None:
        """The next things happen as they should."""
        for _ in range(steps):
            if self.bench.in_flight is not None:
                self.bench.deliver_answer()
            elif self.bench.queue:
                self.bench.send()
            elif self.bench.venue.news:
                self.bench.deliver_news()

    @precondition(lambda self: self.bench.queue and self.bench.in_flight is None)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        self.bench.send(data.draw(st.sampled_from(OUTCOMES[type(self.bench.next_command())])))

    @precondition(lambda self: self.bench.in_flight is not None)
    @rule()
    def deliver_answer(self) -> None:
        self.bench.deliver_answer()

    @precondition(lambda self: self.bench.late)
    @rule()
    def arrive_late(self) -> None:
        self.bench.execute(self.bench.late.pop(0))

    @precondition(lambda self: self.bench.venue.news)
    @rule(data=st.data(), fate=st.sampled_from(["comes", "comes", "comes twice", "lost"]))
    def push(self, data: st.DataObject, fate: str) -> None:
        index = data.draw(st.integers(0, len(self.bench.venue.news) - 1))
        if fate == "lost":
            self.bench.venue.news.pop(index)
        else:
            self.bench.deliver_news(index, keep=fate == "comes twice")

    @precondition(lambda self: self.bench.venue.live())
    @rule(data=st.data(), part=st.sampled_from([1, 2, 3]))
    def fill(self, data: st.DataObject, part: int) -> None:
        """Any working order may fill, by all, half or a third, at its limit; stops trigger when they like."""
        order = data.draw(st.sampled_from(self.bench.venue.live()))
        if order.state is OrderState.TRIGGER_PENDING:
            self.bench.venue.trigger(order)
        qty = max(1, order.remaining // part)
        self.bench.venue.fill(order, qty, order.limit_paise, self.bench.now_ns)

    @precondition(lambda self: self.bench.venue.live())
    @rule()
    def spike(self) -> None:
        """Price runs through target and stop before anything is heard (EXI-01)."""
        for order in self.bench.venue.live():
            if order.state is OrderState.TRIGGER_PENDING:
                self.bench.venue.trigger(order)
            self.bench.venue.fill(order, order.remaining, order.limit_paise, self.bench.now_ns)

    @precondition(lambda self: self.bench.venue.live())
    @rule(data=st.data(), state=st.sampled_from([OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED]))
    def end_by_venue(self, data: st.DataObject, state: OrderState) -> None:
        """Cancelled by hand, by the exchange, rejected after it was accepted; a slow cancel takes effect first."""
        live = self.bench.venue.live()
        due = [order for order in live if order.cancel_due]
        for order in due:
            self.bench.venue.end(order, OrderState.CANCELLED)
        order = data.draw(st.sampled_from(live))
        if not due and (state is not OrderState.REJECTED or not order.filled):
            self.bench.venue.end(order, state, "by the exchange")

    @rule(ltp=st.one_of(st.integers(14_700 // 5, 15_400 // 5), st.integers(9_000 // 5, 21_000 // 5)))
    def tick(self, ltp: int) -> None:
        self.bench.tick(ltp * 5)

    @rule(ms=st.sampled_from([1, 50, 300, 1000, 2500]))
    def pass_time(self, ms: int) -> None:
        self.bench.advance(ms * NS_PER_MS)
        self.bench.wake()

    @rule(data=st.data(), read=st.booleans())
    def books(self, data: st.DataObject, read: bool) -> None:
        """A picture of the books is taken, or one taken before (perhaps long before) is merged."""
        if read and len(self.bench.books) < 3:
            self.bench.read_books()
        elif self.bench.books:
            self.bench.deliver_books(data.draw(st.integers(0, len(self.bench.books) - 1)))

    @rule(what=st.sampled_from(["exit", "watch", "cancel_entry", "nothing", "nothing", "nothing"]))
    def trader(self, what: str) -> None:
        bench = self.bench
        if what == "exit":
            bench.exit()
        elif what == "watch":
            bench.bracket.watch_here(bench.now_ns, bench.out)
        elif what == "cancel_entry":
            bench.bracket.cancel_entry(bench.now_ns, bench.out)
        bench.collect()

    # --- what must hold after every move -----------------------------------------------------------------------------

    @invariant()
    def everything_holds(self) -> None:
        if not hasattr(self, "bench"):
            return
        self.at_most_one_live_order_of_a_role()
        self.stop_never_falls()
        self.writes_stay_in_the_budget()
        self.no_fill_is_invented()
        self.working_exits_stay_within_what_is_open()
        self.a_reversal_has_a_cause()
        self.flat_means_finished()
        self.what_is_over_for_us_is_over_at_the_venue()

    def at_most_one_live_order_of_a_role(self) -> None:
        """E3, O3: never a second exit or repair, and no second order of a role while the first may still fill."""
        for role in Role:
            live = self.bench.bracket.live(role)
            assert len(live) <= 1, f"{len(live)} live {role.value} orders"
        assert len(self.bench.bracket.live(Role.EXIT, Role.REPAIR)) <= 1

    def stop_never_falls(self) -> None:
        assert self.bench.body.stop_paise >= self.stop_seen
        self.stop_seen = self.bench.body.stop_paise

    def writes_stay_in_the_budget(self) -> None:
        """O4."""
        writes = [at for at, _ in self.bench.wrote if at > self.bench.now_ns - 60 * NS_PER_S]
        assert len(writes) <= WRITES_PER_MIN, [c for _, c in self.bench.wrote[-13:]]

    def no_fill_is_invented(self) -> None:
        """A2: what we believe filled never exceeds what the exchange traded."""
        for order in self.bench.bracket.mine:
            held = self.bench.venue.orders.get(order.tag)
            assert order.filled_qty <= (held.filled if held else 0)
            assert order.traded_qty <= order.filled_qty

    def judge(self, command: Any, order: Order) -> None:
        """E1, I-1: at the moment an exit or repair is decided it is exactly what fills say, and nothing else sells."""
        bracket = self.bench.bracket
        assert order.is_live, "a write for an order that is over"
        if isinstance(command, CancelOrder) or order.role is Role.ENTRY:
            assert not isinstance(command, ModifyOrder), "an entry is never changed"
            return
        if isinstance(command, ModifyOrder):
            closes = -bracket.open_qty if order.role is Role.REPAIR else bracket.open_qty
            assert command.qty == order.filled_qty + closes, "a modify carries the total quantity"
            return
        assert order.qty == (-bracket.open_qty if order.role is Role.REPAIR else bracket.open_qty) > 0
        if order.role in (Role.TARGET, Role.STOP):
            assert not bracket.live(Role.EXIT, Role.REPAIR)
            return
        for other in bracket.live(Role.TARGET, Role.STOP):
            self.unproven_exit = True
            assert order.role is Role.REPAIR or {other.state, other.pending} & set(PROOF_WORDS)

    def working_exits_stay_within_what_is_open(self) -> None:
        """E1 on our own knowledge: what is too large is being shrunk, cancelled, or waits for a proof or the budget."""
        bracket = self.bench.bracket
        if self.bench.is_flat or bracket.open_qty < 0:
            return
        for order in bracket.live(Role.TARGET, Role.STOP, Role.EXIT):
            too_large = order.remaining_qty > bracket.open_qty
            excused = bool(order.pending) or not order.is_at_broker
            excused = excused or bracket.write_waits or bracket.change_waits(order, self.bench.now_ns)
            assert not too_large or excused, f"{order.role.value} {order.remaining_qty} of {bracket.open_qty}"

    def what_is_over_for_us_is_over_at_the_venue(self) -> None:
        """I-5, O3 on the venue's truth: an end is never assumed, so a role never has two orders that can fill."""
        venue_live = {order.tag for order in self.bench.venue.live()}
        over = {order.tag for order in self.bench.bracket.mine if order.is_terminal}
        assert not venue_live & over, "ended for us, alive at the venue"
        roles = [self.bench.blotter.orders[tag].role for tag in venue_live]
        assert len(roles) == len(set(roles))

    def a_reversal_has_a_cause(self) -> None:
        """E2: below zero only when target and stop both sold, or an exit went past an unproven order."""
        venue = self.bench.venue
        if venue.position < 0:
            sold = {Role.TARGET: 0, Role.STOP: 0}
            for tag, held in venue.orders.items():
                role = self.bench.blotter.orders[tag].role
                if role in sold:
                    sold[role] += held.filled
            assert all(sold.values()) or self.unproven_exit, "reversed without a cause"

    def flat_means_finished(self) -> None:
        """I-5: a closed bracket has nothing live and nothing open."""
        if self.bench.is_flat:
            assert self.bench.bracket.open_qty == 0
            assert all(order.is_terminal for order in self.bench.bracket.mine)

    # --- when the world behaves again ---------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        bench = self.bench
        while bench.late:
            bench.execute(bench.late.pop(0))
        if not bench.body.exit_reason:
            bench.exit("EOD Square-Off")
        for second in range(SETTLE_S):
            self._one_good_second(second)
            if bench.is_flat and not bench.look_ups and not bench.venue.news:
                break
        venue = bench.venue
        assert bench.is_flat, f"still {bench.body.state.value} after {SETTLE_S} s"
        assert venue.position == 0
        assert [order.tag for order in venue.live()] == []
        bench.read_books()
        bench.deliver_books()
        gross = sum(trip.gross_paise for trip in bench.trips.values())
        assert gross == venue.gross_paise, bench.trips
        if venue.trades:
            assert not bench.trips["trade"].is_provisional

    def _one_good_second(self, second: int) -> None:
        bench = self.bench
        bench.settle()
        bench.set_price(bench.price.tick.ltp_paise)
        bench.match_market()
        bench.settle()
        if bench.look_ups or second % 5 == 0:
            bench.look_ups = 0
            for _ in range(2):
                bench.read_books()
                while bench.books:
                    bench.deliver_books()
        for _ in range(4):
            bench.advance(NS_PER_S // 4)
            bench.settle()
        bench.wake()
        for check in (self.writes_stay_in_the_budget, self.at_most_one_live_order_of_a_role, self.stop_never_falls):
            check()


@pytest.mark.row("I-1", "I-2", "I-4", "I-6")
def test_a_bracket_keeps_its_invariants_against_an_adversarial_venue_and_ends_flat(bench: Any) -> None:
    examples = int(os.environ.get("STRIKEDESK_BRACKET_EXAMPLES", "120"))
    steps = int(os.environ.get("STRIKEDESK_BRACKET_STEPS", "60"))
    run_state_machine_as_test(
        lambda: BracketMachine(bench),
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None),
    )
