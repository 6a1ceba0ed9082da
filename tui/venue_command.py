"""`strikedesk venue paper`: the paper exchange with its market as a process of its own, for desks of this machine.

It outlives the desk as a broker does: a desk that is killed finds its orders where they were, or filled meanwhile. The
port it listens on is its first line on stdout. Other kinds of venue will speak the brokers' own protocols.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.arguments import duration, file_name, file_options, speed, whole

if TYPE_CHECKING:
    from engine.config.accounts import PaperAccount
    from tui.paper_floor import PaperFloor
    from tui.signals import Signals

_EXAMPLES: Final = """\
examples:
  strikedesk venue paper --port 8800
          and in the desk's config.toml, in [accounts.paper]: venue = "127.0.0.1:8800"
  strikedesk venue paper --port 0 --speed 20 --duration day --ledger day.json
          any free port, a hurried day, its orders and trades afterwards
  strikedesk venue paper --port 8800 --books books
          keeps the accounts in files: killed and started again, it knows every order
"""


def add_venue(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's own options. What stands before the command on the line counts where the same word is left out."""
    venue = commands.add_parser(
        "venue",
        help="serve the paper exchange to desks of this machine, over a loopback socket",
        description="Serves the paper exchange to desks of this machine. No login: paper money, loopback only.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    venue.add_argument("kind", choices=("paper",), help="paper: the built-in exchange on the demo market")
    venue.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="a loopback address (127.0.0.1)")
    venue.add_argument("--port", type=_port, metavar="N", help="0 = any free one (the port of the account's `venue`)")
    absent = argparse.SUPPRESS
    venue.add_argument("--seed", type=whole, default=absent, metavar="N", help="seed of the demo market")
    venue.add_argument("--speed", type=speed, default=absent, metavar="N", help="exchange time runs N times faster")
    venue.add_argument("--faults", default=absent, metavar="FILE", help="misbehave: a script, or swarm or hostile")
    venue.add_argument("--duration", type=duration, default=absent, metavar="SPAN", help="60s, 5m, 2h; day")
    venue.add_argument("--books", type=Path, metavar="FOLDER", help="keep the accounts in files there (in memory)")
    venue.add_argument(
        "--ledger", type=file_name, metavar="FILE", help="write orders, trades and cash there at the end"
    )
    file_options(venue, suppress=True)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r}: a port from 1 to 65535, or 0")
    return int(text)


def run_venue(arguments: argparse.Namespace) -> int:
    """Serve until a signal or the end of --duration; returns the exit code."""
    from engine.config.errors import ConfigError
    from engine.config.load import load

    if arguments.speed == float("inf"):
        raise ConfigError(["--speed max is virtual time; a venue serves other processes: from 0.1 to 1000"])
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    return asyncio.run(_Venue(arguments, _terms(loaded.config.trading_account)).run())


def _terms(account: object) -> PaperAccount:
    """What the configuration says of paper accounts; the built-in values when a real account trades."""
    from engine.config.accounts import PaperAccount

    return account if isinstance(account, PaperAccount) else PaperAccount()


class _Venue:
    """One run of the command."""

    def __init__(self, arguments: argparse.Namespace, terms: PaperAccount) -> None:
        self._arguments = arguments
        self._terms = terms

    async def run(self) -> int:
        from brokers.paper.server import VenueServer
        from tui.paper_floor import PaperFloor, write_ledger
        from tui.signals import Signals
        from tui.start_failure import StartFailed

        arguments = self._arguments
        signals = Signals()
        signals.listen()
        floor = PaperFloor(arguments, self._terms)
        tasks: list[asyncio.Task[None]] = []
        try:
            await floor.open()
            server = VenueServer(floor, on_note=_say)
            try:
                await server.start(arguments.host, self._port())
            except ValueError as error:
                raise StartFailed(f"--host {arguments.host}: {_loopback_only(error)}") from None
            except OSError as error:
                why = error.strerror or str(error)
                raise StartFailed(f"port {self._port()} of {arguments.host}: {why}") from None
            jobs = (*floor.jobs, server.beat)
            tasks = [asyncio.get_running_loop().create_task(job()) for job in jobs]
            print(server.port, flush=True)  # noqa: T201 - the first line of stdout
            _say(f"paper venue on {arguments.host}:{server.port}, {floor.words()}")
            self._stop_after(floor, signals)
            await signals.stop.wait()
            await server.close()
            if arguments.ledger is not None:
                write_ledger(arguments.ledger, floor.ledger())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            floor.close()
        return 0

    def _port(self) -> int:
        """As asked for; else where the account's desk will look for it; else any."""
        if self._arguments.port is not None:
            return self._arguments.port
        return int(self._terms.venue.rpartition(":")[2]) if self._terms.venue else 0

    def _stop_after(self, floor: PaperFloor, signals: Signals) -> None:
        span_ns: int | None = self._arguments.duration
        if span_ns is not None:
            at_ns = floor.close_ns() if span_ns == 0 else floor.clock.now_ns() + span_ns
            floor.clock.call_at(at_ns, signals.ask_to_stop)


def _loopback_only(error: ValueError) -> str:
    return "a loopback address, 127.0.0.1 or ::1" if "does not appear" in str(error) else str(error)


def _say(text: str) -> None:
    print(f"strikedesk: {text}", file=sys.stderr, flush=True)  # noqa: T201
