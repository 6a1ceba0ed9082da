"""What must hold between keys, after each key fits on its own: instruments, times, accounts, limits (CFG-03, CFG-04).

Pure. Each fault names one key, so that the loader can put file and line before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import time
from decimal import Decimal
from itertools import chain
from typing import Final
from urllib.parse import urlsplit

import msgspec

from engine.bars import SHORTEST_INTERVAL_NS
from engine.config.accounts import Account, AnyAccount, PaperAccount, XtsAccount
from engine.config.errors import Fault, shown
from engine.config.grid import Grid
from engine.config.key import keys_of
from engine.config.model import MADE_MARKETS, Config, Legs, Mode
from engine.exit_rules.time_exit import TimeExit
from engine.grid.check import GridFacts, violations
from engine.grid.terms import TradeSide
from engine.money import rupees_text
from engine.option_symbol import parse_option_symbol

# Continuous trading: open 09:15; F&O to 15:40 since 2026-08-03, cash to 15:30 (facts/market.md §1.1). The dated session
# table of the engine decides on the day; here the day is not known.
_OPEN: Final = time(9, 15)
_CLOSE: Final = {"NFO": time(15, 40), "BFO": time(15, 40), "NSE": time(15, 30), "BSE": time(15, 30)}
_TICK_PAISE: Final = {"NFO": 5, "BFO": 5, "NSE": 1, "BSE": 1}
"""Smallest tick of the segment; the instrument master has the contract's own."""
_DERIVATIVES: Final = ("NFO", "BFO")
_LOOKS_LIKE_OPTION: Final = re.compile(r"[A-Z&-]+.*\d.*(PE|CE)")
_OPTION_WITHOUT_TYPE: Final = re.compile(r"[A-Z0-9&-]*?\d{2}(?:[A-Z]{3})\d{2}\d{3,}")
_INTERVAL_MAX_NS: Final = 6 * 3600 * 1_000_000_000
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def smallest_tick_paise(exchange: str) -> int:
    """Of the exchange's segment; a contract's own may be larger."""
    return _TICK_PAISE[exchange]


def faults_of(config: Config) -> Iterator[Fault]:
    """Every rule between keys that this configuration breaks."""
    yield from _instruments(config.legs)
    yield from _times(config.legs)
    yield from _levels(config.legs)
    yield from _rule_times(config.legs)
    yield from _accounts(config)
    yield from _groups(config)
    yield from _grids(config)
    yield from _limits(config)
    yield from _gateway(config)
    yield from _alerts(config)
    for name, account in config.accounts.items():
        yield from _addresses(("accounts", name), account)


def _instruments(legs: Legs) -> Iterator[Fault]:
    for key, symbols in (("symbol", (legs.symbol,)), ("extra_symbols", legs.extra_symbols)):
        for symbol in symbols:
            if (problem := _symbol_problem(symbol, legs.exchange)) is not None:
                yield Fault(("legs", key), f"{problem}", f'"{symbol}"')
    known: set[str] = set()
    for symbol in legs.symbols:
        if symbol in known:
            yield Fault(
                ("legs", "extra_symbols"), "stands twice in the group (complements are added to symbol)", f'"{symbol}"'
            )
        known.add(symbol)
    if legs.product == "CNC" and legs.exchange in _DERIVATIVES:
        yield Fault(("legs", "product"), f"is for shares; on {legs.exchange} use MIS or NRML", '"CNC"')
    if legs.product == "NRML" and legs.exchange not in _DERIVATIVES:
        yield Fault(("legs", "product"), f"is for derivatives; on {legs.exchange} use MIS or CNC", '"NRML"')


def _groups(config: Config) -> Iterator[Fault]:
    """Each group on its own, and beside the others: one symbol may stand in several, a name only in one (CON-43)."""
    owners = {config.legs.strategy.casefold(): "[legs]"}
    for name, legs in config.groups.items():
        found = (_instruments(legs), _times(legs), _levels(legs), _rule_times(legs), _lots(config, legs))
        for fault in chain.from_iterable(found):
            yield msgspec.structs.replace(fault, path=("groups", name, *fault.path[1:]))
        owner = owners.setdefault(legs.strategy.casefold(), f"[groups.{name}]")
        if owner != f"[groups.{name}]":
            yield Fault(("groups", name, "strategy"), f"is the name of {owner} already", f'"{legs.strategy}"')
        if legs.account != config.legs.account and (problem := _account_problem(config, legs.account)) is not None:
            yield Fault(("groups", name, "account"), problem, f'"{legs.account}"')


def _grids(config: Config) -> Iterator[Fault]:
    """Each grid by itself, and no name twice in the desk (GRD-62)."""
    # The name of [legs] is taken although no legs trade today: their rows stand in the same journal.
    taken = list(dict.fromkeys(legs.strategy for legs in (config.legs, *config.all_groups)))
    for number, grid in enumerate(config.grids, start=1):
        path = ("grid", str(number))
        terms = config.grid_terms(grid)
        for fault in violations(terms, facts=GridFacts(names_taken=tuple(taken))):
            yield Fault((*path, *fault.key.split(".")), fault.reason, fault.value)
        taken.append(grid.bot_name)
        for fault in chain(_grid_roles(config, grid), _grid_numbers(grid), _grid_times(grid)):
            yield msgspec.structs.replace(fault, path=(*path, *fault.path))


def _grid_roles(config: Config, grid: Grid) -> Iterator[Fault]:
    """Roles name accounts that there are, of the desk's own kind (GRD-38, GRD-39)."""
    sides = {f"{side.value}_oco": side.entry_side in grid.trade_type.sides for side in TradeSide}
    for role in ("trade", "upside_oco", "downside_oco"):
        name: str = getattr(grid.accounts, role)
        if not name or (role != "trade" and not (grid.trade_type.is_hedged and sides[role])):
            continue
        path = ("accounts", role)
        if (problem := _account_problem(config, name)) is not None:
            yield Fault(path, problem, f'"{name}"')
        elif (twin := _same_key(config.accounts, config.accounts[name])) is not None:
            yield Fault(path, f"has the trade key of {twin} but another secret: one of the two is wrong", f'"{name}"')


def _same_key(accounts: Mapping[str, Account], account: Account) -> str | None:
    """An XTS account with the same key and another secret: a key has one secret, and its newest login ends others."""
    if not isinstance(account, XtsAccount):
        return None
    for name, other in accounts.items():
        is_xts = isinstance(other, XtsAccount) and other.root == account.root
        if is_xts and other.login[0] == account.login[0] and other.login != account.login:
            return name
    return None


def _grid_numbers(grid: Grid) -> Iterator[Fault]:
    for name, (_, key) in keys_of(Grid).items():
        value = getattr(grid, name)
        if key.unit in ("₹", "%") and value * 100 % 1:
            yield Fault((name,), "at most two decimals", f"{value}")
    if not grid.hedge_sign:
        yield Fault(("hedge_sign",), "1, or -1 where the tokens move against each other", "0")
    if grid.exchange in _DERIVATIVES and grid.product_type == "CNC":
        yield Fault(("product_type",), f"is for shares; on {grid.exchange} use MIS or NRML", '"CNC"')


def _grid_times(grid: Grid) -> Iterator[Fault]:
    close = _CLOSE[grid.exchange]
    for key in ("no_new_entries_after", "square_off"):
        value: time = getattr(grid, key)
        if value != time(0) and not _OPEN <= value <= close:
            session = f"{grid.exchange} trades from {_OPEN:%H:%M} to {close:%H:%M}; 00:00 = never"
            yield Fault((key,), f"outside the session, {session}", f"{value:%H:%M}")
    if time(0) < grid.square_off < grid.no_new_entries_after:
        last = f"{grid.no_new_entries_after:%H:%M}"
        yield Fault(("square_off",), f"not before no_new_entries_after {last}", f"{grid.square_off:%H:%M}")


def _symbol_problem(symbol: str, exchange: str) -> str | None:
    is_option = parse_option_symbol(symbol) is not None
    if exchange not in _DERIVATIVES:
        return "an option trades on NFO or BFO" if is_option else None
    if is_option:
        return None
    if _LOOKS_LIKE_OPTION.fullmatch(symbol) or _OPTION_WITHOUT_TYPE.fullmatch(symbol):
        return "no option contract can be read from it: underlying, date, strike, PE or CE, as NIFTY01DEC2624500PE"
    return None


def _times(legs: Legs) -> Iterator[Fault]:
    close = _CLOSE[legs.exchange]
    session = f"{legs.exchange} trades from {_OPEN:%H:%M} to {close:%H:%M}"
    for key in ("session_start", "session_end", "square_off"):
        value: time = getattr(legs, key)
        if not _OPEN <= value <= close:
            yield Fault(("legs", key), f"outside the session, {session}", f"{value:%H:%M}")
    if legs.session_start >= legs.session_end:
        yield Fault(
            ("legs", "session_end"),
            f"must be after session_start {legs.session_start:%H:%M}",
            f"{legs.session_end:%H:%M}",
        )
    if legs.enable_eod_square_off and legs.square_off <= legs.session_start:
        yield Fault(
            ("legs", "square_off"),
            f"must be after session_start {legs.session_start:%H:%M}",
            f"{legs.square_off:%H:%M}",
        )
    if legs.interval != "D" and legs.interval_ns < SHORTEST_INTERVAL_NS:
        yield Fault(("legs", "interval"), "too short to act on; at least 10s, or D", f'"{legs.interval}"')
    if legs.interval_ns > _INTERVAL_MAX_NS:
        yield Fault(("legs", "interval"), "longer than a session; at most 6h, or D", f'"{legs.interval}"')


def _levels(legs: Legs) -> Iterator[Fault]:
    tick = smallest_tick_paise(legs.exchange)
    for key, paise in (
        ("profit_target_rupees", legs.profit_target_paise),
        ("stop_loss_rupees", legs.stop_loss_paise),
    ):
        if paise < tick:
            value: Decimal = getattr(legs, key)
            yield Fault(("legs", key), f"at least one tick of {rupees_text(tick)} on {legs.exchange}", f"{value}")
    for key in ("profit_target_percent", "stop_loss_percent"):
        percent: Decimal = getattr(legs, key)
        if percent * 100 % 1:
            yield Fault(("legs", key), "at most two decimals", f"{percent}")
    if legs.blind_exit_after and legs.blind_exit_after < legs.max_tick_age:
        yield Fault(
            ("legs", "blind_exit_after"), f"at least max_tick_age {legs.max_tick_age}, or 0", f"{legs.blind_exit_after}"
        )
    gate = legs.trend_gate
    if gate.ema_fast >= gate.ema_slow:
        yield Fault(("legs", "trend_gate", "ema_fast"), f"must be below ema_slow {gate.ema_slow}", f"{gate.ema_fast}")


def _rule_times(legs: Legs) -> Iterator[Fault]:
    close = _CLOSE[legs.exchange]
    for rule in legs.exit_rules:
        if isinstance(rule, TimeExit):
            at = time(rule.at_s // 3600, rule.at_s // 60 % 60, rule.at_s % 60)
            if not legs.session_start < at <= close:
                window = f"after session_start {legs.session_start:%H:%M} and not after the close {close:%H:%M}"
                yield Fault(("legs", "exit_rules"), f"{rule.label} must lie {window}")


def _accounts(config: Config) -> Iterator[Fault]:
    legs, desk = config.legs, config.desk
    account = config.accounts.get(legs.account)
    if config.has_legs and (problem := _account_problem(config, legs.account)) is not None:
        yield Fault(("legs", "account"), problem, f'"{legs.account}"')
    yield from _one_exchange(config)
    if desk.market not in MADE_MARKETS:
        source = config.accounts.get(desk.market)
        if source is None or isinstance(source, PaperAccount):
            known = ", ".join(MADE_MARKETS)
            yield Fault(("desk", "market"), f"{known} or the name of a real account", f'"{desk.market}"')
    elif config.desk.mode is not Mode.PAPER:
        yield Fault(
            ("desk", "market"),
            f"{desk.mode.value} trading needs real prices, the name of a real account",
            f'"{desk.market}"',
        )
    elif desk.market == "replay" and isinstance(account, PaperAccount) and not account.file:
        yield Fault(
            ("accounts", legs.account, "file"), 'the recorded prices to replay, because [desk] market = "replay"', '""'
        )


def _account_problem(config: Config, name: str) -> str | None:
    """Why nothing can trade this account in the desk's mode."""
    account = config.accounts.get(name)
    if account is None:
        return f"no such account; one of {', '.join(config.accounts)}"
    if config.is_live and isinstance(account, PaperAccount):
        return 'is a paper account, but [desk] mode is "live"'
    if config.desk.mode is Mode.PAPER and not isinstance(account, PaperAccount):
        return 'is a real account, but [desk] mode is "paper"'
    return None


def _one_exchange(config: Config) -> Iterator[Fault]:
    """The paper accounts of a desk are all at one exchange, which has one set of rules."""
    first = config.accounts.get(config.legs.account)
    for name in config.account_names:
        account = config.accounts.get(name)
        if not isinstance(first, PaperAccount) or not isinstance(account, PaperAccount):
            continue
        for key in ("venue", "second_exit_margin", "partial_fills"):
            given, wanted = getattr(account, key), getattr(first, key)
            if given != wanted:
                reason = f"is {shown(wanted)} for {config.legs.account}; paper accounts of one desk share the exchange"
                yield Fault(("accounts", name, key), reason, shown(given))


def _limits(config: Config) -> Iterator[Fault]:
    desk, risk = config.desk, config.risk
    yield from _lots(config, config.legs)
    if not config.is_live:
        return
    if not desk.max_lots:
        yield Fault(("desk", "max_lots"), 'missing: mode "live" asks for a cap, start with 1')
    if not risk.max_day_loss_paise:
        yield Fault(("risk", "max_day_loss_rupees"), 'missing: mode "live" asks for a day-loss limit in rupees')


def _lots(config: Config, legs: Legs) -> Iterator[Fault]:
    desk = config.desk
    if desk.max_lots and legs.lots > desk.max_lots:
        yield Fault(
            ("legs", "lots"), f"above [desk] max_lots {desk.max_lots} of mode {desk.mode.value}", f"{legs.lots}"
        )


def _gateway(config: Config) -> Iterator[Fault]:
    gate = config.gateway
    if gate.exit_reserve >= gate.orders_per_s:
        yield Fault(
            ("gateway", "exit_reserve"), f"must be below orders_per_s {gate.orders_per_s}", f"{gate.exit_reserve}"
        )
    if gate.exit_timeout_seconds > gate.api_timeout_seconds:
        limit = gate.api_timeout_seconds
        yield Fault(
            ("gateway", "exit_timeout_seconds"), f"at most api_timeout_seconds {limit}", f"{gate.exit_timeout_seconds}"
        )


def _alerts(config: Config) -> Iterator[Fault]:
    alerts = config.alerts
    if alerts.webhook_token_name and not alerts.webhook_url_name:
        yield Fault(("alerts", "webhook_token_name"), "is for a webhook, and webhook_url_name is empty")
    if alerts.command and not alerts.command[0].strip():
        yield Fault(("alerts", "command"), "begins with the name of a program", '""')


def _addresses(path: tuple[str, ...], account: AnyAccount | object) -> Iterator[Fault]:
    """Keys and orders go in clear only inside this machine."""
    for field in getattr(account, "__struct_fields__", ()):
        value = getattr(account, field)
        if not isinstance(value, str) or not value.startswith(("http://", "ws://")):
            continue
        try:
            host = urlsplit(value).hostname
        except ValueError:
            host = None
        if host not in _LOOPBACK:
            secure = "https" if value.startswith("http") else "wss"
            yield Fault((*path, field), f"not encrypted; {secure}:// unless the server is 127.0.0.1", f'"{value}"')
