"""Writes docs/configuration.md from the model: `python -m engine.config.doc`. A test compares the page with the code.

The text of each key is the docstring below it in the source.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from datetime import time
from decimal import Decimal
from enum import StrEnum

import msgspec

from engine.config.accounts import ACCOUNT_KINDS
from engine.config.environment import (
    LOG_TO_FILE,
    NO_KEY_HERE,
    OPENALGO_KEYS,
    SEED_KEYS,
    TEST_MODE,
    variable_of,
)
from engine.config.grid import GEOMETRIC_DEFAULTS, Grid, Roles
from engine.config.key import KeyType, allowed, keys_of, tables_of
from engine.config.model import Config
from engine.exit_rules.parameter import params_of
from engine.exit_rules.registry import rule_named, rule_names
from engine.exit_rules.rule import ExitRule

_HEAD = """# Configuration

Written by `make docs` from `engine/config/`; a test compares it with the code.

`config.toml` is yours: the program reads it and never writes it. It is looked for in this order: the file named by
`--config`, the variable `STRIKEDESK_CONFIG`, `config.toml` in the working folder, `strikedesk/config.toml` in the
user's configuration directory. Without any the paper demo runs on built-in defaults. `strikedesk check` reads it, names
every mistake with file, line, key, value and what is allowed, and says in words what the rest means.

Keys marked **live** take effect when the configuration is read again while the desk runs; positions that are open keep
the terms they were opened with. All others need a restart, and the desk says so by name.
"""

_RULES_HEAD = """
## Exit rules

`exit_rules` in [legs] is a list of tables, each the name of a rule and what differs from its defaults, e.g. `exit_rules
= [{ rule = "breakeven", gain_pct = 10 }, { rule = "time_exit", at = "15:10" }]`. All of them work at once beside the
fixed stop and target: the tightest stop counts and never loosens, and the first reason to leave closes the position.
For a short position everything is mirrored. "Gain" is per unit unless it says otherwise; charges are not taken off.
"""

_GROUPS = """
### More groups

Every table `[groups.NAME]` is a further group of legs with the keys of [legs], traded by a bot of its own in the same
desk and account. `strategy` defaults to NAME, `account` to that of [legs]. Two groups may hold the same contract, each
with its own exits; two groups with one `strategy` are refused. Variables: `STRIKEDESK_GROUPS_NAME_LOTS`.
"""

_GRID = """
### A geometric grid

`grid_kind = "geometric"` has other defaults, the older bot's: {defaults}. `base_space`, `base_target` and
`total_quantity` are its shape; `steps`, `spread` and `target_spread` do not count, and it never pauses by quantity.

Every table `[[grid]]` is one grid, a bot of its own; its variables are numbered by the order of the tables, e.g.
`STRIKEDESK_GRID_1_STEPS`. Two grids of one name are refused, and so is a grid whose own targets would meet: with the
defaults of `spread` and `target_spread` they do, so give at least one of the two. `strikedesk grid --dry-run` shows the
levels of a grid; the seed's keys for credentials have no place here, `accounts` names accounts.
"""

_ENVIRONMENT = """
## Environment variables

Every key has a variable: `STRIKEDESK_` and the path of the key in capitals, e.g. `{example}`. It is stronger
than everything else. Lists are separated by commas, switches are true or false.

The names of the leg scalper's old `.env` are honoured when they come from the file given by `--env-file`, or from the
environment when `[desk] seed_env = true`. `TEST_MODE=true` forces the paper demo wherever it stands; `TEST_MODE=false`
does not switch to live, only `[desk] mode = "live"` does.

| variable | key |
|---|---|
"""

_SECRETS = """
## Secrets

No credential stands in `config.toml`. A key that ends in `_name` holds the name of a secret, which is looked up in the
environment, then in the secrets file (`NAME=value` lines; `secrets.env` in the configuration directory unless `[desk]
secrets_file` says otherwise; refused unless it is yours and closed to all others, `chmod 600`), then in the system's
keyring (install the extra `keyring`; service `strikedesk`, user the name). `strikedesk check` tells where each was
found and shows none.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([*_tables(), *_environment(), _SECRETS.strip("\n"), ""])


def _tables() -> Iterator[str]:
    yield _HEAD
    for name, table in tables_of(Config).items():
        yield from _section(name, table)
        if name == "legs":
            yield _GROUPS.strip("\n") + "\n"
        for inner_name, inner in tables_of(table).items():
            yield from _section(f"{name}.{inner_name}", inner)
        if name == "legs":
            yield from _exit_rules()
            yield from _grid()
        if name == "desk":
            for kind, account in ACCOUNT_KINDS.items():
                yield from _section(f'accounts.NAME] with kind = "{kind}"', account, close="")


def _grid() -> Iterator[str]:
    yield from _section("[grid]", Grid)
    yield from _section("[grid]] accounts = { ... }", Roles, close="")
    shown = ", ".join(f"`{key} = {_default_text(value).strip('`')}`" for key, value in GEOMETRIC_DEFAULTS.items())
    yield _GRID.format(defaults=shown).strip("\n") + "\n"


def _section(title: str, table: type[msgspec.Struct], close: str = "]") -> Iterator[str]:
    texts = field_texts(table)
    yield f"## [{title}{close}\n"
    yield f"{inspect.getdoc(table)}\n"
    yield "| key | type | default | unit | allowed | meaning | rows |"
    yield "|---|---|---|---|---|---|---|"
    defaults = {field.name: field.default for field in msgspec.structs.fields(table)}
    for name, (kind, key) in keys_of(table).items():
        live = " **live**" if key.is_live else ""
        default = _default_text(defaults[name])
        cells = (f"`{name}`{live}", _type_word(kind), default, key.unit, allowed(kind, key), texts[name], key.row)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _exit_rules() -> Iterator[str]:
    """Every rule there is, from its own class."""
    yield _RULES_HEAD.strip("\n") + "\n"
    for name in rule_names():
        rule = rule_named(name)
        texts, params = field_texts(rule), params_of(rule)
        defaults = {field.name: field.default for field in msgspec.structs.fields(rule)}
        yield f"### {name}\n\n{' '.join((inspect.getdoc(rule) or '').split())}\n"
        yield "| key | default | allowed | meaning |"
        yield "|---|---|---|---|"
        for field, param in params.items():
            default = defaults[field]
            if default is msgspec.NODEFAULT:
                shown = "required"
            else:
                shown = "none" if field in rule.either and default == 0 else f"`{param.text(default)}`"
            yield f"| `{param.key}` | {shown} | {param.allowed} | {texts[field]} |"
        yield ""


def _environment() -> Iterator[str]:
    yield _ENVIRONMENT.format(example=variable_of(("legs", "trend_gate", "ema_fast"))).strip("\n")
    for variable, path in SEED_KEYS.items():
        yield f"| `{variable}` | `{'.'.join(path)}` |"
    for variable, key in OPENALGO_KEYS.items():
        yield f"| `{variable}` | `{key}` of every account of kind openalgo; without one, of a new account `openalgo` |"
    yield f"| `{TEST_MODE}` | true: `desk.mode` paper, `desk.market` demo, `legs.account` paper |"
    yield f"| `{LOG_TO_FILE}` | false: `desk.log_file` empty |"
    for variable, reason in NO_KEY_HERE.items():
        yield f"| `{variable}` | no effect: {reason} |"


def field_texts(table: type[msgspec.Struct]) -> dict[str, str]:
    """The docstring below each field of the class and of those it comes from, on one line."""
    structs = [kind for kind in table.__bases__ if issubclass(kind, msgspec.Struct)]
    parents = [kind for kind in structs if kind is not msgspec.Struct]
    return {name: text for kind in (*parents, table) for name, text in _own_texts(kind).items()}


def _own_texts(table: type[msgspec.Struct]) -> dict[str, str]:
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(table))).body
    assert isinstance(body, ast.ClassDef)
    texts: dict[str, str] = {}
    field = ""
    for node in body.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)):
                field = name
            case ast.Expr(value=ast.Constant(value=str(text))) if field:
                texts[field] = " ".join(text.split())
                field = ""
            case _:
                field = ""
    return texts


def _type_word(kind: KeyType) -> str:
    if kind.base is ExitRule:
        return "list of rules"
    if kind.base in (str, tuple) and not kind.words:
        return "text" if kind.base is str else "list of text"
    names: dict[object, str] = {bool: "switch", int: "whole number", Decimal: "number", time: "time"}
    return names.get(kind.base, "word")


def _default_text(value: object) -> str:
    match value:
        case msgspec.UnsetType() | None:
            return "none"
        case _ if value is msgspec.NODEFAULT:
            return "required"
        case bool():
            return f"`{str(value).lower()}`"
        case StrEnum():
            return f'`"{value.value}"`'
        case str():
            return f'`"{value}"`'
        case time():
            return f'`"{value:%H:%M}"`'
        case ():
            return "`[]`"
        case _:
            return f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
