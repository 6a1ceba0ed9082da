"""The ways an alert leaves this machine: a webhook, a program of the trader's, and apprise (an optional extra).

A channel sends one alert and says what came of it; it knows no queue, no repeat and no desk (`engine.alert_relay`).
Nothing of a channel's address is ever in a text that it returns or raises: the address may be the credential.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httpx

from engine.alerts import RaisedAlert
from engine.config.errors import ConfigError, printable, sounds_secret
from engine.instant import iso_utc
from engine.secrets import Secret

CONNECT_S: Final = 3.0
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_STDERR_SHOWN: Final = 120
_STDERR_READ: Final = 4_096
_REAP_S: Final = 2.0


class ChannelFailed(Exception):
    """The alert did not get through. `is_final`: the same alert would fail again, so it is not tried again."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(printable(reason)[:200])
        self.is_final = is_final


class Channel(Protocol):
    """One way out. Used by one task at a time."""

    @property
    def name(self) -> str:
        """`webhook`, `command` or `apprise`."""
        ...

    async def send(self, alert: RaisedAlert) -> str:
        """Deliver within the channel's own deadline; returns what answered, in a few words. Raises ChannelFailed."""
        ...

    async def close(self) -> None: ...


class Webhook:
    """POSTs one JSON object per alert; follows no redirect, reads no answer beyond its status."""

    name = "webhook"

    def __init__(self, url: Secret, *, desk: str, timeout_s: float, token: Secret | None = None) -> None:
        """`token` goes as bearer. Raises ConfigError, naming the secret and not its value, for an unfit address."""
        _check_address(url)
        self._url = url
        self._desk = desk
        self._timeout_s = timeout_s
        # httpx tells every request with its address at INFO; whoever turns logging on must not get the credential.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        headers = {"User-Agent": "strikedesk"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            follow_redirects=False,
            headers=headers,
        )

    async def send(self, alert: RaisedAlert) -> str:
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", self._url.reveal(), json=payload(alert, self._desk)) as response,
            ):
                status = response.status_code
        except (httpx.TimeoutException, TimeoutError):
            raise ChannelFailed(f"no answer in {self._timeout_s:g} s") from None
        except httpx.ConnectError:
            raise ChannelFailed("cannot connect") from None
        except httpx.HTTPError as error:
            raise ChannelFailed(type(error).__name__) from None
        if 200 <= status < 300:
            return f"answered {status}"
        if 300 <= status < 400:
            raise ChannelFailed(f"answered {status}: redirects are not followed", is_final=True)
        raise ChannelFailed(f"answered {status}", is_final=status < 500 and status not in (408, 425, 429))

    async def close(self) -> None:
        await self._client.aclose()


class Command:
    """Runs a program, without a shell, with the alert's words on its stdin and its kind and symbol as variables."""

    name = "command"

    def __init__(self, program: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> None:
        """`env` is the whole environment the program gets: the caller has taken every credential out of it."""
        self._program = tuple(program)
        self._env = dict(env)
        self._timeout_s = timeout_s

    async def send(self, alert: RaisedAlert) -> str:
        env = {**self._env, "STRIKEDESK_ALERT_KIND": alert.kind.value, "STRIKEDESK_ALERT_SYMBOL": alert.symbol}
        try:
            process = await asyncio.create_subprocess_exec(
                *self._program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=env,
                start_new_session=True,  # Ctrl-C is for the desk; and its children can be ended with it
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise ChannelFailed(f"cannot be started: {reason}", is_final=True) from None
        try:
            async with asyncio.timeout(self._timeout_s):
                stderr = await _converse(process, f"{alert.words}\n".encode("utf-8", errors="replace"))
                code = await process.wait()
        except BaseException as error:  # its time is over, or ours
            await _end(process)
            if isinstance(error, TimeoutError):
                raise ChannelFailed(f"still running after {self._timeout_s:g} s, ended") from None
            raise
        if code:
            said = f": {stderr}" if stderr else ""
            raise ChannelFailed(f"ended with {code}{said}")
        return "ended with 0"

    async def close(self) -> None:
        """Nothing is kept between alerts."""


class Apprise:
    """Hands alerts to the apprise library, which knows more than a hundred services by their URL."""

    name = "apprise"

    def __init__(self, url: Secret, *, desk: str, timeout_s: float) -> None:
        """Raises ConfigError when the extra is not installed or no service can be read from the secret."""
        try:
            library: Any = importlib.import_module("apprise")
        except ImportError:
            install = "pip install 'strikedesk[notify]'"
            raise ConfigError([f"alerts.apprise_url_name: the extra is not installed: {install}"]) from None
        self._service: Any = library.Apprise()
        if not self._service.add(url.reveal()):
            raise ConfigError([f"{url.name}: apprise knows no service with this URL"])
        self._desk = desk
        self._timeout_s = timeout_s

    async def send(self, alert: RaisedAlert) -> str:
        title = f"{self._desk}: {alert.kind.value.replace('_', ' ')}"
        try:
            async with asyncio.timeout(self._timeout_s):
                is_delivered = await self._service.async_notify(body=alert.words, title=title)
        except TimeoutError:
            raise ChannelFailed(f"no answer in {self._timeout_s:g} s") from None
        except Exception as error:  # noqa: BLE001 - more than a hundred plug-ins, each with errors of its own
            raise ChannelFailed(type(error).__name__) from None
        if not is_delivered:
            raise ChannelFailed("the service did not take it")
        return "delivered"

    async def close(self) -> None:
        """The library keeps nothing open."""


def payload(alert: RaisedAlert, desk: str) -> dict[str, object]:
    """What a webhook gets. `id` stays the same when a delivery is repeated; `text` is what chat services show."""
    return {
        "id": f"{desk}-{alert.at_ns}-{alert.number}",
        "desk": desk,
        "kind": alert.kind.value,
        "symbol": alert.symbol,
        "text": alert.words,
        "time": iso_utc(alert.at_ns),
        "held_back": alert.held_back,
    }


def without_credentials(env: Mapping[str, str], strike: Callable[[str], str]) -> dict[str, str]:
    """The environment for a program of the trader's: no variable that sounds secret, none whose value is struck out."""
    return {name: value for name, value in env.items() if not sounds_secret(name) and strike(value) == value}


def _check_address(url: Secret) -> None:
    try:
        parts = urlsplit(url.reveal())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, None
    if parts is None or not host or parts.scheme not in ("http", "https"):
        raise ConfigError([f"{url.name}: holds no https:// address"])
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ConfigError([f"{url.name}: not encrypted; https:// unless the server is 127.0.0.1"])


async def _converse(process: asyncio.subprocess.Process, text: bytes) -> str:
    """Give the text, and read errors to the end, keeping only their beginning."""
    stdin, stderr = process.stdin, process.stderr
    if stdin is None or stderr is None:
        raise ValueError("the program was started without pipes")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not read to be told
        stdin.write(text)
        await stdin.drain()
    stdin.close()
    kept = b""
    while chunk := await stderr.read(_STDERR_READ):
        kept = (kept + chunk)[:_STDERR_READ]
    lines = kept.decode("utf-8", errors="replace").splitlines()
    return printable(lines[0][:_STDERR_SHOWN]) if lines else ""


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing that was started for an alert outlives its deadline: not the program, and not what it started itself."""
    with contextlib.suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_REAP_S):
            await process.wait()
