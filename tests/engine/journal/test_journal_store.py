"""The journal file: what was committed comes back, whole, and nothing else."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.journal.errors import JournalWriteFailed
from engine.journal.records import (
    AlarmRow,
    AnswerRow,
    Batch,
    BotRow,
    BracketRow,
    EventRow,
    FillRow,
    IntentRow,
    PositionRow,
    Restored,
    TradeRow,
)
from engine.journal.store import Journal
from engine.order import Order, OrderState, OrderType, Pending, Role, Side, Trade
from engine.tick import Tick

TODAY = "2026-11-23"
DAY_NS = 86_400 * 1_000_000_000


def reopened(journal: Journal) -> Journal:
    assert journal.path is not None
    journal.close()
    return Journal.open(journal.path, now_ns=1)


def load(journal: Journal, account: str = "AB1234") -> Restored:
    return journal.load(account, trading_day=TODAY)


@pytest.fixture
def make_trade(start_ns: int) -> Callable[..., TradeRow]:
    def make(trade_id: str = "T1", **changes: object) -> TradeRow:
        fields: dict[str, object] = {
            "trade_id": trade_id,
            "bracket_id": "B1",
            "account": "AB1234",
            "bot": "pair",
            "symbol": "NIFTY24500PE",
            "side": Side.BUY,
            "qty": 75,
            "entry_paise": 10_005,
            "exit_paise": 10_505,
            "entry_value_paise": 750_375,
            "exit_value_paise": 787_875,
            "gross_paise": 37_500,
            "brokerage_paise": 4_000,
            "charges_paise": 1_234,
            "net_paise": 32_266,
            "reason": "Target Hit",
            "opened_ns": start_ns,
            "closed_ns": start_ns + 60_000_000_000,
            "trading_day": TODAY,
            "order_count": 3,
        }
        return TradeRow(**{**fields, **changes})  # type: ignore[arg-type]

    return make


@pytest.mark.row("OPS-15", "LEG-72")
def test_everything_of_an_open_position_comes_back_after_a_restart(
    journal: Journal,
    make_order: Callable[..., Order],
    make_intent: Callable[..., IntentRow],
    make_fill: Callable[..., FillRow],
    make_bracket: Callable[..., BracketRow],
    start_ns: int,
) -> None:
    entry = make_order("R1T1")
    entry.move(OrderState.SENT, start_ns + 1)
    entry.apply_trade(
        Trade(
            trade_id="X1", broker_id="9", tag="R1T1", symbol="NIFTY24500PE", side=Side.BUY, qty=75,
            price_paise=10_005, at_ns=start_ns,
        ),
        start_ns + 2,
    )  # fmt: skip
    stop = make_order(
        "R1T2", role=Role.STOP, side=Side.SELL, type=OrderType.SL, trigger_paise=9_505, limit_paise=9_005,
        pending=Pending.MODIFY_UNKNOWN, asked_qty=75, asked_type=OrderType.SL, broker_id="26112300002",
        reject_text="₹ said no",
    )  # fmt: skip
    bracket = make_bracket(state="protected", open_qty=75, entry_paise=10_005, body=b'{"trail":{"armed":true}}')
    bot = BotRow(bot="pair", account="AB1234", body=b'{"entries":1}')
    alarm = AlarmRow(alarm_id="A1", since_ns=start_ns, text="stop unknown")
    position = PositionRow(
        account="AB1234", symbol="NIFTY24500PE", product="NRML", net_qty=75, buy_qty=75, buy_value_paise=750_375,
        sell_qty=0, sell_value_paise=0, trading_day=TODAY,
    )  # fmt: skip
    unsent = make_intent("R1T3", "cancel", qty=0)

    journal.commit(
        Batch(
            intents=[make_intent("R1T1"), make_intent("R1T2"), unsent],
            answers=[AnswerRow(tag=t, op="place", answer="acked", code="9", at_ns=start_ns) for t in ("R1T1", "R1T2")],
            orders=[entry, stop],
            fills=[make_fill("X1", "R1T1")],
            brackets=[bracket],
            bots=[bot],
            alarms=[alarm],
            positions=[position],
            tag_counter=3,
        )
    )
    restored = load(reopened(journal))

    assert restored.orders == (entry, stop)
    assert restored.orders[0].trade_ids == ["X1"]
    assert isinstance(restored.orders[1].pending, Pending)
    assert restored.brackets == (bracket,)
    assert restored.unanswered == (unsent,)
    assert restored.bots == (bot,)
    assert restored.alarms == (alarm,)
    assert restored.positions == (position,)
    assert restored.tag_counter == 3
    assert restored.differences == ()


def test_an_order_is_written_as_it_was_when_handed_over_and_replaced_later(
    journal: Journal, make_order: Callable[..., Order], start_ns: int
) -> None:
    order = make_order()
    journal.commit(Batch(orders=[order]))
    order.move(OrderState.SENT, start_ns + 5)

    assert [o.state for o in load(journal).orders] == [OrderState.INTENDED]

    journal.commit(Batch(orders=[order]))
    assert [o.state for o in load(journal).orders] == [OrderState.SENT]


def test_finished_orders_come_back_only_with_their_open_bracket_or_as_todays(
    journal: Journal, make_order: Callable[..., Order], make_bracket: Callable[..., BracketRow], start_ns: int
) -> None:
    done = OrderState.CANCELLED
    of_open = make_order("R1T1", bracket_id="B1", state=done, intended_ns=start_ns - DAY_NS)
    of_closed_today = make_order("R1T2", bracket_id="B2", state=done)
    of_closed_before = make_order("R1T3", bracket_id="B2", state=done, intended_ns=start_ns - DAY_NS)
    unfinished_before = make_order("R1T4", bracket_id="B2", state=OrderState.UNKNOWN, intended_ns=start_ns - DAY_NS)
    brackets = [make_bracket("B1"), make_bracket("B2", closed_ns=start_ns)]
    orders = [of_open, of_closed_today, of_closed_before, unfinished_before]

    journal.commit(Batch(orders=orders, brackets=brackets))
    restored = load(journal)

    assert restored.orders == (of_open, unfinished_before)
    assert restored.finished_today == (of_closed_today,)
    assert restored.brackets == (brackets[0],)


@pytest.mark.fault("STO-18")
def test_one_account_never_sees_the_rows_of_another(
    journal: Journal, make_order: Callable[..., Order], make_bracket: Callable[..., BracketRow]
) -> None:
    journal.commit(Batch(orders=[make_order()], brackets=[make_bracket()]))

    restored = load(journal, "ZZ9999")

    assert restored.orders == restored.brackets == ()


@pytest.mark.row("OPS-19", "LEG-72")
def test_trades_of_yesterday_are_kept_but_not_counted_today(
    journal: Journal, make_trade: Callable[..., TradeRow]
) -> None:
    today = make_trade("T2", provisional=True)
    journal.commit(Batch(trades=[make_trade("T1", trading_day="2026-11-20"), today]))
    journal = reopened(journal)

    assert load(journal).trades_today == (today,)
    assert [t.trade_id for t in journal.load("AB1234", trading_day="2026-11-20").trades_today] == ["T1"]
    journal.close()


@pytest.mark.fault("UPD-11")
def test_a_trade_corrected_by_the_trade_book_replaces_its_row(
    journal: Journal, make_trade: Callable[..., TradeRow]
) -> None:
    journal.commit(Batch(trades=[make_trade(provisional=True)]))
    corrected = make_trade(net_paise=32_000)

    journal.commit(Batch(trades=[corrected]))

    assert load(journal).trades_today == (corrected,)


def test_a_position_carried_overnight_comes_back_and_a_flat_one_of_yesterday_does_not(journal: Journal) -> None:
    def row(symbol: str, day: str, net_qty: int) -> PositionRow:
        return PositionRow(
            account="AB1234", symbol=symbol, product="NRML", net_qty=net_qty, buy_qty=75, buy_value_paise=1,
            sell_qty=75 - net_qty, sell_value_paise=1, trading_day=day,
        )  # fmt: skip

    carried, flat_today = row("CARRIED", "2026-11-20", 75), row("TODAY", TODAY, 0)
    journal.commit(Batch(positions=[carried, row("FLAT", "2026-11-20", 0), row("TODAY", "2026-11-20", 75), flat_today]))

    assert load(journal).positions == (carried, flat_today)


def test_an_answer_goes_to_the_newest_intent_of_its_tag_and_op(
    journal: Journal, make_intent: Callable[..., IntentRow], start_ns: int
) -> None:
    intents = [make_intent(op="place"), make_intent(op="modify", qty=50), make_intent(op="modify", qty=25)]
    journal.commit(Batch(intents=intents))

    journal.commit(Batch(answers=[AnswerRow(tag="R1T1", op="modify", answer="unknown", text="reset", at_ns=start_ns)]))

    assert load(journal).unanswered == (intents[0], intents[1])


def test_an_unknown_answer_may_be_followed_by_the_proven_one(
    journal: Journal, make_intent: Callable[..., IntentRow], start_ns: int
) -> None:
    journal.commit(Batch(intents=[make_intent()]))
    for word in ("unknown", "acked"):
        journal.commit(Batch(answers=[AnswerRow(tag="R1T1", op="place", answer=word, code="9", at_ns=start_ns)]))  # type: ignore[arg-type]
    path = journal.path
    journal.close()

    with sqlite3.connect(str(path)) as reader:
        assert reader.execute("SELECT answer, answer_code FROM intents").fetchall() == [("acked", "9")]


@pytest.mark.row("OPS-18")
@pytest.mark.fault("UPD-02", "UPD-04")
@pytest.mark.invariant("A2")
def test_the_same_fill_twice_is_one_row_and_other_orders_may_share_a_trade_number(
    journal: Journal, make_fill: Callable[..., FillRow]
) -> None:
    journal.commit(Batch(fills=[make_fill("X1", "R1T1"), make_fill("X1", "R1T2", side=Side.SELL)]))
    journal.commit(Batch(fills=[make_fill("X1", "R1T1"), make_fill("X2", "R1T1")]))
    journal = reopened(journal)  # verifies the chain, which a repeated fill must not break
    path = journal.path
    journal.close()

    with sqlite3.connect(str(path)) as reader:
        rows = reader.execute("SELECT trade_id, tag, seq FROM fills ORDER BY seq").fetchall()
    assert rows == [("X1", "R1T1", 1), ("X1", "R1T2", 2), ("X2", "R1T1", 3)]


@pytest.mark.invariant("A1")
def test_stored_sums_that_disagree_with_the_fills_are_reported_not_repaired(
    journal: Journal, make_order: Callable[..., Order], make_fill: Callable[..., FillRow]
) -> None:
    order = make_order(traded_qty=75, filled_qty=75, traded_value_paise=750_375, state=OrderState.WORKING)
    journal.commit(Batch(orders=[order], fills=[make_fill(qty=50)]))

    restored = load(journal)

    assert len(restored.differences) == 1
    assert "order R1T1: 75 units" in restored.differences[0]
    assert "50 units" in restored.differences[0]
    assert restored.orders[0].traded_qty == 75


def test_a_batch_with_one_impossible_row_leaves_nothing_and_the_next_one_works(
    journal: Journal, make_order: Callable[..., Order], make_intent: Callable[..., IntentRow]
) -> None:
    impossible = make_order(qty="seventy five")

    with pytest.raises(JournalWriteFailed, match="nothing was written"):
        journal.commit(Batch(intents=[make_intent()], orders=[impossible]))

    assert load(journal).unanswered == ()
    journal.commit(Batch(intents=[make_intent()]))
    journal = reopened(journal)
    assert load(journal).unanswered == (make_intent(),)
    journal.close()


@pytest.mark.row("OPS-15")
@pytest.mark.fault("STO-08")
def test_a_full_disk_fails_the_commit_whole_and_room_brings_it_back(
    journal: Journal, make_order: Callable[..., Order]
) -> None:
    conn = journal._conn
    pages = conn.execute("PRAGMA page_count").fetchone()[0]
    conn.execute(f"PRAGMA max_page_count = {pages}")
    big = Batch(orders=[make_order(f"R1T{i:04d}", reason="x" * 500) for i in range(200)])

    with pytest.raises(JournalWriteFailed, match="full"):
        journal.commit(big)
    assert load(journal).orders == ()

    conn.execute("PRAGMA max_page_count = 1000000")
    journal.commit(big)
    assert len(load(journal).orders) == 200


def test_half_a_surrogate_from_outside_is_replaced_not_fatal(
    journal: Journal, make_order: Callable[..., Order], start_ns: int
) -> None:
    event = EventRow(at_ns=start_ns, level="INFO", event="x", source="broker", text="bad \ud83d text")

    journal.commit(Batch(orders=[make_order(reject_text="\ud83d")], events=[event]))
    journal = reopened(journal)

    assert load(journal).orders[0].reject_text == "?"
    journal.close()


@pytest.mark.row("OPS-15")
@pytest.mark.fault("STO-06", "SEC-08")
@pytest.mark.invariant("C3")
def test_the_file_is_private_durable_and_strict(journal: Journal, tmp_path: Path) -> None:
    conn = journal._conn

    assert stat.S_IMODE((tmp_path / "desk.db").stat().st_mode) == 0o600
    assert conn.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert conn.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    assert conn.execute("PRAGMA locking_mode").fetchone()[0] == "exclusive"
    loose = "SELECT name FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND name NOT LIKE '%sqlite%'"
    assert conn.execute(loose).fetchall() == []


def test_normal_is_a_choice(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "n.db", synchronous="NORMAL", now_ns=1) as journal:
        assert journal._conn.execute("PRAGMA synchronous").fetchone()[0] == 1


def test_the_log_has_its_full_size_before_the_first_commit(
    journal: Journal, numbered_batch: Callable[[int], Batch]
) -> None:
    before = journal.wal_bytes()
    for number in range(50):
        journal.commit(numbered_batch(number))

    assert before > 4_000_000
    assert journal.wal_bytes() == before


@pytest.mark.fault("STO-17")
def test_run_numbers_only_rise_even_over_a_deleted_journal(tmp_path: Path, start_ns: int) -> None:
    def start(path: Path, at_ns: int) -> int:
        with Journal.open(path, now_ns=at_ns) as journal:
            return journal.start_run(started_ns=at_ns, version="0.1.0", mode="PAPER", account="AB1234")

    path = tmp_path / "desk.db"
    first = start(path, start_ns)
    same_instant = start(path, start_ns)
    path.unlink()
    after_deletion = start(path, start_ns + 60 * 1_000_000_000)

    assert first < same_instant < after_deletion


@pytest.mark.row("OPS-22")
def test_a_run_keeps_its_exit_code_and_a_killed_one_has_none(journal: Journal, start_ns: int) -> None:
    assert journal.last_run() is None

    run_no = journal.start_run(started_ns=start_ns, version="0.1.0", mode="LIVE", account="AB1234", seed=7)
    running = journal.last_run()
    journal.end_run(5, at_ns=start_ns + 9)
    ended = journal.last_run()

    assert running is not None
    assert ended is not None
    assert (running.run_no, running.mode, running.seed, running.exit_code) == (run_no, "LIVE", 7, -1)
    assert (ended.ended_ns, ended.exit_code, ended.sqlite_version) == (start_ns + 9, 5, sqlite3.sqlite_version)
    assert load(journal).last_run_no == run_no == journal.run_no


@pytest.mark.fault("STO-17")
def test_the_tag_counter_never_goes_down(journal: Journal) -> None:
    for counter in (9, 4, 0):
        journal.commit(Batch(tag_counter=counter))

    assert load(journal).tag_counter == 9


def test_alarms_end_and_bots_are_replaced(journal: Journal, start_ns: int) -> None:
    alarm = AlarmRow(alarm_id="A1", since_ns=start_ns, text="naked")
    journal.commit(Batch(alarms=[alarm], bots=[BotRow(bot="pair", account="AB1234", body=b"1")]))
    ended = msgspec.structs.replace(alarm, ended_ns=start_ns + 1)
    journal.commit(Batch(alarms=[ended], bots=[BotRow(bot="pair", account="AB1234", body=b"2")]))

    assert load(journal).alarms == ()
    assert [bot.body for bot in load(journal).bots] == [b"2"]


def test_ticks_can_be_recorded(journal: Journal, start_ns: int) -> None:
    journal.commit(Batch(ticks=[Tick("NIFTY24500PE", start_ns, 10_005, 10_000, 75, 10_010, 150)]))

    row = journal._conn.execute("SELECT symbol, at_ns, ltp_paise, bid_qty, ask_qty FROM ticks").fetchone()
    assert row == ("NIFTY24500PE", start_ns, 10_005, 75, 150)


def test_a_journal_in_memory_goes_on_from_an_image_of_the_crash(
    make_order: Callable[..., Order], make_intent: Callable[..., IntentRow]
) -> None:
    before = Journal.in_memory()
    before.commit(Batch(orders=[make_order()], intents=[make_intent()]))
    image = before.image()
    before.commit(Batch(intents=[make_intent("R1T2")]))

    after = Journal.in_memory(image)
    after.commit(Batch(intents=[make_intent("R1T3")]))

    assert [intent.tag for intent in load(after).unanswered] == ["R1T1", "R1T3"]


@pytest.mark.row("OPS-15", "OPS-30")
def test_a_trader_reads_rupees_and_indian_time_with_any_sqlite_tool(
    journal: Journal,
    make_trade: Callable[..., TradeRow],
    make_fill: Callable[..., FillRow],
    make_order: Callable[..., Order],
    start_ns: int,
) -> None:
    loss = make_trade("T2", net_paise=-50_005, gross_paise=-45_005)
    filled = make_order(traded_qty=75, filled_qty=75, traded_value_paise=750_375, state=OrderState.FILLED)
    journal.commit(Batch(trades=[make_trade(), loss], fills=[make_fill()], orders=[filled]))
    journal.commit(Batch(events=[EventRow(at_ns=start_ns + 318_000_000, level="INFO", event="e", source="desk")]))
    path = journal.path
    journal.close()

    with sqlite3.connect(str(path)) as reader:
        one = reader.execute
        assert one("SELECT at_ist, price_rupees, value_rupees FROM fills_view").fetchone() == (
            "2026-11-23 09:15:00.000", 100.05, 7503.75,
        )  # fmt: skip
        assert one("SELECT closed_ist, net_rupees, charges_rupees FROM trades_view").fetchone() == (
            "2026-11-23 09:16:00.000", 322.66, 52.34,
        )  # fmt: skip
        assert one("SELECT trades, winners, net_rupees FROM days_view").fetchone() == (2, 1, -179.73)
        assert one("SELECT average_rupees, limit_rupees, intended_ist FROM orders_view").fetchone() == (
            100.05, 100.05, "2026-11-23 09:15:00.000",
        )  # fmt: skip
        assert one("SELECT at_ist FROM events_view").fetchone() == ("2026-11-23 09:15:00.318",)
