"""Channels over real sockets and real programs: what is sent, and what a server or a program in trouble does to us."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.alert_channels import Apprise, ChannelFailed, Command, Webhook, without_credentials
from engine.alerts import AlertKind, RaisedAlert
from engine.config.errors import ConfigError
from engine.instant import NS_PER_S
from engine.secrets import Redactions, Secret

NOON_NS = 1_800_000_000 * NS_PER_S
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own proxy settings are not in question here."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def alert(kind: AlertKind = AlertKind.GAP, text: str = "[ALERT] gap: 4.2 % in one tick", held: int = 0) -> RaisedAlert:
    return RaisedAlert(number=7, kind=kind, symbol="NIFTY01DEC2624500PE", text=text, at_ns=NOON_NS, held_back=held)


class Hook:
    """A webhook receiver that keeps what it got and answers as told; None = never."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.answer: bytes | None = OK
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length:")[1].split()[0])
                self.heads.append(head)
                self.bodies.append(json.loads(await reader.readexactly(length)))
                if self.answer is None:
                    await asyncio.Event().wait()
                writer.write(self.answer or b"")
                await writer.drain()
        writer.close()

    def url(self, path: str = "/hook/s3cr3t-path") -> Secret:
        return Secret("ALERT_WEBHOOK_URL", f"http://127.0.0.1:{self.port}{path}")


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    tasks: set[asyncio.Task[None]] = set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await made.serve(reader, writer)

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def webhook(hook: Hook) -> AsyncIterator[Callable[..., Webhook]]:
    made: list[Webhook] = []

    def build(url: Secret | None = None, timeout_s: float = 5.0, token: Secret | None = None) -> Webhook:
        made.append(Webhook(url or hook.url(), desk="scalper", timeout_s=timeout_s, token=token))
        return made[-1]

    yield build
    for channel in made:
        await channel.close()


@pytest.mark.row("OPS-26")
async def test_the_webhook_receives_each_kind_once(hook: Hook, webhook: Callable[..., Webhook]) -> None:
    channel = webhook()

    for kind in AlertKind:
        assert await channel.send(alert(kind)) == "answered 200"

    assert [body["kind"] for body in hook.bodies] == [kind.value for kind in AlertKind]


async def test_a_webhook_gets_one_json_object_with_all_that_a_receiver_needs(
    hook: Hook, webhook: Callable[..., Webhook]
) -> None:
    await webhook(token=Secret("T", "bearer-word")).send(alert(held=3))

    assert hook.bodies == [
        {
            "id": f"scalper-{NOON_NS}-7",
            "desk": "scalper",
            "kind": "gap",
            "symbol": "NIFTY01DEC2624500PE",
            "text": "[ALERT] gap: 4.2 % in one tick (and 3 more like it before)",
            "time": "2027-01-15T08:00:00.000000+00:00",
            "held_back": 3,
        }
    ]
    assert "authorization: bearer bearer-word" in hook.heads[0].lower()


@pytest.mark.parametrize(
    ("answer", "reason", "is_final"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "answered 500", False),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", "answered 429", False),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "answered 404", True),
        (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "answered 401", True),
        (b"garbage\r\n\r\n", "RemoteProtocolError", False),
    ],
)
async def test_a_refusal_is_told_by_its_status_and_only_a_hopeless_one_is_final(
    hook: Hook, webhook: Callable[..., Webhook], answer: bytes, reason: str, is_final: bool
) -> None:
    hook.answer = answer

    with pytest.raises(ChannelFailed) as failed:
        await webhook().send(alert())

    assert (str(failed.value), failed.value.is_final) == (reason, is_final)


@pytest.mark.invariant("C7")
async def test_a_redirect_is_not_followed_and_not_tried_again(hook: Hook, webhook: Callable[..., Webhook]) -> None:
    elsewhere = f"http://127.0.0.1:{hook.port}/elsewhere".encode()
    hook.answer = b"HTTP/1.1 307 Move\r\nLocation: " + elsewhere + b"\r\nContent-Length: 0\r\n\r\n"

    with pytest.raises(ChannelFailed) as failed:
        await webhook().send(alert())

    assert failed.value.is_final and "redirects are not followed" in str(failed.value)
    assert len(hook.bodies) == 1, "the alert went to one address only"


async def test_a_server_that_never_answers_costs_its_deadline_and_no_more(
    hook: Hook, webhook: Callable[..., Webhook]
) -> None:
    hook.answer = None
    began = time.monotonic()

    with pytest.raises(ChannelFailed, match=r"no answer in 0\.2 s"):
        await webhook(timeout_s=0.2).send(alert())

    assert time.monotonic() - began < 2


async def test_a_server_that_drips_its_answer_is_held_to_the_same_deadline(webhook: Callable[..., Webhook]) -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.02)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    with pytest.raises(ChannelFailed):
        await asyncio.wait_for(webhook(Secret("U", f"http://127.0.0.1:{port}/"), timeout_s=0.2).send(alert()), 3)
    server.close()


async def test_nobody_listening_is_told_without_the_address(hook: Hook, webhook: Callable[..., Webhook]) -> None:
    closed = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    await closed.wait_closed()

    with pytest.raises(ChannelFailed) as failed:
        await webhook(Secret("U", f"http://127.0.0.1:{port}/s3cr3t")).send(alert())

    assert str(failed.value) == "cannot connect" and not failed.value.is_final


@pytest.mark.row("OPS-12")
@pytest.mark.fault("SEC-07")
@pytest.mark.invariant("C1")
async def test_the_address_is_in_no_log_even_when_somebody_turns_logging_on(
    hook: Hook, webhook: Callable[..., Webhook], caplog: pytest.LogCaptureFixture
) -> None:
    channel = webhook()
    caplog.set_level(logging.INFO)

    await channel.send(alert())
    hook.answer = b"HTTP/1.1 500 s3cr3t-path\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(ChannelFailed) as failed:
        await channel.send(alert())

    assert "s3cr3t-path" not in caplog.text + str(failed.value)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://alerts.example.com/x", "not encrypted"),
        ("ftp://alerts.example.com/x", "holds no https:// address"),
        ("just words", "holds no https:// address"),
        ("https://[bad/x", "holds no https:// address"),
        ("https://host:notaport/x", "holds no https:// address"),
    ],
)
async def test_an_unfit_address_is_refused_by_the_name_of_its_secret(address: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Webhook(Secret("ALERT_WEBHOOK_URL", address), desk="d", timeout_s=1)

    assert str(refused.value).startswith("ALERT_WEBHOOK_URL: ") and reason in str(refused.value)
    assert address not in str(refused.value)


# --- a program ------------------------------------------------------------------------------------------------------


def program(tmp_path: Path, text: str, timeout_s: float = 10.0, **env: str) -> Command:
    script = tmp_path / "told.py"
    script.write_text(text, encoding="utf-8")
    return Command([sys.executable, str(script), str(tmp_path / "out")], env=env, timeout_s=timeout_s)


def is_gone(pid: int) -> bool:
    """Ended: no process any more, or one that nobody has taken note of yet."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return status.rsplit(")", 1)[1].split()[0] == "Z"


async def until_gone(pid: int) -> None:
    for _ in range(500):
        if is_gone(pid):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")


@pytest.mark.row("OPS-26")
async def test_a_command_gets_the_text_on_stdin_and_kind_and_symbol_as_variables(tmp_path: Path) -> None:
    text = (
        "import os, sys\n"
        "env = os.environ\n"
        "out = [sys.stdin.read(), env['STRIKEDESK_ALERT_KIND'], env['STRIKEDESK_ALERT_SYMBOL'], env.get('OWN')]\n"
        "open(sys.argv[1], 'w', encoding='utf-8').write(repr(out))\n"
    )
    strange = alert(text="[ALERT] `touch /x` $(id) ; ₹5 'q'")

    assert await program(tmp_path, text, OWN="yes").send(strange) == "ended with 0"

    told = (tmp_path / "out").read_text(encoding="utf-8")
    assert told == repr([f"{strange.text}\n", "gap", "NIFTY01DEC2624500PE", "yes"])


async def test_a_command_that_fails_is_told_with_its_code_and_the_first_line_it_said(tmp_path: Path) -> None:
    text = "import sys\nsys.stderr.write('no \\x1b[31mtoken\\nmore')\nsys.exit(3)\n"

    with pytest.raises(ChannelFailed) as failed:
        await program(tmp_path, text).send(alert())

    assert str(failed.value) == r"ended with 3: no \x1b[31mtoken" and not failed.value.is_final


async def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    channel = program(tmp_path, text, timeout_s=1.5)

    with pytest.raises(ChannelFailed, match="still running after"):
        await channel.send(alert())

    await until_gone(int((tmp_path / "out").read_text()))


async def test_what_a_command_leaves_running_behind_itself_is_ended_too(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))\n"
    )

    with pytest.raises(ChannelFailed, match="still running after"):
        await program(tmp_path, text, timeout_s=1.5).send(alert())

    await until_gone(int((tmp_path / "out").read_text()))


async def test_a_command_that_talks_without_end_or_does_not_read_is_no_trouble(tmp_path: Path) -> None:
    text = "import sys\nsys.stdin.close()\nsys.stderr.write('x' * 3_000_000)\n"

    assert await program(tmp_path, text).send(alert(text="y" * 4_000)) == "ended with 0"


async def test_a_program_that_is_not_there_is_final(tmp_path: Path) -> None:
    with pytest.raises(ChannelFailed, match="cannot be started") as failed:
        await Command([str(tmp_path / "none")], env={}, timeout_s=1).send(alert())

    assert failed.value.is_final


@pytest.mark.row("OPS-12")
@pytest.mark.invariant("C1")
def test_a_command_gets_no_credential_in_its_environment() -> None:
    redactions = Redactions()
    redactions.add("https://hooks.example.com/abc")
    env = {
        "PATH": "/bin",
        "KITE_API_KEY": "k",
        "DHAN_ACCESS_TOKEN": "t",
        "ODD_NAME": "https://hooks.example.com/abc",
        "HOME": "/home/x",
    }

    assert without_credentials(env, redactions.strike) == {"PATH": "/bin", "HOME": "/home/x"}


# --- apprise --------------------------------------------------------------------------------------------------------


class FakeService:
    """What the library looks like from here."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.outcome: bool | Exception = True

    def add(self, url: str) -> bool:
        return url.startswith("ntfy://")

    async def async_notify(self, *, body: str, title: str) -> bool:
        self.sent.append((title, body))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def test_apprise_delivers_refuses_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    service = FakeService()
    monkeypatch.setitem(sys.modules, "apprise", SimpleNamespace(Apprise=lambda: service))
    channel = Apprise(Secret("ALERT_SERVICE", "ntfy://topic"), desk="scalper", timeout_s=1)

    assert await channel.send(alert()) == "delivered"
    assert service.sent == [("scalper: gap", "[ALERT] gap: 4.2 % in one tick")]
    for outcome, reason in ((False, "did not take it"), (RuntimeError("ntfy://topic"), "RuntimeError")):
        service.outcome = outcome
        with pytest.raises(ChannelFailed) as failed:
            await channel.send(alert())
        assert reason in str(failed.value) and "topic" not in str(failed.value)
    with pytest.raises(ConfigError, match="ALERT_SERVICE: apprise knows no service"):
        Apprise(Secret("ALERT_SERVICE", "nonsense://x"), desk="scalper", timeout_s=1)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.raises(ConfigError, match=r"pip install 'strikedesk\[notify\]'"):
        Apprise(Secret("ALERT_SERVICE", "ntfy://topic"), desk="scalper", timeout_s=1)
