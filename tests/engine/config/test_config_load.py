"""Loading config.toml: what is found, and the one line that each mistake gets (OPS-13, LEG-57, HRD-33, HRD-43)."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.config import Config, ConfigError, load, load_config
from engine.config.accounts import KiteAccount, OpenAlgoAccount, XtsAccount
from engine.config.errors import Fault
from engine.config.read import read_config
from engine.config.reload import safe_changes

ROOT = Path(__file__).resolve().parents[3]
ConfigOf = Callable[..., Config]
FaultsOf = Callable[..., list[str]]
LIVE = """
    [desk]
    mode = "live"
    market = "home"
    max_lots = 1
    [risk]
    max_day_loss_rupees = 2000
    [accounts.home]
    kind = "openalgo"
    [legs]
    account = "home"
"""


@pytest.mark.row("LEG-57", "HRD-33")
def test_an_empty_file_has_the_defaults_of_the_seeds(config_of: ConfigOf) -> None:
    config = config_of("")

    legs, gateway = config.legs, config.gateway
    assert (legs.exchange, legs.product, legs.lots, legs.strategy) == ("NFO", "MIS", 1, "random_scalp_live")
    assert (legs.enable_trailing_sl, legs.trail_activation_percent, legs.trail_lock_percent) == (False, 50, 75)
    assert (legs.profit_target_paise, legs.stop_loss_paise) == (200, 100)
    assert (legs.interval, legs.trade_every_n_bars, legs.ignore_entry_delta) == ("5m", 1, True)
    assert (legs.session_start, legs.session_end, legs.square_off) == (time(9, 20), time(15, 15), time(15, 15))
    assert (legs.enable_market_on_target, legs.brokerage_per_trade_paise, legs.slippage_paise) == (False, 0, 0)
    assert (gateway.api_timeout_ns, gateway.max_order_retries) == (10_000_000_000, 2)
    assert not config.is_live


@pytest.mark.row("OPS-14", "LEG-57")
def test_the_seeds_names_are_the_defaults_of_the_accounts_and_a_value_overrides(config_of: ConfigOf) -> None:
    config = config_of("""
        [accounts.k]
        kind = "kite"
        [accounts.x]
        kind = "xts"
        [accounts.o]
        kind = "openalgo"
        [accounts.mine]
        kind = "kite"
        user = "Asha"
    """)

    kite, xts, openalgo = config.accounts["k"], config.accounts["x"], config.accounts["o"]
    assert isinstance(kite, KiteAccount)
    assert kite.user == "Sai"
    assert isinstance(xts, XtsAccount)
    assert xts.root == "https://xts.myfindoc.com"
    assert isinstance(openalgo, OpenAlgoAccount)
    assert (openalgo.host, openalgo.ws_url) == ("http://127.0.0.1:5000", "ws://127.0.0.1:8765")
    assert openalgo.secret_names == ("OPENALGO_API_KEY",)
    assert getattr(config.accounts["mine"], "user", "") == "Asha"


def test_the_file_at_the_root_differs_from_the_defaults_only_where_it_says_demo() -> None:
    shipped = load_config(ROOT / "config.toml", {})

    changes = safe_changes(Config(), shipped)

    lines = (ROOT / "config.toml").read_text(encoding="utf-8").splitlines()
    marked = {line.split("=")[0].strip() for line in lines if "[demo]" in line and not line.startswith("#")}
    assert {key.rpartition(".")[2] for key in changes.applied} == marked - {"partial_fills"}
    assert changes.restart_needed == ("accounts.paper",)
    assert shipped.accounts["paper"].partial_fills is True


@pytest.mark.row("OPS-01")
def test_without_any_file_the_paper_demo_runs_and_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    loaded = load(None, {"HOME": str(tmp_path)})

    assert loaded.config == Config()
    assert loaded.path is None
    assert loaded.notes == (
        f"no configuration at config.toml and {tmp_path}/.config/strikedesk/config.toml: built-in defaults, paper demo",
    )


@pytest.mark.parametrize("place", ["variable", "folder", "user"])
def test_a_file_is_found_by_variable_then_in_the_folder_then_at_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    named, folder, user = tmp_path / "named.toml", Path("config.toml"), tmp_path / "xdg/strikedesk/config.toml"
    user.parent.mkdir(parents=True)
    user.write_text("legs.lots = 4")
    if place != "user":
        folder.write_text("legs.lots = 3")
    if place == "variable":
        named.write_text("legs.lots = 2")
        env["STRIKEDESK_CONFIG"] = str(named)

    loaded = load(None, env)

    assert loaded.path == {"variable": named, "folder": folder, "user": user}[place]
    assert loaded.config.legs.lots == {"variable": 2, "folder": 3, "user": 4}[place]


@pytest.mark.row("OPS-13")
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[legs]\nlotz = 2", "config.toml:2: legs.lotz: no such key; did you mean lots?"),
        ("[leg]\nlots = 2", "config.toml:1: leg: no such table; did you mean legs?"),
        ("lots = 2", "config.toml:1: lots: stands outside its table; write it under [legs]"),
        ("[legs]\nlots = 0", "config.toml:2: legs.lots = 0: must be a whole number from 1 to 1000"),
        ("[legs]\nlots = -1", "config.toml:2: legs.lots = -1: must be a whole number from 1 to 1000"),
        ("[legs]\nlots = 1.5", "config.toml:2: legs.lots = 1.5: must be a whole number from 1 to 1000"),
        ("[legs]\nlots = true", "config.toml:2: legs.lots = true: must be a whole number from 1 to 1000"),
        ('[legs]\nlots = "1"', 'config.toml:2: legs.lots = "1": must be a whole number from 1 to 1000'),
        (
            f"[legs]\nlots = {'9' * 4000}",
            "config.toml:2: legs.lots = a number of more than 60 digits: must be a whole number from 1 to 1000",
        ),
        (
            "[legs]\nstop_loss_rupees = nan",
            "config.toml:2: legs.stop_loss_rupees = NaN: must be a number from 0 to 100000",
        ),
        (
            "[legs]\nstop_loss_rupees = inf",
            "config.toml:2: legs.stop_loss_rupees = Infinity: must be a number from 0 to 100000",
        ),
        (
            "[legs]\nprofit_target_rupees = 0.04",
            "config.toml:2: legs.profit_target_rupees = 0.04: at least one tick of 0.05 on NFO",
        ),
        (
            "[legs]\ntrail_lock_percent = 100.01",
            "config.toml:2: legs.trail_lock_percent = 100.01: must be a number from 0 to 100",
        ),
        (
            "[legs]\n\nenable_trailing_sl = 1",
            "config.toml:3: legs.enable_trailing_sl = 1: must be true or false",
        ),
        (
            '[legs]\nexit_style = "restin"',
            'config.toml:2: legs.exit_style = "restin": must be one of resting, monitored, hybrid; '
            "did you mean resting?",
        ),
        (
            '[legs]\nstop_limit_gap = "two"',
            'config.toml:2: legs.stop_limit_gap = "two": must be auto, one_tick or a number from 0 to 40',
        ),
        (
            '[legs]\nsquare_off = "25:00"',
            'config.toml:2: legs.square_off = "25:00": must be a time of day, HH:MM',
        ),
        (
            '[legs]\nsquare_off = "15:41"',
            "config.toml:2: legs.square_off = 15:41: outside the session, NFO trades from 09:15 to 15:40",
        ),
        (
            '[legs]\nexchange = "NSE"\nsymbol = "SBIN"\nsquare_off = "15:35"',
            "config.toml:4: legs.square_off = 15:35: outside the session, NSE trades from 09:15 to 15:30",
        ),
        (
            '[legs]\nsession_start = "15:15"\nsquare_off = "15:20"',
            "config.toml:1: legs.session_end = 15:15: must be after session_start 15:15",
        ),
        (
            '[legs]\ninterval = "5s"',
            'config.toml:2: legs.interval = "5s": too short to act on; at least 10s, or D',
        ),
        (
            '[legs]\nsymbol = "NIFTY28OCT2525300"',
            'config.toml:2: legs.symbol = "NIFTY28OCT2525300": no option contract can be read from it: '
            "underlying, date, strike, PE or CE, as NIFTY01DEC2624500PE",
        ),
        (
            '[legs]\nsymbol = "NIFTY99OCT2525300PE"',
            'config.toml:2: legs.symbol = "NIFTY99OCT2525300PE": no option contract can be read from it: '
            "underlying, date, strike, PE or CE, as NIFTY01DEC2624500PE",
        ),
        (
            '[legs]\nexchange = "NSE"',
            'config.toml:1: legs.symbol = "NIFTY01DEC2624500PE": an option trades on NFO or BFO',
        ),
        ('[legs]\nproduct = "CNC"', 'config.toml:2: legs.product = "CNC": is for shares; on NFO use MIS or NRML'),
        (
            '[legs]\nextra_symbols = ["NIFTY01DEC2624500CE"]',
            'config.toml:2: legs.extra_symbols = "NIFTY01DEC2624500CE": stands twice in the group '
            "(complements are added to symbol)",
        ),
        (
            '[legs]\naccount = "zerodha"',
            'config.toml:2: legs.account = "zerodha": no such account; one of paper',
        ),
        (
            "[legs.trend_gate]\nema_fast = 20",
            "config.toml:2: legs.trend_gate.ema_fast = 20: must be below ema_slow 20",
        ),
        (
            '[accounts.z]\nkind = "kyte"',
            'config.toml:2: accounts.z.kind = "kyte": must be one of paper, kite, openalgo, xts, dhan; '
            "did you mean kite?",
        ),
        (
            "[accounts.z]\nuser = 'x'",
            "config.toml:1: accounts.z.kind = missing: must be one of paper, kite, openalgo, xts, dhan",
        ),
        (
            '[accounts.z]\nkind = "xts"\nroot = "http://xts.example.com"',
            'config.toml:3: accounts.z.root = "http://xts.example.com": not encrypted; '
            "https:// unless the server is 127.0.0.1",
        ),
        ('[desk]\nmarket = "home"', 'config.toml:2: desk.market = "home": demo, replay or the name of a real account'),
        (
            '[desk]\nmarket = "replay"',
            'config.toml: accounts.paper.file = "": the recorded prices to replay, because [desk] market = "replay"',
        ),
        ("[gateway]\nexit_reserve = 8", "config.toml:2: gateway.exit_reserve = 8: must be below orders_per_s 8"),
        (
            "[gateway]\napi_timeout_seconds = 0",
            "config.toml:2: gateway.api_timeout_seconds = 0: must be a number from 0.5 to 120",
        ),
        (
            "[gateway]\nmax_order_retries = 6",
            "config.toml:2: gateway.max_order_retries = 6: must be a whole number from 0 to 5",
        ),
        ("legs = 3", "config.toml:1: legs = 3: write it as a table [legs]"),
        ("accounts = 3", "config.toml:1: accounts = 3: write each account as a table [accounts.NAME]"),
        ("[legs\nlots = 1", "config.toml:1: no valid TOML: Expected ']' at the end of a table declaration"),
        ("[legs]\nlots = 1\nlots = 2", "config.toml:3: no valid TOML: Cannot overwrite a value"),
        (f"x = {'[' * 3000}", "config.toml: holds a number or a nesting beyond all bounds"),
    ],
)
def test_each_mistake_is_one_line_with_place_key_value_and_what_is_allowed(
    faults_of: FaultsOf, text: str, fault: str
) -> None:
    assert faults_of(text) == [fault]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(faults_of: FaultsOf) -> None:
    faults = faults_of("""
        [legs]
        lots = 0
        symbol = "NIFTY99XYZ2624500PE"
        [gatway]
        x = 1
        [legs.trend_gate]
        ema_fast = 30
    """)

    assert [fault.split(": ")[0] for fault in faults] == [f"config.toml:{line}" for line in (3, 4, 5, 8)]


@pytest.mark.row("OPS-12")
@pytest.mark.parametrize("key", ["api_key", "api_key_name"])
@pytest.mark.invariant("C1")
def test_a_credential_in_the_file_is_refused_and_not_repeated(faults_of: FaultsOf, key: str) -> None:
    (fault,) = faults_of(f'[accounts.k]\nkind = "kite"\n{key} = "s3cretvalue"')

    assert fault.startswith(f"config.toml:3: accounts.k.{key}: ")
    assert "s3cret" not in fault
    assert "NAME of a secret" in fault or "api_key_name = the name of a secret" in fault


@pytest.mark.fault("SEC-02")
@pytest.mark.invariant("C2")
def test_control_characters_of_the_file_do_not_reach_the_message(faults_of: FaultsOf) -> None:
    (fault,) = faults_of('[legs]\nstrategy = "a\\u001b[2J\\u202e"')

    assert r'legs.strategy = "a\x1b[2J\u202e"' in fault


@pytest.mark.fault("CFG-02")
@pytest.mark.invariant("C6")
def test_a_missing_unreadable_oversized_or_binary_file_is_one_line(tmp_path: Path) -> None:
    binary, big = tmp_path / "binary.toml", tmp_path / "big.toml"
    binary.write_bytes(b"[legs]\n\xff\xfe")
    big.write_text("#" * 300_000)

    for path, reason in (
        (tmp_path / "none.toml", ": cannot be read: No such file or directory"),
        (tmp_path, ": cannot be read: Is a directory"),
        (binary, ":2: not UTF-8 text"),
        (big, ": larger than 256 KiB"),
    ):
        with pytest.raises(ConfigError) as refused:
            load_config(path, {})
        assert str(refused.value) == f"{path}{reason}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_read_permission_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("")
    path.chmod(0)

    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        load_config(path, {})


@pytest.mark.row("HRD-43")
@pytest.mark.fault("CFG-04")
@pytest.mark.invariant("O9")
def test_live_asks_for_a_lot_cap_a_day_loss_limit_a_real_account_and_real_prices(faults_of: FaultsOf) -> None:
    assert faults_of('[desk]\nmode = "live"') == [
        'config.toml: legs.account = "paper": is a paper account, but [desk] mode is "live"',
        'config.toml: risk.max_day_loss_rupees: missing: mode "live" asks for a day-loss limit in rupees',
        'config.toml:1: desk.market = "demo": live trading needs real prices, the name of a real account',
        'config.toml:1: desk.max_lots: missing: mode "live" asks for a cap, start with 1',
    ]


@pytest.mark.row("HRD-43")
@pytest.mark.invariant("O9")
def test_live_with_a_cap_of_one_lot_takes_one_and_refuses_two(config_of: ConfigOf, faults_of: FaultsOf) -> None:
    config = config_of(LIVE)

    assert config.is_live
    assert config.risk_limits.lots_max == 1
    assert faults_of(f"{LIVE}    lots = 2") == ["config.toml:12: legs.lots = 2: above [desk] max_lots 1 of mode live"]


@pytest.mark.row("HRD-43")
@pytest.mark.fault("CFG-05")
def test_paper_never_trades_a_real_account_but_may_take_its_prices(config_of: ConfigOf, faults_of: FaultsOf) -> None:
    account = '[accounts.home]\nkind = "openalgo"\n'

    assert config_of(f'{account}[desk]\nmarket = "home"').desk.market == "home"
    assert faults_of(f'{account}[legs]\naccount = "home"') == [
        'config.toml:4: legs.account = "home": is a real account, but [desk] mode is "paper"'
    ]


@pytest.mark.row("LEG-03")
@pytest.mark.parametrize("symbol", ["NIFTY", "RELIANCE", "BANKNIFTY24NOV26FUT"])
def test_a_symbol_that_is_no_option_is_traded_alone(config_of: ConfigOf, symbol: str) -> None:
    assert config_of(f'[legs]\nsymbol = "{symbol}"').legs.symbols == (symbol,)


@pytest.mark.row("LEG-02", "LEG-71")
def test_the_primary_brings_its_complement_and_extra_legs_stand_as_listed(config_of: ConfigOf) -> None:
    config = config_of("""
        [legs]
        symbol = " nifty01dec2624500ce "
        extra_symbols = ["NIFTY01DEC2624600pe", "NIFTY01DEC2624600CE"]
    """)

    strikes = ("24500CE", "24500PE", "24600PE", "24600CE")
    assert config.legs.symbols == tuple(f"NIFTY01DEC26{strike}" for strike in strikes)


@pytest.mark.fault("CFG-03")
@pytest.mark.invariant("A6")
def test_rupees_seconds_and_percent_become_paise_nanoseconds_and_basis_points_exactly(config_of: ConfigOf) -> None:
    config = config_of("""
        [legs]
        profit_target_rupees = 4.35
        enable_trailing_sl = true
        trail_lock_percent = 66.67
        stop_limit_gap = 2.5
        protection_pct = 0.3
        entry_fill_timeout = 0.3
        chase_ms = 250
        interval = "30s"
        square_off = 15:10:30
    """)

    terms = config.legs_terms().bracket
    assert (terms.target_offset_paise, terms.stop_gap_bps, terms.protection_bps) == (435, 250, 30)
    assert (terms.entry_fill_timeout_ns, terms.chase_ns) == (300_000_000, 250_000_000)
    assert terms.rules == ({"rule": "lock_fraction", "activation_bps": 5000, "lock_bps": 6667},)
    assert config.legs.interval_ns == 30_000_000_000
    assert config.legs.square_off_ns == (15 * 3600 + 10 * 60 + 30) * 1_000_000_000


@pytest.mark.row("LEG-46")
def test_modelled_slippage_counts_on_paper_and_on_live_only_when_switched_on(config_of: ConfigOf) -> None:
    slippage = "    slippage_rupees = 0.5\n"

    paper = config_of(f"[legs]\n{slippage}")
    live = config_of(f"{LIVE}{slippage}")
    asked = config_of(f"{LIVE}{slippage}    slippage_on_live = true")

    assert [config.legs_terms().bracket.slippage_paise for config in (paper, live, asked)] == [50, 0, 50]


@given(st.text(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.fault("CFG-02")
@pytest.mark.invariant("C6")
def test_any_text_gives_a_configuration_or_plain_lines(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[legs]\n{text}", encoding="utf-8", errors="replace")

    try:
        load_config(path, {})
    except ConfigError as error:
        assert all(fault.isprintable() for fault in error.faults)


TOML_VALUES = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(max_size=20), st.just("15:00"), st.just([1, "x"]), st.just({})
)


@given(st.dictionaries(st.sampled_from(["lots", "symbol", "interval", "square_off", "exit_style"]), TOML_VALUES))
@pytest.mark.fault("CFG-02", "CFG-03")
@pytest.mark.invariant("C6")
def test_any_value_of_any_type_is_taken_or_refused_by_key(fields: dict[str, object]) -> None:
    faults: list[Fault] = []
    config = read_config({"legs": fields}, faults.append)

    assert {fault.path[1] for fault in faults} <= set(fields)
    assert config.legs.lots >= 1
    assert all(fault.text.isprintable() for fault in faults)
