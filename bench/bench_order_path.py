"""A tick on the socket to the order on the broker's socket, intent durable first, beside the official Kite client.

The venue of Kite runs in this process, its clients each in one of their own, one after another and again. A price is
pushed, the client must leave by it (ours: a whole desk with a position and a watched stop; theirs: a callback of the
ticker that calls place_order), and the venue stamps the arrival of the request. `floor` reads the frames by hand and
writes a prepared request; `floor+sync` makes 4 KiB durable in between. Quiet: nothing else comes. Busy: 1,000 ticks a
second of ten other contracts. Goals G4, G4b and G4c. Run: python bench/bench_order_path.py [--rounds 20] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

from desks import contracts, make_desk
from hand_floor import HandFloor, open_venue
from live_desk import START_NS
from machine import machine

from brokers.wire.tools import SessionTools
from engine.alerts import AlertBook
from engine.bracket_state import BracketTerms
from engine.clock import LoopClock
from engine.config.accounts import KiteAccount
from engine.desk_view import DeskConsole
from engine.gateway import GatewayLimits
from engine.heartbeat import start_heartbeat
from engine.journal.store import Journal
from engine.journal.writer import JournalWriter
from engine.log import LogBook, RotatingFile
from engine.operator import Enter
from engine.order import Side
from engine.secrets import Redactions
from engine.view import ExitStyle
from tui.broker_sessions import make_session
from tui.rehearsal import rehearsal_secret, rehearsed

PRICE, DIP = 15_000, 14_400
"""Paise: where the contract trades, and the one tick that a position leaves by."""
LEVEL = 14_700
OTHERS = 10
BUSY_TICKS_PER_S = 1_000
KEY, TOKEN = "rehearsal-kite-api-key", "rehearsal-kite-access-token"
_TERMS = BracketTerms(style=ExitStyle.MONITORED, stop_offset_paise=PRICE - LEVEL, target_offset_paise=1_000_000)
_NO_PACE = 1_000_000
_ROUND_S = 20.0
_ENTER_AGAIN_S = 0.5


# --- the clients, each in a process of its own: it prints "ready" when the next dip may come ------------------------


def ready() -> None:
    print("ready", flush=True)


async def run_desk(port: int, anchor_ns: int, synchronous: str, rounds: int) -> None:
    loop = asyncio.get_running_loop()
    clock = LoopClock.anchored(loop, START_NS, anchor_ns)
    terms = rehearsed(KiteAccount(kind="kite"), f"127.0.0.1:{port}")
    session = make_session(terms, rehearsal_secret, SessionTools(clock=clock, random=Random(1)))
    await session.open()
    legs = contracts(1 + OTHERS)
    symbol = legs[0].symbol
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder) / "desk.db", synchronous=synchronous, now_ns=clock.now_ns())
        writer = JournalWriter(journal, loop, lambda error: desk.on_journal_error(error))
        alerts, log_file = AlertBook(), RotatingFile(Path(folder) / "desk.log")
        desk = make_desk(
            legs, clock, session.account, journal, writer, bracket=_TERMS, market=session.feed, apart=True,
            account=session.account.account_id,
            limits=GatewayLimits(orders_per_s=_NO_PACE, orders_per_min=_NO_PACE, exit_reserve_per_s=0),
            log=LogBook(Redactions(), sinks=[log_file], clock=clock, alerts=alerts),
        )  # fmt: skip
        await desk.start()
        heartbeat = start_heartbeat(desk, DeskConsole(desk, alerts).view)
        leg = desk.bots[symbol].legs[symbol]
        for number in range(rounds):
            await _hold(desk, leg, symbol, number)
            ready()
            await _until(lambda: leg.bracket.body.closed_ns)
        heartbeat.stop()
        await desk.stop("measured", flatten=True)
        await writer.close()
        journal.close()
    await session.close()


async def _until(is_so: Any) -> None:
    while not is_so():  # noqa: ASYNC110 - what is measured has no event for it
        await asyncio.sleep(0.002)


async def _hold(desk: Any, leg: Any, symbol: str, number: int) -> None:
    """Buy one lot by the trader's key, until it is filled and watched."""
    tries, asked = 0, 0.0
    while leg.bracket is None or leg.bracket.body.closed_ns or leg.bracket.open_qty < leg.bracket.body.qty:
        now = time.monotonic()
        if now > asked + _ENTER_AGAIN_S and (leg.bracket is None or leg.bracket.body.closed_ns):
            asked, tries = now, tries + 1
            desk.submit(Enter(request_id=f"e{number}.{tries}", side=Side.BUY, bot=symbol))
        await asyncio.sleep(0.002)


def run_official(port: int, token: int, tokens: list[int], tradingsymbol: str, rounds: int) -> None:
    from kiteconnect import KiteConnect, KiteTicker

    kite = KiteConnect(KEY, TOKEN, root=f"http://127.0.0.1:{port}")
    kite.profile()  # its connection is open, as ours is
    ticker = KiteTicker(KEY, TOKEN, root=f"ws://127.0.0.1:{port}")
    done = threading.Semaphore(0)

    def on_ticks(_socket: Any, ticks: list[dict[str, Any]]) -> None:
        for tick in ticks:
            if tick["instrument_token"] == token and tick["last_price"] <= LEVEL / 100:
                kite.place_order(
                    variety="regular", exchange="NFO", tradingsymbol=tradingsymbol, transaction_type="BUY",
                    quantity=65, product="MIS", order_type="LIMIT", price=PRICE / 100 + 5, validity="DAY",
                )  # fmt: skip
                done.release()

    def on_connect(socket: Any, _response: Any) -> None:
        socket.subscribe(tokens)
        socket.set_mode(socket.MODE_FULL, tokens)
        done.release()

    ticker.on_ticks, ticker.on_connect = on_ticks, on_connect
    ticker.connect(threaded=True)
    done.acquire()
    time.sleep(0.5)
    for _ in range(rounds):
        ready()
        done.acquire()
        time.sleep(0.05)
    os._exit(0)  # Twisted's reactor has no clean end from here


class FrameReader(asyncio.Protocol):
    """A websocket client of the fewest possible steps: `on_price(token, paise)` for each packet."""

    def __init__(self, port: int, tokens: list[int], on_price: Any) -> None:
        self._port, self._tokens, self._on_price = port, tokens, on_price
        self._buffer = b""
        self._is_open = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(
            f"GET /?api_key={KEY}&access_token={TOKEN} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        if not self._is_open:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            self._is_open = True
            body = str({"a": "mode", "v": ["full", self._tokens]}).replace("'", '"').encode()
            for text in (str({"a": "subscribe", "v": self._tokens}).replace("'", '"').encode(), body):
                self._transport.write(b"\x81" + bytes([0xFE]) + struct.pack(">H", len(text)) + b"\0\0\0\0" + text)
        at = 0
        while len(data) >= at + 2:
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = struct.unpack_from(">H", data, start)[0] if len(data) >= start + 2 else 1 << 30, start + 2
            if len(data) < start + size:
                break
            if data[at] & 15 == 2 and size > 2:
                self._packets(data, start)
            at = start + size
        self._buffer = data[at:]

    def _packets(self, data: bytes, start: int) -> None:
        count, place = struct.unpack_from(">H", data, start)[0], start + 2
        for _ in range(count):
            size, token, paise = struct.unpack_from(">HII", data, place)
            self._on_price(token, paise)
            place += 2 + size


async def run_floor(port: int, token: int, tokens: list[int], tradingsymbol: str, syncs: bool, rounds: int) -> None:
    loop = asyncio.get_running_loop()
    body = (
        f"exchange=NFO&tradingsymbol={tradingsymbol}&transaction_type=BUY&quantity=65&product=MIS&order_type=LIMIT"
        f"&price={PRICE / 100 + 5}&validity=DAY&variety=regular"
    ).encode()
    head = (
        f"POST /orders/regular HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Kite-Version: 3\r\n"
        f"Authorization: token {KEY}:{TOKEN}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = asyncio.Event()
    with tempfile.TemporaryFile(buffering=0) as file:
        number = file.fileno()

        def on_price(of: int, paise: int) -> None:
            if of == token and paise <= LEVEL:
                if syncs:
                    os.write(number, bytes(4096))
                    os.fdatasync(number)
                writer.write(head.encode() + body)
                sent.set()

        await loop.create_connection(lambda: FrameReader(port, tokens, on_price), "127.0.0.1", port)
        await asyncio.sleep(0.5)
        for _ in range(rounds):
            ready()
            await sent.wait()
            sent.clear()
            await reader.read(65536)
            await asyncio.sleep(0.05)
    writer.close()


# --- the venue and its stopwatch ------------------------------------------------------------------------------------


class Stopwatch:
    """From the push of the dip to the head of the next order."""

    def __init__(self) -> None:
        self.began_ns = 0
        self.arrived: asyncio.Future[int] | None = None

    def on_request(self, request: Any) -> None:
        is_order = request.method == "POST" and request.path.startswith("/orders")
        if is_order and self.arrived is not None and not self.arrived.done():
            self.arrived.set_result(time.perf_counter_ns() - self.began_ns)

    async def round(self, push: Any) -> float:
        """Milliseconds."""
        self.arrived = asyncio.get_running_loop().create_future()
        self.began_ns = time.perf_counter_ns()
        push()
        async with asyncio.timeout(_ROUND_S):
            took = await self.arrived
        self.arrived = None
        return took / 1e6


async def _background(floor: HandFloor, is_busy: bool) -> None:
    """The contract's own price ten times a second; busy: a thousand ticks of others too."""
    symbols = [row.symbol for row in floor.contracts]
    number, began = 0, time.monotonic()
    rate = BUSY_TICKS_PER_S if is_busy else 10
    while True:
        number += 1
        symbol = symbols[1 + number % OTHERS] if is_busy else symbols[0]
        floor.push(symbol, PRICE + 5 * (number % 8))
        if is_busy and number % 100 == 0:
            floor.push(symbols[0], PRICE)
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))


async def measure(name: str, is_busy: bool, rounds: int) -> list[float]:
    """One client, started and ended. Milliseconds of each round."""
    floor, watch = HandFloor(contracts(1 + OTHERS)), Stopwatch()
    site = await open_venue("kite", floor, watch.on_request)
    for contract in floor.contracts:
        floor.push(contract.symbol, PRICE)
    pusher = asyncio.create_task(_background(floor, is_busy))
    arguments = ["--client", name, "--port", str(site.port), "--anchor", str(floor.anchor.monotonic_ns)]
    client = await asyncio.create_subprocess_exec(
        sys.executable, __file__, *arguments, "--rounds", str(rounds), stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    random, symbol, found = Random(1), floor.contracts[0].symbol, list[float]()
    try:
        for _ in range(rounds):
            async with asyncio.timeout(_ROUND_S):
                line = await client.stdout.readline()
            if line != b"ready\n":
                raise SystemExit(f"{name}: ended early")
            await asyncio.sleep(random.uniform(0.02, 0.06))
            found.append(await watch.round(lambda: floor.push(symbol, DIP)))
            floor.push(symbol, PRICE)
        async with asyncio.timeout(_ROUND_S):
            await client.wait()
    finally:
        if client.returncode is None:
            client.kill()
        pusher.cancel()
        await asyncio.gather(pusher, return_exceptions=True)
        await site.close()
    return found


CLIENTS = ("floor", "floor+sync", "desk FULL", "desk NORMAL", "official")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each client in each pass")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--anchor", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        be_client(arguments)
        return
    passes, rounds = (1, 5) if arguments.quick else (arguments.passes, arguments.rounds)
    print(machine())
    for is_busy in (False, True):
        found: dict[str, list[float]] = defaultdict(list)
        for _ in range(passes):
            for name in CLIENTS:
                print(f"{'busy' if is_busy else 'quiet'}: {name} ", end="\r", file=sys.stderr, flush=True)
                found[name] += asyncio.run(measure(name, is_busy, rounds))
        report("busy" if is_busy else "quiet", found)


def report(title: str, found: dict[str, list[float]]) -> None:
    figures = {name: (statistics.median(some), quantile(some, 0.99)) for name, some in found.items()}
    print(f"{title}, {len(found['floor'])} rounds each, tick pushed to order at the venue, p50 and p99 in ms")
    for name, (p50, p99) in figures.items():
        print(f"{name:>14}: {p50:7.2f} {p99:8.2f}")
    goals = (
        ("G4", "desk NORMAL", "floor", 2.5, 2.5), ("G4b", "desk FULL", "floor+sync", 2.5, 2.0),
        ("G4c", "desk FULL", "official", 1.3, None),
    )  # fmt: skip
    for goal, ours, theirs, most, most_99 in goals:
        ratio, ratio_99 = (figures[ours][part] / figures[theirs][part] for part in (0, 1))
        verdict = "met" if ratio <= most and (most_99 is None or ratio_99 <= most_99) else "MISSED"
        tail = f" (at most {most_99:g}x)" if most_99 else ""
        compared = f"{ours} / {theirs} p50 {ratio:.2f}x (at most {most:g}x), p99 {ratio_99:.2f}x{tail}"
        print(f"{goal:>14}: {compared}: {verdict}")


def quantile(some: list[float], share: float) -> float:
    ordered = sorted(some)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def be_client(arguments: argparse.Namespace) -> None:
    name, port, rounds = arguments.client, arguments.port, arguments.rounds
    if name.startswith("desk"):
        asyncio.run(run_desk(port, arguments.anchor, name.split()[1], rounds))
        return
    from kiteconnect import KiteConnect

    rows = KiteConnect(KEY, TOKEN, root=f"http://127.0.0.1:{port}").instruments("NFO")
    first = contracts(1)[0]
    wanted = (first.strike_paise / 100, first.option_type)
    row = next(row for row in rows if (row["strike"], row["instrument_type"]) == wanted)
    token, tokens, name_there = row["instrument_token"], [row["instrument_token"] for row in rows], row["tradingsymbol"]
    if name == "official":
        run_official(port, token, tokens, name_there, rounds)
    else:
        asyncio.run(run_floor(port, token, tokens, name_there, name == "floor+sync", rounds))


if __name__ == "__main__":
    main()
