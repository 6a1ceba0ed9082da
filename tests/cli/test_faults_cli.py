"""`--faults`: a demo whose venue misbehaves by script or by seed, says so, and gives the same day again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HALF_HOUR = ("--no-ui", "--speed", "max", "--duration", "30m", "--seed", "7")


@pytest.mark.row("HRD-05")
@pytest.mark.fault("ORD-01")
@pytest.mark.invariant("O2")
def test_a_stop_whose_reply_is_lost_is_found_by_its_tag_and_not_placed_twice(home, query) -> None:
    script = str(ROOT / "docs" / "faults" / "lost-stop.toml")
    run = home.run(*HALF_HOUR, "--faults", script, "--db", "day.db")

    assert run.code == 0, run.err[-2000:]
    assert "faults: ORD-02 1, ORD-03 1" in run.out
    db = home.folder / "day.db"
    assert query(db, "SELECT mode FROM runs") == [("PAPER DEMO, FAULTS",)]
    first = query(db, "SELECT bracket_id FROM orders WHERE role = 'stop' ORDER BY intended_ns LIMIT 1")[0][0]
    stops = query(db, f"SELECT state FROM orders WHERE role = 'stop' AND bracket_id = '{first}'")
    assert len(stops) == 1, "found, not placed again"


def test_a_seed_gives_the_same_faulty_day_again(home) -> None:
    one, two = (home.run(*HALF_HOUR, "--faults", "hostile") for _ in range(2))

    assert re.search(r"faults: [A-Z]{3}-\d\d \d", one.out), one.out
    assert one.out == two.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--no-ui", "--faults", "storm"),
            "strikedesk: --faults storm: a script file, or one of swarm, hostile; no such",
        ),
        (("--no-ui", "--faults", "bad.toml"), 'strikedesk: bad.toml: fault 1: knob = "ws.dupe": one of the '),
        (("--faults", "swarm", "where"), "strikedesk: --faults is for the paper demo, not for where"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(home, arguments, line) -> None:
    home.write("bad.toml", '[[fault]]\nknob = "ws.dupe"\n')

    run = home.run(*arguments)

    assert run.code == 2
    assert run.err.startswith(line) and len(run.err.splitlines()) == 1
