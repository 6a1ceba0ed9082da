"""The venue's tokens: which it takes, which it gave, which are dead; and the routes of Dhan's three logins.

A token of its own dies with the next one of the same client and after 24 hours of the exchange clock; a token that
begins with `rehearsal` needs no login and lives as long from its first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random
from typing import Any, Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from brokers.venue.site import REHEARSAL
from engine.instant import IST, NS_PER_DAY, NS_PER_S
from engine.port import Clock

_BAD_LOGIN: Final = {"status": "error", "message": "Invalid credentials"}


class LoginDesk:
    """All tokens of one venue."""

    def __init__(self, clock: Clock, random: Random, expires: Callable[[], bool]) -> None:
        self._clock = clock
        self._random = random
        self._expires = expires
        self._born_ns: dict[str, int] = {}
        """Of every token that was given or used."""
        self._client_of: dict[str, str] = {}
        """Of the tokens that were given."""
        self._dead: set[str] = set()
        self._consents: dict[str, str] = {}
        """Client id by consent id, and by the token id that its page redirects with."""

    def is_alive(self, token: str, client_id: str = "") -> bool:
        """Also takes up a rehearsal token at its first use."""
        if token not in self._born_ns:
            if not token.startswith(REHEARSAL) or token in self._dead:
                return False
            self._born_ns[token] = self._clock.now_ns()
        owner = self._client_of.get(token)
        if token in self._dead or (owner and client_id and owner != client_id):
            return False
        return not self._expires() or self._clock.now_ns() - self._born_ns[token] < NS_PER_DAY

    def client_of(self, token: str, client_id: str) -> str:
        return self._client_of.get(token) or client_id or REHEARSAL

    def end_all(self) -> None:
        self._dead |= set(self._born_ns)

    def validity(self, token: str) -> str:
        """As the profile writes it."""
        ends_ns = self._born_ns.get(token, self._clock.now_ns()) + NS_PER_DAY
        return datetime.fromtimestamp(ends_ns // NS_PER_S, IST).strftime("%d/%m/%Y %H:%M")

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        return (
            ("POST", "/app/generate-consent", self._generate_consent),
            ("GET", "/login/consentApp-login", self._login_page),
            ("GET", "/app/consumeApp-consent", self._consume_consent),
            ("POST", "/app/consumeApp-consent", self._consume_consent),
            ("POST", "/app/generateAccessToken", self._with_totp),
            ("GET", "/v2/RenewToken", self._renew),
        )

    async def _generate_consent(self, request: web.Request) -> web.Response:
        client_id = request.query.get("client_id", "")
        if not _takes_app(request) or not client_id:
            return web.json_response(_BAD_LOGIN, status=401)
        consent = self._word("C")
        self._consents[consent] = client_id
        return web.json_response({"consentAppId": consent, "consentAppStatus": "GENERATED", "status": "success"})

    async def _login_page(self, request: web.Request) -> web.Response:
        """No page: whoever comes here is taken for the person, and sent back at once."""
        client_id = self._consents.pop(request.query.get("consentAppId", ""), "")
        if not client_id:
            return web.json_response(_BAD_LOGIN, status=400)
        token_id = self._word("T")
        self._consents[token_id] = client_id
        raise web.HTTPFound(f"http://{request.host}/login/done?tokenId={token_id}")

    async def _consume_consent(self, request: web.Request) -> web.Response:
        client_id = self._consents.pop(request.query.get("tokenId", ""), "")
        if not _takes_app(request) or not client_id:
            return web.json_response(_BAD_LOGIN)  # with HTTP 200, as it was seen
        return _answer(self._give(client_id))

    async def _with_totp(self, request: web.Request) -> web.Response:
        query = request.query
        if not query.get("pin", "").startswith(REHEARSAL) or not query.get("totp") or not query.get("dhanClientId"):
            return web.json_response(_BAD_LOGIN)
        return _answer(self._give(query["dhanClientId"]))

    async def _renew(self, request: web.Request) -> web.Response:
        token, client_id = request.headers.get("access-token", ""), request.headers.get("dhanClientId", "")
        if not client_id or not self.is_alive(token, client_id):
            return web.json_response(
                {"errorType": "Invalid_Authentication", "errorCode": "DH-901", "errorMessage": "Token is not active."},
                status=401,
            )
        self._dead.add(token)
        return _answer(self._give(client_id))

    def _give(self, client_id: str) -> dict[str, Any]:
        """A new token; the client's last one dies."""
        self._dead |= {token for token, owner in self._client_of.items() if owner == client_id}
        token = f"{self._word('eyJ')}.{self._word('')}.{self._word('')}"
        self._born_ns[token], self._client_of[token] = self._clock.now_ns(), client_id
        ends = datetime.fromtimestamp((self._clock.now_ns() + NS_PER_DAY) // NS_PER_S, IST)
        return {
            "dhanClientId": client_id,
            "dhanClientName": "REHEARSAL",
            "dhanClientUcc": "RHRSL0001R",
            "givenPowerOfAttorney": False,
            "accessToken": token,
            "expiryTime": ends.strftime("%Y-%m-%dT%H:%M:%S.000"),
        }

    def _word(self, head: str) -> str:
        return head + "".join(self._random.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(20))


def _takes_app(request: web.Request) -> bool:
    return all(request.headers.get(name, "").startswith(REHEARSAL) for name in ("app_id", "app_secret"))


def _answer(body: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
