"""Turns raw values of a file or of environment variables into the model's types, and names every one that does not fit.

Pure: dictionaries in, model tables and faults out.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

import msgspec

from engine.config.accounts import ACCOUNT_KINDS, Account, PaperAccount
from engine.config.errors import Fault, printable, shown, sounds_secret
from engine.config.grid import ELSEWHERE, GEOMETRIC_DEFAULTS, Grid
from engine.config.key import TIME_FORM, Key, KeyType, allowed, keys_of, tables_of
from engine.config.model import Config, Legs
from engine.config.position_management import ALWAYS_SO
from engine.exit_rules.registry import RuleFault, read_rules
from engine.exit_rules.rule import ExitRule
from engine.grid.terms import GridKind

Table = TypeVar("Table", bound=msgspec.Struct)
Path = tuple[str, ...]
Say = Callable[[Fault], None]

YES: Final = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_TEXT_MAX: Final = 4096
_MISFIT: Final = object()


class EnvText(str):
    """A value that came as text from a variable, to be read as whatever type its key has."""

    __slots__ = ()


def read_config(document: Mapping[str, object], say: Say) -> Config:
    """The whole document; keys that do not fit are reported and keep their default."""
    tables = tables_of(Config)
    values: dict[str, Any] = {}
    for name, raw in document.items():
        if name == "accounts":
            values[name] = _read_accounts(raw, say)
        elif name in ("groups", "grid"):
            continue  # they take their account from [legs], wherever that stands
        elif name in tables:
            values[name] = _read_table(tables[name], raw, (name,), say)
        else:
            say(Fault((printable(name[:40]),), _unknown_table(name, tables)))
    if "groups" in document:
        values["groups"] = _read_groups(document["groups"], values.get("legs", Legs()).account, say)
    if "grid" in document:
        values["grids"] = _read_grids(document["grid"], values.get("legs", Legs()).account, say)
    config = Config(**values)
    return config if _names_legs(document) or not config.grids else _grids_alone(config)


def _names_legs(document: Mapping[str, object]) -> bool:
    """[legs] with nothing but `account` names the account of the grids, and no contract to trade."""
    legs = as_table(document.get("legs"))
    return "groups" in document or (legs is not None and bool(legs.keys() - {"account"}))


def _grids_alone(config: Config) -> Config:
    """Grids without legs: the main account is that of the first one's entries."""
    legs = msgspec.structs.replace(config.legs, account=config.grids[0].accounts.trade)
    return msgspec.structs.replace(config, legs=legs, has_legs=False)


def _read_groups(raw: object, account: str, say: Say) -> dict[str, Legs]:
    """[groups.NAME]: the keys of [legs], named after their table unless they say otherwise."""
    tables = as_table(raw)
    if tables is None:
        say(Fault(("groups",), "write each group as a table [groups.NAME]", shown(raw)))
        return {}
    groups: dict[str, Legs] = {}
    for name, given in tables.items():
        fields = as_table(given)
        if not _NAME.fullmatch(name):
            say(Fault(("groups", printable(name[:40])), "a group's name has 1 to 40 letters, digits, _ -"))
        elif fields is None:
            say(Fault(("groups", name), f"write each group as a table [groups.{name}]", shown(given)))
        else:
            groups[name] = _read_table(Legs, {"strategy": name, "account": account, **fields}, ("groups", name), say)
    return groups


def _read_grids(raw: object, account: str, say: Say) -> tuple[Grid, ...]:
    """[[grid]]: each trades in the account of [legs] unless it names another."""
    tables = cast("list[object]", raw) if isinstance(raw, list) else [raw, None]
    if not all(isinstance(table, dict) for table in tables):
        say(Fault(("grid",), "write each grid as a table [[grid]]", shown(cast("object", raw))))
        return ()
    return tuple(
        read_grid(as_table(table) or {}, account, ("grid", str(number)), say)
        for number, table in enumerate(tables, start=1)
    )


def read_grid(fields: Mapping[str, object], account: str, path: Path, say: Say) -> Grid:
    """One grid from raw values; what it leaves out has the defaults of its kind, and `account` as its trade account."""
    given = {name: value for name, value in fields.items() if name not in ELSEWHERE}
    for name in fields:
        if name in ELSEWHERE:
            say(Fault((*path, name), ELSEWHERE[name]))
    roles = as_table(given.get("accounts", {}))
    if roles is not None:
        given["accounts"] = {"trade": account, **roles}
    is_geometric = str(given.get("grid_kind", "")).strip() == GridKind.GEOMETRIC
    return _read_table(Grid, {**GEOMETRIC_DEFAULTS, **given} if is_geometric else given, path, say)


def _unknown_table(name: str, tables: Mapping[str, type[msgspec.Struct]]) -> str:
    owner = next((table for table, model in tables.items() if name in keys_of(model)), None)
    if owner is not None:
        return f"stands outside its table; write it under [{owner}]"
    return f"no such table{_nearest(name, [*tables, 'accounts', 'groups', 'grid'])}"


def _read_accounts(raw: object, say: Say) -> dict[str, Account]:
    accounts: dict[str, Account] = {"paper": PaperAccount()}
    tables = as_table(raw)
    if tables is None:
        say(Fault(("accounts",), "write each account as a table [accounts.NAME]", shown(raw)))
        return accounts
    for name, given in tables.items():
        fields = as_table(given)
        path = ("accounts", name)
        if not _NAME.fullmatch(name):
            say(Fault(("accounts", printable(name[:40])), "an account's name has 1 to 40 letters, digits, _ -"))
        elif fields is None:
            say(Fault(path, f"write each account as a table [accounts.{name}]", shown(given)))
        else:
            account = _read_account(fields, path, say)
            if account is not None:
                accounts[name] = account
    return accounts


def _read_account(fields: dict[str, object], path: Path, say: Say) -> Account | None:
    kind = fields.get("kind", "paper" if path[-1] == "paper" else None)
    table = ACCOUNT_KINDS.get(kind) if isinstance(kind, str) else None
    if table is None:
        words = ", ".join(ACCOUNT_KINDS)
        found = "missing" if kind is None else shown(kind)
        say(Fault((*path, "kind"), f"must be one of {words}{_nearest(kind, ACCOUNT_KINDS)}", found))
        return None
    return _read_table(table, {"kind": kind, **fields}, path, say)


def _read_table(table: type[Table], raw: object, path: Path, say: Say) -> Table:
    """One table and its sub-tables."""
    fields = as_table(raw)
    if fields is None:
        say(Fault(path, f"write it as a table [{'.'.join(path)}]", shown(raw)))
        return table()
    keys, inner = keys_of(table), tables_of(table)
    values: dict[str, Any] = {}
    for name, value in fields.items():
        here = (*path, name)
        if name in inner:
            values[name] = _read_table(inner[name], value, here, say)
        elif name not in keys:
            why = ALWAYS_SO.get(here) or _unknown_key(name, [*keys, *inner])
            say(Fault((*path, printable(name[:40])), why))
        else:
            kind, key = keys[name]
            fitting = _read_rules(value, here, say) if kind.base is ExitRule else _fit(value, kind, key)
            if fitting is _MISFIT:
                say(_misfit(here, value, kind, key))
            elif key.instead_of in fields and fitting:
                say(Fault(here, f"{key.instead_of} is given too; only one of the two", shown(value)))
            else:
                values[name] = fitting
    return table(**values)


def _read_rules(value: object, path: Path, say: Say) -> tuple[ExitRule, ...]:
    """A list of exit rules; in a variable it is written as in the file."""

    def tell(fault: RuleFault) -> None:
        where = (*path, *((str(fault.number),) if fault.number else ()), *((fault.key,) if fault.key else ()))
        say(Fault(where, fault.reason, "" if fault.value is None else shown(fault.value)))

    if isinstance(value, EnvText):
        try:
            value = tomllib.loads(f"rules = {value}", parse_float=Decimal).get("rules")
        except (ValueError, ArithmeticError, RecursionError):
            value = str(value)  # which is no list, and is said to be none
    return read_rules(value, tell)


def _misfit(path: Path, value: object, kind: KeyType, key: Key) -> Fault:
    must = f"must be {allowed(kind, key)}"
    if sounds_secret(path[-1]):
        return Fault(path, f"{must}; what stands there is not shown")
    return Fault(path, must + _nearest(value, kind.words), shown(value))


def _unknown_key(name: str, known: list[str]) -> str:
    if f"{name}_name" in known:
        return f"a credential never stands in this file: {name}_name = the name of a secret (docs/configuration.md)"
    return f"no such key{_nearest(name, known)}"


def _fit(value: object, kind: KeyType, key: Key) -> Any:
    """The value in the key's own type, or _MISFIT."""
    if isinstance(value, EnvText):
        value = _from_text(value, kind)
    base = kind.base
    if kind.words and isinstance(value, str) and value in kind.words:
        return base(value) if isinstance(base, type) and issubclass(base, StrEnum) else str(value)
    if base is bool:
        return value if isinstance(value, bool) else _MISFIT
    if base is int:
        return value if type(value) is int and _is_inside(value, key) else _MISFIT
    if base is Decimal:
        return _fit_decimal(value, key)
    if base is time:
        return _fit_time(value)
    if base is tuple:
        return _fit_texts(value, key)
    fits = base is str and not kind.words and isinstance(value, str) and _matches(value, key)
    return str(value) if fits else _MISFIT


def _fit_decimal(value: object, key: Key) -> Any:
    if type(value) is int:
        value = Decimal(value) if abs(value) < 10**18 else _MISFIT
    fits = isinstance(value, Decimal) and value.is_finite() and _is_inside(value, key)
    return value if fits else _MISFIT


def _fit_time(value: object) -> Any:
    if isinstance(value, time):
        return value if value.tzinfo is None and not value.microsecond else _MISFIT
    if isinstance(value, str) and TIME_FORM.fullmatch(value):
        return time.fromisoformat(value.zfill(5) if value.count(":") == 1 else value.zfill(8))
    return _MISFIT


def _fit_texts(value: object, key: Key) -> Any:
    if not isinstance(value, list):
        return _MISFIT
    items = cast("list[object]", value)
    fits = all(isinstance(item, str) and _matches(item, key) for item in items)
    return tuple(str(item) for item in items) if fits else _MISFIT


def _from_text(text: EnvText, kind: KeyType) -> object:
    """What a variable's text stands for, given the key's type; the text itself when it stands for nothing."""
    plain = str(text).strip()
    if kind.base is bool:
        return YES.get(plain.lower(), plain)
    if kind.base is tuple:
        return [part.strip() for part in plain.split(",") if part.strip()]
    if kind.base in (int, Decimal) and plain not in kind.words and len(plain) <= 40:
        try:
            return int(plain) if kind.base is int else Decimal(plain)
        except (ValueError, InvalidOperation):
            return plain
    return plain


def _is_inside(number: int | Decimal, key: Key) -> bool:
    return (key.low is None or number >= key.low) and (key.high is None or number <= key.high)


def _matches(text: str, key: Key) -> bool:
    if len(text) > _TEXT_MAX or not text.isprintable():
        return False
    return not key.pattern or re.fullmatch(key.pattern, text, re.ASCII) is not None


def _nearest(name: object, known: Iterable[str]) -> str:
    if not isinstance(name, str):
        return ""
    close = difflib.get_close_matches(name[:60].lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def as_table(value: object) -> dict[str, Any] | None:
    """A TOML table, whose keys are texts; None for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
