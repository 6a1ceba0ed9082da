"""Puts a desk together that hangs on brokers, or on their rehearsal venues: clock and logins, then feed and accounts.

Prices and trading are chosen apart: the feed of one broker, the accounts of another, or paper accounts on a real feed.
Two names with the same login share its session (GRD-39). A rehearsal takes its clock from the venue of its feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

import msgspec

from brokers.paper import wire
from brokers.wire.http import HttpLink, NoReply, NotWritten
from brokers.wire.tools import SessionTools
from engine.clock import LoopClock
from engine.config.accounts import Account, RealAccount, session_of
from engine.config.errors import ConfigError
from engine.instant import NS_PER_S, clock_text
from engine.order import Order
from engine.port import OrderRequest, ReadFailed
from engine.port_reads import BrokerSession, FeedPort, KnownOrder, RecallingPort, SessionRefused, SessionState
from engine.secrets import Redactions, Secrets
from tui.broker_sessions import make_session
from tui.guardian_files import login_name
from tui.rehearsal import rehearsal_secret, rehearsed
from tui.start_failure import StartFailed
from tui.station import Station, StationPlan

_CLOCK_S: Final = 3.0
_EXPIRY_NEAR_NS: Final = 30 * 60 * NS_PER_S
"""So long before a login ends the top line says so."""


async def open_brokers(plan: StationPlan) -> tuple[Station, FeedPort]:
    """A desk, opened and restored but not started; gives everything back when that fails.

    Raises ConfigError for options that make no sense here, StartFailed when a broker cannot be used, SecretMissing.
    """
    _refuse_the_demos_options(plan)
    _refuse_live_orders(plan)
    logins = Logins(Station(plan))
    station = logins.station
    try:
        await logins.start_clock()
        feed = await logins.open()
        instruments = await feed.instruments()
        station.hours.know(instruments)
        await station.build(feed, instruments)
        recall(station)
        logins.listen(feed)
    except ReadFailed as failure:
        await logins.close(1)
        raise StartFailed(f"desk.market = {plan.loaded.config.feed_account!r}: no instruments ({failure})") from None
    except BaseException:
        await logins.close(1)
        raise
    return station, feed


def recall(station: Station) -> None:
    """Tell the ports that carry no tag of ours which orders the journal knows, before they read their first book."""
    account_ids = {name: session.account.account_id for name, session in station.sessions.items()}
    for name, session in station.sessions.items():
        if isinstance(session.account, RecallingPort):
            session.account.recall([known_of(order) for order in station.desk.accounts[account_ids[name]].orders()])


def known_of(order: Order) -> KnownOrder:
    """What a broker's book shows of it, if it is there."""
    request = OrderRequest(
        tag=order.tag,
        symbol=order.symbol,
        exchange=order.exchange,
        product=order.product,
        side=order.side,
        type=order.type,
        qty=order.qty,
        limit_paise=order.limit_paise,
        trigger_paise=order.trigger_paise,
    )
    return KnownOrder(tag=order.tag, broker_id=order.broker_id, request=request, sent_ns=order.intended_ns)


class Logins:
    """The sessions of one desk, by the account that logs in."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self._config = station.config
        self._sessions: dict[str, BrokerSession] = {}
        self._said: list[str] = []

    async def start_clock(self) -> None:
        """Real time; in a rehearsal the venue's. Raises StartFailed."""
        loop, config = asyncio.get_running_loop(), self._config
        if not config.is_rehearsal:
            self.station.use_clock(LoopClock.wall(loop))
            return
        name = config.feed_account
        terms = config.accounts[name]
        assert isinstance(terms, RealAccount), "the check of the configuration"
        line = await venue_clock(name, terms)
        self.station.use_clock(LoopClock.anchored(loop, line.venue_ns, line.monotonic_ns, line.speed))

    async def open(self) -> FeedPort:
        """Log in everywhere; the trading accounts are then the station's. Raises StartFailed and SecretMissing."""
        config, station = self._config, self.station
        names, feed = config.account_names, config.feed_account
        real = [name for name in names if _is_real(config.accounts[name])]
        if real and len(real) != len(names):
            raise ConfigError([f"accounts {', '.join(names)}: paper and real accounts cannot trade in one desk"])
        if not real:
            station.open_books(station.clock.now_ns())
            station.make_exchange()
        for name in real:
            station.lock_account(name, login_name(config, name), "account")
        for name in dict.fromkeys((*real, feed)):
            login = session_of(config.accounts, name)
            if login not in self._sessions:
                trades = any(session_of(config.accounts, other) == login for other in real)
                self._sessions[login] = await self._opened(
                    name, trade=trades, market=session_of(config.accounts, feed) == login
                )
            if name in real:
                station.sessions[name] = self._sessions[login]
        return self._sessions[session_of(config.accounts, feed)].feed

    async def _opened(self, name: str, *, trade: bool, market: bool) -> BrokerSession:
        station, terms = self.station, self._config.accounts[name]
        tools = SessionTools(
            clock=station.clock,
            random=Random(f"{station.plan.seed} {name}"),
            note=self._note,
            cache=None if self._config.is_rehearsal else station.plan.files.state_dir / "instruments",
            time_scale=station.clock.speed,
        )
        reveal = self._reveal()
        for secret in terms.secrets_for(trade=trade, market=market):  # said before anything is connected (LEG-54)
            reveal(secret)
        session = make_session(self._terms(terms), reveal, tools)
        station.held_sessions.append(session)
        try:
            await session.open(trade=trade, market=market)
        except SessionRefused as refusal:
            raise StartFailed(f"accounts.{name}: {refusal}{self._hint(terms)}") from None
        return session

    def _terms(self, terms: Account) -> Account:
        if self._config.is_rehearsal and isinstance(terms, RealAccount):
            return rehearsed(terms, terms.rehearsal_address)
        return terms

    def _reveal(self) -> Callable[[str], str]:
        if self._config.is_rehearsal:
            return rehearsal_secret
        secrets = Secrets(self.station.plan.loaded.env, self.station.plan.files.secrets, self.station.redactions)
        return lambda name: secrets.require(name).reveal()

    def _hint(self, terms: Account) -> str:
        if self._config.is_rehearsal and isinstance(terms, RealAccount):
            port = terms.rehearsal_address.rpartition(":")[2]
            return f"; start its venue with: strikedesk venue {terms.kind_word} --port {port}"
        return ""

    def listen(self, feed: FeedPort) -> None:
        """From now on losses are told to the desk, and the top line knows when a login ends."""
        feed.on_link(self._on_feed)
        self.station.console.login_words = self._login_words
        for text in self._said:
            self.station.tell(text)
        self._said.clear()

    def _note(self, text: str) -> None:
        if hasattr(self.station, "desk"):
            self.station.tell(text)
        else:
            self._said.append(text)

    def _on_feed(self, why: str) -> None:
        desk = self.station.desk

        def tell(_now_ns: int) -> None:
            if why:
                desk.out.raise_alarm("feed", f"no prices from {self._config.feed_account}: {why}")
            else:
                desk.out.end_alarm("feed")

        desk.step(tell)

    def _login_words(self, now_ns: int) -> str:
        return login_words({name: session.state for name, session in self._sessions.items()}, now_ns)

    async def close(self, code: int) -> None:
        await self.station.close(code)


def login_words(states: Mapping[str, SessionState], now_ns: int) -> str:
    """What a trader must know of his logins, by account, before it stops him; empty while all are well (OPS-12)."""
    for name, state in states.items():
        if not state.is_live:
            return f"{name}: log in again ({state.reason})"
        if state.may_trade is False:
            return f"{name}: {state.reason}"
        if state.expires_ns and state.expires_ns - now_ns < _EXPIRY_NEAR_NS:
            return f"{name}: login ends {clock_text(state.expires_ns)[:5]}"
    return ""


async def venue_clock(name: str, terms: RealAccount) -> wire.VenueClock:
    """The clock of a rehearsal venue. Raises StartFailed with the command that starts one."""
    address = terms.rehearsal_address
    link = HttpLink(f"http://{address}", dict, deadline_s=_CLOCK_S)
    port = address.rpartition(":")[2]
    start = f"start one with: strikedesk venue {terms.kind_word} --port {port}"
    try:
        reply = await link.call("GET", "/strikedesk/clock")
        return msgspec.convert(reply.data, wire.VenueClock)
    except (NotWritten, NoReply) as failure:
        raise StartFailed(f"accounts.{name}: no venue at {address} ({failure}); {start}") from None
    except msgspec.ValidationError:
        raise StartFailed(f"accounts.{name}: what listens at {address} is no venue of strikedesk; {start}") from None
    finally:
        await link.close()


def _refuse_live_orders(plan: StationPlan) -> None:
    """Real orders are not released yet; a missing credential is said first (LEG-54)."""
    config = plan.loaded.config
    if not config.is_live:
        return
    secrets = Secrets(plan.loaded.env, plan.files.secrets, Redactions())
    for name in config.account_names:
        terms = config.accounts[name]
        for secret in terms.secret_names:
            secrets.require(secret)
        if isinstance(terms, RealAccount):
            text = f'kind {terms.kind_word} cannot trade yet in mode "live"; rehearse it with [desk] mode = "rehearsal"'
            raise ConfigError([f"accounts.{name}: {text}"])


def _is_real(terms: Account) -> bool:
    return isinstance(terms, RealAccount)


def _refuse_the_demos_options(plan: StationPlan) -> None:
    given = [(plan.is_virtual, "--speed max"), (plan.faults is not None, "--faults"), (plan.speed != 1.0, "--speed")]
    for is_given, option in given:
        if is_given:
            raise ConfigError([f"{option}: is for the demo market; this desk has the prices of a broker or a venue"])
