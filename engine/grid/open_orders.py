"""Which orders of a broker's book `--cancel-all` may end: ours by tag, live, and no other bot's (OPS-09). Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from engine.order import TERMINAL
from engine.port import OrderReport
from engine.tags import is_tag


def ours(
    book: Sequence[OrderReport], bot: str, *, symbols: Collection[str] = (), owners: Mapping[str, str] | None = None
) -> list[OrderReport]:
    """Live orders with a tag that a desk like this one made, in the order of the book.

    `owners` is what the journal knows, tag to bot: another bot's order is left alone; a tag that it does not know
    counts, for the journal may be lost. `symbols`, when given, are the only ones looked at. An order placed by hand
    has no tag of ours and is never touched.
    """
    known = owners or {}
    return [
        order
        for order in book
        if order.state not in TERMINAL
        and is_tag(order.tag)
        and (not symbols or order.symbol in symbols)
        and known.get(order.tag, bot) == bot
    ]
