"""Every HTTP call of one session: what a write is answered with, and what a read brings or why it failed.

A write is sent once, whatever happens. A read is paced below the broker's limits and may be tried once more when
nothing of it had left. Each reply is held against the session's standing, and nothing leaves while that is dead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from brokers.kite.answers import Ruling, Verdict, answer_of, ruling_of
from brokers.kite.standing import Standing
from brokers.wire.http import HttpLink, NoReply, NotWritten, Query, Reply
from brokers.wire.pace import Pace
from engine.port import Answer, NotSent, ReadFailed, Unknown

MASTER_S: Final = 30.0
"""Real seconds: the dump is megabytes even when packed."""


class Rest:
    """`link` has the deadline of an ordinary call."""

    def __init__(self, link: HttpLink, standing: Standing) -> None:
        self._link = link
        self._standing = standing

    async def write(self, method: str, path: str, form: Mapping[str, str] | None = None, broker_id: str = "") -> Answer:
        """One order request. `broker_id`: the order it is about, when it has one already."""
        if not self._standing.is_live:
            return NotSent(self._standing.why_not)
        try:
            reply = await self._link.call(method, path, form=form)
        except NotWritten as failure:
            return NotSent(str(failure))
        except NoReply as failure:
            return Unknown(str(failure))
        ruling = ruling_of(reply)
        self._standing.learn(ruling, of_order=True)
        return answer_of(ruling, broker_id)

    async def read(
        self, path: str, pace: Pace, *, query: Query = (), json: object = None, deadline_s: float | None = None
    ) -> Any:
        """`data` of a success; a POST when there is a `json` body. Raises ReadFailed."""
        ruling = ruling_of(await self._reply(path, pace, query=query, json=json, deadline_s=deadline_s))
        return self._data(ruling, path, pace)

    async def dump(self, path: str, pace: Pace) -> bytes:
        """The body of a CSV reply. Raises ReadFailed."""
        reply = await self._reply(path, pace, deadline_s=MASTER_S)
        if reply.status == 200 and "csv" in reply.content_type and reply.body:
            return reply.body
        self._data(ruling_of(reply), path, pace)
        raise ReadFailed(f"GET {path}: {reply.shape} instead of CSV")

    async def prove(self, pace: Pace) -> Ruling:
        """The profile, asked whatever the standing says. Raises ReadFailed when there was no reply."""
        return ruling_of(await self._reply("/user/profile", pace, must_live=False))

    async def _reply(
        self,
        path: str,
        pace: Pace,
        *,
        query: Query = (),
        json: object = None,
        deadline_s: float | None = None,
        must_live: bool = True,
    ) -> Reply:
        method = "GET" if json is None else "POST"
        failure = ""
        for _ in range(2):
            await pace.turn()
            if must_live and not self._standing.is_live:
                raise ReadFailed(self._standing.why_not)
            try:
                return await self._link.call(method, path, query=query, json=json, deadline_s=deadline_s)
            except NotWritten as error:
                failure = str(error)
            except NoReply as error:
                raise ReadFailed(f"{method} {path}: {error}") from None
        raise ReadFailed(f"{method} {path}: {failure}")

    def _data(self, ruling: Ruling, path: str, pace: Pace) -> Any:
        self._standing.learn(ruling)
        if ruling.verdict is Verdict.THROTTLED:
            pace.hold(ruling.retry_after_s)
        if ruling.verdict is not Verdict.DONE:
            raise ReadFailed(f"{path}: {ruling.text}")
        return ruling.data
