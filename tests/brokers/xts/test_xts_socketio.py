"""Socket.IO frames, market-data frames and times: recorded streams in, events and ticks in paise out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.xts import socketio, ticks, times
from brokers.xts.feed import read_bar
from brokers.xts.socketio import Connected, Ended, Event, Heartbeat, Odd, Opened, SocketIo
from brokers.xts.ticks import FrameUnreadable, NewestOnly, Quote
from engine.instant import NS_PER_S, at_ist, clock_text, ist_date

Fixture = Callable[[str], Any]
OPEN = '0{"sid":"x","upgrades":[],"pingInterval":20000,"pingTimeout":60000}'


def test_the_older_dialect_is_pinged_by_the_client_and_connects_by_itself() -> None:
    protocol = SocketIo(3)

    assert protocol.hear(OPEN) == (Opened(10.0), "")
    assert protocol.hear("40") == (Connected(), "")
    assert protocol.hear("3") == (Heartbeat(), "") and protocol.beat == "2"
    assert protocol.hear("41") == (Ended("the server closed the namespace"), "")


def test_the_newer_dialect_asks_for_its_namespace_and_answers_pings() -> None:
    protocol = SocketIo(4)

    assert protocol.hear(OPEN) == (Opened(0.0), "40")
    assert protocol.hear('40{"sid":"y"}') == (Connected(), "")
    assert protocol.hear("2") == (Heartbeat(), "3")
    assert protocol.hear('44{"message":"Invalid namespace"}')[0] == Ended("the server refused the namespace")


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        ('42["order","{\\"AppOrderID\\":7}"]', Event("order", {"AppOrderID": 7})),
        ('42["order",{"AppOrderID":7}]', Event("order", {"AppOrderID": 7})),
        ('42["1512-json-partial","t:1_2885,ltp:1"]', Event("1512-json-partial", "t:1_2885,ltp:1")),
        ('42["joined"]', Event("joined", None)),
        ('4213["order","{"]', Event("order", "{")),
        ('42/interactive,["order",1]', Event("order", 1)),
    ],
)
def test_events_are_read_once_or_twice_as_they_need(frame: str, event: Event) -> None:
    assert SocketIo(3).hear(frame) == (event, "")


@pytest.mark.parametrize(
    "frame", ["", "9", "42", "42{}", "42[7]", "42[", "0", "0[]", "45", "451-[]", "4", "43", b"\x04x"]
)
def test_what_is_no_frame_is_odd_and_breaks_nothing(frame: str | bytes) -> None:
    assert isinstance(SocketIo(3).hear(frame)[0], Odd)


@given(st.text(max_size=60) | st.binary(max_size=60), st.sampled_from(socketio.DIALECTS))
def test_no_frame_raises(frame: str | bytes, dialect: int) -> None:
    SocketIo(dialect).hear(frame)


def test_a_recorded_market_data_stream_decodes_whole(fixture_of: Fixture) -> None:
    """Two instruments on three codes, and the unasked flood beside them."""
    protocol, counts, prices = SocketIo(3), Counter[str](), {}
    for line in fixture_of("socketio/marketdata_frames_eio3.jsonl"):
        heard, _ = protocol.hear(line["raw"])
        assert not isinstance(heard, Odd), line["raw"][:80]
        if not isinstance(heard, Event) or heard.name == "joined":
            continue
        quote = ticks.quote_of_event(heard.name, heard.payload)
        counts["priced" if quote else "passed over"] += 1
        if quote:
            assert 0 < quote.bid_paise <= quote.ask_paise or not quote.bid_paise
            assert str(ist_date(quote.at_ns)) == "2025-01-06"
            prices.setdefault((quote.segment, quote.number), []).append(quote)

    assert set(prices) == {(1, 2885), (1, 26000)} and counts["priced"] > 50 and counts["passed over"] > 5
    assert all(120_000 < quote.ltp_paise < 126_500 for quote in prices[1, 2885])
    assert all(2_370_000 < quote.ltp_paise < 2_410_000 and not quote.bid_qty for quote in prices[1, 26000])


def test_snapshots_of_subscriptions_decode_to_their_prices(fixture_of: Fixture) -> None:
    replies = fixture_of("socketio/subscription_responses.json")
    quotes = [ticks.quote_of(json.loads(text)) for reply in replies for text in reply["result"]["listQuotes"]]

    assert [(q.number, q.ltp_paise, q.bid_paise, q.bid_qty, q.ask_paise, q.ask_qty, q.has_touch) for q in quotes] == [
        (2885, 123450, 123415, 62, 123450, 1419, True), (26000, 2373730, 0, 0, 0, 0, True),
        (2885, 123450, 123415, 62, 123450, 1419, True), (26000, 2373730, 0, 0, 0, 0, True),
        (2885, 123450, 0, 0, 0, 0, False), (26000, 2373730, 0, 0, 0, 0, False),
    ]  # fmt: skip
    assert {clock_text(q.at_ns) for q in quotes} == {"11:16:07"}
    assert SocketIo(3).hear("0" + json.dumps(fixture_of("socketio/engineio3_open_packet.json")))[0] == Opened(10.0)


def test_each_recorded_shape_of_a_quote_decodes(fixture_of: Fixture) -> None:
    flat = ticks.quote_of(fixture_of("marketdata/1501_snapshot_flat.json"))
    nested = ticks.quote_of(fixture_of("marketdata/1501_touchline_full_nested.json"))
    depth = ticks.quote_of(fixture_of("marketdata/1502_depth_full_one_sided.json"))
    last = ticks.quote_of(fixture_of("marketdata/1512_ltp_full_no_close.json"))
    partials = fixture_of("marketdata/partials.json")

    assert (flat.ltp_paise, flat.bid_paise, flat.bid_qty, flat.ask_paise, flat.volume) == (
        61030, 61015, 119, 61030, 1983015
    )  # fmt: skip
    assert (nested.ltp_paise, nested.bid_paise, nested.ask_paise) == (2320215, 0, 0)
    assert (depth.bid_paise, depth.bid_qty, depth.ask_paise, depth.ask_qty) == (156795, 1428, 0, 0)
    assert (last.ltp_paise, last.has_touch) == (257175, False)
    partial = ticks.quote_of_event("1512-json-partial", partials["1512-json-partial"])
    assert partial is not None and (partial.number, partial.ltp_paise) == (2885, 257080)
    assert ticks.open_interest_of(fixture_of("marketdata/1510_open_interest_full.json")) == (1, 46082, 0)
    assert ticks.open_interest_of(partials["1510-json-partial"]) == (1, 46082, 0)
    for name, payload in (
        ("1505-json-full", fixture_of("marketdata/1505_candle_full.json")),
        ("1507-json-full", fixture_of("marketdata/1507_market_status.json")),
        ("1105-json-partial", partials["1105-json-partial"][0]),
    ):
        assert ticks.quote_of_event(name, payload) is None


GOOD = {"ExchangeSegment": 1, "ExchangeInstrumentID": 7, "LastTradedPrice": 10.05, "LastUpdateTime": 1420629367}


@pytest.mark.parametrize(
    "bad",
    [
        {"LastTradedPrice": None}, {"LastTradedPrice": -1}, {"LastTradedPrice": 1e300}, {"LastTradedPrice": True},
        {"LastTradedPrice": "NaN"}, {"LastTradedPrice": [1]}, {"ExchangeInstrumentID": None},
        {"ExchangeSegment": "x"}, {"BidInfo": {"Price": [1], "Size": 5}},
    ],
)  # fmt: skip
def test_a_quote_with_a_broken_price_is_no_tick(bad: dict[str, Any]) -> None:
    assert ticks.quote_of(GOOD).ltp_paise == 1005

    with pytest.raises(FrameUnreadable):
        ticks.quote_of(GOOD | bad)


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "Touchline", "BidInfo", "AskInfo"]),
        st.none()
        | st.integers()
        | st.floats()
        | st.text()
        | st.dictionaries(st.sampled_from(["Price", "Size"]), st.floats() | st.integers() | st.text()),
    )
)
def test_no_payload_raises_anything_but_its_own_error(fields: dict[str, Any]) -> None:
    try:
        quote = ticks.quote_of(GOOD | fields)
    except FrameUnreadable:
        return
    assert quote.ltp_paise >= 0 and quote.bid_paise >= 0 and quote.ask_paise >= 0


@given(st.integers(0, 999_999_999))
def test_every_price_of_whole_paise_comes_back_exactly(paise: int) -> None:
    text = json.dumps({**GOOD, "LastTradedPrice": paise / 100})

    assert ticks.quote_of(json.loads(text)).ltp_paise == paise


def test_an_older_frame_never_follows_a_newer_one() -> None:
    newest = NewestOnly()

    def at(at_ns: int) -> Quote:
        return Quote(segment=1, number=7, at_ns=at_ns, ltp_paise=100)

    assert [newest.is_old(at(n)) for n in (5, 7, 7, 6, 0, 8)] == [False, False, False, True, False, False]


def test_times_are_read_with_their_zone_and_epoch() -> None:
    assert clock_text(times.from_1980(1420629367)) == "11:16:07"
    assert times.to_1980(times.from_1980(1420629367)) == 1420629367
    at_ns = times.from_text("2025-01-09T10:09:39.6122051")
    assert (
        times.iso_text(at_ns) == "2025-01-09T10:09:39.612205" and times.day_first_text(at_ns) == "09-01-2025 10:09:39"
    )
    assert times.from_text("09-01-2025 10:09:39") == times.from_text("2025-01-09T10:09:39+05:30")
    assert times.query_text(at_ns) == "Jan 09 2025 100939"
    assert times.from_query_text("Nov 20 2026 000000") == at_ist(ist_date(1795113000 * NS_PER_S), at_time(0, 0))
    for broken in (None, 7, "", "2025-13-40T10:00:00", "99-99-9999 00:00:00", "x" * 500, "2025-01-09"):
        assert times.from_text(broken) == 0
    for broken in (None, -5, 0, True, 10**30, "1420629367"):
        assert times.from_1980(broken) == 0


def at_time(hour: int, minute: int) -> Any:
    from datetime import time

    return time(hour, minute)


@pytest.mark.parametrize(
    ("minutes", "expected"), [(1, "10:14:00"), (5, "10:10:00"), (60, "09:15:00"), (30, "09:45:00")]
)
def test_a_bar_is_named_by_its_start_wherever_the_server_stamps_it(minutes: int, expected: str) -> None:
    wall = (10 * 60 + 14) * 60 + 59 + 20463 * 86_400

    bar = read_bar(f"{wall}|606.55|607.65|606.5|607.45|1760422|0|", minutes)

    assert bar is not None and clock_text(bar.start_ns) == expected
    assert (bar.open_paise, bar.high_paise, bar.low_paise, bar.close_paise, bar.volume) == (
        60655, 60765, 60650, 60745, 1760422
    )  # fmt: skip


@pytest.mark.parametrize("line", ["", "x", "1|2|3", "0|1|2|1|1|0", "1736158499|5|4|6|5|0", "1736158499|NaN|1|1|1|0"])
def test_a_broken_bar_is_none(line: str) -> None:
    assert read_bar(line, 1) is None
