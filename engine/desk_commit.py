"""One step's facts on their way to disk: gathers what it changed, writes one batch, then lets its commands go (O1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from engine import desk_rows
from engine.desk_disk import ENTRY_LIFE_NS, may_go_unwritten
from engine.desk_events import publish_step
from engine.exposure import Exposure
from engine.exposure_sight import PriceTurns, sight_of
from engine.journal.errors import JournalError
from engine.journal.records import AnswerRow, Batch, BotRow, FillRow, PositionRow, TradeRow
from engine.order import Order, Trade
from engine.outbox import CancelOrder, Command, LookUp, ModifyOrder, Op, PlaceOrder, ProveFlat, RoundTrip, Said
from engine.port import Answer, NotSent

if TYPE_CHECKING:
    from engine.desk import Desk


class _Held:
    """The commands of one batch that have not left yet."""

    __slots__ = ("commands", "decided_ns", "is_late")

    def __init__(self, commands: Sequence[Command], decided_ns: int) -> None:
        self.commands = commands
        self.decided_ns = decided_ns
        self.is_late = False


_FINISHED_KEPT: Final = 2_000
_READS: Final = (LookUp, ProveFlat)


class DeskCommit:
    """Holds what the running step has touched; empty between steps."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._orders: dict[str, Order] = {}
        self._fills: list[FillRow] = []
        self._answers: list[AnswerRow] = []
        self._trades: dict[str, TradeRow] = {}
        self._exposures: list[Exposure] = []
        self._price_turns = PriceTurns()
        self._entries_held: dict[str, _Held] = {}
        """By tag: entries of late batches, which wait for their record."""

    # --- gathering ------------------------------------------------------------------------------------------------

    def note_orders(self, orders: Iterable[Order]) -> None:
        now_ns = self._desk.clock.now_ns()
        for order in orders:
            self._orders[order.tag] = order
            self._desk.doubts.note(order, now_ns)

    def note_fill(self, order: Order, trade: Trade) -> None:
        self._fills.append(FillRow.of(trade, account=order.account, bracket_id=order.bracket_id))

    def note_answer(self, tag: str, op: Op, answer: Answer, now_ns: int) -> None:
        self._answers.append(desk_rows.answer_row(tag, op, answer, now_ns))

    def register_new_orders(self) -> None:
        """New orders are known before anything asks for them by tag."""
        out = self._desk.out
        for order in out.new_orders:
            self._desk.blotter.add(order)
            self._orders[order.tag] = order
        out.new_orders = []

    # --- writing --------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Commit what this step decided, then release its commands when that is durable."""
        desk = self._desk
        out, now_ns = desk.out, desk.clock.now_ns()
        self.register_new_orders()
        self._look_at_exposure(now_ns)
        if out.is_empty and not (self._orders or self._answers or self._exposures):
            return
        self._book_round_trips(now_ns)
        for signal in out.signals:
            desk.metrics.signalled(signal.bracket_id, now_ns)
        commands = out.commands
        for command in commands:
            if not isinstance(command, _READS):
                order = desk.blotter.orders[command.tag]
                self._orders[command.tag] = order
                desk.decisions.add(command, order, now_ns)
        batch = self._batch(now_ns)
        out.clear()
        desk.version += 1
        held = _Held(commands, now_ns)
        try:
            desk.parts.writer.submit(batch, lambda: self._release(held), lambda: self._release_late(held))
        except JournalError as error:
            desk.on_journal_error(error)
            self._release_late(held)
            self._drop(held)

    def _batch(self, now_ns: int) -> Batch:
        desk = self._desk
        out = desk.out
        desk.alarm_board.settle(now_ns)
        if desk.hub.is_heard:
            publish_step(desk.hub, out, self._fills, now_ns)
        intents = [
            desk_rows.intent_row(command, desk.blotter.orders[command.tag], now_ns)
            for command in out.commands
            if not isinstance(command, _READS)
        ]
        events = [desk_rows.event_row(said, self._tell(said, now_ns), now_ns) for said in out.said]
        touched = [bracket for key in sorted(out.touched_brackets) if (bracket := desk.bracket(key)) is not None]
        for body in (bracket.body for bracket in touched if not bracket.body.adopted_qty):
            opened_ns, filled_ns = body.opened_ns, body.first_fill_ns
            desk.metrics.protected(
                body.bracket_id, opened_ns=opened_ns, filled_ns=filled_ns, protected_ns=body.protected_ns
            )
        batch = Batch(
            intents=intents,
            answers=self._answers,
            orders=list(self._orders.values()),
            fills=self._fills,
            brackets=[desk_rows.bracket_row(bracket) for bracket in touched],
            trades=list(self._trades.values()),
            positions=self._position_rows(now_ns),
            events=[event for event in events if event.level != "DEBUG"],
            alarms=desk.alarm_board.take_rows(),
            bots=self._bot_rows(),
            exposures=self._exposures,
        )
        self._answers, self._fills, self._trades, self._orders, self._exposures = [], [], {}, {}, []
        return batch

    def _tell(self, said: Said, now_ns: int) -> str:
        fields = {"symbol": said.symbol, "tag": said.tag, **said.fields}
        return self._desk.log.say(said.msg, fields, now_ns, said.source, said.symbol, said.tag)

    def _release(self, held: _Held) -> None:
        """The batch is durable: what has not left yet may go now, unless it came too late for its price."""
        desk = self._desk
        desk.disk.note_durable()
        is_stale = held.is_late and desk.clock.now_ns() > held.decided_ns + ENTRY_LIFE_NS
        commands, held.commands = held.commands, ()
        for command in commands:
            self._entries_held.pop(_tag_of(command), None)
            if is_stale:
                self._withdraw(command)
            else:
                self._hand_over(command)

    def _release_late(self, held: _Held) -> None:
        """The disk keeps the batch waiting: what protects, closes or looks goes now, the rest with its record."""
        desk, orders = self._desk, self._desk.blotter.orders
        held.is_late = True
        desk.disk.note()
        now, later = list[Command](), list[Command]()
        for command in held.commands:
            order = None if isinstance(command, _READS) else orders.get(command.tag)
            (now if may_go_unwritten(command, order) else later).append(command)
        held.commands = later
        self._entries_held.update({command.tag: held for command in later if isinstance(command, PlaceOrder)})
        for command in now:
            if isinstance(command, CancelOrder) and command.tag in self._entries_held:
                self._take_back(command.tag)
            else:
                desk.disk.sent_unwritten += not isinstance(command, _READS)
                self._hand_over(command)

    def _hand_over(self, command: Command) -> None:
        desk = self._desk
        if isinstance(command, LookUp):
            desk.accounts[command.account].reader.look_up(command.tag)
        elif isinstance(command, ProveFlat):
            desk.accounts[command.account].reader.prove_flat(command.bracket_id)
        elif (order := desk.blotter.orders.get(command.tag)) is not None:  # None: finished, and forgotten meanwhile
            desk.accounts[order.account].gateway.submit(command)

    def _take_back(self, tag: str) -> None:
        """A cancel of an entry that waits for its record: neither is sent."""
        held = self._entries_held.pop(tag)
        held.commands = [command for command in held.commands if _tag_of(command) != tag]
        self._desk.on_withdrawn(tag)

    def _drop(self, held: _Held) -> None:
        """The batch was not taken: what may only leave with its record never leaves."""
        commands, held.commands = held.commands, ()
        for command in commands:
            self._entries_held.pop(_tag_of(command), None)
            self._withdraw(command)

    def _withdraw(self, command: Command) -> None:
        desk = self._desk
        desk.disk.withdrawn += 1
        if isinstance(command, PlaceOrder):
            desk.on_withdrawn(command.tag)
        elif isinstance(command, ModifyOrder):
            desk.on_answer(command.tag, "modify", NotSent("its record came too late"))

    def _look_at_exposure(self, now_ns: int) -> None:
        """After the decision and in the same commit; not before the broker's books were read, when all is in doubt."""
        desk = self._desk
        for key in sorted(desk.out.touched_brackets | desk.exposure.attended | self._price_turns.take(now_ns)):
            bracket = desk.bracket(key)
            if bracket is None or not desk.bots[bracket.body.bot].books_known:
                continue
            sight = sight_of(bracket, now_ns)
            self._price_turns.note(sight, bracket.price, bracket.body.terms.max_tick_age_ns)
            if (finished := desk.exposure.look(sight, now_ns)) is not None:
                self._exposures.append(finished)

    # --- rows -----------------------------------------------------------------------------------------------------

    def _book_round_trips(self, now_ns: int) -> None:
        desk = self._desk
        for trip in desk.out.round_trips:
            row_id = desk_rows.trade_id(trip)
            if row_id not in desk.trips:
                self._measure(trip, now_ns)
            desk.book(trip, desk.trips.get(row_id))
            desk.trips[row_id] = trip
            charges = self._charges(trip, now_ns)
            desk.seats[trip.bot].charges[row_id] = charges
            self._trades[row_id] = desk_rows.trade_row(trip, charges)
        if desk.out.round_trips:  # booked after the broker's position proved flat: it is not read once more (RTP-46)
            desk.blotter.forget_finished(_FINISHED_KEPT)

    def _measure(self, trip: RoundTrip, now_ns: int) -> None:
        bracket = self._desk.bracket(trip.bracket_id) if trip.kind == "trade" else None
        if bracket is not None:
            body = bracket.body
            self._desk.metrics.closed_out(
                trip.bracket_id, now_ns, rejects=body.exit_rejects, looks=body.proof_looks, asked_ns=body.exit_asked_ns
            )

    def _charges(self, trip: RoundTrip, now_ns: int) -> int:
        """Of all orders of the bracket, once: on its trade, not on the surplus beside it."""
        bracket = self._desk.bracket(trip.bracket_id) if trip.kind == "trade" else None
        return self._desk.parts.charges_of(bracket.mine, now_ns) if bracket is not None else 0

    def _position_rows(self, now_ns: int) -> list[PositionRow]:
        desk = self._desk
        keys = dict.fromkeys((fill.account, fill.symbol, desk.blotter.orders[fill.tag].product) for fill in self._fills)
        return [desk_rows.position_row(desk.positions.of(*key), now_ns) for key in keys]

    def _bot_rows(self) -> list[BotRow]:
        rows: list[BotRow] = []
        for name, seat in self._desk.seats.items():
            image = desk_rows.encode_body(seat.bot.body)
            if image != seat.image:
                seat.image = image
                rows.append(BotRow(bot=name, account=next(iter(seat.bot.places)), body=image))
        return rows


def _tag_of(command: Command) -> str:
    return "" if isinstance(command, ProveFlat) else command.tag
