"""More groups of legs in config.toml: [groups.NAME] with the keys of [legs], each a bot of its own (HRD-41, CON-43)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.config import Config
from engine.config.explain import as_json_masked, explain
from engine.config.reload import safe_changes

ConfigOf = Callable[..., Config]
FaultsOf = Callable[..., list[str]]
TWO = """
    [legs]
    symbol = "NIFTY01DEC2624500PE"
    account = "paper"
    [groups.far]
    symbol = " nifty01dec2624600pe "
    lots = 2
    exit_style = "monitored"
    [groups.twin]
    symbol = "NIFTY01DEC2624500PE"
    strategy = "other_name"
    max_day_loss_rupees = 5000
    [groups.twin.trend_gate]
    enabled = true
"""


@pytest.mark.row("HRD-41")
def test_each_table_is_a_group_with_the_keys_of_legs(config_of: ConfigOf) -> None:
    config = config_of(TWO)

    assert [legs.strategy for legs in config.all_groups] == ["random_scalp_live", "far", "other_name"]
    assert [legs.symbols[0] for legs in config.all_groups] == [
        "NIFTY01DEC2624500PE",
        "NIFTY01DEC2624600PE",
        "NIFTY01DEC2624500PE",
    ]
    terms = [config.terms_of(legs) for legs in config.all_groups]
    assert [(t.lots, t.bracket.style.value) for t in terms] == [(1, "resting"), (2, "monitored"), (1, "resting")]
    assert [t.limits.day_loss_paise for t in terms] == [0, 0, 500_000]
    assert config.groups["twin"].trend_gate.enabled


def test_a_group_trades_the_account_of_legs_unless_it_names_one(config_of: ConfigOf, faults_of: FaultsOf) -> None:
    second = '[accounts.second]\nkind = "paper"\n'
    config = config_of(f'[groups.far]\n[legs]\naccount = "second"\n{second}')
    assert config.groups["far"].account == "second"

    config = config_of(f'[groups.far]\naccount = "second"\n[groups.near]\n{second}')
    assert [legs.account for legs in config.all_groups] == ["paper", "second", "paper"]
    assert config.account_names == ("paper", "second")

    assert faults_of('[groups.far]\naccount = "third"') == [
        'config.toml:2: groups.far.account = "third": no such account; one of paper'
    ]
    assert faults_of(f'[groups.far]\naccount = "second"\n{second}partial_fills = true') == [
        "config.toml:5: accounts.second.partial_fills = true: is false for paper; paper accounts of one desk share the "
        "exchange"
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            '[groups.far]\nstrategy = "Random_Scalp_Live"',
            'config.toml:2: groups.far.strategy = "Random_Scalp_Live": is the name of [legs] already',
        ),
        (
            '[groups.a]\n[groups.b]\nstrategy = "A"',
            'config.toml:3: groups.b.strategy = "A": is the name of [groups.a] already',
        ),
        ("[groups.far]\nlot = 2", "config.toml:2: groups.far.lot: no such key; did you mean lots?"),
        ("[groups.far]\nlots = 0", "config.toml:2: groups.far.lots = 0: must be a whole number from 1 to 1000"),
        ("[desk]\nmax_lots = 1\n[groups.far]\nlots = 2", "groups.far.lots = 2: above [desk] max_lots 1"),
        ('[groups."a b"]', "groups.a b: a group's name has 1 to 40 letters, digits, _ -"),
        ("groups = 3", "config.toml:1: groups = 3: write each group as a table [groups.NAME]"),
        ("[groups]\nfar = 3", "config.toml:2: groups.far = 3: write each group as a table [groups.far]"),
        ('[groups.far]\nexchange = "NSE"', "groups.far.symbol"),
        ("[groups.far]\nsession_start = 15:30:00", "groups.far.session_end = 15:15: must be after session_start 15:30"),
        ("[group.far]", "did you mean groups?"),
    ],
)
def test_each_mistake_in_a_group_is_one_line_at_its_place(faults_of: FaultsOf, text: str, fault: str) -> None:
    faults = faults_of(text)

    assert any(fault in line for line in faults), faults


@pytest.mark.row("CON-43")
def test_the_same_contract_may_stand_in_two_groups(config_of: ConfigOf) -> None:
    config = config_of(TWO)
    assert config.legs.symbols == config.groups["twin"].symbols


@pytest.mark.row("OPS-11")
def test_a_variable_names_the_group(config_of: ConfigOf, faults_of: FaultsOf) -> None:
    config = config_of(TWO, {"STRIKEDESK_GROUPS_FAR_LOTS": "4", "STRIKEDESK_GROUPS_TWIN_TREND_GATE_EMA_FAST": "7"})
    assert (config.groups["far"].lots, config.groups["twin"].trend_gate.ema_fast) == (4, 7)
    assert faults_of(TWO, {"STRIKEDESK_GROUPS_FAR_LOT": "4"}) == [
        "environment: STRIKEDESK_GROUPS_FAR_LOT: no such key; did you mean STRIKEDESK_GROUPS_FAR_LOTS?"
    ]


@pytest.mark.row("OPS-13")
@pytest.mark.fault("CFG-01")
def test_a_reload_changes_each_group_for_itself_and_adds_none(config_of: ConfigOf) -> None:
    old = config_of(TWO)
    new = config_of(TWO.replace("lots = 2", "lots = 3\n    chase_ms = 500") + "[groups.more]\n")

    changes = safe_changes(old, new)
    assert changes.applied == ("groups.far.chase_ms",)
    assert set(changes.restart_needed) == {"groups.far.lots", "groups.more"}
    assert (changes.config.groups["far"].chase_ms, changes.config.groups["far"].lots) == (500, 2)
    assert list(changes.config.groups) == ["far", "twin"]
    assert safe_changes(old, config_of("")).restart_needed == ("groups.far", "groups.twin")


def test_the_check_tells_of_every_group(config_of: ConfigOf) -> None:
    config = config_of(TWO)
    words = explain(config)

    assert [line.split()[1].rstrip(",") for line in words.splitlines() if line.startswith("Group")] == [
        "random_scalp_live",
        "far",
        "other_name",
    ]
    assert "no entry after a day loss of ₹5,000.00" in words
    assert words.count("Square-off") == 3
    assert "Group" not in explain(config_of(""))
    assert '"groups":{"far":{"strategy":"far"' in as_json_masked(config)
