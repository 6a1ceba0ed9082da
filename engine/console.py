"""The boundary between desk and screen: a snapshot to read and a queue to put requests on. Nothing else crosses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.operator import Request
from engine.view import CountView, DeskView, LadderRow, LogLine, MetricView, UpdateView


class Console(Protocol):
    """Implemented by the desk; faked in the screen's tests."""

    def view(self) -> DeskView:
        """The newest picture; cheap, safe to call ten times a second."""
        ...

    def log_since(self, seq: int) -> Sequence[LogLine]:
        """Lines with a sequence number above `seq`, oldest first, bounded by the ring."""
        ...

    def ladder(self, symbol: str, rungs: int, bot: str = "") -> Sequence[LadderRow]:
        """`rungs` price rows around the last price, highest first; empty while there is no price.

        With the own prices of the named bot's leg, else of the first that has the symbol.
        """
        ...

    def order_updates(self) -> Sequence[UpdateView]:
        """The newest order updates that the broker pushed, newest first, 50 at the most (HRD-44)."""
        ...

    def metrics(self) -> Sequence[MetricView]:
        """Timed figures against their targets (OPS-28)."""
        ...

    def counts(self) -> Sequence[CountView]:
        """Counted figures against theirs."""
        ...

    def submit(self, request: Request) -> None:
        """Queue a trader's request; returns at once, never raises."""
        ...

    def why_not(self, request: Request) -> str:
        """Why the engine would refuse this request now, or empty. For the disabled-key answer."""
        ...

    def describe(self, request: Request) -> str:
        """What this request would do now, in numbers, for the arm bar: `SELL 75 24500PE, limit 93.30 (bid 94.25)`."""
        ...
