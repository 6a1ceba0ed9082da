"""Bugs planted in the real desk, one at a time: the oracle names the invariant that each one breaks.

A check that no bug of the desk can trip would prove nothing about it: these run mornings, not made-up facts.
"""

from __future__ import annotations

from datetime import time

from engine.bracket_orders import BracketOrders
from engine.bracket_protection import BracketProtection
from engine.journal.writer import InlineWriter
from engine.order import Role
from tui.simulation.day import DayPlan, run_day
from tui.simulation.seed_terms import Profile

UNTIL = time(9, 40)


def broken_by(profile: Profile = Profile.CALM, seed: int = 3) -> set[str]:
    return set(run_day(DayPlan(seed=seed, profile=profile, until=UNTIL)).broken)


def test_without_a_bug_the_same_morning_breaks_nothing():
    assert broken_by() == set()


def test_a_desk_that_places_no_stop_is_naked(monkeypatch):
    monkeypatch.setattr(BracketProtection, "_place_stop", lambda *_: None)

    assert broken_by() & {"P1", "U1"}


def test_a_desk_that_never_cancels_the_sibling_leaves_an_exit_over_nothing(monkeypatch):
    monkeypatch.setattr(BracketOrders, "cancel", lambda *_: 0)

    assert "E1" in broken_by()


def test_a_desk_that_sends_before_it_writes_is_caught(monkeypatch):
    submit = InlineWriter.submit

    def sends_first(self, batch, on_durable, on_late):
        on_durable()  # the gateway takes the command now; its worker sends when the loop turns
        self._loop.call_later(0.05, submit, self, batch, lambda: None)

    monkeypatch.setattr(InlineWriter, "submit", sends_first)

    assert "O1" in broken_by()


def _any_size(*_: object) -> bool:
    return True


def test_a_desk_that_places_every_exit_twice_is_caught(monkeypatch):
    place = BracketProtection.place

    def twice(self, role, order_type, qty, *rest, **more):
        if role is Role.STOP:
            place(self, role, order_type, qty, *rest, **more)
        return place(self, role, order_type, qty, *rest, **more)

    monkeypatch.setattr(BracketProtection, "place", twice)
    monkeypatch.setattr(BracketProtection, "fits", _any_size)  # the last guard, at the gateway, would hold it back

    assert {"O3", "E1"} & broken_by()


def test_a_desk_that_sizes_its_stop_from_the_request_is_caught(monkeypatch):
    """Seed 3 fills in parts: an exit as large as the request is too large until the rest has filled."""
    place = BracketProtection.place

    def sized_by_hope(self, role, order_type, qty, *rest, **more):
        return place(self, role, order_type, 2 * qty if role is Role.STOP else qty, *rest, **more)

    monkeypatch.setattr(BracketProtection, "place", sized_by_hope)
    monkeypatch.setattr(BracketProtection, "fits", _any_size)

    assert "E1" in broken_by()
