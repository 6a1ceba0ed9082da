"""Whatever the layer does to answers, updates and orders, the exchange's own books stay consistent, seed by seed."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import suppress
from random import Random

import pytest

from brokers.paper.faults.catalogue import FAULTS
from brokers.paper.faults.plan import FaultPlan
from engine.instant import NS_PER_S
from engine.order import OrderState
from engine.port import Acked, Answer, ReadFailed

FUNDS_PAISE = 500_000_000


async def _trade(venue, random: Random, heard: list[Answer]) -> None:
    """One thing a desk might do, whether it makes sense or not."""
    acked = [answer for answer in heard if isinstance(answer, Acked)]
    match random.randrange(6):
        case 0 | 1:
            heard.append(await venue.entry(limit=random.choice([9_000, 10_010])))
        case 2:
            heard.append(await random.choice([venue.target, venue.stop, venue.exit])())
        case 3 if acked:
            await venue.modify(random.choice(acked), random.choice([9_100, 9_200]))
        case 4 if acked:
            await venue.cancel(random.choice(acked))
        case _:
            with suppress(ReadFailed):
                await random.choice([venue.account.read_orders, venue.account.read_trades])()


def _assert_consistent(venue) -> None:
    trades = venue.exchange.trades("PAPER1")
    rows = venue.rows()
    filled: Counter[str] = Counter()
    net: defaultdict[str, int] = defaultdict(int)
    for trade in trades:
        filled[trade.broker_id] += trade.qty
        net[trade.symbol] += trade.side.sign * trade.qty
    paid = sum(trade.side.sign * trade.qty * trade.price_paise for trade in trades)

    assert {row.broker_id: row.filled_qty for row in rows if row.filled_qty} == dict(filled)
    assert all(0 <= row.filled_qty <= row.qty for row in rows)
    assert all((row.filled_qty == row.qty) == (row.state is OrderState.FILLED) for row in rows)
    assert {row.symbol: row.net_qty for row in venue.exchange.positions("PAPER1") if row.net_qty} == {
        symbol: units for symbol, units in net.items() if units
    }
    assert venue.exchange.funds("PAPER1").cash_paise == FUNDS_PAISE - paid
    assert max(Counter(row.tag for row in rows).values(), default=1) == 1


@pytest.mark.parametrize("seed", range(25))
def test_the_exchanges_books_stay_the_truth_and_the_same_seed_gives_the_same_log(open_venue, seed) -> None:
    async def act(venue) -> None:
        random = Random(f"truth/{seed}")
        heard: list[Answer] = []
        for _ in range(60):
            bid = random.choice([8_950, 9_995, 9_990, 12_005])
            venue.show(bid, bid + 10)
            await _trade(venue, random, heard)
            _assert_consistent(venue)
            await venue.wait(random.random() * 5)
        await asyncio.sleep(0)

    def run() -> FaultPlan:
        start_ns = open_venue.start_ns
        plan = FaultPlan.of_seed(seed, profile="hostile", start_ns=start_ns, end_ns=start_ns + 300 * NS_PER_S)
        open_venue(act, plan)
        return plan

    first, second = run(), run()

    assert set(first.fired) <= set(FAULTS)
    assert [str(line) for line in first.log] == [str(line) for line in second.log]
    assert all(line.at_ns < first.end_ns for line in first.log)
