"""Finds and reads the configuration. Every fault is one line: where, which key, what value, what is allowed.

The only module of this package that touches the disk. It never writes: config.toml belongs to its owner, comments
included (OPS-13).
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from engine.config.check import faults_of
from engine.config.env_file import parse_env_text
from engine.config.environment import (
    LOG_TO_FILE,
    NO_KEY_HERE,
    OPENALGO_KEYS,
    PREFIX,
    SEED_KEYS,
    TEST_MODE,
    key_variables,
    unknown_variables,
)
from engine.config.errors import ConfigError, Fault, printable, shown, sounds_secret
from engine.config.grid import Grid
from engine.config.lines import key_lines, line_of
from engine.config.model import Config, Legs
from engine.config.read import YES, EnvText, as_table, read_config
from engine.paths import places

FILE_NAME: Final = "config.toml"
CONFIG_VARIABLE: Final = "STRIKEDESK_CONFIG"
SIZE_MAX: Final = 256 * 1024
"""Bytes; a configuration is a few kilobytes (CFG-02)."""
_AT_LINE: Final = re.compile(r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$", re.DOTALL)

KeyPath = tuple[str, ...]
GAP_PATH: Final[KeyPath] = ("position_management", "gap_detection", "gap_threshold_percent")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration, and how it came about."""

    config: Config
    path: Path | None
    """The file that was read; None = built-in defaults."""
    notes: tuple[str, ...]
    """What the user should know, one line each."""
    env: dict[str, str]
    """The environment with the --env-file below it: where secrets are looked up first."""
    origins: dict[tuple[str, ...], str] = {}
    """Key -> the variable that set it and where it stands; keys of config.toml are not in it."""


def load_config(path: Path | None, env: Mapping[str, str], *, env_file: Path | None = None) -> Config:
    """The configuration alone. Raises ConfigError."""
    return load(path, env, env_file=env_file).config


def load(path: Path | None, env: Mapping[str, str], *, env_file: Path | None = None) -> Loaded:
    """Read `path`, else $STRIKEDESK_CONFIG, ./config.toml or the user's; without any, the built-in paper demo.

    Raises ConfigError with one line for every fault found.
    """
    draft = _Draft()
    found = _find(path, env, draft)
    if found is not None:
        draft.read_toml(found)
    if env_file is not None:
        draft.overlay_env_file(env_file)
    draft.overlay_environment(env)
    draft.force_test_mode(env)
    config = draft.finish()
    return Loaded(config=config, path=found, notes=tuple(draft.notes), env={**draft.file_env, **env})


def load_env_file(path: Path) -> Loaded:
    """What an old `.env` says over the built-in defaults, and nothing else: no config.toml, no environment (HRD-37).

    Raises ConfigError with one line for every fault found.
    """
    draft = _Draft()
    draft.overlay_env_file(path)
    draft.force_test_mode({})
    config = draft.finish()
    return Loaded(config=config, path=None, notes=tuple(draft.notes), env=draft.file_env, origins=dict(draft.origins))


class _Draft:
    """The document while it is put together, with the origin of every value for the error messages."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.notes: list[str] = []
        self.file_env: dict[str, str] = {}
        self._source = "built-in defaults"
        self._lines: dict[KeyPath, int] = {}
        self.origins: dict[KeyPath, str] = {}
        self._faults: list[str] = []
        self._test_mode = ("", "")
        """Value and origin."""

    def read_toml(self, path: Path) -> None:
        self._source = str(path)
        text = _read_text(path)
        try:
            self.document = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError([_toml_fault(path, text, str(error))]) from None
        except (ValueError, ArithmeticError, RecursionError):
            raise ConfigError([f"{path}: holds a number or a nesting beyond all bounds"]) from None
        self._lines = key_lines(text)

    def overlay_env_file(self, path: Path) -> None:
        """The seed's `.env`: its own names count, STRIKEDESK_ names too; what is no key is noted (HRD-37)."""
        found = parse_env_text(_read_text(path), str(path))
        self.file_env = {name: value for name, (value, _) in found.items()}
        if any(value and sounds_secret(name) for name, value in self.file_env.items()):
            _refuse_if_open(path)
        known = self._known_variables()
        for name, (value, line) in found.items():
            origin = f"{path}:{line}: {name}"
            if name in known:
                self._set(known[name], value, origin)
            elif not self._overlay_seed(name, value, origin) and not sounds_secret(name):
                self.notes.append(f"{path}:{line}: {name}: no such key, ignored")

    def overlay_environment(self, env: Mapping[str, str]) -> None:
        known = self._known_variables()
        wants_seed = env.get(f"{PREFIX}DESK_SEED_ENV", self._raw(("desk", "seed_env")))
        if wants_seed is True or (isinstance(wants_seed, str) and YES.get(wants_seed.lower())):
            for name, value in env.items():
                self._overlay_seed(name, value, f"environment: {name}")
        for name, value in env.items():
            if name in known:
                self._set(known[name], value, f"environment: {name}")
        self._faults += unknown_variables(env, known)

    def force_test_mode(self, env: Mapping[str, str]) -> None:
        """TEST_MODE=true is the paper demo, wherever it stands (LEG-61); false never switches to live (HRD-43)."""
        value, origin = self._test_mode
        if TEST_MODE in env:
            value, origin = env[TEST_MODE], f"environment: {TEST_MODE}"
        if not value:
            return
        wanted = YES.get(value.strip().lower())
        if wanted is None:
            self._faults.append(f"{origin} = {shown(value)}: must be true or false")
        elif wanted:
            for path, text in (
                (("desk", "mode"), "paper"),
                (("desk", "market"), "demo"),
                (("legs", "account"), "paper"),
            ):
                self._set(path, text, origin)
            self.notes.append(f"{origin} = true: paper demo, whatever the configuration says")
        elif self._raw(("desk", "mode")) != "live":
            self.notes.append(f'{origin} = false: still paper; live needs [desk] mode = "live"')

    def finish(self) -> Config:
        """The checked configuration. Raises ConfigError with every fault."""
        self._move_flat_gap()
        misfits: list[Fault] = []
        config = _normalised(read_config(self.document, misfits.append))
        bad = {fault.path for fault in misfits}
        if any(path[0] == "accounts" for path in bad):  # what names an account cannot be judged then
            bad |= {("legs", "account"), ("desk", "market")}
        conflicts = [fault for fault in faults_of(config) if fault.path not in bad]
        if any(path[0] == "accounts" for path in bad):
            conflicts = [fault for fault in conflicts if not (fault.path[0] == "grid" and "accounts" in fault.path)]
        in_order = sorted((*misfits, *conflicts), key=lambda fault: line_of(fault.path, self._lines))
        faults = [*self._faults, *(self._placed(fault) for fault in in_order)]
        if faults:
            raise ConfigError(faults)
        return config

    def _move_flat_gap(self) -> None:
        """The seed's code read GAP_THRESHOLD_PERCENT one table too high: taken there too, with a note (CON-47)."""
        table = as_table(self.document.get("position_management")) or {}
        for flat in [name for name in table if name.lower() == GAP_PATH[-1]]:
            value = table.pop(flat)
            inner = as_table(table.setdefault(GAP_PATH[1], {}))
            where = "[position_management.gap_detection] gap_threshold_percent"
            line = line_of((GAP_PATH[0], flat), self._lines)
            origin = f"{self._source}:{line}: [position_management] {flat}"
            if inner is None or GAP_PATH[-1] in inner:
                self.notes.append(f"{origin}: has no effect, {where} is given too")
                continue
            inner[GAP_PATH[-1]] = value
            self._lines.setdefault(GAP_PATH, line)
            self.notes.append(f"{origin}: taken as {where}; write it there")

    def _overlay_seed(self, name: str, value: str, origin: str) -> bool:
        """Apply one of the leg scalper's own variables; False when it is none."""
        if name in SEED_KEYS:
            self._set(SEED_KEYS[name], value, origin)
        elif name == TEST_MODE:
            self._test_mode = (value, origin)
        elif name == LOG_TO_FILE:
            if YES.get(value.strip().lower()) is False:
                self._set(("desk", "log_file"), "", origin)
        elif name in OPENALGO_KEYS:
            kinds = self._account_kinds()
            for account in [name for name, kind in kinds.items() if kind == "openalgo"] or ["openalgo"]:
                self._set(("accounts", account, "kind"), "openalgo", origin)
                self._set(("accounts", account, OPENALGO_KEYS[name]), value, origin)
        elif name in NO_KEY_HERE:
            self.notes.append(f"{origin}: has no effect, {NO_KEY_HERE[name]}")
        else:
            return False
        return True

    def _set(self, path: KeyPath, value: str, origin: str) -> None:
        table = self.document
        for name in path[:-1]:
            inner = as_table(_inner(table, name))
            if inner is None:
                return  # the file has something else there, which is reported as it stands
            table = inner
        table[path[-1]] = EnvText(value)
        self.origins[path] = origin

    def _raw(self, path: KeyPath) -> object:
        value: object = self.document
        for name in path:
            value = (as_table(value) or {}).get(name)
        return value

    def _account_kinds(self) -> dict[str, str]:
        kinds = {"paper": "paper"}
        for name, table in (as_table(self.document.get("accounts")) or {}).items():
            kind = (as_table(table) or {}).get("kind")
            if isinstance(kind, str):
                kinds[name] = kind
        return kinds

    def _known_variables(self) -> dict[str, KeyPath]:
        grids = self.document.get("grid")
        count = len(cast("list[object]", grids)) if isinstance(grids, list) else 0
        return key_variables(self._account_kinds(), self._group_names(), count)

    def _group_names(self) -> list[str]:
        return [name for name, table in (as_table(self.document.get("groups")) or {}).items() if as_table(table)]

    def _placed(self, fault: Fault) -> str:
        """The fault with file and line, or with the variable that set the value."""
        heads = (fault.path[:length] for length in range(len(fault.path), 0, -1))  # of a list, its one variable
        origin = next((self.origins[head] for head in heads if head in self.origins), None)
        if origin is not None:
            value = f" = {fault.value}" if fault.value else ""
            return f"{origin}{value}: {fault.reason} ({'.'.join(fault.path)})"
        line = line_of(fault.path, self._lines)
        return f"{self._source}{f':{line}' if line else ''}: {fault.text}"


def _inner(table: dict[str, Any], name: str) -> object:
    """The table inside, made when it is not there; of a list of tables the one with the number that follows."""
    found = table.setdefault(name, {})
    if isinstance(found, list):
        return {str(number): row for number, row in enumerate(cast("list[object]", found), start=1)}
    return found


def _find(path: Path | None, env: Mapping[str, str], draft: _Draft) -> Path | None:
    named = path or (Path(env[CONFIG_VARIABLE]) if env.get(CONFIG_VARIABLE) else None)
    if named is not None:
        return named
    candidates = (Path(FILE_NAME), places(env).config_dir / FILE_NAME)
    for candidate in candidates:
        if candidate.exists():
            return candidate
    looked = " and ".join(str(candidate) for candidate in candidates)
    draft.notes.append(f"no configuration at {looked}: built-in defaults, paper demo")
    return None


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    if len(raw) > SIZE_MAX:
        raise ConfigError([f"{path}: larger than {SIZE_MAX // 1024} KiB"])
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: not UTF-8 text"]) from None


def _toml_fault(path: Path, text: str, message: str) -> str:
    match = _AT_LINE.match(message)
    if match is None:
        return f"{path}: {printable(message)}"
    line = int(match[2]) if match[2] else text.count("\n") + 1
    return f"{path}:{line}: no valid TOML: {printable(match[1])}"


def _refuse_if_open(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError([f"{path}: holds a credential and is open to others (mode {mode:04o}): chmod 600 {path}"])


def _normalised(config: Config) -> Config:
    """Symbols trimmed and in capitals, as all comparisons expect them (LEG-01)."""
    groups = {name: _with_plain_symbols(legs) for name, legs in config.groups.items()}
    grids = tuple(with_plain_tokens(grid) for grid in config.grids)
    return msgspec.structs.replace(config, legs=_with_plain_symbols(config.legs), groups=groups, grids=grids)


def with_plain_tokens(grid: Grid) -> Grid:
    return msgspec.structs.replace(
        grid, token_a_symbol=grid.token_a_symbol.strip().upper(), token_b_symbol=grid.token_b_symbol.strip().upper()
    )


def _with_plain_symbols(legs: Legs) -> Legs:
    return msgspec.structs.replace(
        legs,
        symbol=legs.symbol.strip().upper(),
        extra_symbols=tuple(symbol.strip().upper() for symbol in legs.extra_symbols),
    )
