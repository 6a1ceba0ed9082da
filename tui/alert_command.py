"""`strikedesk alert-test`: sends one test alert through every configured channel and says what each answered."""

from __future__ import annotations

import argparse
import asyncio
import os
import time

from engine.alert_channels import Channel, ChannelFailed
from engine.alerts import AlertKind, RaisedAlert
from engine.config.errors import ConfigError
from engine.config.load import load
from engine.paths import places
from engine.secrets import Redactions, Secrets
from tui.alert_outlets import open_channels
from tui.files import DeskFiles


def run_alert_test(arguments: argparse.Namespace) -> int:
    """Exit code 0 when every channel took it, 1 when one did not. Raises ConfigError when there is no channel."""
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    if not loaded.config.alerts.channel_words:
        raise ConfigError(["[alerts] names no channel: set webhook_url_name, command or apprise_url_name"])
    files = DeskFiles.of(loaded.config, places(os.environ), arguments.db)
    redactions = Redactions()
    secrets = Secrets(loaded.env, files.secrets, redactions)
    return asyncio.run(_send(open_channels(loaded.config, secrets, redactions, loaded.env)))


async def _send(channels: list[Channel]) -> int:
    code = 0
    for channel in channels:
        alert = RaisedAlert(
            number=1,
            kind=AlertKind.TEST,
            symbol="",
            text="[ALERT] test: this is what an alert of Strikedesk looks like",
            at_ns=time.time_ns(),
        )
        began = time.monotonic()
        try:
            answer = await channel.send(alert)
        except ChannelFailed as failure:
            answer, code = f"FAILED: {failure}", 1
        finally:
            await channel.close()
        print(f"{channel.name:8} {answer} ({time.monotonic() - began:.2f} s)")  # noqa: T201 - requested data
    return code
