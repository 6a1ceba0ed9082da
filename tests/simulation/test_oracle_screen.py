"""The checks on the screen's words and on the day's end, each shown a lie."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from engine.order import OrderState, Role
from engine.view import ProtectionWord
from tui.simulation.screen_checks import Converged, TruthfulScreen, Undisturbed

PE = "NIFTY01DEC2624500PE"
LOT = 65


def screen(word: ProtectionWord):
    """One leg, shown with whatever word the test wants."""
    return lambda: (SimpleNamespace(symbol=PE, protection=word),)


@dataclass
class QuietDesk:
    """What the last look asks of a desk."""

    live: list = field(default_factory=list)
    failures: deque = field(default_factory=deque)
    path_error: str = ""
    is_idle: bool = True

    @property
    def blotter(self):
        return SimpleNamespace(live_orders=lambda: self.live)

    @property
    def accounts(self):
        gateway = SimpleNamespace(is_idle=self.is_idle, depth=1, path_error=self.path_error)
        return {"SIM": SimpleNamespace(gateway=gateway)}


@pytest.mark.parametrize("word", [ProtectionWord.PROTECTED, ProtectionWord.FLAT])
def test_a_word_that_is_not_true_breaks_u1_when_it_stays(day, word):
    day.judged_by(TruthfulScreen(screen(word)))
    day.enter()
    day.pass_s(5)
    assert day.broken == []

    day.pass_s(30)

    assert day.broken == ["U1"]


@pytest.mark.parametrize("word", [ProtectionWord.NAKED, ProtectionWord.PLACING, ProtectionWord.UNKNOWN])
def test_words_that_admit_it_are_true(day, word):
    day.judged_by(TruthfulScreen(screen(word)))
    day.enter()

    day.pass_s(60)

    assert day.broken == []


def test_protected_is_true_of_a_covered_position(day):
    day.judged_by(TruthfulScreen(screen(ProtectionWord.PROTECTED)))
    day.enter()
    day.rest(Role.STOP)

    day.pass_s(60)

    assert day.broken == []


def test_a_day_that_came_to_rest_is_in_order(day):
    day.judged_by(final=(Converged(QuietDesk),))

    day.finish()

    assert day.broken == []


@pytest.mark.parametrize(
    ("desk", "says"),
    [
        (QuietDesk(is_idle=False), "requests wait"),
        (QuietDesk(path_error="no answer"), "still called down"),
        (QuietDesk(failures=deque(["decision: KeyError"])), "internal error"),
        (
            QuietDesk(live=[SimpleNamespace(tag="SD1S", state=OrderState.UNKNOWN, role=Role.STOP)]),
            "stop is unanswered at the end",
        ),
    ],
)
def test_a_desk_that_did_not_come_to_rest_breaks_l1(day, desk, says):
    day.judged_by(final=(Converged(lambda: desk),))

    day.finish()

    assert day.broken == ["L1"]
    assert says in day.texts


def test_a_bracket_that_is_never_called_closed_breaks_l1(day):
    day.judged_by(final=(Converged(QuietDesk),))
    day.enter()
    day.fill(day.rest(Role.STOP))

    day.finish()

    assert day.broken == ["L1"]
    assert "never called closed" in day.texts


def undisturbed(day) -> tuple[str, str]:
    """Entry, stop and target; the stop fills, the target is cancelled."""
    day.judged_by(final=(Undisturbed(),))
    day.enter()
    stop, target = day.rest(Role.STOP), day.rest(Role.TARGET)
    day.fill(stop)
    day.change(target, op="cancel", broker_id=f"N{target}")
    day.cancelled(target)
    day.closed()
    return stop, target


def test_three_orders_and_one_cancel_are_all_that_an_undisturbed_bracket_takes(day):
    undisturbed(day)

    day.finish()

    assert day.broken == []


def test_a_fourth_order_on_an_undisturbed_bracket_breaks_o8(day):
    undisturbed(day)
    day.send(day.intend(Role.STOP))

    day.finish()

    assert day.broken == ["O8"]
