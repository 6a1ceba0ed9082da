"""What the lease of an account says, and in which words: read by desk, guardian and the person who releases it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from engine.instant import iso_utc

RELEASE: Final = "strikedesk guardian --release"


class Holder(StrEnum):
    NOBODY = "nobody"
    DESK = "desk"
    GUARDIAN = "guardian"


class Proof(StrEnum):
    """What the holder could prove of the account's positions; only a guardian's counts."""

    NONE = ""
    OPEN = "open"
    """It has not seen the broker say flat."""
    FLAT = "flat"
    """The broker's positions said so after its last order."""


class LeaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says."""

    epoch: int
    holder: Holder
    pid: int
    at_ns: int
    """Wall clock, for a person."""
    proof: Proof = Proof.NONE

    @property
    def words(self) -> str:
        return f"{self.holder.value}, process {self.pid}, since {iso_utc(self.at_ns)}, epoch {self.epoch}"
