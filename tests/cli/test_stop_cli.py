"""A live desk told to stop from outside: Ctrl-C, SIGTERM, twice, by policy, and the kill switch while a bot hangs."""

from __future__ import annotations

import signal
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
LIVE = ("--no-ui", "--seed", "7", "--speed", "60", "--db", "live.db")
RESTING = "SELECT symbol, type, state FROM orders WHERE state IN ('working', 'trigger-pending') ORDER BY 1, 2"
HELD = "SELECT symbol, net_qty FROM positions WHERE net_qty <> 0 ORDER BY 1"
BOTH = [(CE, 65), (PE, 65)]


@pytest.mark.row("HRD-31", "HRD-26", "OPS-21", "OPS-22")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_flattens_and_ends_clean(home, far_exits, query, number) -> None:
    desk = home.start(*LIVE, env=far_exits)
    assert "random_scalp_live is flattened" in desk.wait_for("when it is told to stop")
    desk.wait_for("[EXITS]", times=2)

    ended = desk.end(number)

    assert ended.code == 0, ended.err[-2000:]
    account = home.folder / "live.account.db"
    assert query(account, HELD) == []
    assert query(account, RESTING) == []
    assert query(home.folder / "live.db", "SELECT DISTINCT reason FROM trades") == [("Strategy Paused",)]
    assert query(home.folder / "live.db", "SELECT exit_code FROM runs") == [(0,)]


@pytest.mark.row("HRD-31", "OPS-22")
@pytest.mark.fault("PRC-02")
def test_a_second_signal_leaves_what_is_open_under_its_resting_stop(home, far_exits, query) -> None:
    """The second desk takes over the first one's position; its broker takes 0.8 s for every call, so that the second
    signal finds the stop already on its way out."""
    first = home.start(*LIVE, env=far_exits)
    first.wait_for("[EXITS]", times=2)
    first.end(signal.SIGKILL)
    slow = {**far_exits, "STRIKEDESK_ACCOUNTS_PAPER_LATENCY_MS": "800"}
    desk = home.start("--no-ui", "--speed", "1", "--db", "live.db", env=slow)
    desk.wait_for("when it is told to stop")
    desk.tell(signal.SIGTERM)
    desk.wait_for("[LEAVE]", times=2)

    ended = desk.end(signal.SIGTERM)

    assert ended.code == 5, ended.err[-2000:]
    assert "asked again: leaving what is open under its resting stops" in ended.err
    (left,) = [line for line in ended.err.splitlines() if "left open on purpose" in line]
    account = home.folder / "live.account.db"
    held = query(account, HELD)
    assert held == BOTH, ended.err[-3000:]
    assert f"covered by resting stops: {PE} 65/65, {CE} 65/65" in left
    stops = [row for row in query(account, RESTING) if row[1] == "SL"]
    assert stops == [(CE, "SL", "trigger-pending"), (PE, "SL", "trigger-pending")]


@pytest.mark.row("OPS-21", "OPS-22")
@pytest.mark.fault("PRC-02")
def test_a_bot_that_leaves_goes_with_its_stops_resting_and_says_so(home, far_exits, query) -> None:
    desk = home.start(*LIVE, env={**far_exits, "STRIKEDESK_LEGS_ON_STOP": "leave"})
    assert "random_scalp_live keeps its resting stops" in desk.wait_for("when it is told to stop")
    desk.wait_for("[EXITS]", times=2)

    ended = desk.end(signal.SIGTERM)

    assert ended.code == 5, ended.err[-2000:]
    assert f"covered by resting stops: {PE} 65/65, {CE} 65/65" in ended.err
    account = home.folder / "live.account.db"
    assert query(account, HELD) == BOTH
    assert [row[1] for row in query(account, RESTING)] == ["LIMIT", "SL", "LIMIT", "SL"]


@pytest.mark.row("OPS-23")
def test_the_kill_switch_by_signal_flattens_and_the_desk_stays_without_entries(home, far_exits, query) -> None:
    desk = home.start(*LIVE, env=far_exits)
    desk.wait_for("[EXITS]", times=2)

    desk.tell(signal.SIGUSR1)
    desk.tell(signal.SIGUSR1)
    desk.wait_for("[EXIT]", times=2)

    desk.wait_for("[SIGNAL] expired: paused")
    assert desk.end(signal.SIGTERM).code == 0
    assert query(home.folder / "live.account.db", HELD) == []
    assert query(home.folder / "live.db", "SELECT count(*) FROM orders WHERE role = 'exit'") == [(2,)]
    assert query(home.folder / "live.db", "SELECT DISTINCT reason FROM trades") == [("Zero Out",)]


HANGS = """
import os, sys
from pathlib import Path
from engine.legs import LegsBot
inner = LegsBot.on_wake
def on_wake(self, now_ns, out):
    if Path("hang").exists():
        print("HANGING", file=sys.stderr, flush=True)
        while True:
            pass
    return inner(self, now_ns, out)
LegsBot.on_wake = on_wake
from tui.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.row("OPS-23")
@pytest.mark.fault("PRC-10")
def test_the_kill_switch_flattens_while_a_bot_hangs_for_ever(home, far_exits, query) -> None:
    desk = home.start("--no-ui", "--seed", "7", "--speed", "30", "--db", "live.db", env=far_exits, program=HANGS)
    desk.wait_for("[EXITS]", times=2)
    (home.folder / "hang").touch()
    desk.wait_for("HANGING")

    desk.tell(signal.SIGUSR1)
    told = time.monotonic()
    desk.wait_for("[EXIT] ", times=2)
    took_s = time.monotonic() - told
    ended = desk.end(signal.SIGTERM)

    # 2 s of OPS-23, a quarter of a second of the guard, and room for a machine that is busy with other tests.
    assert took_s < 6, ended.err[-3000:]
    assert "random_scalp_live did not come to a decision within 250 ms" in ended.err
    assert ended.code == 0
    account = home.folder / "live.account.db"
    assert query(account, HELD) == []
    assert query(account, RESTING) == []
    assert query(home.folder / "live.db", "SELECT DISTINCT reason FROM trades") == [("Zero Out",)]
