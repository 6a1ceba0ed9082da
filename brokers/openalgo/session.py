"""One login at an OpenAlgo server: the account and the feed share its key, its connection pool and its fate.

Implements `engine.port_reads.BrokerSession`. Opening proves the key (ping), the mode (analyzer), the broker behind
(funds) and the day's contracts, in this order, and trades nothing.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Final

from brokers.openalgo import login
from brokers.openalgo.account import OpenAlgoAccount as Account
from brokers.openalgo.calls import Calls
from brokers.openalgo.feed import OpenAlgoFeed
from brokers.openalgo.frames import Quote, Update
from brokers.openalgo.master import EXCHANGES, FREEZE_NAMES, Master, contracts, decode_rows, freeze_of
from brokers.openalgo.orders import Wire
from brokers.openalgo.rules import Mode
from brokers.openalgo.standing import NOT_OPEN, SessionStanding
from brokers.openalgo.stream import OrderWords, PriceWords
from brokers.wire.day_file import day_bytes
from brokers.wire.http import HttpLink
from brokers.wire.oddities import Oddities
from brokers.wire.tools import SessionTools
from engine.config.accounts import OpenAlgoAccount
from engine.instant import at_ist, ist_date
from engine.instrument import Instrument
from engine.port import ReadFailed
from engine.port_reads import SessionRefused, SessionState

_MASTER_S: Final = 60.0
"""Real seconds for the contracts of one exchange: some ten megabytes."""
_ENDS_AT: Final = time(3, 0)
"""IST: when the server ends its login at the broker (SESSION_EXPIRY_TIME)."""


class OpenAlgoSession:
    """`open` it once; `close` ends the streams and the pool. Orders go on resting at the broker."""

    def __init__(self, terms: OpenAlgoAccount, reveal: Callable[[str], str], tools: SessionTools) -> None:
        """`reveal` gives the key's value when it goes on the wire; it is not kept."""
        self._terms = terms
        self._tools = tools
        self._oddities = Oddities("OpenAlgo instruments", tools.note)
        self._standing = SessionStanding(Mode(terms.mode_expected))
        self._link = HttpLink(terms.host, dict, deadline_s=tools.deadline_s)
        self._master = Master(())
        self._day: date | None = None
        self._loading = asyncio.Lock()

        def key() -> str:
            return reveal(terms.api_key_name)

        self._calls = Calls(self._link, key, self._standing, tools.note, self._revive)

        def order_words(oddities: Oddities, hear: Callable[[Update], None]) -> OrderWords:
            return OrderWords(terms.ws_url, key, oddities, self._calls.die, hear)

        def price_words(oddities: Oddities, hear: Callable[[Quote], None]) -> PriceWords:
            return PriceWords(terms.ws_url, key, oddities, self._calls.die, hear)

        name = f"openalgo-{terms.api_key_name.lower().replace('_', '-')}"
        self._account = Account(name, self._calls, self._standing, lambda: self._master, tools, order_words)
        self._feed = OpenAlgoFeed(self._calls, self._master_of_day, tools, price_words)

    @property
    def account(self) -> Account:
        return self._account

    @property
    def feed(self) -> OpenAlgoFeed:
        return self._feed

    @property
    def state(self) -> SessionState:
        state = self._standing.state
        if not state.is_live:
            return state
        return SessionState(is_live=True, may_trade=state.may_trade, expires_ns=self._expires_ns(), reason=state.reason)

    def _expires_ns(self) -> int:
        """The server ends its login at the broker at the next 03:00 IST (facts §1)."""
        now_ns = self._tools.clock.now_ns()
        day = ist_date(now_ns)
        today_ns = at_ist(day, _ENDS_AT)
        return today_ns if now_ns < today_ns else at_ist(day + timedelta(1), _ENDS_AT)

    async def open(self, *, trade: bool = True, market: bool = True) -> None:  # one token serves both
        self._standing.is_open = True
        try:
            await self._prove()
            await self._master_of_day()
        except ReadFailed as failure:
            self._standing.is_open = False
            raise SessionRefused(f"OpenAlgo at {self._terms.host}: {failure}") from None
        except SessionRefused:
            self._standing.is_open = False
            raise

    async def close(self) -> None:
        self._standing.is_open = False
        await self._account.close()
        await self._feed.close()
        await self._link.close()

    async def _prove(self) -> None:
        """Raises ReadFailed, and SessionRefused for the wrong mode."""
        self._account.served_by(login.broker_of(await self._calls.data("ping")))
        mode = login.mode_told(await self._calls.data("analyzer"))
        if mode is not self._standing.expected:
            raise SessionRefused(
                f"the OpenAlgo server is in {mode or 'an unknown'} mode and this account expects"
                f" {self._standing.expected}: switch the server, or set mode_expected"
            )
        await self._account.read_funds()

    def _revive(self) -> None:
        self._account.revive()
        self._feed.revive()

    # --- instruments --------------------------------------------------------------------------------------------------

    async def _master_of_day(self) -> Master:
        """Raises ReadFailed; yesterday's contracts are none."""
        day = ist_date(self._tools.clock.now_ns())
        async with self._loading:
            if self._day != day:
                if not self._standing.is_open:
                    raise ReadFailed(NOT_OPEN)
                self._master = await self._load(day)
                self._day = day
        return self._master

    async def _load(self, day: date) -> Master:
        pairs: list[tuple[Wire, Instrument]] = []
        for exchange in EXCHANGES:
            try:
                body = await day_bytes(self._tools.cache, self._file(exchange), day, lambda e=exchange: self._rows(e))
                pairs += await asyncio.to_thread(self._contracts, body, day)
            except (ReadFailed, ValueError) as failure:
                if exchange in ("NSE", "NFO"):
                    raise ReadFailed(f"instruments of {exchange}: {failure}") from None
                self._tools.note(f"OpenAlgo: no instruments of {exchange}: {failure}")
        master = Master(pairs)
        if not master.instruments:
            raise ReadFailed("the server has no instruments of today: log in to the broker on its page")
        return master.with_freeze(await self._freeze(master))

    def _contracts(self, body: bytes, day: date) -> list[tuple[Wire, Instrument]]:
        return contracts(decode_rows(body, self._oddities), day, self._oddities)

    def _file(self, exchange: str) -> str:
        server = zlib.crc32(self._terms.host.encode())
        return f"openalgo-{exchange.lower().replace('_', '-')}-{server:08x}"

    async def _rows(self, exchange: str) -> bytes:
        """What is worth keeping for the day. Raises ReadFailed, and ValueError for what is no list."""
        reply = await self._calls.download("instruments", {"exchange": exchange}, _MASTER_S)
        if reply.status != 200:
            raise ReadFailed(reply.shape)
        await asyncio.to_thread(decode_rows, reply.body, Oddities("", lambda _text: None))
        return reply.body

    async def _freeze(self, master: Master) -> dict[str, int]:
        """By underlying; what is not told stays unknown."""
        found: dict[str, int] = {}
        for name in FREEZE_NAMES:
            expiries = master.expiries(name)
            wire = master.wire_of(master.options(name, expiries[0])[0].symbol) if expiries else None
            if wire is None:
                continue
            try:
                body = await self._calls.data("symbol", {"symbol": wire.symbol, "exchange": wire.exchange})
                found[name] = freeze_of(body.get("data"))
            except ReadFailed as failure:
                self._tools.note(f"OpenAlgo: no freeze quantity of {name}: {failure}")
        return found
