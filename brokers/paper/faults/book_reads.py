"""Reads of a misbehaving broker's books: failing, empty, stale, cut short, or with columns missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from msgspec.structs import replace

from brokers.paper.faults.knob import Door, Effect
from brokers.paper.faults.plan import FaultPlan, Strike
from brokers.paper.faults.updates import repainted
from engine.instant import NS_PER_MS, NS_PER_S
from engine.order import TERMINAL, Trade
from engine.port import Clock, OrderReport, PositionReport, ReadFailed

R = TypeVar("R", OrderReport, Trade, PositionReport)

_READ_DEADLINE_NS: Final = 10 * NS_PER_S
"""A read that is never answered ends here, as an adapter's own deadline would end it."""
_TRAVEL_NS: Final = 60 * NS_PER_MS
_FAILING: Final = frozenset({Effect.FAIL, Effect.NOT_SENT, Effect.REFUSE, Effect.UNKNOWN_UNDONE})


class FaultyReads:
    """Asks the plan once for each read; keeps the newest honest answer of each book for the stale ones."""

    def __init__(self, clock: Clock, plan: FaultPlan) -> None:
        self._clock = clock
        self._plan = plan
        self._kept: dict[Door, Sequence[object]] = {}

    async def read(self, door: Door, honest: Callable[[], Awaitable[Sequence[R]]]) -> Sequence[R]:
        """The rows as this broker gives them. Raises ReadFailed."""
        now_ns = self._clock.now_ns()
        strike = self._plan.strike(
            door, now_ns, can=lambda effect, _amount: effect is not Effect.STALE or door in self._kept
        )
        if strike is None:
            rows = await honest()
            self._kept[door] = rows
            return rows
        match strike.effect:
            case effect if effect in _FAILING:
                await self._clock.sleep_until(now_ns + _TRAVEL_NS)
                raise ReadFailed(strike.text)
            case Effect.LOST_REQUEST:
                await self._clock.sleep_until(now_ns + _READ_DEADLINE_NS)
                raise ReadFailed(f"no answer in {_READ_DEADLINE_NS // NS_PER_S} s")
            case Effect.STALE:
                await self._clock.sleep_until(now_ns + _TRAVEL_NS)
                return self._kept[door]  # type: ignore[return-value]
            case Effect.EMPTY:
                await honest()
                return []
            case Effect.TRUNCATE:
                rows = await honest()
                return rows[(len(rows) + 1) // 2 :]
            case _:
                return _repainted_rows(await honest(), strike)


def _repainted_rows(rows: Sequence[R], strike: Strike) -> Sequence[R]:
    shown: list[R] = []
    previous: OrderReport | None = None
    for row in rows:
        if isinstance(row, PositionReport):
            shown.append(row)
            continue
        if isinstance(row, OrderReport) and row.state not in TERMINAL:
            if strike.effect is Effect.NO_FILLED:
                row = replace(row, filled_qty=0, average_paise=0)
            elif strike.effect is Effect.CARRY_STATE and previous is not None:
                row = replace(row, state=previous.state)
        if isinstance(row, OrderReport):
            previous = row
        shown.append(repainted(row, strike))
    return shown
