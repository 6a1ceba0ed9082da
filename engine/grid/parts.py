"""How a grid is seated at the desk: its terms, and the bot they become."""

from __future__ import annotations

from dataclasses import dataclass

from engine.bot import Bot
from engine.desk_parts import BotTools
from engine.entry_trigger import TriggerSettings
from engine.grid.bot import GridBot
from engine.grid.terms import GridTerms
from engine.trend_watch import TrendWatch


@dataclass(slots=True, kw_only=True)
class GridParts:
    """Implements `engine.desk_parts.BotParts`."""

    terms: GridTerms
    trigger: TriggerSettings | None = None
    trend: TrendWatch | None = None

    def build(self, tools: BotTools) -> Bot:
        name = self.terms.bot
        return GridBot(
            self.terms,
            tools.prices,
            tools.rules,
            tools.tags,
            tools.orders,
            lambda now_ns: tools.entry_block(now_ns, name),
        )
