"""Exit rules inside the bracket: a rule that fails is set aside and told of, what a rule decides is written down, and
the position's own line says all of it."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest

from engine.bracket_state import BracketTerms
from engine.exit_rules.rule import NOTHING, ExitRule, Proposal, RuleFacts, RuleMemory
from engine.messages import Msg
from engine.order import Role, Side
from engine.price_book import NO_HIGH, NO_LOW
from engine.reading import Readings

TERMS = BracketTerms(target_offset_paise=5_00, stop_offset_paise=5_00)
LEAVES = "Told To Leave"


class Told(ExitRule, frozen=True, kw_only=True):
    """Answers what it was made with."""

    name: ClassVar[str] = "told"

    answer: Proposal = NOTHING
    low_paise: int = NO_LOW
    high_paise: int = NO_HIGH
    asked_at_ns: int = 0

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        assert readings is not None
        memory.mark_paise += 1
        return self.answer

    def band(self, facts: RuleFacts, memory: RuleMemory) -> tuple[int, int]:
        assert facts is not None
        return self.low_paise, self.high_paise

    def wake_ns(self, facts: RuleFacts, memory: RuleMemory) -> int:
        return self.asked_at_ns

    def inputs(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> str:
        assert readings is not None
        return f"asked {memory.mark_paise}"


class Broken(Told, frozen=True, kw_only=True):
    """Fails in one of its answers."""

    name: ClassVar[str] = "broken"

    fails_in: str = "on_price"

    def on_price(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> Proposal:
        super().on_price(facts, memory, readings)
        return self._fail("on_price") or NOTHING

    def band(self, facts: RuleFacts, memory: RuleMemory) -> tuple[int, int]:
        return self._fail("band") or super().band(facts, memory)

    def wake_ns(self, facts: RuleFacts, memory: RuleMemory) -> int:
        return self._fail("wake_ns") or super().wake_ns(facts, memory)

    def _fail(self, where: str) -> Any:
        if where == self.fails_in:
            raise ZeroDivisionError("no candles")
        return None


def ruled(bench: Any, *rules: ExitRule, side: Side = Side.BUY) -> Any:
    """75 from 150.00 and both exits resting; then these rules are its rules."""
    world = bench(TERMS, side=side).filled_entry()
    world.bracket.exit_rules = rules
    world.body.memories = [RuleMemory() for _ in rules]
    world.said.clear()
    return world


def asked(world: Any) -> list[int]:
    return [memory.mark_paise for memory in world.body.memories]


@pytest.mark.row("RTP-19")
def test_a_rule_that_fails_is_set_aside_and_the_rules_after_it_are_asked_on(bench: Any) -> None:
    world = ruled(bench, Broken(), Told(answer=Proposal(stop_paise=147_00)))
    for ltp in (150_50, 151_00, 151_50):
        world.tick(ltp)
        world.settle()

    assert asked(world) == [1, 3], "never asked again"
    assert (world.body.stop_paise, world.orders(Role.STOP)[0].trigger_paise) == (147_00, 147_00)
    symbol = world.body.symbol
    assert world.phrases(Msg.INTERNAL) == [Msg.INTERNAL.text(where=f"{symbol} rule broken", error="no candles")]
    text = "rule broken failed (ZeroDivisionError: no candles) and is set aside, its last stop stays"
    assert world.alarms["rule:broken:B1"] == f"{symbol}: {text}"


def test_a_rule_that_fails_while_nobody_can_be_told_makes_every_tick_count_until_it_is_told(bench: Any) -> None:
    world = ruled(bench, Broken(fails_in="band"), Told(low_paise=149_00, high_paise=151_00))

    assert world.bracket.rules_band(world.now_ns) == (NO_HIGH, NO_HIGH)
    assert world.bracket.rules_band(world.now_ns) == (NO_HIGH, NO_HIGH), "still untold"
    world.tick(150_00)
    assert "rule:broken:B1" in world.alarms
    assert world.bracket.rules_band(world.now_ns) == (149_00, 150_01), "set aside; a new best price is looked at"


def test_the_band_is_what_no_rule_looks_at(bench: Any) -> None:
    world = ruled(bench, Told(low_paise=146_00, high_paise=160_00), Told(low_paise=147_00, high_paise=149_00))
    assert world.bracket.rules_band(world.now_ns) == (147_00, 149_00)
    assert not world.bracket._untold_errors

    short = ruled(bench, Told(high_paise=155_00), side=Side.SELL)
    short.tick(149_00)
    assert short.bracket.rules_band(short.now_ns) == (148_99, 155_00)
    assert ruled(bench).bracket.rules_band(0) == (NO_LOW, NO_HIGH)


def test_only_rules_that_work_are_woken_for(bench: Any) -> None:
    world = ruled(bench, Broken(fails_in="wake_ns"), Told(), Told(asked_at_ns=7), Broken(asked_at_ns=9))

    assert world.bracket.rules_wakes(world.now_ns) == [7, 9]
    assert world.bracket.rules_wakes(world.now_ns) == [7, 9], "a failure waits to be told, and is not met again"
    world.tick(150_00)
    assert world.bracket.rules_wakes(world.now_ns) == [7]


def test_rules_are_asked_when_their_instant_comes_and_not_of_a_position_that_leaves(bench: Any) -> None:
    world = ruled(bench, Told(), Told(answer=Proposal(leave=LEAVES)), Told())
    world.wake()
    assert (asked(world), world.body.exit_reason) == ([1, 1, 0], LEAVES)
    world.wake()
    assert asked(world) == [1, 1, 0]


def test_rules_are_asked_about_the_last_unit_too(bench: Any) -> None:
    world = bench(TERMS).filled_entry(150_00, 1)
    world.bracket.exit_rules, world.body.memories = (Told(),), [RuleMemory()]
    for number, event in enumerate((world.bracket.on_tick, world.bracket.on_candle, world.bracket.on_wake), start=1):
        event(world.now_ns, world.out)
        assert asked(world) == [number]


def test_a_rule_that_drops_the_target_drops_it_once_and_says_so(bench: Any) -> None:
    world = ruled(bench, Told(answer=Proposal(drops_target=True)))
    for ltp in (151_00, 152_00):
        world.tick(ltp)
        world.settle()

    assert (world.body.target_dropped, world.body.target_paise) == (True, 0)
    text = "the fixed target no longer counts"
    assert world.phrases(Msg.RULE) == [Msg.RULE.text(symbol=world.body.symbol, rule="told", text=text)]


def test_a_tighter_stop_is_watched_anew_and_the_line_of_the_position_says_it(bench: Any) -> None:
    world = ruled(bench, Told(answer=Proposal(stop_paise=148_00, drops_target=True)))
    world.body.stop_touched_ns = world.now_ns
    world.tick(151_00)

    assert world.body.stop_touched_ns == 0
    fields = {"state": "LONG", "qty": 75, "entry": "150.00", "target": "-", "stop": "148.00"}
    assert world.phrases(Msg.STATE) == [Msg.STATE.text(symbol=world.body.symbol, **fields)]


def test_the_line_of_a_short_position_says_short(bench: Any) -> None:
    world = ruled(bench, Told(answer=Proposal(stop_paise=152_00)), side=Side.SELL)
    world.tick(149_00)

    fields = {"state": "SHORT", "qty": 75, "entry": "150.00", "target": "145.00", "stop": "152.00"}
    assert world.phrases(Msg.STATE) == [Msg.STATE.text(symbol=world.body.symbol, **fields)]


def test_the_first_reason_to_leave_ends_the_asking_and_is_a_signal_of_this_bracket(bench: Any) -> None:
    world = ruled(bench, Told(answer=Proposal(leave=LEAVES)), Told(answer=Proposal(leave="Later")))
    world.bracket.on_tick(world.now_ns, world.out)
    (signal,) = world.out.signals

    assert (signal.bracket_id, signal.exit_reason, signal.priority) == ("B1", LEAVES, "MEDIUM")
    assert (signal.symbol, signal.bot) == (world.body.symbol, "legs")
    assert (signal.trigger_paise, signal.stop_paise, signal.target_paise) == (150_00, 145_00, 155_00)
    assert world.out.touched_brackets == {"B1"}
    assert (world.body.exit_asked_ns, asked(world)) == (world.now_ns, [1, 0])


def test_what_is_decided_at_night_is_written_down_although_nothing_can_be_sent(bench: Any) -> None:
    world = ruled(bench)
    world.bracket.is_held_back = True
    assert world.bracket.leave(LEAVES, "square_off", world.now_ns, world.out)

    assert world.out.touched_brackets == {"B1"}
    assert not world.bracket.leave("Later", "square_off", world.now_ns, world.out)
    assert world.body.exit_reason == LEAVES


def test_every_rule_has_its_story(bench: Any) -> None:
    world = ruled(bench, Told(), Told())
    world.tick(150_50)

    assert [story.inputs for story in world.bracket.stories(world.now_ns)] == ["asked 1", "asked 1"]


def test_the_best_price_is_the_highest_of_a_long_and_the_lowest_of_a_short(bench: Any) -> None:
    for side, better, worse in ((Side.BUY, 151_00, 149_00), (Side.SELL, 149_00, 151_00)):
        world = ruled(bench, side=side)
        world.body.best_paise = 0
        news = [world.bracket.note_best(paise, world.out) for paise in (150_00, better, better, worse)]
        assert (news, world.body.best_paise) == ([True, True, False, False], better)


def test_an_offset_in_basis_points_outranks_one_in_paise(bench: Any) -> None:
    for terms, expected in ((TERMS, 5_00), (msgspec.structs.replace(TERMS, target_bps=200), 3_00)):
        world = bench(terms).filled_entry()
        assert world.bracket.target_offset_paise == expected
