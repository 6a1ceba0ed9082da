"""The guardian's hands in virtual time: lease first, deadlines on every call, and nothing once the lease is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from engine.clock import LoopClock
from engine.guardian import Guardian, Look, OnSilence
from engine.guardian_runner import CannotFlatten, CannotReach, GuardianParts, GuardianRunner, Ports
from engine.instant import NS_PER_S
from engine.instrument import Instrument, OptionType, Segment
from engine.lease import Lease, LeaseUnusable, read_lease, release
from engine.lease_record import Holder, Proof
from engine.messages import Msg
from engine.order import OrderState, OrderType, Side, Trade
from engine.port import Acked, Answer, OrderReport, OrderRequest, PositionReport, ReadFailed
from engine.pulse import Pulse, Stakes
from engine.tick import Tick
from engine.venue_rules import VenueRules
from engine.virtual_time import run_virtual

START = 1_000 * NS_PER_S
SYMBOL = "NIFTY01DEC2624500PE"
HELD = Stakes(open_qty=65, bare_qty=0, live_orders=0)
INSTRUMENT = Instrument(
    symbol=SYMBOL,
    exchange="NFO",
    segment=Segment.INDEX_OPTION,
    lot_size=65,
    tick_paise=5,
    freeze_qty=1800,
    underlying="NIFTY",
    expiry=date(2026, 12, 1),
    strike_paise=24_500_00,
    option_type=OptionType.PE,
)


class Broker:
    """Holds 65 units of the desk's; fills every order at once. Broker and market in one."""

    rules = VenueRules(name="toy")

    def __init__(self) -> None:
        self.trades = [trade("V1", "SD00010000001E", Side.BUY, 65)]
        self.placed: list[OrderRequest] = []
        self.hangs = False
        self.reads_fail = False
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1

    async def instruments(self) -> list[Instrument]:
        return [INSTRUMENT]

    async def quote(self, symbol: str) -> Tick:
        raise ReadFailed("no quotes here")

    async def place(self, request: OrderRequest) -> Answer:
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        self.placed.append(request)
        number = f"V{len(self.trades) + 1}"
        self.trades.append(trade(number, request.tag, request.side, request.qty))
        return Acked(number)

    async def read_orders(self) -> list[OrderReport]:
        if self.reads_fail:
            raise ReadFailed("maintenance")
        return [
            OrderReport(
                tag=t.tag,
                broker_id=t.broker_id,
                symbol=SYMBOL,
                side=t.side,
                type=OrderType.LIMIT,
                product="MIS",
                qty=t.qty,
                limit_paise=t.price_paise,
                trigger_paise=0,
                state=OrderState.FILLED,
                filled_qty=t.qty,
                average_paise=t.price_paise,
            )
            for t in self.trades
        ]

    async def read_trades(self) -> list[Trade]:
        return list(self.trades)

    async def read_positions(self) -> list[PositionReport]:
        net = sum(t.side.sign * t.qty for t in self.trades)
        return [PositionReport(symbol=SYMBOL, product="MIS", net_qty=net, average_paise=100_00)]


def trade(number: str, tag: str, side: Side, qty: int) -> Trade:
    return Trade(
        trade_id=number,
        broker_id=number,
        tag=tag,
        symbol=SYMBOL,
        side=side,
        qty=qty,
        price_paise=100_00,
        at_ns=START,
    )


class Bench:
    """A desk that has beaten once, at START, and what the guardian says and does about it."""

    def __init__(self, path: Path, stakes: Stakes = HELD, act: OnSilence = OnSilence.FLATTEN) -> None:
        self.path = path
        self.clock = LoopClock(asyncio.get_running_loop(), START)
        self.broker = Broker()
        self.stakes = stakes
        self.beat_ns = START
        self.exit_code: int | None = None
        self.is_held = False
        self.said: list[tuple[Msg, str]] = []
        self.refusals: list[Exception] = []
        """Raised, one by one, by whoever opens the broker."""
        self.desk = Lease.take(path, Holder.DESK, pid=11, at_ns=START)
        self.runner = GuardianRunner(
            GuardianParts(
                clock=self.clock,
                guardian=Guardian(silence_ns=15 * NS_PER_S, act=act),
                look=self.look,
                take_lease=lambda: Lease.take(path, Holder.GUARDIAN, pid=22, at_ns=START),
                open_ports=self.open,
                say=lambda msg, fields: self.said.append((msg, str(fields["text"]))),
            )
        )

    def look(self) -> Look:
        pulse = Pulse(
            run_no=1, pid=11, epoch=1, boot="b", at_ns=self.beat_ns, stakes=self.stakes, exit_code=self.exit_code
        )
        return Look(now_ns=self.clock.now_ns(), boot="b", pulse=pulse, is_held=self.is_held)

    async def open(self) -> Ports:
        if self.refusals:
            raise self.refusals.pop(0)
        broker: Any = self.broker
        return Ports(port=broker, market=broker, ambiguity_ns=0, protection_bps=300, close=self.broker.close)

    async def until(self, second: int) -> None:
        await self.clock.sleep_until(START + second * NS_PER_S)

    @property
    def messages(self) -> list[Msg]:
        return [msg for msg, _ in self.said]


def run(path: Path, scenario: Callable[[Bench], Any], **given: Any) -> Bench:
    async def main() -> Bench:
        bench = Bench(path, **given)
        await scenario(bench)
        return bench

    return run_virtual(main())


def test_a_dead_desk_is_fenced_flattened_and_left_with_its_proof(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.runner.run() == 0
        assert not bench.desk.is_mine()

    bench = run(tmp_path / "a.lease", scenario)

    assert [(r.side, r.qty, r.limit_paise) for r in bench.broker.placed] == [(Side.SELL, 65, 97_00)], "by the last fill"
    assert Msg.GUARDIAN_SILENT in bench.messages
    assert bench.messages.index(Msg.GUARDIAN_TAKES) < bench.messages.index(Msg.GUARDIAN_FLAT)
    found = read_lease(bench.path)
    assert found is not None
    assert (found.holder, found.proof, found.epoch) == (Holder.GUARDIAN, Proof.FLAT, 2)
    assert bench.broker.closed == 1


def test_an_alarm_guardian_never_asks_the_broker_and_takes_nothing(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.refusals = [AssertionError("it must not connect")]
        work = asyncio.ensure_future(bench.runner.run())
        await bench.until(500)
        assert bench.desk.is_mine()
        assert bench.messages.count(Msg.GUARDIAN_SILENT) == 4
        bench.exit_code = 0
        assert await work == 0

    run(tmp_path / "a.lease", scenario, act=OnSilence.ALARM)


def test_while_the_desk_stands_still_the_account_is_watched_even_when_flat(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.is_held = True
        work = asyncio.ensure_future(bench.runner.run())
        await bench.until(120)
        assert not work.done()
        bench.broker.trades.append(trade("V9", "SD00010000009X", Side.SELL, 65))  # the one request it had on its lips
        await bench.until(240)
        assert [(r.side, r.qty) for r in bench.broker.placed] == [(Side.SELL, 65), (Side.BUY, 65)]
        bench.is_held = False
        assert await work == 0

    run(tmp_path / "a.lease", scenario)


def test_a_lease_that_is_taken_away_ends_every_send(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.broker.reads_fail = True
        work = asyncio.ensure_future(bench.runner.run())
        await bench.until(60)
        release(bench.path, pid=1, at_ns=START)
        bench.broker.reads_fail = False
        assert await work == 5, "not proven flat"

    bench = run(tmp_path / "a.lease", scenario)

    assert bench.broker.placed == []
    assert "given to somebody else" in bench.said[-1][1]


def test_an_exit_that_hangs_is_unknown_after_its_deadline_and_looked_up(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.broker.hangs = True
        work = asyncio.ensure_future(bench.runner.run())
        await bench.until(22)
        bench.broker.hangs = False
        assert await work == 0

    bench = run(tmp_path / "a.lease", scenario)

    assert len(bench.broker.placed) == 1
    assert any("no answer in 3 s" in text for _, text in bench.said)


def test_a_broker_that_cannot_be_reached_is_tried_until_it_can(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.refusals = [CannotReach("nobody listens there") for _ in range(20)]
        assert await bench.runner.run() == 0

    bench = run(tmp_path / "a.lease", scenario)

    assert len(bench.broker.placed) == 1
    assert [text for _, text in bench.said if "cannot be reached" in text] == [
        "the broker cannot be reached: nobody listens there; trying on"
    ]


def test_a_desk_that_beats_again_before_the_lease_was_taken_keeps_its_account(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.refusals = [CannotReach("down") for _ in range(3)]
        work = asyncio.ensure_future(bench.runner.run())
        await bench.until(20)
        bench.beat_ns = bench.clock.now_ns()
        await bench.until(30)
        assert bench.desk.is_mine()
        bench.exit_code = 0
        assert await work == 0

    bench = run(tmp_path / "a.lease", scenario)

    assert bench.broker.placed == []


def test_an_account_inside_the_desk_is_told_plainly_and_stays_the_desks(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.refusals = [CannotFlatten("it lives inside the desk")]
        work = asyncio.ensure_future(bench.runner.run())
        await bench.until(200)
        assert bench.desk.is_mine()
        assert bench.messages.count(Msg.GUARDIAN_SILENT) == 3, "the alarm goes on"
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    bench = run(tmp_path / "a.lease", scenario)

    assert (Msg.GUARDIAN_STUCK, "it lives inside the desk: this guardian can only alarm") in bench.said


def test_a_flat_desk_that_stands_still_keeps_its_account_when_the_broker_says_flat_too(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.is_held = True
        bench.broker.trades.append(trade("V2", "SD00010000002X", Side.SELL, 65))
        work = asyncio.ensure_future(bench.runner.run())
        await bench.until(200)
        assert bench.desk.is_mine()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    bench = run(tmp_path / "a.lease", scenario, stakes=Stakes())

    assert any("the broker shows nothing of it either" in text for _, text in bench.said)


def test_an_entry_of_a_desks_last_second_is_found_although_its_last_beat_was_flat(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.runner.run() == 0

    bench = run(tmp_path / "a.lease", scenario, stakes=Stakes())

    assert [(r.side, r.qty) for r in bench.broker.placed] == [(Side.SELL, 65)]


def test_a_lease_file_that_cannot_be_written_is_told_once_and_tried_on(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        tries: list[int] = []
        take = bench.runner._parts.take_lease

        def reluctant() -> Lease:
            tries.append(1)
            if len(tries) < 10:
                raise LeaseUnusable("another process is writing it")
            return take()

        bench.runner._parts.take_lease = reluctant
        assert await bench.runner.run() == 0

    bench = run(tmp_path / "a.lease", scenario)

    assert len(bench.broker.placed) == 1
    assert sum("cannot be taken over" in text for _, text in bench.said) == 1
