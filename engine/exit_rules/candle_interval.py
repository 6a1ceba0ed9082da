"""The candle lengths that a rule may ask indicators for: those the desk keeps."""

from __future__ import annotations

from typing import Final

from engine.reading import MINUTE_NS

INTERVAL_NS: Final = {"1m": MINUTE_NS, "5m": 5 * MINUTE_NS}
INTERVALS: Final = tuple(INTERVAL_NS)
