"""One bracket driven at random against a venue that answers, loses, delays, doubles and fills as it likes.

After every event the invariants of spec/faults.md §6 must hold; when the venue behaves again and time passes, the
bracket must end flat, at the venue too, with its round trips equal to the venue's ledger to the paisa (L1, A1).

The same moves are made twice: by seeds, which reach far in little time, and by a hypothesis machine, which shrinks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from engine import refusals
from engine.bracket_state import BracketTerms, BreachedStop, EntryRest, Exhausted, ExitBy
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.instant import NS_PER_MS, NS_PER_S
from engine.order import Order, OrderState, Pending, Role, Side
from engine.outbox import CancelOrder, ModifyOrder, PlaceOrder
from engine.view import ExitStyle

WRITES_PER_MIN = 12
PROOF_WORDS = (OrderState.UNKNOWN, Pending.CANCEL_UNKNOWN)
SETTLE_S = 400

TROUBLE = ("lost", "late", "swallowed", "not_sent", refusals.OTHER)
OUTCOMES = {
    PlaceOrder: (*TROUBLE, refusals.MARGIN, refusals.TRIGGER_CROSSED, refusals.ORDER_TYPE),
    ModifyOrder: (*TROUBLE, refusals.TOO_MANY_CHANGES, refusals.TRIGGER_CROSSED),
    CancelOrder: (*TROUBLE, "slow_cancel", "slow_cancel", "lost_cancel"),
}
"""What may become of a request that is not simply accepted."""

Pick = Callable[[Sequence[Any]], Any]
"""Chooses one of several; a seed or hypothesis stands behind it."""


class World:
    """The venue's, the network's and the trader's moves around one bracket, and the judgement on the bracket's own."""

    def __init__(self, make: Any, pick: Pick) -> None:
        self.stop_seen = 0
        self.acks = pick([1, 1, 2, 8])
        """How many of `acks + 1` requests are simply accepted: storms and nearly calm days."""
        self.unproven_exit = False
        """An exit was sent past an order that nobody could prove finished: a surplus is then allowed."""
        self.side = pick(list(Side))
        self.sliced = pick([False, False, True])
        """The freeze quantity is 50: 75 units are two slices, each with orders of its own (HRD-10)."""
        self.bench = make(
            BracketTerms(
                style=pick(list(ExitStyle)),
                rules=pick([(), encode_rules([LockFraction()])]),
                entry_rest=pick(list(EntryRest)),
                breached_stop=pick(list(BreachedStop)),
                on_exhausted=pick(list(Exhausted)),
                market_on_target=pick([False, True]),
                exit_by=pick(list(ExitBy)),
            ),
            side=self.side,
            instrument=make.frozen if self.sliced else make.option,
        )
        self.bench.judge = self.judge
        self.lies_left = 3
        self.untold: list[Callable[[], None]] = []
        """Units closed by hand that reconciliation has not found yet."""
        self.touched_by_hand = False
        self.bench.enter()
        filled = pick([0, 25, 50, 75, 75, 75])
        if filled:
            self._enter_filled(filled)

    def _enter_filled(self, qty: int) -> None:
        self.bench.settle()
        for order in self.bench.orders(Role.ENTRY):
            part = min(qty, self.bench.venue.orders[order.tag].remaining)
            qty -= part
            if part:
                self.bench.fill(order, part, 150_00)
        self.bench.settle()

    # --- moves -------------------------------------------------------------------------------------------------------

    def flow(self, pick: Pick) -> None:
        """The next things happen as they should."""
        for _ in range(pick([1, 2, 4, 8])):
            if self.bench.in_flight is not None:
                self.bench.deliver_answer()
            elif self.bench.venue.news:
                self.bench.deliver_news()
            else:
                self.send(pick)

    def send(self, pick: Pick) -> None:
        """The next request leaves and meets any fate; its answer comes with a later move."""
        if self.bench.in_flight is not None:
            self.bench.deliver_answer()
        elif self.bench.queue:
            trouble = pick(range(self.acks + 1)) == 0
            self.bench.send(pick(OUTCOMES[type(self.bench.next_command())]) if trouble else "ack")

    def arrive_late(self, pick: Pick) -> None:
        if self.bench.late:
            self.bench.execute(self.bench.late.pop(0))

    def push(self, pick: Pick) -> None:
        news = self.bench.venue.news
        if not news:
            return
        index = pick(range(len(news)))
        fate = pick(["comes", "comes", "comes twice", "lost"])
        if fate == "lost":
            news.pop(index)
        else:
            self.bench.deliver_news(index, keep=fate == "comes twice")

    def fill(self, pick: Pick) -> None:
        """Any working order may fill, by all, half or a third, at its limit; stops trigger when they like."""
        live = self.bench.venue.live()
        if not live:
            return
        order = pick(live)
        if order.state is OrderState.TRIGGER_PENDING:
            self.bench.venue.trigger(order)
        qty = max(1, order.remaining // pick([1, 2, 3]))
        self.bench.venue.fill(order, qty, order.limit_paise, self.bench.now_ns)

    def spike(self, pick: Pick) -> None:
        """Price runs through target and stop before anything is heard (EXI-01)."""
        for order in self.bench.venue.live():
            if order.state is OrderState.TRIGGER_PENDING:
                self.bench.venue.trigger(order)
            self.bench.venue.fill(order, order.remaining, order.limit_paise, self.bench.now_ns)

    def end_by_venue(self, pick: Pick) -> None:
        """Cancelled by hand, by the exchange, rejected after it was accepted; a slow cancel takes effect first."""
        live = self.bench.venue.live()
        due = [order for order in live if order.cancel_due]
        for order in due:
            self.bench.venue.end(order, OrderState.CANCELLED)
        state = pick([OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED])
        if live and not due:
            order = pick(live)
            if state is not OrderState.REJECTED or not order.filled:
                self.bench.venue.end(order, state, "by the exchange")

    def tick(self, pick: Pick) -> None:
        near, far = range(147_00, 154_00, 5), range(90_00, 210_00, 5)
        self.bench.tick(pick(pick([near, near, far])))

    def pass_time(self, pick: Pick) -> None:
        self.bench.advance(pick([1, 50, 300, 1000, 2500]) * NS_PER_MS)
        self.bench.wake()

    def books(self, pick: Pick) -> None:
        """A picture of the books is taken, or one taken before (perhaps long before) is merged."""
        books = self.bench.books
        if pick([True, False]) and len(books) < 3:
            self.bench.read_books()
        elif books:
            self.bench.deliver_books(pick(range(len(books))))

    def positions(self, pick: Pick) -> None:
        """The broker's positions are read; a stale answer may show what is long closed (NET-06)."""
        if not self.bench.proofs:
            return
        lie = self.lies_left > 0 and pick([True, False, False])
        self.lies_left -= lie
        self.bench.read_position(25 if lie else None)

    def by_hand(self, pick: Pick) -> None:
        """The trader closes some of what is open at the broker himself; later we find out (HUM-01, HUM-02)."""
        held = self.bench.bracket.sign * self.bench.venue.position
        if self.untold and pick([True, False]):
            self.untold.pop(0)()
        elif held > 0 and pick([True, False, False]):
            self.touched_by_hand = True
            self.untold.append(self.bench.close_by_hand(pick([held, max(held // 3, 1)])))

    def trader(self, pick: Pick) -> None:
        bench = self.bench
        what = pick(["exit", "watch", "cancel_entry", "nothing", "nothing", "nothing"])
        if what == "exit":
            bench.exit()
        elif what == "watch":
            bench.bracket.watch_here(bench.now_ns, bench.out)
        elif what == "cancel_entry":
            bench.bracket.cancel_entry(bench.now_ns, bench.out)
        bench.collect()

    # --- what must hold after every move -----------------------------------------------------------------------------

    def everything_holds(self) -> None:
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
        bracket = self.bench.bracket
        for role in Role:
            live = bracket.live(role)
            assert len(live) <= self.most_orders(role), f"{len(live)} live {role.value} orders"
        assert not (bracket.live(Role.EXIT) and bracket.live(Role.REPAIR))

    def most_orders(self, role: Role) -> int:
        """One, or one per slice; a surplus may need more slices than the position had."""
        return 1 if not self.sliced else 4 if role is Role.REPAIR else 2

    def stop_never_falls(self) -> None:
        sign, stop = self.bench.bracket.sign, self.bench.body.stop_paise
        assert not self.stop_seen or sign * (stop - self.stop_seen) >= 0
        self.stop_seen = stop

    def writes_stay_in_the_budget(self) -> None:
        """O4; the further slices of a logical order are not counted."""
        writes = [at for at in self.bench.sent_ns if at > self.bench.now_ns - 60 * NS_PER_S]
        assert len(writes) <= WRITES_PER_MIN * (3 if self.sliced else 1), [c for _, c in self.bench.wrote[-13:]]

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
            asked = command.qty - order.filled_qty  # a modify carries the total quantity
            assert asked == closes or (self.sliced and 0 < asked <= closes and command.qty <= 50)
            return
        closes = -bracket.open_qty if order.role is Role.REPAIR else bracket.open_qty
        together = sum(other.remaining_qty for other in bracket.live(order.role))
        assert 0 < order.qty <= together <= closes, (order.qty, together, closes)
        assert self.sliced or order.qty == closes
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
        for role in (Role.TARGET, Role.STOP, Role.EXIT):
            live = bracket.live(role)
            together = sum(order.remaining_qty for order in live)
            excused = bracket.write_waits or any(
                order.pending or not order.is_at_broker or bracket.change_waits(order, self.bench.now_ns)
                for order in live
            )
            assert together <= bracket.open_qty or excused, f"{role.value} {together} of {bracket.open_qty}"

    def what_is_over_for_us_is_over_at_the_venue(self) -> None:
        """I-5, O3 on the venue's truth: an end is never assumed, so a role never has two orders that can fill."""
        venue_live = {order.tag for order in self.bench.venue.live()}
        over = {order.tag for order in self.bench.bracket.mine if order.is_terminal}
        assert not venue_live & over, "ended for us, alive at the venue"
        roles = [self.bench.blotter.orders[tag].role for tag in venue_live]
        assert all(roles.count(role) <= self.most_orders(role) for role in roles)

    def a_reversal_has_a_cause(self) -> None:
        """E2: below zero only when target and stop both closed, an exit went past an unproven order, or by hand."""
        venue = self.bench.venue
        if self.bench.bracket.sign * venue.position < 0 and not self.touched_by_hand:
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

    def end_well(self) -> None:
        """L1, A1: from here on everything is answered, filled and told; the position must be closed and booked."""
        bench = self.bench
        while bench.late:
            bench.execute(bench.late.pop(0))
        while self.untold:
            self.untold.pop(0)()
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
        while bench.books:
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


MOVES: tuple[Callable[[World, Pick], None], ...] = (
    *(World.flow, World.flow, World.send, World.send, World.send, World.push, World.push, World.fill, World.fill),
    *(World.arrive_late, World.tick, World.tick, World.pass_time, World.pass_time, World.books, World.books),
    *(World.spike, World.end_by_venue, World.trader, World.positions, World.by_hand),
)
SEEDS = int(os.environ.get("STRIKEDESK_BRACKET_SEEDS", "1500"))
SEED_FIRST = int(os.environ.get("STRIKEDESK_BRACKET_SEED_FIRST", "0"))


@pytest.mark.row("I-1", "I-2", "I-4", "I-6")
@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.invariant("E1")
def test_a_bracket_keeps_its_invariants_in_many_seeded_storms_and_ends_flat(bench: Any, tenth: int) -> None:
    for seed in range(SEED_FIRST + tenth, SEED_FIRST + SEEDS, 10):
        pick: Pick = Random(seed).choice
        try:
            world = World(bench, pick)
            for _ in range(pick([15, 40, 80])):
                pick(MOVES)(world, pick)
                world.everything_holds()
            world.end_well()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


class BracketMachine(RuleBasedStateMachine):
    """The same world with hypothesis choosing, so that a failure comes out small."""

    def __init__(self, bench: Any) -> None:
        super().__init__()
        self.make = bench
        self.world: World | None = None

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.world = World(self.make, _drawing(data))

    @rule(data=st.data(), move=st.sampled_from(MOVES))
    def move(self, data: st.DataObject, move: Callable[[World, Pick], None]) -> None:
        assert self.world is not None
        move(self.world, _drawing(data))

    @invariant()
    def everything_holds(self) -> None:
        if self.world is not None:
            self.world.everything_holds()

    def teardown(self) -> None:
        if self.world is not None:
            self.world.end_well()


def _drawing(data: st.DataObject) -> Pick:
    return lambda choices: data.draw(st.sampled_from(choices))


@pytest.mark.row("I-1", "I-2", "I-4", "I-6")
@pytest.mark.invariant("E1")
def test_hypothesis_finds_no_sequence_that_breaks_a_bracket(bench: Any) -> None:
    examples = int(os.environ.get("STRIKEDESK_BRACKET_EXAMPLES", "60"))
    run_state_machine_as_test(
        lambda: BracketMachine(bench), settings=settings(max_examples=examples, stateful_step_count=50, deadline=None)
    )
