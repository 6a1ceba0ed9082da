"""Why an exchange or a broker's risk desk refused an order, from the words of its order book.

An order that was taken and refused a moment later carries no error code of the broker, only a sentence: the exchange's
number and text, or the risk desk's. Engines decide on the vocabulary of `engine.refusals`, so it is translated here,
once for all brokers. A sentence that nobody knows is `other`: nothing but its being refused is acted on.
"""

from __future__ import annotations

import re
from typing import Final

from engine import refusals

_NUMBERS: Final = {"16052": refusals.ORDER_TYPE, "17070": refusals.PRICE_BAND}
"""NSE's own reason numbers (facts/market.md §3; brokers pass them on in front of the text)."""
_NUMBER: Final = re.compile(r"\s*(\d{5})\s*:")
_WORDS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"margin exceeds|margin shortfall|insufficient (funds?|margin|balance)", refusals.MARGIN),
        (r"trigger( price)?\b.*\b(above|below|greater|less|more|higher|lower|crossed)\b", refusals.TRIGGER_CROSSED),
        (r"circuit|execution range|daily range|price (band|range)", refusals.PRICE_BAND),
        (r"freeze", refusals.FREEZE_QTY),
        (r"lot size|multiple of.*lot", refusals.LOT_SIZE),
        (r"tick size", refusals.TICK_SIZE),
        (r"function not available|order type", refusals.ORDER_TYPE),
        (
            r"\b(SL-?M|stop ?loss[ -]market)\b.*\b(blocked|not (allowed|available|permitted|supported))",
            refusals.ORDER_TYPE,
        ),
        (r"without (market )?protection", refusals.NO_PROTECTION),
        (r"market (is )?closed|square-off time", refusals.SESSION_CLOSED),
        (r"not allowed|not permitted|cannot sell|blocked|not registered", refusals.NOT_ALLOWED),
    )
)
"""The first that stands in the sentence."""


def refusal_code(text: str) -> str:
    """The code of `engine.refusals` for a sentence of an order book; empty for no sentence."""
    if not text.strip():
        return ""
    number = _NUMBER.match(text)
    if number is not None and number[1] in _NUMBERS:
        return _NUMBERS[number[1]]
    return next((code for pattern, code in _WORDS if pattern.search(text)), refusals.OTHER)
