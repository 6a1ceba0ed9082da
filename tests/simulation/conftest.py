"""A day made by hand: a `Truth` that a test fills event by event, to show each check of the oracle something broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time

import pytest

from engine.instant import NS_PER_S, at_ist
from engine.instrument import Instrument, OptionType, Segment
from engine.order import EXIT_ROLES, OrderState, OrderType, Role, Side, Trade
from engine.port import Acked, Answer, OrderChange, OrderReport, OrderRequest
from tui.simulation.oracle import Check, FinalCheck, Oracle, Verdicts
from tui.simulation.story import story_line
from tui.simulation.truth import Intent, Sent, Truth

PE = "NIFTY01DEC2624500PE"
LOT = 65
START = at_ist(date(2026, 11, 25), time(10, 0))
T_AMB_S = 45
_PASSIVE = {Role.STOP: OrderType.SL, Role.TARGET: OrderType.LIMIT}


def put() -> Instrument:
    return Instrument(
        symbol=PE,
        exchange="NFO",
        segment=Segment.INDEX_OPTION,
        lot_size=LOT,
        tick_paise=5,
        freeze_qty=1800,
        underlying="NIFTY",
        expiry=date(2026, 12, 1),
        strike_paise=2_450_000,
        option_type=OptionType.PE,
    )


@dataclass
class HandmadeDay:
    """Every method is one event; the oracle looks after each."""

    truth: Truth = field(default_factory=lambda: Truth("SIM", {PE: put()}, T_AMB_S * NS_PER_S))
    checks: list[Check] = field(default_factory=list)
    final: list[FinalCheck] = field(default_factory=list)
    numbers: int = 0

    def __post_init__(self) -> None:
        self.truth.now_ns = START
        self.verdicts = Verdicts(self.truth, story_line)

    def judged_by(self, *checks: Check, final: tuple[FinalCheck, ...] = ()) -> HandmadeDay:
        self.checks += checks
        self.final += final
        self.oracle = Oracle(self.truth, self.verdicts, self.checks, self.final)
        return self

    @property
    def broken(self) -> list[str]:
        return sorted({violation.invariant for violation in self.verdicts.violations})

    @property
    def texts(self) -> str:
        return "\n".join(violation.line() for violation in self.verdicts.violations)

    def look(self) -> None:
        self.oracle.look()

    def finish(self) -> None:
        self.oracle.finish()

    def pass_s(self, seconds: float) -> None:
        """Time goes by in steps, as the desk's one-second net would have it."""
        until_ns = self.truth.now_ns + round(seconds * NS_PER_S)
        while self.truth.now_ns < until_ns:
            self.truth.now_ns = min(until_ns, self.truth.now_ns + NS_PER_S // 2)
            self.look()

    # --- the desk

    def intend(self, role: Role, *, bracket: str = "B1", tag: str = "", symbol: str = PE) -> str:
        self.numbers += 1
        tag = tag or f"SD{self.numbers:05d}{role.value[0].upper()}"
        side = Side.SELL if role in EXIT_ROLES else Side.BUY
        intent = Intent(tag=tag, bracket_id=bracket, role=role, symbol=symbol, side=side, at_ns=self.truth.now_ns)
        self.truth.on_intent(intent, "place")
        return tag

    def send(
        self, tag: str, qty: int = LOT, *, limit: int = 10_000, trigger: int = 0, type: OrderType | None = None
    ) -> Sent:
        intent = self.truth.intents.get(tag)
        role = intent.role if intent else Role.EXIT
        request = OrderRequest(
            tag=tag,
            symbol=PE,
            exchange="NFO",
            product="MIS",
            side=intent.side if intent else Side.SELL,
            type=type or _PASSIVE.get(role, OrderType.MARKET),
            qty=qty,
            limit_paise=limit,
            trigger_paise=trigger or (limit if _PASSIVE.get(role) is OrderType.SL else 0),
        )
        sent = Sent(op="place", tag=tag, at_ns=self.truth.now_ns, request=request)
        self.truth.on_sent(sent)
        self.look()
        return sent

    def change(self, tag: str, op: str = "modify", broker_id: str = "", qty: int = LOT, limit: int = 10_000) -> Sent:
        change = OrderChange(
            tag=tag, broker_id=broker_id, type=OrderType.LIMIT, qty=qty, limit_paise=limit, trigger_paise=0
        )
        sent = Sent(op=op, tag=tag, at_ns=self.truth.now_ns, broker_id=broker_id, change=change)  # type: ignore[arg-type]
        self.truth.intended[tag, op] += 1  # type: ignore[index]
        self.truth.on_sent(sent)
        self.look()
        return sent

    def answer(self, sent: Sent, answer: Answer | None = None) -> None:
        self.truth.on_answer(sent, answer or Acked(f"N{sent.tag}"))

    # --- the exchange

    def order(self, tag: str, qty: int = LOT, filled: int = 0, state: OrderState = OrderState.WORKING, **more) -> str:
        """The exchange shows an order of this tag so."""
        intent = self.truth.intents.get(tag)
        role = intent.role if intent else Role.ENTRY
        broker_id = more.get("broker_id", f"N{tag}")
        report = OrderReport(
            tag=tag,
            broker_id=broker_id,
            symbol=PE,
            side=intent.side if intent else Side.BUY,
            type=_PASSIVE.get(role, OrderType.MARKET),
            product="MIS",
            qty=qty,
            limit_paise=10_000,
            trigger_paise=0,
            state=state,
            filled_qty=filled,
            average_paise=10_000 if filled else 0,
        )
        self.truth.on_exchange(report)
        if more.get("told", True):
            self.truth.on_told(report, pushed=True)
        self.look()
        return broker_id

    def fill(self, tag: str, qty: int = LOT, price: int = 10_000, *, booked: bool = True, told: bool = True) -> Trade:
        """An order fills in full, is told, and its fill row is committed."""
        self.numbers += 1
        intent = self.truth.intents.get(tag)
        trade = Trade(
            trade_id=f"T{self.numbers}",
            broker_id=f"N{tag}",
            tag=tag,
            symbol=PE,
            side=intent.side if intent else Side.SELL,
            qty=qty,
            price_paise=price,
            at_ns=self.truth.now_ns,
        )
        self.truth.on_exchange(trade)
        self.order(tag, qty, qty, OrderState.FILLED, told=told)
        if booked:
            self.truth.on_fill_row(trade.trade_id, tag, trade.side.value, qty, price)
        return trade

    def enter(self, qty: int = LOT, bracket: str = "B1") -> str:
        tag = self.intend(Role.ENTRY, bracket=bracket)
        self.answer(self.send(tag, qty))
        self.fill(tag, qty)
        return tag

    def rest(self, role: Role, qty: int = LOT, bracket: str = "B1") -> str:
        tag = self.intend(role, bracket=bracket)
        self.answer(self.send(tag, qty))
        state = OrderState.TRIGGER_PENDING if role is Role.STOP else OrderState.WORKING
        self.order(tag, qty, 0, state)
        return tag

    def cancelled(self, tag: str, qty: int = LOT) -> None:
        self.order(tag, qty, 0, OrderState.CANCELLED)

    def closed(self, gross: int = 0, bracket: str = "B1") -> None:
        """The journal calls the bracket flat and books its trade."""
        self.truth.trade_rows[f"{bracket}-trade"] = (bracket, gross)
        self.truth.on_bracket_row(bracket, "flat", "resting", 0, self.truth.now_ns)
        self.look()


@pytest.fixture
def day() -> HandmadeDay:
    return HandmadeDay()
