"""Real processes, really killed: a desk that trades legs at speed, its venue, its terminal; the venue's ledger judges.

The long run is `make kills`; here are a few of each kind. A seed gives the instants of the kills, the machine the rest.
"""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from crash_desk import OPEN_WORD, Child, Rehearsal, desk_toml, environment  # noqa: E402
from crash_judge import (  # noqa: E402
    Bare,
    Book,
    Journal,
    Watch,
    differences,
    read_journal,
    twice_for_one_purpose,
    watched,
)
from kill_loop import bare_max_s, run_round  # noqa: E402

from brokers.paper.books_file import BooksFile  # noqa: E402
from brokers.paper.wire import AccountLedger  # noqa: E402
from engine.instant import NS_PER_S  # noqa: E402
from engine.order import OrderState, OrderType, Side, Trade  # noqa: E402
from engine.port import OrderReport, PositionReport  # noqa: E402

SPEED = 30.0
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")


@pytest.fixture
async def rehearse(tmp_path: Path) -> AsyncIterator[Callable[..., Rehearsal]]:
    """`await (rehearsal := rehearse(...)).open()`; every process ends with the test."""
    made: list[Rehearsal] = []

    def make(seed: int = 7, **options) -> Rehearsal:
        made.append(Rehearsal(tmp_path, seed, **{"speed": SPEED, **options}))
        return made[-1]

    yield make
    for rehearsal in made:
        await rehearsal.close()


async def assert_nothing_lost(rehearsal: Rehearsal) -> None:
    """Flat at the venue, the journal equal to its ledger, nothing twice, nothing bare for long beside a live desk."""
    (ledger,) = (await rehearsal.ledger()).accounts
    journal = read_journal(rehearsal.journal, ledger.account_id)
    bare = [span for span in watched(rehearsal.book.spans, rehearsal.watches) if span.seconds > bare_max_s(SPEED)]
    assert len(ledger.orders) > 4, "it traded"
    assert [row for row in ledger.positions if row.net_qty] == []
    assert differences(ledger, journal) == []
    assert twice_for_one_purpose(rehearsal.book, journal.purposes) == []
    assert journal.refused_tags == 0
    assert [span.words() for span in bare] == []


# --- kill -9 of the desk ----------------------------------------------------------------------------------------------


@pytest.mark.row("OPS-17", "LEG-72", "OPS-18")
@pytest.mark.fault("STO-05", "PRC-11")
@pytest.mark.invariant("R2", "J2")
@pytest.mark.slow
async def test_a_desk_that_is_killed_six_times_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    found = await run_round(tmp_path / "round", 1, seed=12, kills=6, speed=SPEED)

    assert found.failures == ()
    assert found.kills == 6
    assert found.trades > 10, "it was killed while it traded"


@pytest.mark.row("OPS-17")
@pytest.mark.fault("STO-05")
@pytest.mark.invariant("R2")
async def test_a_desk_that_is_killed_together_with_its_own_paper_exchange_loses_nothing(tmp_path: Path) -> None:
    """Desk and exchange are one process here and die together; the account's file is the broker's memory."""
    plan = Random(4)
    (tmp_path / "desk.toml").write_text(desk_toml(8800).replace('venue = "127.0.0.1:8800"', ""))
    command = ("--no-ui", "--config", "desk.toml", "--db", "desk.db", "--seed", "4", "--speed", f"{SPEED:g}")
    for _ in range(5):
        desk = Child(tmp_path, *command)
        await desk.start()
        await desk.until(OPEN_WORD)
        await asyncio.sleep(plan.uniform(0.2, 1.5))
        assert await desk.end(signal.SIGKILL) == -signal.SIGKILL, desk.tail()
    desk = Child(tmp_path, *command)
    await desk.start()
    await desk.until(OPEN_WORD)
    await desk.until("[ORDER]")  # however busy the machine is: something was traded
    await asyncio.sleep(1.0)
    code = await desk.end(signal.SIGTERM)

    assert code == 0, desk.tail()
    books = BooksFile.open(tmp_path / "desk.account.db", funds_paise=50_000_000, start_ns=0)
    state = books.state()
    books.close()
    ledger = AccountLedger(
        name="paper",
        account_id=state.account_id,
        opening_paise=50_000_000,
        cash_paise=state.cash_paise,
        orders=list(state.orders),
        trades=list(state.trades),
        positions=[
            PositionReport(symbol=symbol, product=product, net_qty=held.net_qty, average_paise=held.average_paise)
            for (symbol, product), held in state.positions
        ],
    )
    assert ledger.trades
    assert differences(ledger, read_journal(tmp_path / "desk.db", state.account_id)) == []
    assert [row for row in ledger.positions if row.net_qty] == []


# --- a desk that stands still, and one whose terminal is gone ---------------------------------------------------------


@pytest.mark.row("OPS-22")
@pytest.mark.fault("TIM-02", "PRC-01")
@pytest.mark.invariant("T1")
async def test_a_desk_that_stood_still_for_five_seconds_and_was_hung_up_on_goes_on_and_ends_flat(rehearse) -> None:
    rehearsal = rehearse(seed=3)
    await rehearsal.open()
    await rehearsal.start_desk()
    await rehearsal.until_recovered()
    await rehearsal.desk.until("[ORDER]")

    rehearsal.pause_desk()
    await asyncio.sleep(5.0)  # two and a half minutes of the exchange
    rehearsal.wake_desk()
    rehearsal.desk.tell(signal.SIGHUP)
    traded = len(rehearsal.book.orders)
    await rehearsal.until_orders(traded + 6)
    code = await rehearsal.stop_desk()

    assert code == 0, rehearsal.desk.tail()
    assert "Traceback" not in rehearsal.desk.tail(2000)
    await assert_nothing_lost(rehearsal)


@pytest.mark.row("OPS-22", "OPS-02")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a Linux pseudo-terminal")
@pytest.mark.fault("PRC-01")
@pytest.mark.invariant("X4")
async def test_a_console_whose_terminal_is_closed_trades_on_and_ends_flat(rehearse) -> None:
    rehearsal = rehearse(seed=9)
    await rehearsal.open()
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(rehearsal.folder)
        home = {**environment(rehearsal.folder), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
        command = [sys.executable, "-m", "tui", "--config", "desk.toml", "--db", rehearsal.journal.name]
        os.execve(sys.executable, command, home)
    try:
        loop = asyncio.get_running_loop()
        loop.add_reader(master, lambda: _drain(loop, master))
        await rehearsal.until_orders(3)
        loop.remove_reader(master)
        os.close(master)
        await rehearsal.until_orders(len(rehearsal.book.orders) + 6)
        os.kill(pid, signal.SIGTERM)
        code = await asyncio.to_thread(_exit_code, pid)
        pid = 0
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(os.waitpid, pid, 0)

    assert code == 0
    await assert_nothing_lost(rehearsal)


def _drain(loop: asyncio.AbstractEventLoop, master: int) -> None:
    try:
        os.read(master, 65_536)
    except OSError:
        loop.remove_reader(master)


def _exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# --- kill -9 of the venue ---------------------------------------------------------------------------------------------


@pytest.mark.row("LEG-45")
async def test_a_venue_that_is_killed_and_comes_back_with_its_books_finds_its_desk_waiting(rehearse) -> None:
    rehearsal = rehearse(seed=5, venue_options=("--books", "books"))
    await rehearsal.open()
    await rehearsal.start_desk()
    await rehearsal.until_recovered()
    await rehearsal.desk.until("[ORDER]")

    await rehearsal.kill_venue()
    await rehearsal.desk.until("[LINK] lost")
    said = len(rehearsal.desk.said)
    await asyncio.sleep(1.5)  # 45 s of the exchange: entries would be due
    alone = list(rehearsal.desk.said)[said:]
    await rehearsal.start_venue(rehearsal.port)
    await rehearsal.desk.until("[LINK] restored")
    await rehearsal.until_linked()
    await rehearsal.until_orders(len(rehearsal.book.orders) + 6)
    code = await rehearsal.stop_desk()

    assert [line for line in alone if "[ENTRY] BUY" in line] == [], "no entry without a venue"
    assert code == 0, rehearsal.desk.tail()
    assert "Traceback" not in rehearsal.desk.tail(2000)
    (ledger,) = (await rehearsal.ledger()).accounts
    assert differences(ledger, read_journal(rehearsal.journal, ledger.account_id)) == []
    assert [row for row in ledger.positions if row.net_qty] == []


@pytest.mark.row("LEG-45")
async def test_a_venue_that_stands_still_is_told_of_and_what_was_asked_meanwhile_is_not_done_late(rehearse) -> None:
    rehearsal = rehearse(seed=8)
    await rehearsal.open()
    await rehearsal.start_desk()
    await rehearsal.until_recovered()
    await rehearsal.desk.until("[ORDER]")

    await rehearsal.stall_venue(3.0)
    await rehearsal.desk.until("[LINK] lost: the venue says nothing")
    await rehearsal.desk.until("[LINK] restored")
    await rehearsal.until_linked()
    await rehearsal.until_orders(len(rehearsal.book.orders) + 6)
    code = await rehearsal.stop_desk()

    assert code == 0, rehearsal.desk.tail()
    assert "Traceback" not in rehearsal.desk.tail(2000)
    (ledger,) = (await rehearsal.ledger()).accounts
    assert differences(ledger, read_journal(rehearsal.journal, ledger.account_id)) == []
    assert [row for row in ledger.positions if row.net_qty] == []


@pytest.mark.fault("STO-18")
@pytest.mark.invariant("O10")
async def test_a_venue_that_comes_back_without_its_books_is_another_one_and_nothing_is_entered_there(rehearse) -> None:
    rehearsal = rehearse(seed=6)
    await rehearsal.open()
    await rehearsal.start_desk()
    await rehearsal.until_recovered()
    await rehearsal.desk.until("[ORDER]")

    await rehearsal.kill_venue()
    await rehearsal.desk.until("[LINK] lost")
    await rehearsal.start_venue(rehearsal.port)
    line = await rehearsal.desk.until("came back with other books")
    await asyncio.sleep(1.0)
    still_there = not rehearsal.desk.is_over
    rehearsal.desk.tell(signal.SIGTERM)
    code = await rehearsal.desk.end(signal.SIGTERM)

    assert "start the desk again" in line
    assert still_there
    assert code == 5, "what it holds at the old venue cannot be proven flat"
    assert "Traceback" not in rehearsal.desk.tail(2000)
    assert await rehearsal.orders_at_venue() == 0


# --- the judge itself -------------------------------------------------------------------------------------------------

PUT = "NIFTY01DEC2624500PE"


def report(tag: str, side: Side, at: int, *, kind=OrderType.LIMIT, filled=0, state=OrderState.WORKING) -> OrderReport:
    return OrderReport(
        tag=tag,
        broker_id=f"B{tag}",
        symbol=PUT,
        side=side,
        type=kind,
        product="MIS",
        qty=65,
        limit_paise=10_000,
        trigger_paise=0,
        state=state,
        filled_qty=filled,
        average_paise=10_000,
        at_ns=at * NS_PER_S,
    )


def bought(book: Book, at: int) -> None:
    book.hear(report("SD000100001E", Side.BUY, at, filled=65, state=OrderState.FILLED))


def test_the_judge_counts_a_position_as_bare_until_a_stop_is_at_work() -> None:
    book = Book()
    bought(book, 10)
    book.hear(report("SD000100002T", Side.SELL, 11))
    book.hear(report("SD000100003S", Side.SELL, 13, kind=OrderType.SL, state=OrderState.TRIGGER_PENDING))
    book.hear(report("SD000100003S", Side.SELL, 20, kind=OrderType.SL, state=OrderState.CANCELLED))
    book.end(25 * NS_PER_S)

    assert [(span.from_ns // NS_PER_S, span.to_ns // NS_PER_S, span.qty) for span in book.spans] == [
        (10, 13, 65),
        (20, 25, 65),
    ]
    assert watched(book.spans, [Watch(12 * NS_PER_S, 22 * NS_PER_S)]) == [
        Bare(PUT, 12 * NS_PER_S, 13 * NS_PER_S, 65),
        Bare(PUT, 20 * NS_PER_S, 22 * NS_PER_S, 65),
    ]


def test_the_judge_sees_what_was_sold_twice_and_two_stops_at_work_at_once() -> None:
    book = Book()
    bought(book, 10)
    book.hear(report("SD000100003S", Side.SELL, 11, kind=OrderType.SL, state=OrderState.TRIGGER_PENDING))
    book.hear(report("SD000200001S", Side.SELL, 12, kind=OrderType.SL, state=OrderState.TRIGGER_PENDING))
    book.hear(report("SD000100003S", Side.SELL, 13, filled=65, state=OrderState.FILLED))
    book.hear(report("SD000200001S", Side.SELL, 14, filled=65, state=OrderState.FILLED))
    book.end(20 * NS_PER_S)
    purposes = {"SD000100001E": ("B1", "entry"), "SD000100003S": ("B1", "stop"), "SD000200001S": ("B1", "stop")}

    assert [(span.qty, span.from_ns // NS_PER_S) for span in book.spans] == [(65, 10), (-65, 14)]
    assert twice_for_one_purpose(book, purposes) == ["B1 stop: SD000100003S and SD000200001S at work at once"]


def test_the_judge_finds_each_way_in_which_journal_and_venue_differ() -> None:
    trade = Trade(
        trade_id="T1",
        broker_id="1",
        tag="SD000100001E",
        symbol=PUT,
        side=Side.BUY,
        qty=65,
        price_paise=10_000,
        at_ns=1,
    )
    ledger = AccountLedger(
        name="paper",
        account_id="P",
        opening_paise=1_000_000,
        cash_paise=1_000_000 - 650_000,
        orders=[],
        trades=[trade],
        positions=[PositionReport(symbol=PUT, product="MIS", net_qty=65, average_paise=10_000)],
    )
    fill = ("T1", "SD000100001E", PUT, "BUY", 65, 10_000)
    same = Journal(purposes={}, orders={}, sent=set(), fills={fill}, net={PUT: 65}, gross_paise=0, refused_tags=0)

    assert differences(ledger, same) == []
    assert "not in the journal" in differences(ledger, same._replace(fills=set()))[0]
    assert "is not the venue's" in differences(ledger, same._replace(fills={fill, ("T2", *fill[1:])}))[0]
    assert any("cash" in line for line in differences(ledger, same._replace(fills={(*fill[:-1], 10_001)})))
    assert differences(ledger, same._replace(net={PUT: 0})) == [f"position {PUT}: venue 65, journal 0"]
    assert differences(ledger, same._replace(sent={"SD9"})) == ["an order of the journal is not the venue's: SD9"]
