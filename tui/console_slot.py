"""Stands where the desk's console will be until the desk is open, so that the screen can paint at once."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engine.console import Console
from engine.operator import Request
from engine.view import CountView, DeskView, LadderRow, LogLine, MetricView, StatusView, UpdateView

OPENING = "the desk is being opened"


class ConsoleSlot:
    """Implements `engine.console.Console`; empty until `attach`, then the desk's own."""

    def __init__(self, mode: str, broker: str) -> None:
        self._mode = mode
        self._broker = broker
        self._console: Console | None = None

    def attach(self, console: Console) -> None:
        self._console = console

    def view(self) -> DeskView:
        if self._console is not None:
            return self._console.view()
        status = StatusView(
            mode=self._mode,
            broker=self._broker,
            account="",
            is_live=False,
            now_ns=time.time_ns(),
            entries=f"BLOCKED: {OPENING}",
            session_text=OPENING,
        )
        return DeskView(version=0, status=status)

    def log_since(self, seq: int) -> Sequence[LogLine]:
        return self._console.log_since(seq) if self._console is not None else ()

    def ladder(self, symbol: str, rungs: int, bot: str = "") -> Sequence[LadderRow]:
        return self._console.ladder(symbol, rungs, bot) if self._console is not None else ()

    def order_updates(self) -> Sequence[UpdateView]:
        return self._console.order_updates() if self._console is not None else ()

    def metrics(self) -> Sequence[MetricView]:
        return self._console.metrics() if self._console is not None else ()

    def counts(self) -> Sequence[CountView]:
        return self._console.counts() if self._console is not None else ()

    def submit(self, request: Request) -> None:
        """Before there is a desk nothing can be asked of it; `why_not` has said so."""
        if self._console is not None:
            self._console.submit(request)

    def why_not(self, request: Request) -> str:
        return self._console.why_not(request) if self._console is not None else OPENING

    def describe(self, request: Request) -> str:
        return self._console.describe(request) if self._console is not None else OPENING
