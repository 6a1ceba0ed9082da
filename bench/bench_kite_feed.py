"""Kite ticker frames into ticks: ours beside the official client's parser, same bytes, one run (goals G1, G1b).

Frames of 1, 10 and 500 full packets, of ltp packets, and a mixture as a desk with two options and an index sees it. The
repeats of both sides are interleaved; each figure is the median of them. The official client gives a dictionary with
the whole depth, ours the tick that the desk keeps (last price and touch in paise): equal values are checked first.
Run: python bench/bench_kite_feed.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import struct
import time
from collections.abc import Callable
from random import Random

from kiteconnect import KiteTicker
from machine import machine

from brokers.kite.packets import decode_frame
from brokers.kite.venue_packets import frame
from engine.instant import NS_PER_S

_NOW_NS = 1_795_000_000 * NS_PER_S
_TICKS_PER_REPEAT = 2_000
_GOALS = {"full x 1": 25.0, "full x 10": 40.0, "full x 500": 40.0, "ltp x 1": 4.0, "ltp x 10": 8.0}
"""G1 and G1b, which speak of the newest price alone; ours makes the tick with its touch besides."""


def full_packet(random: Random, token: int) -> bytes:
    """Prices of an option, quantities of a book."""
    fields = [token, random.randrange(5, 100_000)] + [random.randrange(1, 10**6) for _ in range(14)]
    depth = b"".join(
        struct.pack(">IIHH", random.randrange(10**5), random.randrange(5, 10**5), random.randrange(99), 0)
        for _ in range(10)
    )
    return struct.pack(">16I", *fields) + depth


def frames() -> dict[str, tuple[bytes, int]]:
    """Name -> (frame, ticks in it)."""
    random = Random(7)
    fulls = [full_packet(random, (1000 + number) * 256 + 2) for number in range(500)]
    index = struct.pack(">8I", 256265, 2450000, 2460000, 2440000, 2450000, 2440000, 10000, 1_795_000_000)
    ltps = [each[:8] for each in fulls[:10]]
    made = {
        "full x 1": fulls[:1], "full x 10": fulls[:10], "full x 500": fulls, "ltp x 1": ltps[:1], "ltp x 10": ltps,
        "two options and the index": [fulls[0], fulls[1], index],
    }  # fmt: skip
    return {name: (frame(some), len(some)) for name, some in made.items()}


def seconds_per_tick(decode: Callable[[bytes], object], raw: bytes, ticks: int) -> float:
    rounds = max(1, _TICKS_PER_REPEAT // ticks)
    began = time.perf_counter()
    for _ in range(rounds):
        decode(raw)
    return (time.perf_counter() - began) / (rounds * ticks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    repeats = 5 if parser.parse_args().quick else 25
    official = KiteTicker("key", "token")._parse_binary
    symbols = {token * 256 + 2: f"NIFTY01DEC26{token}PE" for token in range(1000, 1500)} | {256265: "NIFTY"}

    def ours(raw: bytes) -> object:
        return decode_frame(raw, symbols, _NOW_NS, lambda _kind, _sample: None)

    print(machine())
    missed = 0
    for name, (raw, ticks) in frames().items():
        mine = decode_frame(raw, symbols, _NOW_NS, lambda _kind, _sample: None)
        assert [tick.ltp_paise for tick in mine] == [round(tick["last_price"] * 100) for tick in official(raw)]
        pairs = [(seconds_per_tick(ours, raw, ticks), seconds_per_tick(official, raw, ticks)) for _ in range(repeats)]
        here, there = (statistics.median(side) * 1e6 for side in zip(*pairs, strict=True))
        goal = _GOALS.get(name)
        verdict = "" if goal is None else f", goal {goal:g}x {'met' if there / here >= goal else 'MISSED'}"
        missed += "MISSED" in verdict
        print(f"{name:>26}: {here:6.3f} us a tick, official {there:6.3f}, {there / here:5.1f}x{verdict}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
