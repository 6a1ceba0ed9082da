"""`strikedesk grid`: the seed's five command lines, the layout without network or keys, and cancelling everything."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from brokers.paper.books_file import BooksFile
from brokers.paper.exchange import PaperExchange
from brokers.paper.remote_account import RemotePaperAccount
from brokers.paper.remote_link import VenueLink
from brokers.paper.remote_market import RemotePaperMarket
from brokers.paper.rules import PaperRules
from engine.config.errors import ConfigError
from engine.config.load import load
from engine.grid.state_file import GridRecord, import_text
from engine.grid.terms import GridAccounts, GridKind, GridTerms, TradeType
from engine.instrument import Instrument, Segment
from engine.order import OrderState, OrderType, Role, Side
from engine.port import Acked, OrderRequest
from engine.single_instance import InstanceLock, account_lock_path
from engine.tags import TagMaker
from tui.cli import argument_parser, main
from tui.grid_command import read_state, write_state
from tui.grid_options import GridRequest, read_request

FULL = """--bot-name "IRFC-SBIN Grid" --trade-type gridocots --token-a IRFC --token-b SBIN
    --entry-price 50.00 --steps 5 --spread 1.0 --target-spread 0.50 --oco-spread 2.0 --qty-a 100 --qty-b 50
    --trade-key KEY --trade-secret SECRET --upside-oco-key KEY2 --upside-oco-secret SECRET2
    --downside-oco-key KEY3 --downside-oco-secret SECRET3"""
BUY_ONLY = """--bot-name "IRFC Buy Grid" --trade-type buyts --token-a IRFC --entry-price 50.00
    --steps 5 --spread 0.50 --target-spread 0.25 --qty-a 100 --trade-key KEY --trade-secret SECRET"""
AUTO = """--bot-name "IRFC Grid" --trade-type buyts --auto-entry --token-a IRFC --steps 5 --spread 0.50
    --target-spread 0.25 --qty-a 100 --trade-key KEY --trade-secret SECRET"""
DRY = """--bot-name "Test" --trade-type gridocots --token-a IRFC --token-b SBIN --entry-price 50.00 --steps 5
    --spread 1.0 --target-spread 0.50 --oco-spread 2.0 --qty-a 100 --qty-b 50 --dry-run"""
CANCEL = """--bot-name "IRFC-SBIN Grid" --cancel-all --token-a IRFC --trade-key KEY --trade-secret SECRET
    --upside-oco-key KEY2 --upside-oco-secret SECRET2 --downside-oco-key KEY3 --downside-oco-secret SECRET3"""
"""Seed 003 §19, module name aside."""
ROLES = GridAccounts(trade="paper", upside_oco="upside_oco", downside_oco="downside_oco")
SAMPLES = {
    FULL: GridTerms(
        bot="IRFC-SBIN Grid",
        accounts=ROLES,
        token_a="IRFC",
        token_b="SBIN",
        entry_paise=5000,
        target_spread_paise=50,
        oco_spread_paise=200,
        qty_a=100,
        qty_b=50,
    ),
    BUY_ONLY: GridTerms(
        bot="IRFC Buy Grid",
        accounts=GridAccounts(trade="paper"),
        trade_type=TradeType.BUY,
        token_a="IRFC",
        entry_paise=5000,
        spread_paise=50,
        target_spread_paise=25,
        qty_a=100,
    ),
}
IRFC = Instrument(symbol="IRFC", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=1)
SBIN = Instrument(symbol="SBIN", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)
LIVE = """
[desk]
mode = "live"
max_lots = 1
market = "broker"
[risk]
max_day_loss_rupees = 1000
[legs]
account = "broker"
[accounts.broker]
kind = "xts"
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """run(line) -> exit code, stdout, stderr of `strikedesk grid LINE`."""

    def call(line: str) -> tuple[int, str, str]:
        code = main(["grid", *shlex.split(line)])
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return call


def request_of(line: str, config: Path | None = None) -> GridRequest:
    arguments = argument_parser().parse_args(["grid", *shlex.split(line)])
    env = {"HOME": "/nowhere"} if config is None else {}
    return read_request(arguments, load(config, env))


# --- the command lines of the seed ------------------------------------------------------------------------------------


@pytest.mark.row("OPS-06", "GRD-62")
@pytest.mark.parametrize("line", SAMPLES)
def test_the_seeds_command_lines_ask_for_the_grid_they_say(folder: Path, line: str) -> None:
    terms = request_of(line).terms

    assert terms == SAMPLES[line]


@pytest.mark.row("OPS-06", "OPS-08")
def test_auto_entry_leaves_the_centre_to_the_first_price(folder: Path) -> None:
    assert request_of(AUTO).terms.entry_paise == 0
    assert request_of(AUTO).terms.bot == "IRFC Grid"


@pytest.mark.row("OPS-06", "OPS-09", "GRD-62")
def test_cancelling_needs_a_name_token_a_and_the_accounts_only(folder: Path, run: Run) -> None:
    request = request_of(CANCEL)
    assert request.terms.accounts.all == ("paper", "upside_oco", "downside_oco")

    code, out, err = run('--cancel-all --bot-name "G"')
    assert (code, out) == (2, "")
    assert "--token-a: missing" in err
    assert err.count("strikedesk: --") == 1


@pytest.mark.row("GRD-08", "OPS-07", "OPS-10", "GRD-02")
def test_a_dry_run_prints_the_ten_prices_and_the_totals(run: Run) -> None:
    code, out, _ = run(DRY)

    assert code == 0
    assert "Max Quantity : 500" in out
    assert "Same account : no" in out
    rows = [line.split() for line in out.splitlines() if " BUY " in line[:16] or " SELL " in line[:16]]
    levels = [(row[1], row[3], row[4]) for row in rows if row[0].isdigit()]
    sells = [("SELL", f"{50 + i}.00", f"{49 + i}.50") for i in (5, 4, 3, 2, 1)]
    buys = [("BUY", f"{50 - i}.00", f"{50 - i}.50") for i in (1, 2, 3, 4, 5)]
    assert levels == sells + buys
    hedges = {(row[1], " ".join(row[6:9]), row[9]) for row in rows if row[0].isdigit()}
    assert hedges == {("SELL", "BUY 50 SBIN", "upside_oco"), ("BUY", "SELL 50 SBIN", "downside_oco")}


@pytest.mark.row("OPS-10", "OPS-08")
def test_a_dry_run_with_auto_entry_says_that_the_centre_is_not_known_yet(run: Run) -> None:
    code, out, _ = run(f"{AUTO} --dry-run")

    assert code == 0
    assert "only known when it runs" in out
    assert "-0.50" in out
    assert "+0.50" not in out, "a BUY-only grid"


@pytest.mark.row("GRD-64", "GRD-08", "GRD-67")
def test_a_dry_run_of_a_geometric_grid_shows_its_levels_and_warnings(run: Run) -> None:
    code, out, _ = run("--bot-name geo --grid-kind geometric --token-a IRFC --entry-price 50 --dry-run")

    assert code == 0
    for price in ("49.99", "49.97", "49.93", "49.85", "50.15"):
        assert price in out
    assert "none (geometric)" in out
    assert "note:" not in out
    assert request_of("--bot-name g --grid-kind geometric --token-a IRFC --entry-price 50").terms.kind is (
        GridKind.GEOMETRIC
    )


@pytest.mark.row("OPS-07", "GRD-08", "OPS-12")
def test_a_dry_run_opens_no_socket_and_loads_neither_textual_nor_httpx(home) -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a socket')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "from tui.cli import main\n"
        "code = main(['grid', *sys.argv[1:]])\n"
        "loaded = [name for name in ('textual', 'httpx', 'websockets', 'sqlite3') if name in sys.modules]\n"
        "assert not loaded, loaded\n"
        "sys.exit(code)\n"
    )

    ended = home.run(*shlex.split(FULL.replace("\n", " ")), "--dry-run", program=program)

    assert ended.code == 0, ended.err
    assert "Max Quantity : 500" in ended.out


# --- accounts and secrets ---------------------------------------------------------------------------------------------


@pytest.mark.row("OPS-12")
def test_keys_on_the_line_are_warned_about_and_shown_nowhere(run: Run) -> None:
    line = FULL.replace("SECRET", "canary-secret-").replace("KEY", "canary-key-")

    code, out, err = run(f"{line} --dry-run")

    assert code == 0
    assert err.count("stand on the command line") == 3
    assert "canary" not in out + err
    assert "canary" not in run(line)[2]


@pytest.mark.row("OPS-06", "OPS-12", "GRD-38")
def test_in_live_mode_keys_make_accounts_and_stay_in_memory(folder: Path) -> None:
    config = folder / "live.toml"
    config.write_text(LIVE, encoding="utf-8")

    request = request_of(f"{FULL} --xts-root my.server", config)

    assert request.terms.accounts.all == ("trade", "upside_oco", "downside_oco")
    account = request.config.accounts["upside_oco"]
    assert account.login == ("UPSIDE_OCO_KEY", "UPSIDE_OCO_SECRET")
    assert account.root == "https://my.server"
    assert request.secrets["UPSIDE_OCO_SECRET"].reveal() == "SECRET2"
    assert "SECRET2" not in repr(request.__dict__) + repr(request.config)


@pytest.mark.row("GRD-39")
def test_the_same_key_for_both_hedges_is_one_account_and_another_secret_is_refused(folder: Path) -> None:
    same = FULL.replace("KEY3", "KEY2").replace("SECRET3", "SECRET2")
    accounts = request_of(same).terms.accounts
    assert accounts.is_same_oco
    assert len(accounts.all) == 2

    with pytest.raises(ConfigError) as refused:
        request_of(FULL.replace("KEY3", "KEY2"))
    assert refused.value.faults == ("--downside-oco-secret: not that of --upside-oco-key, the same",)
    with pytest.raises(ConfigError, match="--trade-secret: missing"):
        request_of(BUY_ONLY.replace("--trade-secret SECRET", ""))


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.row("GRD-62", "GRD-09", "GRD-10")
@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("--steps 5", "--steps 0", '--steps = "0": must be a whole number from 1 to 500'),
        ("--spread 1.0", "--spread -1", '--spread = "-1": must be a number from 0.01'),
        ("--target-spread 0.50", "--target-spread 1.0", "--target-spread = 1.00: the targets of BUY level 1"),
        ("--token-b SBIN", "", "--token-b: missing"),
        ("--token-b SBIN", "--token-b IRFC", '--token-b = "IRFC": is token A itself'),
        ("--oco-spread 2.0", "--oco-spread 0", "--oco-spread = 0.00: "),
        ("--qty-a 100", "", "--qty-a = 0"),
        ("--trade-type gridocots", "--trade-type gridoco", "did you mean gridocots?"),
        ("--bot-name Test", "--bot-name random_scalp_live", "is the name of another bot"),
        ("--entry-price 50.00", "", "--entry-price: missing"),
        ("--entry-price 50.00", "--entry-price 4", "--spread = 1.00: the entry of BUY level 4 would stand at 0.00"),
    ],
)
def test_each_mistake_on_the_line_is_one_line_with_its_option(run: Run, old: str, new: str, fault: str) -> None:
    line = " ".join(DRY.split()).replace('"Test"', "Test")
    assert old in line

    code, out, err = run(line.replace(old, new))

    assert (code, out) == (2, "")
    assert [said for said in err.splitlines() if "note:" not in said and fault in said], err


def test_the_default_target_of_the_line_is_half_a_rupee(folder: Path) -> None:
    terms = request_of("--bot-name g --token-a IRFC --trade-type buyts --entry-price 50 --qty-a 1").terms
    assert terms.target_spread_paise == 50


@pytest.mark.row("OPS-06", "GRD-70")
def test_options_count_before_the_grid_of_the_file_with_the_same_name(folder: Path) -> None:
    config = folder / "config.toml"
    config.write_text(
        '[[grid]]\nbot_name = "one"\ntrade_type = "buyts"\ntoken_a_symbol = "IRFC"\ntoken_a_quantity = 7\n'
        "entry_price = 40\nsteps = 3\n",
        encoding="utf-8",
    )

    request = request_of("--bot-name one --steps 4 --no-reenter --log-level WARNING", config)

    assert (request.terms.steps, request.terms.qty_a, request.terms.entry_paise) == (4, 7, 4000)
    assert request.terms.target_spread_paise == 100, "the file's default, not the line's"
    assert not request.terms.auto_reenter
    assert request.config.desk.log_level == "WARN"
    assert [grid.steps for grid in request.config.grids] == [4]
    assert request_of("--steps 4", config).terms.bot == "one", "the only one there is"


def test_a_grid_with_its_screen_is_refused_in_one_line_without_a_terminal(run: Run) -> None:
    code, out, err = run(FULL)

    assert (code, out) == (2, "")
    assert "the console needs a terminal" in err


# --- the state file ---------------------------------------------------------------------------------------------------


def record(**values: object) -> GridRecord:
    given = {"bot_name": "G", "trade_type": TradeType.BUY, "token_a_symbol": "IRFC", "entry_price_paise": 5000}
    return GridRecord(**{**given, **values})


@pytest.mark.row("GRD-55", "OPS-16")
def test_the_state_is_written_whole_or_not_at_all_and_read_back(folder: Path) -> None:
    target = folder / "state.json"
    write_state(target, record())
    assert import_text(target.read_text(encoding="utf-8")) == record()
    assert target.stat().st_mode & 0o077 == 0

    write_state(folder, record())
    assert json.loads((folder / "G_state.json").read_text())["entry_price"] == 50
    with pytest.raises(ConfigError, match="cannot be written"):
        write_state(folder / "no" / "state.json", record())
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["G_state.json", "state.json"]


@pytest.mark.row("OPS-16")
def test_a_state_of_another_grid_is_not_taken(folder: Path) -> None:
    request = request_of("--bot-name G --token-a IRFC --trade-type buyts --entry-price 50 --qty-a 1")
    target = folder / "state.json"
    write_state(target, record())
    assert read_state(target, request) == record()

    write_state(target, record(token_a_symbol="SBIN"))
    with pytest.raises(ConfigError, match='token_a_symbol = "SBIN": this grid has "IRFC"'):
        read_state(target, request)
    for text, said in ((b"\xff", "not UTF-8"), (b"{", "no valid JSON"), (b"{}", "bot_name: missing")):
        target.write_bytes(text)
        with pytest.raises(ConfigError, match=said):
            read_state(target, request)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_state(folder / "none.json", request)


# --- cancelling everything --------------------------------------------------------------------------------------------


def limit_order(tag: str, symbol: str, exchange: str, qty: int, limit_paise: int) -> OrderRequest:
    return OrderRequest(
        tag=tag,
        symbol=symbol,
        exchange=exchange,
        product="MIS",
        side=Side.BUY,
        type=OrderType.LIMIT,
        qty=qty,
        limit_paise=limit_paise,
        trigger_paise=0,
    )


def rest_orders(path: Path, symbol: str, count: int, run_no: int, *, by_hand: int = 0) -> None:
    """A paper account's books with live orders in them: of a desk that is gone, and of somebody's hand."""
    at_ns = 1_790_000_000_000_000_000
    path.parent.mkdir(parents=True, exist_ok=True)
    books = BooksFile.open(path, funds_paise=100_000_000, start_ns=at_ns)
    exchange = PaperExchange([IRFC, SBIN], PaperRules(funds_paise=100_000_000), lambda *_: True)
    exchange.open_account(books.account_id, None, books.record)
    exchange.restore(books.state(), at_ns)
    tags = TagMaker(run_no)
    for number in range(count + by_hand):
        tag = tags.next_tag(Role.ENTRY) if number < count else f"HAND{number}"
        request = limit_order(tag, symbol, "NSE", 10, 4900 - 100 * number)
        assert isinstance(exchange.place(books.account_id, request, at_ns), Acked)
    books.close()


def live_tags(path: Path) -> list[str]:
    books = BooksFile.open(path, funds_paise=1, start_ns=0)
    try:
        return [order.tag for order in books.state().orders if order.state is not OrderState.CANCELLED]
    finally:
        books.close()


@pytest.mark.row("OPS-09", "OPS-10", "GRD-63")
def test_with_the_journal_lost_five_of_five_orders_in_three_accounts_are_cancelled(folder: Path, run: Run) -> None:
    state = folder / "state" / "strikedesk"
    books = [state / f"account-{name}.db" for name in ("paper", "upside_oco", "downside_oco")]
    rest_orders(books[0], "IRFC", 3, 1, by_hand=1)
    rest_orders(books[1], "SBIN", 1, 2)
    rest_orders(books[2], "SBIN", 1, 3)

    code, out, err = run(CANCEL)

    assert code == 0, out + err
    assert "5 of 5 orders ended in 3 account(s)" in out
    assert [live_tags(path) for path in books] == [["HAND3"], [], []], "an order placed by hand is never touched"
    code, out, _ = run(CANCEL)
    assert (code, "0 of 0 orders ended" in out) == (0, True)


@pytest.mark.row("OPS-09")
def test_the_trade_account_keeps_orders_in_other_symbols(folder: Path, run: Run) -> None:
    path = folder / "state" / "strikedesk" / "account-paper.db"
    rest_orders(path, "SBIN", 2, 1)

    code, out, _ = run("--bot-name G --cancel-all --token-a IRFC --trade-type buyts")

    assert code == 0
    assert "paper: 0 of 0" in out
    assert len(live_tags(path)) == 2


def test_beside_a_running_desk_nothing_is_cancelled(folder: Path, run: Run) -> None:
    path = folder / "state" / "strikedesk" / "account-paper.db"
    rest_orders(path, "IRFC", 1, 1)

    with InstanceLock.acquire(account_lock_path(path.parent, path.stem), "paper account"):
        code, _, err = run("--bot-name G --cancel-all --token-a IRFC --trade-type buyts")

    assert code == 4, err
    assert len(live_tags(path)) == 1


PE = "NIFTY01DEC2624500PE"


async def rest_at_venue(port: int, counts: dict[str, int]) -> None:
    """A desk that is gone has left so many orders in each of these accounts, and a hand one more."""
    for run_no, (name, count) in enumerate(counts.items(), start=1):
        link = VenueLink(f"127.0.0.1:{port}", name, Random(run_no))
        await link.open()
        account, market = RemotePaperAccount(link), RemotePaperMarket(link)
        await account.connect()
        price = (await market.quote(PE)).bid_paise * 9 // 10 // 5 * 5
        tags = TagMaker(run_no)
        for tag in [*(tags.next_tag(Role.ENTRY) for _ in range(count)), "HAND1"]:
            request = limit_order(tag, PE, "NFO", 65, price)
            assert isinstance(answer := await account.place(request), Acked), answer
        await account.close()
        await link.close()


async def live_at_venue(port: int, name: str) -> list[str]:
    link = VenueLink(f"127.0.0.1:{port}", name, Random(1))
    await link.open()
    account = RemotePaperAccount(link)
    await account.connect()
    live = [order.tag for order in await account.read_orders() if order.state is OrderState.WORKING]
    await account.close()
    await link.close()
    return live


@pytest.mark.row("OPS-09", "OPS-10")
def test_five_of_five_orders_in_three_accounts_of_a_venue_are_cancelled_without_a_journal(home) -> None:
    venue = home.start("venue", "paper", "--port", "0", "--seed", "7")
    port = int(re.search(r"127\.0\.0\.1:(\d+)", venue.wait_for("paper venue on"))[1])
    home.write("desk.toml", f'[accounts.paper]\nkind = "paper"\nvenue = "127.0.0.1:{port}"\n')
    names = {"paper": 2, "upside_oco": 2, "downside_oco": 1}
    asyncio.run(rest_at_venue(port, names))

    ended = home.run("grid", "--config", "desk.toml", "--bot-name", "G", "--cancel-all", "--token-a", PE)

    assert ended.code == 0, ended.out + ended.err
    assert "5 of 5 orders ended in 3 account(s)" in ended.out
    assert [asyncio.run(live_at_venue(port, name)) for name in names] == [["HAND1"]] * 3
