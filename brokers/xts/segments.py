"""XTS's names and numbers of the exchange segments, and this desk's names of their exchanges (facts/xts.md §3, §7)."""

from __future__ import annotations

from typing import Final

NUMBERS: Final = {
    "NSECM": 1, "NSEFO": 2, "NSECD": 3, "BSECM": 11, "BSEFO": 12, "BSECD": 13, "NCDEX": 21,
    "MSEICM": 41, "MSEIFO": 42, "MSEICD": 43, "MCXFO": 51,
}  # fmt: skip
"""The interactive side speaks the names, market data the numbers."""
NAMES: Final = {number: name for name, number in NUMBERS.items()}
EXCHANGES: Final = {"NSECM": "NSE", "NSEFO": "NFO", "BSECM": "BSE", "BSEFO": "BFO"}
SEGMENT_OF: Final = {
    **{exchange: name for name, exchange in EXCHANGES.items()},
    "NSE_INDEX": "NSECM",
    "BSE_INDEX": "BSECM",
}
MASTER_SEGMENTS: Final = ("NSECM", "NSEFO", "BSEFO")
"""Whose contracts this desk trades."""


def segment_number(value: object) -> int | None:
    """1, "1" or "NSECM": real clients send each of them (facts §10)."""
    if isinstance(value, str):
        if value in NUMBERS:
            return NUMBERS[value]
        value = int(value) if value.isdecimal() and value.isascii() and len(value) <= 3 else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if value in NAMES else None
