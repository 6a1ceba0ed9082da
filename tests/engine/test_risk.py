"""The risk gate: one clear reason per blocked entry, the most severe first, and nothing when all is well."""

from __future__ import annotations

import msgspec
import pytest

from engine.risk import DeskFacts, EntryFacts, RiskLimits, desk_block, entry_block

WELL = DeskFacts(
    recovered=True,
    is_paused=False,
    journal_error="",
    session_reason="",
    order_path_error="",
    square_off_passed=False,
    stopping=False,
    day_net_paise=0,
    unknown_orders=0,
    mismatch="",
)
LIMITS = RiskLimits(day_loss_paise=5_000_00, lots_max=2, entries_per_day=3)
ENTRY = EntryFacts(
    symbol="X",
    lots=2,
    qty=150,
    qty_max=1800,
    price_age_ns=1_000_000_000,
    price_age_max_ns=5_000_000_000,
    has_price=True,
    entries_today=2,
)
TROUBLES: list[tuple[dict[str, object], str]] = [
    ({"stopping": True}, "the desk is stopping"),
    ({"journal_error": "journal: disk full"}, "journal: disk full"),
    ({"recovered": False}, "start-up reconciliation is not done"),
    ({"order_path_error": "timeout"}, "order path: timeout"),
    ({"mismatch": "X ours +75, broker +0"}, "position mismatch: X ours +75, broker +0"),
    ({"session_reason": "market closed"}, "session: market closed"),
    ({"square_off_passed": True}, "square-off time has passed"),
    ({"day_net_paise": -5_000_00}, "day loss 5,000.00 reached"),
    ({"unknown_orders": 1}, "1 order(s) without an answer"),
    ({"is_paused": True}, "paused"),
]


@pytest.mark.parametrize(("trouble", "reason"), TROUBLES)
@pytest.mark.invariant("O10")
def test_each_trouble_blocks_entries_with_its_own_reason(trouble: dict[str, object], reason: str) -> None:
    """O10."""
    assert desk_block(msgspec.structs.replace(WELL, **trouble), LIMITS) == reason


def test_of_many_troubles_the_most_severe_is_named() -> None:
    facts = WELL
    for trouble, reason in reversed(TROUBLES):
        facts = msgspec.structs.replace(facts, **trouble)
        assert desk_block(facts, LIMITS) == reason


@pytest.mark.parametrize("net", [-4_999_99, 0, 10_000_00])
def test_nothing_blocks_when_all_is_well(net: int) -> None:
    assert desk_block(msgspec.structs.replace(WELL, day_net_paise=net), LIMITS) == ""


def test_without_a_configured_cap_nothing_is_capped() -> None:
    many = msgspec.structs.replace(ENTRY, lots=10**6, entries_today=10**6)

    assert entry_block(many, RiskLimits()) == ""


@pytest.mark.parametrize(
    ("net", "reason"),
    [(-1_23_456_00, "day loss 1,23,456.00 of this group reached"), (-1_23_455_99, "")],
)
def test_a_group_has_a_loss_cap_of_its_own(net: int, reason: str) -> None:
    facts = msgspec.structs.replace(WELL, bot_day_net_paise=net)

    assert desk_block(facts, RiskLimits(), RiskLimits(day_loss_paise=1_23_456_00)) == reason


def test_without_a_configured_cap_no_loss_blocks() -> None:
    assert desk_block(msgspec.structs.replace(WELL, day_net_paise=-(10**12)), RiskLimits()) == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"lots": 3}, "3 lots of X, at most 2"),
        ({"entries_today": 3}, "3 entries today, at most 3"),
        ({"qty": 1825}, "1825 units of X, at most 1800 in one entry"),
        ({"qty": 1825, "qty_max": 0}, ""),
        ({"qty": 1800}, ""),
        ({"has_price": False}, "no price of X"),
        ({"price_age_ns": 5_000_000_000}, ""),
        ({"price_age_ns": 5_100_000_000}, "price of X is 5.1 s old"),
    ],
)
@pytest.mark.row("I-7")
@pytest.mark.invariant("O9")
def test_one_entry_is_held_against_its_limits(change: dict[str, object], reason: str) -> None:
    assert entry_block(msgspec.structs.replace(ENTRY, **change), LIMITS) == reason
