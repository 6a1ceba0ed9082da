"""`strikedesk grid`: its options in the seed's spelling (OPS-06), and the grid that they ask for, alone or over config.

A grid is that of config.toml with the same name, else a new one with the seed's defaults; what stands on the line
counts before both. Keys and secrets are taken, kept in memory under a name, warned about, and never shown (OPS-12).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.arguments import duration, file_name, file_options, speed, whole

if TYPE_CHECKING:
    from engine.config.accounts import Account
    from engine.config.errors import Fault
    from engine.config.grid import Grid
    from engine.config.load import Loaded
    from engine.config.model import Config
    from engine.grid.terms import GridTerms
    from engine.secrets import Secret

KEYS: Final = {
    "bot_name": "bot_name",
    "grid_kind": "grid_kind",
    "trade_type": "trade_type",
    "token_a": "token_a_symbol",
    "token_b": "token_b_symbol",
    "entry_price": "entry_price",
    "steps": "steps",
    "spread": "spread",
    "target_spread": "target_spread",
    "oco_spread": "oco_spread",
    "qty_a": "token_a_quantity",
    "qty_b": "token_b_quantity",
    "exchange": "exchange",
    "product": "product_type",
    "oco_stop_count": "oco_stop_count",
    "poll_interval": "poll_interval",
}
"""Options that set a key of [[grid]], by the name argparse stores them under."""
_PATH: Final = ("grid", "1")
"""Of the grid in the configuration that is made for it."""
ROLES: Final = ("trade", "upside_oco", "downside_oco")
_TARGET_DEFAULT: Final = "0.5"
"""The seed's command line says 0.5 where its table says 1.0, which would cross (CON-16, F-41)."""
_HELP: Final = {
    "bot_name": "name of the grid",
    "grid_kind": "linear or geometric",
    "trade_type": "gridocots, buyocots, sellocots, buyts, sellts, gridts",
    "token_a": "instrument of entries and targets",
    "token_b": "instrument of the hedges",
    "entry_price": "centre of the grid, rupees",
    "steps": "levels on each side",
    "spread": "rupees between two levels",
    "target_spread": "rupees from entry to target (0.5)",
    "oco_spread": "rupees from token B to the hedge's trigger",
    "qty_a": "units of a level",
    "qty_b": "units of a hedge",
    "exchange": "NSE, BSE, NFO, BFO",
    "product": "MIS, NRML, CNC",
    "oco_stop_count": "overdue hedges that end the grid",
    "poll_interval": "seconds of a cycle",
}
_EXAMPLES: Final = """\
examples:
  strikedesk grid --bot-name "IRFC-SBIN Grid" --token-a IRFC --token-b SBIN --entry-price 50 --steps 5 --spread 1.0 \\
      --target-spread 0.50 --oco-spread 2.0 --qty-a 100 --qty-b 50 --dry-run
          its levels, without a network or a key
  strikedesk grid --bot-name "IRFC-SBIN Grid" --cancel-all --token-a IRFC
          ends its open orders in all its accounts, the journal lost or not
"""


class GridRequest:
    """What the command line asks for, checked. Prints without a secret, for those print as ***."""

    def __init__(self, arguments: argparse.Namespace, loaded: Loaded, config: Config, grid: Grid) -> None:
        self.arguments = arguments
        self.loaded = loaded
        self.config = config
        """With this grid as the only one, and with the accounts that the line made up."""
        self.grid = grid
        self.secrets: dict[str, Secret] = {}
        """By the name under which an account of `config` looks for it."""
        self.notes: list[str] = []

    @property
    def terms(self) -> GridTerms:
        return self.config.grid_terms(self.grid)

    @property
    def resumes_terminated(self) -> bool:
        return self.arguments.resume_terminated


def add_grid(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's own options."""
    grid = commands.add_parser(
        "grid",
        help="one grid with its hedge: start it, show its levels, cancel its orders",
        description="One grid: that of config.toml with this name, or a new one; options count before the file.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in KEYS:
        if name != "entry_price":
            grid.add_argument(_option(name), metavar="X", help=_HELP[name])
    centre = grid.add_mutually_exclusive_group()
    centre.add_argument("--entry-price", metavar="X", help=_HELP["entry_price"])
    centre.add_argument("--auto-entry", action="store_true", help="the first price of token A is the centre")
    grid.add_argument("--no-reenter", action="store_true", help="a level is done after its first target")
    grid.add_argument("--allow-crossing", action="store_true", help="trade although its own targets can meet")
    for role in ROLES:
        words = role.replace("_oco", " hedges").replace("trade", "entries and targets")
        grid.add_argument(_option(f"{role}_account"), metavar="NAME", help=f"account of config.toml for {words}")
    for role in ROLES:
        for part in ("key", "secret"):
            grid.add_argument(
                _option(f"{role}_{part}"), metavar="***", help="better in the environment (it is seen here)"
            )
    grid.add_argument("--user", metavar="NAME", help="whose account gives the prices (kite)")
    grid.add_argument("--xts-root", metavar="URL", help="server of the accounts whose keys stand on the line")
    levels = ("DEBUG", "INFO", "WARN", "WARNING", "ERROR")
    grid.add_argument("--log-level", choices=levels, help="lowest level that is written to the log")
    actions = grid.add_mutually_exclusive_group()
    actions.add_argument("--dry-run", action="store_true", help="print the levels and end: no network, no keys")
    actions.add_argument("--cancel-all", action="store_true", help="cancel its open orders in every account and end")
    actions.add_argument(
        "--export", type=file_name, metavar="FILE", help="write its state in the seed's format and end"
    )
    grid.add_argument("--import", dest="import_file", type=Path, metavar="FILE", help="go on from such a file")
    grid.add_argument("--resume-terminated", action="store_true", help="go on although it had ended itself")
    _run_options(grid)
    file_options(grid, suppress=True)


def _run_options(grid: argparse.ArgumentParser) -> None:
    """How its desk runs: as before the command on the line, which counts where the same word is left out here."""
    absent = argparse.SUPPRESS
    grid.add_argument(
        "--no-ui", action="store_true", default=absent, help="no screen; exit code 3 when it ended itself"
    )
    grid.add_argument("--seed", type=whole, default=absent, metavar="N", help="seed of the demo market")
    grid.add_argument("--speed", type=speed, default=absent, metavar="N", help="exchange time runs N times faster")
    grid.add_argument("--duration", type=duration, default=absent, metavar="SPAN", help="60s, 5m, 2h; day; then flat")
    grid.add_argument("--fresh", action="store_true", default=absent, help="open new paper accounts")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def read_request(arguments: argparse.Namespace, loaded: Loaded) -> GridRequest:
    """The grid that is asked for. Raises ConfigError with one line for every fault that its action minds."""
    from engine.config.errors import ConfigError

    reader = _Reader(arguments, loaded)
    request = reader.read()
    if reader.faults:
        raise ConfigError(reader.faults)
    return request


class _Reader:
    """One reading of the line, with the faults found on the way."""

    def __init__(self, arguments: argparse.Namespace, loaded: Loaded) -> None:
        self._arguments = arguments
        self._loaded = loaded
        self._base = _base(loaded.config, arguments.bot_name)
        self._texts = {key: text for name, key in KEYS.items() if (text := getattr(arguments, name)) is not None}
        self._misread: list[Fault] = []
        self.faults: list[str] = []

    def read(self) -> GridRequest:
        from engine.config.load import with_plain_tokens

        config = self._loaded.config
        request = GridRequest(self._arguments, self._loaded, config, with_plain_tokens(self._grid(config)))
        self._add_accounts(request)
        self._put_in(request)
        self._check(request)
        return request

    def _grid(self, config: Config) -> Grid:
        """The base with what the line says over it, or a new grid."""
        import msgspec

        from engine.config.read import EnvText, read_grid

        arguments = self._arguments
        texts: dict[str, object] = {key: EnvText(text) for key, text in self._texts.items()}
        if self._base is None and "target_spread" not in texts:
            texts["target_spread"] = EnvText(_TARGET_DEFAULT)
        read = read_grid(texts, config.legs.account, _PATH, self._misread.append)
        if self._base is not None:
            bad = {fault.path[len(_PATH)] for fault in self._misread}
            read = msgspec.structs.replace(self._base, **{key: getattr(read, key) for key in texts if key not in bad})
        changes: dict[str, object] = {}
        if arguments.auto_entry:
            changes["entry_price"] = type(read.entry_price)(0)
        if arguments.no_reenter:
            changes["auto_reenter"] = False
        if arguments.allow_crossing:
            changes["allow_crossing"] = True
        roles = {role: name for role in ROLES if (name := getattr(arguments, f"{role}_account")) is not None}
        return msgspec.structs.replace(read, accounts=msgspec.structs.replace(read.accounts, **roles), **changes)

    # --- accounts -----------------------------------------------------------------------------------------------------

    def _add_accounts(self, request: GridRequest) -> None:
        """Roles that nothing names get an account: from the keys of the line, or a paper one of their own."""
        import msgspec

        keys = self._keys(request)
        config, grid = request.config, request.grid
        if keys and not config.is_live:
            request.notes.append('[desk] mode is "paper": the keys of the command line are not used')
        accounts: dict[str, Account] = dict(config.accounts)
        roles: dict[str, str] = {}
        shared: dict[str, str] = {}
        for role in _roles_used(grid):
            key = keys.get(role, ("", ""))[0]
            if getattr(self._arguments, f"{role}_account") is not None:
                continue
            if config.is_live and key:
                roles[role] = shared.setdefault(key, role)
                accounts.setdefault(roles[role], self._live_account(request, role, keys[role]))
            elif not config.is_live and not getattr(grid.accounts, role):
                roles[role] = shared.setdefault(key, role) if key else role
                if key and key == keys.get("trade", ("", ""))[0]:
                    roles[role] = grid.accounts.trade
                accounts.setdefault(roles[role], config.trading_account)
        grid = msgspec.structs.replace(grid, accounts=msgspec.structs.replace(grid.accounts, **roles))
        request.config, request.grid = msgspec.structs.replace(config, accounts=accounts), grid

    def _keys(self, request: GridRequest) -> dict[str, tuple[str, str]]:
        """Key and secret by role. A key has one secret (GRD-39)."""
        found: dict[str, tuple[str, str]] = {}
        for role in ROLES:
            key, secret = (getattr(self._arguments, f"{role}_{part}") or "" for part in ("key", "secret"))
            if bool(key) != bool(secret):
                part = "secret" if key else "key"
                self.faults.append(f"{_option(f'{role}_{part}')}: missing, a key and its secret come together")
            elif key:
                request.notes.append(
                    f"{_option(f'{role}_key')} and {_option(f'{role}_secret')} stand on the command line, where others "
                    f"can see them: use the variables {role.upper()}_KEY and {role.upper()}_SECRET, and an account"
                )
                for other, (known, its_secret) in found.items():
                    if known == key and its_secret != secret:
                        self.faults.append(
                            f"{_option(f'{role}_secret')}: not that of {_option(f'{other}_key')}, the same"
                        )
                found[role] = (key, secret)
            for part in ("key", "secret"):  # nothing that shows the arguments shows them
                setattr(self._arguments, f"{role}_{part}", None)
        return found

    def _live_account(self, request: GridRequest, role: str, login: tuple[str, str]) -> Account:
        from engine.config.accounts import XtsAccount
        from engine.secrets import Secret

        names = (f"{role.upper()}_KEY", f"{role.upper()}_SECRET")
        request.secrets |= {name: Secret(name, value) for name, value in zip(names, login, strict=True)}
        account = XtsAccount(kind="xts", trade_key_name=names[0], trade_secret_name=names[1])
        if self._arguments.xts_root is None:
            return account
        import msgspec

        root: str = self._arguments.xts_root
        return msgspec.structs.replace(account, root=root if "://" in root else f"https://{root}")

    # --- checks -------------------------------------------------------------------------------------------------------

    def _put_in(self, request: GridRequest) -> None:
        import msgspec

        self._note_unused(request)
        level = self._arguments.log_level
        desk = request.config.desk
        if level is not None:
            desk = msgspec.structs.replace(desk, log_level="WARN" if level == "WARNING" else level)
        others = [grid for grid in request.config.grids if grid is not self._base]
        request.config = msgspec.structs.replace(request.config, grids=(request.grid, *others), desk=desk)

    def _note_unused(self, request: GridRequest) -> None:
        """Nothing that was typed is passed over in silence."""
        if self._arguments.user is not None:
            request.notes.append("--user: prices come from [desk] market; the user stands in its [accounts.NAME]")
        if self._arguments.xts_root is not None and not request.secrets:
            request.notes.append("--xts-root: is for accounts whose keys stand on the line too; not used")

    def _check(self, request: GridRequest) -> None:
        """As config.toml is checked; an action skips what it does not need (GRD-62)."""
        from engine.config.check import faults_of

        misread = {fault.path for fault in self._misread}
        conflicts = [fault for fault in faults_of(request.config) if fault.path not in misread]
        for fault in (*self._misread, *conflicts):
            if fault.path[: len(_PATH)] == _PATH and self._minds(fault.path[len(_PATH) :]):
                value = f" = {fault.value}" if fault.value else ""
                self.faults.append(f"{_setter('.'.join(fault.path[len(_PATH) :]))}{value}: {fault.reason}")
        arguments = self._arguments
        has_centre = self._base is not None or "entry_price" in self._texts or arguments.auto_entry
        if arguments.entry_price is not None and not request.grid.entry_price and not self._misread:
            self.faults.append("--entry-price = 0: above zero, or --auto-entry for the first price of token A")
        if not has_centre and not arguments.cancel_all:
            self.faults.append("--entry-price: missing: the centre of the grid, or --auto-entry")

    def _minds(self, keys: tuple[str, ...]) -> bool:
        """Cancelling needs a name, token A and the accounts; a dry run needs no account."""
        if self._arguments.cancel_all:
            return keys in (("bot_name",), ("token_a_symbol",), ("accounts", "trade"))
        return not (self._arguments.dry_run and keys[0] == "accounts")


def _roles_used(grid: Grid) -> list[str]:
    """The roles that this type of grid sends orders in."""
    from engine.grid.terms import TradeSide

    kind = grid.trade_type
    hedges = [f"{side.value}_oco" for side in TradeSide if kind.is_hedged and side.entry_side in kind.sides]
    return ["trade", *hedges]


def _setter(key: str) -> str:
    """The option that sets a key; the key itself where only the file has it."""
    if key.startswith("accounts."):
        return _option(f"{key.removeprefix('accounts.')}_account")
    name = next((name for name, set_key in KEYS.items() if set_key == key), None)
    return _option(name) if name is not None else f"grid.{key}"


def _base(config: Config, name: str | None) -> Grid | None:
    """The grid of config.toml that is meant; without a name the only one there is."""
    if name is None:
        return config.grids[0] if len(config.grids) == 1 else None
    return next((grid for grid in config.grids if grid.bot_name == name), None)
