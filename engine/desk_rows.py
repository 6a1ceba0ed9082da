"""Turns the desk's facts into journal rows: one place where the core's structs meet the tables."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.bot import BotBody
from engine.bracket import Bracket
from engine.bracket_state import BracketBody, BracketTerms
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.instant import ist_date
from engine.journal.records import AnswerRow, AnswerWord, BracketRow, EventRow, IntentRow, PositionRow, TradeRow
from engine.money import divide_half_up
from engine.order import Order, Side
from engine.outbox import CancelOrder, ModifyOrder, Op, OrderCommand, RoundTrip, Said, op_of
from engine.port import Acked, Answer, NotSent, Refused
from engine.positions import Position


def trading_day(at_ns: int) -> str:
    """ISO date in IST."""
    return ist_date(at_ns).isoformat()


def intent_row(command: OrderCommand, order: Order, at_ns: int) -> IntentRow:
    """What is about to be sent; a modify's row carries the terms it asks for."""
    is_modify = isinstance(command, ModifyOrder)
    return IntentRow(
        tag=order.tag,
        op=op_of(command),
        account=order.account,
        bracket_id=order.bracket_id,
        role=order.role,
        symbol=order.symbol,
        side=order.side,
        type=command.type if is_modify else order.type,
        qty=command.qty if is_modify else order.qty,
        limit_paise=command.limit_paise if is_modify else order.limit_paise,
        trigger_paise=command.trigger_paise if is_modify else order.trigger_paise,
        reason=command.context if isinstance(command, ModifyOrder | CancelOrder) else order.reason,
        at_ns=at_ns,
    )


def answer_row(tag: str, op: Op, answer: Answer, at_ns: int) -> AnswerRow:
    word: AnswerWord
    code, text = "", ""
    match answer:
        case Acked(broker_id=code):
            word = "acked"
        case Refused(code=code, text=text):
            word = "refused"
        case NotSent(reason=text):
            word = "not_sent"
        case _:
            word, text = "unknown", answer.reason
    return AnswerRow(tag=tag, op=op, answer=word, code=code, text=text, at_ns=at_ns)


def bracket_row(bracket: Bracket) -> BracketRow:
    body = bracket.body
    return BracketRow(
        bracket_id=body.bracket_id,
        account=body.account,
        bot=body.bot,
        symbol=body.symbol,
        style=body.style.value,
        state=body.state.value,
        open_qty=bracket.open_qty,
        entry_paise=body.entry_paise,
        stop_paise=body.stop_paise,
        target_paise=body.target_paise,
        opened_ns=body.opened_ns,
        closed_ns=body.closed_ns,
        body=msgspec.json.encode(body),
    )


def trade_id(trip: RoundTrip) -> str:
    """The key of a round trip in the journal and in the day's charges."""
    return f"{trip.bracket_id}-surplus" if trip.kind == "surplus" else trip.bracket_id


def trade_row(trip: RoundTrip, charges_paise: int) -> TradeRow:
    """A round trip as its journal row; charges are the broker's and the state's, estimated (OPS-34)."""
    is_surplus = trip.kind == "surplus"
    return TradeRow(
        trade_id=trade_id(trip),
        bracket_id=trip.bracket_id,
        account=trip.account,
        bot=trip.bot,
        symbol=trip.symbol,
        side=Side.SELL if trip.side == "SHORT" else Side.BUY,
        qty=trip.qty,
        entry_paise=divide_half_up(trip.entry_value_paise, trip.qty),
        exit_paise=divide_half_up(trip.exit_value_paise, trip.qty),
        entry_value_paise=trip.entry_value_paise,
        exit_value_paise=trip.exit_value_paise,
        gross_paise=trip.gross_paise,
        brokerage_paise=trip.costs_paise,
        charges_paise=charges_paise,
        net_paise=trip.net_paise,
        reason=trip.reason,
        provisional=trip.is_provisional,
        opened_ns=trip.opened_ns,
        closed_ns=trip.closed_ns,
        trading_day=trading_day(trip.closed_ns),
        order_count=trip.order_count,
        surplus_qty=trip.qty if is_surplus else 0,
        surplus_paise=trip.gross_paise if is_surplus else 0,
        level_paise=trip.level_paise,
        trigger_paise=trip.trigger_paise,
        slippage_paise=trip.slippage_paise,
    )


def position_row(position: Position, at_ns: int) -> PositionRow:
    return PositionRow(
        account=position.account,
        symbol=position.symbol,
        product=position.product,
        net_qty=position.net_qty,
        buy_qty=position.buy_qty,
        buy_value_paise=position.buy_value_paise,
        sell_qty=position.sell_qty,
        sell_value_paise=position.sell_value_paise,
        trading_day=trading_day(at_ns),
    )


def event_row(said: Said, text: str, at_ns: int) -> EventRow:
    return EventRow(
        at_ns=at_ns,
        level=said.msg.level,
        event=said.msg.name.lower(),
        source=said.source,
        symbol=said.symbol,
        tag=said.tag,
        text=text,
        body=said.body,
    )


def encode_body(body: BotBody) -> bytes:
    return msgspec.json.encode(body)


def decode_bracket(body: bytes) -> BracketBody:
    """What a bracket remembered, in today's form or in the first one, whose terms stood by name."""
    stored = msgspec.json.decode(body)
    if isinstance(stored["terms"], dict):
        stored["terms"] = _terms_by_place(stored["terms"])
    return msgspec.convert(stored, type=BracketBody)


def _terms_by_place(named: dict[str, Any]) -> list[Any]:
    """Terms of the first form; its one trailing rule was a table of its own."""
    trail = named.get("trail")
    if trail is not None:
        named["rules"] = encode_rules((msgspec.convert(trail, type=LockFraction),))
    defaults: list[Any] = msgspec.to_builtins(BracketTerms())
    return [named.get(name, default) for name, default in zip(BracketTerms.__struct_fields__, defaults, strict=True)]
