"""`[guardian]`: the second process that watches the desk from outside, and what it does when the desk falls silent."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

from engine.config.key import Key
from engine.guardian import OnSilence
from engine.instant import NS_PER_S


class GuardianTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A second process that alarms, and if told so closes positions, when the desk's loop stops (docs/guardian.md)."""

    enabled: Annotated[bool, Key("OPS-20")] = False
    """The desk starts a guardian beside itself; `strikedesk guardian` starts one by hand whatever stands here."""
    silence_seconds: Annotated[Decimal, Key("OPS-20", "s", 3, 600)] = Decimal(15)
    """Without a beat for so long the desk counts as dead, real time."""
    act: Annotated[OnSilence, Key("OPS-20")] = OnSilence.ALARM
    """`alarm` calls people; `flatten` also takes the account over and closes what the desk's orders of today opened."""

    @property
    def silence_ns(self) -> int:
        return int(self.silence_seconds * NS_PER_S)
