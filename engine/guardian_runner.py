"""Runs the guardian's judgement: looks once a second, speaks, takes the lease, and carries out the flattening.

Decides nothing about orders: `engine.guardian` judges the desk, `engine.guardian_flatten` what is done at the broker.
Every write asks the lease first, as the desk's gateway does: a guardian that was itself stopped is fenced like anybody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from engine.deadline import NoAnswer, within
from engine.guardian import Guardian, Look, Phase, Verdict, Word
from engine.guardian_books import Books, holdings, is_ours
from engine.guardian_flatten import Act, CancelOurs, Flatten, PlaceExit, Prove, Takeover, Tell, Voice
from engine.instant import NS_PER_S
from engine.lease import Lease, LeaseUnusable
from engine.lease_record import RELEASE, Proof
from engine.messages import Msg
from engine.port import Answer, BrokerPort, Clock, MarketPort, ReadFailed, Unknown
from engine.pulse import Pulse
from engine.tick import Tick

EXIT_DONE: Final = 0
EXIT_STILL_IN_POSITION: Final = 5
_LOOK_NS: Final = NS_PER_S
_AGAIN_NS: Final = 5 * NS_PER_S
_LAST_SECOND_NS: Final = 2 * NS_PER_S
"""A beat a second: what the desk sent after its last one left within this, if its loop stood still from then on."""
_VOICES: Final = {
    Voice.NOTE: Msg.GUARDIAN,
    Voice.WARN: Msg.GUARDIAN_WARN,
    Voice.STUCK: Msg.GUARDIAN_STUCK,
    Voice.FLAT: Msg.GUARDIAN_FLAT,
}


class CannotReach(Exception):
    """The broker cannot be reached now; it is tried again."""


class CannotFlatten(Exception):
    """This account can not be traded from outside its desk, now or ever: the guardian can only alarm."""


@dataclass(slots=True, kw_only=True)
class Ports:
    """The account and its prices, connected."""

    port: BrokerPort
    market: MarketPort
    ambiguity_ns: int
    """The port's ambiguity window on the guardian's clock."""
    protection_bps: int
    close: Callable[[], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class GuardianParts:
    """What a guardian is put together from."""

    clock: Clock
    """CLOCK_MONOTONIC in nanoseconds, as the beats."""
    guardian: Guardian
    look: Callable[[], Look]
    take_lease: Callable[[], Lease]
    """Raises LeaseUnusable."""
    open_ports: Callable[[], Awaitable[Ports]]
    """Raises CannotReach or CannotFlatten."""
    say: Callable[[Msg, dict[str, object]], None]
    read_s: float = 10.0
    write_s: float = 3.0


class GuardianRunner:
    """`run` returns the exit code; `exit_code` is right at any moment, for a guardian that is told to end."""

    def __init__(self, parts: GuardianParts) -> None:
        self._parts = parts
        self._lease: Lease | None = None
        self._plan: Flatten | None = None

    @property
    def exit_code(self) -> int:
        if self._lease is not None and (self._plan is None or self._plan.proof is not Proof.FLAT):
            return EXIT_STILL_IN_POSITION
        return EXIT_DONE

    async def run(self) -> int:
        """Until the desk has ended, or everything of a dead one is settled; cancel it to end it before."""
        clock = self._parts.clock
        try:
            while True:
                for verdict in self._look():
                    self._tell(verdict)
                    if verdict.flattens and await self._take_out():
                        return self.exit_code
                    if verdict.ends:
                        return self.exit_code
                await clock.sleep_until(clock.now_ns() + _LOOK_NS)
        finally:
            if self._lease is not None:
                self._lease.close()

    def _look(self) -> list[Verdict]:
        return self._parts.guardian.look(self._parts.look())

    def _tell(self, verdict: Verdict) -> None:
        if verdict.word is Word.SILENT and verdict.is_grave:
            self._parts.say(Msg.GUARDIAN_SILENT, {"text": f"{verdict.text}. Look at the broker now"})
        elif verdict.is_grave:
            self._parts.say(Msg.GUARDIAN_STUCK, {"text": verdict.text})
        else:
            is_quiet = verdict.word in (Word.SEEN, Word.ENDED)
            self._parts.say(Msg.GUARDIAN if is_quiet else Msg.GUARDIAN_WARN, {"text": verdict.text})

    # --- taking over ------------------------------------------------------------------------------------------------

    async def _take_out(self) -> bool:
        """True when this guardian has done its work; False to go on watching."""
        pulse = self._parts.guardian.pulse
        if pulse is None:
            return False
        try:
            ports = await self._reached()
        except CannotFlatten as reason:
            self._parts.say(Msg.GUARDIAN_STUCK, {"text": f"{reason}: this guardian can only alarm"})
            return False
        if ports is None:
            return False
        try:
            ready_ns = _LAST_SECOND_NS + ports.ambiguity_ns + min(pulse.at_ns, self._parts.clock.now_ns())
            if pulse.stakes.is_flat and await self._is_flat_indeed(ports, ready_ns):
                return False
            return await self._taken() and await self._flatten(ports, pulse, ready_ns)
        finally:
            await ports.close()

    async def _reached(self) -> Ports | None:
        """The broker, however long it takes; None when the desk is alive again meanwhile. Raises CannotFlatten."""
        told = ""
        while not self._is_back():
            try:
                return await self._parts.open_ports()
            except (CannotReach, ReadFailed) as failure:
                if str(failure) != told:
                    told = str(failure)
                    self._parts.say(Msg.GUARDIAN_STUCK, {"text": f"the broker cannot be reached: {told}; trying on"})
            await self._pause(_AGAIN_NS)
        return None

    async def _is_flat_indeed(self, ports: Ports, ready_ns: int) -> bool:
        """The desk's last beat said flat; an entry may have left in the second after it. True also when it is back."""
        while not self._is_back():
            if self._parts.clock.now_ns() < ready_ns:
                await self._pause(_LOOK_NS)
                continue
            try:
                books = await self._read(ports)
            except (ReadFailed, NoAnswer):
                await self._pause(_AGAIN_NS)
                continue
            is_flat = not any(holding.live or holding.open_qty for holding in holdings(books).values())
            text = "the broker shows nothing of it either" if is_flat else "but the broker shows units or orders of it"
            self._parts.say(Msg.GUARDIAN_WARN, {"text": f"the desk was flat in its last beat, {text}"})
            return is_flat
        return True

    async def _taken(self) -> bool:
        """The lease; False when the desk is alive again before it was taken."""
        told = False
        while self._lease is None:
            if self._is_back():
                return False
            try:
                self._lease = self._parts.take_lease()
            except LeaseUnusable as failure:
                if not told:
                    self._parts.say(Msg.GUARDIAN_STUCK, {"text": f"the account cannot be taken over: {failure}"})
                told = True
                await self._pause(_LOOK_NS)
        return True

    def _is_back(self) -> bool:
        """The desk beats again: what was begun without the lease is dropped."""
        for verdict in self._look():
            self._tell(verdict)
        return self._parts.guardian.phase is Phase.WATCHING

    async def _pause(self, span_ns: int) -> None:
        await self._parts.clock.sleep_until(self._parts.clock.now_ns() + span_ns)

    # --- flattening -------------------------------------------------------------------------------------------------

    async def _flatten(self, ports: Ports, pulse: Pulse, ready_ns: int) -> bool:
        """Ends when everything is settled and the desk's process is gone, or the account was given to somebody else."""
        lease, clock = self._lease, self._parts.clock
        if lease is None:
            return False
        self._parts.say(Msg.GUARDIAN_TAKES, {"text": f"taking over the account ({lease.record.words}) and leaving it"})
        plan = self._plan = Flatten(await self._takeover(ports, lease, pulse, ready_ns), clock.now_ns())
        while lease.is_mine():
            try:
                acts = plan.on_books(await self._read(ports), clock.now_ns())
            except (ReadFailed, NoAnswer) as failure:
                acts = plan.on_books_failed(str(failure), clock.now_ns())
            await self._carry_out(acts, ports, plan, lease)
            if plan.is_settled(clock.now_ns()) and not self._parts.look().is_held:
                self._parts.say(Msg.GUARDIAN, {"text": f"settled. Before the desk may start again: {RELEASE}"})
                return True
            await clock.sleep_until(plan.next_read_ns)
        self._parts.say(
            Msg.GUARDIAN_STUCK, {"text": "the account was given to somebody else: nothing is sent any more"}
        )
        return True

    async def _takeover(self, ports: Ports, lease: Lease, pulse: Pulse, ready_ns: int) -> Takeover:
        instruments = None
        while instruments is None:
            try:
                instruments = await within(self._parts.clock, ports.market.instruments(), self._parts.read_s)
            except (ReadFailed, NoAnswer) as failure:
                self._parts.say(Msg.GUARDIAN_WARN, {"text": f"no instruments: {failure}"})
                await self._pause(_AGAIN_NS)
        return Takeover(
            epoch=lease.epoch,
            instruments={instrument.symbol: instrument for instrument in instruments},
            rules=ports.port.rules,
            ambiguity_ns=ports.ambiguity_ns,
            protection_bps=ports.protection_bps,
            desk_open_qty=pulse.stakes.open_qty,
            ready_ns=ready_ns,
        )

    async def _read(self, ports: Ports) -> Books:
        """Orders, trades, positions, in this order, then prices of what we may have to close. Raises as they do."""
        clock, limit_s = self._parts.clock, self._parts.read_s
        began_ns = clock.now_ns()
        orders = await within(clock, ports.port.read_orders(), limit_s)
        trades = await within(clock, ports.port.read_trades(), limit_s)
        positions = await within(clock, ports.port.read_positions(), limit_s)
        ours = {order.symbol for order in orders if is_ours(order.tag)}
        ticks: dict[str, Tick] = {}
        for symbol in sorted({row.symbol for row in positions if row.net_qty and row.symbol in ours}):
            try:
                ticks[symbol] = await within(clock, ports.market.quote(symbol), self._parts.write_s)
            except (ReadFailed, NoAnswer):
                continue  # the newest fill prices it then
        return Books(began_ns=began_ns, orders=orders, trades=trades, positions=positions, ticks=ticks)

    async def _carry_out(self, acts: list[Act], ports: Ports, plan: Flatten, lease: Lease) -> None:
        for act in acts:
            match act:
                case Tell(voice=voice, text=text):
                    advice = f" Before the desk may start again: end it, then {RELEASE}" if voice is Voice.FLAT else ""
                    self._parts.say(_VOICES[voice], {"text": f"{text}{advice}"})
                case Prove(proof=proof):
                    lease.note_proof(proof)
                case CancelOurs(tag=tag, broker_id=broker_id):
                    if lease.is_mine():
                        self._parts.say(Msg.GUARDIAN, {"text": f"cancelling {tag} ({broker_id})"})
                        answer = await self._ask(ports.port.cancel(tag, broker_id))
                        await self._carry_out(plan.on_answer(tag, "cancel", answer, self._now()), ports, plan, lease)
                case PlaceExit(request=request):
                    if lease.is_mine():
                        words = f"{request.side.value} {request.qty} {request.symbol} at {request.limit_paise} paise"
                        self._parts.say(Msg.GUARDIAN, {"text": f"{words}, tag {request.tag}"})
                        answer = await self._ask(ports.port.place(request))
                        again = plan.on_answer(request.tag, "place", answer, self._now())
                        await self._carry_out(again, ports, plan, lease)

    async def _ask(self, call: Awaitable[Answer]) -> Answer:
        """One write under one deadline. Whatever an adapter raises, the order may exist."""
        try:
            return await within(self._parts.clock, call, self._parts.write_s)
        except NoAnswer as failure:
            return Unknown(str(failure))
        except Exception as error:  # noqa: BLE001 - as in the gateway
            return Unknown(f"{type(error).__name__}: {error}")

    def _now(self) -> int:
        return self._parts.clock.now_ns()
