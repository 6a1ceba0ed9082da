"""Packets of Dhan's feed: recorded bytes, the official client's parser on the same bytes, and bytes that are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dhanhq.marketfeed import MarketFeed
from hypothesis import given
from hypothesis import strategies as st

from brokers.dhan import packets
from brokers.dhan.packets import FULL, HEADER, LEVEL, QUOTE, TICKER, Cut, decode, key_of, trade_ns
from brokers.dhan.venue_catalogue import Contract
from brokers.dhan.venue_packets import (
    FULL_MODE,
    QUOTE_MODE,
    TICKER_MODE,
    DayFigures,
    disconnection,
    market_status,
    packet_of,
    previous_close,
)
from engine.instant import NS_PER_S, clock_text, ist_date
from engine.instrument import Instrument, Segment
from engine.tick import Tick

KNOWN = {key_of(1, 1333): ("HDFCBANK", 5), key_of(2, 55796): ("OPTION", 5), key_of(0, 13): ("NIFTY", 1)}


def heard(frame: bytes, known: packets.Known | None = None) -> tuple[list[Any], list[str], Cut | None]:
    prices: list[Any] = []
    odd: list[str] = []
    cut = decode(frame, known or KNOWN, lambda *price: prices.append(price), lambda kind, _sample: odd.append(kind))
    return prices, odd, cut


def recorded(fixtures: Path, name: str) -> bytes:
    return bytes.fromhex((fixtures / f"feed/{name}.hex").read_text())


@pytest.mark.row("OPT-13")
def test_recorded_packets_have_the_documented_values(fixtures: Path) -> None:
    expected = json.loads((fixtures / "feed/expected.json").read_text())

    full = expected["full_code8"]
    touch = full["depth"][0]
    ((symbol, at_ns, ltp, bid, bid_qty, ask, ask_qty),), odd, _ = heard(recorded(fixtures, "full_code8"))
    assert (symbol, ltp, bid, ask) == (
        "OPTION",
        *(round(v * 100) for v in (full["ltp"], touch["bid_price"], touch["ask_price"])),
    )
    assert (bid_qty, ask_qty) == (touch["bid_qty"], touch["ask_qty"])
    assert (clock_text(at_ns), str(ist_date(at_ns))) == ("14:53:12", "2025-07-25"), "IST written as an epoch"
    assert odd == []

    for name in ("ticker_code2", "quote_code4"):
        ((symbol, at_ns, ltp, bid, _, _, _),), odd, _ = heard(recorded(fixtures, name))
        assert (symbol, ltp, bid, odd) == ("HDFCBANK", round(expected[name]["ltp"] * 100), 0, [])
        assert at_ns == trade_ns(expected[name]["ltt_raw"])


def test_recorded_packets_without_a_price_are_passed_and_a_disconnection_is_told(fixtures: Path) -> None:
    for name in ("prev_close_code6_index", "oi_code5", "market_status_code7"):
        assert heard(recorded(fixtures, name)) == ([], [], None)
    assert heard(recorded(fixtures, "disconnect_code50_reason805")) == ([], [], Cut(805))


def test_stacked_packets_are_all_read(fixtures: Path) -> None:
    stacked = recorded(fixtures, "stacked_quote_then_oi")
    prices, odd, _ = heard(stacked + recorded(fixtures, "full_code8") + recorded(fixtures, "ticker_code2"))

    assert ([price[0] for price in prices], odd) == (["HDFCBANK", "OPTION", "HDFCBANK"], [])


def test_a_packet_of_the_depth_feed_is_not_taken_for_a_price(fixtures: Path) -> None:
    prices, odd, cut = heard(recorded(fixtures, "depth20_bid_code41"))

    assert (prices, cut) == ([], None) and odd


PAISE = st.integers(5, 13_000_000)
"""Up to 1,30,000 rupees float32 is exact to the paisa."""
U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
LTT = st.integers(1_700_000_000, 1_900_000_000)


def official(packet: bytes) -> dict[str, Any]:
    return MarketFeed.process_data(MarketFeed.__new__(MarketFeed), packet)  # type: ignore[no-any-return]


def paise(text: str) -> int:
    rupees, _, part = text.partition(".")
    return int(rupees) * 100 + int(part)


@given(
    PAISE,
    LTT,
    st.lists(st.tuples(U32, U32, U16, U16, PAISE, PAISE), min_size=5, max_size=5),
    st.tuples(U16, U32, U32, U32),
)
def test_a_full_packet_means_to_us_what_it_means_to_the_official_client(
    ltp: int, ltt: int, depth: list[tuple[int, int, int, int, int, int]], counts: tuple[int, int, int, int]
) -> None:
    ltq, volume, sells, buys = counts
    packet = FULL.pack(8, 162, 2, 77, ltp / 100, ltq, ltt, ltp / 100, volume, sells, buys, 1, 2, 3, 4.0, 5.0, 6.0, 7.0)
    packet += b"".join(LEVEL.pack(*row[:4], row[4] / 100, row[5] / 100) for row in depth)

    theirs = official(packet)
    ((_, at_ns, *ours),), odd, _ = heard(packet, {key_of(2, 77): ("X", 1)})
    first = theirs["depth"][0]
    assert ours == [
        *(paise(theirs["LTP"]), paise(first["bid_price"]), first["bid_quantity"]),
        *(paise(first["ask_price"]), first["ask_quantity"]),
    ]
    assert clock_text(at_ns) == theirs["LTT"] and odd == []
    assert (theirs["exchange_segment"], theirs["security_id"]) == (2, 77)


@given(PAISE, LTT, st.booleans())
def test_tickers_and_quotes_mean_the_same_too(ltp: int, ltt: int, is_quote: bool) -> None:
    packet = (
        QUOTE.pack(4, 50, 1, 9, ltp / 100, 1, ltt, 1.0, 2, 3, 4, 5.0, 6.0, 7.0, 8.0)
        if is_quote
        else TICKER.pack(2, 16, 1, 9, ltp / 100, ltt)
    )
    theirs = official(packet)

    assert heard(packet, {key_of(1, 9): ("X", 1)})[0] == [("X", trade_ns(ltt), paise(theirs["LTP"]), 0, 0, 0, 0)]


@given(st.integers(1, 2_600_000).map(lambda ticks: ticks * 5))
def test_a_price_comes_back_on_its_tick(price: int) -> None:
    packet = TICKER.pack(2, 16, 1, 9, price / 100, 0)

    assert heard(packet, {key_of(1, 9): ("X", 5)})[0][0][2] == price


SHARE = Instrument(symbol="SBIN", exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=5)
CONTRACT = Contract(SHARE, "NSE_EQ", 1333, "SBIN")
INDEX = Contract(
    Instrument(symbol="NIFTY", exchange="NSE_INDEX", segment=Segment.INDEX, lot_size=1, tick_paise=5),
    "IDX_I",
    13,
    "NIFTY",
)


@given(PAISE, st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from([TICKER_MODE, QUOTE_MODE, FULL_MODE]))
def test_every_packet_that_the_venue_makes_is_read_by_both(ltp: int, bid_qty: int, ask_qty: int, mode: int) -> None:
    bid, ask = ltp // 5 * 5, ltp // 5 * 5 + 5
    tick = Tick("SBIN", 1_764_000_000 * NS_PER_S, ask, bid if bid_qty else 0, bid_qty, ask if ask_qty else 0, ask_qty)
    packet = packet_of(CONTRACT, mode, DayFigures(ask, ask, ask, tick))

    theirs = official(packet)
    ((symbol, at_ns, *ours),), odd, _ = heard(packet)
    assert (symbol, at_ns, odd) == ("HDFCBANK", tick.at_ns, [])
    assert paise(theirs["LTP"]) == ours[0] == tick.ltp_paise
    if mode == FULL_MODE:
        assert ours[1:] == [tick.bid_paise, bid_qty, tick.ask_paise, ask_qty]
        assert (theirs["total_buy_quantity"], theirs["total_sell_quantity"]) == (bid_qty, ask_qty)


def test_the_venues_other_packets_are_read_by_both() -> None:
    assert official(previous_close(INDEX, 2_485_035))["prev_close"] == "24850.35"
    assert official(market_status(1)) == "Markets Open"
    assert heard(previous_close(INDEX, 2_485_035) + market_status(1)) == ([], [], None)
    assert heard(disconnection(807))[2] == Cut(807)
    index = packet_of(INDEX, FULL_MODE, DayFigures(1, 1, 1, Tick("NIFTY", 1_764_000_000 * NS_PER_S, 2_485_035)))
    assert heard(index)[0][0][2] == 2_485_035, "an index has a value in every mode"


# --- bytes that are wrong ---------------------------------------------------------------------------------------------


@given(st.binary(max_size=400))
def test_no_bytes_raise(frame: bytes) -> None:
    heard(frame)


@given(st.binary(max_size=200), st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 50, 99]), st.integers(0, 70_000))
def test_no_length_leads_outside_the_frame(body: bytes, code: int, length: int) -> None:
    frame = HEADER.pack(code, length & 0xFFFF, 1, 1333) + body

    heard(frame)


@pytest.mark.parametrize("length", [0, 1, 7, 15, 17, 162, 65_535])
def test_a_ticker_of_wrong_length_leaves_out_the_rest_of_the_frame(length: int) -> None:
    good = TICKER.pack(2, 16, 1, 1333, 100.0, 0)
    wrong = HEADER.pack(2, length, 1, 1333) + bytes(8)

    prices, odd, _ = heard(good + wrong + good)
    assert (len(prices), odd) == (1, ["a packet of wrong length, code 2"])


def test_an_unknown_packet_is_skipped_by_its_length() -> None:
    good = TICKER.pack(2, 16, 1, 1333, 100.0, 0)
    unknown = HEADER.pack(77, 20, 1, 1333) + bytes(12)

    prices, odd, _ = heard(unknown + good)
    assert (len(prices), odd) == (1, ["a packet of unknown code 77"])


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1.0, 3.0e38])
def test_an_impossible_price_is_left_out(price: float) -> None:
    full = FULL.pack(8, 162, 1, 1333, 100.0, 0, 0, 0.0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0)
    touch = LEVEL.pack(1, 1, 1, 1, price, 100.0) + bytes(80)
    frame = TICKER.pack(2, 16, 1, 1333, price, 0) + full + touch

    prices, odd, _ = heard(frame)
    assert (prices, odd) == ([], ["a packet with an impossible price"] * 2)


def test_the_same_id_in_another_segment_is_another_contract() -> None:
    prices, odd, _ = heard(TICKER.pack(2, 16, 4, 1333, 100.0, 0))

    assert (prices, odd) == ([], ["a packet of a contract that was not asked for"])


def test_no_trade_yet_has_no_time() -> None:
    assert trade_ns(0) == trade_ns(315_532_800) == 0
