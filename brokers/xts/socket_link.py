"""One Socket.IO stream of a login, kept up from the first connect to the close: what account and feed share."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from brokers.wire.stream import Stream, StreamRules
from brokers.xts.stream_words import SocketIoWords


class SocketLink:
    """Made at once, opened by `connect`."""

    def __init__(self, name: str, words: SocketIoWords, random: Random, rules: StreamRules) -> None:
        self._words = words
        self._stream = Stream(name, words, random, self._tell, rules)
        self._heard: Callable[[str], None] = _nobody
        self._is_wanted = False

    @property
    def is_live(self) -> bool:
        return self._stream.is_live

    @property
    def is_wanted(self) -> bool:
        """Between `connect` and `close`."""
        return self._is_wanted

    def on_link(self, heard: Callable[[str], None]) -> None:
        self._heard = heard

    async def connect(self, within_s: float) -> None:
        """Returns when it is live, or after so many real seconds: it goes on trying."""
        self._is_wanted = True
        self._stream.start()
        await self._stream.wait_live(within_s)

    async def close(self) -> None:
        self._is_wanted = False
        await self._stream.close()
        self._words.close()

    def renew(self) -> None:
        """There is a new token: a stream that hangs on the old one is none."""
        if self._is_wanted:
            self._words.drop_stale()
            self._stream.revive()

    def _tell(self, why: str) -> None:
        self._heard(why)


def _nobody(_why: str) -> None:
    pass
