"""How a desk ends: each bot's own policy, one plan over all of them, and nothing called flat that the broker shows.

`engine.stop_plan` decides; this module looks for it, carries out what it says, and tells how it ended. A stop works
whatever state a bot is in: exits are the bracket's own, behind the same guard as every other decision.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from engine.bot import REASON_STOP_DESK
from engine.bracket import Bracket
from engine.messages import Msg
from engine.order import OPENING_ROLES
from engine.outbox import Outbox
from engine.stop_plan import LOOK_NS, Holding, OnStop, Proof, StopAct, StopPhase, StopPlan, StopStep
from engine.view import ExitStyle

if TYPE_CHECKING:
    from engine.desk import Desk

EXIT_CLEAN: Final = 0
EXIT_STILL_IN_POSITION: Final = 5


class DeskStop:
    """One per desk. `run` ends it; `hurry` is the second signal."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._plan: StopPlan | None = None
        self._policy: OnStop | None = None
        """For every bot, whatever it is configured to; None: each bot's own."""
        self._is_hurried = False
        self._is_reading = False
        self._proof = Proof.NONE
        self._held = ""
        """The broker's open positions in words, as of the last read."""

    def hurry(self) -> None:
        """Asked to stop a second time: close nothing any more, rest the stops and leave (HRD-31)."""
        if self._desk.stopping and not self._is_hurried:
            self._is_hurried = True
            text = "asked again: leaving what is open under its resting stops"
            self._desk.step(lambda _now: self._desk.say(Msg.DESK_WARN, text=text))

    async def run(self, reason: str, *, flatten: bool | None = None) -> int:
        """Entries stop, then each bot's positions go by its policy, or all by `flatten`. Returns the exit code.

        Adds 35 s and one read of the positions at most (HRD-29).
        """
        desk = self._desk
        if flatten is not None:
            self._policy = OnStop.FLATTEN if flatten else OnStop.LEAVE
        if not desk.stopping:
            desk.stopping = reason
            desk.step(lambda _now: desk.say(Msg.DESK, text=f"stopping: {reason}"))
        plan = self._plan = StopPlan(desk.clock.now_ns(), patience_ns=desk.parts.times.stop_patience_ns)
        while not plan.is_over:
            desk.step(self._look)
            if not plan.is_over:
                await desk.clock.sleep_until(desk.clock.now_ns() + LOOK_NS)
        return await self._end(plan)

    # --- one look -------------------------------------------------------------------------------------------------

    def _look(self, now_ns: int) -> None:
        plan, desk = self._plan, self._desk
        if plan is None:
            return
        if self._is_hurried:
            plan.hurry(now_ns)
        proof, self._proof = self._proof, Proof.NONE  # a read counts for the look that follows it
        steps = plan.look(now_ns, self.holdings(), proof)
        if any(step.act is StopAct.ESCALATE for step in steps):
            desk.say(Msg.ESCALATE)
        for step in steps:
            self._do(step, now_ns)

    def holdings(self) -> list[Holding]:
        """Every bracket that is not over, as the plan sees it."""
        return [self._holding(bracket) for bracket in self._desk.open_brackets()]

    def _holding(self, bracket: Bracket) -> Holding:
        body = bracket.body
        has_entry = bool(bracket.live(*OPENING_ROLES))
        return Holding(
            bracket_id=body.bracket_id,
            on_stop=self._policy or self._desk.bots[body.bot].on_stop,
            is_closing=bool(body.exit_reason) or (bracket.open_qty <= 0 and not has_entry),
            has_entry=has_entry,
            open_qty=max(bracket.open_qty, 0),
            covered_qty=bracket.covered_qty,
            can_rest=body.style is not ExitStyle.MONITORED,
        )

    def _do(self, step: StopStep, now_ns: int) -> None:
        desk, out = self._desk, self._desk.out
        if step.act is StopAct.PROVE:
            self._read_soon()
            return
        if step.act is StopAct.RECONCILE:
            for account in desk.accounts.values():
                account.reader.reconcile()
            return
        bracket = desk.bracket(step.bracket_id)
        if bracket is None:
            return
        desk.decide(bracket.body.bot, lambda _bot: _carry_out(step.act, bracket, now_ns, out))

    # --- the broker's word ------------------------------------------------------------------------------------------

    def _read_soon(self) -> None:
        if not self._is_reading:
            self._is_reading = True
            self._desk.spawn("proof of flat", self._read)

    async def _read(self) -> None:
        try:
            self._held = await self._held_by_brokers()
            self._proof = Proof.OPEN if self._held else Proof.FLAT
        finally:
            self._is_reading = False

    async def _held_by_brokers(self) -> str:
        """What every account's broker says is open, in words; all are asked at once."""
        main, *others = self._desk.accounts.values()
        rest = asyncio.gather(*(account.reader.held_by_broker() for account in others))
        found = [await main.reader.held_by_broker(), *await rest]
        held = [account.words(text) for account, text in zip((main, *others), found, strict=True) if text]
        return "; ".join(held)

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _end(self, plan: StopPlan) -> int:
        """0 only when the broker itself says flat (I-5, Q1); what is left is told with the stops that really rest."""
        desk = self._desk
        if plan.phase is StopPhase.FLAT:
            return EXIT_CLEAN
        if plan.phase is StopPhase.LEFT:
            self._held = await self._held_by_brokers()
            if not self._held and not desk.any_active:
                return EXIT_CLEAN
        desk.step(lambda _now: self._tell_left(is_stuck=plan.phase is StopPhase.STUCK))
        return EXIT_STILL_IN_POSITION

    def _tell_left(self, *, is_stuck: bool) -> None:
        desk = self._desk
        holding = [bracket for bracket in desk.open_brackets() if bracket.open_qty > 0]
        ours = ", ".join(f"{b.body.symbol} {b.net_qty:+d}" for b in holding)
        detail = self._held or ours or "flat is not proven, orders are still working"
        cover = ", ".join(f"{b.body.symbol} {b.covered_qty}/{b.open_qty}" for b in holding) or "none"
        is_bare = any(b.covered_qty < b.open_qty for b in holding) or (bool(self._held) and not holding)
        if is_stuck:
            desk.say(Msg.STILL_IN_POSITION, detail=f"{detail}; covered by resting stops: {cover}")
            desk.out.raise_alarm("stop", f"still in position after the stop: {detail}")
        else:
            desk.say(Msg.DESK_WARN, text=f"left open on purpose: {detail}; covered by resting stops: {cover}")
        if is_stuck or is_bare:
            desk.say(Msg.MANUAL)


def _carry_out(act: StopAct, bracket: Bracket, now_ns: int, out: Outbox) -> None:
    match act:
        case StopAct.TAKE_BACK:
            bracket.cancel_entry(now_ns, out)
        case StopAct.CLOSE:
            bracket.exit(REASON_STOP_DESK, now_ns, out)
        case StopAct.ESCALATE:
            bracket.escalate(now_ns, out)
        case StopAct.STAY:
            bracket.stay(now_ns, out)
        case StopAct.PROVE | StopAct.RECONCILE:
            raise ValueError(f"{act.name} is no act on one bracket")


def stop_words(desk: Desk) -> tuple[str, ...]:
    """What a stop would do now, bot by bot: said at the start and asked before quitting (OPS-21)."""
    return tuple(f"{name} {_words(desk, name)}" for name in desk.bots)


def _words(desk: Desk, name: str) -> str:
    bot = desk.bots[name]
    open_qty = [f"{b.instrument.short_name} {b.open_qty}" for b in bot.open_brackets() if b.open_qty > 0]
    held = f" ({', '.join(open_qty)})" if open_qty else ""
    if bot.on_stop is OnStop.FLATTEN:
        return f"is flattened{held}"
    if bot.style is ExitStyle.MONITORED:
        return f"is flattened{held}: its stops do not rest at the broker"
    return f"keeps its resting stops{held}, entries are taken back"
