"""`strikedesk alert-test` and `check` as a user has them: which channel took the alert, and nothing of its address."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest


class Receiver(HTTPServer):
    """A webhook on loopback."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.row("OPS-26")
def test_every_channel_is_tried_and_said_and_the_code_tells_of_one_that_failed(home, receiver: Receiver) -> None:
    home.write(
        "config.toml", f'[alerts]\nwebhook_url_name = "ALERT_HOOK"\ncommand = ["{sys.executable}", "-c", "exit(3)"]\n'
    )
    env = {"ALERT_HOOK": f"http://127.0.0.1:{receiver.server_port}/s3cr3t"}

    ended = home.run("alert-test", env=env)

    assert [line.split(" (")[0] for line in ended.out.splitlines()] == [
        "webhook  answered 204",
        "command  FAILED: ended with 3",
    ]
    assert ended.code == 1 and "s3cr3t" not in ended.out + ended.err
    assert [body["kind"] for body in receiver.bodies] == ["test"]


def test_a_channel_that_works_is_code_zero_and_check_says_where_its_secret_is(home, receiver: Receiver) -> None:
    home.write("config.toml", '[alerts]\nwebhook_url_name = "ALERT_HOOK"\n')
    home.settings.joinpath("secrets.env").write_text(f"ALERT_HOOK=http://127.0.0.1:{receiver.server_port}/s3cr3t\n")
    home.settings.joinpath("secrets.env").chmod(0o600)

    assert home.run("alert-test").code == 0
    checked = home.run("check")

    assert "Alerts      webhook (secret ALERT_HOOK); the same alert once a minute" in checked.out
    assert f"ALERT_HOOK: {home.settings / 'secrets.env'}" in checked.out
    assert "s3cr3t" not in checked.out + checked.err


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("", 2, "[alerts] names no channel"),
        ('[alerts]\nwebhook_url_name = "ALERT_HOOK"\n', 1, "[FATAL] Please set ALERT_HOOK"),
        ('[alerts]\nwebhook_url_name = "https://hooks.example.com/s3cr3t"\n', 2, "what stands there is not shown"),
        ('[alerts]\nwebhook_url = "https://hooks.example.com/s3cr3t"\n', 2, "a credential never stands in this file"),
        ('[alerts]\nwebhook_token_name = "TOKEN"\n', 2, "webhook_url_name is empty"),
    ],
    ids=["none", "missing", "address as name", "address", "token alone"],
)
def test_a_mistake_is_one_line_that_repeats_no_address(home, text: str, code: int, part: str) -> None:
    home.write("config.toml", text)

    ended = home.run("alert-test")

    ended.assert_refused(code, part)
    assert "s3cr3t" not in ended.err


def test_a_desk_with_a_dead_webhook_runs_as_ever_and_says_so(home) -> None:
    home.write(
        "config.toml",
        '[alerts]\nwebhook_url_name = "ALERT_HOOK"\n[position_management.gap_detection]\nenabled = false\n',
    )
    arguments = ("--no-ui", "--seed", "3", "--speed", "60", "--duration", "90s")

    ended = home.run(*arguments, env={"ALERT_HOOK": "http://127.0.0.1:1/s3cr3t"})

    assert ended.code == 0 and "[HEARTBEAT] 1 |" in ended.err
    assert "s3cr3t" not in ended.out + ended.err
