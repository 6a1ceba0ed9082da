"""The doctor's look at a broker's clock, against a server that says a date by hand (OPS-12's neighbour: T1, MKT-12)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate

import pytest

from engine.config.accounts import DhanAccount, KiteAccount, OpenAlgoAccount, XtsAccount
from tui.clock_check import seconds_ahead, server_of
from tui.doctor_command import Word, _clock_beside

NOW_S = 1_795_600_000.0


@pytest.fixture
async def server_saying():
    """server_saying(headers): the address of one that answers every request with them."""
    listening: list[asyncio.Server] = []

    async def serve(headers: str) -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n{headers}\r\n".encode())
            await writer.drain()
            writer.close()

        made = await asyncio.start_server(answer, "127.0.0.1", 0)
        listening.append(made)
        return f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}"

    yield serve
    for each in listening:
        each.close()


@pytest.mark.parametrize(
    ("off_s", "ahead_s"), [(0, 0.0), (-0.9, 0.0), (-1.5, 0.5), (-60, 59.0), (0.4, -0.4), (3600, -3600.0)]
)
async def test_what_the_date_proves_about_the_machines_clock(
    server_saying: Callable, off_s: float, ahead_s: float
) -> None:
    """`off_s`: the header's whole second against our clock. Within its second nothing is proven."""
    address = await server_saying(f"Date: {formatdate(int(NOW_S), usegmt=True)}\r\n")

    assert await seconds_ahead(address, lambda: NOW_S - off_s) == pytest.approx(ahead_s)


@pytest.mark.parametrize("headers", ["", "Date: soon\r\n", "Date: \r\n", "Date: Wed, 99 Foo 2026 99:99:99 GMT\r\n"])
async def test_a_server_that_says_no_date_proves_nothing(server_saying: Callable, headers: str) -> None:
    assert await seconds_ahead(await server_saying(headers)) is None


async def test_a_server_that_is_not_there_proves_nothing() -> None:
    assert await seconds_ahead("http://127.0.0.1:1") is None


@pytest.mark.parametrize(
    ("off_s", "word", "part"),
    [(0, Word.OK, "to a second"), (-3, Word.NOTE, "behind"), (120, Word.FAIL, "ahead of"), (-120, Word.FAIL, "behind")],
)
async def test_the_doctor_says_what_a_wrong_clock_does(
    server_saying: Callable, monkeypatch: pytest.MonkeyPatch, off_s: float, word: Word, part: str
) -> None:
    address = await server_saying(f"Date: {formatdate(int(NOW_S), usegmt=True)}\r\n")
    clock = NOW_S + off_s
    monkeypatch.setattr("tui.clock_check.seconds_ahead", lambda server: seconds_ahead(server, lambda: clock))
    terms = KiteAccount(kind="kite", api_url=address)

    (found,) = [finding async for finding in _clock_beside("mine", terms, rehearsal=False)]

    assert (found.word, part in found.text) == (word, True) and found.text.startswith("mine: ")
    assert bool(found.remedy) is (word is not Word.OK)
    assert [each async for each in _clock_beside("mine", terms, rehearsal=True)] == []


def test_every_broker_has_a_server_to_ask() -> None:
    assert server_of(KiteAccount(kind="kite")) == "https://api.kite.trade"
    assert server_of(DhanAccount(kind="dhan")) == "https://api.dhan.co", "without the path"
    assert server_of(OpenAlgoAccount(kind="openalgo")) == "http://127.0.0.1:5000"
    assert server_of(XtsAccount(kind="xts")) == "https://xts.myfindoc.com"
