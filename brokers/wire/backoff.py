"""Pauses between tries to connect: exponential, jittered, with a cool-off after 429 (OPT-10). Pure."""

from __future__ import annotations

from random import Random

import msgspec


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Real seconds: these are sockets."""

    first_s: float = 1.0
    factor: float = 2.0
    most_s: float = 30.0
    jitter: float = 0.25
    """Share of a pause by which it may be shorter or longer."""
    cool_off_s: float = 60.0
    """After HTTP 429 on the upgrade, at least."""

    def pause_s(self, tries: int, random: Random, *, throttled: bool = False) -> float:
        """Before the n-th try in a row, from 1."""
        whole = min(self.most_s, self.first_s * self.factor ** min(tries - 1, 16))
        if throttled:
            return max(self.cool_off_s, whole) * (1 + random.uniform(0, self.jitter))
        return whole * (1 + random.uniform(-self.jitter, self.jitter))
