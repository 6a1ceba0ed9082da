"""Environment variables and old .env files: which count, in which order, how a mistake names them (OPS-11, LEG-61)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.config import Config, ConfigError, Loaded, load
from engine.config.environment import OPENALGO_KEYS, SEED_KEYS, key_variables
from engine.config.key import keys_of, tables_of

ConfigOf = Callable[..., Config]
FaultsOf = Callable[..., list[str]]
SHARED_NAMES = """
    SYMBOL=NIFTY28OCT2525300PE
    EXCHANGE=NFO
    PRODUCT=MIS
    LOTS=2
"""


def with_env_file(folder: Path, text: str, env: dict[str, str] | None = None, toml: str = "") -> Loaded:
    config, env_file = folder / "config.toml", folder / "old.env"
    config.write_text(toml, encoding="utf-8")
    env_file.write_text(text, encoding="utf-8")
    env_file.chmod(0o600)
    return load(config, env or {}, env_file=env_file)


@pytest.mark.row("LEG-57", "OPS-11")
def test_an_old_env_file_with_four_names_runs_with_the_defaults(tmp_path: Path) -> None:
    config = with_env_file(tmp_path, SHARED_NAMES).config

    assert config.legs.symbols == ("NIFTY28OCT2525300PE", "NIFTY28OCT2525300CE")
    assert config.legs.lots == 2
    assert not config.is_live
    assert config.legs_terms().bracket == Config().legs_terms().bracket


@pytest.mark.row("OPS-11")
def test_every_name_of_the_leg_scalper_sets_its_key(tmp_path: Path) -> None:
    values = {
        "SYMBOL": "BANKNIFTY",
        "EXCHANGE": "BFO",
        "PRODUCT": "NRML",
        "LOTS": "3",
        "ENABLE_TRAILING_SL": "True",
        "TRAIL_ACTIVATION_PERCENT": "40",
        "TRAIL_LOCK_PERCENT": "60.5",
        "PROFIT_TARGET_RUPEES": "5",
        "STOP_LOSS_RUPEES": "2.5",
        "BROKERAGE_PER_TRADE_RUPEES": "20",
        "SLIPPAGE_RUPEES": "0.1",
        "INTERVAL": "15m",
        "TRADE_EVERY_N_BARS": "3",
        "IGNORE_ENTRY_DELTA": "no",
        "SESSION_START": "09:30",
        "SESSION_END": "14:30",
        "SQUARE_OFF_TIME": "15:10",
        "ENABLE_EOD_SQUARE_OFF": "0",
        "ENABLE_MARKET_ON_TARGET": "on",
        "SL_ORDER_TYPE": "SL",
        "API_TIMEOUT_SECONDS": "7",
        "MAX_ORDER_RETRIES": "1",
    }
    assert set(values) == set(SEED_KEYS)

    loaded = with_env_file(tmp_path, "\n".join(f"{name}={value}" for name, value in values.items()))

    defaults = Config()
    for table, key in SEED_KEYS.values():
        assert getattr(getattr(loaded.config, table), key) != getattr(getattr(defaults, table), key), key
    assert loaded.notes == ()


@pytest.mark.row("OPS-11")
def test_the_rest_of_the_seeds_table_is_understood_or_answered(tmp_path: Path) -> None:
    loaded = with_env_file(
        tmp_path,
        "LOG_TO_FILE=false\nPERSIST_STATE=true\nUSE_HISTORY=false\nOPENALGO_API_HOST=http://127.0.0.1:5001\n"
        "OPENALGO_WS_URL=ws://127.0.0.1:9000\nOPENALGO_API_KEY=k3yk3yk3y\nFOO=1\n",
    )

    account = loaded.config.accounts["openalgo"]
    assert loaded.config.desk.log_file == ""
    assert [getattr(account, key) for key in OPENALGO_KEYS.values()] == ["http://127.0.0.1:5001", "ws://127.0.0.1:9000"]
    assert loaded.env["OPENALGO_API_KEY"] == "k3yk3yk3y"
    assert [note.removeprefix(f"{tmp_path}/") for note in loaded.notes] == [
        "old.env:2: PERSIST_STATE: has no effect, the journal is always kept",
        "old.env:3: USE_HISTORY: has no effect, history is not read for entries; see [legs.trend_gate]",
        "old.env:7: FOO: no such key, ignored",
    ]


@pytest.mark.row("OPS-11")
def test_the_seeds_names_in_the_environment_count_only_when_asked_for(config_of: ConfigOf) -> None:
    env = {"LOTS": "7", "SYMBOL": "NIFTY"}

    assert config_of("", env).legs.lots == 1
    assert config_of("desk.seed_env = true", env).legs.lots == 7
    assert config_of("", {**env, "STRIKEDESK_DESK_SEED_ENV": "true"}).legs.lots == 7


@pytest.mark.row("OPS-11")
def test_precedence_is_own_variable_then_seed_name_then_env_file_then_toml(tmp_path: Path) -> None:
    toml = "desk.seed_env = true\nlegs.lots = 2"

    def lots(env: dict[str, str], env_file: str) -> int:
        return with_env_file(tmp_path, env_file, env, toml).config.legs.lots

    assert lots({}, "") == 2
    assert lots({}, "LOTS=3") == 3
    assert lots({"LOTS": "4"}, "LOTS=3") == 4
    assert lots({"LOTS": "4", "STRIKEDESK_LEGS_LOTS": "5"}, "LOTS=3") == 5


def test_every_key_of_every_table_has_a_variable_and_reaches_it(config_of: ConfigOf) -> None:
    known = key_variables({"paper": "paper", "home": "openalgo"})

    keys = sum(len(keys_of(table)) for table in tables_of(Config).values())
    assert len(known) >= keys
    config = config_of(
        '[accounts.home]\nkind = "openalgo"',
        {
            "STRIKEDESK_LEGS_TREND_GATE_EMA_FAST": "7",
            "STRIKEDESK_ACCOUNTS_HOME_HOST": "https://algo.example.com",
            "STRIKEDESK_LEGS_EXTRA_SYMBOLS": "nifty01dec2624600pe, NIFTY01DEC2624600CE",
            "STRIKEDESK_LEGS_STOP_LIMIT_GAP": "one_tick",
            "STRIKEDESK_DESK_LOG_FILE": "",
        },
    )
    assert config.legs.trend_gate.ema_fast == 7
    assert getattr(config.accounts["home"], "host", "") == "https://algo.example.com"
    assert config.legs.extra_symbols == ("NIFTY01DEC2624600PE", "NIFTY01DEC2624600CE")
    assert config.legs.stop_limit_gap == "one_tick"
    assert config.desk.log_file == ""


@pytest.mark.row("OPS-13")
@pytest.mark.parametrize(
    ("env", "fault"),
    [
        (
            {"STRIKEDESK_LEGS_LOTS": "many"},
            'environment: STRIKEDESK_LEGS_LOTS = "many": must be a whole number from 1 to 1000 (legs.lots)',
        ),
        (
            {"STRIKEDESK_LEGS_ENABLE_TRAILING_SL": "maybe"},
            'environment: STRIKEDESK_LEGS_ENABLE_TRAILING_SL = "maybe": must be true or false '
            "(legs.enable_trailing_sl)",
        ),
        (
            {"STRIKEDESK_LEGS_LOT": "2"},
            "environment: STRIKEDESK_LEGS_LOT: no such key; did you mean STRIKEDESK_LEGS_LOTS?",
        ),
        (
            {"STRIKEDESK_LEGS_SQUARE_OFF": "16:00"},
            "environment: STRIKEDESK_LEGS_SQUARE_OFF = 16:00: outside the session, "
            "NFO trades from 09:15 to 15:40 (legs.square_off)",
        ),
        ({"TEST_MODE": "perhaps"}, 'environment: TEST_MODE = "perhaps": must be true or false'),
    ],
)
def test_a_bad_variable_is_named_with_its_value(faults_of: FaultsOf, env: dict[str, str], fault: str) -> None:
    assert faults_of("", env) == [fault]


def test_variables_that_only_share_the_prefix_are_left_alone(config_of: ConfigOf) -> None:
    assert config_of("", {"STRIKEDESK_HYPOTHESIS": "dev", "STRIKEDESK_CONFIG": "elsewhere"}) == Config()


@pytest.mark.row("LEG-61", "HRD-43")
def test_test_mode_forces_the_paper_demo_over_a_live_configuration(config_of: ConfigOf) -> None:
    live = """
        [desk]
        mode = "live"
        market = "home"
        max_lots = 1
        [accounts.home]
        kind = "openalgo"
        [legs]
        account = "home"
        [risk]
        max_day_loss_rupees = 100
    """
    assert config_of(live).is_live

    for env in ({"TEST_MODE": "true"}, {"TEST_MODE": "1", "STRIKEDESK_DESK_MODE": "live"}):
        config = config_of(live, env)
        assert not config.is_live
        assert (config.desk.market, config.legs.account) == ("demo", "paper")


@pytest.mark.row("LEG-61", "HRD-43")
def test_test_mode_false_does_not_switch_to_live_and_says_so(tmp_path: Path) -> None:
    loaded = with_env_file(tmp_path, "TEST_MODE=false")

    assert not loaded.config.is_live
    assert loaded.notes == (f'{tmp_path}/old.env:1: TEST_MODE = false: still paper; live needs [desk] mode = "live"',)


def test_an_env_file_may_have_exports_quotes_comments_and_a_mark(tmp_path: Path) -> None:
    text = "\ufeff# old\n\nexport LOTS = \"2\"  # two\nSYMBOL='NIFTY' \nINTERVAL=15m # minutes\nLOTS=3\n"

    legs = with_env_file(tmp_path, text).config.legs

    assert (legs.lots, legs.symbol, legs.interval) == (3, "NIFTY", "15m")


@pytest.mark.row("OPS-12")
@pytest.mark.fault("SEC-08")
@pytest.mark.invariant("C3")
def test_an_env_file_with_a_credential_must_be_closed_to_others(tmp_path: Path) -> None:
    env_file = tmp_path / "old.env"
    env_file.write_text("LOTS=1\nOPENALGO_API_KEY=s3cret")
    env_file.chmod(0o644)

    with pytest.raises(ConfigError) as refused:
        load(None, {"HOME": str(tmp_path)}, env_file=env_file)

    expected = f"{env_file}: holds a credential and is open to others (mode 0644): chmod 600 {env_file}"
    assert str(refused.value) == expected


@pytest.mark.invariant("C1")
def test_a_broken_line_of_an_env_file_is_named_without_its_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        with_env_file(tmp_path, "LOTS=1\nMY-KEY=s3cret\nnonsense")

    assert str(refused.value).splitlines() == [
        f"{tmp_path}/old.env:2: MY-KEY: not a line of the form NAME=value",
        f"{tmp_path}/old.env:3: this line: not a line of the form NAME=value",
    ]
