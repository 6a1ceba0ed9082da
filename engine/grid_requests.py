"""What a trader's request means to the grids of a desk: whom it concerns, why it would be refused, what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engine.bot import REASON_MANUAL
from engine.bracket import Bracket
from engine.grid.bot import REASON_LEVEL, GridBot
from engine.grid.level import Level
from engine.operator import CancelAll, CancelScope, ExitBot, ExitLevel, ExitSide
from engine.order import Order, Role
from engine.view import BracketState

if TYPE_CHECKING:
    from engine.desk import Desk

GridExit = ExitLevel | ExitSide | ExitBot
HEDGE_STAYS: Final = "a grid keeps its hedges: leave the level, its side or the grid instead"


class GridRequests:
    """Asked by `engine.desk_requests`, inside its step."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def grid(self, name: str) -> GridBot | None:
        """None also for a grid whose code has failed: its brackets are left by the keys of every bot."""
        bot = self._desk.bots.get(name)
        return bot if isinstance(bot, GridBot) else None

    def grids(self) -> list[GridBot]:
        return [bot for bot in self._desk.bots.values() if isinstance(bot, GridBot)]

    # --- leaving ---------------------------------------------------------------------------------------------------

    def why_not_exit(self, request: GridExit) -> str:
        if request.bot not in self._desk.bots:
            return f"{request.bot} is no bot of this desk"
        if self.grid(request.bot) is None and not isinstance(request, ExitBot):
            return f"{request.bot} is no grid"
        if isinstance(request, ExitLevel) and not self._levels(request):
            return "this level has begun a new cycle"
        return "" if self.brackets(request) or self._levels(request) else "nothing of it is open or working"

    def describe_exit(self, request: GridExit) -> str:
        """`SELL 200 IRFC, BUY 50 SBIN, 3 working orders cancelled`."""
        held: dict[str, int] = {}
        for bracket in self.brackets(request):
            held[bracket.body.symbol] = held.get(bracket.body.symbol, 0) + bracket.net_qty
        parts = [f"{'SELL' if qty > 0 else 'BUY'} {abs(qty)} {symbol}" for symbol, qty in held.items() if qty]
        orders = sum(1 for bracket in self.brackets(request) for order in bracket.mine if order.is_live)
        parts += [f"{orders} working order{'' if orders == 1 else 's'} cancelled"] if orders else []
        return ", ".join(parts) or "nothing open, nothing working"

    def exit(self, request: GridExit, now_ns: int) -> None:
        desk, out = self._desk, self._desk.out
        if isinstance(request, ExitBot):
            desk.seats[request.bot].is_paused = True
            desk.decide(request.bot, lambda bot: bot.square_off(REASON_MANUAL, now_ns, out))
            return
        grid, uuids = self.grid(request.bot), {level.uuid for level in self._levels(request)}
        if grid is not None:
            desk.decide(request.bot, lambda _bot: grid.exit_levels(uuids, REASON_LEVEL, now_ns, out))

    def brackets(self, request: GridExit) -> list[Bracket]:
        """Positions and working entries that it would end."""
        bot = self._desk.bots[request.bot]
        if isinstance(request, ExitBot):
            return bot.open_brackets()
        cycles = {level.cycle for level in self._levels(request)}
        groups = {level.group for level in self._levels(request) if level.hedged_qty}
        return [bracket for bracket in bot.open_brackets() if bracket.body.bracket_id in cycles | groups]

    def _levels(self, request: GridExit) -> Sequence[Level]:
        grid = self.grid(request.bot)
        if grid is None:
            return ()
        match request:
            case ExitLevel(level_id=level_id):
                level = grid.level(level_id)
                return [level] if level is not None else []
            case ExitSide(side=side):
                return grid.levels_of(side)
            case ExitBot():
                return grid.levels_of()

    # --- cancelling ------------------------------------------------------------------------------------------------

    def in_scope(self, request: CancelAll, order: Order) -> bool:
        """A narrowed cancel concerns the levels of its side, or one of them."""
        if request.side is None and not request.level_id:
            return True
        grid = self.grid(order.bot)
        return grid is not None and any(level.cycle == order.bracket_id for level in self._scope(grid, request))

    def cancel_all(self, request: CancelAll, now_ns: int) -> None:
        """Entries of the levels in scope; with their targets when protection goes too. They pause until resumed."""
        for grid in self.grids():
            if request.bot in ("", grid.name) and not request.symbols:
                uuids = {level.uuid for level in self._scope(grid, request)}
                protective = request.scope is CancelScope.ALL
                self._cancel(grid, uuids, now_ns, protective=protective)

    def _scope(self, grid: GridBot, request: CancelAll) -> list[Level]:
        levels = grid.levels_of(request.side)
        return [level for level in levels if request.level_id in ("", level.uuid)]

    def why_not_cancel(self, order: Order) -> str:
        return HEDGE_STAYS if order.role is Role.HEDGE and self.grid(order.bot) is not None else ""

    def cancel_one(self, order: Order, now_ns: int) -> bool:
        """False when the order is none of a grid's."""
        grid = self.grid(order.bot)
        if grid is None:
            return False
        uuids = {level.uuid for level in grid.body.levels if level.cycle == order.bracket_id}
        self._cancel(grid, uuids, now_ns, protective=order.role is Role.TARGET)
        return True

    def _cancel(self, grid: GridBot, uuids: set[str], now_ns: int, *, protective: bool) -> None:
        out = self._desk.out
        self._desk.decide(grid.name, lambda _bot: grid.cancel_levels(uuids, now_ns, out, protective=protective))

    def resume(self, name: str) -> None:
        """Paused levels are free again; a grid that has ended goes on only when it is named (GRD-47)."""
        for grid in self.grids():
            if name in ("", grid.name):
                self._desk.decide(grid.name, lambda _bot, grid=grid: grid.resume(self._desk.out, ended=bool(name)))

    def count_flat(self, bracket_ids: Sequence[str]) -> int:
        """How many of them are over."""
        found = [self._desk.bracket(bracket_id) for bracket_id in bracket_ids]
        return sum(1 for bracket in found if bracket is None or bracket.body.state is BracketState.FLAT)
