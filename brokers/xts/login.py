"""One login of one app key: asking for the token, how the token dies, and the one careful way to a new one.

One live session per key: a new login ends the older one wherever it runs (facts/xts.md §0.2). So logins are
single-flight, at least 30 s apart, made only when the broker said that the token is dead, and not at all once another
program has been seen to take the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import msgspec

from brokers.wire.http import HttpLink, NoReply, NotWritten
from brokers.wire.oddities import sample_of
from brokers.xts.answers import Refusal, Success, Throttled, Unclear, judge
from brokers.xts.rules import SessionLimits
from engine.port import Clock
from engine.port_reads import SessionRefused

_TOKEN_MAX: Final = 8192
_OUR_SOURCE: Final = "WebAPI"


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What a login gives. Its text is a secret: it has no textual form."""

    text: str
    user_id: str
    client_codes: tuple[str, ...] = ()
    is_investor: bool = True
    """False: a dealer or a pro account, which names its client in every request."""
    since_ns: int = 0
    """Exchange time of the login."""

    def __repr__(self) -> str:
        return f"Token({self.user_id})"


def login_body(key: str, secret: str) -> dict[str, str]:
    """Of both logins."""
    return {"appKey": key, "secretKey": secret, "source": _OUR_SOURCE}


def read_token(result: object, since_ns: int) -> Token | None:
    """The token in a login's `result`, or None when there is none that could be used. Pure."""
    fields = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
    text, user = fields.get("token"), fields.get("userID")
    if not isinstance(text, str) or not 0 < len(text) <= _TOKEN_MAX or not text.isascii() or not text.isprintable():
        return None
    codes = fields.get("clientCodes")
    listed = cast("list[object]", codes) if isinstance(codes, list) else []
    return Token(
        text=text,
        user_id=sample_of(user)[:40] if isinstance(user, str) else "",
        client_codes=tuple(sample_of(code)[:40] for code in listed[:100] if isinstance(code, str)),
        is_investor=fields.get("isInvestorClient") is not False,
        since_ns=since_ns,
    )


async def ask_token(
    link: HttpLink, path: str, key: str, secret: str, *, name: str, now_ns: int, deadline_s: float
) -> Token:
    """One login. Raises SessionRefused with one sentence that holds neither key nor secret.

    `name` is whose login it is, in words: `interactive` or `market data`.
    """
    try:
        reply = await link.call("POST", path, json=login_body(key, secret), deadline_s=deadline_s)
    except (NotWritten, NoReply) as lost:
        raise SessionRefused(f"the {name} login was not answered: {lost}") from None
    verdict = judge(reply.status, reply.data, is_json=reply.is_json, shape=reply.shape)
    match verdict:
        case Success(result=result):
            token = read_token(result, now_ns)
            if token is None:
                raise SessionRefused(f"the {name} login gave no token that can be used")
            return token
        case Refusal(text=text) | Throttled(text=text):
            struck = text.replace(key, "***").replace(secret, "***")
            raise SessionRefused(f"the {name} login was refused: {struck}")
        case Unclear(reason=reason):
            raise SessionRefused(f"the {name} login gave no valid answer: {reason}")
        case _:
            raise SessionRefused(f"the {name} login was refused")


class Login:
    """One key's session. `use` it before a request, tell it of a dead token, and it is renewed when that is allowed."""

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[Token]],
        limits: SessionLimits,
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        """`ask` logs in; `on_change` hears that a token died, or that there is a new one."""
        self.name = name
        self._ask = ask
        self._limits = limits
        self._clock = clock
        self._on_change = on_change
        self._token: Token | None = None
        self._is_closed = False
        self._in_flight: asyncio.Task[None] | None = None
        self._last_try = float("-inf")
        """Of the loop's own clock."""
        self._gap_s = limits.relogin_gap_s
        """Grows while logins fail: wrong credentials are not hammered with."""
        self._taken = False
        self.reason = "not logged in"
        """Why the token cannot be used; empty while it can."""
        self.logins = 0

    @property
    def token(self) -> Token | None:
        """The last token, dead or alive."""
        return self._token

    @property
    def is_live(self) -> bool:
        return self._token is not None and not self.reason

    @property
    def expires_ns(self) -> int:
        return 0 if self._token is None else self._token.since_ns + self._limits.token_life_ns

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": self._token.text} if self._token is not None else {}

    async def open(self) -> None:
        """The first login of the day. Raises SessionRefused."""
        if self.is_live and self._clock.now_ns() < self.expires_ns:
            return
        await self._log_in()

    def close(self) -> None:
        """The token stays good at the broker: a logout would end the sessions of every program of this user."""
        self._is_closed = True
        self._token, self.reason = None, "closed"

    def died(self, token: Token | None, why: str, *, displaced: bool = False) -> None:
        """The broker does not take this token. A late word about an older one is not about ours.

        `displaced`: the broker said that somebody else logged in. Shortly after our own login that is a rival, not an
        accident, and the key is left to him.
        """
        if token is None or token is not self._token or self.reason:
            return
        if displaced and self.logins > 1 and self._since_try_s() < self._limits.displaced_s:
            self._taken = True
            why = f"{why}; another program logs in with this key, so it is left to it"
        self.reason = why
        self._on_change()

    async def use(self) -> Token | None:
        """A token that may be used now, after the one new login that a dead one is worth; None: `reason` says why."""
        if self._token is not None and not self.reason and self._clock.now_ns() >= self.expires_ns:
            self.died(self._token, "the token has been used for as long as one may")
        if not self.is_live and self._may_log_in():
            try:
                await self._log_in()
            except SessionRefused as refused:
                self.reason = str(refused)
        return self._token if self.is_live else None

    def wait_s(self) -> float:
        """Real seconds until a new login may be asked for; endless when none may."""
        if self._is_closed or self._taken or self._token is None:
            return float("inf")
        return max(0.0, self._gap_s - self._since_try_s())

    def _since_try_s(self) -> float:
        return asyncio.get_running_loop().time() - self._last_try

    def _may_log_in(self) -> bool:
        return self._in_flight is not None or self.wait_s() <= 0

    async def _log_in(self) -> None:
        """Single-flight: whoever comes while a login is under way waits for that one."""
        if self._in_flight is None:
            self._in_flight = asyncio.get_running_loop().create_task(self._ask_once(), name=f"xts {self.name} login")
            self._in_flight.add_done_callback(self._landed)
        await asyncio.shield(self._in_flight)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._in_flight = None
        if not flight.cancelled():
            flight.exception()  # whoever waited has it; nobody may have

    async def _ask_once(self) -> None:
        self._last_try = asyncio.get_running_loop().time()
        try:
            token = await self._ask()
        except SessionRefused:
            self._gap_s = min(max(self._gap_s, 1.0) * 2, self._limits.displaced_s)
            raise
        if self._is_closed:
            return
        self._token, self.reason = token, ""
        self._gap_s = self._limits.relogin_gap_s
        self.logins += 1
        self._on_change()
