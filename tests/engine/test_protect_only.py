"""The stand-in of a failed bot: every bracket on its own, so that one that fails hides no other (PRC-10)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.bot import BotBody, BotTimes
from engine.leg import Leg
from engine.order import Role, Side
from engine.outbox import Outbox
from engine.protect_only import ProtectOnly
from engine.risk import RiskLimits
from engine.stop_plan import OnStop
from engine.view import BracketState, ExitStyle


class Failed:
    """What the stand-in takes over from a bot, and nothing else: its code is gone."""

    def __init__(self, *worlds: Any) -> None:
        self.books_known = True
        self.name, self.product, self.lots, self.style = "bad", "MIS", 1, ExitStyle.RESTING
        self.instruments = {world.bracket.instrument.symbol: world.bracket.instrument for world in worlds}
        self.places = {"A": list(self.instruments)}
        self.legs: dict[str, Leg] = {}
        self.brackets = {f"B{number}": world.bracket for number, world in enumerate(worlds)}
        for key, bracket in self.brackets.items():
            bracket.body.bracket_id = key
        self.body = BotBody(day_net_paise=100)
        self.limits, self.times, self.max_tick_age_ns = RiskLimits(), BotTimes(), 5_000_000_000
        self.on_stop = OnStop.FLATTEN


@pytest.fixture
def pair(bench: Any) -> tuple[Any, Any, ProtectOnly]:
    """Two open, protected positions of a failed bot."""
    one, two = bench().filled_entry(), bench().filled_entry()
    return one, two, ProtectOnly(Failed(one, two), "scripted")  # type: ignore[arg-type]


def broken(*_args: object, **_fields: object) -> None:
    raise ZeroDivisionError("scripted")


@pytest.mark.parametrize("method", ["on_wake", "exit", "ensure_exits", "cancel_entry"])
@pytest.mark.fault("PRC-10")
def test_one_broken_bracket_hides_no_other(pair, method: str, monkeypatch) -> None:
    one, two, stand_in = pair
    monkeypatch.setattr(one.bracket, method, broken)
    seen: list[str] = []
    honest = getattr(two.bracket, method)
    monkeypatch.setattr(two.bracket, method, lambda *a, **k: (seen.append(method), honest(*a, **k))[1])
    out = Outbox()
    call = {
        "on_wake": lambda: stand_in.on_wake(two.now_ns, out),
        "exit": lambda: stand_in.square_off("Zero Out", two.now_ns, out),
        "ensure_exits": lambda: stand_in.check_status(two.now_ns, out),
        "cancel_entry": lambda: stand_in.take_back_entries(two.now_ns, out),
    }[method]
    call()
    call()

    assert seen
    assert list(out.alarms) == ["broken:B0"]
    assert sum(said.msg.name == "INTERNAL" for said in out.said) == 1, "told once"


@pytest.mark.fault("PRC-10")
def test_it_squares_off_and_enters_nothing(pair) -> None:
    one, _, stand_in = pair
    out = Outbox()

    assert stand_in.enter(["S"], Side.BUY, 1, one.now_ns, out).startswith("bad is protect-only: scripted")
    assert not out.commands
    assert stand_in.square_off("Zero Out", one.now_ns, out) == 2
    assert stand_in.square_off("Zero Out", one.now_ns, out) == 0, "leaving already"


def test_it_goes_on_with_the_day_of_the_bot_it_replaces(pair) -> None:
    one, two, stand_in = pair
    assert stand_in.body.day_net_paise == 100
    assert stand_in.any_active

    two.bracket.body.state = BracketState.FLAT
    assert stand_in.roll_day("2026-11-26")
    assert not stand_in.roll_day("2026-11-26")
    assert stand_in.body.day_net_paise == 0
    assert list(stand_in.brackets) == ["B0"], "what is over belongs to yesterday"
    assert one.bracket.orders_of(Role.STOP)


def test_nothing_is_planned_while_the_books_are_unknown(pair, monkeypatch) -> None:
    one, _, stand_in = pair
    monkeypatch.setattr(one.bracket, "on_wake", broken)
    stand_in.books_known = False
    out = Outbox()
    stand_in.on_wake(one.now_ns, out)
    assert out.is_empty


def test_a_bracket_that_cannot_say_when_leaves_the_others_their_deadlines(pair, monkeypatch) -> None:
    one, two, stand_in = pair
    monkeypatch.setattr(one.bracket, "wake_ns", broken)
    monkeypatch.setattr(two.bracket, "wake_ns", lambda now: now + 7)
    assert stand_in.wake_ns(10) == 17
