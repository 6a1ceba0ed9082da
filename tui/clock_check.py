"""How far the machine's clock is from a broker's, by the date that every reply of a web server carries."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from brokers.wire.http import HttpLink, NoReply, NotWritten
from engine.config.accounts import DhanAccount, KiteAccount, OpenAlgoAccount, RealAccount, XtsAccount

_ASK_S = 5.0


def server_of(terms: RealAccount) -> str:
    """Scheme and host of the server that takes its orders."""
    match terms:
        case KiteAccount(api_url=address) | DhanAccount(api_url=address):
            pass
        case OpenAlgoAccount(host=address) | XtsAccount(root=address):
            pass
        case _:
            raise ValueError(f"{type(terms).__name__}: no broker with a server")
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


async def seconds_ahead(server: str, now: Callable[[], float] = time.time) -> float | None:
    """Seconds by which the machine's clock is certainly ahead of the server's; negative: behind. 0 within what can be
    told, for the date is cut to whole seconds and the reply was under way. None when the server says no date.

    No credential is sent, and no order address is asked.
    """
    link = HttpLink(server, dict, deadline_s=_ASK_S)
    asked = now()
    try:
        reply = await link.call("GET", "/")
    except (NotWritten, NoReply):
        return None
    finally:
        heard = now()
        await link.close()
    try:
        said = parsedate_to_datetime(reply.date).timestamp()
    except (TypeError, ValueError):
        return None
    if heard < said:
        return heard - said
    return max(0.0, asked - (said + 1))
