"""The command line: reads arguments, picks the command, and turns every failure into one line and an exit code.

Imports only the standard library at the top; Textual is loaded when a screen is wanted, httpx and sqlite-utils when a
desk is. Requested data goes to stdout, everything said to the person to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tui.arguments import duration, file_name, file_options, speed, whole
from tui.grid_options import add_grid
from tui.guardian_command import add_guardian
from tui.login_options import add_login
from tui.simulate_command import add_simulate
from tui.venue_command import add_venue
from tui.verify_command import add_verify

VERSION: Final = "0.1.0"

EXIT_CLEAN: Final = 0
EXIT_FATAL: Final = 1
EXIT_CONFIG: Final = 2
EXIT_SECOND_INSTANCE: Final = 4
EXIT_STILL_IN_POSITION: Final = 5

_EXIT_CODES: Final = """\
exit codes:
  0  clean: nothing open at the broker      1  could not start (symbol, file, journal)
  2  configuration or arguments wrong       3  the bot had terminated itself
  4  account or file held by another        5  still in position: look at the broker now
"""

_EXAMPLES: Final = """\
examples:
  strikedesk                              the console on the paper exchange (PAPER DEMO)
  strikedesk --no-ui --duration 60s       a minute without a screen, log lines on stderr
  strikedesk --no-ui --seed 7 --speed max --duration day --db day.db
                                          a whole demo day in virtual time
  strikedesk --faults swarm --seed 7      the same with a broker that misbehaves (docs/faults.md)
  strikedesk check --config my.toml       what a configuration means, in words
  strikedesk doctor                       disk, clock, calendar, credentials, brokers: what is wrong, what to do
  strikedesk replay bars.csv --symbol NIFTY2631724000CE --db real.db
                                          the legs bot over a recorded day
  strikedesk import-env old.env           a config.toml from the leg scalper's .env
  strikedesk simulate --seeds 1..200      whole demo days with faults and crashes, every invariant checked
  strikedesk venue paper --port 8800      the paper exchange as a process of its own
  strikedesk grid --bot-name G --token-a IRFC --trade-type buyts --entry-price 50 --qty-a 100 --dry-run
                                          the levels of a grid, before anything is sent
  strikedesk guardian                     watch a desk from outside (docs/guardian.md)
  strikedesk verify                       the journal's chains, positions and P&L, added up again from the fills
  strikedesk where                        which files are used
  strikedesk health --json                how the running desk is, for a watchdog
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (OPS-22)."""
    arguments = argument_parser().parse_args(argv)
    try:
        code = _run(arguments)
    except (BrokenPipeError, KeyboardInterrupt):
        code = EXIT_FATAL
    _let_go_of_closed_streams()
    return code


def _let_go_of_closed_streams() -> None:
    """A reader that went away must not turn the exit code into Python's 120: what waits for it goes nowhere."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run(arguments: argparse.Namespace) -> int:
    from engine.config.errors import ConfigError
    from engine.secrets import SecretMissing

    if arguments.faults is not None and arguments.command not in (None, "venue", "grid"):
        return _fail(f"--faults is for the paper demo, not for {arguments.command}", EXIT_CONFIG)
    try:
        match arguments.command:
            case "check":
                from tui.check_command import run_check

                return run_check(arguments)
            case "doctor":
                from tui.doctor_command import run_doctor

                return run_doctor(arguments)
            case "where":
                from tui.check_command import run_where

                return run_where(arguments)
            case "health":
                from tui.health_command import run_health

                return run_health(arguments)
            case "alert-test":
                from tui.alert_command import run_alert_test

                return run_alert_test(arguments)
            case "simulate":
                from tui.simulate_command import run_simulate

                return run_simulate(arguments)
            case "verify":
                from tui.verify_command import run_verify

                return run_verify(arguments)
            case "import-env":
                from tui.import_env_command import run_import_env

                return run_import_env(arguments)
            case _:
                return _run_desk(arguments)
    except SecretMissing as error:
        return _fail(str(error), EXIT_FATAL)
    except ConfigError as error:
        return _fail(str(error), EXIT_CONFIG)


def _run_desk(arguments: argparse.Namespace) -> int:
    """The commands that open or watch a desk, a venue or a login; they load when chosen, for a quick first paint."""
    try:
        if arguments.command == "replay":
            from tui.replay_command import run_replay

            return run_replay(arguments)
        if arguments.command == "venue":
            from tui.venue_command import run_venue

            return run_venue(arguments)
        if arguments.command == "grid":
            from tui.grid_command import run_grid

            return run_grid(arguments)
        if arguments.command == "login":
            from tui.login_command import run_login

            return run_login(arguments)
        if arguments.command == "guardian":
            from tui.guardian_command import run_guardian

            return run_guardian(arguments)
        if arguments.no_ui:
            from tui.desk_command import run_desk

            return run_desk(arguments)
        from tui.console_command import run_console

        return run_console(arguments)
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        return _fail(str(error), code)


def _exit_code(error: Exception) -> int | None:
    """The exit code of a failure that is told in one line; None for one that is not (a bug, or the caller's)."""
    from brokers.paper.bar_file import BarFileError
    from brokers.paper.books_file import BooksError
    from engine.dated_rows import DataFileError
    from engine.journal.errors import JournalError, JournalLocked
    from engine.lease import LeaseHeld, LeaseUnusable
    from engine.single_instance import AlreadyRunning, LockUnusable
    from tui.station import StartFailed

    match error:
        case AlreadyRunning() | JournalLocked() | LeaseHeld():
            return EXIT_SECOND_INSTANCE
        case (
            JournalError()
            | LockUnusable()
            | LeaseUnusable()
            | BooksError()
            | BarFileError()
            | DataFileError()
            | StartFailed()
        ):
            return EXIT_FATAL
        case _:
            return None


def _fail(text: str, code: int) -> int:
    for line in text.splitlines():
        print(f"strikedesk: {line}", file=sys.stderr)  # noqa: T201 - the one place that speaks before a log exists
    return code


def argument_parser() -> argparse.ArgumentParser:
    """Every command and option; asking for it starts nothing."""
    parser = argparse.ArgumentParser(
        prog="strikedesk",
        description="Terminal trading console for Indian index options. Without a command: the console.",
        epilog=f"{_EXAMPLES}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"strikedesk {VERSION}")
    _desk_options(parser)
    file_options(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    check = commands.add_parser("check", help="validate the configuration and say what it means")
    file_options(check, suppress=True)
    doctor = commands.add_parser("doctor", help="look at everything a trading day needs, and say what to do about it")
    doctor.add_argument("--offline", action="store_true", help="do not connect to any broker")
    file_options(doctor, suppress=True)
    replay = commands.add_parser(
        "replay",
        help="run the legs bot over recorded one-minute bars",
        description="Expands bars to ticks (an assumption, said with the results), traded on the paper exchange.",
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="CSV: time,symbol,open,high,low,close (IST)")
    replay.add_argument("--symbol", required=True, help="primary leg as the file spells it; its complement is added")
    replay.add_argument(
        "--json-log", action="store_true", default=argparse.SUPPRESS, help="log lines on stderr as JSON"
    )
    file_options(replay, suppress=True)
    import_env = commands.add_parser("import-env", help="make a config.toml from the leg scalper's old .env")
    import_env.add_argument("file", type=Path, metavar="FILE", help="the old .env")
    import_env.add_argument(
        "--out", type=file_name, default=Path("config.toml"), metavar="FILE", help="where to (default: config.toml)"
    )
    import_env.add_argument("--force", action="store_true", help="replace an existing file")
    alert_test = commands.add_parser("alert-test", help="send one test alert through every configured channel")
    file_options(alert_test, suppress=True)
    health = commands.add_parser("health", help="how the running desk is; exit code 1 when none runs")
    health.add_argument("--json", action="store_true", help="one JSON object, for a watchdog")
    file_options(health, suppress=True)
    where = commands.add_parser("where", help="print which files this desk uses")
    file_options(where, suppress=True)
    add_login(commands)
    add_simulate(commands)
    add_venue(commands)
    add_grid(commands)
    add_guardian(commands)
    add_verify(commands)
    return parser


def _desk_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-ui", action="store_true", help="no screen; the same engine, log lines on stderr")
    parser.add_argument("--seed", type=whole, metavar="N", help="seed of the demo market")
    parser.add_argument(
        "--speed", type=speed, default=1.0, metavar="N", help="exchange time runs N times faster; max = virtual time"
    )
    parser.add_argument(
        "--duration",
        type=duration,
        metavar="SPAN",
        help="stop after this exchange time: 60s, 5m, 2h; day = session end",
    )
    parser.add_argument("--fresh", action="store_true", help="open a new paper account; the old file is kept")
    parser.add_argument(
        "--faults", metavar="FILE", help="make the paper venue misbehave: a script, or swarm or hostile by --seed"
    )
    parser.add_argument("--json-log", action="store_true", help="log lines on stderr as JSON (with --no-ui)")
    parser.add_argument("--theme", help="desk-dark, desk-light, desk-cvd-dark or desk-cvd-light")


if __name__ == "__main__":
    sys.exit(main())
