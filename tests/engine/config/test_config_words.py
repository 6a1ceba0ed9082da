"""What a configuration says of itself: the check in words, the masked start line, the reload, the page in docs/."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import Config
from engine.config.accounts import ACCOUNT_KINDS
from engine.config.doc import field_texts, page
from engine.config.explain import as_json_masked, explain
from engine.config.key import keys_of, tables_of
from engine.config.lines import key_lines, line_of
from engine.config.reload import safe_changes
from engine.messages import Msg

ROOT = Path(__file__).resolve().parents[3]
ConfigOf = Callable[..., Config]
LIVE = """
    [desk]
    mode = "live"
    market = "z"
    max_lots = 2
    [accounts.z]
    kind = "kite"
    [legs]
    account = "z"
    lots = 2
    exit_style = "hybrid"
    enable_trailing_sl = true
    entry_trigger = "key"
    [risk]
    max_day_loss_rupees = 12345
"""


def test_the_page_in_docs_is_what_the_code_says() -> None:
    stored = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert stored == page(), "run `make docs`"


def test_every_key_has_a_text_a_row_and_a_default_that_fits() -> None:
    tables = [*tables_of(Config).values(), *ACCOUNT_KINDS.values()]
    tables += [inner for table in tables for inner in tables_of(table).values()]

    for table in tables:
        texts = field_texts(table)
        for name, (_, key) in keys_of(table).items():
            assert texts[name].endswith((".", ")")), f"{table.__name__}.{name}"
            assert key.row, f"{table.__name__}.{name}"
            assert (key.low is None) == (key.high is None), f"{table.__name__}.{name}"


@pytest.mark.row("LEG-55")
def test_the_start_line_holds_every_key_and_no_credential(config_of: ConfigOf) -> None:
    config = config_of(f'{LIVE}\n    [accounts.o]\n    kind = "openalgo"')

    dump = json.loads(as_json_masked(config))

    assert set(dump) == set(Config.__struct_fields__)
    for name, table in tables_of(Config).items():
        assert set(dump[name]) == set(table.__struct_fields__)
    assert dump["accounts"]["o"]["api_key"] == "***"
    assert dump["accounts"]["z"]["api_key"] == dump["accounts"]["z"]["access_token"] == "***"
    assert (dump["legs"]["profit_target_rupees"], dump["legs"]["square_off"]) == (2.0, "15:15:00")
    line = Msg.CONFIG.text(strategy=config.legs.strategy, config=as_json_masked(config))
    assert line.startswith("[random_scalp_live] Starting with config: {")


def test_the_check_says_a_live_desk_in_amounts_units_times_and_places(config_of: ConfigOf) -> None:
    config = config_of(LIVE)

    words = explain(config, {"NIFTY01DEC2624500PE": 65, "NIFTY01DEC2624500CE": 65})

    for sentence in (
        "LIVE: real orders with real money",
        "z: Zerodha Kite, user Sai, https://api.kite.trade; secrets KITE_API_KEY, KITE_ACCESS_TOKEN",
        "NIFTY01DEC2624500PE + NIFTY01DEC2624500CE on NFO, product MIS",
        "2 lots of each: 130 units of NIFTY01DEC2624500PE, 130 units of NIFTY01DEC2624500CE",
        "all targets +₹520.00, all stops -₹260.00",
        "only when you ask for it, from 09:20 to 15:15 IST",
        "only the stop rests at the broker",
        "from ₹1.00 of profit on, the stop locks 75.0 % of the best",
        "at 15:15 IST: exits are cancelled",
        "2 lots a leg; no entry after a day loss of ₹12,345.00",
    ):
        assert sentence in words


def test_the_check_never_says_that_paper_exits_outlive_the_program() -> None:
    words = explain(Config())

    assert "no order leaves this machine" in words
    assert "its prices stop with it" in words
    assert "outlives" not in words


@pytest.mark.row("OPS-13")
@pytest.mark.fault("CFG-01")
def test_safe_keys_are_applied_and_the_others_wait_for_a_restart_by_name(config_of: ConfigOf) -> None:
    old = config_of("")
    new = config_of("""
        [legs]
        lots = 3
        symbol = "NIFTY"
        profit_target_rupees = 4
        trail_lock_percent = 60
        entry_fill_timeout = 6
        [risk]
        max_day_loss_rupees = 500
        [screen]
        frame_hz = 5
        [accounts.k]
        kind = "kite"
    """)

    changes = safe_changes(old, new)

    assert set(changes.applied) == {
        "legs.profit_target_rupees",
        "legs.trail_lock_percent",
        "legs.entry_fill_timeout",
        "risk.max_day_loss_rupees",
    }
    assert set(changes.restart_needed) == {"legs.symbol", "legs.lots", "screen.frame_hz", "accounts.k"}
    merged = changes.config
    assert (merged.legs.lots, merged.legs.symbol) == (old.legs.lots, old.legs.symbol)
    assert (merged.legs.profit_target_paise, merged.risk.max_day_loss_paise) == (400, 50_000)
    assert merged.accounts == old.accounts


@pytest.mark.row("OPS-13")
def test_reading_the_same_file_again_changes_nothing(config_of: ConfigOf) -> None:
    changes = safe_changes(config_of(LIVE), config_of(LIVE))

    assert (changes.applied, changes.restart_needed) == ((), ())
    assert changes.config == config_of(LIVE)


@pytest.mark.row("OPS-13")
@pytest.mark.fault("CFG-01", "CFG-05")
def test_what_decides_which_money_moves_never_changes_while_running() -> None:
    live = {
        f"{table}.{key}"
        for table, model in tables_of(Config).items()
        for key, (_, k) in keys_of(model).items()
        if k.is_live
    }

    assert not live & {
        "desk.mode",
        "desk.market",
        "desk.max_lots",
        "desk.db",
        "legs.symbol",
        "legs.extra_symbols",
        "legs.exchange",
        "legs.product",
        "legs.lots",
        "legs.account",
        "legs.exit_style",
        "legs.strategy",
    }


@given(
    st.lists(st.sampled_from(["[legs]", "[legs.trend_gate]", "[accounts.a]", "# [risk]", "", 'x = """\n[desk]\n"""']))
)
def test_a_table_is_found_on_the_line_it_stands(parts: list[str]) -> None:
    text = "\n".join(parts)

    lines = key_lines(text)

    for path, number in lines.items():
        if path[-1] != "x":
            assert text.split("\n")[number - 1] == f"[{'.'.join(path)}]"
    assert ("desk",) not in lines
    assert ("risk",) not in lines


def test_lines_are_found_for_dotted_quoted_and_nested_keys_and_fall_back_to_the_table() -> None:
    lines = key_lines('a.b = 1\n[legs] # x\n"lots" = 2\ntrend_gate.ema_fast = 3\n[ accounts . "my one" ]\nkind="kite"')

    assert lines[("a", "b")] == 1
    assert lines[("legs", "lots")] == 3
    assert lines[("legs", "trend_gate", "ema_fast")] == 4
    assert lines[("accounts", "my one", "kind")] == 6
    assert line_of(("legs", "square_off"), lines) == 2
    assert line_of(("risk", "x"), lines) == 0


def test_tables_and_values_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Config().legs.lots = 5  # type: ignore[misc]
    assert isinstance(Config(), msgspec.Struct)
