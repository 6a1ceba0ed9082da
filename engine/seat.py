"""A bot's place at the desk: what the desk keeps for it that is no decision of the bot's own."""

from __future__ import annotations

from engine.bot import Bot, PriceWatcher
from engine.entry_schedule import EntrySchedule
from engine.instant import ist_time_ns
from engine.trend_watch import TrendWatch


class Seat:
    """One per bot, under the bot's name; `bot` is replaced when its code has failed."""

    def __init__(self, bot: Bot, schedule: EntrySchedule, trend: TrendWatch | None) -> None:
        self.bot = bot
        self.watcher = bot if isinstance(bot, PriceWatcher) else None
        """The bot itself, while its own code decides, when it watches prices beside its brackets."""
        self.schedule = schedule
        self.trend = trend
        self.is_paused = False
        self.broken = ""
        """Why it is protect-only; empty while its own code decides (PRC-10)."""
        self.charges: dict[str, int] = {}
        """Estimated charges per trade row of today, in paise."""
        self.image = b""
        """Its memory as the journal has it."""

    @property
    def day_net_paise(self) -> int:
        """Realised today, after estimated charges."""
        return self.bot.body.day_net_paise - sum(self.charges.values())

    def square_off_at_ns(self, now_ns: int) -> int:
        """Today's square-off instant of this bot; 0 when it is switched off."""
        span = self.bot.times.square_off_ns
        return now_ns - ist_time_ns(now_ns) + span if span else 0

    def square_off_passed(self, now_ns: int) -> bool:
        at_ns = self.square_off_at_ns(now_ns)
        return bool(at_ns) and now_ns >= at_ns
