"""`strikedesk verify`: adds a journal up again from its fills and says where what is stored differs.

The report goes to stdout, as a table or as JSON; the progress bar to stderr. Exit code 0: all is as it was written and
adds up; 1: there are differences; 2: the file cannot be used, or a desk has it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tui.arguments import file_name, file_options

if TYPE_CHECKING:
    from engine.journal.audit import Check, DayRow
    from engine.journal.examine import Examination
    from engine.journal.integrity import Progress

EXIT_CLEAN: Final = 0
EXIT_DIFFERENCES: Final = 1
EXIT_UNUSABLE: Final = 2


def add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = commands.add_parser(
        "verify",
        help="check a journal: its chains, and its positions and P&L added up again from the fills",
        description="Reads a whole journal, or one of its backups, while no desk runs on it, and changes nothing.",
        epilog="exit codes: 0 all adds up, 1 differences, 2 the file cannot be used",
    )
    verify.add_argument("--journal", type=file_name, metavar="FILE", help="the file (default: this desk's journal)")
    verify.add_argument("--json", action="store_true", help="the report as JSON")
    file_options(verify, suppress=True)


def run_verify(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises ConfigError where the configuration does not tell which file."""
    from engine.journal.errors import JournalError
    from engine.journal.examine import examine

    path = arguments.journal or _own_journal(arguments)
    try:
        with _progress() as (begin, progress):
            found = examine(path, progress, begin)
    except JournalError as error:
        print(f"strikedesk: {_plain(str(error))}", file=sys.stderr)  # noqa: T201
        return EXIT_UNUSABLE
    if arguments.json:
        _print_json(path, found)
    else:
        _print_report(path, found)
    return EXIT_DIFFERENCES if found.differences else EXIT_CLEAN


def _own_journal(arguments: argparse.Namespace) -> Path:
    from engine.config.load import load
    from engine.paths import places
    from tui.files import DeskFiles

    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    return DeskFiles.of(loaded.config, places(os.environ), arguments.db).journal


@contextmanager
def _progress() -> Generator[tuple[Any, Progress]]:
    """A bar on a terminal's stderr, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("reading"), BarColumn(), TextColumn("{task.completed} rows"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        yield (
            lambda total: bar.update(task, total=total),
            lambda rows: bar.update(task, advance=rows),
        )


def _checks(found: Examination) -> tuple[Check, ...]:
    return (*found.checks, *found.audit.checks)


def _print_report(path: Path, found: Examination) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(f"journal {_plain(str(path))}, schema version {found.version}"))
    table = Table("check", "rows", "result")
    for check in _checks(found):
        count = len(check.differences) + check.more
        result = Text(f"{count} difference(s)", style="bold red") if count else Text("ok", style="green")
        table.add_row(check.name, f"{check.rows:,}", result)
    console.print(table)
    if found.audit.days:
        console.print(_day_table(found.audit.days))
    for check in _checks(found):
        for text in check.differences:
            console.print(Text(f"DIFFERENCE {check.name}: {_plain(text)}", style="red"), soft_wrap=True)
        if check.more:
            console.print(Text(f"DIFFERENCE {check.name}: and {check.more} more", style="red"))
        for text in check.notes:
            console.print(Text(f"note {check.name}: {_plain(text)}"), soft_wrap=True)
    verdict = f"{found.differences} difference(s)" if found.differences else "all adds up"
    console.print(Text(verdict, style="bold"))


def _day_table(days: tuple[DayRow, ...]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from engine.money import rupees_text

    table = Table("day", "bot", "symbol", "trips", "by fills", "stored", "differs", box=None, pad_edge=False)
    for number, column in enumerate(table.columns):
        column.no_wrap = number != 1
        column.overflow = "fold"
        column.justify = "right" if number > 2 else "left"
    for row in days:
        difference = rupees_text(row.difference_paise, signed=True) if row.difference_paise else "0"
        assumed = f" ({row.provisional} assumed)" if row.provisional else ""
        table.add_row(
            *(Text(_plain(text)) for text in (row.trading_day, row.bot, row.symbol)),
            f"{row.trips}{assumed}",
            rupees_text(row.fills_paise, signed=True),
            rupees_text(row.stored_paise, signed=True),
            Text(difference, style="bold red" if row.difference_paise else ""),
        )
    return table


def _print_json(path: Path, found: Examination) -> None:
    import msgspec

    report = {
        "journal": str(path),
        "version": found.version,
        "differences": found.differences,
        "checks": [msgspec.to_builtins(check) for check in _checks(found)],
        "days": [{**msgspec.to_builtins(row), "difference_paise": row.difference_paise} for row in found.audit.days],
    }
    print(msgspec.json.format(msgspec.json.encode(report)).decode())  # noqa: T201 - requested data goes to stdout


def _plain(text: str) -> str:
    """Rows of a file that may have been tampered with, on a terminal: printable characters only."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
