"""What of a newly read configuration may take effect while the desk runs, and what needs a restart (OPS-13, CFG-01).

Pure. Only keys marked `is_live` in the model are taken over; open positions keep the terms they were opened with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from engine.config.key import keys_of, tables_of
from engine.config.model import Config

Table = TypeVar("Table", bound=msgspec.Struct)


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of comparing two configurations."""

    applied: tuple[str, ...]
    """Keys whose new value counts from now on: `legs.profit_target_rupees`."""
    restart_needed: tuple[str, ...]
    """Keys that differ but stay as they were."""
    config: Config
    """The old configuration with the applied keys."""


def safe_changes(old: Config, new: Config) -> Changes:
    """Compare key by key; accounts never change while running, and no group is added or taken away."""
    applied: list[str] = []
    restart: list[str] = []
    for path, is_live in _changed(old, new, ""):
        (applied if is_live else restart).append(path)
    restart += [f"accounts.{name}" for name in _changed_accounts(old, new)]
    restart += _changed_grids(old, new)
    if old.has_legs is not new.has_legs:
        restart.append("legs")  # bots come and go with the desk
    kept = dict(old.groups)
    for name in [*old.groups, *(name for name in new.groups if name not in old.groups)]:
        if name not in old.groups or name not in new.groups:
            restart.append(f"groups.{name}")  # a bot comes and goes with the desk
            continue
        for path, is_live in _changed(old.groups[name], new.groups[name], f"groups.{name}."):
            (applied if is_live else restart).append(path)
        kept[name] = _merged(old.groups[name], new.groups[name])
    merged = msgspec.structs.replace(_merged(old, new), groups=kept)
    return Changes(applied=tuple(applied), restart_needed=tuple(restart), config=merged)


def _changed(old: msgspec.Struct, new: msgspec.Struct, prefix: str) -> Iterator[tuple[str, bool]]:
    for name, (_, key) in keys_of(type(old)).items():
        if getattr(old, name) != getattr(new, name):
            yield f"{prefix}{name}", key.is_live
    for name in tables_of(type(old)):
        yield from _changed(getattr(old, name), getattr(new, name), f"{prefix}{name}.")


def _changed_accounts(old: Config, new: Config) -> list[str]:
    names = sorted({*old.accounts, *new.accounts})
    return [name for name in names if old.accounts.get(name) != new.accounts.get(name)]


def _changed_grids(old: Config, new: Config) -> list[str]:
    """A grid keeps its terms while it runs; each is known by its name, wherever it stands in the file."""
    before, after = ({grid.bot_name: grid for grid in config.grids} for config in (old, new))
    changed: list[str] = []
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            changed.append(f"grid.{name}")
        else:
            fields = one.__struct_fields__
            changed += [f"grid.{name}.{key}" for key in fields if getattr(one, key) != getattr(other, key)]
    return changed


def _merged(old: Table, new: Table) -> Table:
    live = {name: getattr(new, name) for name, (_, key) in keys_of(type(old)).items() if key.is_live}
    inner = {name: _merged(getattr(old, name), getattr(new, name)) for name in tables_of(type(old))}
    return msgspec.structs.replace(old, **live, **inner)
