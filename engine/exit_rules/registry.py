"""Finds the exit rules, reads them from the configuration, and stores them with a position.

A rule is a module of this package that holds an `ExitRule` whose `name` is the module's own. The package is searched
when asked, so a new rule is one file and one line of configuration (RTP-41). A stored rule that can no longer be made
becomes a `LostRule`: it keeps its place and says so; the position keeps every stop it has reached.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Final, cast

import msgspec

from engine.exit_rules.parameter import ParamValue, params_of
from engine.exit_rules.rule import ExitRule, RuleFacts, RuleMemory
from engine.reading import Readings

RULES_MAX: Final = 16
"""Of one position."""
_PACKAGE: Final = "engine.exit_rules"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_BROKEN: Final = (ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError)
_KEY: Final = "rule"
_SHOWN_MAX: Final = 60

Plain = dict[str, object]


class RuleFault(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake in a list of rules."""

    number: int
    """Of the rule in the list, from 1; 0 = the list itself."""
    key: str
    """Empty = the rule as a whole."""
    reason: str
    value: object = None
    """What stands there; None = nothing."""


class RuleError(ValueError):
    """A list of rules that cannot be used; `str()` is one line per fault."""

    def __init__(self, faults: Sequence[RuleFault]) -> None:
        super().__init__("\n".join(_line(fault) for fault in faults))
        self.faults = tuple(faults)


class NoSuchRule(ValueError):
    """No module of this name holds a rule, or it cannot be loaded; the text says which."""


class LostRule(ExitRule, frozen=True, kw_only=True):
    """Stands for a stored rule that can no longer be made; proposes nothing."""

    rule: str
    problem: str

    @property
    def label(self) -> str:
        return self.rule

    def inputs(self, facts: RuleFacts, memory: RuleMemory, readings: Readings) -> str:
        return self.problem


class DecodedRules(msgspec.Struct, frozen=True, kw_only=True):
    """Stored rules made again."""

    rules: tuple[ExitRule, ...]
    """In their stored order and number."""
    warnings: tuple[str, ...] = ()
    """One line for each that is lost."""


_DECODED: Final[dict[bytes, DecodedRules]] = {}
"""Rules are immutable and every position of a bot has the same: made once. Lost ones are looked for again."""
_DECODED_MAX: Final = 100


def rule_names() -> tuple[str, ...]:
    """Every rule there is now, by name; modules that hold none or cannot be loaded are left out."""
    return tuple(sorted(_found()))


def rule_named(name: str) -> type[ExitRule]:
    """The class of a rule. Raises NoSuchRule."""
    if _NAME.fullmatch(name) is None:
        raise NoSuchRule(f"no such rule{_nearest(name)}; one of {', '.join(rule_names())}")
    full_name = f"{_PACKAGE}.{name}"
    try:
        rule = _rule_of(import_module(full_name), name)
    except ModuleNotFoundError as error:
        if error.name != full_name:
            raise NoSuchRule(f"its module cannot be loaded: {_first_line(error)}") from None
        rule = None
    except _BROKEN as error:
        raise NoSuchRule(f"its module cannot be loaded: {_first_line(error)}") from None
    if rule is None:
        raise NoSuchRule(f"no such rule{_nearest(name)}; one of {', '.join(rule_names())}")
    return rule


def parse_rules(tables: object) -> tuple[ExitRule, ...]:
    """The rules of a list of tables `{ rule = "breakeven", gain_pct = 10 }`. Raises RuleError with every fault."""
    faults: list[RuleFault] = []
    rules = read_rules(tables, faults.append)
    if faults:
        raise RuleError(faults)
    return rules


def read_rules(tables: object, say: Callable[[RuleFault], None]) -> tuple[ExitRule, ...]:
    """As `parse_rules`, telling each fault and leaving its rule out."""
    if not isinstance(tables, list | tuple):
        say(RuleFault(number=0, key="", reason='must be a list of rules, as { rule = "breakeven" }', value=tables))
        return ()
    items = cast("Sequence[object]", tables)
    if len(items) > RULES_MAX:
        say(RuleFault(number=0, key="", reason=f"at most {RULES_MAX} rules", value=len(items)))
        return ()
    read = [_read_rule(number, table, say) for number, table in enumerate(items, start=1)]
    return tuple(rule for rule in read if rule is not None)


def rule_table(rule: ExitRule) -> Plain:
    """A rule as the configuration writes it, with every parameter in use."""
    params = params_of(type(rule))
    values = {param.key: param.plain(getattr(rule, field)) for field, param in params.items()}
    unused = {params[field].key for field in rule.either if getattr(rule, field) == 0}
    return {_KEY: rule.name, **{key: value for key, value in values.items() if key not in unused}}


def encode_rules(rules: Sequence[ExitRule]) -> tuple[Plain, ...]:
    """As plain values for a bracket's terms: the engine's units, every parameter spelt out."""
    return tuple({_KEY: rule.name, **_fields(rule)} for rule in rules)


def decode_rules(encoded: Sequence[Mapping[str, object]]) -> DecodedRules:
    """Stored rules made again; one that cannot be is a LostRule in its place and a warning."""
    key = msgspec.json.encode(encoded)
    if key in _DECODED:
        return _DECODED[key]
    rules = tuple(_decoded(table) for table in encoded)
    lost = [rule for rule in rules if isinstance(rule, LostRule)]
    decoded = DecodedRules(
        rules=rules,
        warnings=tuple(f"exit rule {rule.rule} is lost: {rule.problem}; stops reached so far stay" for rule in lost),
    )
    if not lost and len(_DECODED) < _DECODED_MAX:
        _DECODED[key] = decoded
    return decoded


def _found() -> Iterator[str]:
    for module in iter_modules(import_module(_PACKAGE).__path__):
        try:
            if _rule_of(import_module(f"{_PACKAGE}.{module.name}"), module.name) is not None:
                yield module.name
        except _BROKEN:
            continue  # named when it is asked for


def _rule_of(module: ModuleType, name: str) -> type[ExitRule] | None:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, ExitRule) and value.name == name:
            return value
    return None


def _read_rule(number: int, table: object, say: Callable[[RuleFault], None]) -> ExitRule | None:
    if not isinstance(table, dict):
        say(RuleFault(number=number, key="", reason='write it as a table, { rule = "breakeven" }', value=table))
        return None
    given = cast("dict[str, object]", table)
    name = given.get(_KEY)
    if not isinstance(name, str):
        say(RuleFault(number=number, key=_KEY, reason=f"must be one of {', '.join(rule_names())}", value=name))
        return None
    try:
        rule = rule_named(name)
    except NoSuchRule as error:
        say(RuleFault(number=number, key=_KEY, reason=str(error), value=name))
        return None
    return _made(number, rule, {key: value for key, value in given.items() if key != _KEY}, say)


def _made(
    number: int, rule: type[ExitRule], given: Mapping[str, object], say: Callable[[RuleFault], None]
) -> ExitRule | None:
    fields = {param.key: field for field, param in params_of(rule).items()}
    params = params_of(rule)
    values: dict[str, ParamValue] = {}
    is_whole = True

    def misfit(key: str, reason: str, value: object = None) -> None:
        nonlocal is_whole
        is_whole = False
        say(RuleFault(number=number, key=key, reason=reason, value=value))

    for key, raw in given.items():
        if key not in fields:
            misfit(_printable(key), f"{rule.name} has no such key; one of {', '.join(fields) or 'none'}")
            continue
        try:
            values[fields[key]] = params[fields[key]].read(raw)
        except ValueError as error:
            misfit(key, str(error), raw)
    chosen = [field for field in rule.either if params[field].key in given]
    if len(chosen) > 1:
        keys = [params[field].key for field in chosen]
        misfit(keys[1], f"{keys[0]} is given too; {rule.name} takes one of the two", given[keys[1]])
    elif chosen:
        values |= {field: 0 for field in rule.either if field not in values}
    required = [field.name for field in msgspec.structs.fields(rule) if field.required]
    for field in required:
        if params[field].key not in given:
            misfit(params[field].key, f"missing: {rule.name} asks for it, {params[field].allowed}")
    if not is_whole:
        return None
    try:
        return rule(**values)
    except ValueError as error:
        misfit("", str(error))
        return None


def _fields(rule: ExitRule) -> Plain:
    values: dict[str, object] = msgspec.structs.asdict(rule)
    return {
        field: list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value
        for field, value in values.items()
    }


def _decoded(table: Mapping[str, object]) -> ExitRule:
    name = str(table.get(_KEY, ""))
    try:
        return msgspec.convert({key: value for key, value in table.items() if key != _KEY}, rule_named(name))
    except (NoSuchRule, msgspec.ValidationError) as error:
        return LostRule(rule=_printable(name) or "(nameless)", problem=_first_line(error))


def _nearest(name: str) -> str:
    close = get_close_matches(name[:_SHOWN_MAX].lower(), rule_names(), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _first_line(error: Exception) -> str:
    own = "" if isinstance(error, NoSuchRule | msgspec.ValidationError) else f"{type(error).__name__}: "
    return _printable(f"{own}{error}".split("\n", maxsplit=1)[0], most=200)


def _printable(text: str, most: int = _SHOWN_MAX) -> str:
    """Words of a file may hold anything: on one line, controls escaped, cut (SEC-02)."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:most])


def _line(fault: RuleFault) -> str:
    place = ".".join(part for part in (str(fault.number) if fault.number else "", fault.key) if part)
    value = "" if fault.value is None else f" = {repr(fault.value)[:_SHOWN_MAX]}"
    return f"exit_rules{f'.{place}' if place else ''}{value}: {fault.reason}"
