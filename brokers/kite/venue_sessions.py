"""Who may speak to the venue: rehearsal credentials, the tokens it gave out, and their end (facts/kite.md §1).

An account per API key. A token is the venue's own from a login, or any word that begins with `rehearsal`, so that a
configuration needs no login to be rehearsed; both die at 06:00 IST of the next day and when all sessions are ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Final
from zlib import crc32

from brokers.kite.login import checksum
from brokers.kite.times import token_end_ns
from brokers.kite.venue_rows import KiteError

_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_TOKEN_DEAD: Final = "Incorrect `api_key` or `access_token`."
_LOGIN_DEAD: Final = "Token is invalid or has expired."
_TOKENS_MAX: Final = 10_000


def dead_token() -> KiteError:
    return KiteError(403, "TokenException", _TOKEN_DEAD)


def account_of(api_key: str) -> str:
    """The floor's name of this key's account."""
    return api_key if _ACCOUNT.fullmatch(api_key) else f"kite-{crc32(api_key.encode()):08x}"


class Sessions:
    """`word` is what every credential of a rehearsal begins with; `now_ns` the exchange clock."""

    def __init__(self, now_ns: Callable[[], int], random: Random, word: str, *, expires: bool) -> None:
        self._now_ns = now_ns
        self._random = random
        self._word = word
        self._expires = expires
        self._ends_ns: dict[tuple[str, str], int] = {}
        """By (key, token): given or taken so far, and until when; 0 = dead."""
        self._requests: set[str] = set()
        self._spent: set[str] = set()

    def check(self, api_key: str, token: str) -> None:
        """Raises KiteError for credentials that are not taken, or no more."""
        if not self.is_alive(api_key, token):
            raise dead_token()

    def is_alive(self, api_key: str, token: str) -> bool:
        pair = (api_key, token)
        is_new = pair not in self._ends_ns and len(self._ends_ns) < _TOKENS_MAX
        if is_new and api_key.startswith(self._word) and token.startswith(self._word):
            self._ends_ns[pair] = self._end_ns()
        return self._now_ns() < self._ends_ns.get(pair, 0)

    def request_token(self) -> str:
        """What the login page's redirect carries."""
        token = f"{self._random.getrandbits(128):032x}"
        self._requests.add(token)
        return token

    def log_in(self, api_key: str, request_token: str, given: str) -> str:
        """The access token for a request token, once. Raises KiteError."""
        is_offered = request_token in self._requests or request_token.startswith(self._word)
        if not is_offered or request_token in self._spent or not api_key.startswith(self._word):
            raise KiteError(403, "TokenException", _LOGIN_DEAD)
        secrets = (self._word, f"{self._word}-kite-api-secret")
        if given not in [checksum(api_key, request_token, secret) for secret in secrets]:
            raise KiteError(403, "TokenException", "Invalid `checksum`.")
        self._spent.add(request_token)
        token = f"{self._random.getrandbits(128):032x}"
        self._ends_ns[api_key, token] = self._end_ns()
        return token

    def end(self, api_key: str, token: str) -> None:
        self._ends_ns[api_key, token] = 0

    def end_all(self) -> None:
        self._ends_ns = dict.fromkeys(self._ends_ns, 0)

    def _end_ns(self) -> int:
        return token_end_ns(self._now_ns()) if self._expires else 2**63
