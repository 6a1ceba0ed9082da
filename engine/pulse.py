"""The desk's pulse: a record made once a second from the loop, read from outside by a guardian (`engine.pulse_file`).

It is not the minute's line of the log (`engine.heartbeat`). It says when the loop last ran, and what is at stake: units
open, units without a working stop, orders that may still fill. A stalled loop writes nothing, which is the point. The
last record of an orderly end says so, with the exit code. Instants are CLOCK_MONOTONIC of one boot: every process of
the machine sees the same one, nobody can set it, and it stands still while the machine sleeps.
"""

from __future__ import annotations

from typing import Final

import msgspec

ORDERLY: Final = (0, 3, 5)
"""Exit codes that the desk itself decided on and told: clean, terminated, still in position (OPS-22)."""


class Stakes(msgspec.Struct, frozen=True, kw_only=True):
    """What would be left behind if this were the last beat."""

    open_qty: int = 0
    """Units of all positions, long and short alike."""
    bare_qty: int = 0
    """Of them, units without an acknowledged stop at the broker."""
    live_orders: int = 0
    """Orders that may still fill, unanswered ones included."""

    @property
    def is_flat(self) -> bool:
        return not (self.open_qty or self.live_orders)

    @property
    def words(self) -> str:
        if self.is_flat:
            return "nothing open"
        orders = f"{self.live_orders} order(s) that may fill"
        return f"{self.open_qty} units open, {self.bare_qty} of them without a resting stop, {orders}"


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """One beat."""

    run_no: int
    pid: int
    epoch: int
    """Of the lease under which the desk sends."""
    boot: str
    """Which start of the machine `at_ns` belongs to; empty where the system does not tell."""
    at_ns: int
    """CLOCK_MONOTONIC."""
    stakes: Stakes = Stakes()
    exit_code: int | None = None
    """None while the desk runs."""

    @property
    def is_orderly_end(self) -> bool:
        return self.exit_code in ORDERLY
