"""Contract parameters by date, for replay and as sanity bounds (facts/market.md §4)."""

from __future__ import annotations

from datetime import date

import pytest

from engine.contracts import contract_facts, known_underlyings

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("underlying", "exchange", "lot", "freeze", "largest_child"),
    [
        ("NIFTY", "NFO", 65, 1800, 1755),
        ("BANKNIFTY", "NFO", 30, 600, 600),
        ("FINNIFTY", "NFO", 60, 1800, 1800),
        ("MIDCPNIFTY", "NFO", 120, 2800, 2760),
        ("NIFTYNXT50", "NFO", 25, 600, 600),
        ("SENSEX", "BFO", 20, 1000, 1000),
        ("BANKEX", "BFO", 30, 900, 900),
    ],
)
def test_todays_contract_of_each_index(
    underlying: str, exchange: str, lot: int, freeze: int, largest_child: int
) -> None:
    facts = contract_facts(underlying, TODAY)

    assert facts is not None
    assert (facts.exchange, facts.lot_size, facts.freeze_qty, facts.tick_paise) == (exchange, lot, freeze, 5)
    assert facts.freeze_qty // facts.lot_size * facts.lot_size == largest_child


def test_a_replay_of_11_march_2026_knows_the_nifty_contract() -> None:
    facts = contract_facts("NIFTY", date(2026, 3, 11))

    assert facts is not None
    assert (facts.lot_size, facts.freeze_qty, facts.tick_paise) == (65, 1800, 5)


@pytest.mark.parametrize(
    ("underlying", "on", "lot"),
    [
        ("NIFTY", date(2024, 1, 23), 50),
        ("NIFTY", date(2024, 4, 25), 50),
        ("NIFTY", date(2024, 4, 26), 25),
        ("NIFTY", date(2024, 11, 19), 25),
        ("NIFTY", date(2024, 11, 20), 75),
        ("NIFTY", date(2026, 1, 5), 75),
        ("NIFTY", date(2026, 1, 6), 65),
        ("BANKNIFTY", date(2024, 3, 13), 15),
        ("BANKNIFTY", date(2025, 6, 30), 30),
        ("BANKNIFTY", date(2025, 7, 1), 35),
        ("BANKNIFTY", date(2026, 1, 26), 35),
        ("BANKNIFTY", date(2026, 1, 27), 30),
        ("FINNIFTY", date(2026, 1, 26), 65),
        ("MIDCPNIFTY", date(2025, 12, 1), 140),
    ],
)
@pytest.mark.fault("REF-01")
def test_each_lot_holds_from_its_day(underlying: str, on: date, lot: int) -> None:
    facts = contract_facts(underlying, on)

    assert facts is not None
    assert facts.lot_size == lot


def test_in_a_transition_the_contracts_expiry_decides() -> None:
    """On 2 Jan 2026 the contract of 6 Jan already had 65 units, whatever the trading day says."""
    on = date(2026, 1, 2)

    old, new = contract_facts("NIFTY", on), contract_facts("NIFTY", on, date(2026, 1, 6))

    assert old is not None
    assert new is not None
    assert (old.lot_size, new.lot_size) == (75, 65)


def test_finnifty_freeze_changed_on_3_august_2026() -> None:
    before, after = contract_facts("FINNIFTY", date(2026, 8, 2)), contract_facts("FINNIFTY", date(2026, 8, 3))

    assert before is not None
    assert after is not None
    assert (before.freeze_qty, after.freeze_qty) == (1200, 1800)


def test_a_day_before_the_freeze_rows_has_no_freeze_figure() -> None:
    facts = contract_facts("NIFTY", date(2024, 6, 7))

    assert facts is not None
    assert facts.freeze_qty == 0


@pytest.mark.parametrize(("underlying", "on"), [("RELIANCE", TODAY), ("nifty", TODAY), ("NIFTY", date(2019, 1, 1))])
@pytest.mark.fault("REF-07")
def test_nothing_is_invented_for_an_unknown_name_or_day(underlying: str, on: date) -> None:
    assert contract_facts(underlying, on) is None


def test_every_named_underlying_has_a_contract_today() -> None:
    assert all(contract_facts(name, TODAY) is not None for name in known_underlyings())
