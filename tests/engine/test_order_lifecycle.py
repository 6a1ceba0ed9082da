"""One order's life: every state pair against the table, fills over status, trades once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.order import (
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
    Order,
    OrderState,
    OrderType,
    Pending,
    Role,
    Side,
    Trade,
)

S = OrderState
AT = 1_000

LEGAL = {
    S.INTENDED: {S.SENT, S.UNKNOWN, S.WORKING, S.TRIGGER_PENDING, S.PART_FILLED, *TERMINAL},
    S.SENT: {S.INTENDED, S.UNKNOWN, S.WORKING, S.TRIGGER_PENDING, S.PART_FILLED, *TERMINAL},
    S.UNKNOWN: {S.WORKING, S.TRIGGER_PENDING, S.PART_FILLED, *TERMINAL},
    S.WORKING: {S.TRIGGER_PENDING, S.PART_FILLED, *TERMINAL},
    S.TRIGGER_PENDING: {S.WORKING, S.PART_FILLED, *TERMINAL},
    S.PART_FILLED: set(TERMINAL),
    S.CANCELLED: {S.FILLED},
    S.EXPIRED: {S.FILLED},
    S.REJECTED: {S.FILLED, S.CANCELLED, S.WORKING, S.TRIGGER_PENDING, S.PART_FILLED},
    S.FILLED: set(),
}
"""Written down a second time on purpose: a change of the table must be meant."""


def order(state: OrderState = S.WORKING, qty: int = 75, **fields: object) -> Order:
    made = Order(
        tag="SD000100001T",
        account="A",
        bracket_id="B1",
        bot="legs",
        role=Role.TARGET,
        symbol="X",
        exchange="NFO",
        product="MIS",
        side=Side.SELL,
        type=OrderType.LIMIT,
        qty=qty,
        limit_paise=155_00,
    )
    made.state = state
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def trade(number: int, qty: int, price_paise: int = 155_00) -> Trade:
    return Trade(
        trade_id=f"T{number}",
        broker_id="1",
        tag="SD000100001T",
        symbol="X",
        side=Side.SELL,
        qty=qty,
        price_paise=price_paise,
        at_ns=AT,
    )


@pytest.mark.parametrize("target", S)
@pytest.mark.parametrize("source", S)
def test_every_pair_of_states_is_decided(source: OrderState, target: OrderState) -> None:
    moving = order(source)

    if target is source:
        assert moving.move(target, AT) is False
    elif target in LEGAL[source]:
        assert moving.move(target, AT) is True
        assert (target, AT) == (moving.state, moving.state_ns)
    else:
        with pytest.raises(IllegalTransition, match=f"{source.value} -> {target.value}"):
            moving.move(target, AT)
        assert (source, 0) == (moving.state, moving.state_ns)


def test_the_table_holds_every_state() -> None:
    assert set(S) == set(TRANSITIONS)
    assert {state: set(nexts) for state, nexts in TRANSITIONS.items()} == LEGAL


@pytest.mark.parametrize("end", sorted(TERMINAL))
def test_an_end_takes_the_pending_change_with_it(end: OrderState) -> None:
    ending = order(pending=Pending.MODIFY, asked_qty=150, pending_since_ns=5)
    ending.move(end, AT)

    assert (ending.pending, ending.asked_qty, ending.pending_since_ns) == (Pending.NONE, 0, 0)
    assert ending.remaining_qty == 0


@pytest.mark.parametrize("end", [S.CANCELLED, S.EXPIRED, S.REJECTED])
@pytest.mark.fault("ORD-18")
@pytest.mark.invariant("A2")
def test_a_fill_after_the_end_is_counted_whatever_the_status_says(end: OrderState) -> None:
    """ORD-18: fill beats status."""
    ended = order(end)

    assert ended.apply_trade(trade(1, 25), AT) == 25
    assert (end, 25) == (ended.state, ended.filled_qty)
    assert ended.apply_trade(trade(2, 50), AT) == 50
    assert (ended.state, ended.filled_qty) == (S.FILLED, 75)


@pytest.mark.fault("UPD-02")
@pytest.mark.invariant("A2")
def test_a_trade_is_booked_once() -> None:
    filling = order()

    assert [filling.apply_trade(trade(1, 50), AT) for _ in range(3)] == [50, 0, 0]
    assert (filling.traded_qty, filling.traded_value_paise, filling.state) == (50, 50 * 155_00, S.PART_FILLED)


@pytest.mark.parametrize("qty", [0, -25])
def test_a_trade_without_quantity_is_nothing(qty: int) -> None:
    filling = order()

    assert filling.apply_trade(trade(1, qty), AT) == 0
    assert (filling.filled_qty, filling.trade_ids, filling.state) == (0, [], S.WORKING)


@pytest.mark.row("LEG-48")
def test_a_fill_without_a_price_is_valued_provisionally_until_its_trades_arrive() -> None:
    filling = order()
    filling.apply_filled(75, 155_00, AT)

    assert (filling.is_provisional, filling.value_paise, filling.average_paise) == (True, 75 * 155_00, 155_00)

    filling.apply_trade(trade(1, 50, 156_00), AT)
    assert (filling.is_provisional, filling.value_paise) == (True, 50 * 156_00 + 25 * 155_00)

    filling.apply_trade(trade(2, 25, 157_00), AT)
    assert (
        filling.is_provisional,
        filling.value_paise,
        filling.average_paise,
    ) == (False, 50 * 156_00 + 25 * 157_00, 156_33)


@pytest.mark.fault("UPD-03")
@pytest.mark.invariant("O6")
def test_an_older_cumulative_figure_changes_nothing() -> None:
    filling = order()

    assert [filling.apply_filled(qty, 155_00, AT) for qty in (50, 25, 50, 75)] == [50, 0, 0, 25]
    assert S.FILLED is filling.state


@pytest.mark.parametrize("pending", [Pending.MODIFY, Pending.MODIFY_UNKNOWN])
def test_an_unanswered_enlargement_counts_as_done_until_answered(pending: Pending) -> None:
    growing = order(pending=pending, asked_qty=150)

    assert growing.remaining_qty == 150
    growing.apply_filled(75, 155_00, AT)
    assert (growing.state, growing.remaining_qty) == (S.PART_FILLED, 75)


@pytest.mark.parametrize(
    ("state", "asked_qty", "sure"),
    [
        (S.WORKING, 0, 75),
        (S.WORKING, 150, 75),
        (S.WORKING, 25, 25),
        (S.UNKNOWN, 0, 0),
        (S.SENT, 0, 0),
        (S.FILLED, 0, 0),
    ],
)
@pytest.mark.fault("ORD-25")
@pytest.mark.invariant("P1")
def test_protection_counts_only_what_is_certain(state: OrderState, asked_qty: int, sure: int) -> None:
    """U1: an enlargement nobody confirmed protects nothing yet; a reduction may have been done already."""
    pending = Pending.MODIFY if asked_qty else Pending.NONE

    assert order(state, pending=pending, asked_qty=asked_qty).sure_qty == sure


@pytest.mark.parametrize(
    ("filled", "asked_qty", "sure"), [(25, 0, 50), (25, 50, 25), (25, 25, 0), (50, 25, 0), (50, 150, 25)]
)
def test_what_filled_already_protects_no_more(filled: int, asked_qty: int, sure: int) -> None:
    """A reduction below what filled meanwhile leaves nothing, and never less."""
    pending = Pending.MODIFY if asked_qty else Pending.NONE
    resting = order(S.PART_FILLED, filled_qty=filled, pending=pending, asked_qty=asked_qty)

    assert resting.sure_qty == sure


def test_what_did_not_fill_has_no_average() -> None:
    assert order().average_paise == 0


@pytest.mark.parametrize("pending", [Pending.MODIFY, Pending.MODIFY_UNKNOWN, Pending.CANCEL, Pending.CANCEL_UNKNOWN])
@pytest.mark.parametrize(("asked_qty", "remaining_qty", "sure_qty"), [(150, 150, 75), (25, 75, 25)])
@pytest.mark.invariant("E1", "U1")
def test_an_unanswered_change_closes_by_its_larger_size_and_protects_by_its_smaller(
    pending: Pending, asked_qty: int, remaining_qty: int, sure_qty: int
) -> None:
    """Also when its order is to be cancelled before anybody has answered."""
    changed = order(state=S.WORKING, pending=pending, asked_qty=asked_qty)
    assert (changed.remaining_qty, changed.sure_qty) == (remaining_qty, sure_qty)
    changed.clear_pending()
    assert (changed.remaining_qty, changed.sure_qty) == (75, 75)


@pytest.mark.row("I-3")
@pytest.mark.parametrize(
    ("state", "pending", "state_after", "pending_after"),
    [
        (S.INTENDED, Pending.NONE, S.UNKNOWN, Pending.NONE),
        (S.SENT, Pending.NONE, S.UNKNOWN, Pending.NONE),
        (S.WORKING, Pending.MODIFY, S.WORKING, Pending.MODIFY_UNKNOWN),
        (S.WORKING, Pending.CANCEL, S.WORKING, Pending.CANCEL_UNKNOWN),
        (S.WORKING, Pending.NONE, S.WORKING, Pending.NONE),
        (S.FILLED, Pending.NONE, S.FILLED, Pending.NONE),
    ],
)
@pytest.mark.fault("STO-02")
def test_a_restart_doubts_everything_without_an_answer(
    state: OrderState, pending: Pending, state_after: OrderState, pending_after: Pending
) -> None:
    doubted = order(state, pending=pending)
    doubted.doubt(AT)

    assert (state_after, pending_after) == (doubted.state, doubted.pending)


Step = Callable[[Order], object]
STEPS = st.one_of(
    st.sampled_from(S).map(lambda state: lambda o: o.move(state, AT)),
    st.builds(
        lambda n, q, p: lambda o: o.apply_trade(trade(n, q, p), AT),
        st.integers(1, 6),
        st.integers(-5, 40),
        st.integers(1, 9),
    ),
    st.builds(lambda q, p: lambda o: o.apply_filled(q, p, AT), st.integers(-5, 75), st.integers(0, 9)),
)


@pytest.mark.row("I-6")
@given(st.lists(STEPS, max_size=30))
@pytest.mark.fault("UPD-03")
@pytest.mark.invariant("O6")
def test_merged_state_never_regresses(steps: list[Step]) -> None:
    """O6: fills only rise; nothing but a fill, or the ghost of a refusal, leaves an end."""
    walked = order(S.INTENDED)
    for step in steps:
        filled, state = walked.filled_qty, walked.state
        try:
            step(walked)
        except IllegalTransition:
            assert (filled, state) == (walked.filled_qty, walked.state)
        assert walked.filled_qty >= filled
        assert walked.traded_qty <= walked.filled_qty
        assert state not in (S.FILLED, S.CANCELLED, S.EXPIRED) or walked.state in (state, S.FILLED)
        assert walked.remaining_qty >= 0
