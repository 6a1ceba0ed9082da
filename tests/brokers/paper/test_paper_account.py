"""The paper account on virtual time: delays, two push streams, the throttle, and callers that give up."""

from __future__ import annotations

import asyncio
from datetime import date, time
from random import Random

import pytest

from brokers.paper.account import Latency, PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.paper.ledger import RecordFailed
from brokers.paper.rules import PaperRules
from engine import refusals
from engine.clock import LoopClock
from engine.instant import NS_PER_MS, NS_PER_S, at_ist
from engine.order import OrderState, OrderType, Side
from engine.port import Acked, NotSent, OrderChange, OrderRequest, ReadFailed, Refused, Unknown
from engine.tick import Tick
from engine.virtual_time import run_virtual

PUT = "NIFTY01DEC2624500PE"
OPEN_NS = at_ist(date(2026, 11, 25), time(9, 15))


class Wire:
    """An exchange, one connected account and everything its listener heard, with the instant."""

    def __init__(self, instruments, seed=1, latency=None, recorder=None, book_life_ns=0, start_ns=OPEN_NS) -> None:
        self.clock = LoopClock(asyncio.get_running_loop(), start_ns)
        self.exchange = PaperExchange(instruments, PaperRules(book_life_ns=book_life_ns), lambda symbol, now_ns: True)
        self.account = PaperAccount(
            "PAPER1", self.exchange, self.clock, Random(seed), latency=latency, recorder=recorder
        )
        self.heard: list[tuple[int, object]] = []
        self.account.listen(
            lambda report: self.heard.append((self.clock.now_ns(), report.state)),
            lambda trade: self.heard.append((self.clock.now_ns(), trade.qty)),
        )
        self.exchange.on_tick(Tick(PUT, start_ns, 10_000, 9_995, 650, 10_005, 650))

    async def settle(self) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + NS_PER_S)


def buy(tag: str, limit: int = 10_010, qty: int = 65) -> OrderRequest:
    return OrderRequest(
        tag=tag,
        symbol=PUT,
        exchange="NFO",
        product="NRML",
        side=Side.BUY,
        type=OrderType.LIMIT,
        qty=qty,
        limit_paise=limit,
        trigger_paise=0,
    )


@pytest.mark.row("OPS-05", "OPS-32")
def test_place_modify_cancel_and_reads_over_the_wire(instruments) -> None:
    async def scene() -> None:
        wire = Wire(instruments)
        await wire.account.connect()
        first = await wire.account.place(buy("A1"))
        second = await wire.account.place(buy("A2", limit=9_900))
        assert isinstance(first, Acked) and isinstance(second, Acked)
        change = OrderChange(
            tag="A2",
            broker_id=second.broker_id,
            type=OrderType.LIMIT,
            qty=130,
            limit_paise=9_905,
            trigger_paise=0,
        )
        assert await wire.account.modify(change) == second
        assert await wire.account.cancel("A2", second.broker_id) == second
        states = [(row.tag, row.state, row.qty) for row in await wire.account.read_orders()]
        assert states == [("A1", OrderState.FILLED, 65), ("A2", OrderState.CANCELLED, 130)]
        assert [(trade.tag, trade.price_paise) for trade in await wire.account.read_trades()] == [("A1", 10_005)]
        assert [row.net_qty for row in await wire.account.read_positions()] == [65]
        assert wire.account.ambiguity_s == 0
        assert wire.account.rules.name == "paper"

    run_virtual(scene())


def test_a_request_reaches_the_exchange_after_one_delay_and_the_reply_after_another(instruments) -> None:
    async def scene() -> None:
        wire = Wire(instruments, latency=Latency(request_ms=(30, 30)))
        await wire.account.connect()
        await wire.account.place(buy("A1"))
        assert wire.clock.now_ns() - OPEN_NS == pytest.approx(60 * NS_PER_MS, abs=100)
        assert wire.exchange.orders("PAPER1")[0].at_ns - OPEN_NS == pytest.approx(30 * NS_PER_MS, abs=100)

    run_virtual(scene())


@pytest.mark.fault("UPD-01")
def test_some_updates_overtake_the_reply_and_some_do_not(instruments) -> None:
    async def scene() -> None:
        wire = Wire(instruments)
        await wire.account.connect()
        overtook = 0
        for number in range(200):
            heard_before = len(wire.heard)
            await wire.account.place(buy(f"A{number}", limit=5))
            overtook += len(wire.heard) > heard_before
            await wire.settle()
        assert 30 <= overtook <= 90  # 30 % of 200, seeded
        assert [state for _, state in wire.heard] == [OrderState.WORKING] * 200

    run_virtual(scene())


def test_updates_and_trades_are_two_streams_each_in_order(instruments) -> None:
    async def scene() -> None:
        wire = Wire(instruments)
        await wire.account.connect()
        trade_first = 0
        for number in range(40):
            wire.heard.clear()
            await wire.account.place(buy(f"A{number}"))
            await wire.settle()
            told = [what for _, what in wire.heard]
            assert [what for what in told if not isinstance(what, int)] == [OrderState.WORKING, OrderState.FILLED]
            assert sorted(told, key=str).count(65) == 1
            trade_first += told.index(65) < told.index(OrderState.FILLED)
            wire.exchange.on_tick(Tick(PUT, wire.clock.now_ns(), 10_000, 9_995, 650, 10_005, 650))
        assert 0 < trade_first < 40

    run_virtual(scene())


def test_what_the_market_causes_is_pushed_after_the_push_delay_alone(instruments) -> None:
    async def scene() -> None:
        wire = Wire(instruments, latency=Latency(request_ms=(10, 10), push_ms=(50, 50)))
        await wire.account.connect()
        await wire.account.place(buy("A1", limit=9_900))
        await wire.settle()
        wire.heard.clear()
        filled_ns = wire.clock.now_ns()
        wire.exchange.on_tick(Tick(PUT, filled_ns, 9_890, 9_885, 650, 9_895, 650))
        await wire.settle()
        assert [at_ns - filled_ns for at_ns, _ in wire.heard] == pytest.approx([50 * NS_PER_MS] * 2, abs=100)

    run_virtual(scene())


def test_trades_of_one_instant_arrive_in_the_order_they_happened(instruments) -> None:
    async def scene() -> None:
        wire = Wire(instruments)
        prices: list[int] = []
        wire.account.listen(lambda report: None, lambda trade: prices.append(trade.price_paise))
        await wire.account.connect()
        for number in range(8):
            await wire.account.place(buy(f"A{number}", limit=9_900 - 5 * number))
        wire.exchange.on_tick(Tick(PUT, wire.clock.now_ns(), 9_000, 8_995, 650, 9_005, 650))
        await wire.settle()
        assert prices == [9_900 - 5 * number for number in range(8)]

    run_virtual(scene())


@pytest.mark.row("LEG-66")
def test_the_eleventh_order_request_of_a_calendar_second_is_refused(instruments) -> None:
    async def scene() -> None:
        wire = Wire(instruments, latency=Latency(request_ms=(1, 1)))
        await wire.account.connect()
        answers = [await wire.account.place(buy(f"A{number}", limit=5)) for number in range(11)]
        assert [type(answer) for answer in answers] == [Acked] * 10 + [Refused]
        assert answers[10].code == refusals.THROTTLED
        assert answers[10].retry_after_s == pytest.approx(1 - 0.021, abs=1e-6)
        await wire.clock.sleep_until(OPEN_NS + NS_PER_S)
        assert isinstance(await wire.account.place(buy("B1", limit=5)), Acked)

    run_virtual(scene())


def test_the_throttle_counts_calendar_seconds_so_nineteen_may_pass_around_a_boundary(instruments) -> None:
    """What brokers count, and why the desk paces with a sliding window (facts/market.md §0.5)."""

    async def scene() -> None:
        wire = Wire(instruments, latency=Latency(request_ms=(1, 1)), start_ns=OPEN_NS + 980 * NS_PER_MS)
        await wire.account.connect()
        answers = [await wire.account.place(buy(f"A{number}", limit=5)) for number in range(19)]
        assert [type(answer) for answer in answers] == [Acked] * 19

    run_virtual(scene())


def test_a_caller_that_gives_up_does_not_stop_its_request(instruments) -> None:
    """The timeout that went through (ORD-01)."""

    async def scene() -> None:
        wire = Wire(instruments)
        await wire.account.connect()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005):
                await wire.account.place(buy("A1"))
        await wire.settle()
        assert [row.tag for row in await wire.account.read_orders()] == ["A1"]

    run_virtual(scene())


def test_books_that_cannot_be_written_make_the_answer_unknown_and_tell_nobody_until_they_can(instruments) -> None:
    async def scene() -> None:
        broken = True

        def recorder(change: object) -> None:
            if broken:
                raise RecordFailed("disk full")

        wire = Wire(instruments, recorder=recorder)
        await wire.account.connect()
        assert await wire.account.place(buy("A1", limit=9_900)) == Unknown("disk full")
        wire.exchange.on_tick(Tick(PUT, wire.clock.now_ns(), 9_890, 9_885, 65, 9_895, 65))  # fills, and cannot say so
        with pytest.raises(ReadFailed, match="disk full"):
            await wire.account.read_trades()
        await wire.settle()
        assert wire.heard == []

        broken = False
        assert [trade.tag for trade in await wire.account.read_trades()] == ["A1"]
        await wire.settle()
        assert [what for _, what in wire.heard if what != 65] == [OrderState.WORKING, OrderState.FILLED]

    run_virtual(scene())


def test_an_account_that_is_not_connected_sends_and_hears_nothing(instruments) -> None:
    async def scene() -> None:
        wire = Wire(instruments)
        assert isinstance(await wire.account.place(buy("A1")), NotSent)
        with pytest.raises(ReadFailed):
            await wire.account.read_orders()
        await wire.account.connect()
        await wire.account.place(buy("A2", limit=9_900))
        await wire.settle()
        wire.heard.clear()
        await wire.account.close()
        wire.exchange.on_tick(Tick(PUT, wire.clock.now_ns(), 9_800, 9_795, 65, 9_805, 65))
        await wire.settle()
        assert wire.heard == []

    run_virtual(scene())


def test_the_same_seed_gives_the_same_day_and_another_seed_another(instruments) -> None:
    def day(seed: int) -> list[tuple[int, object]]:
        async def scene() -> list[tuple[int, object]]:
            wire = Wire(instruments, seed=seed)
            await wire.account.connect()
            for number in range(5):
                await wire.account.place(buy(f"A{number}"))
            await wire.settle()
            return wire.heard

        return run_virtual(scene())

    assert day(1) == day(1)
    assert day(1) != day(2)


def test_two_accounts_hear_only_their_own(instruments) -> None:
    async def scene() -> None:
        wire = Wire(instruments)
        other = PaperAccount("PAPER2", wire.exchange, wire.clock, Random(2))
        heard: list[str] = []
        other.listen(lambda report: heard.append(report.tag), lambda trade: heard.append(trade.tag))
        await wire.account.connect()
        await other.connect()
        await wire.account.place(buy("A1"))
        await other.place(buy("B1"))
        await wire.settle()
        assert set(heard) == {"B1"}
        assert [row.tag for row in await other.read_orders()] == ["B1"]

    run_virtual(scene())
