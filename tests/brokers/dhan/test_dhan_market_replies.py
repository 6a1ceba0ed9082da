"""Dhan's quotes, bars, chains and funds become the desk's; what is not of the form fails the read."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from brokers.dhan.market_replies import candles_in, chain_in, expiries_in, funds_in, margin_in, tick_in
from brokers.wire.oddities import Oddities
from engine.instant import NS_PER_S, clock_text, ist_date
from engine.port import ReadFailed

EVER = (0, 10**19)


def oddities() -> Oddities:
    return Oddities("dhan", lambda _note: None)


def sample(fixtures: Path, name: str) -> Any:
    return json.loads((fixtures / f"rest/{name}.json").read_text())


def test_recorded_quotes(fixtures: Path) -> None:
    tick = tick_in(sample(fixtures, "marketfeed_quote"), "NSE_FNO", 49081, "X", 5)
    assert (tick.symbol, tick.at_ns, tick.ltp_paise) == ("X", 5, 36_815)
    assert (tick.bid_paise, tick.bid_qty, tick.ask_paise, tick.ask_qty) == (7_700, 1800, 0, 0)

    assert tick_in(sample(fixtures, "marketfeed_ltp"), "NSE_EQ", 11536, "X", 5).ltp_paise == 452_000
    assert tick_in(sample(fixtures, "marketfeed_ohlc"), "NSE_EQ", 11536, "X", 5).ltp_paise == 452_555
    with pytest.raises(ReadFailed):
        tick_in(sample(fixtures, "marketfeed_unknown_ids"), "NSE_EQ", 11536, "X", 5)


@pytest.mark.parametrize("body", [None, [], {}, {"data": None}, {"data": {"NSE_EQ": {"1": {"last_price": "NaN"}}}}])
def test_no_price_is_a_failed_read(body: Any) -> None:
    with pytest.raises(ReadFailed):
        tick_in(body, "NSE_EQ", 1, "X", 0)


def test_recorded_bars_are_true_utc_in_scientific_notation(fixtures: Path) -> None:
    daily = candles_in(sample(fixtures, "charts_daily"), *EVER, oddities())
    assert [(str(ist_date(bar.start_ns)), clock_text(bar.start_ns)) for bar in daily] == [
        ("2025-01-23", "00:00:00"), ("2025-01-24", "00:00:00"),
    ]  # fmt: skip
    assert (daily[0].open_paise, daily[0].low_paise, daily[0].volume) == (168_700, 165_125, 17_454_579)

    minutes = candles_in(sample(fixtures, "charts_intraday_with_oi"), *EVER, oddities())
    assert [clock_text(bar.start_ns) for bar in minutes] == ["09:15:00", "09:16:00"]


def test_bars_outside_the_range_and_bars_that_contradict_themselves_are_left_out() -> None:
    body = {
        "timestamp": [300, 60, 120, 180, 120, "x"], "open": [1, 1, 1, 1, 2, 1], "high": [2, 2, 2, 0.5, 2, 2],
        "low": [1, 1, 1, 1, 1, 1], "close": [1, 1, 1, 1, 2, 1], "volume": [1, None, 3, 4, 5, 6],
    }  # fmt: skip
    odd = oddities()
    bars = candles_in(body, 60 * NS_PER_S, 300 * NS_PER_S, odd)

    assert [(bar.start_ns // NS_PER_S, bar.close_paise) for bar in bars] == [(60, 100), (120, 200)]
    assert odd.counts == {"a bar that cannot be read": 2}


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"timestamp": 5}, {n: [1] for n in ("timestamp", "open", "high", "low", "close")} | {"volume": []}],
)
def test_columns_of_different_length_fail_the_read(body: Any) -> None:
    with pytest.raises(ReadFailed):
        candles_in(body, *EVER, oddities())


def test_recorded_chain_and_expiries(fixtures: Path) -> None:
    expiries = expiries_in(sample(fixtures, "optionchain_expirylist"))
    assert expiries[0] == date(2026, 7, 28) and len(expiries) == 5

    rows = chain_in(sample(fixtures, "optionchain"), "NIFTY", expiries[0], oddities())
    assert [row.symbol for row in rows][:3] == [
        "NIFTY28JUL2624950CE", "NIFTY28JUL2624950PE", "NIFTY28JUL2625000CE",
    ]  # fmt: skip
    first = rows[0]
    assert (first.ltp_paise, first.bid_paise, first.ask_paise) == (15_130, 15_115, 15_130)
    assert (first.volume, first.open_interest) == (84_202_625, 4_100_250)
    raw = sample(fixtures, "optionchain")["data"]["oc"]
    assert len(rows) == sum(len(legs) for legs in raw.values()), "one side may be missing"


def test_a_broken_strike_or_leg_is_counted() -> None:
    odd = oddities()
    body = {"data": {"oc": {"x": {}, "25000.000000": {"ce": 5, "pe": {"last_price": -0.0}}, "25050.0": None}}}

    assert [row.symbol for row in chain_in(body, "NIFTY", date(2026, 7, 28), odd)] == ["NIFTY28JUL2625000PE"]
    assert odd.total == 3
    for wrong in (None, {"data": []}, {"data": {"oc": None}}):
        with pytest.raises(ReadFailed):
            chain_in(wrong, "NIFTY", date(2026, 7, 28), odd)
    for wrong in (None, {"data": None}, {"data": ["soon"]}):
        with pytest.raises(ReadFailed):
            expiries_in(wrong)


def test_recorded_funds_and_margin_in_either_spelling(fixtures: Path) -> None:
    body = sample(fixtures, "fundlimit")
    funds = funds_in(body)
    assert (funds.available_paise, funds.used_paise, funds.collateral_paise) == (9_844_000, 1_520_200, 0)
    mended = {"availableBalance": body.pop("availabelBalance"), **body}
    assert funds_in(mended) == funds
    assert margin_in(sample(fixtures, "margincalculator_response")) == 280_000
    for wrong in (None, [], {}, {"availabelBalance": "lots"}):
        with pytest.raises(ReadFailed):
            funds_in(wrong)
        with pytest.raises(ReadFailed):
            margin_in(wrong)
