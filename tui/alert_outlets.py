"""Opens the configured channels of alerts and ties them to a desk: its book speaks to them, they speak to its log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from engine.alert_channels import Apprise, Channel, Command, Webhook, without_credentials
from engine.alert_relay import AlertRelay, ChannelState
from engine.config.accounts import Account
from engine.config.model import Config
from engine.desk import Desk
from engine.messages import Msg
from engine.secrets import Redactions, Secrets


def open_channels(config: Config, secrets: Secrets, redactions: Redactions, env: Mapping[str, str]) -> list[Channel]:
    """Every channel of [alerts]. Raises SecretMissing or ConfigError: one that cannot work is told at the start."""
    alerts, desk = config.alerts, config.name
    timeout_s = float(alerts.timeout)
    channels: list[Channel] = []
    if alerts.webhook_url_name:
        token = secrets.require(alerts.webhook_token_name) if alerts.webhook_token_name else None
        channels.append(Webhook(secrets.require(alerts.webhook_url_name), desk=desk, timeout_s=timeout_s, token=token))
    if alerts.apprise_url_name:
        channels.append(Apprise(secrets.require(alerts.apprise_url_name), desk=desk, timeout_s=timeout_s))
    if alerts.command:
        for name in config.trading_account.secret_names:
            secrets.find(name)  # from here on its value is known, and kept out of the program's environment
        clean = without_credentials(env, redactions.strike)
        channels.append(Command(alerts.command, env=clean, timeout_s=timeout_s))
    return channels


def open_relay(desk: Desk, channels: list[Channel], accounts: Iterable[Account]) -> AlertRelay:
    """Ties the channels to the desk's alert book; the caller runs and closes the relay."""
    relay = AlertRelay(channels, desk.clock, striker(desk.accounts, accounts), _teller(desk))
    desk.parts.alerts.listen(relay.hear)
    return relay


def striker(account_ids: Iterable[str], accounts: Iterable[Account]) -> Callable[[str], str]:
    """Takes whatever names an account out of a text that leaves the machine (SEC-15)."""
    private = Redactions()
    names = (getattr(account, key, "") for account in accounts for key in ("client_id", "user"))
    for name in (*account_ids, *names):
        private.add(name)
    return private.strike


def _teller(desk: Desk) -> Callable[[ChannelState], None]:
    def tell(state: ChannelState) -> None:
        alarm_id = f"channel:{state.channel}"

        def step(_now_ns: int) -> None:
            if state.lost:
                desk.say(Msg.CHANNEL_LOST, channel=state.channel, count=state.lost)
            if state.reason:
                desk.say(Msg.CHANNEL_DOWN, channel=state.channel, reason=state.reason, waiting=state.waiting)
                desk.out.raise_alarm(alarm_id, f"alerts do not leave by {state.channel}: {state.reason}")
            else:
                desk.say(Msg.CHANNEL_UP, channel=state.channel)
                desk.out.end_alarm(alarm_id)

        desk.step(step)

    return tell
