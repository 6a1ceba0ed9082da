"""`strikedesk simulate`: what it prints, how it ends, and what it says to a slip of the keyboard."""

from __future__ import annotations

import re

import pytest

import tui.simulation.days as days
from tui.cli import main
from tui.simulation.day import run_day
from tui.simulation.oracle import Violation

BRIEF = ["simulate", "exits", "--until", "09:17:00", "--jobs", "1"]


def test_one_line_per_seed_and_a_summary_and_zero_for_no_violation(capsys):
    code = main([*BRIEF, "--seeds", "1..2", "--profile", "calm"])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[0].split()[:2] == ["seed", "trips"]
    assert [line.split()[0] for line in lines[1:3]] == ["1", "2"]
    assert all(re.search(r"[0-9a-f]{12}  ok$", line) for line in lines[1:3])
    assert lines[-1] == "0 violations"


def test_the_summary_names_faults_that_struck_and_those_that_never_did(capsys):
    main([*BRIEF, "--seeds", "1"])

    out = capsys.readouterr().out
    assert "faults fired: " in out
    assert re.search(r"faults never fired: .*[A-Z]{3}-\d\d", out)


def test_a_violation_prints_the_story_and_the_command_that_replays_it_and_ends_with_one(capsys, monkeypatch):
    def broken(plan):
        result = run_day(plan)
        violation = Violation(
            invariant="E1",
            at_ns=1_795_582_200_123_000_000,
            subject="B1",
            text="exits of 130 over 65",
            tail=("09:16:00.000 sent place",),
        )
        return type(result)(
            **{
                **{name: getattr(result, name) for name in result.__struct_fields__},
                "violations": (violation,),
                "broken": {"E1": 1},
            }
        )

    monkeypatch.setattr(days, "run_day", broken)

    code = main([*BRIEF, "--seeds", "7..7", "--profile", "hostile"])

    out = capsys.readouterr().out
    assert code == 1
    assert "BROKEN E1 x1" in out
    assert "    09:16:00.000 sent place" in out
    replay = re.search(r"replay: strikedesk (simulate exits .*)", out)
    assert replay is not None
    assert replay[1].startswith("simulate exits --seeds 7..7 --profile hostile --until ")
    assert replay[1].endswith("--verbose")
    assert "BROKEN: 1 of 1 days (E1 in 1); seeds 7" in out


def test_the_replay_tells_the_day_event_by_event_on_stderr(capsys):
    code = main(["simulate", "exits", "--seeds", "3", "--profile", "calm", "--until", "09:26:00.000", "--verbose"])

    told = capsys.readouterr()
    assert code == 0
    assert " sent " in told.err
    assert " sent " not in told.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seeds", "9..3"], "'9..3': two whole numbers like 1..200"),
        (["--seeds", "x"], "'x': two whole numbers"),
        (["--jobs", "0"], "'0': a whole number from 1"),
        (["--until", "25:00"], "'25:00': a time of day like 10:42:07.318"),
        (["--until", "soon"], "'soon': a time of day"),
        (["--profile", "kind"], "invalid choice: 'kind'"),
    ],
)
def test_a_slip_gets_one_clear_line(capsys, arguments, says):
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "exits", *arguments])

    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_ctrl_c_ends_it_in_one_line(capsys, monkeypatch):
    def interrupted(plan):
        raise KeyboardInterrupt

    monkeypatch.setattr(days, "run_day", interrupted)

    code = main([*BRIEF, "--seeds", "1..3"])

    told = capsys.readouterr().err
    assert code == 130
    assert told == "strikedesk: stopped after 0 of 3 days\n"
    assert "Traceback" not in told


@pytest.mark.parametrize("option", ["--keys", "--kills"])
def test_a_number_that_the_seed_does_not_draw_is_one_line_and_no_verdict(option, capsys):
    code = main(["simulate", "--seeds", "2", option, "9999", "--until", "09:16:00"])

    told = capsys.readouterr()
    assert code == 2
    assert f"{option} 9999: this seed has " in told.err
    assert "Traceback" not in told.err
    assert "BROKEN" not in told.out
