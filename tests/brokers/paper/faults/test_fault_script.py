"""A fault script is read strictly: one line for each mistake, with file, entry, key, value and what is allowed."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.paper.faults.plan import AMBIGUITY_S
from brokers.paper.faults.script import FaultScriptError, load_script, read_script
from engine.instant import NS_PER_S, at_ist
from engine.order import Role

DAY = date(2026, 11, 25)
ROOT = Path(__file__).resolve().parents[4]


def test_an_entry_becomes_a_rule_of_the_day() -> None:
    script = read_script(
        'ambiguity_s = 130\n[[fault]]\nknob = "api.place=TIMEOUT_LATE"\nrole = "stop"\nnth = 2\nat = "10:15"\n'
        "for_s = 600\ndelay_s = 2.5\n",
        "day.toml",
    )
    (rule,) = script.plan(DAY).rules

    assert (rule.knob.fault, rule.role, rule.nth) == ("ORD-03", Role.STOP, 2)
    assert rule.from_ns == at_ist(DAY, time(10, 15)) and rule.until_ns == rule.from_ns + 600 * NS_PER_S
    assert rule.delay_ns == (2_500_000_000, 2_500_000_000)
    assert script.plan(DAY).ambiguity_s == 130


def test_what_is_not_said_is_the_whole_day_and_the_knobs_own_numbers() -> None:
    script = read_script('[[fault]]\nknob = "px.gap"\n', "day.toml")
    (rule,) = script.plan(DAY).rules

    assert rule.from_ns == at_ist(DAY, time.min) and rule.until_ns - rule.from_ns == 86_400 * NS_PER_S
    assert rule.amount == -12
    assert script.ambiguity_s == AMBIGUITY_S


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "day.toml: write each fault as a table [[fault]] with a knob"),
        ("fault = 3", "day.toml: write each fault as a table [[fault]] with a knob"),
        ("[[fault]]\nnth = 1", 'day.toml: fault 1: knob = "": one of the 135 knobs in docs/faults.md'),
        (
            '[[fault]]\nknob = "api.place=TIMEOUT_AFTER_EXE"',
            'day.toml: fault 1: knob = "api.place=TIMEOUT_AFTER_EXE": one of the 135 knobs in docs/faults.md; '
            "did you mean api.place=TIMEOUT_AFTER_EXEC?",
        ),
        (
            '[[fault]]\nknob = "ws.dup"\nat = "9:15"',
            'at = "9:15": a time of day in quotes, "10:15" or "10:15:30" (IST)',
        ),
        ('[[fault]]\nknob = "ws.dup"\nat = 10:15:00', "at = a table, list or date: a time of day in quotes"),
        ('[[fault]]\nknob = "ws.dup"\nnth = 0', "nth = 0: a whole number from 1 to 1000000"),
        ('[[fault]]\nknob = "ws.dup"\nnth = true', "nth = true: a whole number from 1 to 1000000"),
        ('[[fault]]\nknob = "ws.dup"\ndelay_s = nan', "delay_s = nan: seconds from 0 to 86400"),
        ('[[fault]]\nknob = "ws.dup"\nrole = "tp"', 'role = "tp": one of entry, target, stop, exit, repair'),
        ('[[fault]]\nknob = "ws.dup"\nsymbol = "A B"', 'symbol = "A B": a contract\'s symbol in quotes'),
        ('[[fault]]\nknob = "ws.dup"\ndoor = "tick"', 'door = "tick": ws.dup has order_update, trade_update'),
        ('[[fault]]\nknob = "ws.dup"\namount = 3', "amount: ws.dup takes none"),
        ('[[fault]]\nknob = "rms.pre_reject"\ncode = "no"', 'code = "no": one of already_finished, '),
        ('[[fault]]\nknob = "ws.gap"\nnth = 2', "nth and times: ws.gap goes by time; say at and for_s"),
        ('[[fault]]\nknob = "ws.dup"\nwhen = 1', '"when": no such key; allowed: knob, at, for_s'),
        ('speed = 2\n[[fault]]\nknob = "ws.dup"', 'day.toml: "speed": no such key; allowed: ambiguity_s'),
        ('ambiguity_s = 0\n[[fault]]\nknob = "ws.dup"', "ambiguity_s = 0: seconds above 0"),
        ("[[fault]", "day.toml: not TOML: "),
    ],
)
def test_each_mistake_is_one_line_that_says_where_what_and_what_is_allowed(text: str, line: str) -> None:
    with pytest.raises(FaultScriptError) as error:
        read_script(text, "day.toml")

    assert line in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(FaultScriptError) as error:
        read_script('[[fault]]\nknob = "ws.dup"\nnth = 0\nat = "x"\n[[fault]]\nknob = "y"', "day.toml")

    assert len(str(error.value).splitlines()) == 3


def test_control_characters_and_long_values_of_the_file_do_not_reach_the_terminal() -> None:
    with pytest.raises(FaultScriptError) as error:
        read_script('[[fault]]\nknob = "\\u001b[2J' + "x" * 500 + '"', "day.toml")

    assert "\x1b" not in str(error.value) and len(str(error.value)) < 250


@given(st.text(max_size=300))
def test_any_text_is_a_script_or_one_clear_error(text: str) -> None:
    try:
        read_script(text, "day.toml")
    except FaultScriptError as error:
        assert str(error).isprintable() or "\n" in str(error)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FaultScriptError, match="No such file"):
        load_script(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(FaultScriptError, match="not UTF-8"):
        load_script(tmp_path / "latin.toml")


def test_the_example_script_can_be_read() -> None:
    script = load_script(ROOT / "docs" / "faults" / "lost-stop.toml")

    assert [entry.knob.fault for entry in script.entries] == ["ORD-03", "UPD-05", "ORD-02", "HUM-03"]
