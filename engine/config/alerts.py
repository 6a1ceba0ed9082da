"""`[alerts]`: who is told when something needs a person, beside the screen and the log. No address stands here.

A webhook's or a service's address often is the credential, so each is the *name* of a secret (engine/secrets.py).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

import msgspec

from engine.config.key import Key

_SECRET_NAME: Final = Key(
    "OPS-26", pattern=r"([A-Z][A-Z0-9_]{2,63})?", form="the NAME of a secret: capitals, digits, _; or empty"
)


class Alerts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Channels for alerts. Without any, alerts are on the screen and in the log only."""

    webhook_url_name: Annotated[str, _SECRET_NAME] = ""
    """Secret that holds the https:// address to which each alert is POSTed as JSON; empty = no webhook."""
    webhook_token_name: Annotated[str, _SECRET_NAME] = ""
    """Secret that is sent to the webhook as bearer token; empty = none."""
    apprise_url_name: Annotated[str, _SECRET_NAME] = ""
    """Secret that holds a service's URL for the extra `notify` (apprise); empty = none."""
    command: Annotated[tuple[str, ...], Key("OPS-26", form="a program and its arguments")] = ()
    """Program that is run for each alert, without a shell, with the text on its stdin; empty = none."""
    timeout: Annotated[Decimal, Key("OPS-26", "s", Decimal("0.5"), 60)] = Decimal(5)
    """One try of one channel takes no longer."""

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The secrets that the chosen channels need."""
        names = (self.webhook_url_name, self.webhook_token_name, self.apprise_url_name)
        return tuple(name for name in names if name)

    @property
    def channel_words(self) -> tuple[str, ...]:
        """What is configured, in words, without an address."""
        words: list[str] = []
        if self.webhook_url_name:
            words.append(f"webhook (secret {self.webhook_url_name})")
        if self.command:
            words.append(f"command {self.command[0]}")
        if self.apprise_url_name:
            words.append(f"apprise (secret {self.apprise_url_name})")
        return tuple(words)
