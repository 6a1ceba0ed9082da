"""Stands beside a desk with grids: waits for their first prices, and knows when a desk of grids alone has ended itself.

Nothing here trades. A grid that has no levels yet needs a price of each of its tokens within 30 s, or the start has
failed (GRD-51, OPS-08). Without a screen a desk whose grids have all ended themselves ends too, with exit code 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.grid.bot import GridBot
from engine.instant import NS_PER_MS, NS_PER_S
from engine.messages import Msg
from engine.operator import PauseEntries
from tui.start_failure import StartFailed

if TYPE_CHECKING:
    from tui.signals import Signals
    from tui.station import Station

FIRST_PRICE_NS: Final = 30 * NS_PER_S
EXIT_TERMINATED: Final = 3
_LOOK_NS: Final = 250 * NS_PER_MS


class GridWatch:
    """One per run of a desk; `run` ends by itself or by cancellation."""

    def __init__(self, station: Station, signals: Signals, *, has_screen: bool) -> None:
        self._station = station
        self._desk = station.desk
        self._signals = signals
        self._has_screen = has_screen
        self.failure: StartFailed | None = None
        """Why the start has failed after all; the desk is told to stop then."""
        self.why_over = ""
        """Why the desk is told to stop although nobody has asked for it."""

    @property
    def is_wanted(self) -> bool:
        return bool(self._grids())

    def resume(self) -> None:
        """Grids that had ended themselves go on by the trader's word on the command line, and only by that (GRD-47)."""
        for grid in self._grids():
            if not grid.body.is_terminated:
                continue
            if self._station.plan.resumes_terminated:
                self._desk.submit(PauseEntries(request_id=f"resume-{grid.name}", paused=False, bot=grid.name))
            else:
                self._desk.step(lambda _now, grid=grid: self._tell_terminated(grid))

    def _tell_terminated(self, grid: GridBot) -> None:
        text = f"{grid.body.status}; it sends nothing until it is resumed (--resume-terminated)"
        self._desk.say(Msg.DESK_WARN, source=grid.name, text=text)

    async def run(self) -> None:
        clock, since_ns = self._desk.clock, self._desk.clock.now_ns()
        waiting = {grid.name for grid in self._grids() if not grid.body.levels and grid.body.is_active}
        while not self._desk.stopping:
            if waiting and not self._look_for_prices(waiting, clock.now_ns() - since_ns):
                return
            if not self._has_screen and self.is_terminated and not self._works():
                self.why_over = "every grid has ended itself"
                self._signals.stop.set()
                return
            await clock.sleep_until(clock.now_ns() + _LOOK_NS)

    def exit_code(self, code: int) -> int:
        """Raises StartFailed when a first price never came."""
        if self.failure is not None:
            raise self.failure
        return EXIT_TERMINATED if self.is_terminated else code

    @property
    def is_terminated(self) -> bool:
        """Nothing but grids, and all of them have ended themselves."""
        grids = self._grids()
        return bool(grids) and len(grids) == len(self._desk.bots) and all(grid.body.is_terminated for grid in grids)

    def _works(self) -> bool:
        """An order of it may still fill, or a position is being left."""
        brackets = self._desk.open_brackets()
        return bool(self._desk.blotter.live_orders()) or any(bracket.body.exit_reason for bracket in brackets)

    def _look_for_prices(self, waiting: set[str], waited_ns: int) -> bool:
        """False when the desk is told to stop, because a price has not come."""
        for grid in self._grids():
            prices = [grid.price_a, *([grid.price_b] if grid.price_b is not None else [])]
            missing = [price.instrument.symbol for price in prices if price.tick.ltp_paise <= 0]
            if grid.name not in waiting or not missing:
                waiting.discard(grid.name)
            elif waited_ns >= FIRST_PRICE_NS:
                waiting.discard(grid.name)
                text = f"no price for {' and '.join(missing)} within {FIRST_PRICE_NS // NS_PER_S} s"
                if len(self._desk.bots) == 1:
                    self.failure = StartFailed(f'grid "{grid.name}": {text}: not started')
                    self.why_over = text
                    self._signals.stop.set()
                    return False
                words = f"{grid.name}: {text}: it waits"
                self._desk.step(lambda _now, name=grid.name, words=words: self._desk.out.raise_alarm(name, words))
        return True

    def _grids(self) -> list[GridBot]:
        return [bot for bot in self._desk.bots.values() if isinstance(bot, GridBot)]
