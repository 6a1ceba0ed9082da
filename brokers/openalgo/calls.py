"""Every HTTP call to one OpenAlgo server: the key in the body, one deadline, paced reads, the mode asserted.

Writes are sent once and never again. A read may go again when nothing of it had left. The key stands in the query of
the one GET call (facts/openalgo.md §1), so addresses are never shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from brokers.openalgo import answers
from brokers.openalgo.answers import Call, Standing
from brokers.openalgo.rules import Mode
from brokers.openalgo.standing import SessionStanding
from brokers.wire.http import HttpLink, NoReply, NotWritten, Reply
from brokers.wire.pace import Pace
from engine.port import Acked, Answer, NotSent, ReadFailed, Refused, Unknown

API: Final = "/api/v1/"
READ_S: Final = 8.0
"""Real seconds for a read; the broker behind answers in tens of milliseconds, or not at all."""
_READS_PER_S: Final = 8
"""Of each kind; the server takes 50 in a second, the brokers behind it fewer."""
_OWN_READS_PER_S: Final = 40
"""What the server answers by itself: its broker is not asked."""
_OWN: Final = frozenset({"ping", "analyzer", "instruments", "symbol", "intervals"})
_HOLD_S: Final = 1.0
"""After a 429: the limiter sends no Retry-After (facts §2)."""
_DEAD: Final = "the OpenAlgo server refuses the key: log in to the broker on its page, or check the key"
_NO_ORDERS: Final = "OpenAlgo takes no orders from here"


class Calls:
    """One key at one server."""

    def __init__(
        self,
        link: HttpLink,
        key: Callable[[], str],
        standing: SessionStanding,
        note: Callable[[str], None],
        on_alive: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_alive` hears that a session that was dead answers again."""
        self._link = link
        self._key = key
        self._standing = standing
        self._note = note
        self._on_alive = on_alive
        self._books = Pace(_READS_PER_S)
        self._data = Pace(_READS_PER_S)
        self._own = Pace(_OWN_READS_PER_S)

    # --- writes -------------------------------------------------------------------------------------------------------

    async def write(self, call: Call, body: Mapping[str, object]) -> Answer:
        """One order call. Never raises but CancelledError."""
        if why := self._standing.why_no_write():
            return NotSent(why)
        try:
            reply = await self._link.call("POST", f"{API}{call.value}", json={"apikey": self._key(), **body})
        except NotWritten as failure:
            return NotSent(str(failure))
        except NoReply as failure:
            return Unknown(str(failure))
        verdict = answers.verdict(call, reply.status, reply.data, self._standing.expected)
        self._take_standing(call, verdict.standing, verdict.answer)
        if verdict.mode is not None:
            self._take_mode(verdict.mode)
        return verdict.answer

    def _take_standing(self, call: Call, standing: Standing, answer: Answer) -> None:
        match standing:
            case Standing.DEAD:
                self._die()
            case Standing.MAY_NOT_TRADE:
                text = _said(answer)
                self._standing.refuses_orders(f"{_NO_ORDERS}: {text}")
                self._note(f"{_NO_ORDERS}: {text}")
            case Standing.SAME:
                if isinstance(answer, Acked):
                    self._live()
                    if call is Call.PLACE:
                        self._standing.takes_orders()

    # --- reads --------------------------------------------------------------------------------------------------------

    async def book(self, name: str, body: Mapping[str, object] | None = None) -> Mapping[str, Any]:
        """An order or account read; its mode is asserted. Raises ReadFailed."""
        reply = await self._read(self._books, "POST", name, dict(body or {}))
        found = answers.read_body(reply.status, reply.data)
        self._take_mode(answers.mode_of(found))
        if why := self._standing.why_no_write():
            raise ReadFailed(why)
        return found

    async def data(self, name: str, body: Mapping[str, object] | None = None) -> Mapping[str, Any]:
        """A read that is the same in both modes. Raises ReadFailed."""
        pace = self._own if name in _OWN else self._data
        reply = await self._read(pace, "POST", name, dict(body or {}))
        return answers.read_body(reply.status, reply.data)

    async def download(self, name: str, query: Mapping[str, str], deadline_s: float) -> Reply:
        """A GET with the key in its query. Raises ReadFailed."""
        return await self._read(self._own, "GET", name, dict(query), deadline_s=deadline_s)

    async def _read(
        self, pace: Pace, method: str, name: str, body: dict[str, Any], *, deadline_s: float = READ_S
    ) -> Reply:
        loop = asyncio.get_running_loop()
        await pace.turn()
        if why := self._standing.why_no_read(loop.time()):
            raise ReadFailed(why)
        try:
            reply = await self._ask(method, name, body, deadline_s)
        except (NotWritten, NoReply) as failure:
            raise ReadFailed(str(failure)) from None
        if answers.is_limited(reply.status):
            pace.hold(_HOLD_S)
        elif answers.is_session_dead(reply.status, reply.data):
            self._die()
            raise ReadFailed(_DEAD)
        elif reply.status == 200 and reply.is_json:
            self._live()
        return reply

    async def _ask(self, method: str, name: str, body: dict[str, Any], deadline_s: float) -> Reply:
        """Once more when nothing had left. Raises NotWritten and NoReply."""
        keyed = {"apikey": self._key(), **body}
        for is_last in (False, True):
            try:
                if method == "GET":
                    return await self._link.call("GET", f"{API}{name}", query=keyed, deadline_s=deadline_s)
                return await self._link.call("POST", f"{API}{name}", json=keyed, deadline_s=deadline_s)
            except NotWritten:
                if is_last:
                    raise
        raise AssertionError("the second try returns or raises")

    # --- the session --------------------------------------------------------------------------------------------------

    def die(self) -> None:
        """A stream heard that the key is refused."""
        self._die()

    def _die(self) -> None:
        if not self._standing.is_dead:
            self._note(_DEAD)
        self._standing.died(_DEAD, asyncio.get_running_loop().time())

    def _live(self) -> None:
        if self._standing.lives():
            self._note("the OpenAlgo session answers again")
            self._on_alive()

    def _take_mode(self, mode: Mode) -> None:
        if news := self._standing.answered_in(mode):
            self._note(news)


def _said(answer: Answer) -> str:
    match answer:
        case Refused(text=text):
            return text
        case Unknown(reason=reason) | NotSent(reason=reason):
            return reason
        case Acked():
            return ""
