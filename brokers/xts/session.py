"""One XTS session: two logins with two keys, one pool of connections, the day's master, and what hangs on them.

The interactive login trades, the market-data login has prices; either may be absent. The account and the feed are made
at once and live on the session's logins: a token that dies anywhere is dead for both (GRD-54).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any, Final, cast

import msgspec

from brokers.wire.day_file import day_bytes
from brokers.wire.http import HttpLink, NoReply, NotWritten
from brokers.wire.oddities import Oddities
from brokers.wire.pace import Pace
from brokers.wire.tools import SessionTools
from brokers.xts.account import XtsTradingAccount
from brokers.xts.answers import Success, judge
from brokers.xts.feed import XtsFeed
from brokers.xts.login import Login, Token, ask_token
from brokers.xts.master import Master, read_master
from brokers.xts.requests import Requests
from brokers.xts.rules import SessionLimits
from brokers.xts.segments import MASTER_SEGMENTS
from engine.config.accounts import XtsAccount
from engine.instant import ist_date
from engine.port import ReadFailed
from engine.port_reads import FeedPort, SessionRefused, SessionState, TradingPort
from engine.secrets import SecretMissing

_INDEX_SEGMENTS: Final = (1, 11)
_NO_HEADERS: Final[Mapping[str, str]] = {}
_LONGEST_WAIT_S: Final = 3600.0
_CONNECTIONS_MAX: Final = 8


class XtsSession:
    """Implements `engine.port_reads.BrokerSession`."""

    def __init__(
        self,
        terms: XtsAccount,
        reveal: Callable[[str], str],
        tools: SessionTools,
        limits: SessionLimits | None = None,
    ) -> None:
        """`reveal` gives a secret by its name, and raises SecretMissing for one that is nowhere."""
        self.terms = terms
        self.tools = tools
        self.limits = limits or SessionLimits()
        self.odd = Oddities("xts", tools.note)
        self._reveal = reveal
        self._link = HttpLink(
            terms.root, lambda: _NO_HEADERS, deadline_s=tools.deadline_s, connections_max=_CONNECTIONS_MAX
        )
        self.trade = Login("interactive", self._ask_trade, self.limits, tools.clock, self._changed)
        self.market = Login("market data", self._ask_market, self.limits, tools.clock, self._changed)
        self.trade_requests = self._requests(self.trade, terms.interactive_path)
        self.market_requests = self._requests(self.market, terms.market_path)
        self._wants: tuple[Login, ...] = ()
        self._master: Master | None = None
        self._master_day: date | None = None
        self._master_lock = asyncio.Lock()
        self._may_trade: bool | None = None
        self._forbidden = ""
        self._renewals: dict[str, asyncio.Task[None]] = {}
        """By the login's name."""
        self._account = XtsTradingAccount(self)
        self._feed = XtsFeed(self)

    @property
    def account(self) -> TradingPort:
        return self._account

    @property
    def feed(self) -> FeedPort:
        return self._feed

    @property
    def client_id(self) -> str:
        """What requests name as their client: the configured code, or a dealer's first; empty for an investor."""
        token = self.trade.token
        if self.terms.client_id or token is None or token.is_investor:
            return self.terms.client_id
        return next(iter(token.client_codes), token.user_id)

    @property
    def state(self) -> SessionState:
        dead = [login for login in self._wants if not login.is_live]
        reason = "; ".join(f"{login.name}: {login.reason}" for login in dead)
        expiries = [login.expires_ns for login in self._wants if login.is_live]
        return SessionState(
            is_live=bool(self._wants) and not dead,
            may_trade=self._may_trade,
            expires_ns=min(expiries, default=0),
            reason=reason or self._forbidden or ("" if self._wants else "not logged in"),
        )

    async def open(self, *, trade: bool = True, market: bool = True) -> None:
        """Log in where there are keys, and fetch the day's contracts. Raises SessionRefused.

        `trade=False` is a feed alone, `market=False` an account alone. A side whose secrets are nowhere is left out;
        with neither, the refusal names them.
        """
        asked = [login for login, wanted in ((self.trade, trade), (self.market, market)) if wanted]
        missing: list[str] = []
        for login in asked:
            try:
                self._secrets(login)
            except SecretMissing as nowhere:
                missing.append(str(nowhere))
        wants = [login for login in asked if self._has_secrets(login)]
        if not wants:
            raise SessionRefused("; ".join(missing) or "an XTS session without a login was asked for")
        for login in wants:
            await login.open()
        self._wants = tuple(wants)
        try:
            await self.master()
        except ReadFailed as failure:
            raise SessionRefused(f"the instrument master: {failure}") from None

    async def close(self) -> None:
        """Orders go on resting; the tokens stay good at the broker, for a logout would end every program's session."""
        self._wants = ()
        for job in tuple(self._renewals.values()):
            job.cancel()
        await self._account.close()
        await self._feed.close()
        for login in (self.trade, self.market):
            login.close()
        await self._link.close()

    # --- for the account and the feed -------------------------------------------------------------------------------

    async def master(self) -> Master:
        """Today's contracts, fetched once a day. Raises ReadFailed."""
        today = ist_date(self.tools.clock.now_ns())
        async with self._master_lock:
            if self._master is None or self._master_day != today:
                self._master = await self._fetch_master(today)
                self._master_day = today
            return self._master

    @property
    def known_master(self) -> Master:
        """The contracts that are known now, perhaps none."""
        return self._master or Master(by_symbol={}, by_key={})

    def took_an_order(self) -> None:
        self._may_trade, self._forbidden = True, ""

    def forbade_orders(self, text: str) -> None:
        self._may_trade, self._forbidden = False, f"the broker takes no orders from here: {text}"

    # --- logins -------------------------------------------------------------------------------------------------------

    def _requests(self, login: Login, prefix: str) -> Requests:
        return Requests(
            self._link,
            login,
            prefix,
            deadline_s=self.tools.deadline_s,
            time_scale=self.tools.time_scale,
            note=self.tools.note,
        )

    def pace(self, per_s: int) -> Pace:
        """So many in one second of the exchange's clock."""
        return Pace(per_s, 1.0 / self.tools.time_scale)

    def _secrets(self, login: Login) -> tuple[str, str]:
        """Raises SecretMissing."""
        terms = self.terms
        names = (
            (terms.trade_key_name, terms.trade_secret_name)
            if login is self.trade
            else (terms.market_key_name, terms.market_secret_name)
        )
        return self._reveal(names[0]), self._reveal(names[1])

    def _has_secrets(self, login: Login) -> bool:
        try:
            self._secrets(login)
        except SecretMissing:
            return False
        return True

    def _ask_trade(self) -> Awaitable[Token]:
        return self._ask(self.trade, f"{self.terms.interactive_path}/user/session")

    def _ask_market(self) -> Awaitable[Token]:
        return self._ask(self.market, f"{self.terms.market_path}/auth/login")

    async def _ask(self, login: Login, path: str) -> Token:
        try:
            key, secret = self._secrets(login)
        except SecretMissing as nowhere:
            raise SessionRefused(str(nowhere)) from None
        return await ask_token(
            self._link,
            path,
            key,
            secret,
            name=login.name,
            now_ns=self.tools.clock.now_ns(),
            deadline_s=self.limits.login_s,
        )

    def _changed(self) -> None:
        """A token died: it is renewed when that is allowed, read or no read. There is a new one: streams take it."""
        for login, hangs_on in ((self.trade, self._account), (self.market, self._feed)):
            if login.is_live:
                hangs_on.renew()
            elif login in self._wants and login.wait_s() < _LONGEST_WAIT_S and login.name not in self._renewals:
                job = asyncio.get_running_loop().create_task(self._renew(login), name=f"xts {login.name} renewal")
                self._renewals[login.name] = job

    async def _renew(self, login: Login) -> None:
        """Without it a feed that nobody reads from by request would stay dead."""
        try:
            while not login.is_live and login.wait_s() < _LONGEST_WAIT_S:
                await asyncio.sleep(login.wait_s())
                await login.use()
        finally:
            self._renewals.pop(login.name, None)

    # --- the master ---------------------------------------------------------------------------------------------------

    async def _fetch_master(self, day: date) -> Master:
        root = f"{zlib.crc32(f'{self.terms.root}{self.terms.market_path}'.encode()):08x}"
        cache = self.tools.cache
        text = await day_bytes(cache, f"xts-master-{root}", day, self._master_text)
        lists = await day_bytes(cache, f"xts-indices-{root}", day, self._index_lists)
        indices = [(where, entry) for where, entry in msgspec.json.decode(lists, type=list[tuple[int, str]])]
        return await asyncio.to_thread(read_master, text.decode("utf-8", "replace"), indices, self.odd)

    async def _master_text(self) -> bytes:
        body = {"exchangeSegmentList": list(MASTER_SEGMENTS)}
        result = await self._market_result("POST", "/instruments/master", json=body, deadline_s=self.limits.master_s)
        if not isinstance(result, str) or "|" not in result:
            raise ReadFailed("it is no text of contracts")
        return result.encode()

    async def _index_lists(self) -> bytes:
        """As JSON pairs of segment and entry. A broker without the list of one exchange has no indices there."""
        found: list[tuple[int, str]] = []
        for number in _INDEX_SEGMENTS:
            try:
                result = await self._market_result(
                    "GET", "/instruments/indexlist", query=[("exchangeSegment", str(number))]
                )
            except ReadFailed as failure:
                self.tools.note(f"xts: no list of indices of segment {number}: {failure}")
                continue
            entries = cast("dict[str, Any]", result).get("indexList") if isinstance(result, dict) else None
            for entry in cast("list[object]", entries) if isinstance(entries, list) else []:
                if isinstance(entry, str):
                    found.append((number, entry))
        return msgspec.json.encode(found)

    async def _market_result(
        self, method: str, path: str, *, query: Any = (), json: object = None, deadline_s: float | None = None
    ) -> Any:
        """With the market login where there is one; several brokers ask none for the master (facts §7), so an account
        alone asks without, and logs in for it only if it must. Raises ReadFailed."""
        if not self.market.is_live and self.market not in self._wants:
            try:
                reply = await self._link.call(
                    method, f"{self.terms.market_path}{path}", query=query, json=json, deadline_s=deadline_s
                )
            except (NotWritten, NoReply) as lost:
                raise ReadFailed(str(lost)) from None
            verdict = judge(reply.status, reply.data, is_json=reply.is_json, shape=reply.shape)
            if isinstance(verdict, Success):
                return verdict.result
            try:
                await self.market.open()
            except SessionRefused as refused:
                raise ReadFailed(str(refused)) from None
        return await self.market_requests.read(
            Pace(10), method, path, query=query, json=json, deadline_s=deadline_s
        )  # fmt: skip
