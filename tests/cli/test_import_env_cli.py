"""`strikedesk import-env`: an old `.env` becomes a config.toml that means the same and holds nothing private."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.import_env import config_text
from engine.config.load import load, load_env_file

PE = "NIFTY01DEC2624500PE"
CANARY = "canary-4711-key"
OLD = f"""# the scalper of 2025
SYMBOL={PE}
EXCHANGE=NFO
PRODUCT=MIS
LOTS=2
export ENABLE_TRAILING_SL="true"
TRAIL_LOCK_PERCENT=80.5
PROFIT_TARGET_RUPEES='2.50'
SQUARE_OFF_TIME=15:10
SL_ORDER_TYPE=SL
MAX_ORDER_RETRIES=3
OPENALGO_API_HOST=http://127.0.0.1:5001
OPENALGO_API_KEY={CANARY}
LOG_TO_FILE=false
PERSIST_STATE=true
TELEGRAM_CHAT=42
STRIKEDESK_LEGS_EXIT_STYLE=hybrid
TEST_MODE=true
"""


@pytest.mark.row("HRD-37", "LEG-57", "OPS-11")
def test_the_written_file_means_what_the_env_file_meant(home, monkeypatch) -> None:
    old = home.write("old.env", OLD, mode=0o600)
    monkeypatch.chdir(home.folder / "..")  # no other config.toml is read

    ended = home.run("import-env", "old.env")

    assert ended.code == 0, ended.err
    made = home.folder / "config.toml"
    assert load(made, {}).config == load(None, {"HOME": str(home.folder)}, env_file=old).config
    table = tomllib.loads(made.read_text(encoding="utf-8"))
    assert table["legs"]["symbol"] == PE
    assert table["legs"]["lots"] == 2
    assert table["legs"]["enable_trailing_sl"] is True
    assert table["legs"]["square_off"] == "15:10"
    assert table["desk"] == {"log_file": "", "mode": "paper", "market": "demo"}
    assert "# LOTS, line 5\nlots = 2\n" in made.read_text(encoding="utf-8")


@pytest.mark.row("HRD-37", "LEG-57")
def test_a_desk_trades_the_same_from_the_written_file_as_from_the_env_file(home) -> None:
    home.write("old.env", f"SYMBOL={PE}\nEXCHANGE=NFO\nPRODUCT=MIS\nLOTS=2\nPROFIT_TARGET_RUPEES=4\n")
    day = ("--no-ui", "--seed", "7", "--speed", "max", "--duration", "12m")
    direct = home.run(*day, "--env-file", "old.env")

    home.run("import-env", "old.env", "--out", "made.toml")
    imported = home.run(*day, "--config", "made.toml")

    assert direct.code == imported.code == 0, imported.err
    assert direct.decision_hash == imported.decision_hash
    assert "[ENTRY] BUY 2 symbols x 130" in imported.err


@pytest.mark.row("HRD-37", "OPS-12")
def test_a_credential_is_named_and_told_where_to_keep_and_never_written(home) -> None:
    home.write("old.env", OLD, mode=0o600)

    ended = home.run("import-env", "old.env")

    assert CANARY not in ended.out + ended.err + (home.folder / "config.toml").read_text(encoding="utf-8")
    (told,) = [line for line in ended.err.splitlines() if "OPENALGO_API_KEY" in line]
    assert "was not written" in told
    assert str(home.folder / "config" / "strikedesk" / "secrets.env") in told


@pytest.mark.row("HRD-37")
def test_what_is_no_key_here_is_listed_with_its_line(home) -> None:
    home.write("old.env", OLD, mode=0o600)

    ended = home.run("import-env", "old.env")

    assert "old.env:16: TELEGRAM_CHAT: no such key, ignored" in ended.err
    assert "old.env:15: PERSIST_STATE: has no effect, the journal is always kept" in ended.err


def test_an_existing_file_stays_unless_it_is_said_otherwise(home) -> None:
    home.write("old.env", f"SYMBOL={PE}\n")
    mine = home.write("config.toml", "# mine\n")

    home.run("import-env", "old.env").assert_refused(2, "config.toml: exists already", "--force")
    assert mine.read_text() == "# mine\n"

    assert home.run("import-env", "old.env", "--force").code == 0
    assert f'symbol = "{PE}"' in mine.read_text()
    assert sorted(path.name for path in home.folder.iterdir() if path.is_file()) == ["config.toml", "old.env"]


@pytest.mark.parametrize(
    ("text", "arguments", "parts"),
    [
        ("LOTS=many\n", (), ("old.env:1: LOTS", "many", "whole number")),
        ("not a line\n", (), ("old.env:1:", "NAME=value")),
        ("LOTS=1\n", ("--out", "none/config.toml"), ("none/config.toml", "No such file or directory")),
        ("LOTS=1\n", ("--out", "."), ("is a folder",)),
        ("LOTS=1\n", ("--out", "old.env", "--force"), ("old.env", "is the file to import")),
        ("OPENALGO_API_KEY=x\n", (), ("open to others", "chmod 600")),
    ],
)
def test_what_cannot_be_imported_is_one_line_and_writes_nothing(home, text, arguments, parts) -> None:
    home.write("old.env", text)

    ended = home.run("import-env", "old.env", *arguments)

    if "--out" in arguments and "." in arguments:
        assert ended.code == 2
        assert "Traceback" not in ended.err
    else:
        ended.assert_refused(2, *parts)
    assert [path.name for path in home.folder.iterdir() if path.is_file()] == ["old.env"]
    assert (home.folder / "old.env").read_text() == text


def test_a_file_that_is_not_there_is_one_line(home) -> None:
    home.run("import-env", "none.env").assert_refused(2, "none.env: cannot be read")


_WORDS = {
    "LOTS": st.integers(1, 20).map(str),
    "ENABLE_TRAILING_SL": st.sampled_from(["true", "False", "1", "off"]),
    "TRAIL_LOCK_PERCENT": st.decimals(1, 99, places=2).map(str),
    "STOP_LOSS_RUPEES": st.decimals("0.05", 50, places=2).map(str),
    "SQUARE_OFF_TIME": st.sampled_from(["15:10", "15:15", "14:59:30"]),
    "INTERVAL": st.sampled_from(["1m", "5m"]),
    "API_TIMEOUT_SECONDS": st.integers(3, 60).map(str),
    "TEST_MODE": st.sampled_from(["true", "false"]),
    "OPENALGO_WS_URL": st.just("ws://127.0.0.1:9"),
    "STRIKEDESK_LEGS_EXTRA_SYMBOLS": st.sampled_from(["", "NIFTY01DEC2624600PE"]),
}


@pytest.mark.row("HRD-37")
@given(values=st.fixed_dictionaries({}, optional=_WORDS))
@settings(max_examples=60, deadline=None)
def test_every_env_file_survives_the_way_through_toml(tmp_path_factory, values: dict[str, str]) -> None:
    folder: Path = tmp_path_factory.mktemp("env")
    old = folder / "old.env"
    old.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    read = load_env_file(old)

    made = folder / "config.toml"
    made.write_text(config_text(read.config, read.origins, old.name), encoding="utf-8")

    assert load(made, {}).config == read.config
