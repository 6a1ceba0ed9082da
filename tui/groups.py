"""The configured groups as the desk wants them: one bot each, with its terms, its timed entries and its start lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from engine.config.model import Config, Legs, TriggerKind
from engine.desk import Desk
from engine.desk_parts import GroupParts
from engine.entry_trigger import TriggerSettings
from engine.instrument import Instrument
from engine.journal.records import BracketRow
from engine.legs import LegsTerms
from engine.messages import Msg
from engine.session import Calendar
from engine.trend_gate import TrendSettings
from engine.trend_watch import TrendWatch


def terms_by_bot(config: Config, account_ids: Mapping[str, str]) -> dict[str, LegsTerms]:
    """How every group trades from now on, in the account that was really opened; `account_ids` by its name."""
    terms = [config.terms_of(legs) for legs in config.all_groups]
    return {one.bot: msgspec.structs.replace(one, account=account_ids[one.account]) for one in terms}


def group_parts(
    config: Config, account_ids: Mapping[str, str], instruments: Mapping[str, Instrument], calendar: Calendar
) -> tuple[GroupParts, ...]:
    """In the order of the file, [legs] first."""
    terms = terms_by_bot(config, account_ids)
    return tuple(
        GroupParts(
            terms=terms[legs.strategy],
            legs=legs.symbols,
            trigger=_trigger(legs),
            trend=_trend(legs, instruments[legs.symbols[0]], calendar),
        )
        for legs in config.all_groups
    )


def _trigger(legs: Legs) -> TriggerSettings | None:
    if legs.entry_trigger is not TriggerKind.BARS:
        return None
    return TriggerSettings(
        interval_ns=legs.interval_ns,
        every_n_bars=legs.trade_every_n_bars,
        session_start=legs.session_start,
        session_end=legs.session_end,
        square_off=legs.square_off if legs.enable_eod_square_off else None,
        ignore_entry_delta=legs.ignore_entry_delta,
    )


def _trend(legs: Legs, primary: Instrument, calendar: Calendar) -> TrendWatch | None:
    gate = legs.trend_gate
    if not gate.enabled:
        return None
    settings = TrendSettings(
        ema_fast=gate.ema_fast,
        ema_slow=gate.ema_slow,
        atr_min_paise=gate.atr_min_paise,
        warmup_days=gate.warmup_days,
    )
    return TrendWatch(settings, legs.interval_ns, primary, calendar)


def orphans(
    config: Config,
    account_ids: Mapping[str, str],
    brackets: Sequence[BracketRow],
    tradable: Mapping[str, Instrument],
) -> str:
    """Open positions of the journal that no configured group would look after, and what to do; empty when none.

    Only an expired contract stands in the way of nothing: it cannot be traded any more.
    """
    symbols: dict[str, tuple[str, ...]] = {legs.strategy: legs.symbols for legs in config.all_groups}
    symbols |= {grid.bot_name: (grid.token_a_symbol, grid.token_b_symbol) for grid in config.grids}
    accounts = {legs.strategy: config.terms_of(legs).account for legs in config.all_groups}
    moved = [row for row in brackets if row.bot in accounts and row.account != account_ids[accounts[row.bot]]]
    if moved:
        row = moved[0]
        held = next(name for name, account_id in account_ids.items() if account_id == row.account)
        return (
            f"still open in this journal: {row.symbol} {row.open_qty:+d} of {row.bot} in account {held}; "
            f'start with account = "{held}" for it until it is closed'
        )
    left = [row for row in brackets if row.symbol in tradable and row.symbol not in symbols.get(row.bot, ())]
    if not left:
        return ""
    names = ", ".join(f"{row.symbol} {row.open_qty:+d}" for row in left)
    first = left[0]
    if any(grid.bot_name == first.bot for grid in config.grids):
        which = f"grid {first.bot} does not trade; start with {first.symbol} in it"
    elif config.has_legs and first.bot == config.legs.strategy:
        which = f"[legs] symbol {config.legs.symbol} does not trade; start with {first.symbol}"
    elif first.bot in symbols:
        which = f"group {first.bot} does not trade; start with {first.symbol} in it"
    else:
        which = f"belongs to {first.bot}, a strategy no group or grid has; start with one that trades {first.symbol}"
    return f"still open in this journal: {names}, which {which} until it is closed"


def say_groups(desk: Desk, config: Config, instruments: Mapping[str, Instrument]) -> None:
    """The operators' start lines of every group (LEG-03, LEG-56)."""
    for legs in config.all_groups:
        symbols, who = legs.symbols, legs.strategy
        if len(symbols) == 1:
            desk.say(Msg.INIT_SINGLE, source=who, symbol=symbols[0])
        elif len(symbols) == 2:
            desk.say(Msg.INIT_DUAL, source=who, primary=symbols[0], secondary=symbols[1])
        else:
            desk.say(Msg.INIT_GROUP, source=who, count=len(symbols), symbols=" + ".join(symbols))
        lots = {symbol: instruments[symbol].lot_size for symbol in symbols}
        for symbol, lot in lots.items():
            desk.say(Msg.LOTS, source=who, symbol=symbol, lot=lot, lots=legs.lots, qty=legs.lots * lot)
        if len(set(lots.values())) > 1:
            detail = ", ".join(f"{symbol} {lot}" for symbol, lot in lots.items())
            desk.say(Msg.LOTS_DIFFER, source=who, detail=detail)
