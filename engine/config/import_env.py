"""Turns an old `.env` that was read into the text of a config.toml: only the keys it sets, each with its origin.

Pure. What the file set is written as the value it has here, so that reading the result gives the same configuration as
running with `--env-file` (HRD-37). A credential is never among the keys: those hold names of secrets only (OPS-12).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

import tomli_w

from engine.config.errors import printable
from engine.config.model import Config

Path = tuple[str, ...]


def config_text(config: Config, origins: Mapping[Path, str], source: str) -> str:
    """The keys of `origins` with their values in `config`; `source` is the file's name for the first line.

    `origins` says which variable set each key, as `engine.config.load` tells it.
    """
    name = printable(source)
    lines = [f"# Made from {name} by `strikedesk import-env`; a key that is not here has its built-in default."]
    tables: dict[Path, list[Path]] = {}
    for path in origins:
        tables.setdefault(path[:-1], []).append(path)
    for table in sorted(tables):
        lines += ["", f"[{'.'.join(table)}]"]
        for path in tables[table]:
            lines += [f"# {_short(origins[path])}", _line(path[-1], _value(config, path))]
    return "\n".join(lines) + "\n"


def _short(origin: str) -> str:
    """`folder/leg.env:3: LOTS` -> `LOTS, line 3`; neither the folder nor anything else of the machine is repeated."""
    where, _, variable = origin.rpartition(": ")
    line = where.rpartition(":")[2]
    return f"{variable}, line {line}" if line.isdigit() else variable


def _line(key: str, value: object) -> str:
    return tomli_w.dumps({key: value}).rstrip("\n")


def _value(config: Config, path: Path) -> object:
    """The key's value in TOML's own types."""
    found: Any = config
    for name in path:
        found = _member(found, name)
    match found:
        case StrEnum():
            return found.value
        case time():
            return f"{found:%H:%M:%S}" if found.second else f"{found:%H:%M}"
        case tuple():
            return [str(item) for item in cast("tuple[object, ...]", found)]
        case bool() | int() | Decimal() | str():
            return found
        case _:
            raise TypeError(f"{'.'.join(path)}: {type(found).__name__} has no form in TOML here")


def _member(table: object, name: str) -> object:
    if isinstance(table, Mapping):
        return cast("Mapping[str, object]", table)[name]
    return getattr(table, name)
