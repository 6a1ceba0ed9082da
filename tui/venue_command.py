"""`strikedesk venue KIND`: the paper exchange with its market as a process of its own, for desks of this machine.

It outlives the desk as a broker does: a desk that is killed finds its orders where they were, or filled meanwhile. The
port it listens on is its first line on stdout. `paper` speaks this program's own protocol; the others speak a broker's,
so that a live configuration, or the broker's official client, can be rehearsed against it with no money.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from tui.arguments import duration, file_name, file_options, speed, whole

if TYPE_CHECKING:
    from brokers.paper.server import VenueServer
    from brokers.venue.site import Site
    from engine.config.accounts import PaperAccount
    from tui.paper_floor import PaperFloor
    from tui.signals import Signals

PORTS: Final = {"paper": 0, "kite": 8801, "dhan": 8802, "openalgo": 8803, "xts": 8804}
"""Where each listens when nothing else is said, and where a rehearsing desk looks for it."""
_EXAMPLES: Final = """\
examples:
  strikedesk venue paper --port 8800
          and in the desk's config.toml, in [accounts.paper]: venue = "127.0.0.1:8800"
  strikedesk venue paper --port 0 --speed 20 --duration day --ledger day.json
          any free port, a hurried day, its orders and trades afterwards
  strikedesk venue paper --port 8800 --books books
          keeps the accounts in files: killed and started again, it knows every order
  strikedesk venue kite
          and in the desk's config.toml: [desk] mode = "rehearsal", market = "kite"; [legs] account = "kite";
          [accounts.kite] kind = "kite"
  strikedesk venue kite xts
          one market behind both: prices from Kite, orders to XTS
  strikedesk venue xts --faults swarm --seed 5 --lost-reply any
          a bad day at a broker: replies that are lost, late updates, hands at the broker's own screen
"""


def add_venue(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's own options. What stands before the command on the line counts where the same word is left out."""
    venue = commands.add_parser(
        "venue",
        help="serve the paper exchange to desks of this machine, in its own words or a broker's",
        description="Serves the paper exchange to desks of this machine: paper money, loopback only. A broker's venue "
        "speaks the broker's own protocol and takes any credential that begins with the word rehearsal.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    venue.add_argument(
        "kinds",
        nargs="+",
        choices=tuple(PORTS),
        metavar="KIND",
        help=f"whose protocol: {', '.join(PORTS)} (this program's own); several share one market, clock and books",
    )
    venue.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="a loopback address (127.0.0.1)")
    ports = ", ".join(f"{kind} {port}" for kind, port in PORTS.items() if port)
    venue.add_argument("--port", type=_port, metavar="N", help=f"0 = any free one ({ports}; paper: as in its account)")
    venue.add_argument(
        "--lost-reply",
        choices=("drop", "html", "silence", "any"),
        default="drop",
        help="how a broker's venue loses the reply to an order: connection dropped, a 502 page, no answer at all",
    )
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
        from engine.config.errors import ConfigError
        from tui.paper_floor import PaperFloor, write_ledger
        from tui.signals import Signals

        arguments = self._arguments
        if arguments.port and len(arguments.kinds) > 1:
            raise ConfigError(
                [f"--port {arguments.port}: for one kind; several listen on their own ports, or with 0 on any"]
            )
        signals = Signals()
        signals.listen()
        floor = PaperFloor(arguments, self._terms)
        tasks: list[asyncio.Task[None]] = []
        try:
            await floor.open()
            servers = [await self._started(kind, floor) for kind in arguments.kinds]
            jobs = (*floor.jobs, *(job for server in servers for job in server.jobs))
            tasks = [asyncio.get_running_loop().create_task(job()) for job in jobs]
            for kind, server in zip(arguments.kinds, servers, strict=True):
                print(server.port, flush=True)  # noqa: T201 - the first lines of stdout, in the order of the kinds
                _say(f"{kind} venue on {arguments.host}:{server.port}, {floor.words()}")
            self._stop_after(floor, signals)
            await signals.stop.wait()
            for server in servers:
                await server.close()
            if arguments.ledger is not None:
                write_ledger(arguments.ledger, floor.ledger())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            floor.close()
        return 0

    async def _started(self, kind: str, floor: PaperFloor) -> VenueServer | Site:
        """Raises StartFailed, one line."""
        from tui.start_failure import StartFailed

        host, port = self._arguments.host, self._port(kind)
        server = self._server(kind, floor)
        try:
            await server.start(host, port)
        except ValueError as error:
            raise StartFailed(f"--host {host}: {_loopback_only(error)}") from None
        except OSError as error:
            raise StartFailed(f"port {port} of {host}: {error.strerror or str(error)}") from None
        return server

    def _server(self, kind: str, floor: PaperFloor) -> VenueServer | Site:
        from brokers.paper.server import VenueServer

        if kind == "paper":
            return VenueServer(floor, on_note=_say)
        try:
            from brokers.venue.site import VenueTerms
            from tui.rehearsal import make_venue
        except ModuleNotFoundError as missing:
            raise _not_installed(missing) from None
        terms = VenueTerms(lost_reply=self._arguments.lost_reply)
        return make_venue(kind, floor, Random(floor.seed), terms, _say)

    def _port(self, kind: str) -> int:
        """As asked for; else where a desk will look for it; else any."""
        if self._arguments.port is not None:
            return self._arguments.port
        if kind != "paper":
            return PORTS[kind]
        return int(self._terms.venue.rpartition(":")[2]) if self._terms.venue else 0

    def _stop_after(self, floor: PaperFloor, signals: Signals) -> None:
        span_ns: int | None = self._arguments.duration
        if span_ns is not None:
            at_ns = floor.close_ns() if span_ns == 0 else floor.clock.now_ns() + span_ns
            floor.clock.call_at(at_ns, signals.ask_to_stop)


def _not_installed(missing: ModuleNotFoundError) -> Exception:
    """Raises what it cannot explain."""
    from tui.start_failure import StartFailed

    if missing.name != "aiohttp":
        raise missing
    return StartFailed("the brokers' venues need the extra `venue`: pip install 'strikedesk[venue]'")


def _loopback_only(error: ValueError) -> str:
    return "a loopback address, 127.0.0.1 or ::1" if "does not appear" in str(error) else str(error)


def _say(text: str) -> None:
    print(f"strikedesk: {text}", file=sys.stderr, flush=True)  # noqa: T201
