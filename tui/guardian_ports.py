"""The broker as a guardian reaches it: the same account as the desk's, by a connection of its own.

Opened only when something is to be done: a second session could end the desk's at some brokers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

from brokers.paper.remote_account import RemotePaperAccount
from brokers.paper.remote_link import VenueLink, VenueUnusable
from brokers.paper.remote_market import RemotePaperMarket
from engine.config.accounts import PaperAccount, RealAccount, session_of
from engine.config.model import Config
from engine.guardian_runner import CannotFlatten, CannotReach, Ports
from engine.instant import ns_from_s
from engine.port import BrokerPort, MarketPort, ReadFailed
from tui.lone_session import LoneSession, open_lone
from tui.start_failure import StartFailed


def port_opener(config: Config) -> Callable[[], Awaitable[Ports]]:
    """Opens the account of [legs]; what it returns raises CannotReach and CannotFlatten."""

    async def open_ports() -> Ports:
        account, name = config.trading_account, config.legs.account
        if isinstance(account, RealAccount):
            if not config.is_rehearsal:
                raise CannotFlatten(f"account {name} is of a kind that cannot trade yet")
            return await _open_broker(config, name)
        if not isinstance(account, PaperAccount) or not account.venue:
            raise CannotFlatten(f"the paper exchange of account {name} lives inside the desk's process")
        return await _open_venue(config, account.venue, name)

    return open_ports


async def _open_venue(config: Config, venue: str, name: str) -> Ports:
    try:
        link = VenueLink(venue, name, Random(f"guardian {name}"))
        await link.open()
    except VenueUnusable as failure:
        raise CannotReach(str(failure)) from None
    port = RemotePaperAccount(link)
    await port.connect()
    return _ports(config, port, RemotePaperMarket(link), link.clock.speed, link.close)


async def _open_broker(config: Config, name: str) -> Ports:
    """The desk's own login again, and that of its prices where it is another."""
    feed = config.feed_account
    is_same = session_of(config.accounts, feed) == session_of(config.accounts, name)
    opened: list[LoneSession] = []

    async def close() -> None:
        for each in opened:
            await each.session.close()

    try:
        opened.append(await open_lone(config, session_of(config.accounts, name), market=is_same))
        if not is_same:
            opened.append(await open_lone(config, session_of(config.accounts, feed), trade=False))
        await opened[0].session.account.connect()
    except (StartFailed, ReadFailed) as failure:
        await close()
        raise CannotReach(str(failure)) from None
    return _ports(config, opened[0].session.account, opened[-1].session.feed, opened[0].clock.speed, close)


def _ports(
    config: Config, port: BrokerPort, market: MarketPort, speed: float, close: Callable[[], Awaitable[None]]
) -> Ports:
    bps = max(
        *(legs.protection_bps for legs in config.all_groups),
        *(config.grid_terms(grid).protection_bps for grid in config.grids),
        0,
    )
    # The port's window is in exchange time; the guardian lives in real time.
    ambiguity_ns = ns_from_s(port.ambiguity_s / speed)
    return Ports(port=port, market=market, ambiguity_ns=ambiguity_ns, protection_bps=bps, close=close)
