"""A desk of three groups as its owner runs it: an hour of the demo market, and what the journal says of each."""

from __future__ import annotations

import signal

import pytest

pytestmark = pytest.mark.xdist_group("three groups")

PE, CE = "NIFTY01DEC2624500PE", "NIFTY01DEC2624500CE"
CONFIG = """
[legs]
enable_trailing_sl = true
[groups.wide]
symbol = "NIFTY01DEC2624600PE"
lots = 2
interval = "3m"
profit_target_rupees = 6
stop_loss_rupees = 4
exit_style = "hybrid"
[groups.twin]
symbol = "NIFTY01DEC2624500PE"
interval = "10m"
profit_target_rupees = 9
stop_loss_rupees = 6
exit_style = "monitored"
"""
SPAN = ("--no-ui", "--seed", "7", "--speed", "max", "--duration", "1h", "--config", "three.toml")


@pytest.fixture(scope="module")
def runs(shared_home, finished):
    """The same hour twice, side by side."""
    shared_home.write("three.toml", CONFIG)
    both = [shared_home.popen(*SPAN, "--db", name) for name in ("three.db", "again.db")]
    return [finished(process) for process in both]


@pytest.mark.slow
@pytest.mark.row("HRD-41", "CON-43", "RTP-47")
def test_three_groups_trade_an_hour_and_the_books_of_each_are_its_own(shared_home, runs, query) -> None:
    ended, db = runs[0], shared_home.folder / "three.db"

    assert ended.code == 0, ended.err[-2000:]
    bots = {row[0] for row in query(db, "SELECT DISTINCT bot FROM trades")}
    assert bots == {"random_scalp_live", "wide", "twin"}
    assert query(db, "SELECT count(*) FROM positions WHERE net_qty <> 0") == [(0,)]
    assert query(db, "SELECT DISTINCT state FROM brackets") == [("flat",)]
    strays = "SELECT count(*) FROM orders JOIN brackets USING (bracket_id) WHERE orders.bot <> brackets.bot"
    assert query(db, strays) == [(0,)]
    shared = query(db, "SELECT bot, symbol FROM trades WHERE symbol = ? GROUP BY bot ORDER BY bot", (PE,))
    assert shared == [("random_scalp_live", PE), ("twin", PE)]
    styles = query(db, "SELECT bot, group_concat(DISTINCT style) FROM brackets GROUP BY bot ORDER BY bot")
    assert styles == [("random_scalp_live", "resting"), ("twin", "monitored"), ("wide", "hybrid")]
    ours = query(db, "SELECT sum(gross_paise) FROM trades")
    cash = query(
        db,
        "SELECT sum(CASE side WHEN 'BUY' THEN -qty * price_paise ELSE qty * price_paise END) FROM fills",
    )
    assert ours == cash, "what the groups booked is what the account's fills say"
    assert ended.err.count("[INIT] Dual-symbol mode: ") == 3


@pytest.mark.row("OPS-04")
@pytest.mark.invariant("X5")
def test_the_same_seed_gives_the_same_decisions_of_all_groups(runs) -> None:
    assert runs[0].decision_hash == runs[1].decision_hash


@pytest.mark.fault("CFG-06")
@pytest.mark.invariant("R3")
def test_a_position_of_a_group_that_is_gone_keeps_the_desk_from_starting(home, far_exits, query) -> None:
    live = ("--no-ui", "--seed", "7", "--speed", "60", "--db", "live.db", "--config", "groups.toml")
    home.write("groups.toml", '[groups.old]\nsymbol = "NIFTY01DEC2624600PE"\non_stop = "leave"\n')
    env = {**far_exits, "STRIKEDESK_LEGS_ON_STOP": "leave", "STRIKEDESK_LEGS_ENTRY_TRIGGER": "off"}
    env |= {"STRIKEDESK_GROUPS_OLD_PROFIT_TARGET_RUPEES": "5000", "STRIKEDESK_GROUPS_OLD_STOP_LOSS_RUPEES": "60"}
    env |= {"STRIKEDESK_GROUPS_OLD_INTERVAL": "30s"}
    desk = home.start(*live, env=env)
    desk.wait_for("[EXITS]", times=2)
    assert desk.end(signal.SIGTERM).code == 5

    home.write("groups.toml", "")
    plain = {name: value for name, value in env.items() if "GROUPS" not in name}
    refused = home.run(*live, "--duration", "1m", env=plain)
    refused.assert_refused(1, "still open in this journal: NIFTY01DEC2624600PE +65", "belongs to old")
    assert query(home.folder / "live.db", "SELECT DISTINCT bot FROM brackets") == [("old",)]
