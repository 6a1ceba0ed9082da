"""What a user gets wrong: one clear line each, the documented exit code, never a traceback, and no file harmed."""

from __future__ import annotations

import sqlite3

import pytest

QUICK = ("--no-ui", "--speed", "max", "--duration", "1m")
LIVE = """\
[accounts.home]
kind = "openalgo"
[legs]
account = "home"
[risk]
max_day_loss_rupees = 1000
[desk]
mode = "live"
market = "home"
max_lots = 1
"""


@pytest.mark.row("OPS-13", "OPS-22")
@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        ("[legs]\nlotz = 1\n", 2, ["legs.lotz: no such key", "did you mean lots?"]),
        ("[desk]\n\ncolour = true\n", 3, ["desk.colour: no such key"]),
        ('[legs]\nlots = "many"\n', 2, ['legs.lots = "many"', "whole number from 1 to 1000"]),
        ("[legs]\nlots = 0\n", 2, ["legs.lots = 0", "whole number from 1 to 1000"]),
        ("[legs]\nlots = -1\n", 2, ["legs.lots = -1", "whole number from 1 to 1000"]),
        ('[legs]\nsymbol = "NIFTY01DEC2624500"\n', 2, ['legs.symbol = "NIFTY01DEC2624500"', "NIFTY01DEC2624500PE"]),
        ('[legs]\nsymbol = "NIFTYPE"\nexchange = "NSE"\nlots = true\n', 4, ["legs.lots = true"]),
        ("[legs]\nprofit_target_rupees = 0.04\n", 2, ["legs.profit_target_rupees = 0.04", "one tick of 0.05"]),
        ("[legs]\nstop_loss_rupees = 0\n", 2, ["legs.stop_loss_rupees = 0", "one tick of 0.05"]),
        ('[legs]\nsquare_off = "16:30"\n', 2, ["legs.square_off = 16:30", "09:15 to 15:40"]),
        ('[legs]\nsquare_off = "25:30"\n', 2, ['legs.square_off = "25:30"', "HH:MM"]),
        ('[legs]\naccount = "hmoe"\n', 2, ['legs.account = "hmoe"', "one of paper"]),
        ("[legs\n", 1, ["no valid TOML"]),
        (b"[legs]\nsymbol = '\xff'\n", 2, ["not UTF-8"]),
        ('[legs]\nsymbol = "\\u001b[31mX"\n', 2, ["legs.symbol", "\\x1b[31mX"]),
    ],
    ids=[
        *("misspelt", "no_key", "word", "zero", "minus", "no_type", "boolean", "below_tick", "no_stop", "after_close"),
        *("no_time", "no_account", "no_toml", "no_text", "escape"),
    ],
)
@pytest.mark.fault("CFG-02")
def test_a_bad_configuration_names_file_line_key_value_and_what_is_allowed(home, text, line, parts) -> None:
    home.write("mine.toml", text)

    refused = home.run(*QUICK, "--config", "mine.toml")

    refused.assert_refused(2, f"mine.toml:{line}: ", *parts)
    assert "\x1b" not in refused.err
    assert not home.state.exists(), "nothing was started"


@pytest.mark.row("OPS-13")
def test_all_faults_of_a_configuration_are_told_at_once_and_check_tells_the_same(home, finished) -> None:
    home.write("config.toml", '[legs]\nlotz = 1\nlots = 0\n[screen]\nframe_hz = "fast"\n')

    desk, check = (finished(home.popen(*words)) for words in (QUICK, ("check",)))

    assert (desk.code, check.code) == (2, 2)
    assert [line.partition(": ")[0] for line in desk.complaints] == [f"config.toml:{line}" for line in (2, 3, 5)]
    assert check.complaints == desk.complaints


@pytest.mark.row("OPS-22")
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--config", "nope.toml"], ["nope.toml", "No such file"]),
        (["--config", "folder"], ["folder", "Is a directory"]),
        (["--env-file", "nope.env"], ["nope.env", "No such file"]),
        (["--env-file", "broken.env"], ["broken.env:2: ", "NAME=value"]),
        (["--env-file", "open.env"], ["open.env", "open to others", "chmod 600"]),
    ],
    ids=["missing", "folder", "missing_env", "broken_env", "open_env"],
)
def test_a_file_that_cannot_be_used_is_named(home, arguments, parts) -> None:
    (home.folder / "folder").mkdir()
    home.write("broken.env", "LOTS=1\nPASSWORD canary-4711\n")
    home.write("open.env", "OPENALGO_API_KEY=canary-4711\n", mode=0o644)

    refused = home.run(*QUICK, *arguments)

    refused.assert_refused(2, *parts)
    assert "canary" not in refused.err


@pytest.mark.row("OPS-22")
@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--speed", "0"], "--speed: '0'"),
        (["--duration", "10x"], "--duration: '10x'"),
        (["--seed", "-1"], "--seed: '-1'"),
        (["--db", ""], "--db: ''"),
        (["--db", "."], "--db: '.'"),
        (["--no-such"], "--no-such"),
        (["replay", "x.csv"], "--symbol"),
    ],
    ids=["speed", "duration", "seed", "no_db", "dot_db", "option", "replay"],
)
def test_a_bad_argument_is_named_and_the_code_is_two(home, arguments, part) -> None:
    refused = home.run("--no-ui", *arguments)

    assert (refused.code, refused.out) == (2, "")
    assert part in refused.err.splitlines()[-1]
    assert "Traceback" not in refused.err


def test_without_a_terminal_the_console_says_how_to_start(home) -> None:
    home.run().assert_refused(2, "needs a terminal", "--no-ui")
    home.run("--speed", "max").assert_refused(2, "virtual time", "--no-ui")


@pytest.mark.row("OPS-22")
@pytest.mark.fault("STO-11")
def test_a_journal_that_cannot_be_used_is_refused_and_left_as_it_was(home, finished) -> None:
    assert home.run(*QUICK, "--db", "newer.db").code == 0
    with sqlite3.connect(home.folder / "newer.db") as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    home.write("text.db", "these are my notes\n" * 100)
    whole = (home.folder / "newer.db").read_bytes()
    home.write("torn.db", whole[:4096] + b"\xaa" * 8192 + whole[12_288:])
    with sqlite3.connect(home.folder / "other.db") as connection:
        connection.execute("CREATE TABLE mine (text TEXT)")
    connection.close()
    (home.folder / "folder.db").mkdir()
    expected = {
        "newer.db": "schema version 99, this program knows up to",
        "text.db": "not a SQLite file",
        "torn.db": "",
        "other.db": "database of another program",
        "folder.db": "Is a directory",
    }
    before = {name: (home.folder / name).read_bytes() for name in expected if name != "folder.db"}

    # Side by side: each is a process of its own, and the machine has two cores.
    started = {name: home.popen(*QUICK, "--db", name) for name in expected}
    ended = {name: finished(process) for name, process in started.items()}

    for name, part in expected.items():
        ended[name].assert_refused(1, f"journal {name}", part)
    assert {name: (home.folder / name).read_bytes() for name in before} == before


@pytest.mark.row("OPS-22")
def test_a_paper_account_that_cannot_be_used_is_refused_and_left_as_it_was(home) -> None:
    home.state.mkdir(parents=True)
    books = home.state / "account-paper.db"
    books.write_text("these are my notes\n")

    refused = home.run("--no-ui", "--duration", "1s", "--speed", "100")

    refused.assert_refused(1, "paper books", "account-paper.db", "start a fresh account")
    assert books.read_text() == "these are my notes\n"


@pytest.mark.row("OPS-22")
def test_a_state_folder_that_cannot_be_made_is_one_line(home) -> None:
    home.write("state", "a file stands where the folder should be\n")

    home.run("--no-ui", "--duration", "1s", "--speed", "100").assert_refused(1, "state/strikedesk", "Not a directory")


@pytest.mark.fault("REF-03", "TIM-05")
def test_a_demo_account_beyond_the_contract_or_the_calendar_says_so(home) -> None:
    """The demo day moves on with every run; the configured contract and the holiday list do not."""
    real_time = ("--no-ui", "--duration", "1s", "--speed", "100")
    assert home.run(*real_time).code == 0
    books = home.state / "account-paper.db"

    refused = []
    for clock_ns in (1_796_183_100_000_000_000, 2_090_548_800_000_000_000):  # 2026-12-02 09:15 IST, the year 2036
        with sqlite3.connect(books) as connection:
            connection.execute("UPDATE header SET clock_ns = ?", (clock_ns,))
        connection.close()
        refused.append(home.run(*real_time))

    refused[0].assert_refused(1, "NIFTY01DEC2624500PE", "expired on 2026-12-01", "[legs] symbol", "--fresh")
    refused[1].assert_refused(1, "calendar")
    assert home.run(*real_time, "--fresh").code == 0


@pytest.mark.row("LEG-53", "OPS-22")
@pytest.mark.parametrize("symbol", ["NIFTY01DEC2699999PE", "HELLO", "NIFTY"], ids=["strike", "word", "index"])
def test_a_symbol_that_the_master_does_not_have_is_fatal_before_any_order(home, query, symbol) -> None:
    home.write("mine.toml", f'[legs]\nsymbol = "{symbol}"\n')

    refused = home.run(*QUICK, "--config", "mine.toml", "--db", "day.db")

    assert refused.code == 1
    assert f"[FATAL] Symbol validation failed for {symbol}" in refused.err
    refused.assert_refused(1, symbol, "not a tradable contract")
    journal = home.folder / "day.db"
    assert not journal.exists() or query(journal, "SELECT count(*) FROM intents") == [(0,)]


@pytest.mark.row("LEG-54", "OPS-22")
def test_a_real_account_without_its_key_is_fatal_and_with_it_says_what_is_not_built(home) -> None:
    home.write("live.toml", LIVE)
    secret = {"OPENALGO_API_KEY": "canary-4711-key"}

    for empty in ({}, {"OPENALGO_API_KEY": ""}, {"OPENALGO_API_KEY": "  "}):
        home.run("--no-ui", "--config", "live.toml", env=empty).assert_refused(1, "[FATAL] Please set OPENALGO_API_KEY")
    refused = home.run("--no-ui", "--config", "live.toml", env=secret)

    refused.assert_refused(2, "openalgo", "cannot trade yet")
    assert "canary" not in refused.err + refused.out
    assert not home.state.exists()


@pytest.mark.row("OPS-12")
def test_the_secrets_file_of_the_configuration_is_the_one_that_is_read(home) -> None:
    home.write("live.toml", LIVE.replace("[desk]\n", '[desk]\nsecrets_file = "desk.env"\n'))
    private = home.settings / "desk.env"
    private.write_text("OPENALGO_API_KEY=canary-4711-key\n")
    private.chmod(0o600)

    found = home.run("--no-ui", "--config", "live.toml")
    private.chmod(0o644)
    is_open = home.run("--no-ui", "--config", "live.toml")
    where = home.run("where", "--config", "live.toml")

    found.assert_refused(2, "cannot trade yet")
    is_open.assert_refused(2, "desk.env", "open to others", "chmod 600")
    assert str(private) in where.out
    assert "canary" not in found.err + is_open.err + where.out


@pytest.mark.row("OPS-12")
@pytest.mark.fault("SEC-07")
@pytest.mark.invariant("C1")
def test_a_secret_in_the_configuration_is_refused_without_being_repeated(home) -> None:
    home.write("mine.toml", LIVE + '[accounts.other]\nkind = "openalgo"\napi_key = "canary-4711-key"\n')

    refused = home.run("check", "--config", "mine.toml")

    refused.assert_refused(2, "mine.toml:13: ", "api_key")
    assert "canary" not in refused.err
