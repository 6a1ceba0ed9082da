"""Puts a desk together whose paper exchange stands in another process: link first, then clock, market and account."""

from __future__ import annotations

from random import Random

from brokers.paper.remote_link import VenueLink, VenueUnusable
from brokers.paper.remote_market import RemotePaperMarket
from engine.config.accounts import PaperAccount
from engine.config.errors import ConfigError
from engine.port import ReadFailed
from tui.start_failure import StartFailed
from tui.station import Station, StationPlan


def venue_of(plan: StationPlan) -> str:
    """The address of the venue that keeps the trading account; empty when it is kept in this process."""
    account = plan.loaded.config.trading_account
    return account.venue if isinstance(account, PaperAccount) else ""


async def open_remote(plan: StationPlan) -> tuple[Station, RemotePaperMarket]:
    """A desk at the venue, opened and restored but not started; gives everything back when that fails.

    Raises ConfigError for options that are the venue's own, and StartFailed when it cannot be used.
    """
    venue, names = venue_of(plan), plan.loaded.config.account_names
    name = names[0]
    _refuse_the_venues_options(plan, venue, name)
    station = Station(plan)
    try:
        for one in names:
            station.lock_account(one, f"{one} at {venue}")
            station.links[one] = await open_link(venue, one, plan.seed)
        link = station.links[name]
        station.use_clock(link.clock)
        if plan.speed not in (1.0, link.clock.speed):
            raise StartFailed(
                f"--speed {plan.speed:g}: the venue at {venue} runs at {link.clock.speed:g}; leave it out"
            )
        market = RemotePaperMarket(link)
        try:
            instruments = await market.instruments()
        except ReadFailed as failure:
            raise StartFailed(f"accounts.{name}.venue = {venue!r}: no instruments ({failure})") from None
        station.hours.know(instruments)
        await station.build(market, instruments)
    except BaseException:
        await station.close(1)
        raise
    return station, market


async def open_link(venue: str, name: str, seed: int) -> VenueLink:
    """The connection of one account. Raises StartFailed, one line with the key that names the venue."""
    try:
        link = VenueLink(venue, name, Random(f"{seed} {name} link"))
        await link.open()
    except VenueUnusable as failure:
        raise StartFailed(
            f"accounts.{name}.venue = {venue!r}: {str(failure).removeprefix(f'{venue}: ')}; "
            f"start one with: strikedesk venue paper --port {venue.rpartition(':')[2]}"
        ) from None
    return link


def _refuse_the_venues_options(plan: StationPlan, venue: str, name: str) -> None:
    given = [
        (plan.is_virtual, "--speed max"),
        (plan.fresh, "--fresh"),
        (plan.faults is not None, "--faults"),
    ]
    for is_given, option in given:
        if is_given:
            raise ConfigError(
                [f"{option}: the account is kept by the venue at {venue} (accounts.{name}.venue); ask for it there"]
            )
