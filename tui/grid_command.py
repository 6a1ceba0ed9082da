"""`strikedesk grid`: one grid from the command line: its levels, its orders, its state file, or the console with it.

The seed's `run.py` (OPS-06..10, OPS-16). What needs neither a network nor a key asks for none, and Textual is loaded
by the console alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.grid_options import GridRequest, read_request
from tui.start_failure import StartFailed

if TYPE_CHECKING:
    from engine.grid.state_file import GridRecord
    from engine.order import Order

_FILE_MODE: Final = 0o600
_FILE_MAX: Final = 4 * 1024 * 1024
"""Bytes of a state file that is read; 500 cycles and 100 levels are a quarter of one."""


def run_grid(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises ConfigError for what cannot be used, StartFailed for what cannot be done."""
    from engine.config.load import load

    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    request = read_request(arguments, loaded)
    for note in (*loaded.notes, *request.notes):
        print(f"strikedesk: note: {note}", file=sys.stderr)  # noqa: T201
    if arguments.dry_run:
        return _dry_run(request)
    if arguments.cancel_all:
        from tui.grid_cancel import run_cancel_all

        return run_cancel_all(request)
    if arguments.export is not None:
        write_state(arguments.export, stored_record(request))
        return 0
    record = read_state(arguments.import_file, request) if arguments.import_file is not None else None
    return start_grid(request, record)


def _dry_run(request: GridRequest) -> int:
    from engine.config.check import smallest_tick_paise
    from engine.grid.check import warnings
    from tui.grid_layout import show_layout

    terms = request.terms
    show_layout(terms, [warning.text for warning in warnings(terms, smallest_tick_paise(terms.exchange))])
    return 0


def start_grid(request: GridRequest, record: GridRecord | None) -> int:
    """The console, or with --no-ui the desk, with this grid alone, going on from `record` when there is one.

    Exit code 3: the grid has ended itself, now or before (GRD-47).
    """
    import msgspec

    from tui.grid_plan import GridPlan

    arguments = request.arguments
    loaded = msgspec.structs.replace(request.loaded, config=request.config.alone(request.grid))
    if loaded.config.guardian.enabled:
        text = "no guardian watches a grid that is started by its own command; a desk with it in config.toml has one"
        print(f"strikedesk: note: {text}", file=sys.stderr)  # noqa: T201
    more = GridPlan(imported=record, resumes_terminated=request.resumes_terminated, is_alone=True)
    if arguments.no_ui:
        from tui.desk_command import plan_of, run_headless

        return run_headless(plan_of(arguments, loaded, more), arguments)
    from tui.console_command import show_console

    return show_console(arguments, loaded, more)


def stored_record(request: GridRequest) -> GridRecord:
    """What the journal holds of this grid. Raises StartFailed when that is nothing, and JournalError."""
    import msgspec

    from engine.desk_rows import decode_bracket
    from engine.grid.memory import GridBody
    from engine.grid.record import GridBooks, StoredPosition, record_of
    from engine.journal.examine import books_of
    from engine.paths import places
    from tui.files import DeskFiles

    name, path = request.grid.bot_name, DeskFiles.of(request.config, places(os.environ), request.arguments.db).journal
    books = books_of(path) if path.exists() else None
    rows = [row for row in books.bots if row.bot == name] if books is not None else []
    if books is None or not rows:
        raise StartFailed(f'journal {path} knows no grid "{name}"')
    orders: dict[str, list[Order]] = {}
    for order in books.orders.values():
        orders.setdefault(order.bracket_id, []).append(order)
    positions = [
        StoredPosition(
            body=decode_bracket(row.body),
            orders=orders.get(row.bracket_id, []),
            open_qty=row.open_qty,
            opened_ns=row.opened_ns,
            closed_ns=row.closed_ns,
        )
        for row in books.brackets
        if row.bot == name
    ]
    stored = GridBooks(
        body=msgspec.json.decode(rows[-1].body, type=GridBody),
        positions=positions,
        total_paise=sum(row.net_paise - row.charges_paise for row in books.trades if row.bot == name),
        updated_ns=max((row.ended_ns or row.started_ns for row in books.runs), default=None),
    )
    return record_of(stored, request.terms)


def write_state(path: Path, record: GridRecord) -> None:
    """All of it or nothing: written beside, made durable, then given its name. Raises ConfigError."""
    from engine.config.errors import ConfigError
    from engine.grid.state_file import export_text, state_file_name
    from tui.whole_file import write_whole

    target = (path / state_file_name(record.bot_name) if path.is_dir() else path).resolve()
    try:
        write_whole(target, export_text(record), _FILE_MODE, replace=True)
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written: {error.strerror or error}"]) from None


def read_state(path: Path, request: GridRequest) -> GridRecord:
    """A state file of this very grid. Raises ConfigError, one line."""
    from engine.config.errors import ConfigError
    from engine.grid.state_file import StateFileError, import_text

    try:
        with path.open("rb") as file:
            raw = file.read(_FILE_MAX + 1)
        record = import_text(raw.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not UTF-8 text"]) from None
    except StateFileError as error:
        raise ConfigError([f"{path}: {error}"]) from None
    grid = request.grid
    for key, found, wanted in (
        ("bot_name", record.bot_name, grid.bot_name),
        ("trade_type", record.trade_type.value, grid.trade_type.value),
        ("token_a_symbol", record.token_a_symbol, grid.token_a_symbol),
        ("token_b_symbol", record.token_b_symbol, grid.token_b_symbol if grid.trade_type.is_hedged else ""),
    ):
        if found != wanted and not (key == "token_b_symbol" and not wanted):
            raise ConfigError([f'{path}: {key} = "{found}": this grid has "{wanted}"'])
    return record
