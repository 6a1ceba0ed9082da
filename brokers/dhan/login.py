"""Dhan's ways to a day's access token: consent in a browser, or PIN with TOTP; and its renewal (facts/dhan.md §1).

The token lives 24 hours at most and there is one per user: making a new one kills the old. Requests go through a link
that the caller made for `AUTH_ROOT`; ids, secrets, PINs and tokens are never shown in a failure.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from brokers.dhan.answers import failure_of
from brokers.dhan.vocabulary import instant_of, object_in, text_of
from brokers.wire.http import HttpLink, NoReply, NotWritten, Query, Reply
from engine.instant import IST, ns_from_datetime
from engine.port_reads import SessionRefused

AUTH_ROOT: Final = "https://auth.dhan.co"
_DEADLINE_S: Final = 15.0
_TOKEN: Final = re.compile(r"[!-~]{4,4096}", re.ASCII)
"""Printable, without spaces: it goes into a header."""
_ID: Final = re.compile(r"[A-Za-z0-9_-]{4,200}", re.ASCII)


class Login(msgspec.Struct, frozen=True):
    """What a login brought. `token` is a secret."""

    client_id: str
    token: str
    expires_ns: int
    """0 = it was not said."""

    def __repr__(self) -> str:
        return f"Login({self.client_id}, ***)"


async def begin_consent(link: HttpLink, client_id: str, app_id: str, app_secret: str) -> str:
    """First step with API key and secret: the id of a consent, 25 a day at most. Raises SessionRefused."""
    body = await _ask(
        link, "POST", "/app/generate-consent", (("client_id", client_id),), {"app_id": app_id, "app_secret": app_secret}
    )
    consent = text_of(body.get("consentAppId"))
    if not _ID.fullmatch(consent):
        raise SessionRefused("Dhan gave no consent id")
    return consent


def login_url(consent_id: str, root: str = AUTH_ROOT) -> str:
    """Second step: what a person opens in a browser; Dhan then redirects to the app's address with a `tokenId`."""
    return f"{root}/login/consentApp-login?{urlencode({'consentAppId': consent_id})}"


def token_id_in(answer: str) -> str:
    """The `tokenId` of the address that the browser ended at, or of what was pasted alone. Raises SessionRefused."""
    text = answer.strip()
    if "tokenId=" in text:
        parts = urlsplit(text)
        text = next(iter(parse_qs(parts.query or text.partition("?")[2]).get("tokenId", [])), "")
    if not _ID.fullmatch(text):
        raise SessionRefused("that holds no tokenId: paste the whole address that the browser ended at")
    return text


async def consume_consent(link: HttpLink, token_id: str, app_id: str, app_secret: str) -> Login:
    """Third step: the token. Raises SessionRefused."""
    headers = {"app_id": app_id, "app_secret": app_secret}
    return _login(await _ask(link, "GET", "/app/consumeApp-consent", (("tokenId", token_id),), headers))


async def login_with_totp(link: HttpLink, client_id: str, pin: str, totp: str) -> Login:
    """PIN and the present TOTP code; once in two minutes at most. Raises SessionRefused."""
    query = (("dhanClientId", client_id), ("pin", pin), ("totp", totp))
    return _login(await _ask(link, "POST", "/app/generateAccessToken", query, {}))


async def renew(link: HttpLink, client_id: str, token: str) -> Login:
    """Another 24 hours for a token of the web page that still lives; the old one dies. `link` is for the REST root.

    Raises SessionRefused.
    """
    return _login(await _ask(link, "GET", "/RenewToken", (), {"access-token": token, "dhanClientId": client_id}))


def valid_until_ns(text: object) -> int:
    """`tokenValidity` of the profile, `dd/MM/yyyy HH:mm` in IST; 0 when it cannot be read."""
    try:
        stamp = datetime.strptime(text_of(text), "%d/%m/%Y %H:%M").replace(tzinfo=IST)
    except ValueError:
        return 0
    return ns_from_datetime(stamp)


async def _ask(link: HttpLink, method: str, path: str, query: Query, headers: dict[str, str]) -> dict[str, Any]:
    """The object of a good answer; a bad one may come with HTTP 200 too. Raises SessionRefused without any input."""
    try:
        reply = await link.call(method, path, query=query, headers=headers, deadline_s=_DEADLINE_S)
    except NotWritten:
        raise SessionRefused("Dhan's login cannot be reached") from None
    except NoReply:
        raise SessionRefused("Dhan's login gave no whole answer; a token may have been made all the same") from None
    body = object_in(reply.data)
    if reply.status != 200 or not body or body.get("status") in ("error", "failed", "failure"):
        raise SessionRefused(f"Dhan's login refused: {_reason(reply)}")
    return body


def _reason(reply: Reply) -> str:
    failure = failure_of(reply.data)
    return failure.text or reply.shape


def _login(body: dict[str, Any]) -> Login:
    token = text_of(body.get("accessToken")) or text_of(body.get("token"))
    if not _TOKEN.fullmatch(token):
        raise SessionRefused("Dhan's login gave no access token")
    return Login(text_of(body.get("dhanClientId")), token, instant_of(body.get("expiryTime")))
