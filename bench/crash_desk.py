"""Real processes for the crash tests: a venue, a desk that trades legs at speed against it, and an ear at the venue.

Everything of a run lies in one folder. Times are the venue's clock, which all processes of the machine share.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from random import Random

from crash_judge import Book, Watch

from brokers.paper import wire
from brokers.paper.remote_link import VenueLink

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60.0
"""Real seconds for something that takes one: a hang, not a slow machine."""
OPEN_WORD = "[DESK] when it is told to stop"
"""What a desk says when its recovery is over and its entries are on."""

CONFIG = """\
[desk]
restart_loop_starts = 0

[accounts.paper]
kind = "paper"
venue = "127.0.0.1:{port}"

[gateway]
exit_timeout_seconds = 10

{groups}"""
GROUP = """\
[{table}]
strategy = "{name}"
symbol = "NIFTY01DEC26{strike}PE"
interval = "10s"
session_start = "09:15"
profit_target_rupees = {rupees}
stop_loss_rupees = {rupees}
{more}
"""
GROUPS = (
    ("resting", 24500, 0.5, 'exit_style = "resting"'),
    ("patient", 24400, 6.0, 'exit_style = "resting"'),
    ("trailing", 24550, 2.0, 'exit_style = "resting"\nenable_trailing_sl = true'),
    ("modify", 24450, 1.0, 'exit_style = "hybrid"'),
    ("far", 24650, 8.0, 'exit_style = "hybrid"\nenable_trailing_sl = true'),
    ("replace", 24600, 3.0, 'exit_style = "hybrid"\nexit_by = "replace"\nenable_trailing_sl = true'),
)
"""Name, strike, rupees to target and stop, and the way out: some are over in a second, some rest for a minute."""


def desk_toml(port: int) -> str:
    """A desk whose groups enter all the time, each leaving in its own way."""
    groups = [
        GROUP.format(table=f"groups.{name}" if number else "legs", name=name, strike=strike, rupees=rupees, more=more)
        for number, (name, strike, rupees, more) in enumerate(GROUPS)
    ]
    return CONFIG.format(port=port, groups="\n".join(groups))


class Child:
    """One process of the project with what it says, read as it is written."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.arguments = arguments
        self.said: deque[str] = deque(maxlen=2000)
        self.first_out = ""
        self._news = asyncio.Event()
        self.process: asyncio.subprocess.Process
        self._readers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tui", *self.arguments),
            cwd=self.folder,
            env=environment(self.folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1024 * 1024,
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read(self.process.stdout, is_out=True)),
            asyncio.create_task(self._read(self.process.stderr, is_out=False)),
        ]

    @property
    def is_over(self) -> bool:
        return self.process.returncode is not None

    async def until(self, text: str, patience_s: float = PATIENCE_S) -> str:
        """The first line that says it. Raises AssertionError with the last lines when it never comes."""
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    line = next((line for line in self.said if text in line), None)
                    if line is not None:
                        return line
                    assert not self._readers[1].done(), f"ended without saying {text!r}\n{self.tail()}"
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"never said {text!r}\n{self.tail()}") from None

    async def first_line(self) -> str:
        """Of stdout, which is read beside stderr and may come a moment later."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.first_out:
                self._news.clear()
                await self._news.wait()
        return self.first_out

    def tell(self, number: signal.Signals) -> None:
        if not self.is_over:
            self.process.send_signal(number)

    async def end(self, number: signal.Signals | None = None, patience_s: float = PATIENCE_S) -> int:
        """Send a signal, if any, and wait; returns the exit code."""
        if number is not None:
            self.tell(number)
        try:
            async with asyncio.timeout(patience_s):
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise AssertionError(f"did not end\n{self.tail()}") from None
        await asyncio.gather(*self._readers)
        return code

    async def discard(self) -> None:
        if hasattr(self, "process") and not self.is_over:
            self.process.kill()
        if hasattr(self, "process"):
            await self.process.wait()
            await asyncio.gather(*self._readers, return_exceptions=True)

    def tail(self, lines: int = 30) -> str:
        return "".join(list(self.said)[-lines:])

    async def _read(self, stream: asyncio.StreamReader, *, is_out: bool) -> None:
        while line := await stream.readline():
            text = line.decode(errors="replace")
            if is_out and not self.first_out:
                self.first_out = text.strip()
            if not is_out:
                self.said.append(text)
            self._news.set()
        self._news.set()


def environment(folder: Path) -> dict[str, str]:
    """A home of its own; nothing of the machine's user."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'lean'}",
        "HOME": str(folder / "home"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "TZ": "Asia/Kolkata",
    }


class Rehearsal:
    """A venue, its ear, and one desk after the other on the same files."""

    def __init__(self, folder: Path, seed: int, *, speed: float, venue_options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.seed = seed
        self.speed = speed
        self.venue_options = venue_options
        self.journal = folder / "desk.db"
        self.book = Book()
        self.watches: list[Watch] = []
        self.recovery_s: list[float] = []
        """Real seconds from the start of a process to entries on, of each start that got so far."""
        self.venue: Child
        self.desk: Child
        self.link: VenueLink
        self.port = 0
        self._open_ns = 0
        self._children: list[Child] = []

    async def open(self) -> None:
        """Venue and ear."""
        self.folder.mkdir(parents=True, exist_ok=True)
        await self.start_venue(0)
        (self.folder / "desk.toml").write_text(desk_toml(self.port))
        self.link = VenueLink(f"127.0.0.1:{self.port}", "paper", Random(self.seed))
        await self.link.open()
        self.link.on_push(self._hear)

    async def start_venue(self, port: int) -> None:
        options = ("--port", str(port), "--speed", f"{self.speed:g}", "--seed", str(self.seed), *self.venue_options)
        self.venue = Child(self.folder, "venue", "paper", *options)
        self._children.append(self.venue)
        await self.venue.start()
        await self.venue.until("paper venue on")
        self.port = int(await self.venue.first_line())

    def now_ns(self) -> int:
        return self.link.clock.now_ns()

    async def start_desk(self) -> None:
        """A process on the same files, whatever the one before left there."""
        self.desk = Child(
            self.folder, "--no-ui", "--config", "desk.toml", "--db", self.journal.name, "--seed", str(self.seed)
        )
        self._children.append(self.desk)
        await self.desk.start()
        self._open_ns = 0

    async def until_recovered(self) -> None:
        began_s = asyncio.get_running_loop().time()
        await self.desk.until(OPEN_WORD)
        self.recovery_s.append(asyncio.get_running_loop().time() - began_s)
        self._open_ns = self.now_ns()

    async def kill_desk(self) -> None:
        """SIGKILL, whatever it is doing."""
        if self.desk.is_over:
            raise AssertionError(f"the desk ended by itself with {self.desk.process.returncode}\n{self.desk.tail()}")
        now_ns = self.now_ns()
        code = await self.desk.end(signal.SIGKILL)
        if code != -signal.SIGKILL:
            raise AssertionError(f"the desk ended by itself with {code}\n{self.desk.tail()}")
        self._watched_to(now_ns)

    def pause_desk(self) -> None:
        """SIGSTOP: it cannot protect anything while it stands."""
        self._watched_to(self.now_ns())
        self.desk.tell(signal.SIGSTOP)

    def wake_desk(self) -> None:
        self.desk.tell(signal.SIGCONT)
        self._open_ns = self.now_ns()

    async def kill_venue(self) -> None:
        """SIGKILL; the ear hears nothing until another one is there."""
        await self.venue.end(signal.SIGKILL)

    async def stall_venue(self, seconds: float) -> None:
        """SIGSTOP for so long in real time: its sockets stay open and nobody answers."""
        self.venue.tell(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self.venue.tell(signal.SIGCONT)

    async def until_orders(self, count: int) -> None:
        """The venue has taken so many orders altogether."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.book.orders) < count:  # noqa: ASYNC110 - what it waits for comes from another process
                await asyncio.sleep(0.02)

    async def until_busy(self, patience_s: float) -> None:
        """An order is at work at the venue, or the patience is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not self.book.at_work:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.02)

    async def until_linked(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.link.down:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

    async def stop_desk(self) -> int:
        """An orderly stop: flat, by the policy of its bots. Returns the exit code."""
        code = await self.desk.end(signal.SIGTERM)
        self._watched_to(self.now_ns())
        return code

    def _watched_to(self, now_ns: int) -> None:
        if self._open_ns:
            self.watches.append(Watch(self._open_ns, now_ns))

    async def verified(self) -> str:
        """What `strikedesk verify` finds wrong with the journal after the desk's end; empty when all adds up."""
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tui", "verify", "--journal", str(self.journal)),
            cwd=self.folder,
            env=environment(self.folder),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await child.communicate()
        return (
            "" if child.returncode == 0 else f"strikedesk verify: {child.returncode}\n{said.decode(errors='replace')}"
        )

    async def orders_at_venue(self) -> int:
        """Of every account, asked over a link of its own."""
        link = VenueLink(f"127.0.0.1:{self.port}", "auditor", Random(self.seed))
        await link.open()
        try:
            reply = await link.ask(wire.ReadLedger(id=link.number()), wire.LedgerRead)
        finally:
            await link.close()
        return sum(len(account.orders) for account in reply.ledger.accounts)

    async def ledger(self) -> wire.VenueLedger:
        """The venue's own records, when all its pushes have come."""
        await self.link.clock.sleep_until(self.now_ns() + 2_000_000_000)
        reply = await self.link.ask(wire.ReadLedger(id=self.link.number()), wire.LedgerRead)
        self.book.end(reply.ledger.venue_ns)
        return reply.ledger

    async def close(self) -> None:
        for child in self._children:
            await child.discard()
        if hasattr(self, "link"):
            await self.link.close()

    def _hear(self, push: wire.Push) -> None:
        if isinstance(push, wire.OrderPush):
            self.book.hear(push.report)
