"""The daily login at Kite: a page in the browser, a request token in its redirect, its exchange for the day's token.

Checksum and addresses are facts/kite.md §1. A request token works once and for minutes. Nothing secret is in an
exception or in what is returned, except the access token itself, which its caller stores.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from brokers.kite.answers import Verdict, fields_of, ruling_of
from brokers.wire.http import HttpLink, NoReply, NotWritten
from engine.port_reads import SessionRefused

LOGIN_PAGE: Final = "https://kite.zerodha.com/connect/login"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{4,128}", re.ASCII)
_EXCHANGE_S: Final = 10.0


def login_url(api_key: str, page: str = LOGIN_PAGE) -> str:
    """What the user opens in a browser. It names the app's key, not its secret."""
    return f"{page}?v=3&api_key={quote(api_key, safe='')}"


def request_token_of(pasted: str) -> str:
    """The request token in what the user pastes: the whole redirect address, or the token alone. Empty when none."""
    text = pasted.strip()
    if _TOKEN.fullmatch(text):
        return text
    try:
        found = parse_qs(urlsplit(text).query).get("request_token", [])
    except ValueError:
        return ""
    return found[0] if len(found) == 1 and _TOKEN.fullmatch(found[0]) else ""


def checksum(api_key: str, token: str, api_secret: str) -> str:
    """Lower-case hex SHA-256 of the three, one behind the other."""
    return hashlib.sha256(f"{api_key}{token}{api_secret}".encode()).hexdigest()


async def exchange(link: HttpLink, api_key: str, request_token: str, api_secret: str) -> str:
    """The day's access token for a request token. Raises SessionRefused; the request token is spent either way."""
    form = {
        "api_key": api_key,
        "request_token": request_token,
        "checksum": checksum(api_key, request_token, api_secret),
    }
    try:
        reply = await link.call(
            "POST", "/session/token", form=form, headers={"X-Kite-Version": "3"}, deadline_s=_EXCHANGE_S
        )
    except (NotWritten, NoReply) as failure:
        raise SessionRefused(f"Kite did not answer the login: {failure}") from None
    ruling = ruling_of(reply)
    if ruling.verdict is not Verdict.DONE:
        raise SessionRefused(f"Kite refused the login: {ruling.text}")
    token: object = fields_of(ruling.data).get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise SessionRefused("Kite answered the login without an access token")
    return token
