"""Every fault of the fault catalogue in one of two lists: what this layer can make happen, and what it cannot, and why.

`KNOBS` are the ways to make them, `BEYOND` the ids that belong elsewhere. Ceilings are chosen so that a seeded day
still trades: each fault is rare, pairs happen. They are the layer's own numbers, not measurements of a broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from brokers.paper.faults.knob import Knob
from brokers.paper.faults.knobs_of_market import MARKET_KNOBS
from brokers.paper.faults.knobs_of_orders import ORDER_KNOBS
from brokers.paper.faults.knobs_of_venue import VENUE_KNOBS

KNOBS: Final[Mapping[str, Knob]] = {knob.knob: knob for knob in (*ORDER_KNOBS, *MARKET_KNOBS, *VENUE_KNOBS)}
"""By their spelling, in the order of the catalogue's groups."""

FAULTS: Final[Mapping[str, tuple[Knob, ...]]] = {
    fault: tuple(knob for knob in KNOBS.values() if knob.fault == fault)
    for fault in dict.fromkeys(knob.fault for knob in KNOBS.values())
}
"""The knobs of each fault that this layer can produce."""

_WIRE: Final = "on the wire between adapter and server: the loopback servers of each broker make it"
_DESK: Final = "inside the desk, not at the venue: its own tests make it"
_NO_CALL: Final = "a gateway's convenience call that the broker port does not have"
_CLOCK: Final = "the desk's clock and calendar are given to it: their own tests make it"
_DISK: Final = "journal and disk: crash and storage tests make it"
_PROCESS: Final = "process, terminal and event loop: crash and terminal tests make it"
_CONTRACTS: Final = "the exchange's reference data from one day to the next: tests of the instrument master make it"
_CONFIG: Final = "configuration: its own tests make it"
_SECRETS: Final = "files, secrets and dependencies: security tests make it"


def _numbers(group: str, numbers: str) -> tuple[str, ...]:
    return tuple(f"{group}-{number}" for number in numbers.split())


BEYOND: Final[Mapping[str, str]] = {
    fault: reason
    for reason, faults in (
        (_WIRE, (*_numbers("ORD", "10"), *_numbers("MKT", "02"), *_numbers("NET", "03 04"), "SEC-04")),
        (_NO_CALL, ("ORD-23", *_numbers("EXI", "10 11 18"))),
        (_DESK, (*_numbers("EXI", "09 14 17 19"), *_numbers("HUM", "06 07"), "SEC-12", "SEC-15")),
        (_CLOCK, _numbers("TIM", "01 02 03 04 05 06 08 10")),
        (_DISK, _numbers("STO", " ".join(f"{number:02d}" for number in range(1, 20)))),
        (_PROCESS, ("MKT-14", *_numbers("PRC", " ".join(f"{number:02d}" for number in range(1, 19))))),
        (_CONTRACTS, _numbers("REF", "02 03 05 06")),
        (_CONFIG, _numbers("CFG", "01 02 03 04 05 06")),
        (_SECRETS, _numbers("SEC", "05 06 07 08 09 10 11 14")),
    )
    for fault in faults
}
"""Fault id -> why this layer cannot produce it."""
