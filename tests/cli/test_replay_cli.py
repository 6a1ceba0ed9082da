"""`strikedesk replay`: a recorded day ends in a table and the same hash twice; a bad file is one line, and no harm."""

from __future__ import annotations

import re

import pytest

HEADER = "time,symbol,open,high,low,close"
CE = "NIFTY2631724000CE"
PE = "NIFTY2631724000PE"
GOOD = [f"2026-03-11T09:{minute}:00,{leg},100,101,99,100" for minute in range(15, 30) for leg in (CE, PE)]


@pytest.mark.slow
@pytest.mark.row("OPS-32", "RTP-44")
def test_a_recorded_day_replays_to_the_same_trades_twice(home, shared, query, finished) -> None:
    tape = shared / "data" / "nifty-options-1min-2026-03-11.csv"
    if not tape.exists():
        pytest.skip("no recorded market data beside the project")
    arguments = ("replay", str(tape), "--symbol", CE)
    first = home.popen(*arguments, "--db", "real.db", env={"TZ": "UTC"})
    again = home.popen(*arguments, env={"TZ": "America/New_York"})

    ended, twin = finished(first), finished(again)

    assert (ended.code, twin.code) == (0, 0), ended.err[-2000:]
    assert ended.out == twin.out, "the same result twice, wherever the machine stands"
    minutes = {line.partition(",")[0] for line in tape.read_text().splitlines() if f",{CE}," in line}
    covered = re.search(rf"{CE}: (\d+) bars from 09:15:00 to (\S+), (\d+) hole", ended.out)
    assert covered is not None, ended.out[:500]
    assert int(covered[1]) == len(minutes)
    assert int(covered[3]) > 0, "the recorded series has holes, and the result says so"
    assert "ticks expanded from bars: open, nearer extreme" in ended.out
    trades, gross = query(home.folder / "real.db", "SELECT count(*), sum(gross_rupees) FROM trades_view")[0]
    assert trades > 10
    assert f"{trades} round trips" in ended.out
    assert f"gross {gross:+,.2f} " in ended.out
    assert re.search(r" net [+-][\d,]+\.\d\d$", ended.out, re.MULTILINE)
    style = r"^  {} +(\d+) at [+-]\d+\.\d\d on average, worst [+-]\d+\.\d\d; stops \d+ at .+, targets \d+ at .+$"
    (resting,) = re.findall(style.format("resting"), ended.out, re.MULTILINE)
    (watched,) = re.findall(style.format("monitored"), ended.out, re.MULTILINE)
    assert int(resting) > 10 and int(watched) > 10, "both styles on the same ticks (RTP-44)"
    assert query(home.folder / "real.db", "SELECT sum(net_qty <> 0) FROM positions") == [(0,)]
    assert query(home.folder / "real.db", "SELECT DISTINCT mode FROM runs") == [("PAPER REPLAY",)]
    assert not (home.state / "strikedesk.db").exists(), "a replay never writes to the live journal"


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        (["time,symbol,open,high,low"], ["line 1", "missing close"]),
        ([], ["line 1", "missing time"]),
        ([HEADER], ["no bars"]),
        ([HEADER, *GOOD, f"2026-03-11T09:40:00,{CE},100,101,9x,100"], ["line 32", "low '9x'", "rupees above zero"]),
        ([HEADER, *GOOD, f"2026-03-11T09:40:00,{CE},100,101,-9,100"], ["line 32", "low '-9'"]),
        ([HEADER, *GOOD, f"2026-03-11T09:40:00,{CE},100,99,99,100"], ["line 32", "high '99'", "highest"]),
        ([HEADER, *GOOD, f"2026-03-11T09:16:00,{CE},100,101,99,100"], ["line 32", "time", "not before the last row"]),
        ([HEADER, *GOOD, f"11/03/2026 09:40,{CE},100,101,99,100"], ["line 32", "time '11/03/2026 09:40'", "ISO"]),
        ([HEADER, *GOOD, f"2026-03-11T09:40:00,{CE},100"], ["line 32", "6 fields"]),
        ([HEADER, *GOOD, f"2026-03-11T09:40:00,{CE}\x1b[31m,1,1,1,1"], ["line 32", "symbol", "\\x1b"]),
        ([HEADER, *[row.replace("-11T", "-14T") for row in GOOD]], ["2026-03-14", "Saturday"]),
        ([HEADER, *[row for row in GOOD if CE in row]], [f"no bars of '{PE}'"]),
    ],
    ids=[
        *("column", "empty", "no_rows", "number", "negative", "high", "backwards", "date", "short", "escape"),
        *("saturday", "one_leg"),
    ],
)
def test_a_bad_tape_is_refused_by_file_and_line_and_no_journal_is_touched(home, lines, parts) -> None:
    home.write("tape.csv", "\n".join([*lines, ""]) if lines else "")
    journal = home.write("real.db", "")

    refused = home.run("replay", "tape.csv", "--symbol", CE, "--db", "real.db")

    refused.assert_refused(1, *parts)
    assert "\x1b" not in refused.err
    assert journal.read_bytes() == b""
    if "line" in parts[0]:
        assert "tape.csv" in refused.complaints[0]


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["nope.csv", "--symbol", CE], 1, ["nope.csv", "No such file"]),
        (["folder", "--symbol", CE], 1, ["folder", "Is a directory"]),
        (["bytes.csv", "--symbol", CE], 1, ["bytes.csv", "not UTF-8"]),
        (["tape.csv", "--symbol", "NIFTY 50"], 2, ["--symbol 'NIFTY 50'", "no option symbol such as"]),
        (["tape.csv", "--symbol", "NIFTY2631799000CE"], 1, ["tape.csv", "no bars of 'NIFTY2631799000", CE]),
    ],
    ids=["missing", "folder", "bytes", "index", "unknown"],
)
def test_a_tape_or_symbol_that_cannot_be_had_is_named(home, arguments, code, parts) -> None:
    (home.folder / "folder").mkdir()
    home.write("bytes.csv", bytes(range(128, 256)) * 40)
    home.write("tape.csv", "\n".join([HEADER, *GOOD, ""]))

    home.run("replay", *arguments).assert_refused(code, *parts)


def test_an_option_before_the_command_counts_as_after_it(home) -> None:
    home.write("tape.csv", "\n".join([HEADER, *GOOD, ""]))

    before = home.run("--json-log", "replay", "tape.csv", "--symbol", CE)
    after = home.run("replay", "tape.csv", "--symbol", CE, "--json-log")

    assert (before.code, after.code) == (0, 0)
    assert before.err == after.err
    assert '"event":"banner"' in after.err
