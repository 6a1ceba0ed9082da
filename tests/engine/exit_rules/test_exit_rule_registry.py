"""Finding, reading and storing rules: one file and one line of configuration make a new one (RTP-41)."""

from __future__ import annotations

import importlib
import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine.exit_rules
from engine.exit_rules import (
    LostRule,
    NoSuchRule,
    RuleError,
    decode_rules,
    encode_rules,
    parse_rules,
    rule_named,
    rule_names,
    rule_table,
)
from engine.exit_rules.breakeven import Breakeven
from engine.exit_rules.rule import Proposal
from engine.exit_rules.supertrend import Supertrend
from engine.exit_rules.time_exit import TimeExit

Open = Any
AddRule = Callable[[str, str], None]
GIVE_BACK = '''
    """`give_back`: leave after giving back so many rupees per unit."""

    from typing import Annotated, ClassVar

    from engine.exit_rules.parameter import rupees
    from engine.exit_rules.rule import ExitRule, NOTHING, Proposal


    class GiveBack(ExitRule, frozen=True, kw_only=True):
        """Leave after giving back so many rupees per unit of the best gain."""

        name: ClassVar[str] = "give_back"

        paise: Annotated[int, rupees("rupees", low=1, high=100_000)]
        """Given back, per unit."""

        def on_price(self, facts, memory, readings):
            gone = facts.best_gain_paise - facts.gain_paise
            return Proposal(leave="gave back") if gone >= self.paise else NOTHING
'''


@pytest.fixture
def add_rule(tmp_path: Path) -> Iterator[AddRule]:
    """Drops a file into a folder of the package's path; all is undone afterwards."""
    folder = tmp_path / "rules"
    folder.mkdir()
    engine.exit_rules.__path__.append(str(folder))
    added: list[str] = []

    def add(name: str, source: str) -> None:
        (folder / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        added.append(name)
        importlib.invalidate_caches()

    yield add
    engine.exit_rules.__path__.remove(str(folder))
    for name in added:
        sys.modules.pop(f"engine.exit_rules.{name}", None)
        if hasattr(engine.exit_rules, name):
            delattr(engine.exit_rules, name)


@pytest.mark.row("RTP-41")
def test_a_rule_dropped_into_the_folder_works_by_one_line_of_configuration(
    add_rule: AddRule, open_position: Open
) -> None:
    add_rule("give_back", GIVE_BACK)

    (rule,) = parse_rules([{"rule": "give_back", "rupees": Decimal("2.5")}])
    position = open_position(rule)

    assert "give_back" in rule_names()
    assert [position.at(price).leave for price in (104_00, 101_55, 101_50)] == ["", "", "gave back"]
    assert decode_rules(encode_rules([rule])).rules == (rule,)
    assert (rule.label, rule.words()) == ("give_back(₹2.50)", "give_back(₹2.50)")


@pytest.mark.row("RTP-41")
def test_a_rule_whose_file_is_gone_keeps_its_place_and_says_so(add_rule: AddRule, open_position: Open) -> None:
    add_rule("give_back", GIVE_BACK)
    stored = encode_rules(parse_rules([{"rule": "give_back", "rupees": 2}, {"rule": "breakeven"}]))
    stored = ({**stored[0], "rule": "gone_away"}, stored[1])

    decoded = decode_rules(stored)

    lost, kept = decoded.rules
    assert isinstance(lost, LostRule)
    assert kept == Breakeven()
    assert len(decoded.warnings) == 1
    assert decoded.warnings[0].startswith("exit rule gone_away is lost: no such rule")
    position = open_position(lost)
    assert position.at(150_00) == Proposal()
    assert position.story().rule == "gone_away"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise ValueError('half done')", "ValueError: half done"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_left_out_and_named_when_asked_for(
    add_rule: AddRule, source: str, why: str
) -> None:
    add_rule("half_written", source)

    assert "half_written" not in rule_names()
    with pytest.raises(NoSuchRule, match=why):
        rule_named("half_written")


@pytest.mark.parametrize(
    "name", ["registry", "rule", "parameter", "level", "Breakeven", "../x", "", "a" * 99, "os.path"]
)
def test_what_is_no_rule_is_not_found(name: str) -> None:
    assert name not in rule_names()
    with pytest.raises(NoSuchRule, match="no such rule"):
        rule_named(name)


def test_every_module_of_a_rule_is_named_as_its_rule() -> None:
    for name in rule_names():
        assert rule_named(name).name == name
        assert rule_named(name).__module__ == f"engine.exit_rules.{name}"


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ([{"rule": "breakevn"}], "exit_rules.1.rule = 'breakevn': no such rule; did you mean breakeven?; one of "),
        ([{"rule": 7}], "exit_rules.1.rule = 7: must be one of breakeven, lock_fraction"),
        ([{"gain_pct": 3}], "exit_rules.1.rule: must be one of "),
        ([{"rule": "time_exit"}, 3], 'exit_rules.2 = 3: write it as a table, { rule = "breakeven" }'),
        ("breakeven", "exit_rules = 'breakeven': must be a list of rules"),
        ([{"rule": "time_exit"}] * 17, "exit_rules = 17: at most 16 rules"),
        ([{"rule": "breakeven", "gain": 3}], "exit_rules.1.gain: breakeven has no such key; one of gain_pct, "),
        ([{"rule": "breakeven", "gain_pct": 0}], "exit_rules.1.gain_pct = 0: must be a number from 0.01 to 1000"),
        ([{"rule": "breakeven", "gain_pct": True}], "exit_rules.1.gain_pct = True: must be a number from"),
        ([{"rule": "breakeven", "gain_pct": "ten"}], "exit_rules.1.gain_pct = 'ten': must be a number from"),
        ([{"rule": "breakeven", "gain_pct": Decimal("1.005")}], "at most two decimals"),
        ([{"rule": "breakeven", "gain_pct": Decimal("NaN")}], "must be a number from"),
        ([{"rule": "breakeven", "gain_pct": float("inf")}], "must be a number from"),
        ([{"rule": "breakeven", "gain_pct": 10**400}], "must be a number from"),
        (
            [{"rule": "breakeven", "gain_pct": 1, "gain_rupees": 2}],
            "exit_rules.1.gain_rupees = 2: gain_pct is given too",
        ),
        ([{"rule": "min_lock"}], "exit_rules.1.lock_rupees: missing: min_lock asks for it, a number from 0.01"),
        ([{"rule": "min_lock", "lock_rupees": 1000}], "exit_rules.1: min_lock: lock_rupees must be below gain_rupees"),
        ([{"rule": "time_exit", "at": "25:00"}], "exit_rules.1.at = '25:00': must be a time of day, HH:MM"),
        ([{"rule": "supertrend", "interval": "2m"}], "exit_rules.1.interval = '2m': must be one of 1m, 5m"),
        ([{"rule": "supertrend", "interval": ["1m"]}], "must be one of 1m, 5m"),
        ([{"rule": "supertrend", "trade_types": []}], "must be a list of Entry2, Entry3, Manual"),
        ([{"rule": "supertrend", "trade_types": ["Entry9"]}], "must be a list of Entry2, Entry3, Manual"),
        ([{"rule": "supertrend", "trade_types": [["Entry2"]]}], "must be a list of Entry2, Entry3, Manual"),
        ([{"rule": "supertrend", "period": Decimal("2.5")}], "must be a whole number from 1 to 200"),
        ([{"rule": "a\x1b[31m\nb"}], "exit_rules.1.rule = 'a\\x1b[31m\\nb': no such rule"),
        ([{"rule": "breakeven", "\x1b[31m": 1}], "has no such key"),
    ],
)
def test_a_mistake_is_told_on_one_line_with_place_value_and_what_is_allowed(tables: object, line: str) -> None:
    with pytest.raises(RuleError) as refused:
        parse_rules(tables)

    assert line in str(refused.value)
    assert str(refused.value).isprintable()


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(RuleError) as refused:
        parse_rules([{"rule": "breakeven", "gain_pct": 0, "x": 1}, {"rule": "nothing"}])

    assert [(fault.number, fault.key) for fault in refused.value.faults] == [(1, "gain_pct"), (1, "x"), (2, "rule")]


def test_one_of_two_ways_to_arm_puts_the_other_aside() -> None:
    by_rupees, by_percent = parse_rules([{"rule": "breakeven", "gain_rupees": 5}, {"rule": "breakeven", "gain_pct": 5}])

    assert (by_rupees.label, by_percent.label) == ("breakeven(₹5.00)", "breakeven(5 %)")
    assert rule_table(by_rupees) == {"rule": "breakeven", "gain_rupees": 5, "offset_rupees": 0}


def test_a_time_may_be_text_or_a_time_of_the_file() -> None:
    (text, plain) = parse_rules([{"rule": "time_exit", "at": "9:05"}, {"rule": "time_exit", "at": time(9, 5)}])

    assert text == plain == TimeExit(at_s=9 * 3600 + 300)


@pytest.mark.row("RTP-41")
@given(
    st.lists(
        st.one_of(
            st.builds(Breakeven, gain_bps=st.integers(1, 99_999), offset_paise=st.integers(0, 10_000)),
            st.builds(Supertrend, period=st.integers(1, 200), factor_hundredths=st.integers(10, 2_000)),
            st.builds(TimeExit, at_s=st.integers(0, 86_399)),
        ),
        max_size=5,
    )
)
def test_rules_survive_the_journal_and_their_own_words(rules: list[Any]) -> None:
    stored = json.loads(json.dumps(encode_rules(rules)))

    assert decode_rules(stored).rules == tuple(rules)
    assert decode_rules(stored).warnings == ()
    assert parse_rules([rule_table(rule) for rule in rules]) == tuple(rules)


@pytest.mark.parametrize(
    "stored",
    [
        {"rule": "breakeven", "gain_bps": -3},
        {"rule": "breakeven", "of_another_release": 3},
        {"rule": "breakeven", "gain_bps": "x"},
        {"rule": "breakeven", "gain_bps": 1 << 80},
        {"rule": "min_lock"},
        {"rule": None},
        {},
    ],
)
def test_a_stored_rule_that_fits_no_more_is_a_warning_and_no_crash(stored: dict[str, object]) -> None:
    decoded = decode_rules([stored])

    assert isinstance(decoded.rules[0], LostRule)
    assert len(decoded.warnings) == 1
    assert decoded.warnings[0].isprintable()


@pytest.mark.row("RTP-41")
def test_every_mistake_in_a_list_of_rules_is_one_line() -> None:
    with pytest.raises(RuleError) as refused:
        parse_rules([{"rule": "breakeven", "gain_pct": 0}, {"rule": "breakevn"}])

    first, second = str(refused.value).splitlines()
    assert first.startswith("exit_rules.1.gain_pct = 0: must be a number from 0.01 to 1000")
    assert second.startswith("exit_rules.2.rule = 'breakevn': no such rule; did you mean breakeven?")
