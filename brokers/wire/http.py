"""One HTTP call to a broker, and what is certain about it afterwards (faults §3, ORD-04..ORD-11).

There are three endings: a reply, `NotWritten` (nothing had left when it failed, so the same request may go again) and
`NoReply` (something left and no whole reply came: it may have been carried out). One deadline wraps the whole call,
redirects are not followed, nothing is retried here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import httpx
import msgspec

from brokers.wire.slim_transport import SlimTransport, before_first_byte

BODY_MAX: Final = 64 * 1024 * 1024
"""Bytes of one reply after decompression; an instrument master of all segments is about 40 MB."""
_KEEP_S: Final = 600.0
"""An idle connection is kept warm: an exit must not wait for a handshake (performance goal G5b)."""
_JSON: Final = msgspec.json.Decoder()

Query = Sequence[tuple[str, str]] | Mapping[str, str]


class NotWritten(Exception):
    """No byte of the request left this process."""


class NoReply(Exception):
    """The request, or a part of it, may have arrived; no whole reply came."""


class Reply(msgspec.Struct, frozen=True):
    """One whole reply. `data` is None when the body is no JSON, and then `is_json` is False."""

    status: int
    content_type: str
    body: bytes
    data: Any
    is_json: bool
    retry_after_s: float = 0.0
    date: str = ""
    """The server's own clock, as its header has it."""

    @property
    def shape(self) -> str:
        """For a log line: nothing of the body, which may hold anything."""
        kind = "JSON" if self.is_json else self.content_type.partition(";")[0].strip()[:40] or "no type"
        return f"HTTP {self.status}, {kind}, {len(self.body)} bytes"


class HttpLink:
    """The connection pool of one session. `headers` is asked before every call: a token may change."""

    def __init__(
        self,
        root: str,
        headers: Callable[[], Mapping[str, str]],
        *,
        deadline_s: float,
        connections_max: int = 8,
        body_max: int = BODY_MAX,
    ) -> None:
        self._headers = headers
        self._deadline_s = deadline_s
        self._body_max = body_max
        self._root = root.rstrip("/")
        self._client = httpx.AsyncClient(
            transport=SlimTransport(connections_max=connections_max, keep_s=_KEEP_S),
            timeout=None,  # one deadline wraps the whole call
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        form: Mapping[str, str] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> Reply:
        """`path` begins with a slash, or is a whole address. Raises NotWritten and NoReply, each with its reason."""
        url = path if "://" in path else f"{self._root}{path}"
        given = {**self._headers(), **(headers or {})}
        content: bytes | None = None
        if json is not None:
            content = msgspec.json.encode(json)
            given["Content-Type"] = "application/json"
        sent = _Sent()
        try:
            request = self._client.build_request(
                method, url, params=list(_pairs(query)) or None, data=form, content=content, headers=given
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError, TypeError) as error:
            raise NotWritten(f"no request can be made of it: {type(error).__name__}") from None
        request.extensions.update(before_first_byte(sent.begin))
        try:
            async with asyncio.timeout(self._deadline_s if deadline_s is None else deadline_s):
                return await self._exchange(request)
        except TimeoutError:
            raise sent.failure("no reply within the deadline") from None
        except httpx.HTTPError as error:
            raise sent.failure(_words(error)) from None
        except _TooLarge:
            raise NoReply(f"a reply of more than {self._body_max} bytes") from None

    async def _exchange(self, request: httpx.Request) -> Reply:
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._body_max:
                    raise _TooLarge
            return _reply(response, bytes(body))
        finally:
            await response.aclose()


class _TooLarge(Exception):
    pass


class _Sent:
    """Whether a byte of the request may have left."""

    def __init__(self) -> None:
        self.began = False

    def begin(self) -> None:
        self.began = True

    def failure(self, reason: str) -> NotWritten | NoReply:
        return NoReply(reason) if self.began else NotWritten(reason)


def _pairs(query: Query) -> Sequence[tuple[str, str]]:
    return list(query.items()) if isinstance(query, Mapping) else query


def _reply(response: httpx.Response, body: bytes) -> Reply:
    kind = response.headers.get("content-type", "")
    data, is_json = None, False
    if body and "html" not in kind:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            data, is_json = _JSON.decode(body), True
    wait = response.headers.get("retry-after", "")
    return Reply(
        status=response.status_code,
        content_type=kind,
        body=body,
        data=data,
        is_json=is_json,
        date=response.headers.get("date", ""),
        retry_after_s=float(wait) if wait.isdecimal() and wait.isascii() and len(wait) <= 5 else 0.0,
    )


def _words(error: httpx.HTTPError) -> str:
    """What went wrong, without the address: it may hold a token."""
    return {
        "ConnectError": "connection refused or not made",
        "LocalProtocolError": "no request can be made of it",
        "ReadError": "connection reset",
        "RemoteProtocolError": "connection closed in the middle",
        "DecodingError": "a body that cannot be decoded",
    }.get(type(error).__name__, type(error).__name__)
