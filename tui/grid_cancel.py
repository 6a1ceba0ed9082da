"""`strikedesk grid --cancel-all`: ends the open orders of a grid in all its accounts, journal lost or not (OPS-09).

Which orders are ours the broker's book says, by tag. An order counts as ended when a later read of the book says so,
never by the answer to the cancel. The account's lock is taken first: beside a running desk nothing is cancelled.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from brokers.paper.account import PaperAccount
from brokers.paper.books_file import BooksFile
from brokers.paper.exchange import PaperExchange
from brokers.paper.remote_account import RemotePaperAccount
from engine.clock import LoopClock
from engine.config.accounts import PaperAccount as PaperConfig
from engine.config.accounts import RealAccount, session_of
from engine.deadline import NoAnswer, within
from engine.grid.open_orders import ours
from engine.instant import NS_PER_S
from engine.journal.errors import JournalError
from engine.journal.examine import bots_of_orders
from engine.order import TERMINAL
from engine.paths import places
from engine.port import BrokerPort, Clock, OrderReport, ReadFailed
from engine.single_instance import InstanceLock, account_lock_path
from tui.files import DeskFiles
from tui.grid_options import GridRequest
from tui.guardian_files import login_name
from tui.lone_session import open_lone
from tui.remote_station import open_link
from tui.station import latency_of, paper_rules

TRIES: Final = 3
"""For each order, and for the book itself (GRD-46)."""
_CALL_S: Final = 10.0
_PAUSE_NS: Final = NS_PER_S
"""Between two rounds of at most `orders_per_s` cancels."""

Mine = Callable[[Sequence[OrderReport]], list[OrderReport]]


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one account."""

    account: str
    found: int = 0
    ended: int = 0
    """Of `found`, as the book shows: cancelled, or filled meanwhile."""
    left: tuple[str, ...] = ()
    """Still open, or not known, in words."""
    note: str = ""

    @property
    def is_done(self) -> bool:
        return not self.left

    @property
    def words(self) -> str:
        told = self.note or f"{self.ended} of {self.found} open orders ended"
        return "; ".join((f"{self.account}: {told}", *self.left))


async def cancel_ours(port: BrokerPort, clock: Clock, name: str, mine: Mine) -> Cancelled:
    """Cancel what `mine` picks from the book until a read shows none of it; each order is tried `TRIES` times."""
    tries: Counter[str] = Counter()
    unread = 0
    while True:
        try:
            live = mine(await within(clock, port.read_orders(), _CALL_S))
        except (ReadFailed, NoAnswer) as failure:
            unread += 1
            if unread == TRIES:
                why = f"its book could not be read: {_plain(str(failure))}"
                return Cancelled(account=name, found=len(tries), left=(why,))
            await clock.sleep_until(clock.now_ns() + _PAUSE_NS)
            continue
        unread = 0
        due = [order for order in live if tries[order.tag] < TRIES]
        if not due:
            left = tuple(f"still open: {_words(order)}" for order in live)
            return Cancelled(account=name, found=len(tries), ended=len(tries) - len(live), left=left)
        for order in due[: port.rules.orders_per_s]:
            tries[order.tag] += 1
            with suppress(NoAnswer):  # the next read tells
                await within(clock, port.cancel(order.tag, order.broker_id), _CALL_S)
        await clock.sleep_until(clock.now_ns() + _PAUSE_NS)


def _words(order: OrderReport) -> str:
    left = order.qty - order.filled_qty
    return f"{order.side.value} {left} {_plain(order.symbol)} ({order.state.value}, {_plain(order.broker_id)})"


def run_cancel_all(request: GridRequest) -> int:
    """Exit code 0 when nothing of the grid is open any more, else 5. Raises AlreadyRunning beside a running desk."""
    results = asyncio.run(_cancel_everywhere(request))
    for result in results:
        print(result.words)  # noqa: T201 - requested data goes to stdout
    ended, found = sum(result.ended for result in results), sum(result.found for result in results)
    print(f"{ended} of {found} orders ended in {len(results)} account(s)")  # noqa: T201
    return 0 if all(result.is_done for result in results) else 5


async def _cancel_everywhere(request: GridRequest) -> list[Cancelled]:
    files = DeskFiles.of(request.config, places(os.environ), request.arguments.db)
    owners = _owners(files.journal)
    terms = request.terms
    results: list[Cancelled] = []
    for name in dict.fromkeys(session_of(request.config.accounts, used) for used in request.grid.accounts_used):
        wanted = {terms.token_a} if name == terms.accounts.trade else set[str]()
        if terms.token_b and name in (terms.accounts.upside_oco, terms.accounts.downside_oco):
            wanted.add(terms.token_b)
        symbols = frozenset(wanted)

        def mine(book: Sequence[OrderReport], symbols: frozenset[str] = symbols) -> list[OrderReport]:
            return ours(book, terms.bot, symbols=symbols, owners=owners)

        with ExitStack() as held:
            opened = await _open(request, files, name, held)
            if isinstance(opened, Cancelled):
                results.append(opened)
                continue
            port, clock, close = opened
            try:
                await port.connect()
                cancel = (
                    cancel_ours(port, clock, name, mine) if port.rules.carries_tag else only_told(port, name, symbols)
                )
                results.append(await cancel)
            finally:
                await port.close()
                await close()
    return results


async def only_told(port: BrokerPort, name: str, symbols: Collection[str]) -> Cancelled:
    """For a broker whose book carries no tags: which of its orders are a grid's only that grid's desk can know."""
    try:
        book = await port.read_orders()
    except ReadFailed as failure:
        return Cancelled(account=name, left=(f"its book could not be read: {_plain(str(failure))}",))
    live = [row for row in book if row.state not in TERMINAL and row.symbol in symbols]
    if not live:
        return Cancelled(account=name, note=f"no order of {', '.join(sorted(symbols))} is open")
    left = ("this broker carries no tags: stop the grid at its desk, or cancel at the broker", *map(_words, live))
    return Cancelled(account=name, found=len(live), left=left)


async def _open(
    request: GridRequest, files: DeskFiles, name: str, held: ExitStack
) -> Cancelled | tuple[BrokerPort, Clock, Callable[[], Awaitable[None]]]:
    """The account's port, and what gives its connection back. Raises AlreadyRunning and StartFailed."""
    account = request.config.accounts[name]
    if isinstance(account, RealAccount):
        _take(held, files.state_dir, login_name(request.config, name), "account")
        lone = await open_lone(request.config, name, market=False)
        return lone.session.account, lone.clock, lone.session.close
    assert isinstance(account, PaperConfig), "the two kinds of account"
    if account.venue:
        _take(held, files.state_dir, f"{name} at {account.venue}")
        link = await open_link(account.venue, name, account.seed)
        return RemotePaperAccount(link), link.clock, link.close
    path = files.books[name]
    if not path.exists():
        return Cancelled(account=name, note="no paper account there yet, nothing to cancel")
    _take(held, path.parent, path.stem)
    books = BooksFile.open(path, funds_paise=account.funds_paise, start_ns=0)
    held.callback(books.close)
    clock = LoopClock(asyncio.get_running_loop(), books.clock_ns, 1.0)
    # Its market stands still meanwhile: cancels are taken outside the session too, and nothing fills.
    exchange = PaperExchange([], paper_rules(account, 0), lambda _symbol, _now_ns: False)
    port = PaperAccount(
        books.account_id, exchange, clock, Random(account.seed), latency=latency_of(account), recorder=books.record
    )
    exchange.restore(books.state(), clock.now_ns())
    return port, clock, _nothing_to_close


async def _nothing_to_close() -> None: ...


def _take(held: ExitStack, folder: Path, account: str, what: str = "paper account") -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    held.enter_context(InstanceLock.acquire(account_lock_path(folder, account), f"{what} {account}"))


def _owners(journal: Path) -> Mapping[str, str]:
    """Whose the orders are, as far as a journal can tell; without one the tags alone count."""
    if not journal.exists():
        return {}
    try:
        return bots_of_orders(journal)
    except JournalError as failure:
        print(f"strikedesk: note: {_plain(str(failure))}: going by the tags alone", file=sys.stderr)  # noqa: T201
        return {}


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:300]
