"""The line to Dhan that account and feed share: one connection pool, one token, the day's contracts (LEG-06).

Every reply passes through here: the first that says the token is dead ends the login, and from then on nothing leaves,
for a dead token is not hammered (GRD-54).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from brokers.dhan import answers
from brokers.dhan.login import valid_until_ns
from brokers.dhan.master import Master, NotAMaster, is_master, read_master
from brokers.dhan.vocabulary import object_in, text_of
from brokers.freeze_table import freeze_note, known_freezes
from brokers.wire.day_file import day_bytes
from brokers.wire.http import HttpLink, NoReply, NotWritten, Reply
from brokers.wire.oddities import Oddities
from brokers.wire.pace import Pace
from brokers.wire.tools import SessionTools
from engine.config.accounts import DhanAccount as Terms
from engine.instant import ist_date
from engine.port import Acked, ReadFailed
from engine.port_reads import SessionRefused, SessionState

_MASTER_S: Final = 90.0
"""Real seconds for the whole instrument list, some tens of megabytes."""
_READ_S: Final = 10.0
_PROOF_S: Final = 30.0
"""Real seconds between two proofs of the token that a dropped stream asks for."""
_NOT_OPEN: Final = "no session at Dhan is open"
_NO_ORDERS: Final = "Dhan takes no orders from this address: register it as static IP at Dhan"


class DhanLine:
    """`open` it, again after a new login; `close` it."""

    def __init__(self, terms: Terms, reveal: Callable[[str], str], tools: SessionTools) -> None:
        self.terms = terms
        self.tools = tools
        self.oddities = Oddities("dhan", tools.note)
        self.client_id = terms.client_id
        self.master = Master((), self.oddities)
        self._reveal = reveal
        self._state = SessionState(is_live=False, reason=_NOT_OPEN)
        self._link: HttpLink | None = None
        self._proven_at = 0.0
        self._proof: asyncio.Task[None] | None = None
        self._paces = {
            "other": Pace(10, 1.0 / tools.time_scale),
            "charts": Pace(4, 1.0 / tools.time_scale),
            "quote": Pace(1, 1.1 / tools.time_scale),
            "chain": Pace(1, 3.3 / tools.time_scale),
        }
        """Below 20, 5, 1 a second and 1 in 3 s (facts/dhan.md §6). Order writes are paced by the gateway."""
        self._token_lives = False
        """As far as anybody said; calls are made only while it does."""

    async def open(self) -> None:
        """Prove the token, ask whether orders are allowed from here, and fetch the contracts. Raises SessionRefused."""
        if self._link is None:
            self._link = HttpLink(self.terms.api_url, self._headers, deadline_s=self.tools.deadline_s)
        self._state, self._token_lives = SessionState(is_live=False, reason=_NOT_OPEN), True
        try:
            profile = await self.read("GET", "/profile")
            opened = self._proven(profile.data)
            may_trade = await self._ask_permission()
            self.master = await self._fetch_master()
        except (ReadFailed, SessionRefused) as failure:
            reason = str(failure) if self._token_lives else self._state.reason
            self._token_lives = False
            self._state = SessionState(is_live=False, reason=reason)
            raise SessionRefused(reason) from None
        self._state = SessionState(
            is_live=True, may_trade=may_trade, expires_ns=opened, reason=_NO_ORDERS if may_trade is False else ""
        )

    async def close(self) -> None:
        if self._proof is not None:
            self._proof.cancel()
            await asyncio.gather(self._proof, return_exceptions=True)
        link, self._link = self._link, None
        self._token_lives = False
        self._state = SessionState(is_live=False, reason=_NOT_OPEN)
        if link is not None:
            await link.close()

    @property
    def state(self) -> SessionState:
        return self._state

    @property
    def token(self) -> str:
        """Asked anew for every use; it stands in headers, in the feed's address and in the order stream's greeting."""
        return self._reveal(self.terms.access_token_name)

    # --- calls --------------------------------------------------------------------------------------------------------

    async def write(self, method: str, path: str, body: object = None) -> Reply:
        """One order write, once. Raises NotWritten, also when there is no live session, and NoReply."""
        if self._link is None or not self._state.is_live:
            raise NotWritten(self._state.reason or _NOT_OPEN)
        reply = await self._link.call(method, path, json=body, deadline_s=self.tools.deadline_s)
        self._notice(reply)
        if isinstance(answers.write_answer(reply.status, reply.data), Acked) and self._state.is_live:
            was = self._state
            self._state = SessionState(is_live=True, may_trade=True, expires_ns=was.expires_ns)
        return reply

    async def read(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        kind: str = "other",
        empty: Callable[[], object] | None = None,
        deadline_s: float = _READ_S,
    ) -> Reply:
        """One paced read that gave a JSON body with 2xx. Tried once more when it did not leave, or came too soon.

        `empty` makes the body where Dhan says "no data" as an error. Raises ReadFailed.
        """
        again = True
        while True:
            try:
                reply = await self._paced(method, path, body, kind, deadline_s)
            except NotWritten as failure:
                if not again or not self._token_lives:
                    raise ReadFailed(f"Dhan was not reached: {failure}") from None
                again = False
                continue
            except NoReply as failure:
                raise ReadFailed(f"Dhan did not answer: {failure}") from None
            if 200 <= reply.status < 300 and reply.is_json and answers.failure_of(reply.data) is answers.NO_FAILURE:
                return reply
            if empty is not None and answers.is_no_data(reply.status, reply.data):
                return Reply(200, reply.content_type, b"", empty(), is_json=True)
            if not answers.is_throttled(reply.status, reply.data):
                raise ReadFailed(f"Dhan refused: {reply.shape} {answers.failure_of(reply.data).text}".rstrip())
            wait_s = answers.hold_s(reply.data, reply.retry_after_s) / self.tools.time_scale
            self._paces[kind].hold(wait_s)
            if not again or wait_s > self.tools.deadline_s:
                raise ReadFailed(f"Dhan says that it is asked too often: nothing of this kind for {wait_s:g} s")
            again = False

    async def _paced(self, method: str, path: str, body: object, kind: str, deadline_s: float) -> Reply:
        await self._paces[kind].turn()
        if self._link is None or not self._token_lives:
            raise NotWritten(self._state.reason or _NOT_OPEN)
        reply = await self._link.call(method, path, json=body, deadline_s=deadline_s)
        self._notice(reply)
        return reply

    def _headers(self) -> Mapping[str, str]:
        return {"access-token": self.token, "client-id": self.client_id, "Accept": "application/json"}

    # --- what replies say about the session ---------------------------------------------------------------------------

    def _notice(self, reply: Reply) -> None:
        if why := answers.dead_credentials(reply.status, reply.data):
            self.end(why)
        elif why := answers.forbidden_address(reply.status, reply.data):
            self._forbid(why)

    def end(self, why: str) -> None:
        """The token is dead: said once, and nothing is sent until a new login."""
        if self._token_lives:
            self._token_lives = False
            self._state = SessionState(is_live=False, may_trade=self._state.may_trade, reason=why)
            self.tools.note(why)

    def _forbid(self, why: str) -> None:
        if self._state.may_trade is not False:
            self.tools.note(why)
        was = self._state
        self._state = SessionState(is_live=was.is_live, may_trade=False, expires_ns=was.expires_ns, reason=why)

    def prove_soon(self) -> None:
        """After a stream was dropped at once, which is how Dhan shows a dead token there: ask, but not often."""
        now = asyncio.get_running_loop().time()
        if self._token_lives and (not self._proven_at or now - self._proven_at > _PROOF_S):
            self._proven_at = now
            self._proof = asyncio.get_running_loop().create_task(self._prove(), name="dhan-prove")

    async def _prove(self) -> None:
        with suppress(ReadFailed):  # a dead token has been noticed by then; anything else proves nothing
            await self.read("GET", "/profile")

    # --- opening ------------------------------------------------------------------------------------------------------

    def _proven(self, data: object) -> int:
        """When the token expires. Raises SessionRefused: it is of another account than the one that is configured."""
        profile = object_in(data)
        owner = text_of(profile.get("dhanClientId"))
        if not owner:
            raise SessionRefused("Dhan's profile has no client id")
        if self.terms.client_id and owner != self.terms.client_id:
            raise SessionRefused("the access token belongs to another Dhan client than client_id says")
        self.client_id = owner
        if profile.get("dataPlan") not in (None, "Active"):
            self.tools.note("Dhan's Data API is not active for this account: no prices will come from it")
        return valid_until_ns(profile.get("tokenValidity"))

    async def _ask_permission(self) -> bool | None:
        """Whether orders are taken from this address. The field is undocumented: without it nothing is known."""
        try:
            reply = await self.read("GET", "/ip/getIP")
        except ReadFailed:
            if not self._token_lives:
                raise
            return None
        allowed = object_in(reply.data).get("ordersAllowed")
        return allowed if isinstance(allowed, bool) else None

    async def _fetch_master(self) -> Master:
        """Raises ReadFailed. The list lies on another host, which gets no credential of ours."""
        name = f"dhan-master-{zlib.crc32(self.terms.master_url.encode()):08x}"
        today = ist_date(self.tools.clock.now_ns())
        content = await day_bytes(self.tools.cache, name, today, self._download_master)
        freezes = known_freezes(today)
        notes: list[str] = []
        odd = Oddities("dhan's instrument list", notes.append)  # of its own: notes are told on this thread only
        try:
            master = await asyncio.to_thread(read_master, content, odd, freezes)
        except NotAMaster as failure:
            raise ReadFailed(f"Dhan's instrument list: {failure}") from None
        for note in (*notes, freeze_note("Dhan", freezes)):
            self.tools.note(note)
        self.oddities.counts.update(odd.counts)
        return master

    async def _download_master(self) -> bytes:
        link = HttpLink(self.terms.master_url, dict, deadline_s=_MASTER_S)
        try:
            reply = await link.call("GET", self.terms.master_url)
        except (NotWritten, NoReply) as failure:
            raise ReadFailed(f"Dhan's instrument list: {failure}") from None
        finally:
            await link.close()
        if reply.status != 200 or not is_master(reply.body):
            raise ReadFailed(f"Dhan's instrument list: {reply.shape}, not a list")
        return reply.body
