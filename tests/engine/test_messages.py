"""The sentences operators grep for, word for word, and that none of them can fail to be said."""

from __future__ import annotations

import string

import pytest

from engine.messages import Msg

PHRASES = [
    (Msg.INIT_DUAL, {"primary": "P", "secondary": "S"}, "[INIT] Dual-symbol mode: P + S"),
    (Msg.INIT_SINGLE, {"symbol": "S"}, "[INIT] Single-symbol mode: S"),
    (Msg.SKIP_ACTIVE, {}, "[SKIP] Position already active"),
    (Msg.ENTRY_BATCH, {"count": 2, "qty": 75}, "[ENTRY] BUY 2 symbols x 75"),
    (Msg.ENTRY, {"symbol": "S", "qty": 75}, "[ENTRY] BUY S x 75"),
    (Msg.ORDER_FILLED, {"side": "BUY", "symbol": "S", "qty": 25, "price": "150.00"}, "[ORDER] BUY S qty=25 @₹150.00"),
    (
        Msg.EXITS,
        {"target_id": 12345, "target": "155.00", "stop_id": 12346, "stop": "145.00"},
        "[EXITS] TP oid=12345 @₹155.00 | SL oid=12346 @₹145.00",
    ),
    (Msg.EXITS_IN_FLIGHT, {}, "[INFO] Exit legs already placed, waiting for order IDs to populate..."),
    (Msg.REARM, {}, "[CRITICAL] Position detected without exits! Re-arming protection..."),
    (Msg.OCO_FAILURE, {"symbol": "S"}, "[CRITICAL] S Both TP and SL filled! OCO failure"),
    (Msg.TRAIL_ACTIVE, {"symbol": "S", "profit": "2.00"}, "[TRAIL] S ✅ ACTIVATED! Profit ₹2.00"),
    (Msg.TRAIL_MOVE, {"symbol": "S", "old": "1.00", "new": "2.00"}, "[TRAIL] S 📈 Moving SL: ₹1.00 → ₹2.00"),
    (
        Msg.MISMATCH,
        {"symbol": "S", "expected": "75", "actual": "0"},
        "[RECONCILE] S State mismatch! Expected: 75, Actual: 0",
    ),
    (Msg.CLEANUP, {"symbol": "S"}, "[CLEANUP] S Removing stale orders"),
    (Msg.ENSURE_EXITS, {"symbol": "S"}, "[ENSURE_EXITS] S Re-arming protection"),
    (
        Msg.EXIT,
        {"mark": "💰", "symbol": "S", "reason": "R", "entry": "1", "exit": "2", "net": "+3", "day": "+4"},
        "💰 [EXIT] S R | Entry ₹1 → Exit ₹2 | Net ₹+3 | Day ₹+4",
    ),
    (Msg.EOD, {"symbol": "S"}, "[EOD] Squaring off S"),
    (Msg.FATAL_SYMBOL, {"symbol": "S"}, "[FATAL] Symbol validation failed for S"),
    (Msg.FATAL_API_KEY, {}, "[FATAL] Please set OPENALGO_API_KEY"),
    (Msg.BANNER, {}, "🔁 OpenAlgo Python Bot is running."),
    (Msg.CONFIG, {"strategy": "N", "config": "{}"}, "[N] Starting with config: {}"),
    (Msg.SYNC_NEEDED, {"exits": 50, "remaining": 25}, "[SYNC_NEEDED] Total exits 50, remaining 25"),
    (Msg.SYNC, {"remaining": 25}, "[SYNC] Adjusting exits for remaining qty 25"),
    (Msg.PARTIAL_FILL, {"filled": 75, "qty": 150, "price": "1"}, "[PARTIAL_FILL] Entry filled 75/150 @ ₹1"),
    (Msg.SL_BREACHED, {"trigger": "99.50", "ltp": "99.20"}, "[WARN] SL trigger 99.50 >= LTP 99.20, adjusting"),
    (Msg.TP_REJECTED, {}, "[CRITICAL] TP rejected - position UNPROTECTED on upside!"),
    (Msg.EXITS_EXHAUSTED, {}, "[CRITICAL] Max exit legs retries reached - position is UNPROTECTED!"),
    (Msg.PERF, {"seconds": "4.2"}, "[PERF] check_order_status took 4.2s"),
    (Msg.WATCH_STARTED, {}, "RealTimePositionManager started"),
    (Msg.WATCH_STOPPED, {}, "RealTimePositionManager stopped"),
]
BEGINNINGS = [
    (Msg.STATUS_FAILED_TP, "[WARN] TP status check failed"),
    (Msg.STATUS_FAILED_SL, "[WARN] SL status check failed"),
    (Msg.PLACE_FAILED, "[ERROR] placeorder failed for "),
    (Msg.FALLBACK, "[FALLBACK] "),
    (Msg.PARTIAL, "[PARTIAL] "),
    (Msg.STATE, "STATE={state} qty={qty} entry={entry} tp={target} sl={stop}"),
]


@pytest.mark.row("OPS-24")
@pytest.mark.parametrize(("msg", "fields", "sentence"), PHRASES, ids=lambda value: getattr(value, "name", None))
def test_a_phrase_of_the_requirement_page_is_spelt_exactly(msg: Msg, fields: dict[str, object], sentence: str) -> None:
    assert msg.text(**fields).endswith(sentence) or sentence in msg.text(**fields)
    assert "{" not in msg.text(**fields).replace("{}", "")


@pytest.mark.row("OPS-24")
@pytest.mark.parametrize(("msg", "beginning"), BEGINNINGS)
def test_a_phrase_begins_with_the_words_that_are_searched_for(msg: Msg, beginning: str) -> None:
    assert msg.value.template.startswith(beginning)


@pytest.mark.parametrize("msg", Msg)
def test_a_sentence_with_missing_fields_is_poor_but_never_an_error(msg: Msg) -> None:
    """A line in the log must not stop the step that protects a position."""
    assert msg.text() == msg.value.template


@pytest.mark.parametrize("msg", [msg for msg in Msg if "[CRITICAL]" in msg.value.template])
def test_what_is_called_critical_has_the_level_that_reaches_a_human(msg: Msg) -> None:
    assert msg.level == "CRITICAL"


def test_templates_take_plain_names_only() -> None:
    for msg in Msg:
        for _, name, spec, conversion in string.Formatter().parse(msg.value.template):
            assert name is None or (name.isidentifier() and not spec and conversion is None), msg.name


def test_a_value_with_braces_is_data_and_not_filled_again() -> None:
    assert Msg.DESK.text(text="{symbol}") == "[DESK] {symbol}"
