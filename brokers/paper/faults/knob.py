"""The words of the fault catalogue: where a fault strikes (door), what it does there (effect), and one knob's row."""

from __future__ import annotations

from enum import StrEnum, auto

import msgspec

from engine import refusals
from engine.order import Role


class Door(StrEnum):
    """Where a fault is asked for. Every passage through a door is one opportunity."""

    PLACE = auto()
    MODIFY = auto()
    CANCEL = auto()
    READ_ORDERS = auto()
    READ_TRADES = auto()
    READ_POSITIONS = auto()
    ORDER_UPDATE = auto()
    """A pushed row of the order book."""
    TRADE_UPDATE = auto()
    """A pushed trade record."""
    TICK = auto()
    """What the desk sees of the market; the exchange sees the truth."""
    QUOTE = auto()
    MASTER = auto()
    """The read of today's instruments."""
    MARKET = auto()
    """The market itself: exchange and desk both see it."""
    TRIGGER = auto()
    """A stop at the exchange reaches its trigger."""
    MATCH = auto()
    """The exchange looks for a counterparty."""
    HAND = auto()
    """A person or the broker's risk desk acts at the exchange; asked by time, not by passage."""


class Effect(StrEnum):
    """What is done to the opportunity. One word of code for each; several knobs may share it."""

    # requests
    NOT_SENT = auto()
    LOST_REQUEST = auto()
    LOST_REPLY = auto()
    LATE_REQUEST = auto()
    SLOW_REPLY = auto()
    UNKNOWN_DONE = auto()
    UNKNOWN_UNDONE = auto()
    UNKNOWN_LATE = auto()
    REFUSE = auto()
    THROTTLE = auto()
    REJECT_LATER = auto()
    STUCK = auto()
    CLIP = auto()
    TWICE = auto()
    CAP_MODIFIES = auto()
    CAP_PER_SECOND = auto()
    CAP_PER_DAY = auto()
    FILL_FIRST = auto()
    FILL_PART_FIRST = auto()
    FILL_AFTER = auto()
    FILL_LATE = auto()
    SECOND_EXIT = auto()
    # reads
    FAIL = auto()
    EMPTY = auto()
    STALE = auto()
    TRUNCATE = auto()
    NO_FILLED = auto()
    OFF_AVERAGE = auto()
    CARRY_STATE = auto()
    # what both reads and updates carry
    NO_TAG = auto()
    ONE_TAG = auto()
    # updates
    DOUBLE = auto()
    HOLD = auto()
    DROP = auto()
    DROP_BY_TURNS = auto()
    REPLAY_ALL = auto()
    INVALID = auto()
    SAME_INSTANT = auto()
    # ticks, quotes, instruments
    MUTE = auto()
    MUTE_UNTIL_ASKED = auto()
    PRICE = auto()
    OFF_TICK = auto()
    NOT_A_NUMBER = auto()
    SCALE = auto()
    CROSS = auto()
    ONE_SIDED = auto()
    OLD_PRICE = auto()
    SWAP = auto()
    BURST = auto()
    SHIFT_TIME = auto()
    REPLAY_TICKS = auto()
    LOT = auto()
    FREEZE = auto()
    TICK_SIZE = auto()
    # the market and the exchange
    SHIFT_PRICE = auto()
    HALT = auto()
    CANCEL_AT_TRIGGER = auto()
    LOCK = auto()
    TRICKLE = auto()
    # hands
    CLOSE = auto()
    REDUCE = auto()
    ADD = auto()
    CANCEL_STOP = auto()
    MODIFY_ORDER = auto()
    OPPOSE = auto()
    FOREIGN = auto()
    CONVERT = auto()
    SQUARE_ALL = auto()
    SQUARE_PART = auto()
    SQUARE_NOT = auto()
    KILL = auto()
    BUST = auto()
    FILL_BOTH_EXITS = auto()
    FILL_PART_TARGET = auto()


class Shape(StrEnum):
    ONCE = auto()
    """Strikes single opportunities."""
    SPAN = auto()
    """Strikes everything that passes its doors while it lasts."""
    DEED = auto()
    """Done once at its instant, or as soon after as there is something to do it to."""


WRITES = frozenset({Door.PLACE, Door.MODIFY, Door.CANCEL})
READS = frozenset({Door.READ_ORDERS, Door.READ_TRADES, Door.READ_POSITIONS})
UPDATES = frozenset({Door.ORDER_UPDATE, Door.TRADE_UPDATE})


class Knob(msgspec.Struct, frozen=True, kw_only=True):
    """One way to make one fault. `knob` is written as in the fault catalogue: `group.name=value`."""

    knob: str
    fault: str
    """The catalogue's id: `ORD-01`."""
    says: str
    """What happens, in one sentence."""
    doors: frozenset[Door]
    effect: Effect
    shape: Shape = Shape.ONCE
    roles: frozenset[Role] = frozenset()
    """Strikes only orders of these roles; empty = any."""
    code: str = refusals.OTHER
    """Of a refusal (`engine.refusals`)."""
    text: str = ""
    """What the broker says, untrusted, as it would come."""
    amount: int = 0
    """Default of the one number this knob takes."""
    amount_is: str = ""
    """What that number means; empty when it takes none."""
    seeded_amounts: tuple[int, ...] = ()
    """Seeded: one of these instead of `amount`."""
    seeded_codes: tuple[str, ...] = ()
    """Seeded: one of these instead of `code`."""
    span_ms: tuple[int, int] = (0, 0)
    """Seeded: shortest and longest duration of a span, delay of a late thing, or patience of a deed. Milliseconds."""
    ceiling_bps: int = 0
    """Seeded, ONCE: highest share of opportunities struck, in 1/10,000. 0 = only by script."""
    per_day: int = 0
    """Seeded, SPAN and DEED: most times in one session. 0 = only by script."""
    is_daily_bread: bool = False
    """Ordinary at any broker on any day: the calm profile has these and no others."""


def once(
    fault: str,
    knob: str,
    says: str,
    effect: Effect,
    *doors: Door,
    bps: int = 50,
    roles: frozenset[Role] = frozenset(),
    code: str = refusals.OTHER,
    text: str = "",
    amount: int = 0,
    amount_is: str = "",
    seeded_amounts: tuple[int, ...] = (),
    seeded_codes: tuple[str, ...] = (),
    span_ms: tuple[int, int] = (0, 0),
    daily: bool = False,
) -> Knob:
    """A row that strikes single opportunities; `bps` is its seeded ceiling."""
    return Knob(
        knob=knob,
        fault=fault,
        says=says,
        doors=frozenset(doors),
        effect=effect,
        roles=roles,
        code=code,
        text=text,
        amount=amount,
        amount_is=amount_is,
        seeded_amounts=seeded_amounts,
        seeded_codes=seeded_codes,
        span_ms=span_ms,
        ceiling_bps=bps,
        is_daily_bread=daily,
    )


def span(
    fault: str,
    knob: str,
    says: str,
    effect: Effect,
    *doors: Door,
    per_day: int = 2,
    span_ms: tuple[int, int] = (2_000, 60_000),
    roles: frozenset[Role] = frozenset(),
    code: str = refusals.OTHER,
    text: str = "",
    amount: int = 0,
    amount_is: str = "",
    seeded_amounts: tuple[int, ...] = (),
    daily: bool = False,
) -> Knob:
    """A row that strikes everything while it lasts; at most `per_day` times in a seeded session."""
    return Knob(
        knob=knob,
        fault=fault,
        says=says,
        doors=frozenset(doors),
        effect=effect,
        shape=Shape.SPAN,
        roles=roles,
        code=code,
        text=text,
        amount=amount,
        amount_is=amount_is,
        seeded_amounts=seeded_amounts,
        span_ms=span_ms,
        per_day=per_day,
        is_daily_bread=daily,
    )


def deed(
    fault: str,
    knob: str,
    says: str,
    effect: Effect,
    *,
    per_day: int = 1,
    span_ms: tuple[int, int] = (60_000, 3_600_000),
    amount: int = 0,
    amount_is: str = "",
    seeded_amounts: tuple[int, ...] = (),
) -> Knob:
    """A row that is done once at its instant; `span_ms` is how long it waits for something to do it to."""
    return Knob(
        knob=knob,
        fault=fault,
        says=says,
        doors=frozenset({Door.HAND}),
        effect=effect,
        shape=Shape.DEED,
        amount=amount,
        amount_is=amount_is,
        seeded_amounts=seeded_amounts,
        span_ms=span_ms,
        per_day=per_day,
    )
