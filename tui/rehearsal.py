"""A broker's loopback venue, and the account table that points an adapter at it: the live configuration, no money."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

from brokers.paper.server import Floor
from brokers.venue.site import REHEARSAL, Site, VenueTerms
from engine.config.accounts import Account, DhanAccount, KiteAccount, OpenAlgoAccount, XtsAccount


def make_venue(kind: str, floor: Floor, random: Random, terms: VenueTerms, on_note: Callable[[str], None]) -> Site:
    """Not started yet. Raises ValueError for a kind that has no venue of its own protocol."""
    match kind:
        case "kite":
            from brokers.kite.venue import KiteVenue

            return KiteVenue(floor, random, terms, on_note)
        case "dhan":
            from brokers.dhan.venue import DhanVenue

            return DhanVenue(floor, random, terms, on_note)
        case "openalgo":
            from brokers.openalgo.venue import OpenAlgoVenue

            return OpenAlgoVenue(floor, random, terms, on_note)
        case "xts":
            from brokers.xts.venue import XtsVenue

            return XtsVenue(floor, random, terms, on_note)
        case _:
            raise ValueError(f"{kind}: no venue")


def rehearsed(terms: Account, address: str) -> Account:
    """The same account at the venue that listens on `address` (HOST:PORT). A paper account is left as it is."""
    http, ws = f"http://{address}", f"ws://{address}"
    match terms:
        case KiteAccount():
            return msgspec.structs.replace(terms, api_url=http, ws_url=ws)
        case DhanAccount():
            client = terms.client_id or REHEARSAL
            return msgspec.structs.replace(
                terms,
                client_id=client,
                api_url=f"{http}/v2",
                feed_url=f"{ws}/feed",
                order_feed_url=f"{ws}/orders",
                master_url=f"{http}/api-data/api-scrip-master.csv",
            )
        case OpenAlgoAccount():
            return msgspec.structs.replace(
                terms, host=http, ws_url=f"{ws}/ws", mode_expected="analyze"
            )  # the mode its venue begins in
        case XtsAccount():
            return msgspec.structs.replace(terms, root=http)
        case _:
            return terms


def rehearsal_secret(name: str) -> str:
    """What `reveal` answers in a rehearsal: a word per secret, so that two accounts stay two accounts."""
    return f"{REHEARSAL}-{name.lower().replace('_', '-')}"
