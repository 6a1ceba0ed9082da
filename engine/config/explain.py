"""What a configuration means, in a trader's words (`strikedesk check`), and as the JSON of the start line (LEG-55).

Pure. No secret is in a configuration; their places are shown as `***`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import time
from decimal import Decimal
from enum import StrEnum
from typing import Final, cast

import msgspec

from engine.config.accounts import Account, DhanAccount, KiteAccount, OpenAlgoAccount, PaperAccount, XtsAccount
from engine.config.grid import Grid
from engine.config.model import Config, Legs, TriggerKind
from engine.exit_rules.registry import rule_table
from engine.exit_rules.rule import ExitRule
from engine.grid.check import warnings
from engine.grid.geometry import level_count
from engine.grid.terms import OnTerminate, TradeSide
from engine.guardian import OnSilence
from engine.legs import PairPolicy
from engine.money import divide_half_up, rupees_text
from engine.order_pricing import ONE_TICK_GAP
from engine.view import ExitStyle

MASK: Final = "***"
_TERMINATE_WORDS: Final = {OnTerminate.KEEP: "keeps", OnTerminate.FLATTEN: "closes"}
_LABEL_WIDTH: Final = 12
_STYLE_WORDS: Final = {
    ExitStyle.RESTING: "target and stop both rest at {place}",
    ExitStyle.HYBRID: "only the stop rests at {place}; target and trailing are watched here and die with this program",
    ExitStyle.MONITORED: "nothing rests; target, stop and trailing are watched here and die with this program",
}
_BROKER: Final = "the broker, where it outlives this program"
_PAPER: Final = "the built-in exchange: its books survive this program, its prices stop with it"
_VENUE: Final = "the paper exchange of another process, where it outlives this program"


def explain(config: Config, lot_sizes: Mapping[str, int] | None = None) -> str:
    """One labelled line per matter. `lot_sizes` by symbol, when the master is at hand, give units and rupees."""
    lines = (
        *_desk_lines(config),
        *(line for legs in config.all_groups for line in _group_lines(config, legs, lot_sizes or {})),
        *(line for grid in config.grids for line in _grid_lines(config, grid)),
        *_limit_lines(config),
        *_alert_lines(config),
        *_guardian_lines(config),
    )
    return "\n".join(f"{label:<{_LABEL_WIDTH}}{text}" for label, text in lines)


def as_json_masked(config: Config) -> str:
    """Every key, and every place where a credential goes, masked: for the start line (LEG-55)."""
    return msgspec.json.encode(_plain(config)).decode("utf-8")


def _desk_lines(config: Config) -> Iterator[tuple[str, str]]:
    desk = config.desk
    if config.is_live:
        yield "Mode", "LIVE: real orders with real money"
    elif config.is_rehearsal:
        yield "Mode", "rehearsal: orders go to loopback venues of this machine, no money"
    else:
        yield "Mode", "paper: no order leaves this machine"
    match desk.market:
        case "demo":
            index = f"the index {config.index}" if config.has_legs else ""
            shares = "the shares IRFC and SBIN" if config.grids else ""
            around = " and ".join(words for words in (index, shares) if words)
            yield "Prices", f"made up here around {around}; not the real market"
        case "replay":
            file = getattr(config.trading_account, "file", "")
            yield "Prices", f"recorded, from {file}"
        case name:
            yield "Prices", f"live, from account {name} ({account_words(config.accounts[name])})"
    yield "Account", f"{config.legs.account}: {account_words(config.trading_account)}"


def account_words(account: Account) -> str:
    """What an account is and which secrets it needs, by name."""
    match account:
        case PaperAccount():
            where = f"paper exchange at {account.venue}" if account.venue else "built-in exchange"
            return f"{where}, {rupees_text(account.funds_paise, grouped=True)} rupees of play money"
        case KiteAccount():
            words = f"Zerodha Kite, user {account.user}, {account.api_url}"
        case OpenAlgoAccount():
            words = f"OpenAlgo at {account.host}"
        case XtsAccount():
            words = f"XTS at {account.root}"
        case DhanAccount():
            words = f"Dhan, client {account.client_id or '(not given)'}, {account.api_url}"
        case _:
            words = type(account).__name__
    return f"{words}; secrets {', '.join(account.secret_names)}"


def _group_lines(config: Config, legs: Legs, lot_sizes: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    if config.groups:
        loss = f", no entry after a day loss of {_rupees(legs.max_day_loss_paise)}" if legs.max_day_loss_paise else ""
        yield "Group", f"{legs.strategy}, a bot of its own{loss}"
    yield from _leg_lines(legs, lot_sizes)
    yield from _exit_lines(legs, place=_place(config))


def _grid_lines(config: Config, grid: Grid) -> Iterator[tuple[str, str]]:
    """A grid in its owner's words; its prices are shown by `strikedesk grid --dry-run`."""
    terms = config.grid_terms(grid)
    centre = _rupees(terms.entry_paise) if terms.entry_paise else f"the first price of {grid.token_a_symbol}"
    sides = " and ".join(side.value for side in terms.trade_type.sides)
    levels = level_count(terms)
    yield (
        "Grid",
        f"{grid.bot_name}, {terms.kind.value}, {terms.trade_type.value}: {levels} {sides} levels round {centre}",
    )
    yield "", f"{grid.token_a_symbol} on {grid.exchange}, {grid.product_type}, account {terms.accounts.trade}"
    if terms.is_hedged:
        roles = {f"{side.entry_side.value} entries in {terms.accounts.hedge(side)}": side for side in TradeSide}
        where = ", ".join(words for words, side in roles.items() if side.entry_side in terms.trade_type.sides)
        spread = _rupees(terms.oco_spread_paise)
        yield "Hedge", f"{terms.qty_b} {grid.token_b_symbol} a level, {spread} beyond its price at the fill: {where}"
        yield "Ends", f"after {terms.oco_stop_count} overdue hedges of one side, or an imbalance of {terms.steps}"
    for warning in warnings(terms):
        yield "Note", warning.text
    stop = _day_end_words(grid.no_new_entries_after, grid.square_off)
    yield "Day's end", f"{stop}; an ended grid {_TERMINATE_WORDS[terms.on_terminate]} what is open"
    left = "its resting orders are cancelled" if terms.cancel_on_stop else "its resting orders stay, nobody pairs them"
    yield "On stop", f"{left}; positions are kept"


def _day_end_words(last: time, square_off: time) -> str:
    entries = f"no entry from {last:%H:%M} IST" if last != time(0) else "entries to the close"
    return f"{entries}, {f'MIS positions closed at {square_off:%H:%M}' if square_off != time(0) else 'no square-off'}"


def _leg_lines(legs: Legs, lot_sizes: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    alone = " alone" if len(legs.symbols) == 1 else ""
    yield "Legs", f"{' + '.join(legs.symbols)}{alone} on {legs.exchange}, product {legs.product}"
    lots = f"{legs.lots} lot{'s' if legs.lots > 1 else ''} of each"
    units = [f"{legs.lots * lot_sizes[symbol]} units of {symbol}" for symbol in legs.symbols if symbol in lot_sizes]
    yield "Quantity", f"{lots}: {', '.join(units)}" if units else f"{lots}; units by the day's instrument master"
    if units:
        total = sum(legs.lots * lot_sizes[symbol] for symbol in legs.symbols if symbol in lot_sizes)
        target, stop = _level_words(legs)
        gain = f"{target} of the entries" if legs.profit_target_percent else _rupees(total * legs.profit_target_paise)
        loss = f"{stop} of the entries" if legs.stop_loss_percent else _rupees(total * legs.stop_loss_paise)
        yield "Stakes", f"all targets +{gain}, all stops -{loss}, before charges and slippage"
    yield "Entry", _entry_words(legs)
    if len(legs.symbols) > 1:
        both = legs.pair_policy is PairPolicy.BOTH_OR_NONE
        yield "Pair", "a leg that fails to enter takes the others out too" if both else "legs live independently"
    if legs.allow_short:
        yield "Short", "SHORT requests are taken: options are sold"


def _entry_words(legs: Legs) -> str:
    if legs.entry_trigger is TriggerKind.OFF:
        return "never: protection and exits only"
    window = f"from {legs.session_start:%H:%M} to {legs.session_end:%H:%M} IST"
    if legs.entry_trigger is TriggerKind.KEY:
        return f"only when you ask for it, {window}"
    nth = "every" if legs.trade_every_n_bars == 1 else f"every {legs.trade_every_n_bars}th"
    gate = ", if the trend gate agrees" if legs.trend_gate.enabled else ""
    return f"buys all legs at market after {nth} closed {legs.interval} bar, {window}, while all are flat{gate}"


def _place(config: Config) -> str:
    """Where a resting order rests."""
    account = config.trading_account
    if config.is_live or not isinstance(account, PaperAccount):
        return _BROKER
    return _VENUE if account.venue else _PAPER


def _exit_lines(legs: Legs, *, place: str) -> Iterator[tuple[str, str]]:
    target, stop = _level_words(legs)
    yield "Exits", f"target {target} above, stop {stop} below the average entry, per unit"
    yield "Rests", _STYLE_WORDS[legs.exit_style].format(place=place)
    gap = "one tick" if legs.stop_gap_bps == ONE_TICK_GAP else f"{_percent(legs.stop_gap_bps)} of the trigger"
    yield "Stop order", f"{legs.sl_order_type.value}; as a stop-limit its limit lies {gap} below the trigger"
    if legs.enable_trailing_sl:
        yield (
            "Trailing",
            f"from {_trail_start(legs)} of profit on, the stop locks {legs.trail_lock_percent} % of the best",
        )
    else:
        yield "Trailing", "off"
    for rule in legs.exit_rules:
        yield "Exit rule", rule.words()
    blind = f"left after {legs.blind_exit_after} s" if legs.blind_exit_after else "kept, with an alarm"
    yield "No price", f"nothing is decided on a price older than {legs.max_tick_age} s; a leg without one is {blind}"
    bare = f"left after {legs.naked_limit_seconds} s" if legs.naked_limit_seconds else "kept"
    yield "Naked", f"an alarm after 2 s without a working stop; the position is {bare}"
    band = f"marketable limit {_percent(legs.protection_bps)} through the touch, re-priced every {legs.chase_ms} ms"
    if legs.enable_eod_square_off:
        yield "Square-off", f"at {legs.square_off:%H:%M} IST: exits are cancelled, what is open is sold by a {band}"
    else:
        yield "Square-off", "none: open legs are left to the broker's own square-off"


def _level_words(legs: Legs) -> tuple[str, str]:
    """Distance of target and stop from the entry, each in its own unit."""
    target, stop = legs.profit_target_percent, legs.stop_loss_percent
    return (
        f"{target.normalize():f} %" if target else _rupees(legs.profit_target_paise),
        f"{stop.normalize():f} %" if stop else _rupees(legs.stop_loss_paise),
    )


def _trail_start(legs: Legs) -> str:
    if legs.profit_target_percent:
        return f"{(legs.profit_target_percent * legs.trail_activation_percent / 100).normalize():f} % (of the entry)"
    return _rupees(divide_half_up(legs.profit_target_paise * int(legs.trail_activation_percent * 100), 10_000))


def _limit_lines(config: Config) -> Iterator[tuple[str, str]]:
    risk, gate = config.risk, config.gateway
    caps = [f"{config.desk.max_lots} lots a leg"] if config.desk.max_lots else []
    if risk.max_day_loss_paise:
        caps.append(f"no entry after a day loss of {_rupees(risk.max_day_loss_paise)}")
    if risk.max_entries_per_day:
        caps.append(f"{risk.max_entries_per_day} entries a day{' and group' if config.groups else ''}")
    if not config.position_management.enabled:
        caps = ["no entry at all: [position_management] enabled = false", *caps]
    yield "Limits", "; ".join(caps) or "none set"
    gap = f", at least {gate.order_gap_seconds} s apart" if gate.order_gap_seconds else ""
    yield "Orders", f"at most {gate.orders_per_s} a second{gap}, {gate.exit_reserve} of them kept for exits"


def _alert_lines(config: Config) -> Iterator[tuple[str, str]]:
    alerts = config.alerts
    if not alerts.channel_words:
        yield "Alerts", "on the screen and in the log only: nobody is called when you look away"
        return
    yield "Alerts", f"{', '.join(alerts.channel_words)}; the same alert once a minute, a try at most {alerts.timeout} s"


def _guardian_lines(config: Config) -> Iterator[tuple[str, str]]:
    guardian = config.guardian
    if not guardian.enabled:
        yield "Guardian", "none: when this program stands still or dies, nobody is told by it"
        return
    closes = ", then it takes the account over and closes what today's orders opened"
    does = closes if guardian.act is OnSilence.FLATTEN else ""
    yield "Guardian", f"a second process; an alarm {guardian.silence_seconds} s after this one's last beat{does}"


def _rupees(paise: int) -> str:
    return f"₹{rupees_text(paise, grouped=True)}"


def _percent(bps: int) -> str:
    return f"{Decimal(bps) / 100:f} %"


def _plain(value: object) -> object:
    """Structs and their values as JSON has them: amounts as numbers, times as HH:MM:SS."""
    match value:
        case ExitRule():
            return _plain(rule_table(value))
        case msgspec.Struct():
            table = {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
            if isinstance(value, Account):
                table |= {name.removesuffix("_name"): MASK for name in table if name.endswith("_name")}
            return table
        case dict():
            return {str(name): _plain(item) for name, item in cast("dict[object, object]", value).items()}
        case tuple():
            return [_plain(item) for item in cast("tuple[object, ...]", value)]
        case StrEnum():
            return value.value
        case Decimal():
            return msgspec.Raw(f"{value:f}".encode("ascii"))
        case time():
            return value.isoformat()
        case _:
            return value
