"""The words that a desk and a paper venue in another process say to each other: a JSON object a line, typed both ways.

The client greets first and is answered with a welcome or a refusal; from then on it asks, each request with a number
that its reply repeats, and the venue pushes. Bytes in, structs out; what does not fit the types is no message.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from brokers.paper.ledger import PaperOrder
from engine.instant import NS_PER_S
from engine.instrument import Instrument
from engine.order import Trade
from engine.port import (
    Acked,
    Answer,
    NotSent,
    OrderChange,
    OrderReport,
    OrderRequest,
    PositionReport,
    Refused,
    Unknown,
)
from engine.tick import Tick
from engine.venue_rules import VenueRules

PROTOCOL: Final = "strikedesk-paper-venue"
VERSION: Final = 1
REQUEST_BYTES_MAX: Final = 64 * 1024
"""One request line; the longest is a subscription of a few hundred symbols."""
REPLY_BYTES_MAX: Final = 32 * 1024 * 1024
"""One reply line: an order book of a hundred thousand rows."""
ACCOUNT_PATTERN: Final = r"^[A-Za-z0-9_-]{1,32}$"
DEADLINE_S: Final = 5
"""A client waits so long for a reply, in exchange seconds (see `deadline_ns`)."""
_TEXT_MAX: Final = 300

AccountName = Annotated[str, msgspec.Meta(pattern=ACCOUNT_PATTERN)]
Symbol = Annotated[str, msgspec.Meta(max_length=64)]
S = TypeVar("S")


def deadline_ns(speed: float) -> int:
    """How long a request may take, in exchange time: a hurried clock hurries no process, half a real second stays."""
    return max(DEADLINE_S * NS_PER_S, round(speed * NS_PER_S / 2))


class WireError(Exception):
    """A line that is no message of this protocol. The text is one printable sentence."""


class VenueClock(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's clock as a line: exchange time `venue_ns` at the machine's monotonic instant, and how fast it runs.

    Both processes are on one machine, where CLOCK_MONOTONIC is the same for all, so both read the same time from it.
    """

    venue_ns: int
    monotonic_ns: int
    speed: float


# --- from the client --------------------------------------------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask", tag="hello"):
    """The first line. The name says which account; an account that is not there yet is opened."""

    protocol: str = PROTOCOL
    version: int = VERSION
    account: AccountName


class Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask"):
    """What every later line has: a number of the client's, repeated in the reply."""

    id: int


class Write(Request, frozen=True, kw_only=True):
    """A request that changes something. After `expires_ns` of exchange time nobody waits for it and it is not done."""

    expires_ns: int


class Place(Write, frozen=True, kw_only=True, tag="place"):
    order: OrderRequest


class Modify(Write, frozen=True, kw_only=True, tag="modify"):
    change: OrderChange


class Cancel(Write, frozen=True, kw_only=True, tag="cancel"):
    client_tag: str
    broker_id: str


class ReadOrders(Request, frozen=True, kw_only=True, tag="orders"): ...


class ReadTrades(Request, frozen=True, kw_only=True, tag="trades"): ...


class ReadPositions(Request, frozen=True, kw_only=True, tag="positions"): ...


class ReadInstruments(Request, frozen=True, kw_only=True, tag="instruments"): ...


class ReadQuote(Request, frozen=True, kw_only=True, tag="quote"):
    symbol: Symbol


class Subscribe(Request, frozen=True, kw_only=True, tag="subscribe"):
    symbols: Annotated[list[Symbol], msgspec.Meta(max_length=500)]


class ReadLedger(Request, frozen=True, kw_only=True, tag="ledger"):
    """The venue's own records of every account: for tests and audits, no desk asks for it."""


Ask = (
    Place
    | Modify
    | Cancel
    | ReadOrders
    | ReadTrades
    | ReadPositions
    | ReadInstruments
    | ReadQuote
    | Subscribe
    | ReadLedger
)

# --- from the venue ---------------------------------------------------------------------------------------------------


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="welcome"):
    """The greeting is accepted."""

    version: int
    account_id: str
    """Of this account at this venue; another one after a restart means that the venue has forgotten the old one."""
    rules: VenueRules
    clock: VenueClock
    ambiguity_s: float
    """How long after its expiry a write may still show its effect, in exchange seconds."""


class Goodbye(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="goodbye"):
    """The connection ends, and why."""

    text: str


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="say"):
    """What every reply has."""

    id: int


class Answered(Reply, frozen=True, kw_only=True, tag="answer"):
    """One of the four answers to a write (faults §3)."""

    kind: Literal["not_sent", "acked", "refused", "unknown"]
    text: str = ""
    """The broker's order id when acked, a code when refused, else the reason."""
    words: str = ""
    """A refusal in the venue's words."""
    retry_after_s: float = 0.0


class Orders(Reply, frozen=True, kw_only=True, tag="orders"):
    rows: list[OrderReport]


class Trades(Reply, frozen=True, kw_only=True, tag="trades"):
    rows: list[Trade]


class Positions(Reply, frozen=True, kw_only=True, tag="positions"):
    rows: list[PositionReport]


class Instruments(Reply, frozen=True, kw_only=True, tag="instruments"):
    rows: list[Instrument]


class Quote(Reply, frozen=True, kw_only=True, tag="quote"):
    tick: Tick


class Subscribed(Reply, frozen=True, kw_only=True, tag="subscribed"): ...


class Failed(Reply, frozen=True, kw_only=True, tag="failed"):
    """A read without a valid answer."""

    text: str


class AccountLedger(msgspec.Struct, frozen=True, kw_only=True):
    """One account as the venue keeps it."""

    name: str
    account_id: str
    opening_paise: int
    """Cash it was opened with."""
    cash_paise: int
    orders: list[PaperOrder]
    trades: list[Trade]
    positions: list[PositionReport]


class VenueLedger(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the venue knows, at one instant of its clock."""

    venue_ns: int
    accounts: list[AccountLedger]


class LedgerRead(Reply, frozen=True, kw_only=True, tag="ledger"):
    ledger: VenueLedger


class OrderPush(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="order"):
    report: OrderReport


class TradePush(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="trade"):
    trade: Trade


class TickPush(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="tick"):
    tick: Tick


class Beat(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="beat"):
    """Sent when nothing else is: a venue that says nothing at all is not there."""


AnyReply = Answered | Orders | Trades | Positions | Instruments | Quote | Subscribed | Failed | LedgerRead
Push = OrderPush | TradePush | TickPush | Beat
Said = Welcome | Goodbye | AnyReply | Push

_ENCODER: Final = msgspec.json.Encoder()
_HELLO: Final = msgspec.json.Decoder(Hello)
_ASK: Final = msgspec.json.Decoder(Ask)
_SAID: Final = msgspec.json.Decoder(Said)


async def next_line(reader: asyncio.StreamReader) -> bytes:
    """One whole line. Raises WireError when it is too long for the reader, EOFError when the other side is gone."""
    try:
        line = await reader.readline()
    except ValueError:
        raise WireError("a line longer than any message") from None
    if not line.endswith(b"\n"):
        raise EOFError
    return line


def line_of(message: Hello | Ask | Said) -> bytes:
    return _ENCODER.encode(message) + b"\n"


def read_hello(line: bytes) -> Hello:
    """Raises WireError, also for another protocol or version."""
    hello = _decoded(_HELLO, line)
    if hello.protocol != PROTOCOL:
        raise WireError(f"protocol {printable(hello.protocol)!r}: this venue speaks {PROTOCOL}")
    if hello.version != VERSION:
        raise WireError(f"protocol version {hello.version}: this venue speaks version {VERSION}")
    return hello


def read_ask(line: bytes) -> Ask:
    """Raises WireError."""
    return _decoded(_ASK, line)


def read_said(line: bytes) -> Said:
    """Raises WireError."""
    return _decoded(_SAID, line)


def _decoded(decoder: msgspec.json.Decoder[S], line: bytes) -> S:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
        sample = printable(line[:60].decode(errors="replace"))
        raise WireError(f"not a message of {PROTOCOL}: {printable(str(failure))} in {sample!r}") from None


def answered(number: int, answer: Answer) -> Answered:
    match answer:
        case Acked(broker_id=broker_id):
            return Answered(id=number, kind="acked", text=broker_id)
        case Refused(code=code, text=words, retry_after_s=retry_after_s):
            return Answered(id=number, kind="refused", text=code, words=words, retry_after_s=retry_after_s)
        case NotSent(reason=reason):
            return Answered(id=number, kind="not_sent", text=reason)
        case Unknown(reason=reason):
            return Answered(id=number, kind="unknown", text=reason)


def answer_of(reply: Answered) -> Answer:
    """The answer that a reply carries; an acceptance without an order id proves nothing (ORD-07)."""
    text = printable(reply.text)
    match reply.kind:
        case "acked":
            return Acked(text) if text else Unknown("accepted without an order id")
        case "refused":
            return Refused(text, printable(reply.words), retry_after_s=max(0.0, reply.retry_after_s))
        case "not_sent":
            return NotSent(text)
        case "unknown":
            return Unknown(text)


def printable(text: str) -> str:
    """Text from outside, without control characters and of bounded length."""
    return "".join(letter for letter in text if letter.isprintable())[:_TEXT_MAX]
