"""[[grid]] in config.toml: the seed's keys in rupees become a grid's terms, and every mistake is one line (GRD-62)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.config import Config
from engine.config.environment import key_variables
from engine.config.explain import as_json_masked, explain
from engine.config.grid import Grid
from engine.config.key import keys_of
from engine.config.reload import safe_changes
from engine.grid.terms import GridAccounts, GridKind, GridTerms, OnTerminate, TradeType
from engine.instant import NS_PER_S

ConfigOf = Callable[..., Config]
FaultsOf = Callable[..., list[str]]
ROOT = Path(__file__).resolve().parents[3]
ACCOUNTS = """
[accounts.up]
kind = "paper"
[accounts.down]
kind = "paper"
"""
IRFC = """
[[grid]]
bot_name = "IRFC-SBIN Grid"
trade_type = "gridocots"
token_a_symbol = " irfc "
token_b_symbol = "SBIN"
entry_price = 50.00
steps = 5
spread = 1.0
target_spread = 0.50
oco_spread = 2.0
token_a_quantity = 100
token_b_quantity = 50
accounts = { upside_oco = "up", downside_oco = "down" }
"""
ONE = IRFC + ACCOUNTS
PLAIN = '[[grid]]\nbot_name = "{name}"\ntrade_type = "buyts"\ntoken_a_symbol = "IRFC"\ntoken_a_quantity = 1\n'
XTS = """
[desk]
mode = "live"
max_lots = 1
market = "a"
[risk]
max_day_loss_rupees = 1000
[legs]
account = "a"
[accounts.a]
kind = "xts"
[accounts.b]
kind = "xts"
trade_key_name = "KEY_TWO"
trade_secret_name = "SECRET_TWO"
[accounts.c]
kind = "xts"
trade_key_name = "KEY_TWO"
trade_secret_name = "SECRET_{c}"
market_key_name = "OTHER_MARKET_KEY"
"""


@pytest.mark.row("GRD-62", "GRD-38", "GRD-60")
def test_the_seeds_keys_in_rupees_are_the_terms_in_paise(config_of: ConfigOf) -> None:
    config = config_of(ONE)

    assert config.grid_terms(config.grids[0]) == GridTerms(
        bot="IRFC-SBIN Grid",
        accounts=GridAccounts(trade="paper", upside_oco="up", downside_oco="down"),
        token_a="IRFC",
        token_b="SBIN",
        entry_paise=5000,
        steps=5,
        spread_paise=100,
        target_spread_paise=50,
        oco_spread_paise=200,
        qty_a=100,
        qty_b=50,
    )


def test_every_default_of_the_file_is_that_of_the_terms() -> None:
    terms = Grid(bot_name="b", token_a_symbol="IRFC").terms(GridAccounts(trade="t"))

    assert terms == GridTerms(bot="b", accounts=GridAccounts(trade="t"), token_a="IRFC")


def test_every_key_that_is_no_default_reaches_the_terms(config_of: ConfigOf) -> None:
    text = """
        [[grid]]
        bot_name = "b"
        trade_type = "buyts"
        token_a_symbol = "IRFC"
        token_a_quantity = 10
        exchange = "BSE"
        product_type = "CNC"
        auto_reenter = false
        max_resting_entries_per_side = 2
        seed_cadence = true
        max_quantity_scope = "side"
        allow_crossing = true
        poll_interval = 0.5
        partial_wait = 7
        protection_pct = 1.5
        hedge_order_type = "limit"
        hedge_protection_pct = 0.25
        hedge_sign = -1
        confirm_with_token_a = true
        oco_bracket_depth = 2
        min_hold = 0.5
        max_tick_age = 2.5
        race_policy = "keep"
        oco_stop_count = 4
        untriggered_grace = 6
        literal_termination = true
        on_terminate = "flatten"
        cancel_on_stop = true
        no_new_entries_after = "15:00"
        square_off = "00:00"
    """
    config = config_of(text)
    terms = config.grid_terms(config.grids[0])

    usual = GridTerms(bot="b", accounts=terms.accounts, token_a="IRFC")
    same = {name for name in terms.__struct_fields__ if getattr(terms, name) == getattr(usual, name)}
    shape = {"steps", "spread_paise", "target_spread_paise", "oco_spread_paise", "entry_paise", "qty_b", "token_b"}
    geometric = {"kind", "base_space_paise", "base_target_paise", "total_qty"}
    assert same == {"bot", "accounts", "token_a"} | shape | geometric
    assert (terms.cycle_ns, terms.partial_wait_ns, terms.max_tick_age_ns) == (5 * 10**8, 7 * NS_PER_S, 25 * 10**8)
    assert (terms.protection_bps, terms.hedge_protection_bps) == (150, 25)
    assert (terms.no_new_entries_ns, terms.square_off_ns) == (15 * 3600 * NS_PER_S, 0)
    assert terms.on_terminate is OnTerminate.FLATTEN


@pytest.mark.row("GRD-64", "GRD-66", "GRD-67", "GRD-70")
def test_a_geometric_grid_has_the_older_bots_defaults(config_of: ConfigOf) -> None:
    head = '[[grid]]\nbot_name = "geo"\ngrid_kind = "geometric"\ntoken_a_symbol = "IRFC"\n'
    config = config_of(head)

    assert config.grid_terms(config.grids[0]) == GridTerms(
        bot="geo",
        accounts=GridAccounts(trade="paper"),
        token_a="IRFC",
        kind=GridKind.GEOMETRIC,
        trade_type=TradeType.GRID,
        product="NRML",
        qty_a=300,
        total_qty=1000,
        max_resting_entries_per_side=0,
        cycle_ns=2 * NS_PER_S,
        no_new_entries_ns=0,
        square_off_ns=0,
    )
    named = config_of(head + 'trade_type = "buyts"\npoll_interval = 1\n')
    assert named.grids[0].trade_type is TradeType.BUY
    assert named.grid_terms(named.grids[0]).cycle_ns == NS_PER_S


@pytest.mark.row("GRD-62", "GRD-09", "GRD-10", "CON-16")
@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("steps = 5", "steps = 0", "config.toml:8: grid.1.steps = 0: must be a whole number from 1 to 500"),
        ("spread = 1.0", "spread = -1.0", "config.toml:9: grid.1.spread = -1.0: must be a number from 0.01"),
        ("target_spread = 0.50", "target_spread = 1.0", "config.toml:10: grid.1.target_spread = 1.00: the targets of"),
        ("target_spread = 0.50", "", "grid.1.target_spread = 1.00: the targets of BUY level 1 (SELL 50.00)"),
        ("oco_spread = 2.0", "oco_spread = 0", "config.toml:11: grid.1.oco_spread = 0.00: gridocots hedges beyond"),
        ("token_b_quantity = 50", "", "grid.1.token_b_quantity = 0: gridocots hedges so many units"),
        ('"SBIN"', '"IRFC"', 'config.toml:6: grid.1.token_b_symbol = "IRFC": is token A itself'),
        ('token_b_symbol = "SBIN"', "", "grid.1.token_b_symbol: missing: gridocots hedges"),
        ('token_a_symbol = " irfc "', "", "grid.1.token_a_symbol: missing"),
        ('bot_name = "IRFC-SBIN Grid"', "", "grid.1.bot_name: missing"),
        ('"IRFC-SBIN Grid"', '"../x"', 'config.toml:3: grid.1.bot_name = "../x": must be 1 to 40 letters'),
        ('"gridocots"', '"gridoco"', "did you mean gridocots?"),
        ("spread = 1.0", "spread = 1.005", "config.toml:9: grid.1.spread = 1.005: at most two decimals"),
        ('"up"', '"upp"', 'grid.1.accounts.upside_oco = "upp": no such account; one of paper, up, down'),
        ('upside_oco = "up", ', "", "config.toml:14: grid.1.accounts.upside_oco: missing: gridocots hedges its SELL"),
        ("steps = 5", "step = 5", "config.toml:8: grid.1.step: no such key; did you mean steps?"),
        ("steps = 5", "steps = 5\nhedge_sign = 0", "grid.1.hedge_sign = 0: 1, or -1"),
        ("steps = 5", 'steps = 5\nsquare_off = "16:00"', "grid.1.square_off = 16:00: outside the session, NSE trades"),
        ("steps = 5", 'steps = 5\nsquare_off = "15:00"', "grid.1.square_off = 15:00: not before no_new_entries_after"),
        ("steps = 5", 'steps = 5\ntrade_key = "abc-secret"', "grid.1.trade_key: a credential never stands in this"),
        ("steps = 5", 'steps = 5\nxts_root = "x"', "grid.1.xts_root: belongs to the account"),
        ("steps = 5", 'steps = 5\nexchange = "NFO"\nproduct_type = "CNC"', "grid.1.product_type = "),
        ("[[grid]]", "[grid]", "config.toml:2: grid = a table: write each grid as a table [[grid]]"),
        ("[[grid]]", "[[grids]]", "no such table; did you mean grid?"),
    ],
)
def test_each_mistake_is_one_line_at_its_place(faults_of: FaultsOf, old: str, new: str, fault: str) -> None:
    assert old in ONE
    pattern = (
        rf"^{re.escape(old)}" if old[0].islower() and "=" in old and not old.startswith("upside") else re.escape(old)
    )
    faults = faults_of(re.sub(pattern, lambda _: new, ONE, count=1, flags=re.MULTILINE))

    assert any(fault in line for line in faults), faults
    assert "abc-secret" not in str(faults)


def test_faults_of_the_second_grid_have_its_own_lines(faults_of: FaultsOf) -> None:
    second = PLAIN.format(name="two") + "steps = 0\n[grid.accounts]\ntrade = 'no'\n"
    faults = faults_of(PLAIN.format(name="one") + second)

    assert [fault.split(":")[1] for fault in faults] == ["11", "13"]
    assert "grid.2.steps = 0" in faults[0]
    assert 'grid.2.accounts.trade = "no": no such account' in faults[1]


@pytest.mark.row("GRD-62")
def test_two_grids_of_one_name_are_refused_and_so_is_the_name_of_the_legs(faults_of: FaultsOf) -> None:
    (twice,) = faults_of(PLAIN.format(name="one") + PLAIN.format(name="One"))
    assert twice == 'config.toml:7: grid.2.bot_name = "One": is the name of another bot of this desk already'

    (legs,) = faults_of(PLAIN.format(name="random_scalp_live"))
    assert "grid.1.bot_name" in legs


@pytest.mark.row("GRD-39", "GRD-62")
def test_roles_with_the_same_login_are_one_account_and_a_key_with_two_secrets_is_refused(
    config_of: ConfigOf, faults_of: FaultsOf
) -> None:
    roles = 'accounts = { trade = "a", upside_oco = "b", downside_oco = "c" }'
    grid = IRFC.replace('accounts = { upside_oco = "up", downside_oco = "down" }', roles)

    same = config_of(XTS.format(c="TWO") + grid)
    accounts = same.grid_terms(same.grids[0]).accounts
    assert accounts == GridAccounts(trade="a", upside_oco="b", downside_oco="b")
    assert accounts.is_same_oco
    assert len(accounts.all) == 2

    faults = faults_of(XTS.format(c="THREE") + grid)
    assert len(faults) == 2
    assert "grid.1.accounts.upside_oco" in faults[0]
    assert "has the trade key of c but another secret" in faults[0]


def test_the_accounts_of_a_grid_fit_the_mode_of_the_desk(faults_of: FaultsOf) -> None:
    real = '[accounts.home]\nkind = "xts"\n'
    (fault,) = faults_of(PLAIN.format(name="one") + 'accounts = { trade = "home" }\n' + real)

    assert fault.endswith('grid.1.accounts.trade = "home": is a real account, but [desk] mode is "paper"')


@pytest.mark.row("OPS-11")
def test_a_variable_names_the_grid_by_its_number(config_of: ConfigOf, faults_of: FaultsOf) -> None:
    env = {"STRIKEDESK_GRID_1_STEPS": "3", "STRIKEDESK_GRID_1_ACCOUNTS_TRADE": "up"}
    config = config_of(ONE, env)

    assert config.grids[0].steps == 3
    assert config.grids[0].accounts.trade == "up"
    (fault,) = faults_of(ONE, {"STRIKEDESK_GRID_2_STEPS": "3"})
    assert fault.startswith("environment: STRIKEDESK_GRID_2_STEPS: no such key")
    (value,) = faults_of(ONE, {"STRIKEDESK_GRID_1_STEPS": "0"})
    assert value.startswith('environment: STRIKEDESK_GRID_1_STEPS = "0"')


def test_every_key_of_a_grid_has_a_variable() -> None:
    known = set(key_variables({}, (), 1).values())

    assert {("grid", "1", key) for key in keys_of(Grid)} < known


@pytest.mark.row("OPS-13")
def test_a_changed_grid_needs_a_restart_by_name_and_key(config_of: ConfigOf) -> None:
    old = config_of(ONE)
    new = config_of(ONE.replace("steps = 5", "steps = 4") + PLAIN.format(name="two"))

    changes = safe_changes(old, new)

    assert changes.applied == ()
    assert set(changes.restart_needed) == {"grid.IRFC-SBIN Grid.steps", "grid.two"}
    assert changes.config.grids == old.grids


def test_the_check_tells_of_every_grid(config_of: ConfigOf) -> None:
    config = config_of(ONE + PLAIN.format(name="two") + "entry_price = 0\nsquare_off = '00:00'\n")
    words = explain(config)

    assert "IRFC-SBIN Grid, linear, gridocots: 5 BUY and SELL levels round ₹50.00" in words
    assert "50 SBIN a level, ₹2.00 beyond its price at the fill: SELL entries in up, BUY entries in down" in words
    assert "two, linear, buyts: 5 BUY levels round the first price of IRFC" in words
    assert "no square-off" in words
    assert '"grids":[{"bot_name":"IRFC-SBIN Grid"' in as_json_masked(config)


@pytest.mark.row("OPS-33")
def test_the_example_that_ships_commented_is_taken_when_its_marks_are_removed(config_of: ConfigOf) -> None:
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    block = text[text.index("# [[grid]]") : text.index("\n[risk]")]

    config = config_of(text.replace(block, re.sub(r"^# ?", "", block, flags=re.MULTILINE)))

    assert config.grid_terms(config.grids[0]).accounts.all == ("paper", "up", "down")
    assert config_of(text).grids == ()


@pytest.mark.row("GRD-70", "CON-43", "OPS-21")
@pytest.mark.parametrize(
    ("legs", "trades_legs", "main"),
    [
        ("", False, "paper"),
        ('[legs]\naccount = "up"\n', False, "up"),
        ("[legs]\nlots = 2\n", True, "paper"),
        ('[groups.low]\nsymbol = "NIFTY01DEC2624300PE"\n', True, "paper"),
    ],
)
def test_legs_trade_beside_a_grid_only_where_the_file_names_them(
    config_of: ConfigOf, legs: str, trades_legs: bool, main: str
) -> None:
    config = config_of(ONE + legs)

    assert config.has_legs is trades_legs
    assert bool(config.all_groups) is trades_legs
    assert config.account_names[0] == config.legs.account == main
    assert config.name == ("random_scalp_live" if trades_legs else "IRFC-SBIN Grid")
    assert ("Legs " in explain(config)) is trades_legs
    assert config_of("").has_legs, "without a grid the built-in legs trade"


@pytest.mark.row("GRD-70")
def test_a_paper_demo_asked_for_by_variable_does_not_wake_the_legs(config_of: ConfigOf) -> None:
    assert not config_of(ONE, {"TEST_MODE": "true"}).has_legs
    assert config_of(ONE, {"STRIKEDESK_LEGS_LOTS": "2"}).has_legs


@pytest.mark.row("OPS-21", "GRD-57")
def test_legs_cannot_be_left_with_entries_that_rest(faults_of: FaultsOf) -> None:
    (fault,) = faults_of('[legs]\non_stop = "keep"\n')
    assert "must be one of flatten, leave" in fault
    assert "nobody pairs them" in explain_of_one(cancel_on_stop=False)
    assert "its resting orders are cancelled" in explain_of_one(cancel_on_stop=True)


def explain_of_one(*, cancel_on_stop: bool) -> str:
    grid = Grid(bot_name="G", token_a_symbol="IRFC", trade_type=TradeType.BUY, cancel_on_stop=cancel_on_stop)
    roles = msgspec.structs.replace(grid.accounts, trade="paper")
    return explain(Config(grids=(msgspec.structs.replace(grid, accounts=roles),)))
