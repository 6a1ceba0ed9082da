"""How a desk that is told to stop gets out of its positions: what to do at each look, and when it is over. Pure.

    closing --5 s--> watching --35 s after the stop--> stuck          flat, left: over before that

A position whose bot says `flatten` is closed; one whose bot says `leave` keeps its resting stop, its entry is taken
back, and if no stop rests it is closed all the same, because it would be naked. A grid keeps everything that rests, or
has it taken back by its own code; nothing of it is closed (GRD-57). The bracket's own executor sends the orders; this
plan looks every 0.25 s, escalates once, watches, and ends: flat is only what the broker says (HRD-26..31).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from engine.instant import NS_PER_MS, NS_PER_S

LOOK_NS: Final = 250 * NS_PER_MS
"""Between two looks: 20 of them before the escalation (HRD-26)."""
ESCALATE_NS: Final = 5 * NS_PER_S
"""After the first exit of this stop; "Exit not confirmed after 5s" (HRD-27)."""
RECONCILE_NS: Final = 2_500 * NS_PER_MS
"""Between two reads of the books while watching: 12 in 30 s (HRD-28, F-26)."""
PATIENCE_NS: Final = 35 * NS_PER_S
"""From the request to the end: 5 s and 30 s (HRD-29)."""
SETTLE_NS: Final = 4 * NS_PER_S
"""For an entry to be taken back and a stop to rest; a desk that leaves its stops is gone within 5 s (PRC-02)."""


class OnStop(StrEnum):
    """What a bot's positions do when the desk stops (OPS-21)."""

    FLATTEN = "flatten"
    LEAVE = "leave"
    """Resting protection stays at the broker; entries are taken back; what has no stop is closed all the same."""
    KEEP = "keep"
    """Everything that rests stays at the broker, entries too; nothing is closed (a grid, GRD-57)."""
    WITHDRAW = "withdraw"
    """The bot takes its resting orders back; positions are kept (a grid with `cancel_on_stop`)."""

    @property
    def keeps_positions(self) -> bool:
        """Whatever protects them."""
        return self in (OnStop.KEEP, OnStop.WITHDRAW)


class StopPhase(StrEnum):
    CLOSING = "closing"
    """Exits are out, or entries are being taken back."""
    WATCHING = "watching"
    """Escalated once; nothing more is sent from here, only looked at."""
    FLAT = "flat"
    LEFT = "left"
    """Over, with positions left under their resting stops as it was asked for."""
    STUCK = "stuck"


_NEXT: Final[dict[StopPhase, frozenset[StopPhase]]] = {
    StopPhase.CLOSING: frozenset({StopPhase.WATCHING, StopPhase.FLAT, StopPhase.LEFT, StopPhase.STUCK}),
    StopPhase.WATCHING: frozenset({StopPhase.FLAT, StopPhase.LEFT, StopPhase.STUCK}),
    StopPhase.FLAT: frozenset(),
    StopPhase.LEFT: frozenset(),
    StopPhase.STUCK: frozenset(),
}


class Proof(StrEnum):
    """What the broker's own positions say, read after our orders were finished."""

    NONE = "none"
    OPEN = "open"
    FLAT = "flat"


class Holding(NamedTuple):
    """One bracket as the plan sees it."""

    bracket_id: str
    on_stop: OnStop
    is_closing: bool
    """An exit was decided for it, by whomever."""
    has_entry: bool
    """An entry of it may still fill."""
    open_qty: int
    covered_qty: int
    """Units that a resting stop certainly covers."""
    can_rest: bool
    """Its style puts a stop at the broker at all."""
    is_moving: bool = False
    """The broker has not answered for an order of it, or one is being executed."""
    has_orders: bool = False
    """Any order of it may still fill."""

    @property
    def is_bare(self) -> bool:
        return self.covered_qty < self.open_qty

    @property
    def is_settled(self) -> bool:
        """Nothing more is on its way in, and what is in has its stop; of a kept one, nothing is on its way at all."""
        match self.on_stop:
            case OnStop.KEEP:
                return not self.is_closing and not self.is_moving
            case OnStop.WITHDRAW:
                return not self.is_closing and not self.has_orders
            case _:
                return not self.has_entry and not self.is_closing and not self.is_bare


class StopAct(StrEnum):
    """One thing to do; the first four name a bracket."""

    TAKE_BACK = "take back the entry"
    CLOSE = "close"
    ESCALATE = "cancel the hanging exit, learn its fill, exit the rest"
    STAY = "take the exit back and rest the stop again"
    PROVE = "read the broker's positions"
    RECONCILE = "read the books"


class StopStep(NamedTuple):
    act: StopAct
    bracket_id: str = ""


class StopPlan:
    """Feed it `look` every LOOK_NS until `is_over`. Instants in nanoseconds of the desk's clock."""

    def __init__(self, began_ns: int, *, patience_ns: int = PATIENCE_NS) -> None:
        self.phase = StopPhase.CLOSING
        self._began_ns = began_ns
        self._patience_ns = patience_ns
        self._closing_ns = 0
        """When the first position was found closing; 0 = none."""
        self._hurried_ns = 0
        self._reconcile_ns = 0
        self._taken_back: set[str] = set()
        self._stayed: set[str] = set()

    @property
    def is_over(self) -> bool:
        return not _NEXT[self.phase]

    @property
    def is_hurried(self) -> bool:
        return self._hurried_ns > 0

    def hurry(self, now_ns: int) -> None:
        """The second signal: close nothing any more, rest the stops and leave (HRD-31). A third changes nothing."""
        self._hurried_ns = self._hurried_ns or now_ns

    def look(self, now_ns: int, holdings: Sequence[Holding], proof: Proof) -> list[StopStep]:
        """What to do now. `holdings` are the brackets that are not over yet."""
        if self.is_over:
            return []
        if self.is_hurried:
            return list(self._leave_quickly(now_ns, holdings))
        steps = list(self._begin(now_ns, holdings))
        closing = [held for held in holdings if held.is_closing]
        if closing or any(step.act is StopAct.CLOSE for step in steps):
            self._closing_ns = self._closing_ns or now_ns
        if not holdings and proof is Proof.FLAT:
            self._become(StopPhase.FLAT)
        elif holdings and not steps and all(held.is_settled or self._is_left(held, now_ns) for held in holdings):
            self._become(StopPhase.LEFT)
        elif now_ns >= self._gives_up_ns():
            self._become(StopPhase.STUCK)
        else:
            steps += self._press(now_ns, closing, is_done=not holdings)
        return steps

    def _is_left(self, held: Holding, now_ns: int) -> bool:
        """A kept order that is still on its way is waited for no longer than an entry is."""
        is_late = now_ns >= self._began_ns + SETTLE_NS
        return held.on_stop is OnStop.KEEP and not held.is_closing and is_late

    def _gives_up_ns(self) -> int:
        """A desk that had nothing to close does not wait half a minute for a broker that cannot be read."""
        return self._began_ns + (self._patience_ns if self._closing_ns else ESCALATE_NS)

    def _begin(self, now_ns: int, holdings: Sequence[Holding]) -> Iterator[StopStep]:
        """Close what is to be closed, and take back what has not entered yet."""
        for held in holdings:
            if held.is_closing or held.on_stop.keeps_positions:
                continue
            late = now_ns >= self._began_ns + SETTLE_NS
            naked = held.is_bare and (late or not held.can_rest)
            if held.on_stop is OnStop.FLATTEN or naked:
                yield StopStep(StopAct.CLOSE, held.bracket_id)
            elif held.has_entry:
                yield from self._take_back(held)

    def _take_back(self, held: Holding) -> Iterator[StopStep]:
        if held.bracket_id not in self._taken_back:
            self._taken_back.add(held.bracket_id)
            yield StopStep(StopAct.TAKE_BACK, held.bracket_id)

    def _press(self, now_ns: int, closing: Sequence[Holding], *, is_done: bool) -> Iterator[StopStep]:
        """Our orders say flat: ask the broker. They do not, for 5 s: escalate once, then read the books and wait."""
        if is_done:
            yield StopStep(StopAct.PROVE)
        if self._closing_ns and now_ns >= self._closing_ns + ESCALATE_NS and self.phase is StopPhase.CLOSING:
            self._become(StopPhase.WATCHING)
            self._reconcile_ns = now_ns
            for held in closing:
                yield StopStep(StopAct.ESCALATE, held.bracket_id)
        if self.phase is StopPhase.WATCHING and now_ns >= self._reconcile_ns:
            self._reconcile_ns = now_ns + RECONCILE_NS
            yield StopStep(StopAct.RECONCILE)

    def _leave_quickly(self, now_ns: int, holdings: Sequence[Holding]) -> Iterator[StopStep]:
        for held in holdings:
            if held.on_stop.keeps_positions:
                continue
            yield from self._take_back(held) if held.has_entry else ()
            # Without a stop to go back to, the exit that is out stays out: it is all the protection there is.
            if held.is_closing and held.open_qty and held.can_rest and held.bracket_id not in self._stayed:
                self._stayed.add(held.bracket_id)
                yield StopStep(StopAct.STAY, held.bracket_id)
        waits = any(
            not held.is_settled and (held.can_rest or held.has_entry) and not held.on_stop.keeps_positions
            for held in holdings
        )
        if not waits or now_ns >= self._hurried_ns + SETTLE_NS:
            self._become(StopPhase.LEFT)

    def _become(self, phase: StopPhase) -> None:
        if phase not in _NEXT[self.phase]:
            raise ValueError(f"stop plan: {self.phase.value} never becomes {phase.value}")
        self.phase = phase
