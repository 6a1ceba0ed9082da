"""The leg scalper's own ways: its .env file, TEST_MODE, its start lines; and that no credential and no call leaves."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from engine.config.model import Config

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
CANARY = "canary-4711-key"
TWO_ENTRIES = ("--no-ui", "--seed", "7", "--speed", "max", "--duration", "12m")

WATCHED_RUN = """
import json, sys
calls = []
sys.addaudithook(lambda event, _: calls.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
from tui.cli import main
code = main(sys.argv[1:])
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"code": code, "calls": calls, "loaded": loaded}))
"""


@pytest.mark.row("LEG-57", "LEG-02", "LEG-56")
def test_an_env_file_with_four_names_runs_with_the_defaults(home) -> None:
    home.write("leg.env", f"SYMBOL={CE}\nEXCHANGE=NFO\nPRODUCT=MIS\nLOTS=2\n")

    ended = home.run(*TWO_ENTRIES, "--env-file", "leg.env")

    assert ended.code == 0, ended.err
    assert f"[INIT] Dual-symbol mode: {CE} + {PE}" in ended.err
    for leg in (CE, PE):
        assert f"[INIT] {leg} lot 65 x 2 = 130 units" in ended.err
    assert "[ENTRY] BUY 2 symbols x 130" in ended.err
    started = json.loads(ended.err.partition("Starting with config: ")[2].partition("\n")[0])["legs"]
    assert (started["product"], started["exchange"], started["lots"]) == ("MIS", "NFO", 2)
    seed_defaults = {
        "enable_trailing_sl": False,
        "trail_activation_percent": 50.0,
        "trail_lock_percent": 75.0,
        "enable_market_on_target": False,
    }
    assert {key: started[key] for key in seed_defaults} == seed_defaults


@pytest.mark.row("LEG-61", "OPS-01", "OPS-04")
def test_test_mode_is_the_paper_demo_without_a_call_or_a_screen_whatever_the_file_says(home) -> None:
    home.write(
        "live.toml",
        '[desk]\nmode = "live"\nmarket = "home"\nmax_lots = 1\n[risk]\nmax_day_loss_rupees = 1000\n'
        '[accounts.home]\nkind = "openalgo"\n[legs]\naccount = "home"\n',
    )
    env = {"TEST_MODE": "true", "OPENALGO_API_KEY": CANARY}

    ended = home.run(*TWO_ENTRIES, "--config", "live.toml", "--db", "day.db", env=env, program=WATCHED_RUN)

    watched = json.loads(ended.out.splitlines()[-1])
    assert watched["code"] == 0, ended.err
    assert watched["calls"] == []
    assert not {"textual", "rich"} & set(watched["loaded"])
    assert "TEST_MODE = true: paper demo, whatever the configuration says" in ended.err
    story = [line[33:] for line in ended.err.splitlines() if not line.startswith("strikedesk: ")]
    first = {
        phrase: next(i for i, text in enumerate(story) if text.startswith(phrase))
        for phrase in ("[INIT] Dual-symbol mode", f"[ENTRY] BUY {PE}", f"[ENTRY] BUY {CE}", "[ORDER] BUY", "[EXITS]")
    }
    assert list(first.values()) == sorted(first.values()), "the seed's order of events"
    exits = [text for text in story if "[EXIT]" in text]
    assert any(PE in text for text in exits)
    assert any(CE in text for text in exits)


@pytest.mark.row("LEG-55", "OPS-12")
def test_the_start_line_has_every_key_and_no_credential(home) -> None:
    home.write("mine.toml", '[accounts.home]\nkind = "openalgo"\n')

    ended = home.run(
        "--no-ui", "--speed", "max", "--duration", "1m", "--config", "mine.toml", env={"OPENALGO_API_KEY": CANARY}
    )

    lines = ended.err.splitlines()
    assert lines[0].endswith("INFO     🔁 OpenAlgo Python Bot is running.")
    head, _, text = lines[1].partition("[random_scalp_live] Starting with config: ")
    assert head.endswith("INFO     ")
    told = json.loads(text)
    assert missing_keys(Config(), told) == []
    home_account = told["accounts"]["home"]
    assert "***" in home_account.values()
    assert CANARY not in ended.err


def missing_keys(table: msgspec.Struct, told: dict, path: str = "") -> list[str]:
    """Keys of a configuration table that a told one lacks, tables inside included."""
    missing: list[str] = []
    for name, key in zip(table.__struct_fields__, table.__struct_encode_fields__, strict=True):
        value = getattr(table, name)
        if key not in told:
            missing.append(path + key)
        elif isinstance(value, msgspec.Struct):
            missing += missing_keys(value, told[key], f"{path}{key}.")
    return missing


@pytest.mark.row("OPS-12")
@pytest.mark.fault("SEC-07")
@pytest.mark.invariant("C1")
def test_a_secret_is_in_no_stream_no_file_and_no_process_title(home, far_exits) -> None:
    home.write("mine.toml", '[accounts.home]\nkind = "openalgo"\n[accounts.kite]\nkind = "kite"\n')
    private = home.write("leg.env", f"SYMBOL={PE}\nOPENALGO_API_KEY={CANARY}\n", mode=0o600)
    secrets = home.settings / "secrets.env"
    secrets.write_text(f"KITE_API_KEY={CANARY}\nKITE_ACCESS_TOKEN={CANARY}\n")
    secrets.chmod(0o600)
    arguments = ("--no-ui", "--speed", "100", "--duration", "3m", "--config", "mine.toml", "--env-file", "leg.env")

    desk = home.start(*arguments, env={**far_exits, "XTS_TRADE_SECRET": CANARY, "OPENALGO_API_KEY": CANARY})
    desk.wait_for("[EXITS]")
    title = Path(f"/proc/{desk.pid}/cmdline")
    shown = title.read_bytes() if title.exists() else b""
    ended = desk.end()

    assert ended.code == 0, ended.err
    assert CANARY.encode() not in shown
    assert CANARY not in ended.out + ended.err
    written = [path for path in home.folder.rglob("*") if path.is_file() and path not in (private, secrets)]
    assert {"random_scalp_live.log", "random_scalp_live.jsonl", "strikedesk.db"} <= {path.name for path in written}
    assert [path.name for path in written if CANARY.encode() in path.read_bytes()] == []


@pytest.mark.row("OPS-01", "OPS-22")
def test_the_version_is_told_without_loading_what_it_does_not_need(home) -> None:
    program = WATCHED_RUN.replace(
        "code = main(sys.argv[1:])", "try: main(sys.argv[1:])\nexcept SystemExit as end: code = end.code"
    )

    ended = home.run("--version", program=program)

    version, watched = ended.out.splitlines()
    assert version.split() == ["strikedesk", "0.1.0"]
    assert json.loads(watched)["code"] == 0
    assert not {"textual", "rich", "httpx", "sqlite_utils", "websockets"} & set(json.loads(watched)["loaded"])
    assert home.run("--version").out == f"{version}\n"
