"""A sliding window over send times: never more than the limit in any one second or minute, with room kept for exits.

Brokers count arrivals per calendar second of their own clock (facts/market.md §0.5), so a leaky bucket lets too many
through; counting our sends in every window of one second, paced below the broker's figure, does not.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from engine.instant import NS_PER_S

_SECOND_NS: Final = NS_PER_S
_MINUTE_NS: Final = 60 * NS_PER_S


class RateWindow:
    """Pure: the caller passes the time and waits by itself."""

    def __init__(self, *, per_s: int, per_min: int, exit_reserve_per_s: int, gap_ns: int = 0) -> None:
        self._per_s = per_s
        self._per_min = per_min
        self._reserve = min(exit_reserve_per_s, per_s - 1)
        self._gap_ns = gap_ns
        self._sent: deque[int] = deque(maxlen=per_min)
        self._paused_until_ns = 0

    def next_slot_ns(self, now_ns: int, *, is_exit: bool) -> int:
        """Earliest instant at which a request of this kind may leave; `now_ns` when at once (LEG-66)."""
        sent = self._sent
        slot = now_ns
        if not is_exit:
            slot = max(slot, self._paused_until_ns)
        if sent and self._gap_ns:
            slot = max(slot, sent[-1] + self._gap_ns)
        per_s = self._per_s if is_exit else self._per_s - self._reserve
        if len(sent) >= per_s:
            slot = max(slot, sent[-per_s] + _SECOND_NS)
        if len(sent) >= self._per_min:
            slot = max(slot, sent[0] + _MINUTE_NS)
        return slot

    def note_sent(self, now_ns: int) -> None:
        self._sent.append(now_ns)

    def pause_entries(self, until_ns: int) -> None:
        """The broker said 429: entries wait, exits keep their reserve (ORD-09)."""
        self._paused_until_ns = max(self._paused_until_ns, until_ns)

    def sent_within(self, now_ns: int, span_ns: int = _SECOND_NS) -> int:
        return sum(1 for at in self._sent if at > now_ns - span_ns)
