"""One login at Kite: the account and the feed that hang on it share its connections, its instruments and its fate.

The token comes from outside (`strikedesk login kite`); opening proves it with the profile and fetches the day's
instruments. A refused ticker is no proof of a dead token (facts/kite.md §1): the profile is asked, and a token that
lives gets another try after a cool-off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final
from urllib.parse import quote

from brokers.freeze_table import freeze_note, known_freezes
from brokers.kite.account import KiteTrading
from brokers.kite.answers import Verdict, fields_of
from brokers.kite.feed import KiteFeed
from brokers.kite.master import Master, MasterBroken, read_master
from brokers.kite.rest import Rest
from brokers.kite.rules import READS_PER_S
from brokers.kite.standing import NOT_OPEN, TOKEN_DEAD, Standing
from brokers.kite.ticker import Ticker
from brokers.kite.times import token_end_ns
from brokers.wire.day_file import day_bytes
from brokers.wire.http import HttpLink
from brokers.wire.oddities import Oddities
from brokers.wire.pace import Pace
from brokers.wire.stream import Address
from brokers.wire.tools import SessionTools
from engine.config.accounts import KiteAccount
from engine.instant import NS_PER_S, ist_date, ist_time_ns
from engine.port import Clock, ReadFailed
from engine.port_reads import SessionRefused, SessionState

_VERSION: Final = {"X-Kite-Version": "3"}
_COOL_OFF_S: Final = 60.0
"""Real seconds before a ticker that was refused with a living token is tried again."""
_DUMP_FRESH_NS: Final = (8 * 3600 + 30 * 60) * NS_PER_S
"""IST time of day from which the dump is today's (facts/kite.md §4); an earlier one is not kept."""
_USER_MAX: Final = 32


class KiteSession:
    """Implements `engine.port_reads.BrokerSession`."""

    def __init__(self, terms: KiteAccount, reveal: Callable[[str], str], tools: SessionTools) -> None:
        self._terms = terms
        self._reveal = reveal
        self._tools = tools
        self._standing = Standing()
        self._link = HttpLink(terms.api_url, self._headers, deadline_s=tools.deadline_s)
        self._day: date | None = None
        self._refused: asyncio.Task[None] | None = None
        self.master = Master()
        self.user_id = ""
        self.rest = Rest(self._link, self._standing)
        self.reads = Pace(READS_PER_S, 1.0 / tools.time_scale)
        self.oddities = Oddities("kite", tools.note)
        self.ticker = Ticker(self._address, lambda: self.master.symbols, tools, self.oddities, self._on_ticker_refused)
        self.account = KiteTrading(self)
        self.feed = KiteFeed(self)

    @property
    def state(self) -> SessionState:
        return self._standing.state

    async def open(self, *, trade: bool = True, market: bool = True) -> None:  # one token serves both
        """Raises SessionRefused; the session may be opened again with a new token."""
        await self._prove()
        try:
            await self.refresh_master()
        except ReadFailed as failure:
            self._standing.end(f"no instruments from Kite: {failure}")
            raise SessionRefused(self._standing.why_not) from None
        self.ticker.stream.revive()

    async def close(self) -> None:
        self._standing.end(NOT_OPEN)
        if self._refused is not None:
            self._refused.cancel()
            await asyncio.gather(self._refused, return_exceptions=True)
        await self.feed.close()
        await self.account.close()
        await self.ticker.stream.close()
        await self._link.close()

    # --- what account and feed have of it -----------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        return self._tools.clock

    @property
    def note(self) -> Callable[[str], None]:
        return self._tools.note

    @property
    def time_scale(self) -> float:
        return self._tools.time_scale

    @property
    def why_closed(self) -> str:
        return self._standing.why_not

    async def refresh_master(self) -> None:
        """Today's dump, unless it is here already. Raises ReadFailed."""
        now_ns = self.clock.now_ns()
        today = ist_date(now_ns)
        if self._day == today:
            return
        # What a rehearsal calls today's contracts must never be read by a live session: only a live dump is kept.
        keeps = self._terms.api_url.startswith("https://") and ist_time_ns(now_ns) >= _DUMP_FRESH_NS
        folder = self._tools.cache if keeps else None
        raw = await day_bytes(folder, "kite-instruments", today, self._fetch_dump)
        try:
            # About a hundred thousand rows: not on the loop. What is odd is told on it.
            heard: list[str] = []
            freezes = known_freezes(today)
            master = await asyncio.to_thread(read_master, raw, Oddities("kite", heard.append), freezes)
        except MasterBroken as failure:
            raise ReadFailed(str(failure)) from None
        for text in (*heard, freeze_note("Kite", freezes)):
            self.note(text)
        if not master.instruments:
            raise ReadFailed("/instruments: no contract that this desk can name")
        self.master, self._day = master, today

    async def _fetch_dump(self) -> bytes:
        return await self.rest.dump("/instruments", self.reads)

    # --- the login ----------------------------------------------------------------------------------------------------

    async def _prove(self) -> None:
        """Asks for the profile. Raises SessionRefused."""
        try:
            ruling = await self.rest.prove(self.reads)
        except ReadFailed as failure:
            self._standing.end(f"Kite cannot be reached: {failure}")
            raise SessionRefused(self._standing.why_not) from None
        user: object = fields_of(ruling.data).get("user_id")
        if ruling.verdict is Verdict.DEAD:
            self._standing.end(TOKEN_DEAD)
        elif ruling.verdict is not Verdict.DONE:
            self._standing.end(f"Kite refuses the session: {ruling.text}")
        elif not isinstance(user, str) or not (user.isascii() and user.isalnum() and len(user) <= _USER_MAX):
            self._standing.end("Kite's profile names no user")
        else:
            if self.user_id not in ("", user):
                self._standing.end("the new token belongs to another user of Kite")
                raise SessionRefused(self._standing.why_not)
            self.user_id = user
            self._standing.open(token_end_ns(self.clock.now_ns()))
            return
        raise SessionRefused(self._standing.why_not)

    def _headers(self) -> Mapping[str, str]:
        key, token = self._credentials()
        return {**_VERSION, "Authorization": f"token {key}:{token}"}

    def _address(self) -> Address:
        key, token = (quote(each, safe="") for each in self._credentials())
        return Address(f"{self._terms.ws_url}?api_key={key}&access_token={token}", _VERSION)

    def _credentials(self) -> tuple[str, str]:
        return self._reveal(self._terms.api_key_name), self._reveal(self._terms.access_token_name)

    # --- a refused ticker ---------------------------------------------------------------------------------------------

    def _on_ticker_refused(self) -> None:
        if self._refused is None or self._refused.done():
            self._refused = asyncio.get_running_loop().create_task(
                self._look_into_refusal(), name="kite ticker refused"
            )

    async def _look_into_refusal(self) -> None:
        """Is it the token? If it lives, something else was refused, such as a fourth connection."""
        while self._standing.is_live:
            try:
                ruling = await self.rest.prove(self.reads)
            except ReadFailed:
                await asyncio.sleep(_COOL_OFF_S)
                continue
            self._standing.learn(ruling)
            if self._standing.is_live:
                self.note("kite: the ticker is refused although the token is taken: tried again in a minute")
                await asyncio.sleep(_COOL_OFF_S)
                self.ticker.stream.revive()
            return
