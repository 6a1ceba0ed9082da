"""Exit rules and percent levels in config.toml: read, checked, explained, reloaded (RTP-23, RTP-41, CON-06)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from engine.config import Config
from engine.config.explain import as_json_masked, explain
from engine.config.reload import safe_changes
from engine.exit_rules import parse_rules
from engine.exit_rules.lock_fraction import LockFraction

ConfigOf = Callable[..., Config]
FaultsOf = Callable[..., list[str]]
RULES = """
    [legs]
    trade_type = "Entry3"
    exit_rules = [
        { rule = "breakeven", gain_pct = 12.5 },
        { rule = "supertrend", factor = 2.5 },
        { rule = "time_exit", at = "15:10" },
    ]
"""


@pytest.mark.row("RTP-41", "CON-06")
def test_rules_reach_the_terms_of_the_next_position_as_plain_values(config_of: ConfigOf) -> None:
    terms = config_of(RULES).legs_terms().bracket

    assert terms.trade_type == "Entry3"
    assert [rule["rule"] for rule in terms.rules] == ["breakeven", "supertrend", "time_exit"]
    assert json.loads(json.dumps(terms.rules)) == list(terms.rules)
    assert (terms.rules[0]["gain_bps"], terms.rules[1]["factor_hundredths"], terms.rules[2]["at_s"]) == (
        1250,
        250,
        54_600,
    )


@pytest.mark.row("LEG-31", "LEG-32", "LEG-33")
def test_the_old_trailing_keys_are_a_lock_fraction_in_front_of_the_list(config_of: ConfigOf) -> None:
    assert config_of("").legs.rules == ()
    config = config_of(f"{RULES}    enable_trailing_sl = true\n    trail_lock_percent = 80")

    assert config.legs.rules[0] == LockFraction(activation_bps=5_000, lock_bps=8_000)
    assert [rule.name for rule in config.legs.rules[1:]] == ["breakeven", "supertrend", "time_exit"]


def test_rules_may_be_written_as_tables_or_in_a_variable(config_of: ConfigOf) -> None:
    as_tables = config_of('[[legs.exit_rules]]\nrule = "breakeven"\n[[legs.exit_rules]]\nrule = "pct_below_hwm"')
    as_text = '[{ rule = "breakeven" }, { rule = "pct_below_hwm" }]'
    as_variable = config_of("", {"STRIKEDESK_LEGS_EXIT_RULES": as_text})

    assert as_tables.legs.exit_rules == as_variable.legs.exit_rules
    assert as_tables.legs.exit_rules == parse_rules([{"rule": "breakeven"}, {"rule": "pct_below_hwm"}])


@pytest.mark.row("RTP-41")
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            '[legs]\nexit_rules = [{ rule = "breakevn" }]',
            'config.toml:2: legs.exit_rules.1.rule = "breakevn": no such rule; did you mean breakeven?; one of ',
        ),
        (
            '[legs]\n\nexit_rules = [\n{ rule = "time_exit" },\n{ rule = "breakeven", gain_pct = 0 },\n]',
            "config.toml:3: legs.exit_rules.2.gain_pct = 0: must be a number from 0.01 to 1000, at most two decimals",
        ),
        ("[legs]\nexit_rules = 7", "config.toml:2: legs.exit_rules = 7: must be a list of rules, as { rule = "),
        (
            '[legs]\nexit_rules = [{ rule = "time_exit", at = "16:00" }]',
            "config.toml:2: legs.exit_rules: time_exit(16:00) must lie after session_start 09:20 and not after the "
            "close 15:40",
        ),
        (
            '[legs]\ntrade_type = "Entry1"',
            'config.toml:2: legs.trade_type = "Entry1": must be one of Entry2, Entry3, Manual; did you mean Entry3?',
        ),
        (
            "[legs]\nstop_loss_rupees = 1\nstop_loss_percent = 6.5",
            "config.toml:3: legs.stop_loss_percent = 6.5: stop_loss_rupees is given too; only one of the two",
        ),
        (
            "[legs]\nprofit_target_percent = 8.125",
            "config.toml:2: legs.profit_target_percent = 8.125: at most two decimals",
        ),
        (
            "[legs]\nstop_loss_percent = 100",
            "config.toml:2: legs.stop_loss_percent = 100: must be a number from 0 to 95",
        ),
    ],
)
def test_a_mistake_names_file_line_key_value_and_what_is_allowed(faults_of: FaultsOf, text: str, fault: str) -> None:
    (found,) = faults_of(text)

    assert found.startswith(fault)


@pytest.mark.parametrize("text", ["nonsense", "[{ rule = ", "7"])
def test_a_variable_that_holds_no_list_is_named_as_the_origin(faults_of: FaultsOf, text: str) -> None:
    (found,) = faults_of("", {"STRIKEDESK_LEGS_EXIT_RULES": text})

    assert found.startswith("environment: STRIKEDESK_LEGS_EXIT_RULES = ")
    assert found.endswith("(legs.exit_rules)")


def test_a_mistake_inside_a_variable_is_placed_there_and_not_in_the_file(faults_of: FaultsOf) -> None:
    (found,) = faults_of("", {"STRIKEDESK_LEGS_EXIT_RULES": '[{ rule = "time_exit", at = "noon" }]'})

    assert found == (
        'environment: STRIKEDESK_LEGS_EXIT_RULES = "noon": must be a time of day, HH:MM (legs.exit_rules.1.at)'
    )


@pytest.mark.row("RTP-23")
def test_percent_levels_reach_the_terms_as_basis_points(config_of: ConfigOf) -> None:
    config = config_of("[legs]\nprofit_target_percent = 8\nstop_loss_percent = 6.5")
    terms = config.legs_terms().bracket

    assert (terms.target_bps, terms.stop_bps) == (800, 650)
    assert (config_of("").legs_terms().bracket.target_bps, config_of("").legs_terms().bracket.stop_bps) == (0, 0)


def test_zero_percent_beside_rupees_is_no_contradiction(config_of: ConfigOf) -> None:
    assert config_of("[legs]\nstop_loss_rupees = 3\nstop_loss_percent = 0").legs.stop_loss_paise == 300


def test_the_check_says_each_rule_and_percent_level_in_words(config_of: ConfigOf) -> None:
    words = explain(
        config_of(f"{RULES}    profit_target_percent = 8\n    stop_loss_percent = 6.5"),
        {"NIFTY01DEC2624500PE": 65, "NIFTY01DEC2624500CE": 65},
    )

    for sentence in (
        "target 8 % above, stop 6.5 % below the average entry",
        "all targets +8 % of the entries, all stops -6.5 % of the entries",
        "after a gain of 12.5 % the stop moves to the entry",
        "while supertrend(10, 2.5) on 1m candles runs with the position, the stop follows its line",
        "time-based exit (3:10 PM): whatever is open is left from then on",
    ):
        assert sentence in words


def test_the_start_line_holds_the_rules_as_they_are_configured(config_of: ConfigOf) -> None:
    rules = json.loads(as_json_masked(config_of(RULES)))["legs"]["exit_rules"]

    assert rules[0] == {"rule": "breakeven", "gain_pct": 12.5, "offset_rupees": 0}
    assert rules[2] == {"rule": "time_exit", "at": "15:10"}


@pytest.mark.row("OPS-13")
def test_changed_rules_count_for_the_next_position_without_a_restart(config_of: ConfigOf) -> None:
    changes = safe_changes(config_of(""), config_of(RULES))

    assert changes.applied == ("legs.exit_rules", "legs.trade_type")
    assert changes.restart_needed == ()
