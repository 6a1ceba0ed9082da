"""A rehearsal as a user has it: a broker's venue in one process, a desk with the live configuration in another."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from engine.config.accounts import ACCOUNT_KINDS, RealAccount
from engine.config.load import load
from engine.lease import lease_path, read_lease
from engine.lease_record import Holder, Proof
from engine.order import OrderType, Role, Side
from engine.port import Acked, OrderRequest
from engine.pulse_file import pulse_path, read_pulse
from engine.single_instance import account_lock_path
from engine.tags import TagMaker
from tui.lone_session import open_lone
from tui.venue_command import PORTS

HURRIED = ("--speed", "20", "--seed", "7")
REAL = ("kite", "dhan", "openalgo", "xts")


def start_venue(home, kind: str, *more: str):
    """The process and its port."""
    venue = home.start("venue", kind, "--port", "0", *HURRIED, "--ledger", f"{kind}.json", *more)
    return venue, int(re.search(r"127\.0\.0\.1:(\d+)", venue.wait_for(f"{kind} venue on"))[1])


def config_of(kind: str, port: int, more: str = "") -> str:
    return (
        f'[desk]\nmode = "rehearsal"\nmarket = "{kind}"\n[legs]\naccount = "{kind}"\n'
        f'profit_target_rupees = 3\nstop_loss_rupees = 2\ninterval = "15s"\nsession_start = "09:15"\n'
        f'[accounts.{kind}]\nkind = "{kind}"\nrehearsal = "127.0.0.1:{port}"\n{more}'
    )


def ledger_of(home, kind: str) -> dict:
    """The venue's only account that traded."""
    accounts = json.loads((home.folder / f"{kind}.json").read_text())["accounts"]
    (account,) = [account for account in accounts if account["orders"]]
    return account


def fills_by_tag(rows) -> dict[str, tuple[int, int]]:
    """Units and their value in paise."""
    found: dict[str, tuple[int, int]] = {}
    for tag, qty, paise in rows:
        before = found.get(tag, (0, 0))
        found[tag] = (before[0] + qty, before[1] + qty * paise)
    return found


@pytest.mark.row("OPS-05", "LEG-06")
@pytest.mark.parametrize(
    "kind", ["kite", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("openalgo", "dhan", "xts"))]
)
def test_a_desk_trades_minutes_through_a_brokers_protocol_and_ends_flat(home, query, kind: str) -> None:
    venue, port = start_venue(home, kind, "--faults", "swarm", "--lost-reply", "html")
    home.write("live.toml", config_of(kind, port))
    ended = home.run("--no-ui", "--config", "live.toml", "--db", "day.db", "--duration", "3m")
    served = venue.end(signal.SIGTERM)

    assert (ended.code, served.code) == (0, 0), ended.err[-3000:] + served.err[-500:]
    ledger = ledger_of(home, kind)
    ours = [order for order in ledger["orders"] if order["tag"].startswith("SD")]
    assert max(Counter(order["tag"] for order in ours).values()) == 1, "no order was sent twice"
    assert len(ours) >= 3
    held = {row["symbol"]: row["net_qty"] for row in ledger["positions"] if row["net_qty"]}
    foreign = {trade["symbol"] for trade in ledger["trades"] if not trade["tag"].startswith("SD")}
    assert set(held) <= foreign, "flat, but for what other hands at the broker hold"
    journal = fills_by_tag(query(home.folder / "day.db", "SELECT tag, qty, price_paise FROM fills"))
    theirs = fills_by_tag((t["tag"], t["qty"], t["price_paise"]) for t in ledger["trades"] if t["tag"].startswith("SD"))
    assert journal == theirs
    assert home.run("verify", "--db", "day.db").code == 0
    assert "Traceback" not in ended.err + served.err


@pytest.mark.row("OPS-05")
@pytest.mark.slow
def test_paper_accounts_trade_on_the_prices_of_a_broker(home, query) -> None:
    venue, port = start_venue(home, "kite")
    more = '[accounts.paper]\nkind = "paper"\n'
    home.write("paper.toml", config_of("kite", port, more).replace('account = "kite"', 'account = "paper"'))
    ended = home.run("--no-ui", "--config", "paper.toml", "--db", "day.db", "--duration", "4m")
    venue.end(signal.SIGTERM)

    assert ended.code == 0, ended.err[-3000:]
    assert query(home.folder / "day.db", "SELECT count(*) >= 2 FROM fills") == [(1,)]
    accounts = json.loads((home.folder / "kite.json").read_text())["accounts"]
    assert all(not account["orders"] for account in accounts), "the broker saw no order"


@pytest.mark.row("LEG-06", "OPS-20")
def test_a_killed_desk_comes_back_to_its_orders_at_the_broker(home, far_exits, query) -> None:
    venue, port = start_venue(home, "kite")
    home.write("live.toml", config_of("kite", port))
    arguments = ("--no-ui", "--config", "live.toml", "--db", "day.db")
    env = {**far_exits, "STRIKEDESK_LEGS_ON_STOP": "leave"}
    first = home.start(*arguments, env=env)
    first.wait_for("[EXITS]", times=2)
    first.end(signal.SIGKILL)

    second = home.start(*arguments, "--duration", "2m", env=env)
    second.wait_for("position(s) restored")
    ended = second.end()
    venue.end(signal.SIGTERM)

    assert ended.code == 0, ended.err[-3000:]
    ledger = ledger_of(home, "kite")
    assert max(Counter(order["tag"] for order in ledger["orders"]).values()) == 1
    assert not any(row["net_qty"] for row in ledger["positions"])


async def rest_at_broker(config: Path, name: str, count: int) -> str:
    """`count` orders of a grid whose journal nobody has any more, and one by hand. Returns their symbol."""
    lone = await open_lone(load(config, {}).config, name)
    account, feed = lone.session.account, lone.session.feed
    await account.connect()
    symbol = next(row.symbol for row in await feed.instruments() if row.short_name == "24500PE")
    price = (await feed.quote(symbol)).bid_paise * 9 // 10 // 5 * 5
    tags = TagMaker(7)
    for number, tag in enumerate([*(tags.next_tag(Role.ENTRY) for _ in range(count)), "BYHAND1"]):
        request = OrderRequest(
            tag=tag, symbol=symbol, exchange="NFO", product="MIS", side=Side.BUY, type=OrderType.LIMIT, qty=65,
            limit_paise=price - 5 * number, trigger_paise=0,
        )  # fmt: skip
        answer = await account.place(request)
        assert isinstance(answer, Acked), answer
    await lone.session.close()
    return symbol


def working_at(home, kind: str) -> list[str]:
    return sorted(order["tag"] for order in ledger_of(home, kind)["orders"] if order["state"] == "working")


def cancelled_at(home, kind: str, count: int):
    """(what `--cancel-all` said of `count` such orders, their symbol)."""
    venue, port = start_venue(home, kind)
    config = home.write("live.toml", config_of(kind, port))
    symbol = asyncio.run(rest_at_broker(config, kind, count))
    ended = home.run("grid", "--config", "live.toml", "--bot-name", "G", "--cancel-all", "--token-a", symbol)
    venue.end(signal.SIGTERM)
    return ended, symbol


@pytest.mark.row("OPS-09")
def test_a_grids_orders_at_a_broker_are_cancelled_by_their_tags_without_a_journal(home) -> None:
    ended, _ = cancelled_at(home, "kite", 2)

    assert ended.code == 0, ended.out + ended.err
    assert "2 of 2 orders ended in 1 account(s)" in ended.out
    assert working_at(home, "kite") == ["BYHAND1"]


@pytest.mark.row("OPS-09")
def test_where_a_broker_carries_no_tags_nothing_is_cancelled_on_a_guess(home) -> None:
    ended, symbol = cancelled_at(home, "openalgo", 1)

    assert ended.code == 5 and "carries no tags" in ended.out, ended.out + ended.err
    assert ended.out.count(f"BUY 65 {symbol}") == 2 and len(working_at(home, "openalgo")) == 2


@pytest.mark.row("OPS-20")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kite", "dhan", "openalgo", "xts"])
def test_a_killed_desk_at_a_broker_is_flattened_by_its_guardian(home, far_exits, kind: str) -> None:
    venue, port = start_venue(home, kind)
    guard = '[guardian]\nsilence_seconds = 3\nact = "flatten"\n'
    home.write("live.toml", config_of(kind, port, guard))
    desk = home.start("--no-ui", "--config", "live.toml", env=far_exits)
    guardian = home.start("guardian", "--config", "live.toml")
    desk.wait_for("[EXITS]", times=2)
    lock = account_lock_path(home.state, f"{kind} {kind}")
    until_beat(lock, 130)

    desk.end(signal.SIGKILL)
    guardian.wait_for("[GUARDIAN] flat: nothing of this desk is open at the broker any more")
    assert guardian.end().code == 0
    found = read_lease(lease_path(lock))
    assert found is not None and (found.holder, found.proof) == (Holder.GUARDIAN, Proof.FLAT)
    venue.end(signal.SIGTERM)

    ledger = ledger_of(home, kind)
    assert not any(row["net_qty"] for row in ledger["positions"])
    assert not [order for order in ledger["orders"] if order["state"] in ("working", "trigger-pending")]


def until_beat(lock: Path, open_qty: int) -> None:
    """Poll: the process is another's."""
    give_up = time.monotonic() + 60
    while (pulse := read_pulse(pulse_path(lock))) is None or pulse.stakes.open_qty != open_qty:
        assert time.monotonic() < give_up, f"never a beat with {open_qty} units open"
        time.sleep(0.05)


def test_a_venue_that_is_not_there_is_named_with_the_command_that_starts_it(home) -> None:
    home.write("live.toml", config_of("kite", 1))
    refused = home.run("--no-ui", "--config", "live.toml")

    refused.assert_refused(1, "accounts.kite: no venue at 127.0.0.1:1", "strikedesk venue kite --port 1")


def test_options_of_the_demo_market_are_refused_in_a_rehearsal(home) -> None:
    home.write("live.toml", config_of("kite", 1))
    for option in (("--speed", "20"), ("--speed", "max"), ("--faults", "swarm")):
        home.run("--no-ui", "--config", "live.toml", *option).assert_refused(2, option[0])


def test_every_kind_has_its_port_where_a_desk_looks_for_it() -> None:
    kinds = {kind: table for kind, table in ACCOUNT_KINDS.items() if issubclass(table, RealAccount)}

    assert {kind: table.rehearsal_port for kind, table in kinds.items()} == {k: PORTS[k] for k in REAL}


def test_a_doctor_finds_a_venue_and_says_what_to_do_where_there_is_none(home) -> None:
    venue, port = start_venue(home, "kite")
    home.write("live.toml", config_of("kite", port))
    home.write("none.toml", config_of("kite", 1))
    well = home.run("doctor", "--config", "live.toml")
    ill = home.run("doctor", "--config", "none.toml")
    venue.end(signal.SIGTERM)

    assert well.code == 0, well.out + well.err
    assert "kite: logged in" in well.out and "capabilities" in well.out
    assert ill.code == 1 and "strikedesk venue kite --port 1" in ill.out
    assert "Traceback" not in well.err + ill.err


@pytest.mark.row("OPS-12")
def test_a_login_stores_the_days_token_where_only_its_owner_reads_it_and_shows_it_nowhere(home) -> None:
    venue, port = start_venue(home, "kite")
    addresses = f'api_url = "http://127.0.0.1:{port}"\nws_url = "ws://127.0.0.1:{port}"\n'
    home.write("kite.toml", f'[accounts.kite]\nkind = "kite"\n{addresses}')
    home.settings.joinpath("secrets.env").write_text("# mine\nKITE_ACCESS_TOKEN=yesterday\nOTHER=kept\n")
    home.settings.joinpath("secrets.env").chmod(0o600)
    env = {"KITE_API_KEY": "rehearsal-canary-key", "KITE_API_SECRET": "rehearsal"}
    pasted = "https://my.app/?action=login&status=success&request_token=rehearsalcanarytoken\n"
    arguments = ("login", "kite", "--config", "kite.toml")
    done = home.run(*arguments, env=env, typed=pasted)
    again = home.run(*arguments, env=env, typed=pasted)
    nothing = home.run(*arguments, env=env, typed="\n\n\n")
    missing = home.run(*arguments)
    venue.end(signal.SIGTERM)

    assert done.code == 0, done.err
    stored = (home.settings / "secrets.env").read_text().splitlines()
    assert stored[:2] == ["# mine", "OTHER=kept"] and len(stored) == 3
    name, _, token = stored[2].partition("=")
    assert name == "KITE_ACCESS_TOKEN" and len(token) >= 16 and token not in done.out + done.err
    assert (home.settings / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert again.code == 1 and "Kite refused the login" in again.err, "a request token works once"
    assert nothing.code == 1 and "nothing usable was given" in nothing.err
    missing.assert_refused(1, "Please set KITE_API_KEY")
    assert "Traceback" not in done.err + again.err + nothing.err


GRID = """
[[grid]]
bot_name = "pairs"
trade_type = "gridocots"
token_a_symbol = "IRFC"
token_b_symbol = "SBIN"
steps = 5
spread = 0.06
target_spread = 0.05
oco_spread = 0.05
token_a_quantity = 100
token_b_quantity = 50
entry_price = 50.00
accounts = { trade = "trade", upside_oco = "up", downside_oco = "down" }
"""


@pytest.mark.row("GRD-38", "GRD-54", "GRD-50", "OPS-05")
@pytest.mark.slow
def test_a_grid_trades_on_three_xts_sessions_with_the_prices_of_kite(home, query) -> None:
    venue = home.start("venue", "kite", "xts", "--port", "0", *HURRIED, "--ledger", "both.json")
    kite, xts = (
        int(re.search(r"127\.0\.0\.1:(\d+)", venue.wait_for(f"{kind} venue on"))[1]) for kind in ("kite", "xts")
    )
    accounts = "".join(
        f'[accounts.{name}]\nkind = "xts"\nrehearsal = "127.0.0.1:{xts}"\n'
        f'trade_key_name = "XTS_{name.upper()}_KEY"\ntrade_secret_name = "XTS_{name.upper()}_SECRET"\n'
        for name in ("trade", "up", "down")
    )
    feed = (
        f'[desk]\nmode = "rehearsal"\nmarket = "kite"\n[accounts.kite]\nkind = "kite"\nrehearsal = "127.0.0.1:{kite}"\n'
    )
    home.write("grid.toml", feed + accounts + GRID)
    ended = home.run("--no-ui", "--config", "grid.toml", "--db", "day.db", "--duration", "4m")
    served = venue.end(signal.SIGTERM)

    assert (ended.code, served.code) == (0, 0), ended.err[-3000:] + served.err[-500:]
    ledger = [
        account for account in json.loads((home.folder / "both.json").read_text())["accounts"] if account["orders"]
    ]
    tags = Counter(order["tag"] for account in ledger for order in account["orders"])
    assert len(tags) >= 4 and max(tags.values()) == 1, "no order was sent twice"
    roles = {order["symbol"] for account in ledger for order in account["orders"] if order["tag"].endswith("H")}
    assert roles <= {"SBIN"}, "hedges are on token B"
    assert all(row["net_qty"] == 0 for account in ledger for row in account["positions"])
    journal = fills_by_tag(query(home.folder / "day.db", "SELECT tag, qty, price_paise FROM fills"))
    assert journal == fills_by_tag((t["tag"], t["qty"], t["price_paise"]) for a in ledger for t in a["trades"])
    assert "Traceback" not in ended.err + served.err


@pytest.mark.row("OPS-12")
@pytest.mark.fault("SEC-07")
@pytest.mark.parametrize(
    ("kind", "addresses", "names"),
    [
        ("kite", 'api_url = "http://{at}"\nws_url = "ws://{at}"\n', ("KITE_API_KEY", "KITE_ACCESS_TOKEN")),
        ("openalgo", 'host = "http://{at}"\nws_url = "ws://{at}/ws"\n', ("OPENALGO_API_KEY",)),
    ],
)
def test_no_secret_is_left_anywhere_by_a_session_that_breaks(home, kind: str, addresses: str, names) -> None:
    venue, port = start_venue(home, kind)
    table = f'[accounts.{kind}]\nkind = "{kind}"\n' + addresses.format(at=f"127.0.0.1:{port}")
    home.write("paper.toml", f'[desk]\nmarket = "{kind}"\n{table}')
    env = {name: f"rehearsal-canary-{number}-4711" for number, name in enumerate(names)}
    desk = home.start("--no-ui", "--config", "paper.toml", "--db", "day.db", env=env)
    desk.wait_for("started")
    venue.end(signal.SIGKILL)
    desk.wait_for("no prices from")
    ended = desk.end(signal.SIGTERM)
    dead = home.run("doctor", "--config", "paper.toml", env=env)
    wrong = home.run("--no-ui", "--config", "paper.toml", env=env | {names[0]: "canary-wrong-4711"})

    assert dead.code == 1 and wrong.code == 1
    said = "".join(run.out + run.err for run in (ended, dead, wrong))
    left = [path for path in home.folder.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]
    assert left == [] and "canary" not in said
    assert "Traceback" not in said
