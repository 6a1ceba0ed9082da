"""A desk in (hurried) real time: stopped, killed, hung up on, started twice, and gone on with from its files."""

from __future__ import annotations

import json
import signal
import sqlite3

import pytest

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
LIVE = ("--no-ui", "--seed", "7", "--speed", "60", "--db", "live.db")
BOOK = "SELECT broker_id, tag, symbol, side, type, qty, limit_paise, trigger_paise, placed_ns FROM orders ORDER BY 1"
RESTING = "SELECT symbol, type, state FROM orders WHERE state IN ('working', 'trigger-pending') ORDER BY 1, 2"
BOTH_LEGS_REST = [
    (leg, kind, state) for leg in (CE, PE) for kind, state in (("LIMIT", "working"), ("SL", "trigger-pending"))
]


@pytest.mark.row("OPS-22")
@pytest.mark.fault("PRC-02")
def test_a_desk_told_to_stop_leaves_its_protection_and_says_that_it_is_still_in_position(
    home, far_exits, query
) -> None:
    desk = home.start(*LIVE, env={**far_exits, "STRIKEDESK_LEGS_ON_STOP": "leave"})
    desk.wait_for("[EXITS]", times=2)

    ended = desk.end(signal.SIGTERM)

    assert ended.code == 5, ended.err[-2000:]
    (left,) = [line for line in ended.err.splitlines() if "left open on purpose" in line]
    assert f"{CE} +65" in left
    assert f"{PE} +65" in left
    assert "covered by resting stops: " in left
    account = home.folder / "live.account.db"
    assert query(account, RESTING) == BOTH_LEGS_REST
    book = query(account, BOOK)
    assert len(book) == 6
    assert query(home.folder / "live.db", "SELECT exit_code FROM runs") == [(5,)]
    assert ended.out.splitlines()[-1].startswith("decision hash ")
    other = home.run(*LIVE, "--duration", "1m", env={**far_exits, "STRIKEDESK_LEGS_SYMBOL": "NIFTY01DEC2624600PE"})
    other.assert_refused(1, f"still open in this journal: {PE} +65, {CE} +65", f"start with {PE} until it is closed")
    assert query(account, BOOK) == book, "a position is not left alone because the symbol was changed"


@pytest.mark.row("LEG-72", "LEG-49", "OPS-18")
@pytest.mark.fault("STO-05")
@pytest.mark.invariant("R2")
def test_a_killed_desk_goes_on_with_both_legs_without_a_new_order_and_squares_them_off(home, far_exits, query) -> None:
    account = home.folder / "live.account.db"
    env = {
        **far_exits,
        "STRIKEDESK_LEGS_SESSION_END": "09:19",
        "STRIKEDESK_LEGS_SQUARE_OFF": "09:20",
        "TZ": "America/New_York",
    }
    killed = home.start(*LIVE, env=env)
    killed.wait_for("[EXITS]", times=2)
    assert killed.end(signal.SIGKILL).code == -signal.SIGKILL
    before = query(account, BOOK)
    assert query(account, RESTING) == BOTH_LEGS_REST

    desk = home.start(*LIVE, "--duration", "4m", env=env)
    restored = desk.wait_for("broker lists")
    at_square_off = desk.wait_for("[EOD] Squaring off")
    after = desk.end()

    open_brackets = next(line for line in after.err.splitlines() if "open bracket(s) from the journal" in line)
    assert f"{PE} protected +65" in open_brackets
    assert f"{CE} protected +65" in open_brackets
    assert "6 order(s) today, 6 ours; 2 position(s) restored" in restored
    assert f"{PE} +65 covered 65/65" in restored
    assert f"{CE} +65 covered 65/65" in restored
    assert " 09:20:0" in at_square_off
    assert "[ENSURE_EXITS]" not in after.err
    assert "[CRITICAL]" not in after.err
    assert after.code == 0, after.err[-2000:]
    book = query(account, BOOK)
    assert [order for order in book if order in before] == before, "the same six orders, as they were placed"
    added = [order for order in book if order not in before]
    assert sorted((order[2], order[3]) for order in added) == [(CE, "SELL"), (PE, "SELL")]
    eod_ns = query(home.folder / "live.db", "SELECT min(at_ns) FROM events WHERE event = 'eod'")[0][0]
    assert min(order[-1] for order in added) >= eod_ns, "nothing was placed before the square-off"
    trades = query(home.folder / "live.db", "SELECT symbol, reason, order_count FROM trades ORDER BY 1")
    assert trades == [(CE, "EOD Square-Off", 4), (PE, "EOD Square-Off", 4)]
    assert query(account, "SELECT sum(net_qty <> 0) FROM positions") == [(0,)]


@pytest.mark.row("OPS-22")
@pytest.mark.fault("PRC-01")
def test_a_lost_terminal_ends_nothing_and_a_planned_run_ends_flat(home, far_exits, query) -> None:
    env = {**far_exits, "STRIKEDESK_LEGS_PROFIT_TARGET_RUPEES": "61"}
    desk = home.start("--no-ui", "--seed", "3", "--speed", "100", "--duration", "5m", "--db", "five.db", env=env)
    desk.wait_for("[EXITS]", times=2)

    desk.tell(signal.SIGHUP)
    ended = desk.end()

    assert ended.code == 0, ended.err[-2000:]
    assert "stopping: the run is over" in ended.err
    assert query(home.folder / "five.account.db", "SELECT sum(net_qty <> 0) FROM positions") == [(0,)]
    assert query(home.folder / "five.account.db", RESTING) == []
    assert query(home.folder / "five.db", "SELECT DISTINCT reason FROM trades") == [("Strategy Paused",)]


def test_a_reader_of_stderr_that_goes_away_takes_nothing_with_it(home, far_exits, query) -> None:
    """`strikedesk --no-ui 2>&1 | head`: the desk trades on and its log file tells the rest."""
    process = home.popen("--no-ui", "--seed", "7", "--speed", "100", "--duration", "4m", env=far_exits)
    assert process.stderr is not None
    told = ""
    while "broker lists" not in told:
        line = process.stderr.readline()
        assert line, f"ended at the start: {told}"
        told += line
    process.stderr.close()
    process.stderr = None

    out, _ = process.communicate(timeout=60)

    assert process.returncode == 0, "its own exit code, not the interpreter's 120"
    assert "2 round trips" in out
    assert query(home.state / "strikedesk.db", "SELECT count(*) FROM trades") == [(2,)]
    log = (home.state / "random_scalp_live.log").read_text(encoding="utf-8").splitlines()
    assert sum("[EXIT]" in line for line in log) == 2


@pytest.mark.row("OPS-20", "OPS-22")
@pytest.mark.fault("PRC-12")
@pytest.mark.invariant("R5")
def test_a_second_desk_on_the_same_account_or_journal_is_refused_and_the_first_untouched(
    home, far_exits, query, finished
) -> None:
    first = home.start("--no-ui", "--seed", "7", "--speed", "60", env={**far_exits, "STRIKEDESK_LEGS_ON_STOP": "leave"})
    first.wait_for("[EXITS]", times=2)
    book = query(home.state / "account-paper.db", BOOK)
    home.write("other.toml", '[desk]\ndb = "other.db"\n')
    again = {
        "the same files": home.popen("--no-ui", "--duration", "1s", env=far_exits),
        "the same account": home.popen("--no-ui", "--duration", "1s", "--config", "other.toml", env=far_exits),
        "the same journal": home.popen(
            "--no-ui", "--speed", "max", "--duration", "1m", "--db", str(home.state / "strikedesk.db"), env=far_exits
        ),
    }

    refused = {name: finished(process) for name, process in again.items()}

    for ended in refused.values():
        ended.assert_refused(4, f"process {first.pid} on ", "already in use", "nothing was started")
    assert "paper account" in refused["the same account"].err
    assert "journal" in refused["the same journal"].err
    assert not (home.state / "other.db").exists()
    assert first.process.poll() is None
    assert query(home.state / "account-paper.db", BOOK)[:6] == book
    assert first.end(signal.SIGINT).code == 5
    assert query(home.state / "strikedesk.db", "SELECT count(*) FROM runs") == [(1,)]
    # The kernel frees the lock with its holder: the next start goes on with both legs.
    successor = home.start("--no-ui", "--seed", "7", "--speed", "60", env=far_exits)
    assert "2 position(s) restored" in successor.wait_for("broker lists")


def test_an_account_file_held_by_another_tool_at_the_end_costs_no_traceback(home) -> None:
    desk = home.start("--no-ui", "--speed", "1", "--db", "live.db")
    desk.wait_for("broker lists")
    holder = sqlite3.connect(home.folder / "live.account.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    ended = desk.end(signal.SIGTERM)
    holder.close()

    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err


@pytest.mark.row("OPS-25", "OPS-24")
@pytest.mark.fault("SEC-08")
@pytest.mark.invariant("C3")
def test_the_log_file_and_its_json_twin_tell_the_same_and_only_their_owner_reads_them(home, far_exits) -> None:
    desk = home.start("--no-ui", "--seed", "7", "--speed", "100", "--duration", "3m", env=far_exits)
    ended = desk.end()

    assert ended.code == 0
    text = (home.state / "random_scalp_live.log").read_text(encoding="utf-8").splitlines()
    twins = [json.loads(line) for line in (home.state / "random_scalp_live.jsonl").read_text("utf-8").splitlines()]
    assert len(text) > 10
    assert [line[33:] for line in text] == [twin["text"] for twin in twins]
    assert all(twin["time"].endswith(("+00:00", "Z")) for twin in twins)
    assert ended.err.splitlines()[-len(text) :] == text, "stderr and the file tell the same"
    open_to_others = [path.name for path in home.state.iterdir() if path.stat().st_mode & 0o077]
    assert open_to_others in ([], ["account-paper.db"])
