"""The scripted day killed at many points in one run: a copy of the process dies at each, the day itself goes on.

A run up to a point is the same whatever comes after it, so it is made once and the copy (`os.fork`) inherits it: half
the time of a run for each point. For systems that can fork.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from typing import Final

import msgspec

from engine.instant import NS_PER_S
from engine.view import ExitStyle
from engine.virtual_time import run_virtual
from tui.simulation.crash_matrix import scripted_day
from tui.simulation.crashes import Crash, Crasher, CrashPoint
from tui.simulation.day import Day, DayResult

_DOWN_NS: Final = 3 * NS_PER_S


class Forks(Crasher):
    """Strikes in a copy at each wanted point."""

    def __init__(self, wanted: Collection[int]) -> None:
        super().__init__(())
        self._wanted = wanted
        self.told: dict[int, bytes] = {}
        """Point -> what its copy told. Nothing is made of it here: the desk would answer for an error."""
        self.pipe = -1
        """Where a copy tells its result; -1 in the day itself."""

    def strikes(self, point: CrashPoint, now_ns: int) -> Crash | None:
        number = self.points
        super().strikes(point, now_ns)
        if self.points == number or self.pipe >= 0 or number not in self._wanted:
            return None
        loop, (reader, writer) = asyncio.get_running_loop(), os.pipe()
        child = os.fork()
        if child == 0:
            asyncio._set_running_loop(loop)  # asyncio takes a copy's loop for somebody else's
            os.close(reader)
            self.pipe = writer
            return Crash(at_point=number, down_ns=_DOWN_NS)
        os.close(writer)
        with os.fdopen(reader, "rb") as told:
            self.told[number] = told.read()
        os.waitpid(child, 0)
        return None


def killed_at(points: Collection[int], style: ExitStyle = ExitStyle.RESTING) -> dict[int, DayResult]:
    """Point -> the scripted day that was killed there, as a run of its own would have it. Raises RuntimeError when a
    copy dies of something else."""
    day = Day(scripted_day(style=style), None)
    day.crasher = forks = Forks(points)
    try:
        result = run_virtual(day.run())
        if forks.pipe >= 0:
            with os.fdopen(forks.pipe, "wb") as told:
                told.write(msgspec.msgpack.encode(result))
    finally:
        if forks.pipe >= 0:
            os._exit(0)
    silent = [point for point, told in forks.told.items() if not told]
    if silent:
        raise RuntimeError(f"points {silent}: the copies died without a result")
    return {point: msgspec.msgpack.decode(told, type=DayResult) for point, told in forks.told.items()}
