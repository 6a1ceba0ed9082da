"""[position_management]: the position manager's own tree, each key with its one effect and nothing that has none."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.config import Config, load
from engine.config.explain import explain
from engine.config.reload import safe_changes
from engine.instant import NS_PER_MS, NS_PER_S

ConfigOf = Callable[..., Config]
FaultsOf = Callable[..., list[str]]
FLAT = ["gap_threshold_percent", "GAP_THRESHOLD_PERCENT"]


@pytest.mark.row("RTP-36")
def test_the_defaults_are_those_of_the_tree() -> None:
    tree = Config().position_management
    terms = Config().legs_terms().bracket

    assert (tree.enabled, tree.check_interval_ns, tree.gap_bps) == (True, NS_PER_S, 200)
    assert (terms.exit_tries, terms.exit_retry_ns) == (3, 500 * NS_PER_MS)
    assert (terms.proof_tries, tree.proof_again_ns) == (5, 500 * NS_PER_MS)
    assert (tree.performance.max_concurrent_checks, tree.performance.batch_size) == (10, 5)
    assert (terms.slippage_alert_bps, terms.naked_limit_ns) == (200, 60 * NS_PER_S)


def _effects(config: Config) -> dict[str, object]:
    """Everything that is read off the tree, by name."""
    tree, terms = config.position_management, config.legs_terms()
    return {
        "unmanaged": config.risk_limits.unmanaged,
        "check_interval_ns": tree.check_interval_ns,
        "gap_bps": tree.gap_bps,
        "proof_again_ns": tree.proof_again_ns,
        "batches": tree.performance.max_concurrent_checks,
        "batch": tree.performance.batch_size,
        **{name: getattr(terms.bracket, name) for name in terms.bracket.__struct_fields__},
    }


@pytest.mark.row("RTP-36", "RTP-37")
@pytest.mark.parametrize(
    ("table", "line", "effect", "value"),
    [
        ("", "enabled = false", "unmanaged", True),
        ("", "check_interval_sec = 0.5", "check_interval_ns", 500 * NS_PER_MS),
        (".gap_detection", "enabled = false", "gap_bps", 0),
        (".gap_detection", "gap_threshold_percent = 3.5", "gap_bps", 350),
        (".exit_execution", "max_retries = 4", "exit_tries", 4),
        (".exit_execution", "retry_delay_ms = 200", "exit_retry_ns", 200 * NS_PER_MS),
        (".exit_execution", "slippage_alert_percent = 0.5", "slippage_alert_bps", 50),
        (".validation", "max_retries = 7", "proof_tries", 7),
        (".validation", "retry_interval_ms = 250", "proof_again_ns", 250 * NS_PER_MS),
        (".performance", "max_concurrent_checks = 2", "batches", 2),
        (".performance", "batch_size = 9", "batch", 9),
    ],
)
def test_each_key_changed_alone_changes_only_its_behaviour(
    config_of: ConfigOf, table: str, line: str, effect: str, value: object
) -> None:
    config = config_of(f"[position_management{table}]\n{line}")

    assert _effects(config) == {**_effects(Config()), effect: value}


@pytest.mark.row("I-4")
@pytest.mark.parametrize(("seconds", "ns"), [("0", 0), ("2.5", 2_500_000_000), ("60", 60 * NS_PER_S)])
def test_the_limit_of_bare_time_is_a_key_of_the_legs(config_of: ConfigOf, seconds: str, ns: int) -> None:
    assert config_of(f"[legs]\nnaked_limit_seconds = {seconds}").legs_terms().bracket.naked_limit_ns == ns


@pytest.mark.row("RTP-36", "CON-47")
@pytest.mark.parametrize("key", FLAT)
def test_the_flat_gap_key_is_taken_with_a_note(tmp_path: Path, key: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[position_management]\ncheck_interval_sec = 2\n{key} = 4\n")
    loaded = load(path, {})

    assert loaded.config.position_management.gap_bps == 400
    assert [note.replace(f"{tmp_path}/", "") for note in loaded.notes] == [
        f"config.toml:3: [position_management] {key}: taken as [position_management.gap_detection] "
        "gap_threshold_percent; write it there"
    ]


@pytest.mark.row("CON-47")
def test_the_nested_gap_key_is_the_real_one(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        textwrap.dedent("""
            [position_management]
            GAP_THRESHOLD_PERCENT = 4
            [position_management.gap_detection]
            gap_threshold_percent = 3
        """)
    )
    loaded = load(path, {})

    assert loaded.config.position_management.gap_bps == 300
    assert "has no effect" in loaded.notes[0]


def test_a_bad_flat_value_is_named_where_it_stands(faults_of: FaultsOf) -> None:
    (fault,) = faults_of("[position_management]\nenabled = true\ngap_threshold_percent = 400")

    assert fault.startswith("config.toml:3: position_management.gap_detection.gap_threshold_percent = 400: must be ")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[position_management.exit_execution]\norder_type = "MARKET"', "exits are always marketable orders"),
        ("[position_management.validation]\nenabled = false", "closed when the broker says so"),
        ("[position_management]\ncheck_interval_sec = 0", "must be a number from 0.1 to 5"),
        ("[position_management]\ngap_detection = 2\ngap_threshold_percent = 3", "write it as a table"),
        ("[POSITION_MANAGEMENT]\nenabled = true", "did you mean position_management?"),
        ("[position_management]\ncheck_interval = 1", "did you mean check_interval_sec?"),
    ],
)
def test_what_has_no_effect_here_is_refused_with_the_reason(faults_of: FaultsOf, text: str, fault: str) -> None:
    assert any(fault in line for line in faults_of(text))


def test_the_check_says_what_becomes_of_bare_units_and_of_entries(config_of: ConfigOf) -> None:
    off = config_of("[position_management]\nenabled = false\n[legs]\nnaked_limit_seconds = 0")

    assert "an alarm after 2 s without a working stop; the position is left after 60 s" in explain(Config())
    assert "an alarm after 2 s without a working stop; the position is kept" in explain(off)
    assert "no entry at all: [position_management] enabled = false" in explain(off)


def test_a_variable_sets_a_nested_key(config_of: ConfigOf) -> None:
    env = {"STRIKEDESK_POSITION_MANAGEMENT_PERFORMANCE_BATCH_SIZE": "3"}

    assert config_of("", env).position_management.performance.batch_size == 3


@pytest.mark.row("RTP-36")
def test_a_reload_takes_the_executor_s_keys_and_leaves_the_desk_s_own(config_of: ConfigOf) -> None:
    new = config_of("""
        [position_management]
        enabled = false
        check_interval_sec = 2
        [position_management.exit_execution]
        max_retries = 9
        [legs]
        naked_limit_seconds = 5
    """)
    changes = safe_changes(Config(), new)

    assert set(changes.applied) == {
        "position_management.enabled", "position_management.exit_execution.max_retries", "legs.naked_limit_seconds",
    }  # fmt: skip
    assert changes.restart_needed == ("position_management.check_interval_sec",)
    terms = changes.config.legs_terms().bracket
    assert (terms.exit_tries, terms.naked_limit_ns) == (9, 5 * NS_PER_S)
    assert changes.config.risk_limits.unmanaged
    assert msgspec.structs.replace(changes.config.position_management, enabled=True).check_interval_ns == NS_PER_S
