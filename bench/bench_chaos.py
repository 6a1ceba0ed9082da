"""A thousand positions while one write in twenty fails, each kind of failure in turn: do all of them get out? (RTP-43)

Virtual time: the real desk, gateway and journal (in memory) on the paper exchange behind the misbehaving account of
`brokers/paper/faults`. Five of a hundred writes are lost before the broker, lost after it, refused, answered by a 5xx
page (before or after the order was booked), throttled, or not sent; the broker's window of doubt is 45 s. Ten bots
enter and leave side by side: watched, hybrid and resting exits, by stop, by target and by the trader's key. The judge
is the exchange's own trade list: every position must end flat, and none may ever have sold more than it held.

A first try is a way out by one request (an order placed, or the resting stop turned into the exit) that was accepted
and filled as it stood.
Run: python bench/bench_chaos.py [--positions 1000] [--seed 1] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import time as clock_time
from random import Random
from typing import Final, NamedTuple

from desks import ACCOUNT, DAY, contracts, make_desk
from machine import machine

from brokers.paper.account import Latency, PaperAccount
from brokers.paper.exchange import PaperExchange
from brokers.paper.faults.account import FaultyAccount
from brokers.paper.faults.catalogue import KNOBS
from brokers.paper.faults.knob import WRITES, Door
from brokers.paper.faults.plan import FaultPlan, Rule
from brokers.paper.rules import PaperRules
from engine.bracket import Bracket
from engine.bracket_state import BracketTerms
from engine.clock import LoopClock
from engine.desk import Desk
from engine.instant import NS_PER_MS, NS_PER_S, at_ist, ns_from_s
from engine.journal.store import Journal
from engine.journal.writer import InlineWriter
from engine.operator import Enter, ExitLeg
from engine.order import Role, Side, Trade
from engine.tick import Tick
from engine.view import BracketState, ExitStyle
from engine.virtual_time import run_virtual

BOTS = 10
FAILING_BPS = 500
"""Of each kind of write, in 1/10,000."""
PRICE, STOP, TARGET = 15_000, 14_000, 16_000
START_NS = at_ist(DAY, clock_time(9, 30))
_PATIENCE_S = 600
"""A position that is not flat after so long is counted as left open; the worst here wait out windows of 45 s."""
_STYLES = (ExitStyle.MONITORED, ExitStyle.HYBRID, ExitStyle.RESTING)

MIXED: Final[dict[Door, tuple[str, ...]]] = {
    Door.PLACE: (
        "api.place=TIMEOUT_BEFORE_EXEC",
        "api.place=TIMEOUT_AFTER_EXEC",
        "rms.pre_reject",
        "http=500_JSON",
        "http=502_HTML_AFTER_EXEC",
        "http=429",
        "tcp=REFUSED",
    ),
    Door.MODIFY: (
        "api.modify=TIMEOUT_BEFORE_EXEC",
        "api.modify=TIMEOUT_AFTER_EXEC",
        "api.modify=REJECT",
        "http=500_JSON",
        "http=502_HTML_AFTER_EXEC",
        "http=429",
        "tcp=REFUSED",
    ),
    Door.CANCEL: (
        "api.cancel=TIMEOUT_BEFORE_EXEC",
        "api.cancel=TIMEOUT_AFTER_EXEC",
        "http=500_JSON",
        "http=502_HTML_AFTER_EXEC",
        "http=429",
        "tcp=REFUSED",
    ),
}
"""Lost before, lost after, refused, 5xx before and after the deed, throttled, not sent; evenly."""


def failing_writes(bps: int) -> list[Rule]:
    """Rules under which `bps` of 10,000 writes of each kind fail, all ways alike."""
    rules: list[Rule] = []
    for door, knobs in MIXED.items():
        rules += [Rule(knob=KNOBS[name], door=door, bps=bps // len(knobs), delay_ns=_delay(name)) for name in knobs]
    return rules


def _delay(knob: str) -> tuple[int, int]:
    """A throttle asks for 0.2 to 3 s of quiet; the other ways have no delay of their own."""
    return (200 * NS_PER_MS, 3 * NS_PER_S) if knob == "http=429" else (0, 0)


class Verdict(NamedTuple):
    """What the run came to. Positions are counted when something was bought."""

    positions: int
    flat: int
    over_exited: int
    """Of them: the exchange saw more sold than was held, for however short a time."""
    by_executor: int
    """Left because the desk decided to, not by a target or stop that filled where it rested."""
    first_try: int
    """Of those: by one request."""
    proven_first: int
    """Of all that ended flat: the first look at the broker's position proved it."""
    writes: int
    failed: Counter[str]
    """Knob -> how often it struck a write."""
    worst_s: float
    """Longest way out: from the decision to leave to proven flat."""
    p50_s: float
    failures: list[str]
    reasons: Counter[str]

    @property
    def failed_pct(self) -> float:
        return 100 * self.failed.total() / max(self.writes, 1)


class CountingAccount(FaultyAccount):
    """Counts the writes that pass, the failing ones included."""

    writes = 0

    async def place(self, request):
        self.writes += 1
        return await super().place(request)

    async def modify(self, change):
        self.writes += 1
        return await super().modify(change)

    async def cancel(self, tag, broker_id):
        self.writes += 1
        return await super().cancel(tag, broker_id)


class Chaos:
    """One desk of ten bots and its misbehaving broker."""

    def __init__(self, plan: FaultPlan, seed: int) -> None:
        loop = asyncio.get_running_loop()
        self.clock = LoopClock(loop, START_NS)
        legs = contracts(BOTS)
        self.symbols = [leg.symbol for leg in legs]
        self.exchange = PaperExchange(legs, PaperRules(funds_paise=10**13), lambda *_: True)
        latency = Latency(request_ms=(2, 3), push_ms=(0, 10))
        account = PaperAccount(ACCOUNT, self.exchange, self.clock, Random(seed), latency=latency)
        self.port = CountingAccount(account, self.clock, plan)
        self.random = Random(f"{seed}/trader")
        journal = Journal.in_memory()
        writer = InlineWriter(journal, loop, _fail)
        terms = BracketTerms(stop_offset_paise=PRICE - STOP, target_offset_paise=TARGET - PRICE)
        self.desk: Desk = make_desk(legs, self.clock, self.port, journal, writer, bracket=terms, apart=True)
        for number, symbol in enumerate(self.symbols):
            bot = self.desk.bots[symbol]
            style = _STYLES[number % len(_STYLES)]
            bot.terms = _with_style(bot.terms, style)
        self.prices = dict.fromkeys(self.symbols, PRICE)
        self.waits_s: list[float] = []
        self._requests = 0

    async def run(self, positions: int) -> int:
        """Open and leave `positions`; returns how many of them did not end in time."""
        await self.desk.start()
        self.tell_prices()
        pulse = asyncio.create_task(self._pulse())
        left = iter(range(positions))
        stuck = sum(await asyncio.gather(*(self._trade(symbol, left) for symbol in self.symbols)))
        pulse.cancel()
        await self.pass_s(90)  # what was lost on its way, or is still in doubt, comes to its end
        return stuck

    def tell_prices(self) -> None:
        for symbol, price in self.prices.items():
            self.tick(symbol, price)

    def tick(self, symbol: str, price: int) -> None:
        tick = Tick(symbol, self.clock.now_ns(), price, price - 5, 6500, price + 5, 6500)
        self.exchange.on_tick(tick)
        self.desk.on_tick(tick)

    async def pass_s(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + ns_from_s(seconds))

    async def until(self, holds: Callable[[], bool], limit_s: float) -> bool:
        """Looked at every 20 ms in the first second and four times a second after it."""
        began_ns = self.clock.now_ns()
        while not holds():
            waited_ns = self.clock.now_ns() - began_ns
            if waited_ns >= ns_from_s(limit_s):
                return False
            await self.pass_s(0.02 if waited_ns < NS_PER_S else 0.25)
        return True

    async def _pulse(self) -> None:
        """Every instrument trades four times a second, so that nothing goes blind."""
        while True:
            await self.pass_s(0.25)
            self.tell_prices()

    def _bracket(self, symbol: str) -> Bracket | None:
        return self.desk.bots[symbol].legs[symbol].bracket

    async def _trade(self, symbol: str, left) -> int:
        """Positions one after another, as long as any are left to open; returns how many stayed open too long."""
        stuck = 0
        for _ in left:
            await self._enter(symbol)
            await self.pass_s(self.random.uniform(0.2, 3.0))
            bracket = self._bracket(symbol)
            assert bracket is not None
            began_ns = self.clock.now_ns()
            self._leave(symbol)
            if not await self.until(lambda b=bracket: b.body.state is BracketState.FLAT, _PATIENCE_S):
                stuck += 1
                return stuck
            self.waits_s.append((bracket.body.closed_ns - began_ns) / NS_PER_S)
            self.prices[symbol] = PRICE
            self.tick(symbol, PRICE)
        return stuck

    async def _enter(self, symbol: str) -> None:
        """By the trader's key, again and again: entries are refused while any order is in doubt."""
        before = self._bracket(symbol)
        while True:
            self._requests += 1
            self.desk.submit(Enter(request_id=f"e{self._requests}", side=Side.BUY, bot=symbol))
            await self.pass_s(0.05)
            bracket = self._bracket(symbol)
            if bracket is not None and bracket is not before:
                await self.until(lambda b=bracket: b.open_qty > 0 or b.body.closed_ns > 0, _PATIENCE_S)
                if bracket.entered_qty:
                    return
                before = bracket
            await self.pass_s(2.5)

    def _leave(self, symbol: str) -> None:
        """The price falls through the stop, reaches the target, or the trader presses the key."""
        way = self.random.randrange(3)
        if way == 2:
            self._requests += 1
            self.desk.submit(ExitLeg(request_id=f"x{self._requests}", symbol=symbol, bot=symbol))
            return
        self.prices[symbol] = (STOP - 200, TARGET + 200)[way]
        self.tick(symbol, self.prices[symbol])


def _with_style(terms, style: ExitStyle):
    from msgspec.structs import replace

    return replace(terms, bracket=replace(terms.bracket, style=style))


def _fail(error: Exception) -> None:
    raise error


def over_exits(trades: Sequence[Trade]) -> dict[str, int]:
    """Symbol -> how often more had been sold than was held; by the exchange's own list, in its own order."""
    held: Counter[str] = Counter()
    over: Counter[str] = Counter()
    for trade in trades:
        held[trade.symbol] += trade.side.sign * trade.qty
        over[trade.symbol] += held[trade.symbol] < 0
    return {symbol: times for symbol, times in over.items() if times}


def judged(chaos: Chaos, stuck: int, plan: FaultPlan) -> Verdict:
    """The run against the exchange's truth."""
    brackets = [one for bot in chaos.desk.bots.values() for one in bot.brackets.values() if one.entered_qty]
    net = {row.symbol: row.net_qty for row in chaos.exchange.positions(ACCOUNT)}
    open_at_exchange = sum(net.get(symbol, 0) != 0 for symbol in chaos.symbols)
    over = over_exits(chaos.exchange.trades(ACCOUNT))
    ended = [one for one in brackets if one.body.state is BracketState.FLAT]
    executed = [one for one in ended if one.body.exit_reason]
    first = [one for one in executed if _is_first_try(one)]
    waits = sorted(chaos.waits_s) or [0.0]
    writes_struck = Counter(fired.knob for fired in plan.log if fired.what.split()[0] in WRITES)
    return Verdict(
        positions=len(brackets),
        flat=len(ended) - max(0, open_at_exchange - stuck),
        over_exited=sum(over.values()),
        by_executor=len(executed),
        first_try=len(first),
        proven_first=sum(one.body.proof_looks == 0 for one in ended),
        writes=chaos.port.writes,
        failed=writes_struck,
        worst_s=waits[-1],
        p50_s=waits[len(waits) // 2],
        failures=list(chaos.desk.failures),
        reasons=Counter(one.body.closed_reason for one in ended),
    )


def _is_first_try(bracket: Bracket) -> bool:
    """One order placed to close, or the resting stop turned into it: one request, accepted and filled as it stood."""
    placed, stops = bracket.orders_of(Role.EXIT), bracket.orders_of(Role.STOP)
    requests = len(placed) + sum(order.modify_count for order in placed)
    if bracket.body.stop_is_exit:  # its fill may have come before the answer that counts the change
        requests += max(1, sum(order.modify_count for order in stops))
    return requests == 1 and not bracket.body.exit_rejects


async def _run(positions: int, seed: int, rules: Sequence[Rule]) -> Verdict:
    plan = FaultPlan(rules, seed=seed)
    chaos = Chaos(plan, seed)
    return judged(chaos, await chaos.run(positions), plan)


def run_chaos(positions: int, seed: int = 1, rules: Sequence[Rule] | None = None) -> Verdict:
    """`rules` instead of the mixed failures, for a judge that is itself to be judged."""
    return run_virtual(_run(positions, seed, failing_writes(FAILING_BPS) if rules is None else rules))


def main() -> None:
    parser = argparse.ArgumentParser(description="Positions that must get out while one write in twenty fails.")
    parser.add_argument("--positions", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tenth of them")
    options = parser.parse_args()
    print(machine())
    gc.freeze()
    count = options.positions // 10 if options.quick else options.positions
    began = time.perf_counter()
    verdict = run_chaos(count, options.seed)
    took = time.perf_counter() - began
    struck = ", ".join(f"{knob} {times}" for knob, times in sorted(verdict.failed.items()))
    print(
        f"RTP-43 seed {options.seed}: {verdict.flat} of {verdict.positions} positions ended flat,"
        f" {verdict.over_exited} over-exited (goal: all, none); {took:.0f} s of real time"
    )
    print(
        f"     {verdict.writes} writes, {verdict.failed.total()} of them failed ({verdict.failed_pct:.1f} %): {struck}"
    )
    print(
        f"     {verdict.by_executor} left by the exit executor, {verdict.first_try} of these at the first try"
        f" ({100 * verdict.first_try / max(verdict.by_executor, 1):.1f} %); {verdict.proven_first} of {verdict.flat}"
        " proven flat at the first look"
    )
    print(f"     from the reason to leave to proven flat: p50 {verdict.p50_s:.2f} s, worst {verdict.worst_s:.1f} s")
    if verdict.flat != verdict.positions or verdict.over_exited or verdict.failures:
        raise SystemExit(f"not all got out: {verdict.failures} {verdict.reasons}")


if __name__ == "__main__":
    main()
