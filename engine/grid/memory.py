"""What a grid remembers across a restart: its levels, its hedge groups, its counts. Stored whole in the bot's row."""

from __future__ import annotations

from engine.bot import BotBody
from engine.grid.hedge import HedgeGroup
from engine.grid.level import Level

ACTIVE = "Active"
STOPPED = "Stopped"
TERMINATED = "Terminated: "


class GridBody(BotBody, kw_only=True):
    """Unlike the legs' memory it outlives the day: a level that is closed stays closed (GRD-17, GRD-53)."""

    status: str = ACTIVE
    """`Active`, `Stopped`, `Terminated: {reason}` (GRD-55)."""
    centre_paise: int = 0
    """0 = not built yet: it waits for the first price (OPS-08)."""
    levels: list[Level] = []
    groups: list[HedgeGroup] = []
    upside_oco: int = 0
    """Hedges filled for SELL entries (GRD-31)."""
    downside_oco: int = 0
    cycles: int = 0
    max_reached: bool = False
    is_withdrawn: bool = False
    """Its resting orders were taken back for a stop: nothing is placed until the next start (`cancel_on_stop`)."""
    pardoned_upside: int = 0
    """Hedge fills that were forgiven when the trader resumed it after its end; they do not end it again (GRD-47)."""
    pardoned_downside: int = 0
    uuids: int = 0
    """Handed out so far."""

    @property
    def is_active(self) -> bool:
        return self.status == ACTIVE

    @property
    def is_terminated(self) -> bool:
        return self.status.startswith(TERMINATED)
