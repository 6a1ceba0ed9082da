"""What is written: one frozen struct per kind of row, and `Batch`, everything one desk step wants on disk together.

Pure data; no SQLite here. Prices in paise, quantities in units, instants in exchange-clock nanoseconds (UTC epoch);
0 or an empty text means "does not apply" unless a field says otherwise. Nothing secret belongs in any of them.
`body` fields are msgspec JSON of the owner's own state struct: only the owner decodes them, and every figure that
anybody else decides on has its own column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from engine.exposure import Exposure
from engine.order import Order, OrderType, Role, Side, Trade
from engine.outbox import Op
from engine.tick import Tick

AnswerWord = Literal["acked", "refused", "not_sent", "unknown"]
"""The four answers of design §4, as the journal spells them."""


class IntentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is about to be sent. On disk before its first byte leaves (O1); never changed afterwards."""

    tag: str
    op: Op
    account: str
    bracket_id: str
    role: Role
    symbol: str
    side: Side
    type: OrderType
    qty: int
    limit_paise: int
    trigger_paise: int
    reason: str
    at_ns: int


class AnswerRow(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's answer; kept in the row of the newest intent with this tag and op."""

    tag: str
    op: Op
    answer: AnswerWord
    code: str = ""
    """A refusal code of `engine.refusals`, or the broker's order id when acked."""
    text: str = ""
    at_ns: int


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of ours. Written once per (account, trade_id, tag); a repeat changes nothing (A2)."""

    trade_id: str
    broker_id: str
    tag: str
    account: str
    bracket_id: str
    symbol: str
    side: Side
    qty: int
    price_paise: int
    at_ns: int

    @classmethod
    def of(cls, trade: Trade, *, account: str, bracket_id: str) -> FillRow:
        return cls(
            trade_id=trade.trade_id,
            broker_id=trade.broker_id,
            tag=trade.tag,
            account=account,
            bracket_id=bracket_id,
            symbol=trade.symbol,
            side=trade.side,
            qty=trade.qty,
            price_paise=trade.price_paise,
            at_ns=trade.at_ns,
        )


class BracketRow(msgspec.Struct, frozen=True, kw_only=True):
    """The protection of one position, as it now is. Open until `closed_ns` is set."""

    bracket_id: str
    account: str
    bot: str
    symbol: str
    style: str
    """`engine.view.ExitStyle`."""
    state: str
    """`engine.view.BracketState`."""
    open_qty: int
    """Signed units."""
    entry_paise: int
    stop_paise: int
    target_paise: int
    opened_ns: int
    closed_ns: int = 0
    body: bytes = b"{}"


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One round trip, entry to flat. Written again under the same `trade_id` when the trade book corrects it."""

    trade_id: str
    bracket_id: str
    account: str
    bot: str
    symbol: str
    side: Side
    """Of the entry."""
    qty: int
    entry_paise: int
    """Average, for reading; the values below are the exact figures."""
    exit_paise: int
    entry_value_paise: int
    """Sum of qty x price."""
    exit_value_paise: int
    gross_paise: int
    brokerage_paise: int = 0
    charges_paise: int = 0
    """Taxes and exchange charges, brokerage not included."""
    net_paise: int
    reason: str
    provisional: bool = False
    """Some price is assumed; the trade book will correct it (LEG-48)."""
    opened_ns: int
    closed_ns: int
    trading_day: str
    """`YYYY-MM-DD`, IST: the day whose P&L this is (OPS-19)."""
    order_count: int = 0
    surplus_qty: int = 0
    """Units bought or sold too many because both exits filled; bought back inside this trade (design §5.5)."""
    surplus_paise: int = 0
    """What buying it back gained or lost; contained in gross_paise."""
    level_paise: int = 0
    """The stop, target or price the exit was for; 0 = none, or not recorded (RTP-33)."""
    trigger_paise: int = 0
    """The last price that decided the exit; the fill is `exit_paise`, never this one (BUG-34)."""
    slippage_paise: int = 0
    """Per unit, the average fill against the level; positive = worse for us (RTP-44)."""


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """The running net of one symbol and product on one day, from our own fills."""

    account: str
    symbol: str
    product: str
    net_qty: int
    buy_qty: int
    buy_value_paise: int
    sell_qty: int
    sell_value_paise: int
    trading_day: str


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the day's story; `event` is its stable name (OPS-25)."""

    at_ns: int
    level: str
    event: str
    source: str
    symbol: str = ""
    tag: str = ""
    text: str = ""
    body: bytes = b""


class AlarmRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person must look at. Open until `ended_ns` is set."""

    alarm_id: str
    since_ns: int
    text: str
    ended_ns: int = 0
    acknowledged_ns: int = 0


class BotRow(msgspec.Struct, frozen=True, kw_only=True):
    """A bot's own memory: counters, cool-downs, trailing state."""

    bot: str
    account: str
    body: bytes


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One start of the program."""

    run_no: int
    started_ns: int
    version: str
    """Program version or build, so that a day can be laid to the code that traded it (PRC-18)."""
    mode: str
    account: str
    seed: int
    sqlite_version: str
    """Some SQLite versions have known faults (STO-14)."""
    ended_ns: int = 0
    exit_code: int = -1
    """-1 while running, or for ever when the program was killed."""


class Batch(msgspec.Struct, kw_only=True):
    """Everything one desk step writes; it reaches the disk whole or not at all.

    Orders, brackets, trades, positions, exposures, alarms and bots replace the row of the same key; the rest is added.
    An order is taken as it is when the batch is handed over: later changes of the object do not travel with it.
    """

    intents: Sequence[IntentRow] = ()
    answers: Sequence[AnswerRow] = ()
    orders: Sequence[Order] = ()
    fills: Sequence[FillRow] = ()
    brackets: Sequence[BracketRow] = ()
    trades: Sequence[TradeRow] = ()
    positions: Sequence[PositionRow] = ()
    events: Sequence[EventRow] = ()
    alarms: Sequence[AlarmRow] = ()
    bots: Sequence[BotRow] = ()
    exposures: Sequence[Exposure] = ()
    ticks: Sequence[Tick] = ()
    tag_counter: int = 0
    """The highest number used in a tag so far; 0 leaves the stored one. It never goes down (STO-17)."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a desk has to know again after a start."""

    accounts: tuple[str, ...]
    """Its own; nothing of others is in here."""
    last_run_no: int
    """Number of the newest run in the file; 0 for a new file."""
    tag_counter: int
    brackets: tuple[BracketRow, ...]
    """Open ones, oldest first."""
    elsewhere: tuple[BracketRow, ...] = ()
    """Open ones of accounts that this desk does not trade: nobody here looks after them."""
    closed_today: tuple[BracketRow, ...] = ()
    """Closed on the trading day, oldest first: a fill that comes late still belongs to one of them (UPD-12)."""
    orders: tuple[Order, ...]
    """Every unfinished order, and every order of an open bracket; in the order they were intended."""
    finished_today: tuple[Order, ...]
    """Finished orders of closed brackets intended on the trading day: ours, should the broker's book list them."""
    unanswered: tuple[IntentRow, ...]
    """Intents without any answer on disk: may or may not have reached the broker. Oldest first."""
    trades_today: tuple[TradeRow, ...]
    exposures_today: tuple[Exposure, ...] = ()
    """Finished naked intervals of the trading day."""
    positions: tuple[PositionRow, ...]
    """Newest row per symbol and product: of the trading day, or of an earlier one that did not end flat."""
    alarms: tuple[AlarmRow, ...]
    """Not ended; of the whole desk."""
    bots: tuple[BotRow, ...]
    fast_crashes: int = 0
    """Newest runs in a row that ended without an exit code within a minute of their start (PRC-14)."""
    differences: tuple[str, ...]
    """Stored sums that do not agree with the stored fills, in words: an alarm each, never a repair."""
