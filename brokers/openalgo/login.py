"""What a person and the session need to log in at an OpenAlgo server: its page, and the proof of a key.

There is no login by API: the person makes the key once and logs in to the broker every day, both on the server's own
page (facts/openalgo.md §1). `ping` proves the key and names the broker, `analyzer` tells the mode, `funds` proves that
the broker behind answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from brokers.openalgo.rules import Mode
from brokers.openalgo.shapes import object_of


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What the server said about a key that it takes."""

    broker: str
    """Name of the broker plugin; empty when it was not told."""
    mode: Mode


def login_page(host: str) -> str:
    """Where the person logs in to OpenAlgo and to the broker, and finds the key."""
    return f"{host.rstrip('/')}/"


def steps(host: str, key_name: str) -> tuple[str, ...]:
    """What to do, one line each; it names the secret and does not hold it."""
    return (
        f"Open {login_page(host)} and log in to OpenAlgo.",
        "Log in to your broker there; OpenAlgo ends that login at 03:00 IST, so this is once a day.",
        f"Once: copy the API key from its page and keep it under the name {key_name}.",
    )


def broker_of(body: Mapping[str, Any]) -> str:
    """Of a `ping` reply."""
    broker = object_of(body.get("data")).get("broker")
    return broker if isinstance(broker, str) else ""


def mode_told(body: Mapping[str, Any]) -> Mode | None:
    """Of an `analyzer` reply; None when it says neither."""
    data = object_of(body.get("data"))
    match data.get("analyze_mode"), data.get("mode"):
        case True, "analyze":
            return Mode.ANALYZE
        case False, "live":
            return Mode.LIVE
        case _:
            return None
