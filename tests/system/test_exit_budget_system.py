"""What exits cost in broker calls, and that they happen while one write in twenty fails; all in virtual time.

The chaos runs are those of `bench/bench_chaos.py`, smaller: the bench and the tests judge by one and the same code.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from brokers.paper.faults.catalogue import KNOBS
from brokers.paper.faults.plan import Rule
from engine.order import OrderState, OrderType, Role, Side
from engine.port import Acked, OrderRequest
from engine.view import ExitStyle

PE = "NIFTY01DEC2624500PE"
BENCH = Path(__file__).resolve().parents[2] / "bench"
LOT = 75
HELD_S = 40


@pytest.fixture
def chaos(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("bench_chaos")


# --- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.row("RTP-46")
def test_ticks_cost_no_call_and_a_hundred_exits_cost_a_hundred_writes_and_at_most_five_reads_each(
    run_desk, seed_setup
) -> None:
    """Counted from the tick that decides until a second after the broker's position has proved flat."""

    async def scenario(rig):
        reads_of: list[int] = []
        writes = 0
        for _ in range(100):
            await rig.enter(100.0)
            await rig.quiet(0.6)
            calls, reads = len(rig.venue.calls), rig.venue.reads
            for paise in range(9_900, 10_100):
                rig.tick(PE, paise / 100)
            assert (calls, reads) == (len(rig.venue.calls), rig.venue.reads), "ticks"

            rig.tick(PE, 95.0)
            await rig.wait_until(lambda: not rig.leg(PE).is_active)
            await rig.pass_s(1.0)
            writes += len(rig.venue.calls) - calls
            reads_of.append(rig.venue.reads - reads)

        assert len(rig.trades()) == 100 and rig.net(PE) == 0
        assert writes == 100
        assert 100 <= sum(reads_of) <= 500 and max(reads_of) <= 5
        print(f"reads an exit: {sum(reads_of) / 100:.2f}, at most {max(reads_of)}")

    run_desk(scenario, seed_setup(symbols=(PE,), style=ExitStyle.MONITORED))


@dataclass
class Calls:
    writes: int
    reads: int


async def plain_cycle(rig) -> Calls:
    """The seed's polling loop over one clean trade: the entry is polled until filled, then each exit's own status every
    5 s and the positions every 30 s (F-21); the target fills, the stop is cancelled and its end confirmed by a read."""
    venue = rig.venue

    async def place(tag: str, side: Side, kind: OrderType, limit: int, trigger: int = 0) -> str:
        answer = await venue.place(
            OrderRequest(
                tag=tag,
                symbol=PE,
                exchange="NFO",
                product="MIS",
                side=side,
                type=kind,
                qty=LOT,
                limit_paise=limit,
                trigger_paise=trigger,
            )
        )
        assert isinstance(answer, Acked)
        return answer.broker_id

    async def has(broker_id: str, state: OrderState) -> bool:
        return any(row.broker_id == broker_id and row.state is state for row in await venue.read_orders())

    await venue.connect()
    rig.ticks(100.0)
    entry = await place("PLAIN00000E", Side.BUY, OrderType.LIMIT, 10_000)
    while not await has(entry, OrderState.FILLED):
        await rig.pass_s(0.3)
    target = await place("PLAIN00000T", Side.SELL, OrderType.LIMIT, 10_500)
    stop = await place("PLAIN00000S", Side.SELL, OrderType.SL, 9_300, 9_500)
    for second in range(5, HELD_S + 6, 5):
        await rig.pass_s(5.0)
        rig.tick(PE, 105.0 if second > HELD_S else 100.0)
        if second % 30 == 0:
            await venue.read_positions()
        done = await has(target, OrderState.FILLED)
        await has(stop, OrderState.FILLED)
        if done:
            break
    await venue.cancel("PLAIN00000S", stop)
    assert await has(stop, OrderState.CANCELLED) and rig.net(PE) == 0
    return Calls(len(venue.calls), venue.reads)


@pytest.mark.row("HRD-36")
def test_a_clean_trade_costs_no_call_more_than_the_plain_polling_loop(run_desk, seed_setup) -> None:
    async def scenario(rig):
        plain = await plain_cycle(type(rig)(rig.setup))

        calls, reads = len(rig.venue.calls), rig.venue.reads
        await rig.enter(100.0)
        await rig.quiet(HELD_S)
        rig.tick(PE, 105.0)
        await rig.wait_until(lambda: not rig.leg(PE).is_active)
        await rig.quiet(1.0, 105.0)
        hardened = Calls(len(rig.venue.calls) - calls, rig.venue.reads - reads)

        assert rig.venue.placed(Role.EXIT) == [] and rig.net(PE) == 0
        print(f"plain {plain}, hardened {hardened}")
        assert hardened.writes <= plain.writes == 4
        assert hardened.reads <= plain.reads

    run_desk(scenario, seed_setup(symbols=(PE,)))


# --- chaos ------------------------------------------------------------------------------------------------------------


@pytest.mark.row("RTP-43", "I-1", "I-5")
@pytest.mark.invariant("Q1")
def test_a_hundred_positions_end_flat_while_one_write_in_twenty_fails(chaos) -> None:
    verdict = chaos.run_chaos(100, seed=1)

    print(verdict)
    assert verdict.failures == []
    assert verdict.positions == verdict.flat == 100
    assert verdict.over_exited == 0
    assert 2 <= verdict.failed_pct <= 9 and len(verdict.failed) >= 5, "the run was as bad as it was meant to be"
    assert 0 < verdict.first_try <= verdict.by_executor


@pytest.mark.row("RTP-43")
def test_without_failing_writes_every_exit_succeeds_at_the_first_try(chaos) -> None:
    verdict = chaos.run_chaos(30, seed=3, rules=[])

    assert verdict.failed.total() == 0
    assert verdict.flat == verdict.proven_first == 30
    assert verdict.first_try == verdict.by_executor > 10


def test_the_judge_of_the_chaos_run_sees_an_order_that_the_broker_booked_twice(chaos) -> None:
    """Each exit sells twice: the desk buys the surplus back, and the exchange's list shows that it was there."""
    twice = Rule(knob=KNOBS["broker.dup_accept"], role=Role.EXIT, bps=10_000)
    verdict = chaos.run_chaos(10, seed=3, rules=[twice])

    assert verdict.over_exited > 0


@pytest.mark.row("RTP-43")
def test_the_judge_counts_a_first_try_only_when_nothing_was_sent_again(chaos) -> None:
    """Every marketable exit is refused once: the positions get out, none of the watched ones at the first try."""
    refused = [Rule(knob=KNOBS["rms.reject(X)"], bps=5_000)]
    verdict = chaos.run_chaos(30, seed=3, rules=refused)

    assert verdict.flat == verdict.positions == 30 and verdict.over_exited == 0
    assert 0 < verdict.first_try < verdict.by_executor
