"""One login at Dhan, with the account and the feed that hang on it.

Dhan's login is a token that a person brings (`brokers/dhan/login.py`); opening a session proves it with one read.
"""

from __future__ import annotations

from collections.abc import Callable

from brokers.dhan.account import DhanAccount
from brokers.dhan.feed import DhanFeed
from brokers.dhan.line import DhanLine
from brokers.wire.tools import SessionTools
from engine.config.accounts import DhanAccount as Terms
from engine.port_reads import FeedPort, SessionState, TradingPort


class DhanSession:
    """Implements `engine.port_reads.BrokerSession`. `open` may be called again after a new login."""

    def __init__(self, terms: Terms, reveal: Callable[[str], str], tools: SessionTools) -> None:
        self._line = DhanLine(terms, reveal, tools)
        self._account = DhanAccount(self._line)
        self._feed = DhanFeed(self._line)

    async def open(self, *, trade: bool = True, market: bool = True) -> None:  # one token serves both
        """Raises SessionRefused."""
        await self._line.open()
        self._account.revive()
        self._feed.revive()

    async def close(self) -> None:
        await self._account.close()
        await self._feed.close()
        await self._line.close()

    @property
    def state(self) -> SessionState:
        return self._line.state

    @property
    def account(self) -> TradingPort:
        return self._account

    @property
    def feed(self) -> FeedPort:
        return self._feed
