"""The day that is to be shown: `--no-ui --seed 7 --speed max --duration day --db day.db`, its journal and its log."""

from __future__ import annotations

import json
import re
import stat
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from engine.instant import NS_PER_S

pytestmark = pytest.mark.xdist_group("simulated day")

EXPLAINS_MORE_ORDERS = {
    *("blind_exit", "eod", "ensure_exits", "exits_exhausted", "fallback", "hybrid", "local_refusal"),
    *("market_on_target", "oco_failure", "operator", "partial_fill", "place_failed", "rearm", "resolved_order"),
    *("sl_breached", "sl_breached_exit", "sl_rejected", "stop_jumped", "surplus_closed", "sync", "tp_rejected"),
    *("unknown_order",),
}
"""Events after which a round trip may have more than entry, target and stop."""
EXPLAINS_A_MODIFY = {"market_on_target", "stop_jumped", "sync", "trail_move"}
LOG_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) ([A-Z]+) +(.*)")
SPAN = ("--no-ui", "--speed", "max", "--duration", "40m")


@pytest.fixture(scope="module")
def day(shared_home):
    """Run in New York on purpose: the session is Mumbai's wherever the machine stands (OPS-30)."""
    arguments = ("--no-ui", "--seed", "7", "--speed", "max", "--duration", "day", "--db", "day.db")
    return shared_home.run(*arguments, env={"TZ": "America/New_York"})


@pytest.fixture(scope="module")
def day_db(shared_home, day):
    return shared_home.folder / "day.db"


@pytest.fixture(scope="module")
def spans(shared_home, finished):
    """Forty minutes three times, side by side: twice the same seed, told as text and as JSON, and another seed."""
    text = shared_home.popen(*SPAN, "--seed", "7", "--db", "text.db", env={"TZ": "UTC"})
    as_json = shared_home.popen(*SPAN, "--seed", "7", "--db", "json.db", "--json-log", env={"TZ": "America/New_York"})
    other = shared_home.popen(*SPAN, "--seed", "8")
    return [finished(process) for process in (text, as_json, other)]


@pytest.mark.row("OPS-04", "OPS-22")
def test_the_day_ends_clean_and_flat(day, day_db, query) -> None:
    assert day.code == 0, day.err[-2000:]
    assert query(day_db, "SELECT count(*), sum(net_qty <> 0) FROM positions") == [(2, 0)]
    assert query(day_db, "SELECT DISTINCT state FROM brackets") == [("flat",)]
    assert query(day_db, "SELECT DISTINCT state FROM orders ORDER BY 1") == [("cancelled",), ("filled",)]
    assert query(day_db, "SELECT mode, seed, exit_code FROM runs") == [("PAPER DEMO", 7, 0)]


@pytest.mark.row("LEG-16")
@pytest.mark.invariant("O8")
def test_a_round_trip_is_three_orders_unless_an_event_says_why(day_db, query) -> None:
    trips = query(day_db, "SELECT symbol, opened_ns, closed_ns, order_count FROM trades")
    unexplained = []
    for symbol, opened_ns, closed_ns, order_count in trips:
        told = query(
            day_db,
            "SELECT event FROM events WHERE symbol = ? AND at_ns BETWEEN ? AND ?",
            (symbol, opened_ns, closed_ns),
        )
        if order_count == 2 and closed_ns - opened_ns < NS_PER_S:
            continue  # the stop had filled before the target could leave
        if order_count != 3 and not (order_count > 3 and EXPLAINS_MORE_ORDERS & {event for (event,) in told}):
            unexplained.append((symbol, opened_ns, order_count))

    assert unexplained == []
    assert len(trips) > 100
    assert sum(order_count == 3 for *_, order_count in trips) > len(trips) * 0.9
    placed = query(day_db, "SELECT count(*) FROM intents WHERE op = 'place'")
    taken_back = sum(order_count == 2 for *_, order_count in trips)  # intended, and never sent
    assert placed == [(sum(order_count for *_, order_count in trips) + taken_back,)]


def test_every_changed_order_has_an_event_that_says_why(day_db, query) -> None:
    changed = query(day_db, "SELECT symbol, at_ns FROM intents WHERE op = 'modify'")
    told = query(day_db, "SELECT symbol, at_ns, event FROM events")
    why = {(symbol, at_ns) for symbol, at_ns, event in told if event in EXPLAINS_A_MODIFY}

    assert [change for change in changed if change not in why] == []


@pytest.mark.row("I-6")
@pytest.mark.invariant("A1")
def test_the_trades_are_the_fills_to_the_paisa(day_db, query) -> None:
    of_fills = dict(
        query(
            day_db,
            "SELECT bracket_id, sum(CASE side WHEN 'SELL' THEN 1 ELSE -1 END * qty * price_paise)"
            " FROM fills GROUP BY bracket_id",
        )
    )
    of_trades = dict(query(day_db, "SELECT bracket_id, sum(gross_paise) FROM trades GROUP BY bracket_id"))

    assert of_trades == of_fills
    assert sum(of_trades.values()) != 0
    traded = query(day_db, "SELECT sum(buy_value_paise), sum(sell_value_paise) FROM positions")[0]
    assert traded[1] - traded[0] == sum(of_fills.values())


@pytest.mark.row("OPS-34")
def test_every_trade_carries_its_charges_and_the_summary_adds_them_up(day, day_db, query) -> None:
    gross, charges, smallest = query(
        day_db, "SELECT sum(gross_paise), sum(charges_paise), min(charges_paise) FROM trades"
    )[0]

    # Two executed orders at 20 rupees and 18 % GST on them are the floor under any charge model.
    assert smallest > 4720
    totals = re.search(r"gross (\S+) +charges \(estimated\) (\S+) .* net (\S+)", day.out)
    assert totals is not None
    told = [Decimal(text.replace(",", "")) for text in totals.groups()]
    assert told == [Decimal(paise) / 100 for paise in (gross, charges, gross - charges)]


@pytest.mark.row("OPS-30")
@pytest.mark.fault("TIM-04")
def test_nothing_is_bought_outside_the_entry_hours_wherever_the_machine_stands(day_db, query) -> None:
    first, last = query(day_db, "SELECT min(at_ist), max(at_ist) FROM fills_view")[0]
    entered = query(day_db, "SELECT min(intended_ist), max(intended_ist) FROM orders_view WHERE role = 'entry'")[0]

    assert entered[0].startswith("2026-11-25 09:25:01")
    assert entered[1].startswith("2026-11-25 15:10:01")
    assert first >= entered[0]
    assert last <= "2026-11-25 15:15:59"


@pytest.mark.row("OPS-24")
def test_stdout_has_the_summary_and_the_hash_and_stderr_the_log(day, day_db, query) -> None:
    trips, commands = query(day_db, "SELECT (SELECT count(*) FROM trades), (SELECT count(*) FROM intents)")[0]
    out = day.out.splitlines()

    assert out[0].split()[:3] == ["closed", "leg", "qty"]
    assert all(re.match(r"\d\d:\d\d:\d\d  NIFTY", row) for row in out[1 : trips + 1])
    totals, gross, *figures = out[trips + 1 : -1]
    assert totals.startswith(f"{trips} round trips")
    assert gross.startswith("gross ")
    assert any(row.startswith("first fill to a working stop") for row in figures), "against their targets (OPS-28)"
    assert re.fullmatch(rf"decision hash [0-9a-f]{{64}} \({commands} commands\)", out[-1])
    log = [line for line in day.err.splitlines() if not line.startswith("strikedesk: note: ")]
    assert [line for line in log if not LOG_LINE.fullmatch(line)] == []
    assert "decision hash" not in day.err


def test_the_virtual_day_leaves_nothing_but_its_journal(shared_home, day, spans, day_db) -> None:
    left = {re.sub(r"(-wal|-shm|\.lock|\.head|\.ballast)$", "", path.name) for path in shared_home.folder.iterdir()}

    assert left == {"day.db", "text.db", "json.db"}
    assert stat.S_IMODE(day_db.stat().st_mode) == 0o600
    assert not list(shared_home.folder.rglob("*.log")), "a simulated day is no part of the live log"


def test_a_traders_own_sql_works_on_the_journal(day, day_db, query) -> None:
    winners = query(
        day_db,
        "SELECT symbol, round(sum(gross_rupees), 2), round(sum(charges_rupees), 2), count(*) FROM trades_view"
        " WHERE reason = 'Target Hit' GROUP BY symbol ORDER BY symbol",
    )
    exact = query(
        day_db,
        "SELECT symbol, sum(gross_paise) / 100.0, sum(charges_paise) / 100.0, count(*) FROM trades"
        " WHERE reason = 'Target Hit' GROUP BY symbol ORDER BY symbol",
    )
    assert winners == exact
    assert [symbol for symbol, *_ in winners] == ["NIFTY01DEC2624500CE", "NIFTY01DEC2624500PE"]

    (one_day,) = query(day_db, "SELECT trading_day, trades, gross_rupees FROM days_view")
    assert one_day[0] == "2026-11-25"
    assert f"{one_day[1]} round trips" in day.out
    average, limit = query(day_db, "SELECT average_rupees, limit_rupees FROM orders_view WHERE role = 'entry'")[0]
    assert 1 < average <= limit < 1000, "rupees, not paise"
    told = query(day_db, "SELECT at_ist, level, text FROM events_view")
    log = [LOG_LINE.fullmatch(line) for line in day.err.splitlines()]
    assert told == [found.groups() for found in log if found is not None], "the journal tells what the log told"


@pytest.mark.row("OPS-04", "OPS-32")
@pytest.mark.invariant("X5")
def test_the_same_seed_gives_the_same_orders_and_another_seed_others(shared_home, spans, query) -> None:
    text, as_json, other = spans
    orders = "SELECT intended_ns, symbol, role, side, type, qty, limit_paise, trigger_paise, state, traded_value_paise"
    log_of = {
        name: query(shared_home.folder / name, f"{orders} FROM orders ORDER BY intended_ns, tag")
        for name in ("text.db", "json.db")
    }

    assert [ended.code for ended in spans] == [0, 0, 0]
    assert log_of["text.db"] == log_of["json.db"]
    assert len(log_of["text.db"]) > 30
    assert text.out == as_json.out
    assert text.decision_hash == as_json.decision_hash != other.decision_hash


@pytest.mark.row("OPS-25", "OPS-30")
def test_every_line_of_the_log_has_its_json_twin_in_utc(spans) -> None:
    text, as_json, _ = spans
    lines = [LOG_LINE.fullmatch(line) for line in text.err.splitlines() if not line.startswith("strikedesk: ")]
    twins = [json.loads(line) for line in as_json.err.splitlines() if not line.startswith("strikedesk: ")]

    assert len(twins) > 100
    for line, twin in zip(lines, twins, strict=True):
        assert line is not None
        instant = datetime.fromisoformat(twin["time"])
        assert twin["time"].endswith(("+00:00", "Z"))
        in_mumbai = instant.replace(tzinfo=None) + timedelta(hours=5, minutes=30)
        assert line[1] == in_mumbai.isoformat(sep=" ", timespec="milliseconds")
        assert (line[2], line[3]) == (twin["level"], twin["text"])
        assert twin["strategy"] == "random_scalp_live"
        assert twin["event"]
    exits = [twin for twin in twins if twin["event"] == "exit"]
    assert exits
    assert {twin["symbol"] for twin in exits} == {"NIFTY01DEC2624500CE", "NIFTY01DEC2624500PE"}
    assert all(twin["tag"] for twin in twins if twin["event"] == "cancel")
