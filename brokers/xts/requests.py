"""The two kinds of request that a session makes: a read, which may be tried once more, and a write, which never is.

A read is tried again when nothing had left, or once after a new login where the token was dead (GRD-54). A write goes
out at most once; with a token that is known to be dead it does not go out at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brokers.wire.http import HttpLink, NoReply, NotWritten, Query, Reply
from brokers.wire.pace import Pace
from brokers.xts.answers import Dead, Empty, Refusal, Success, Throttled, Unclear, Verdict, answer_of, judge
from brokers.xts.login import Login, Token
from engine.port import Answer, NotSent, ReadFailed


class Requests:
    """Of one login over its session's connections."""

    def __init__(
        self,
        link: HttpLink,
        login: Login,
        prefix: str,
        *,
        deadline_s: float,
        time_scale: float,
        note: Callable[[str], None],
    ) -> None:
        """`time_scale`: a hurried venue counts its limits in its own hurried seconds."""
        self._link = link
        self.login = login
        self._prefix = prefix
        self._deadline_s = deadline_s
        self._time_scale = time_scale
        self._note = note

    async def read(
        self,
        pace: Pace,
        method: str,
        path: str,
        *,
        query: Query = (),
        json: object = None,
        is_book: bool = False,
        deadline_s: float | None = None,
    ) -> Any:
        """The `result` of a valid answer; an empty list for a book that is empty. Raises ReadFailed."""
        verdict = await self.ask(
            pace, method, path, query=query, json=json, is_book=is_book, deadline_s=deadline_s
        )  # fmt: skip
        match verdict:
            case Success(result=result):
                return result
            case Empty(doubtful=code):
                if code:
                    self._note(f"xts: {path}: {code} is taken for an empty book")
                return []
            case Dead(reason=reason) | Unclear(reason=reason):
                raise ReadFailed(reason)
            case Throttled(text=text) | Refusal(text=text):
                raise ReadFailed(f"refused: {text}")

    async def ask(
        self,
        pace: Pace,
        method: str,
        path: str,
        *,
        query: Query = (),
        json: object = None,
        is_book: bool = False,
        deadline_s: float | None = None,
    ) -> Verdict:
        """As `read`, for a caller to whom a refusal means something."""
        verdict: Verdict = Unclear("not asked")
        for _ in range(2):
            token = await self.login.use()
            if token is None:
                return Dead(f"{self.login.name}: {self.login.reason}")
            await pace.turn()
            try:
                reply = await self._call(token, method, path, query, json, deadline_s)
            except NotWritten as lost:
                verdict = Unclear(f"not sent: {lost}")
                continue
            except NoReply as lost:
                return Unclear(str(lost))
            verdict = _judged(reply, is_book=is_book)
            if isinstance(verdict, Throttled):
                pace.hold(verdict.wait_s / self._time_scale)
            if not isinstance(verdict, Dead):
                return verdict
            self.login.died(token, verdict.reason)
        return verdict

    async def write(self, method: str, path: str, *, query: Query = (), json: object = None) -> tuple[Answer, Verdict]:
        """The answer, and the verdict behind it."""
        token = await self.login.use()
        if token is None:
            reason = f"the session is not open: {self.login.reason}"
            return NotSent(reason), Unclear(reason)
        try:
            reply = await self._call(token, method, path, query, json)
        except NotWritten as lost:
            return NotSent(str(lost)), Unclear(str(lost))
        except NoReply as lost:
            verdict = Unclear(str(lost))
            return answer_of(verdict), verdict
        verdict = _judged(reply, is_book=False)
        if isinstance(verdict, Dead) and verdict.proven:
            self.login.died(token, verdict.reason)
        return answer_of(verdict), verdict

    async def _call(
        self, token: Token, method: str, path: str, query: Query, json: object, deadline_s: float | None = None
    ) -> Reply:
        """Raises NotWritten and NoReply."""
        return await self._link.call(
            method,
            f"{self._prefix}{path}",
            query=query,
            json=json,
            headers={"Authorization": token.text},
            deadline_s=deadline_s or self._deadline_s,
        )


def _judged(reply: Reply, *, is_book: bool) -> Verdict:
    return judge(
        reply.status,
        reply.data,
        is_json=reply.is_json,
        retry_after_s=reply.retry_after_s,
        shape=reply.shape,
        is_book=is_book,
    )
