"""What the desk reads back from its broker: look-ups of silent orders, the status pass, the proof of flat, recovery.

One read of the books at a time serves everybody; a request that comes while one runs is remembered and done right after
(LEG-23). A failed read proves nothing and changes nothing (faults §4.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from engine.instant import NS_PER_MS, NS_PER_S, ns_from_s
from engine.messages import Msg
from engine.order import OrderState, Role
from engine.port import OrderReport, PositionReport, ReadFailed

if TYPE_CHECKING:
    from engine.desk import Desk

_SLOW_PASS_NS: Final = 4 * NS_PER_S
"""A status pass above this is worth a line (LEG-22)."""
_POSITION_RETRY_NS: Final = NS_PER_S
_RECOVER_RETRY_MAX_NS: Final = 30 * NS_PER_S
_ABSENT_READS: Final = 2
"""Clean reads, begun after the ambiguity window, that prove an order was never placed (faults §4.2)."""


class BookReader:
    """Owns no order; hands what it reads to the desk's step."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._port = desk.parts.port
        self._clock = desk.clock
        self._running = False
        self._asked = False
        self._want_status = False
        self._want_positions = False
        self._position_misses = 0
        self._absent: dict[str, int] = {}
        self.reconciled_ns = 0
        self.differences = 0
        self.passes: dict[str, int] = {}
        """Status passes per symbol, so that a stalled check is visible (LEG-21)."""
        self.reads = 0

    # --- asking -------------------------------------------------------------------------------------------------

    def look_up(self, tag: str) -> None:
        """Something about this order must be known."""
        del tag  # one read of the books answers for every order
        self._ask()

    def status_pass(self) -> None:
        """The fallback look at every active leg; dropped into the running read when there is one."""
        self._want_status = True
        self._ask()

    def verify_flat(self) -> None:
        """A bracket closed by fills: compare with the broker's own position (I-5)."""
        self._want_positions = True
        self._ask()

    def prove_flat(self, bracket_id: str) -> None:
        """A bracket's fills say flat: its broker's position is read until it says so too."""
        del bracket_id
        self.verify_flat()

    def reconcile(self) -> None:
        """Everything, now."""
        self._want_status = self._want_positions = True
        self._ask()

    def _ask(self) -> None:
        self._asked = True
        if not self._running:
            self._running = True
            self._desk.spawn("books", self._read_until_quiet)

    # --- reading ------------------------------------------------------------------------------------------------

    async def _read_until_quiet(self) -> None:
        try:
            while self._asked:
                self._asked = False
                await self._read_once()
        finally:
            self._running = False

    async def _read_once(self) -> None:
        want_status, self._want_status = self._want_status, False
        want_positions, self._want_positions = self._want_positions, False
        began_ns = self._clock.now_ns()
        self.reads += 1
        try:
            orders = await self._port.read_orders()
            trades = await self._port.read_trades() if self._lacks_records(orders) else ()
            positions = await self._port.read_positions() if want_positions else None
        except ReadFailed as error:
            self._note_failure(str(error))
            if want_positions:  # still to be proven
                self._clock.call_at(self._clock.now_ns() + _POSITION_RETRY_NS, self.verify_flat)
            return
        self._desk.step(lambda now: self._desk.merge(orders, trades, now, read_ns=began_ns))
        self._settle_absent(orders, began_ns)
        if positions is not None:
            self._compare_positions(positions)
        if want_status:
            self._check_legs(began_ns)

    def _lacks_records(self, reports: Sequence[OrderReport]) -> bool:
        """Some fill of ours has no trade record yet: the trade book is worth a read."""
        for report in reports:
            order = self._desk.blotter.find(self._desk.account, report)
            if order is not None and report.filled_qty > order.traded_qty:
                return True
        return False

    def _check_legs(self, began_ns: int) -> None:
        took_ns = self._clock.now_ns() - began_ns
        if took_ns > _SLOW_PASS_NS:
            self._desk.say(Msg.PERF, seconds=f"{took_ns / NS_PER_S:.1f}")

        def check(now_ns: int) -> None:
            symbols = self._desk.bot.check_status(now_ns, self._desk.out)
            for symbol in symbols:
                self.passes[symbol] = self.passes.get(symbol, 0) + 1
            if symbols:
                self._desk.say(Msg.STATUS_PASS, symbols=" ".join(symbols))

        self._desk.step(check)

    def _note_failure(self, reason: str) -> None:
        def tell(_now_ns: int) -> None:
            for leg in self._desk.bot.legs.values():
                if leg.bracket is None or not leg.is_active:
                    continue
                if leg.bracket.live(Role.TARGET):
                    self._desk.say(Msg.STATUS_FAILED_TP, symbol=leg.symbol, reason=reason)
                if leg.bracket.live(Role.STOP):
                    self._desk.say(Msg.STATUS_FAILED_SL, symbol=leg.symbol, reason=reason)

        self._desk.step(tell)

    def _settle_absent(self, orders: Sequence[OrderReport], began_ns: int) -> None:
        """An unanswered order that clean reads do not show, after its window, was not placed (ORD-02)."""
        listed = {report.tag for report in orders}
        window_ns = ns_from_s(self._port.ambiguity_s)
        for order in self._desk.blotter.live_orders():
            if order.state is not OrderState.UNKNOWN or order.tag in listed:
                self._absent.pop(order.tag, None)
                continue
            if began_ns < order.state_ns + window_ns:
                continue
            self._absent[order.tag] = self._absent.get(order.tag, 0) + 1
            if self._absent[order.tag] >= _ABSENT_READS:
                del self._absent[order.tag]
                self._desk.prove_absent(order.tag)
            else:
                self._asked = True

    # --- positions ----------------------------------------------------------------------------------------------

    def _compare_positions(self, reports: Sequence[PositionReport]) -> None:
        """Ours by fills against the broker's; a difference must be seen twice, because fills are under way (A3)."""
        differences = self.position_differences(reports)
        self.differences = len(differences)
        if not differences:
            self._position_misses = 0
            self.reconciled_ns = self._clock.now_ns()
            if self._desk.mismatch:
                self._desk.mismatch = ""
                self._desk.step(lambda _now: self._desk.out.end_alarm("mismatch"))
            return
        self._position_misses += 1
        if self._position_misses == 2:
            self._desk.mismatch = "; ".join(differences.values())
            self._desk.step(lambda _now: self._tell_mismatch(differences))
        self._clock.call_at(self._clock.now_ns() + _POSITION_RETRY_NS, self.verify_flat)

    def position_differences(self, reports: Sequence[PositionReport]) -> dict[str, str]:
        """Symbol -> sentence, for the legs' own symbols and product."""
        desk = self._desk
        product = desk.bot.terms.product
        actual = {report.symbol.upper(): report.net_qty for report in reports if report.product == product}
        differences: dict[str, str] = {}
        for symbol in desk.bot.legs:
            expected = desk.positions.net(desk.account, symbol, product)
            found = actual.get(symbol.upper(), 0)
            if expected != found:
                differences[symbol] = f"{symbol} ours {expected:+d}, broker {found:+d}"
        return differences

    def _tell_mismatch(self, differences: dict[str, str]) -> None:
        desk = self._desk
        for symbol, text in differences.items():
            expected, actual = text.split(" ours ")[1].split(", broker ")
            desk.say(Msg.MISMATCH, symbol=symbol, expected=expected, actual=actual)
        desk.out.raise_alarm("mismatch", "; ".join(differences.values()))

    async def held_by_broker(self) -> str:
        """What the broker says is open in the legs' symbols, in words; empty when flat. A failed read is not flat."""
        try:
            reports = await self._port.read_positions()
        except ReadFailed as error:
            return f"positions could not be read: {error}"
        symbols = {symbol.upper() for symbol in self._desk.bot.legs}
        open_rows = [report for report in reports if report.symbol.upper() in symbols and report.net_qty]
        return ", ".join(f"{report.symbol} {report.net_qty:+d} {report.product}" for report in open_rows)

    # --- recovery -----------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Orders, trades and positions over the restored journal, then protection; entries only afterwards (§6)."""
        wait_ns = NS_PER_S
        while True:
            began_ns = self._clock.now_ns()
            try:
                orders = await self._port.read_orders()
                trades = await self._port.read_trades()
                positions = await self._port.read_positions()
                break
            except ReadFailed as error:
                text = f"recovery waits: {error}; again in {wait_ns // NS_PER_S} s"
                self._desk.step(lambda _now, text=text: self._desk.say(Msg.DESK_WARN, text=text))
                await self._clock.sleep_until(self._clock.now_ns() + wait_ns)
                wait_ns = min(wait_ns * 2, _RECOVER_RETRY_MAX_NS)
        self._desk.bot.books_known = True
        self._desk.step(lambda now: self._desk.merge(orders, trades, now, read_ns=began_ns, recovered=True))
        self._expire_unlisted(orders, began_ns)
        self._desk.step(lambda now: self._desk.bot.check_status(now, self._desk.out))
        self._compare_positions(positions)
        if self._position_misses:
            await self._clock.sleep_until(self._clock.now_ns() + 100 * NS_PER_MS)
            with suppress(ReadFailed):  # asked for again in a second by the comparison above
                self._compare_positions(await self._port.read_positions())
        self._tell_recovered(orders)

    def _expire_unlisted(self, orders: Sequence[OrderReport], began_ns: int) -> None:
        """A live order of ours that the day's book does not list: unanswered ones were never placed, others expired.

        Orders made after the read began are not in question: the book is older than they are.
        """
        listed = {report.tag for report in orders} | {report.broker_id for report in orders}

        def settle(now_ns: int) -> None:
            settled = [
                order
                for order in self._desk.blotter.live_orders()
                if order.intended_ns < began_ns and order.tag not in listed and order.broker_id not in listed
            ]
            for order in settled:
                if order.state is OrderState.UNKNOWN and self._port.ambiguity_s == 0:
                    self._desk.blotter.prove_absent(order.tag, now_ns)
                elif order.is_at_broker:
                    order.move(OrderState.EXPIRED, now_ns)
            self._desk.bot.on_orders(settled, now_ns, self._desk.out, recovered=True)
            self._desk.note_changed(settled)

        self._desk.step(settle)

    def _tell_recovered(self, orders: Sequence[OrderReport]) -> None:
        desk = self._desk
        matched = sum(1 for report in orders if report.tag in desk.blotter.orders)
        held = [bracket for bracket in desk.bot.open_brackets() if bracket.open_qty]
        text = f"broker lists {len(orders)} order(s) today, {matched} ours; {len(held)} position(s) restored"
        for bracket in held:
            text += f"; {bracket.body.symbol} {bracket.open_qty:+d} covered {bracket.covered_qty}/{bracket.open_qty}"
        desk.step(lambda _now: desk.say(Msg.RECOVERED, text=text))
