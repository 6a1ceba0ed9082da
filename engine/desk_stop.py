"""How a desk ends: each bot's own policy, one plan over all of them, and nothing called flat that the broker shows.

`engine.stop_plan` decides; this module looks for it, carries out what it says, and tells how it ended. A stop works
whatever state a bot is in: exits are the bracket's own, behind the same guard as every other decision.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from engine.bot import REASON_STOP_DESK
from engine.bracket import Bracket
from engine.grid.bot import GridBot
from engine.grid.leaving import cancel_command, counted, held_words, unrested_hedges
from engine.messages import Msg
from engine.order import OPENING_ROLES
from engine.outbox import Outbox
from engine.stop_plan import LOOK_NS, Holding, OnStop, Proof, StopAct, StopPhase, StopPlan, StopStep
from engine.view import ExitStyle

if TYPE_CHECKING:
    from engine.desk import Desk
    from engine.desk_account import DeskAccount

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
        self._is_as_booked = False
        """It was exactly what our own fills say."""

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
            desk.step(lambda now_ns: self._begin(reason, now_ns))
        plan = self._plan = StopPlan(desk.clock.now_ns(), patience_ns=desk.parts.times.stop_patience_ns)
        while not plan.is_over:
            desk.step(self._look)
            if not plan.is_over:
                await desk.clock.sleep_until(desk.clock.now_ns() + LOOK_NS)
        return await self._end(plan)

    def _begin(self, reason: str, now_ns: int) -> None:
        desk = self._desk
        desk.say(Msg.DESK, text=f"stopping: {reason}")
        for grid in self._grids():
            if self._policy_of(grid.on_stop) is OnStop.WITHDRAW:
                desk.decide(grid.name, lambda _bot, grid=grid: grid.withdraw_all(now_ns, desk.out))

    def _policy_of(self, own: OnStop) -> OnStop:
        """To leave what rests means for a grid what its own policy says of it."""
        return own if self._policy is None or (self._policy is OnStop.LEAVE and own.keeps_positions) else self._policy

    def _grids(self) -> list[GridBot]:
        return [bot for bot in self._desk.bots.values() if isinstance(bot, GridBot)]

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
        live = [order for order in bracket.mine if order.is_live]
        waits_here = bracket.awaits_entry and not body.exit_reason  # a hedge that is only watched
        is_executing = bool(body.entry_due_ns) and bracket.awaits_entry
        return Holding(
            bracket_id=body.bracket_id,
            on_stop=self._policy_of(self._desk.bots[body.bot].on_stop),
            is_closing=bool(body.exit_reason) or (bracket.open_qty <= 0 and not has_entry and not waits_here),
            is_moving=is_executing or any(not order.is_at_broker or order.pending for order in live),
            has_orders=bool(live),
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
        accounts = (main, *others)
        self._is_as_booked = all(_is_ours(self._desk, a, text) for a, text in zip(accounts, found, strict=True))
        return "; ".join(account.words(text) for account, text in zip(accounts, found, strict=True) if text)

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
        kept = [grid for grid in self._grids() if self._policy_of(grid.on_stop).keeps_positions and grid.any_active]
        desk.step(lambda _now: [self._tell_kept(grid) for grid in kept])
        if plan.phase is StopPhase.LEFT and kept and self._is_as_booked and not self._others_hold(kept):
            bare = [grid for grid in kept if unrested_hedges(grid)]
            return EXIT_STILL_IN_POSITION if bare else EXIT_CLEAN
        desk.step(lambda _now: self._tell_left(is_stuck=plan.phase is StopPhase.STUCK))
        return EXIT_STILL_IN_POSITION

    def _others_hold(self, kept: list[GridBot]) -> bool:
        names = {grid.name for grid in kept}
        return any(bracket.body.bot not in names for bracket in self._desk.open_brackets())

    def _tell_kept(self, grid: GridBot) -> None:
        """What goes on resting without this program, how to end it, and what nobody does meanwhile (GRD-57)."""
        desk = self._desk
        orders = [order for order in desk.blotter.live_orders() if order.bot == grid.name]
        held, fields = held_words(grid), {"source": grid.name, "bot": grid.name}
        if orders:
            number = f"{len(orders)} order{'' if len(orders) == 1 else 's'}"
            detail = f"{counted(orders)}{f'; open: {held}' if held else ''}"
            how = f"{cancel_command(grid)} (with the --config and --db of this start)"
            desk.say(Msg.GRID_KEPT, **fields, orders=number, detail=detail, how=how)
            if grid.terms.is_hedged:
                detail = "a target and its hedge may both fill, and a new fill gets neither"
                desk.say(Msg.GRID_UNPAIRED, **fields, detail=detail)
        elif held:
            desk.say(Msg.GRID_WITHDRAWN, **fields, held=held)
        dying = unrested_hedges(grid)
        if dying:
            desk.say(Msg.GRID_DIES, **fields, detail=", ".join(dying))

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


def _is_ours(desk: Desk, account: DeskAccount, held: str) -> bool:
    """The broker's open positions in words are those of our own fills; a read that failed is never."""
    booked = {
        f"{position.symbol} {position.net_qty:+d} {position.product}"
        for position in desk.positions.positions.values()
        if position.account == account.account_id and position.net_qty and position.symbol in account.symbols
    }
    return set(held.split(", ") if held else ()) == booked


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
    if isinstance(bot, GridBot):
        return _grid_words(desk, bot)
    open_qty = [f"{b.instrument.short_name} {b.open_qty}" for b in bot.open_brackets() if b.open_qty > 0]
    held = f" ({', '.join(open_qty)})" if open_qty else ""
    if bot.on_stop is OnStop.FLATTEN:
        return f"is flattened{held}"
    if bot.style is ExitStyle.MONITORED:
        return f"is flattened{held}: its stops do not rest at the broker"
    return f"keeps its resting stops{held}, entries are taken back"


def _grid_words(desk: Desk, grid: GridBot) -> str:
    held = held_words(grid)
    kept = f", positions are kept ({held})" if held else ""
    orders = [order for order in desk.blotter.live_orders() if order.bot == grid.name]
    if grid.on_stop is OnStop.WITHDRAW:
        return f"takes its {len(orders)} resting orders back{kept}"
    resting = f" ({counted(orders)})" if orders else ""
    dying = unrested_hedges(grid)
    ends = f"; hedges that do not rest end: {', '.join(dying)}" if dying else ""
    return f"keeps its resting orders{resting}{kept}, nobody pairs its hedges meanwhile{ends}"
