"""The plan of a stop as a pure machine: looks, one escalation, a bounded watch, an end that only the broker proves."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.instant import NS_PER_S
from engine.stop_plan import (
    ESCALATE_NS,
    LOOK_NS,
    PATIENCE_NS,
    RECONCILE_NS,
    SETTLE_NS,
    Holding,
    OnStop,
    Proof,
    StopAct,
    StopPhase,
    StopPlan,
    StopStep,
)

BEGAN = 1_000 * NS_PER_S


def holding(name: str = "B1", **facts) -> Holding:
    plain = {
        "bracket_id": name,
        "on_stop": OnStop.FLATTEN,
        "is_closing": False,
        "has_entry": False,
        "open_qty": 75,
        "covered_qty": 75,
        "can_rest": True,
    }
    return Holding(**{**plain, **facts})


CLOSING = holding(is_closing=True, covered_qty=0)
RESTING = holding(on_stop=OnStop.LEAVE)


class Watched:
    """A plan looked at every 0.25 s; keeps (seconds since the stop, act)."""

    def __init__(self) -> None:
        self.plan = StopPlan(BEGAN)
        self.now_ns = BEGAN
        self.story: list[tuple[float, StopAct]] = []

    def look(self, *holdings: Holding, proof: Proof = Proof.NONE) -> list[StopStep]:
        steps = self.plan.look(self.now_ns, holdings, proof)
        self.story += [((self.now_ns - BEGAN) / NS_PER_S, step.act) for step in steps]
        self.now_ns += LOOK_NS
        return steps

    def until_over(self, *holdings: Holding, proof: Proof = Proof.NONE) -> float:
        """Seconds to the end."""
        while not self.plan.is_over:
            self.look(*holdings, proof=proof)
            assert self.now_ns < BEGAN + 2 * PATIENCE_NS, "it never ends"
        return (self.now_ns - LOOK_NS - BEGAN) / NS_PER_S

    def times(self, act: StopAct) -> list[float]:
        return [at for at, done in self.story if done is act]


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.mark.row("HRD-26", "OPS-21")
def test_a_fill_on_the_seventh_look_is_flat_at_once_and_closed_once(watched: Watched) -> None:
    assert watched.look(holding()) == [StopStep(StopAct.CLOSE, "B1")]
    for _ in range(6):
        assert watched.look(CLOSING) == []

    assert watched.look() == [StopStep(StopAct.PROVE)]
    watched.look(proof=Proof.FLAT)

    assert watched.plan.phase is StopPhase.FLAT
    assert watched.times(StopAct.PROVE) == [1.75]
    assert watched.times(StopAct.ESCALATE) == []


@pytest.mark.row("HRD-26")
@pytest.mark.fault("EXI-11")
@pytest.mark.invariant("Q1")
def test_finished_orders_are_no_proof_the_broker_is_asked_until_it_says_flat(watched: Watched) -> None:
    watched.look(CLOSING)
    for proof in (Proof.NONE, Proof.OPEN, Proof.OPEN):
        assert watched.look(proof=proof) == [StopStep(StopAct.PROVE)]
        assert not watched.plan.is_over

    watched.look(proof=Proof.FLAT)

    assert watched.plan.phase is StopPhase.FLAT


@pytest.mark.row("HRD-27", "HRD-28", "HRD-29", "BUG-23")
def test_a_hanging_exit_is_escalated_once_after_twenty_looks_then_watched_twelve_times_then_given_up(
    watched: Watched,
) -> None:
    watched.look(holding())

    seconds = watched.until_over(CLOSING)

    assert watched.times(StopAct.CLOSE) == [0.0]
    assert watched.times(StopAct.ESCALATE) == [5.0]
    assert ESCALATE_NS == 20 * LOOK_NS
    assert watched.times(StopAct.RECONCILE) == [5.0 + 2.5 * number for number in range(12)]
    assert 30 * NS_PER_S == 12 * RECONCILE_NS
    assert watched.plan.phase is StopPhase.STUCK
    assert seconds == 35.0
    assert watched.look(CLOSING) == [], "over is over"


@pytest.mark.row("HRD-28")
def test_flat_at_twelve_seconds_ends_the_watch_at_once(watched: Watched) -> None:
    watched.look(holding())
    while watched.now_ns < BEGAN + 12 * NS_PER_S:
        watched.look(CLOSING)

    watched.look()
    watched.look(proof=Proof.FLAT)

    assert watched.plan.phase is StopPhase.FLAT
    assert watched.now_ns - BEGAN <= 12.5 * NS_PER_S


@pytest.mark.row("HRD-26", "BUG-103")
def test_every_leg_is_closed_and_the_open_one_alone_is_escalated(watched: Watched) -> None:
    assert watched.look(holding("PE"), holding("CE")) == [
        StopStep(StopAct.CLOSE, "PE"),
        StopStep(StopAct.CLOSE, "CE"),
    ]
    while not watched.times(StopAct.ESCALATE):
        last = watched.look(holding("CE", is_closing=True))

    assert [step for step in last if step.act is StopAct.ESCALATE] == [StopStep(StopAct.ESCALATE, "CE")]


@pytest.mark.row("OPS-21")
@pytest.mark.fault("PRC-02")
def test_leave_takes_entries_back_keeps_resting_stops_and_is_gone_at_once(watched: Watched) -> None:
    entering = holding("PE", on_stop=OnStop.LEAVE, has_entry=True, open_qty=0, covered_qty=0)
    assert watched.look(entering, RESTING) == [StopStep(StopAct.TAKE_BACK, "PE")]
    assert watched.look(entering, RESTING) == [], "once"

    watched.look(RESTING)

    assert watched.plan.phase is StopPhase.LEFT
    assert watched.times(StopAct.CLOSE) == []


@pytest.mark.row("OPS-21")
@pytest.mark.parametrize(("can_rest", "closed_after_s"), [(False, 0.0), (True, 4.0)])
def test_a_naked_position_is_closed_though_its_bot_says_leave(
    watched: Watched, can_rest: bool, closed_after_s: float
) -> None:
    """What is watched here is naked the moment we go; a stop that is on its way gets four seconds to rest."""
    naked = holding(on_stop=OnStop.LEAVE, covered_qty=0, can_rest=can_rest)

    while not watched.times(StopAct.CLOSE):
        watched.look(naked)

    assert watched.times(StopAct.CLOSE) == [closed_after_s]


@pytest.mark.row("OPS-21")
def test_a_bot_that_leaves_waits_for_a_bot_that_flattens(watched: Watched) -> None:
    watched.look(RESTING, holding("B2"))
    watched.look(RESTING, holding("B2", is_closing=True))
    assert not watched.plan.is_over

    watched.look(RESTING)

    assert watched.plan.phase is StopPhase.LEFT


@pytest.mark.row("HRD-31")
def test_the_second_signal_rests_the_stop_again_and_leaves(watched: Watched) -> None:
    watched.look(holding())
    watched.plan.hurry(watched.now_ns)
    assert watched.look(CLOSING) == [StopStep(StopAct.STAY, "B1")]
    assert watched.look(CLOSING) == [], "asked once"

    watched.plan.hurry(watched.now_ns)
    watched.look(holding())

    assert watched.plan.phase is StopPhase.LEFT
    assert watched.times(StopAct.CLOSE) == [0.0]


@pytest.mark.row("HRD-31")
def test_the_second_signal_never_waits_longer_than_a_stop_needs_to_rest(watched: Watched) -> None:
    watched.look(holding())
    watched.plan.hurry(BEGAN)

    assert watched.until_over(CLOSING) == SETTLE_NS / NS_PER_S == 4.0


@pytest.mark.row("HRD-31")
def test_the_second_signal_takes_an_entry_back_that_nobody_had_taken_back_yet(watched: Watched) -> None:
    watched.plan.hurry(BEGAN)
    entering = holding(has_entry=True, open_qty=0, covered_qty=0)

    assert watched.look(entering) == [StopStep(StopAct.TAKE_BACK, "B1")]
    assert watched.look(entering) == [], "once"
    assert not watched.plan.is_over, "it may still fill"
    watched.look(RESTING)
    assert watched.plan.phase is StopPhase.LEFT


@pytest.mark.row("HRD-31")
def test_the_second_signal_leaves_an_exit_out_where_no_stop_could_rest(watched: Watched) -> None:
    watched.look(holding(can_rest=False))
    watched.plan.hurry(watched.now_ns)

    assert watched.look(holding(can_rest=False, is_closing=True, covered_qty=0)) == []
    assert watched.plan.phase is StopPhase.LEFT


@pytest.mark.row("HRD-29")
def test_a_desk_that_had_nothing_to_close_does_not_wait_half_a_minute_for_a_silent_broker(watched: Watched) -> None:
    assert watched.until_over(proof=Proof.NONE) == ESCALATE_NS / NS_PER_S
    assert watched.plan.phase is StopPhase.STUCK


_HOLDINGS = st.lists(
    st.builds(
        Holding,
        bracket_id=st.sampled_from(["B1", "B2", "B3"]),
        on_stop=st.sampled_from(OnStop),
        is_closing=st.booleans(),
        has_entry=st.booleans(),
        open_qty=st.integers(0, 3),
        covered_qty=st.integers(0, 3),
        can_rest=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda held: held.bracket_id,
)


@pytest.mark.row("HRD-27", "HRD-29")
@given(looks=st.lists(st.tuples(_HOLDINGS, st.sampled_from(Proof), st.booleans()), min_size=1, max_size=30))
@settings(max_examples=120, deadline=None)
@pytest.mark.fault("PRC-02")
@pytest.mark.invariant("Q1")
def test_whatever_is_seen_the_plan_ends_in_time_escalates_at_most_once_and_says_flat_only_with_proof(looks) -> None:
    plan = StopPlan(BEGAN)
    now_ns, acts = BEGAN, []
    for holdings, proof, hurries in itertools.cycle(looks):
        if hurries and len(looks) > 3:
            plan.hurry(now_ns)
        steps = plan.look(now_ns, holdings, proof)
        acts += steps
        if plan.is_over:
            break
        now_ns += LOOK_NS
        assert now_ns <= BEGAN + PATIENCE_NS

    assert (plan.phase is StopPhase.FLAT) <= (proof is Proof.FLAT and not holdings)
    escalated = [step.bracket_id for step in acts if step.act is StopAct.ESCALATE]
    assert len(escalated) == len(set(escalated))
    assert plan.look(now_ns, holdings, proof) == []


# --- a grid keeps what rests ------------------------------------------------------------------------------------------


KEPT = holding("G1", on_stop=OnStop.KEEP, has_entry=True, open_qty=100, covered_qty=0, has_orders=True)
WITHDRAWN = holding("G2", on_stop=OnStop.WITHDRAW, open_qty=100, covered_qty=0, has_orders=True)


@pytest.mark.row("GRD-57", "OPS-21")
def test_what_a_grid_keeps_is_left_at_the_first_look_whatever_covers_it(watched: Watched) -> None:
    assert watched.look(KEPT) == []
    assert watched.plan.phase is StopPhase.LEFT


@pytest.mark.row("GRD-57")
def test_a_kept_order_that_the_broker_has_not_answered_for_is_waited_for_but_not_for_ever(watched: Watched) -> None:
    moving = KEPT._replace(is_moving=True)

    assert watched.until_over(moving) == SETTLE_NS / NS_PER_S
    assert watched.plan.phase is StopPhase.LEFT and not watched.story


@pytest.mark.row("GRD-57")
def test_orders_that_a_grid_takes_back_are_waited_for_and_stuck_when_they_stay(watched: Watched) -> None:
    assert watched.look(WITHDRAWN) == [] and not watched.plan.is_over
    watched.look(WITHDRAWN._replace(has_orders=False))
    assert watched.plan.phase is StopPhase.LEFT

    stays = Watched()
    assert stays.until_over(WITHDRAWN) == ESCALATE_NS / NS_PER_S
    assert stays.plan.phase is StopPhase.STUCK


@pytest.mark.row("GRD-57", "HRD-26")
def test_legs_beside_a_grid_are_closed_as_ever_and_the_grid_waits_for_them(watched: Watched) -> None:
    assert watched.look(holding(), KEPT) == [StopStep(StopAct.CLOSE, "B1")]
    watched.look(CLOSING, KEPT)
    assert not watched.plan.is_over
    watched.look(KEPT)
    assert watched.plan.phase is StopPhase.LEFT


@pytest.mark.row("GRD-57", "HRD-31")
def test_the_second_signal_takes_no_kept_entry_back(watched: Watched) -> None:
    watched.plan.hurry(BEGAN)

    assert watched.look(KEPT, WITHDRAWN) == []
    assert watched.plan.phase is StopPhase.LEFT
