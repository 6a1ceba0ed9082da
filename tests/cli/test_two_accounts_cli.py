"""One desk on two paper accounts, as its owner runs it: files, locks and books of each, here or at a venue."""

from __future__ import annotations

import json
import re
import signal

import pytest

PE = "NIFTY01DEC2624500PE"
CONFIG = """
[accounts.hedge]
kind = "paper"
[legs]
symbol = "NIFTY01DEC2624500PE"
[groups.far]
account = "hedge"
interval = "30s"
profit_target_rupees = 5000
stop_loss_rupees = 60
on_stop = "leave"
"""
BY_BOT = "SELECT bot, group_concat(DISTINCT account) FROM orders GROUP BY bot ORDER BY bot"
ENTRIES_OFF = {"STRIKEDESK_LEGS_ON_STOP": "leave", "STRIKEDESK_LEGS_INTERVAL": "30s"}


@pytest.mark.row("GRD-38")
def test_an_hour_on_two_accounts_keeps_two_sets_of_books_and_verifies(home, query) -> None:
    home.write("two.toml", CONFIG.replace("5000", "6").replace('"30s"', '"3m"').replace("= 60", "= 4"))
    arguments = ("--seed", "7", "--speed", "max", "--duration", "1h", "--config", "two.toml", "--db", "two.db")
    ended = home.run("--no-ui", *arguments)

    assert ended.code == 0, ended.err[-2000:]
    db = home.folder / "two.db"
    assert query(db, BY_BOT) == [("far", "SIM7N1-hedge"), ("random_scalp_live", "SIM7N1")]
    assert query(db, "SELECT count(*) > 10 FROM trades GROUP BY account") == [(1,), (1,)]
    assert query(db, "SELECT account, net_qty FROM positions WHERE symbol = ? ORDER BY 1", (PE,)) == [
        ("SIM7N1", 0),
        ("SIM7N1-hedge", 0),
    ]
    crossed = "SELECT count(*) FROM orders JOIN brackets USING (bracket_id) WHERE orders.account <> brackets.account"
    assert query(db, crossed) == [(0,)]
    assert home.run("verify", "--db", "two.db").code == 0


@pytest.mark.slow
@pytest.mark.row("OPS-20", "GRD-38")
def test_each_account_has_its_file_lock_and_lease_and_a_group_does_not_move_away_from_its_position(
    home, far_exits, query
) -> None:
    home.write("two.toml", CONFIG)
    arguments = ("--no-ui", "--seed", "7", "--speed", "60", "--config", "two.toml", "--db", "two.db")
    desk = home.start(*arguments, env={**far_exits, **ENTRIES_OFF})
    desk.wait_for("[EXITS]", times=3)
    locks = sorted(path.suffix for path in home.folder.glob("account-*") if path.suffix in (".lock", ".lease"))
    assert locks == [".lease", ".lease", ".lock", ".lock"]
    health = json.loads(home.run("health", "--config", "two.toml", "--db", "two.db", "--json").out)
    ids = [account["account"] for account in health["accounts"]]
    assert len(set(ids)) == 2 and health["account"] == ids[0]
    assert [account["recovered"] for account in health["accounts"]] == [True, True]

    assert desk.end(signal.SIGTERM).code == 5

    kept = "SELECT sum(net_qty) FROM positions"
    main, hedge = (home.folder / name for name in ("two.account.db", "two.hedge.account.db"))
    assert query(main, kept)[0][0] > 0 and query(hedge, kept)[0][0] > 0

    text = CONFIG.replace('account = "hedge"', 'account = "paper"') + '[groups.more]\naccount = "hedge"\n'
    home.write("moved.toml", text)
    refused = home.run(*arguments, "--config", "moved.toml", env={**far_exits, **ENTRIES_OFF})
    refused.assert_refused(1, "of far in account hedge", 'start with account = "hedge" for it until it is closed')

    home.write("gone.toml", '[legs]\nentry_trigger = "off"\n')
    gone = home.run(*arguments, "--config", "gone.toml", "--duration", "2m", env={**far_exits, **ENTRIES_OFF})
    assert re.search(r"in accounts that this desk does not trade.*: NIFTY\S+ \+65 of far in ", gone.err)


@pytest.mark.row("GRD-38")
@pytest.mark.invariant("R5")
def test_two_accounts_of_one_venue_survive_a_killed_desk(home, far_exits, query) -> None:
    venue = home.start("venue", "paper", "--port", "0", "--speed", "60", "--seed", "7", "--ledger", "day.json")
    port = int(re.search(r"127\.0\.0\.1:(\d+)", venue.wait_for("paper venue on"))[1])
    there = f'[accounts.paper]\nkind = "paper"\nvenue = "127.0.0.1:{port}"\n'
    home.write("two.toml", there + CONFIG.replace('kind = "paper"', f'kind = "paper"\nvenue = "127.0.0.1:{port}"'))
    arguments = ("--no-ui", "--config", "two.toml", "--db", "two.db")
    env = {**far_exits, **ENTRIES_OFF}
    first = home.start(*arguments, env=env)
    first.wait_for("[EXITS]", times=3)
    home.write("one.toml", there.replace("accounts.paper", "accounts.hedge") + '[legs]\naccount = "hedge"\n')
    other = home.run("--no-ui", "--config", "one.toml", "--db", "one.db")
    other.assert_refused(4, "already in use", "paper account hedge at 127.0.0.1:")
    first.end(signal.SIGKILL)

    second = home.start(*arguments, "--duration", "2m", env=env)
    second.wait_for("position(s) restored", times=2)
    ended = second.end()
    served = venue.end(signal.SIGTERM)

    assert (ended.code, served.code) == (0, 0), ended.err[-2000:]
    ledger = json.loads((home.folder / "day.json").read_text())
    accounts = {account["name"]: account for account in ledger["accounts"]}
    assert set(accounts) == {"paper", "hedge"}
    for account in accounts.values():
        fills = "SELECT trade_id, tag, side, qty, price_paise FROM fills WHERE account = ? ORDER BY 1"
        ours = query(home.folder / "two.db", fills, (account["account_id"],))
        theirs = [(t["trade_id"], t["tag"], t["side"], t["qty"], t["price_paise"]) for t in account["trades"]]
        assert ours == sorted(theirs) and ours
        assert {row["net_qty"] for row in account["positions"]} == {0}
    assert home.run("verify", "--db", "two.db").code == 0


@pytest.mark.row("OPS-20")
def test_every_account_has_its_own_guardian_and_a_release_means_all(home) -> None:
    home.write("two.toml", CONFIG.replace('"leave"', '"flatten"') + "[guardian]\nenabled = true\n")
    files = ("--config", "two.toml", "--db", "two.db")
    desk = home.start("--no-ui", "--seed", "7", *files)
    desk.wait_for("broker lists", times=2)
    second = home.run("guardian", *files, "--account", "hedge")
    ended = desk.end(signal.SIGTERM)

    assert ended.code == 0, ended.err[-2000:]
    assert second.code == 4 and "the guardian of account hedge" in second.err
    assert len(list(home.folder.glob("account-*.guardian.log"))) == 2

    tries = (home.run("guardian", *files, "--release") for _ in range(40))
    released = next(ended for ended in tries if ended.code != 4)  # both guardians have seen the end of the desk
    assert released.code == 0, released.err
    nothing = "no guardian has taken this account: nothing to release"
    assert released.out.splitlines() == [f"paper: {nothing}", f"hedge: {nothing}"]
    stranger = home.run("guardian", *files, "--account", "nobody")
    stranger.assert_refused(2, "--account nobody: this desk trades paper, hedge")
