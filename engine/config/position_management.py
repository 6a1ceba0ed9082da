"""`[position_management]`: how open positions are looked after, in the words of the position manager's tree (RTP-36).

What must always hold is no key: exits are marketable orders, and a position is over only when the broker's own
position says so; neither can be switched off (I-5).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

import msgspec

from engine.config.key import Key
from engine.instant import NS_PER_MS, NS_PER_S

_BPS_PER_PERCENT: Final = 100
ALWAYS_SO: Final[dict[tuple[str, ...], str]] = {
    ("position_management", "exit_execution", "order_type"): "exits are always marketable orders; leave it out",
    ("position_management", "validation", "enabled"): "a position is closed when the broker says so; leave it out",
}
"""Keys of the tree that would change nothing here, and why."""


class GapDetection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price that jumps while a position is open calls a person; levels are compared with every price anyway."""

    enabled: Annotated[bool, Key("RTP-09 RTP-36")] = True
    """Tell jumps."""
    gap_threshold_percent: Annotated[Decimal, Key("RTP-09 RTP-36 CON-47", "%", Decimal("0.1"), 100)] = Decimal("2.0")
    """Change from the price before, and at least five ticks, that is a jump."""


class ExitExecution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an exit that was decided is carried out. It is always a marketable order."""

    max_retries: Annotated[int, Key("RTP-28 RTP-36", "tries", 1, 10, is_live=True)] = 3
    """Refused exits before the alarm; slower tries go on until the position is closed."""
    retry_delay_ms: Annotated[int, Key("RTP-28 RTP-36", "ms", 50, 10_000, is_live=True)] = 500
    """Wait after a refused exit."""
    slippage_alert_percent: Annotated[Decimal, Key("RTP-44 RTP-45", "%", 0, 100, is_live=True)] = Decimal("2.0")
    """Exit fill so far past the level it was for is an alert; 0 = none."""


class Validation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The proof that a position is closed: the broker's own position is read until it says so."""

    max_retries: Annotated[int, Key("RTP-30 RTP-36", "looks", 1, 50, is_live=True)] = 5
    """Looks that still show the position before the alert; slower looks go on."""
    retry_interval_ms: Annotated[int, Key("RTP-30 RTP-36", "ms", 100, 10_000)] = 500
    """Between two looks."""


class Performance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a pass over very many positions makes room for prices and order news in between."""

    max_concurrent_checks: Annotated[int, Key("RTP-36 RTP-37", "batches", 1, 100)] = 10
    """Batches that wait at once."""
    batch_size: Annotated[int, Key("RTP-36 RTP-37", "positions", 1, 100)] = 5
    """Positions looked at in one go."""


class PositionManagement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How open positions are looked after, for every group of legs."""

    enabled: Annotated[bool, Key("RTP-36", is_live=True)] = True
    """false: nothing is entered any more. What is open is protected and left all the same."""
    check_interval_sec: Annotated[Decimal, Key("RTP-11 RTP-36", "s", Decimal("0.1"), 5)] = Decimal("1.0")
    """With a position open all is looked at so often, prices or not."""
    gap_detection: GapDetection = GapDetection()
    exit_execution: ExitExecution = ExitExecution()
    validation: Validation = Validation()
    performance: Performance = Performance()

    @property
    def check_interval_ns(self) -> int:
        return int(self.check_interval_sec * NS_PER_S)

    @property
    def gap_bps(self) -> int:
        """0 when jumps are not told."""
        gap = self.gap_detection
        return int(gap.gap_threshold_percent * _BPS_PER_PERCENT) if gap.enabled else 0

    @property
    def slippage_alert_bps(self) -> int:
        return int(self.exit_execution.slippage_alert_percent * _BPS_PER_PERCENT)

    @property
    def exit_retry_ns(self) -> int:
        return self.exit_execution.retry_delay_ms * NS_PER_MS

    @property
    def proof_again_ns(self) -> int:
        return self.validation.retry_interval_ms * NS_PER_MS
