"""Words and figures of the screen, table by table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.instant import NS_PER_S
from engine.order import OrderState, Pending
from engine.view import ExitView, LegView, ProtectionWord
from tui import format as f

NOW_NS = 1_000_000 * NS_PER_S
LIMITS = f.AgeLimits()


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0.0s"),
        (249_000_000, "0.2s"),
        (9_990_000_000, "9.9s"),
        (41 * NS_PER_S, "41s"),
        (150 * NS_PER_S, "2m"),
        (3 * 3600 * NS_PER_S, "3h"),
        (3 * 86_400 * NS_PER_S, "3d"),
        (-5, "0.0s"),
    ],
)
def test_a_length_of_time_takes_at_most_four_letters(ns: int, text: str) -> None:
    assert text == f.span(ns)


@given(st.integers(min_value=0, max_value=300 * 86_400 * NS_PER_S))
def test_no_length_of_time_is_wider_than_its_column(ns: int) -> None:
    assert len(f.span(ns)) <= 4


@pytest.mark.parametrize(
    ("paise", "text"),
    [(113_449, "+1,134"), (113_450, "+1,135"), (-11_700, "-117"), (0, "+0"), (123_456_789_00, "+12,34,56,789")],
)
def test_whole_rupees_are_signed_grouped_and_rounded_half_up(paise: int, text: str) -> None:
    assert text == f.whole_money(paise)


def test_a_price_that_does_not_apply_is_a_dash() -> None:
    assert f.price(0) == "-"
    assert f.price(11825) == "118.25"


@pytest.mark.parametrize(("qty", "lots", "text"), [(75, 1, "+75 (1 lot)"), (-150, -2, "-150 (2 lots) SHORT")])
def test_quantity_is_signed_and_lots_are_counted(qty: int, lots: int, text: str) -> None:
    assert text == f.quantity(qty, lots)


@pytest.mark.parametrize(
    ("tick_age_s", "feed_age_s", "text", "is_stale"),
    [
        (0.2, 0.2, "0.2s", False),
        (7.1, 0.1, "7.1s q", False),
        (3.0, 3.0, "3.0s", False),
        (9.0, 9.0, "9.0s STALE", True),
    ],
)
def test_quiet_is_not_stale(tick_age_s: float, feed_age_s: float, text: str, is_stale: bool) -> None:
    fresh = f.freshness(NOW_NS - round(tick_age_s * NS_PER_S), NOW_NS - round(feed_age_s * NS_PER_S), NOW_NS, LIMITS)

    assert (text, is_stale) == (fresh.text, fresh.is_stale)


def test_a_leg_that_never_ticked_is_stale_and_says_so() -> None:
    assert f.Freshness("no tick", "stale", True) == f.freshness(0, NOW_NS, NOW_NS, LIMITS)


def test_net_is_doubtful_only_while_an_open_leg_is_stale(console_in: Callable[[str], Any]) -> None:
    assert f.net_is_stale(console_in("stale").view(), LIMITS)
    assert not f.net_is_stale(console_in("normal").view(), LIMITS)


@pytest.mark.parametrize(
    ("word", "covered", "text"),
    [
        (ProtectionWord.NAKED, 0, "!! NAKED 3.4s  0/75 !!"),
        (ProtectionWord.UNKNOWN, 0, "?! UNKNOWN 3.4s  0/75"),
        (ProtectionWord.PARTIAL, 25, "! PARTIAL 25/75"),
        (ProtectionWord.PLACING, 0, "PLACING"),
        (ProtectionWord.LOCAL, 0, "~ LOCAL"),
        (ProtectionWord.PROTECTED, 75, "PROTECTED 75/75"),
        (ProtectionWord.EXITING, 75, "> EXITING 75 left"),
        (ProtectionWord.FLAT, 0, "FLAT"),
    ],
)
def test_every_protection_word_has_its_mark_and_numbers(
    console: Any, word: ProtectionWord, covered: int, text: str
) -> None:
    console.change_leg(
        1, protection=word, covered_qty=covered, open_qty=75, naked_since_ns=NOW_NS - round(3.4 * NS_PER_S)
    )
    leg: LegView = console.view().legs[1]

    assert text == f.protection(leg, NOW_NS).text


def test_naked_is_the_most_severe_word_and_every_word_has_a_rank_and_a_style() -> None:
    assert f.SEVERITY[ProtectionWord.NAKED] == 0
    assert set(ProtectionWord) == set(f.SEVERITY) == set(f.PROTECTION_STYLE)


@pytest.mark.parametrize("state", list(OrderState))
@pytest.mark.parametrize("pending", list(Pending))
def test_narrow_order_states_fit_twelve_letters_and_wide_ones_keep_the_word(
    state: OrderState, pending: Pending
) -> None:
    wide = f.order_state(state, pending).text

    assert len(f.order_state(state, pending, is_narrow=True).text) <= 12 or pending.value.endswith("?")
    assert wide.startswith(state.value)
    assert pending.value in wide


def test_an_unknown_order_never_looks_like_a_working_one() -> None:
    unknown = f.order_state(OrderState.UNKNOWN, Pending.NONE)
    working = f.order_state(OrderState.WORKING, Pending.NONE)

    assert unknown.style != working.style
    assert "(!)" in unknown.text


def test_where_an_exit_lives_says_resting_only_when_the_broker_holds_it() -> None:
    def home(**fields: Any) -> str:
        return f.exit_home(ExitView(price_paise=9800, qty=75, **fields), NOW_NS).text

    at = NOW_NS - 41 * NS_PER_S
    assert home(resting=True, state=OrderState.TRIGGER_PENDING, since_ns=at) == "resting trigger-pending 41s"
    assert home() == "watched here"
    assert home(resting=True, state=OrderState.UNKNOWN, since_ns=at) == "SENT 41s, no answer: UNKNOWN"
    assert home(resting=True, state=OrderState.SENT, since_ns=at) == "sent 41s, no reply yet"


HOSTILE = "\x1b[31mred\x07 [b]bold[/b] \u202eright\u200b \r\n\u5b57"


@pytest.mark.fault("SEC-01", "SEC-02")
@pytest.mark.invariant("C2")
def test_outside_text_is_printed_literally_and_without_control_characters() -> None:
    shown = f.clean(HOSTILE)

    assert "[b]bold[/b]" in shown
    assert shown.isprintable()
    assert "\u202e" not in shown and "\u5b57" not in shown


@given(st.text(max_size=60))
def test_clean_text_takes_exactly_one_cell_per_character(text: str) -> None:
    from rich.cells import cell_len

    shown = f.clean(text)

    assert cell_len(shown) == len(shown)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)


@pytest.mark.parametrize(("used", "limit", "percent"), [(0, 100, 0), (-5, 100, 0), (991, 1000, 100), (50, 0, 0)])
def test_the_used_share_of_a_limit_is_rounded_towards_alarm(used: int, limit: int, percent: int) -> None:
    assert percent == f.percent_used(used, limit)


def test_pictograms_of_log_sentences_are_dropped_with_their_space() -> None:
    assert (
        f.clean("\U0001f916 started, entry \u20b9153.25 \u2192 \u2705 done")
        == "started, entry \u20b9153.25 \u2192 done"
    )


def test_the_end_of_an_identifier_is_kept() -> None:
    assert f.tail("SD000100012S", 8) == "..00012S"
