"""The pass over all open positions, in batches, so that a long list never keeps prices and order news waiting (RTP-37).

The first batch belongs to the step of the timer; the others run in steps of their own on the loop's next turns, at most
so many of them waiting there. A pass that begins while one runs puts nobody at the end of the queue twice: who waits
keeps his place. Up to one batch of positions it is one plain call per bot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from engine.bot import Bot

if TYPE_CHECKING:
    from engine.desk import Desk

Batch = list[tuple[str, str]]
"""(bot, bracket id) of each position."""


class CheckLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seed defaults of PERFORMANCE (RTP-36)."""

    batch_size: int = 5
    batches_waiting: int = 10


class PositionChecks:
    """Asked by the desk's timer; calls back through `soon`, which runs a job on the loop's next turn."""

    def __init__(self, desk: Desk, limits: CheckLimits, soon: Callable[[Callable[[], None]], None]) -> None:
        self._desk = desk
        self._limits = limits
        self._soon = soon
        self._queue: dict[tuple[str, str], None] = {}
        """Positions of this pass that no batch has taken yet, in order."""
        self._handed: dict[tuple[str, str], None] = {}
        """Those in batches that wait on the loop."""
        self.batches_waiting = 0

    def begin(self, now_ns: int) -> None:
        """Look at every open position of every bot; within a step of the desk."""
        desk = self._desk
        held = {name: desk.decide(name, _open_ids) for name in desk.bots}
        positions = [(name, bracket_id) for name, ids in held.items() for bracket_id in ids]
        if len(positions) <= self._limits.batch_size:
            self._queue.clear()
            for name in desk.bots:
                desk.decide(name, lambda bot: bot.on_wake(now_ns, desk.out))
            return
        for name in [name for name, ids in held.items() if not ids]:
            desk.decide(name, lambda bot: bot.on_wake(now_ns, desk.out))
        still = set(positions)
        self._queue = {key: None for key in self._queue if key in still}
        self._queue |= dict.fromkeys(key for key in positions if key not in self._handed)
        self._look(self._next_batch(), now_ns)
        self._hand_over()

    def _next_batch(self) -> Batch:
        batch = list(self._queue)[: self._limits.batch_size]
        for key in batch:
            del self._queue[key]
        return batch

    def _hand_over(self) -> None:
        while self._queue and self.batches_waiting < self._limits.batches_waiting:
            batch = self._next_batch()
            self._handed |= dict.fromkeys(batch)
            self.batches_waiting += 1
            self._soon(lambda batch=batch: self._run(batch))

    def _run(self, batch: Batch) -> None:
        self.batches_waiting -= 1
        for key in batch:
            self._handed.pop(key, None)
        self._desk.step(lambda now_ns: self._look(batch, now_ns))
        self._hand_over()

    def _look(self, batch: Batch, now_ns: int) -> None:
        desk = self._desk
        for name in dict.fromkeys(name for name, _ in batch):
            only = frozenset(bracket_id for owner, bracket_id in batch if owner == name)
            desk.decide(name, lambda bot, only=only: bot.on_wake(now_ns, desk.out, only=only))


def _open_ids(bot: Bot) -> list[str]:
    return [bracket.body.bracket_id for bracket in bot.open_brackets()]
