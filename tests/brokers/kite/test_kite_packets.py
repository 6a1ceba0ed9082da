"""Ticker frames: our decoder beside the official client's on the same bytes, and on bytes that are none."""

from __future__ import annotations

import base64
import json
import struct
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kiteconnect import KiteTicker

from brokers.kite.packets import decode_frame, units_per_paisa
from brokers.kite.venue_packets import HEARTBEAT, frame, packet
from brokers.kite.venue_prices import DayPrices
from engine.instant import NS_PER_S
from engine.tick import Tick

NOW_NS = 1_795_000_000 * NS_PER_S
OFFICIAL = KiteTicker("key", "token")
SEGMENTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12)
SIZES = (8, 28, 32, 44, 184)
DIVISORS = {3: 10_000_000, 6: 10_000, 12: 10_000}


class AnySymbol(dict[int, str]):
    """A master that knows every token."""

    def get(self, token: Any, _default: Any = None) -> Any:
        return f"S{token}"


def heard(raw: bytes, symbols: Any = None) -> tuple[list[Tick], list[str]]:
    kinds: list[str] = []
    ticks = decode_frame(
        raw, AnySymbol() if symbols is None else symbols, NOW_NS, lambda kind, _sample: kinds.append(kind)
    )
    return ticks, kinds


@st.composite
def packets(draw: st.DrawFn, sizes: tuple[int, ...] = SIZES) -> bytes:
    """Random content behind a random token; prices below 2^31, where the official client's unsigned reading agrees."""
    size = draw(st.sampled_from(sizes))
    token = draw(st.integers(0, 2**24 - 1)) * 256 + draw(st.sampled_from(SEGMENTS))
    body = bytearray(draw(st.binary(min_size=size - 4, max_size=size - 4)))
    for at in [0, *range(4, 20, 4)] if size in (28, 32) else [0, 8, 24, 28, 32, 36, *range(64, size - 4, 12)]:
        if at < len(body):
            body[at] &= 0x7F
    return token.to_bytes(4, "big") + bytes(body)


def framed(some: list[bytes]) -> bytes:
    return struct.pack(">H", len(some)) + b"".join(struct.pack(">H", len(one)) + one for one in some)


def close_to(paise: int, rupees: float, token: int) -> bool:
    """The official client gives rupees as a float; ours are those, rounded to the paisa."""
    divisor = DIVISORS.get(token & 0xFF, 100)
    units = round(rupees * divisor)
    return abs(paise * divisor - units * 100) <= divisor // 2


@given(st.lists(packets(), max_size=6) | st.lists(packets((184,)), max_size=6))
def test_our_ticks_are_the_official_clients(some: list[bytes]) -> None:
    raw = framed(some)
    ticks, kinds = heard(raw)
    theirs: list[dict[str, Any]] = OFFICIAL._parse_binary(raw)

    assert kinds == [] and len(ticks) == len(theirs)
    for mine, their in zip(ticks, theirs, strict=True):
        token = their["instrument_token"]
        assert mine.symbol == f"S{token}" and close_to(mine.ltp_paise, their["last_price"], token)
        at = their.get("exchange_timestamp")
        assert mine.at_ns == (int(at.timestamp()) * NS_PER_S if isinstance(at, datetime) and at.timestamp() else NOW_NS)
        depth = their.get("depth")
        bid, ask = (depth["buy"][0], depth["sell"][0]) if depth else ({}, {})
        assert (mine.bid_qty, mine.ask_qty) == (bid.get("quantity", 0), ask.get("quantity", 0))
        assert close_to(mine.bid_paise, bid.get("price", 0.0), token)
        assert close_to(mine.ask_paise, ask.get("price", 0.0), token)


@given(st.binary(max_size=400))
def test_no_bytes_break_the_decoder(raw: bytes) -> None:
    heard(raw)


@given(st.lists(packets(), min_size=1, max_size=4), st.data())
def test_a_frame_that_ends_too_early_gives_what_was_whole_and_says_so(some: list[bytes], data: st.DataObject) -> None:
    raw = framed(some)
    cut = data.draw(st.integers(2, len(raw) - 1))
    ticks, kinds = heard(raw[:cut])

    whole, _ = heard(raw)
    assert ticks == whole[: len(ticks)] and len(kinds) == 1


def test_a_negative_price_stays_one() -> None:
    raw = framed([struct.pack(">Ii", 256 + 2, -5)])

    assert [tick.ltp_paise for tick in heard(raw)[0]] == [-5]


def test_currencies_are_rounded_half_up_to_the_paisa() -> None:
    raw = framed([struct.pack(">Ii", 256 + 3, 727_550_000), struct.pack(">Ii", 512 + 3, 727_549_999)])

    assert [tick.ltp_paise for tick in heard(raw)[0]] == [7276, 7275]
    assert [units_per_paisa(code) for code in (1, 2, 3, 6, 9, 12)] == [1, 1, 100_000, 100, 1, 100]


def test_a_packet_of_an_unknown_length_is_counted_and_the_next_is_read() -> None:
    good = struct.pack(">Ii", 408065, 157315)
    ticks, kinds = heard(framed([bytes(40), good, b"", bytes(185)]))

    assert [tick.ltp_paise for tick in ticks] == [157315]
    assert kinds == ["a ticker packet of 40 bytes", "a ticker packet of 0 bytes", "a ticker packet of 185 bytes"]


def test_a_mixture_that_is_as_long_as_full_packets_is_walked() -> None:
    """One packet of 182 bytes and one of 186 are as long as two full ones."""
    ticks, kinds = heard(framed([bytes(182), bytes(186)]))

    assert ticks == [] and len(kinds) == 2


def test_heartbeats_and_tokens_of_nobody_are_silent() -> None:
    assert heard(HEARTBEAT) == ([], []) and heard(b"") == ([], []) and heard(b"\x00\x00") == ([], [])
    assert heard(framed([struct.pack(">Ii", 408065, 1)]), {}) == ([], [])


def test_bytes_behind_the_last_packet_are_counted() -> None:
    assert heard(framed([struct.pack(">Ii", 408065, 1)]) + b"xx")[1] == [
        "bytes behind the last packet of a ticker frame"
    ]


@given(
    token=st.integers(0, 2**24 - 1).map(lambda n: n * 256 + 2) | st.integers(0, 2**24 - 1).map(lambda n: n * 256 + 9),
    ltp=st.integers(1, 2**31 - 1),
    quotes=st.tuples(*[st.integers(0, 2**31 - 1)] * 4),
    at_s=st.integers(1, 2**32 - 1),
    mode=st.sampled_from(["ltp", "quote", "full"]),
)
def test_what_the_venue_writes_both_readers_read(
    token: int, ltp: int, quotes: tuple[int, int, int, int], at_s: int, mode: str
) -> None:
    tick = Tick("S", at_s * NS_PER_S, ltp, *quotes)
    prices = DayPrices()
    prices.on_tick(tick)
    raw = frame([packet(token, tick, prices, mode)])
    (mine,), (their,) = heard(raw, {token: "S"})[0], OFFICIAL._parse_binary(raw)

    is_index = token & 0xFF == 9
    assert (mine.ltp_paise, their["last_price"], their["mode"]) == (ltp, ltp / 100, mode)
    if mode == "full" and not is_index:
        assert mine == tick and their["depth"]["buy"][0]["price"] == tick.bid_paise / 100
    if mode != "ltp":
        assert set(their["ohlc"].values()) == {ltp / 100}, "the first tick of a day is all four"


@pytest.mark.row("OPS-05")
def test_the_sample_packets_decode_to_their_documented_values(fixtures: Path) -> None:
    body = base64.b64decode((fixtures / "ticker_quote.packet").read_text())
    said = json.loads((fixtures / "ticker_quote.json").read_text())
    ltp = json.loads((fixtures / "ticker_ltp.json").read_text())
    (tick,), kinds = heard(framed([body]), {said["instrument_token"]: "INFY"})

    assert (tick.symbol, tick.ltp_paise, kinds) == ("INFY", round(said["last_price"] * 100), [])
    assert tick.ltp_paise == round(ltp["last_price"] * 100)
