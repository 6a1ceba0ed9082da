"""`strikedesk health`: the facts of a running desk, and an honest "not running" for every other case (OPS-27)."""

from __future__ import annotations

import stat
from argparse import Namespace
from pathlib import Path

import msgspec
import pytest

from engine.instant import NS_PER_S
from tui.health_command import Health, HealthFile, health_of, read_health, run_health

PE = "NIFTY01DEC2624500PE"
NEWEST = Health(pid=7, boot="b1", mono_ns=100 * NS_PER_S, mode="PAPER")


def written(folder: Path, health: Health = NEWEST) -> Path:
    path = folder / "account.health"
    HealthFile(path, lambda: health).write(health)
    return path


def test_a_fresh_record_of_this_start_of_the_machine_is_a_running_desk(tmp_path: Path) -> None:
    path = written(tmp_path)

    assert read_health(path, 105 * NS_PER_S, "b1") == (NEWEST, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["account.health"]


@pytest.mark.parametrize(
    ("mono_s", "boot", "ended", "why"),
    [
        (111, "b1", False, "silent for 11 s"),
        (101, "b2", False, "started again"),
        (101, "b1", True, "has ended"),
    ],
)
def test_old_news_is_never_told_as_running(tmp_path: Path, mono_s, boot, ended, why) -> None:
    path = written(tmp_path, msgspec.structs.replace(NEWEST, ended=ended))

    health, down = read_health(path, mono_s * NS_PER_S, boot)

    assert health is not None and why in down


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff\xfe"])
def test_a_broken_file_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "account.health"
    path.write_bytes(content)

    health, down = read_health(path, 0, "b1")

    assert health is None and str(path) in down and "\n" not in down


def test_where_no_desk_has_run_the_command_says_so_and_fails(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    arguments = Namespace(config=None, env_file=None, db=None, json=True)

    assert run_health(arguments) == 1
    assert msgspec.json.decode(capsys.readouterr().out) == {
        "running": False,
        "why_not": "no desk has run with these files",
    }


@pytest.mark.row("OPS-27")
def test_every_key_has_the_value_of_the_running_desk(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        health = health_of(rig.desk, rig.console)

        assert (health.mode, health.account, health.recovered) == ("PAPER TEST", "paper", True)
        assert (health.active_positions, health.open_units, health.covered_units) == (2, 150, 150)
        assert (health.working_orders, health.unknown_orders) == (4, 0)
        assert (health.scheduler, health.entries) == ("every 30 s", "ON")
        assert (health.watchlist_count, health.tick_cache) == (2, 2)
        assert 0 <= health.feed_age_ns < NS_PER_S and health.order_path == "ok"
        assert (health.journal, health.differences, health.alarms) == ("ok", 0, 0)

    run_desk(scenario, seed_setup())
