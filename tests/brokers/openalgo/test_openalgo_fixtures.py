"""Replies captured from a real server decode to what their README says (read in place from the reference folder)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from brokers.openalgo import frames
from brokers.openalgo.answers import Call, mode_of, read_body, verdict
from brokers.openalgo.fills import by_order, fill_of, trade_row, writes_whole_quantity
from brokers.openalgo.frames import Control, Quote, Update
from brokers.openalgo.history import candles_of, chain_legs, interval_of, quote_tick
from brokers.openalgo.login import broker_of, mode_told
from brokers.openalgo.master import contracts, decode_rows, freeze_of
from brokers.openalgo.orders import order_row, position_row
from brokers.openalgo.rules import Mode
from brokers.wire.oddities import Oddities
from engine import refusals
from engine.instrument import OptionType, Segment
from engine.order import OrderState, OrderType, Side
from engine.port import Acked, ReadFailed, Refused, Unknown
from engine.port_reads import Candle

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "openalgo"
pytestmark = [
    pytest.mark.row("OPS-05"),
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the reference folder 'shared' is not beside the project"),
]
DAY = date(2026, 11, 21)
CALLS = {"/api/v1/placeorder": Call.PLACE, "/api/v1/modifyorder": Call.MODIFY, "/api/v1/cancelorder": Call.CANCEL}


def pairs() -> list[tuple[str, dict[str, Any]]]:
    return [(path.stem, json.loads(path.read_text())) for path in sorted(FOLDER.glob("*/*.json"))]


def reply(folder: str, name: str) -> tuple[int, Any]:
    response = json.loads((FOLDER / folder / f"{name}.json").read_text())["response"]
    return response["status"], response.get("json")


def data(folder: str, name: str) -> Any:
    return read_body(*reply(folder, name))["data"]


def oddities() -> Oddities:
    return Oddities("test", lambda _text: None)


def frame_lines(name: str) -> list[Any]:
    return [json.loads(line) for line in (FOLDER / "ws" / name).read_text().splitlines()]


def test_every_captured_order_reply_has_the_answer_that_its_story_asks_for() -> None:
    seen = 0
    for name, pair in pairs():
        call = CALLS.get(pair["request"]["path"])
        if call is None or pair["request"]["method"] != "POST":
            continue
        seen += 1
        status, body = pair["response"]["status"], pair["response"].get("json")
        expected = Mode.ANALYZE if isinstance(body, dict) and body.get("mode") == "analyze" else Mode.LIVE
        answer = verdict(call, status, body, expected).answer
        if status == 200 and body.get("orderid") is not None:
            assert answer == Acked(str(body["orderid"])), name
        elif status >= 500 or status == 200:
            assert isinstance(answer, Unknown), name
        elif status == 429:
            assert isinstance(answer, Refused) == ("status" not in body), name
        else:
            assert isinstance(answer, Refused), name
    assert seen > 40


@pytest.mark.parametrize(
    ("folder", "name", "call", "expected"),
    [
        ("limits", "place_rate_limited", Call.PLACE, refusals.THROTTLED),
        ("analyze", "place_bad_lot", Call.PLACE, refusals.LOT_SIZE),
        ("analyze", "place_insufficient_funds", Call.PLACE, refusals.MARGIN),
        ("analyze", "place_mis_before_0900_ist", Call.PLACE, refusals.SESSION_CLOSED),
        ("analyze", "place_symbol_unknown", Call.PLACE, refusals.UNKNOWN_SYMBOL),
        ("analyze", "cancel_complete_order", Call.CANCEL, refusals.ALREADY_FINISHED),
        ("analyze", "cancel_unknown", Call.CANCEL, refusals.NO_SUCH_ORDER),
        ("session", "revoked_placeorder", Call.PLACE, refusals.NOT_ALLOWED),
    ],
)
def test_captured_refusals_have_their_code(folder: str, name: str, call: Call, expected: str) -> None:
    status, body = reply(folder, name)
    answer = verdict(call, status, body, Mode.ANALYZE).answer

    assert isinstance(answer, Refused) and answer.code == expected


def test_no_captured_book_row_is_odd() -> None:
    rows = 0
    for name, pair in pairs():
        path, body = pair["request"]["path"], pair["response"].get("json")
        if pair["response"]["status"] != 200:
            continue
        match path:
            case "/api/v1/orderbook":
                found: list[Any] = [order_row(raw) for raw in body["data"]["orders"]]
            case "/api/v1/orderstatus":
                found = [order_row(body["data"])]
            case "/api/v1/tradebook":
                found = [trade_row(raw) for raw in body["data"]]
            case "/api/v1/positionbook":
                found = [position_row(raw) for raw in body["data"]]
            case _:
                continue
        assert None not in found, name
        rows += len(found)
    assert rows > 60


def test_an_analyze_order_book_tells_everything() -> None:
    row = next(row for row in map(order_row, data("analyze", "orderbook_full")["orders"]) if row is not None)

    assert (row.broker_id, row.state, row.filled_qty, row.average_paise) == (
        "26112198210720", OrderState.FILLED, 65, 12505,
    )  # fmt: skip
    assert (row.terms.wire.symbol, row.terms.side, row.terms.type, row.terms.limit_paise) == (
        "NIFTY24NOV2626250CE", Side.BUY, OrderType.MARKET, 12500,
    )  # fmt: skip
    pending = order_row(data("analyze", "orderstatus_trigger_pending"))
    assert pending is not None and pending.state is OrderState.TRIGGER_PENDING and pending.terms.trigger_paise == 8000


@pytest.mark.fault("ORD-27")
def test_a_live_book_of_the_xts_plugin_gives_no_partial_quantity_away() -> None:
    rows = [row for row in map(order_row, data("live_xts", "live_orderbook")["orders"]) if row is not None]
    trades = by_order(row for row in map(trade_row, data("live_xts", "live_tradebook")) if row is not None)
    assert writes_whole_quantity(rows, trades)
    fills = {row.broker_id: fill_of(row, trades.get(row.broker_id, ()), whole=True) for row in rows}

    assert {row.filled_qty for row in rows} == {None}
    complete, cancelled, partial, rejected, stop = (fills[f"111000000{n}"] for n in range(1, 6))
    assert (complete.state, complete.qty, complete.average_paise) == (OrderState.FILLED, 10, 142025)
    assert (cancelled.state, cancelled.qty) == (OrderState.CANCELLED, 0)
    assert (partial.state, partial.qty) == (OrderState.PART_FILLED, None), "ten on each row, four were filled"
    assert (rejected.state, rejected.qty) == (OrderState.REJECTED, 0)
    assert (stop.state, stop.qty) == (OrderState.WORKING, 0)


def test_positions_may_be_written_as_text() -> None:
    row = position_row(data("live_xts", "live_positionbook")[0])

    assert row is not None and (row.net_qty, row.average_paise, row.product) == (10, 142000, "MIS")
    short = [position_row(raw) for raw in data("analyze_mis", "mis_positionbook_short")]
    assert short[0] is not None and (short[0].net_qty, short[0].average_paise) == (-15, 81995)


def test_modes_and_the_plugin_are_told() -> None:
    for folder, mode in (("analyze", Mode.ANALYZE), ("analyze_mis", Mode.ANALYZE), ("live_xts", Mode.LIVE)):
        name = {"analyze": "funds_initial", "analyze_mis": "mis_funds_end", "live_xts": "live_funds"}[folder]
        assert mode_of(read_body(*reply(folder, name))) is mode
    assert mode_told(read_body(*reply("analyze", "analyzer_status_analyze"))) is Mode.ANALYZE
    assert mode_told(read_body(*reply("live_xts", "analyzer_toggle_off"))) is Mode.LIVE
    assert broker_of(read_body(*reply("analyze", "ping_analyze"))) == "compositedge"


def test_instruments_become_contracts() -> None:
    body = json.dumps(reply("analyze_mis", "instruments_nfo_get")[1]).encode()
    found = contracts(decode_rows(body, oddities()), DAY, oddities())
    option = next(i for _, i in found if i.symbol == "NIFTY24NOV2625000CE")

    assert len(found) == 4 and found[0][1].segment is Segment.FUTURE
    assert (option.lot_size, option.tick_paise, option.strike_paise, option.option_type, option.underlying) == (
        65, 5, 2_500_000, OptionType.CE, "NIFTY",
    )  # fmt: skip
    assert freeze_of(data("analyze", "search_nifty")[0]) == 1800


def test_quotes_candles_and_chains_are_read() -> None:
    tick = quote_tick("RELIANCE", data("analyze", "quotes_equity"), 7)
    assert tick is not None and (tick.ltp_paise, tick.bid_paise, tick.ask_paise) == (142000, 141995, 142005)
    bars = candles_of(data("analyze", "history_1m"), 0, 2**62, oddities())
    assert bars[0] == Candle(
        start_ns=1_795_047_000 * 10**9, open_paise=141500, high_paise=142100, low_paise=141400, close_paise=142000,
        volume=12000,
    )  # fmt: skip
    legs = chain_legs(read_body(*reply("analyze", "optionchain"))["chain"])
    assert legs["NIFTY24NOV2625950CE"].ltp_paise == 19500 and legs["NIFTY24NOV2625950PE"].bid_paise == 19745
    assert (
        interval_of(60, data("analyze", "intervals")) == "60m" and interval_of(45, data("analyze", "intervals")) is None
    )


def test_a_broken_quote_source_is_no_price() -> None:
    zeros = data("upstream_down", "depth_option")
    assert quote_tick("X", zeros, 1) is None
    with pytest.raises(ReadFailed):
        read_body(*reply("upstream_down", "quotes_equity"))


def test_tick_frames_of_every_mode_are_read() -> None:
    quotes = 0
    for line in frame_lines("ticks.jsonl"):
        read = frames.read_frame(json.dumps(line))
        ltp = line["data"].get("ltp", 0)
        if not ltp:
            assert read is None and frames.is_silent(json.dumps(line)), "zero is no price"
            continue
        assert isinstance(read, Quote)
        assert (read.wire.symbol, read.ltp_paise, read.at_ns) == (
            line["symbol"], round(ltp * 100), line["data"]["timestamp"] * 10**6,
        )  # fmt: skip
        if line["mode"] == 3:
            best = line["data"]["depth"]["buy"][0]
            assert (read.bid_paise, read.bid_qty) == (round(best["price"] * 100), best["quantity"])
        quotes += 1
    assert quotes


def test_order_updates_and_control_frames_are_read() -> None:
    updates = [frames.read_frame(json.dumps(line)) for line in frame_lines("order_updates_first_session.jsonl")]
    assert updates and all(isinstance(u, Update) and u.row is not None and u.mode == "analyze" for u in updates)
    lines = [line["msg"] for line in frame_lines("control_frames.jsonl") if line["dir"] == "S>C"]
    heard = [frames.read_frame(json.dumps(line)) for line in lines]
    assert all(isinstance(frame, Control) for frame in heard)
    controls = [frame for frame in heard if isinstance(frame, Control)]
    assert [c.code for c in controls[:2]] == ["NOT_AUTHENTICATED", "AUTHENTICATION_ERROR"]
    assert any(frames.refused_symbols(c.body) for c in controls)


@pytest.mark.fault("UPD-01")
def test_the_captured_timeline_has_updates_before_the_reply() -> None:
    kinds = [line["kind"] for line in frame_lines("timeline_rest_and_order_updates.jsonl")]

    assert ["rest_start", "ws"] in [kinds[at : at + 2] for at in range(len(kinds))]
