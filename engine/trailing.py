"""The lock-fraction trail of the leg scalper: after a share of the target is reached, lock a share of the best profit.

Pure arithmetic on paise for a long position; the stop it proposes only ever rises (I-4), which its caller enforces.
"""

from __future__ import annotations

import msgspec

from engine.money import divide_half_up, round_to_tick

_FULL_BPS = 10_000


class LockFraction(msgspec.Struct, frozen=True, kw_only=True):
    """Percentages in basis points; seed defaults 50 % and 75 % (LEG-32, LEG-33)."""

    activation_bps: int = 5_000
    """Share of the target that must have been reached."""
    lock_bps: int = 7_500
    """Share of the best profit that the stop locks."""

    def activates_at(self, entry_paise: int, target_offset_paise: int) -> int:
        """First last-price that switches trailing on (LEG-32)."""
        needed = -(-target_offset_paise * self.activation_bps // _FULL_BPS)
        return entry_paise + needed

    def stop_at(self, entry_paise: int, high_paise: int, tick_paise: int) -> int:
        """The stop that the best price so far deserves, on the tick (LEG-33)."""
        locked = divide_half_up((high_paise - entry_paise) * self.lock_bps, _FULL_BPS)
        return round_to_tick(entry_paise + locked, tick_paise)
