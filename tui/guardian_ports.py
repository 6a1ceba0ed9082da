"""The broker as a guardian reaches it: the same account as the desk's, by a connection of its own.

Opened only when something is to be done: a second session could end the desk's at some brokers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

from brokers.paper.remote_account import RemotePaperAccount
from brokers.paper.remote_link import VenueLink, VenueUnusable
from brokers.paper.remote_market import RemotePaperMarket
from engine.config.accounts import PaperAccount
from engine.config.model import Config
from engine.guardian_runner import CannotFlatten, CannotReach, Ports
from engine.instant import ns_from_s


def port_opener(config: Config) -> Callable[[], Awaitable[Ports]]:
    """Opens the account of [legs]; what it returns raises CannotReach and CannotFlatten."""

    async def open_ports() -> Ports:
        account, name = config.trading_account, config.legs.account
        if not isinstance(account, PaperAccount):
            raise CannotFlatten(f"account {name} is of a kind that cannot trade yet")
        if not account.venue:
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
    # Its window is in exchange time; the guardian lives in real time.
    ambiguity_ns = ns_from_s(port.ambiguity_s / link.clock.speed)
    bps = max(
        *(legs.protection_bps for legs in config.all_groups),
        *(config.grid_terms(grid).protection_bps for grid in config.grids),
        0,
    )
    return Ports(
        port=port, market=RemotePaperMarket(link), ambiguity_ns=ambiguity_ns, protection_bps=bps, close=link.close
    )
