"""Numbers, pauses, paces, oddities and the day's file, as every adapter uses them."""

from __future__ import annotations

import asyncio
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.wire.backoff import Backoff
from brokers.wire.day_file import day_bytes
from brokers.wire.numbers import decimal_of, paise_of, rupees_of, whole_of
from brokers.wire.oddities import SAMPLE_MAX, Oddities
from brokers.wire.pace import Pace


@pytest.mark.row("HRD-02")
@pytest.mark.parametrize(
    ("text", "paise"),
    [
        (134.05, 13405), ("134.05", 13405), ("2,853.50", 285350), (72, 7200), ("1.7375706E9", 173757060000),
        ("-0", 0), (99725.05000000002, 9972505), (" 12.5 ", 1250), ("", None), ("NaN", None), (None, None),
        (float("nan"), None), (float("inf"), None), (True, None), ("12,3x", None), ("1e99", None), ([1], None),
        ("9" * 40, None), ("0x10", None), ("\u0661", None),
    ],
)  # fmt: skip
def test_rupees_are_read_as_brokers_write_them(text: object, paise: int | None) -> None:
    assert paise_of(text) == paise


@given(st.integers(-(10**12), 10**12))
def test_what_we_write_is_read_back_to_the_paisa(paise: int) -> None:
    assert paise_of(rupees_of(paise)) == paise_of(f"{Decimal(paise) / 100:,.2f}") == paise


@given(st.one_of(st.text(max_size=60), st.floats(), st.integers(), st.none(), st.booleans(), st.binary()))
def test_no_value_whatever_raises(value: object) -> None:
    number = decimal_of(value)
    assert number is None or number.is_finite()
    assert whole_of(value) is None or number is not None


def test_a_fraction_is_no_whole_number() -> None:
    assert (whole_of("75.0"), whole_of("75.5"), whole_of("-75"), whole_of(1e6)) == (75, None, -75, 1_000_000)


@pytest.mark.row("OPT-10")
def test_pauses_grow_with_jitter_and_429_cools_off() -> None:
    backoff, random = Backoff(), Random(1)
    pauses = [backoff.pause_s(n, random) for n in (1, 2, 3, 4, 9, 50)]

    for pause, whole in zip(pauses, (1, 2, 4, 8, 30, 30), strict=True):
        assert 0.75 * whole <= pause <= 1.25 * whole
    assert len({backoff.pause_s(3, random) for _ in range(5)}) == 5
    assert backoff.pause_s(1, random, throttled=True) >= 60


async def test_reads_wait_for_their_turn_in_order() -> None:
    pace, loop = Pace(2, 0.2), asyncio.get_running_loop()
    times: list[tuple[int, float]] = []

    async def read(number: int) -> None:
        await pace.turn()
        times.append((number, loop.time()))

    await asyncio.gather(*(read(number) for number in range(5)))

    assert [number for number, _ in times] == [0, 1, 2, 3, 4]
    assert all(times[i + 2][1] - times[i][1] >= 0.19 for i in range(3))


async def test_a_held_pace_lets_nobody_through() -> None:
    pace, loop = Pace(3, 0.1), asyncio.get_running_loop()
    pace.hold(0.2)
    began = loop.time()
    await pace.turn()

    assert loop.time() - began >= 0.19


def test_an_oddity_is_told_once_made_printable_and_counted() -> None:
    said: list[str] = []
    oddities = Oddities("feed", said.append)
    for sample in ("\x1b[31m[red]" + "x" * 500, "another"):
        oddities.add("packet of an unknown length", sample)
    oddities.add("text that is no JSON", b"\x00\xff")

    assert oddities.counts == {"packet of an unknown length": 2, "text that is no JSON": 1} and oddities.total == 3
    assert len(said) == 2 and all(line.isprintable() and line.isascii() for line in said)
    assert len(said[0]) < SAMPLE_MAX + 80
    for number in range(200):
        oddities.add(f"kind {number}", "")
    assert len(oddities.counts) <= 65 and oddities.total == 203


async def test_the_days_master_is_fetched_once_and_yesterdays_is_removed(tmp_path: Path) -> None:
    fetched: list[date] = []

    def of(day: date) -> Any:
        async def fetch() -> bytes:
            fetched.append(day)
            return f"rows of {day}".encode()

        return fetch

    monday, tuesday = date(2026, 11, 23), date(2026, 11, 24)
    for day in (monday, monday, tuesday, tuesday):
        assert await day_bytes(tmp_path / "new", "kite-nfo", day, of(day)) == f"rows of {day}".encode()
    assert fetched == [monday, tuesday]
    (kept,) = (tmp_path / "new").iterdir()

    kept.write_bytes(b"cut short")
    assert await day_bytes(tmp_path / "new", "kite-nfo", tuesday, of(tuesday)) == b"rows of 2026-11-24"
    assert await day_bytes(None, "kite-nfo", tuesday, of(tuesday)) and len(fetched) == 4
    with pytest.raises(ValueError, match="small letters"):
        await day_bytes(tmp_path, "../kite", tuesday, of(tuesday))
