"""A bracket's stored form: small, the same after a restart, and still read as the first version wrote it."""

from __future__ import annotations

import json

import msgspec
import pytest

from engine import desk_rows
from engine.bracket_state import BracketBody, BracketTerms, EntryRest, Exhausted, StopType
from engine.exit_rules.breakeven import Breakeven
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import decode_rules, encode_rules
from engine.instant import NS_PER_S
from engine.order import Side
from engine.view import BracketState, ExitStyle

FIRST_TERMS = {
    "style": "hybrid", "target_offset_paise": 350, "stop_offset_paise": 150,
    "trail": {"activation_bps": 4000, "lock_bps": 6000}, "market_on_target": True, "stop_type": "SL",
    "stop_gap_bps": 150, "breached_stop": "adjust", "entry_fill_timeout_ns": 4500000000, "entry_rest": "grow",
    "stop_fill_timeout_ns": 1500000000, "protection_bps": 250, "chase_ns": 900000000, "exit_retries": 5,
    "on_exhausted": "alert", "max_tick_age_ns": 6000000000, "brokerage_paise": 20, "slippage_paise": 5,
}  # fmt: skip
FIRST_BODY = {
    "bracket_id": "B7", "account": "A", "bot": "pair", "symbol": "NIFTY24500PE", "exchange": "NFO", "product": "MIS",
    "side": "BUY", "qty": 75, "terms": FIRST_TERMS, "state": "protected", "style": "hybrid", "entry_paise": 10005,
    "target_paise": 10355, "original_stop_paise": 9855, "stop_paise": 10100, "high_paise": 10170, "trail_active": True,
    "opened_ns": 1795405500000000000, "first_fill_ns": 1795405500100000000, "protected_ns": 1795405500200000000,
    "writes": [1795405500000000000], "tags": ["R1T1E", "R1T2S"],
}  # fmt: skip
"""As the version before exit rules wrote it."""


@pytest.mark.row("LEG-72", "LEG-68")
def test_a_position_stored_by_the_first_version_keeps_its_own_terms() -> None:
    body = desk_rows.decode_bracket(json.dumps(FIRST_BODY).encode())

    assert (body.bracket_id, body.state, body.side) == ("B7", BracketState.PROTECTED, Side.BUY)
    assert (body.best_paise, body.stop_paise, body.writes) == (10_170, 10_100, [1_795_405_500_000_000_000])
    terms = body.terms
    assert (terms.style, terms.stop_type, terms.entry_rest) == (ExitStyle.HYBRID, StopType.SL, EntryRest.GROW)
    assert (terms.target_offset_paise, terms.chase_ns, terms.on_exhausted) == (350, 900_000_000, Exhausted.ALERT)
    assert (terms.brokerage_paise, terms.slippage_paise) == (20, 5)
    assert decode_rules(terms.rules).rules == (LockFraction(activation_bps=4000, lock_bps=6000),)
    assert (terms.exit_tries, terms.naked_limit_ns) == (BracketTerms().exit_tries, BracketTerms().naked_limit_ns)


def test_a_position_of_the_first_version_without_a_trail_gets_no_rule() -> None:
    stored = {**FIRST_BODY, "terms": {**FIRST_TERMS, "trail": None}}

    assert desk_rows.decode_bracket(json.dumps(stored).encode()).terms.rules == ()


def test_terms_by_name_with_the_later_ones_are_read_too() -> None:
    terms = {key: value for key, value in FIRST_TERMS.items() if key != "trail"} | {"naked_limit_ns": 7, "rules": []}

    assert desk_rows.decode_bracket(json.dumps({**FIRST_BODY, "terms": terms}).encode()).terms.naked_limit_ns == 7


def test_what_is_stored_today_comes_back_the_same() -> None:
    terms = BracketTerms(style=ExitStyle.MONITORED, rules=encode_rules((Breakeven(),)), naked_limit_ns=9 * NS_PER_S)
    body = BracketBody(
        bracket_id="B1", account="A", bot="pair", symbol="X", exchange="NFO", product="MIS", side=Side.SELL, qty=75,
        terms=terms, best_paise=77, writes=[1, 2], away_qty=-1,
    )  # fmt: skip

    assert desk_rows.decode_bracket(msgspec.json.encode(body)) == body


def test_no_stored_term_ever_changes_its_place() -> None:
    """Stored by place: a term that moves would be read as another one. New ones go to the end, here too."""
    places = (
        "style", "target_offset_paise", "stop_offset_paise", "market_on_target", "stop_type", "stop_gap_bps",
        "breached_stop", "entry_fill_timeout_ns", "entry_rest", "stop_fill_timeout_ns", "protection_bps", "chase_ns",
        "exit_retries", "on_exhausted", "max_tick_age_ns", "brokerage_paise", "slippage_paise", "rules", "trade_type",
        "target_bps", "stop_bps", "exit_tries", "exit_retry_ns", "proof_tries", "slippage_alert_bps", "naked_limit_ns",
    )  # fmt: skip
    assert BracketTerms.__struct_fields__[: len(places)] == places
