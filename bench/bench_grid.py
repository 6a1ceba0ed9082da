"""What a grid costs: a tick that touches nothing, one look at 20 levels, a cycle after many others, and its memory.

The bot alone, with a venue that acknowledges and fills in the same instant: no journal, no gateway, no loop. Token A
swings through the nearest level and its target and back, so that every swing is a cycle: entry, target, hedge placed
and taken back, level reset.

    tick    `PriceBook` band test alone, beside a bare loop over the same prices
    look    `GridBot.plan` with nothing to do: what a one-second cycle costs (GRD-61 allows 500 ms for ten levels)
    cycle   the first and the last tenth of 10,000 swings on 100 levels: it must not grow with history
    memory  the bot's stored row, per level

Run: python bench/bench_grid.py [--swings 10000] [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import date
from datetime import time as time_of_day

import msgspec
from machine import machine

from engine.blotter import Blotter
from engine.bracket import Bracket
from engine.grid.bot import GridBot
from engine.grid.terms import GridAccounts, GridTerms
from engine.instant import NS_PER_MS, at_ist
from engine.instrument import Instrument, Segment
from engine.order import OrderState, OrderType, Trade
from engine.outbox import CancelOrder, ModifyOrder, Outbox, PlaceOrder, ProveFlat
from engine.port import Acked, OrderReport
from engine.price_book import PriceBook
from engine.tags import TagMaker
from engine.tick import Tick
from engine.venue_rules import VenueRules

CENTRE, SPREAD = 50_00, 10
IRFC, SBIN = (
    Instrument(symbol=symbol, exchange="NSE", segment=Segment.EQUITY, lot_size=1, tick_paise=1)
    for symbol in ("IRFC", "SBIN")
)


class Swinging:
    """One grid at a venue that answers and fills at once."""

    def __init__(self, steps: int) -> None:
        accounts = GridAccounts(trade="T", upside_oco="U", downside_oco="D")
        self.terms = GridTerms(
            bot="bench", accounts=accounts, token_a="IRFC", token_b="SBIN", entry_paise=CENTRE, steps=steps,
            spread_paise=SPREAD, target_spread_paise=SPREAD // 2, oco_spread_paise=200, qty_a=100, qty_b=50,
        )  # fmt: skip
        self.now_ns = at_ist(date(2026, 11, 20), time_of_day(10, 0))
        self.prices = {"IRFC": PriceBook(IRFC), "SBIN": PriceBook(SBIN)}
        self.out, self.blotter = Outbox(), Blotter(self.prices)
        rules = {account: VenueRules(name="bench") for account in accounts.all}
        self.bot = GridBot(self.terms, self.prices, rules, TagMaker(1), self.blotter.orders, lambda _now: "")
        self.trades = 0
        self.resting: dict[str, tuple[OrderType, int]] = {}
        """Tag -> type and limit of what waits for token A's price."""

    def price(self, a: int, b: int = 120_50) -> None:
        self.now_ns += NS_PER_MS
        for symbol, paise in (("IRFC", a), ("SBIN", b)):
            book = self.prices[symbol]
            book.tick = Tick(symbol, self.now_ns, paise, paise, 1000, paise + 1, 1000)
            book.at_ns = self.now_ns

    def swing(self) -> None:
        """Down through the nearest BUY level, up through its target."""
        for a in (CENTRE - SPREAD, CENTRE - SPREAD // 2, CENTRE):
            self.price(a)
            self._fill(a)
            self.bot.on_tick("IRFC", self.now_ns, self.out)
            self.settle()
        self.now_ns += 2_000 * NS_PER_MS
        self.price(CENTRE)
        self.bot.on_wake(self.now_ns, self.out)
        self.settle()
        self.blotter.forget_finished(200)
        self.bot.brackets = {key: b for key, b in self.bot.brackets.items() if _is_needed(self.bot, b)}

    def _fill(self, a: int) -> None:
        for tag, (_, limit) in list(self.resting.items()):
            order = self.blotter.orders[tag]
            if order.side.sign * (limit - a) >= 0:
                self.trades += 1
                trade = Trade(
                    trade_id=f"X{self.trades}", broker_id=order.broker_id, tag=tag, symbol="IRFC", side=order.side,
                    qty=order.remaining_qty, price_paise=limit, at_ns=self.now_ns,
                )  # fmt: skip
                del self.resting[tag]
                self.blotter.apply_trade(order.account, trade, self.now_ns)
                self.bot.on_orders([order], self.now_ns, self.out)
                self.settle()

    def settle(self) -> None:
        while not self.out.is_empty:
            commands, self.out.commands = self.out.commands, []
            for order in self.out.new_orders:
                self.blotter.add(order)
            trips = self.out.round_trips
            self.out.clear()
            for trip in trips:
                self.bot.book(trip, None, self.out)
            for command in commands:
                self._do(command)

    def _do(self, command: object) -> None:
        blotter, now_ns = self.blotter, self.now_ns
        match command:
            case PlaceOrder(tag=tag):
                order = blotter.apply_place_answer(tag, Acked(f"V{tag}"), now_ns)
                if order.symbol == "IRFC":
                    self.resting[tag] = (order.type, order.limit_paise)
                self._report(tag, OrderState.TRIGGER_PENDING if order.trigger_paise else OrderState.WORKING)
            case ModifyOrder(tag=tag):
                blotter.apply_modify_answer(tag, Acked(f"V{tag}"), now_ns)
            case CancelOrder(tag=tag):
                self.resting.pop(tag, None)
                blotter.apply_cancel_answer(tag, Acked(f"V{tag}"), now_ns)
                self._report(tag, OrderState.CANCELLED)
            case ProveFlat(bracket_id=bracket_id):
                self.now_ns += 1
                self.bot.brackets[bracket_id].on_position(0, self.now_ns, self.now_ns, self.out)
                self.bot.plan(self.now_ns, self.out)
            case _:
                pass

    def _report(self, tag: str, state: OrderState) -> None:
        order = self.blotter.orders[tag]
        report = OrderReport(
            tag=tag, broker_id=order.broker_id, symbol=order.symbol, side=order.side, type=order.type,
            product=order.product, qty=order.qty, limit_paise=order.limit_paise, trigger_paise=order.trigger_paise,
            state=state, filled_qty=order.filled_qty, average_paise=0,
        )  # fmt: skip
        self.blotter.apply_report(order.account, report, self.now_ns)
        self.bot.on_orders([order], self.now_ns, self.out)


def _is_needed(bot: GridBot, bracket: Bracket) -> bool:
    """Of a desk's day only the open ones are walked; here they are dropped."""
    return bracket in bot.open_brackets() or any(level.cycle == bracket.body.bracket_id for level in bot.body.levels)


def idle(ticks: int) -> str:
    bench = Swinging(20)
    bench.swing()
    book = bench.prices["IRFC"]
    low, high = 49_91, 50_09
    prices = [49_95 + i % 10 for i in range(ticks)]
    began = time.perf_counter()
    for _ in prices:
        pass
    bare_s = time.perf_counter() - began
    began = time.perf_counter()
    for paise in prices:
        if low < paise < high:
            book.at_ns = bench.now_ns
    tick_s = time.perf_counter() - began
    looks = max(ticks // 100, 200)
    began = time.perf_counter()
    for _ in range(looks):
        bench.bot.plan(bench.now_ns, bench.out)
    look_us = (time.perf_counter() - began) * 1e6 / looks
    return (
        f"tick inside its band {ticks / tick_s / 1e6:.1f} M/s (bare loop {ticks / bare_s / 1e6:.1f} M/s); "
        f"one look at 2 x 20 levels {look_us:.0f} us"
    )


def cycles(swings: int, steps: int) -> str:
    bench = Swinging(steps)
    bench.price(CENTRE)
    bench.bot.on_wake(bench.now_ns, bench.out)
    bench.settle()
    spent: list[float] = []
    for _ in range(swings):
        began = time.perf_counter()
        bench.swing()
        spent.append((time.perf_counter() - began) * 1e3)
    tenth = max(len(spent) // 10, 1)
    first, last = statistics.median(spent[:tenth]), statistics.median(spent[-tenth:])
    done = bench.bot.body.cycles
    size = len(msgspec.json.encode(bench.bot.body))
    levels = len(bench.bot.body.levels)
    return (
        f"{swings} swings on {levels} levels: {done} cycles, first tenth {first:.2f} ms, last tenth {last:.2f} ms a "
        f"swing ({last / first:.2f}x); memory {size} bytes, {size // levels} a level, {size / 1024:.1f} KiB in all"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swings", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of it, to see that it runs")
    arguments = parser.parse_args()
    swings = arguments.swings // 50 if arguments.quick else arguments.swings
    print(machine())
    print(idle(20_000 if arguments.quick else 1_000_000))
    print(cycles(swings, 50))


if __name__ == "__main__":
    main()
