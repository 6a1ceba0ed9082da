"""A plan is drawn from a seed and nothing else, keeps its bounds, and writes down what struck."""

from __future__ import annotations

from datetime import date, time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.paper.faults.catalogue import KNOBS
from brokers.paper.faults.knob import Door, Shape
from brokers.paper.faults.plan import FaultPlan, Profile, Rule
from engine.instant import NS_PER_S, at_ist
from engine.order import Role

DAY = date(2026, 11, 25)
OPEN_NS = at_ist(DAY, time(9, 15))
END_NS = at_ist(DAY, time(14, 30))


def of_seed(seed: int, profile: str = "swarm", **more: object) -> FaultPlan:
    return FaultPlan.of_seed(seed, profile=profile, start_ns=OPEN_NS, end_ns=END_NS, **more)  # type: ignore[arg-type]


def walk(plan: FaultPlan, seed: int = 0, passages: int = 400) -> list[str]:
    """The log after so many passages through doors, chosen and timed by another seed."""
    random = Random(seed)
    at_ns = OPEN_NS - NS_PER_S
    for _ in range(passages):
        at_ns += random.randrange(120 * NS_PER_S)
        plan.strike(random.choice(list(Door)), at_ns, role=random.choice(list(Role)), symbol="PUT", what="x")
    return [str(line) for line in plan.log]


@given(st.integers(0, 2**63), st.sampled_from(Profile))
def test_one_seed_and_the_same_passages_give_one_log(seed: int, profile: Profile) -> None:
    assert of_seed(seed, profile).rules == of_seed(seed, profile).rules
    assert walk(of_seed(seed, profile)) == walk(of_seed(seed, profile))


@given(st.integers(0, 2**63), st.sampled_from(Profile))
def test_rates_and_spans_keep_inside_their_ceilings_and_the_plans_time(seed: int, profile: Profile) -> None:
    plan = of_seed(seed, profile)
    factor = 3 if profile is Profile.HOSTILE else 1
    for rule in plan.rules:
        knob = rule.knob
        if knob.shape is Shape.ONCE:
            assert 0 < rule.bps <= min(knob.ceiling_bps * factor, 5_000)
        else:
            assert OPEN_NS <= rule.from_ns < rule.until_ns <= END_NS
            count = sum(1 for other in plan.rules if other.knob is knob)
            assert count <= knob.per_day * factor
        assert knob.is_daily_bread or profile is not Profile.CALM


@given(st.integers(0, 2**63))
def test_nothing_strikes_before_the_start_or_from_the_end_on(seed: int) -> None:
    plan = of_seed(seed, "hostile")
    for door in Door:
        for at_ns in (OPEN_NS - 1, END_NS, END_NS + 1, END_NS + 3_600 * NS_PER_S):
            assert all(plan.strike(door, at_ns, role=role, symbol="PUT") is None for role in (None, *Role))
    assert plan.log == []
    assert plan.until(END_NS + 5) == END_NS


def test_a_late_thing_comes_no_later_than_the_plans_end() -> None:
    knob = KNOBS["api.place=TIMEOUT_LATE"]
    plan = FaultPlan.scripted([Rule(knob=knob, delay_ns=(90 * NS_PER_S, 90 * NS_PER_S))], end_ns=END_NS)

    strike = plan.strike(Door.PLACE, END_NS - 30 * NS_PER_S)

    assert strike is not None and strike.delay_ns == 30 * NS_PER_S


def test_about_half_of_the_faults_are_off_in_each_seed_and_every_one_is_on_in_some() -> None:
    able = {knob.knob for knob in KNOBS.values() if knob.ceiling_bps or knob.per_day}
    on = [{rule.knob.knob for rule in of_seed(seed).rules} for seed in range(200)]

    assert set().union(*on) == able
    shares = [len(knobs) / len(able) for knobs in on]
    assert 0.45 < sum(shares) / len(shares) < 0.55
    assert min(shares) < 0.4 and max(shares) > 0.6


def test_taking_one_fault_away_changes_no_other() -> None:
    whole, less = of_seed(7), of_seed(7, without=["ORD-01", "ws.dup"])

    gone = [rule for rule in whole.rules if rule.knob.fault == "ORD-01" or rule.knob.knob == "ws.dup"]
    assert gone
    assert [rule for rule in whole.rules if rule not in gone] == list(less.rules)
    assert {rule.knob.fault for rule in of_seed(7, only=["UPD-02", "UPD-03"]).rules} <= {"UPD-02", "UPD-03"}


def test_a_storm_multiplies_the_rate() -> None:
    rule = Rule(knob=KNOBS["api.place=TIMEOUT_AFTER_EXEC"], bps=100)

    def struck(storms: list[tuple[int, int]]) -> int:
        plan = FaultPlan([rule], storms=storms)
        return sum(plan.strike(Door.PLACE, at_ns) is not None for at_ns in range(10_000))

    assert 60 < struck([]) < 150
    assert 850 < struck([(0, 10_000)]) < 1_150


def test_a_scripted_fault_strikes_the_nth_that_matches_and_only_while_armed() -> None:
    knob = KNOBS["api.place=TIMEOUT_AFTER_EXEC"]
    plan = FaultPlan.scripted([Rule(knob=knob, role=Role.STOP, nth=2, times=2, from_ns=100, until_ns=1_000)])

    asked = [(50, Role.STOP), (100, Role.ENTRY), (101, Role.STOP), (102, Role.STOP), (103, Role.STOP), (104, Role.STOP)]
    struck = [at_ns for at_ns, role in asked if plan.strike(Door.PLACE, at_ns, role=role) is not None]

    assert struck == [102, 103]
    assert plan.fired == {"ORD-01": 2}


def test_what_has_nothing_to_act_on_is_not_counted() -> None:
    plan = FaultPlan.scripted([Rule(knob=KNOBS["api.cancel=REJECT_FILLED"])])

    assert plan.strike(Door.CANCEL, 1, can=lambda effect, amount: False) is None
    assert plan.strike(Door.CANCEL, 2) is not None


def test_a_plan_without_time_or_with_an_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="no time"):
        FaultPlan.of_seed(1, profile="swarm", start_ns=5, end_ns=5)
    with pytest.raises(ValueError, match="stormy"):
        of_seed(1, "stormy")
