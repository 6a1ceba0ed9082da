"""One parameter of a rule: read from the configuration, held against its bounds, written back, shown."""

from __future__ import annotations

from datetime import UTC, time
from decimal import Decimal

import pytest

from engine.exit_rules.parameter import (
    Param,
    clock_time,
    count,
    factor,
    percent,
    percent_text,
    rupees,
    some_of,
    word,
)

SHARE = percent("share", low=1, high=10_000)
MONEY = rupees("money", low=1, high=100_000)
CANDLES = count("candles", low=2, high=200)
RANGES = factor("ranges", low=10, high=2_000)
AT = clock_time("at")
KIND = word("kind", "sma", "ema")
KINDS = some_of("kinds", "Entry2", "Manual")


@pytest.mark.parametrize(
    ("param", "raw", "value", "plain", "text"),
    [
        (SHARE, 12.5, 1_250, Decimal("12.5"), "12.5 %"),
        (SHARE, 100, 10_000, Decimal(100), "100 %"),
        (SHARE, Decimal("0.01"), 1, Decimal("0.01"), "0.01 %"),
        (MONEY, 2.5, 250, Decimal("2.5"), "₹2.50"),
        (MONEY, 1_000, 100_000, Decimal(1_000), "₹1000.00"),
        (CANDLES, 2, 2, 2, "2"),
        (CANDLES, 200, 200, 200, "200"),
        (RANGES, 2, 200, Decimal(2), "2.0"),
        (RANGES, 2.25, 225, Decimal("2.25"), "2.25"),
        (AT, "15:20", 55_200, "15:20", "15:20"),
        (AT, "09:05:07", 32_707, "09:05:07", "09:05:07"),
        (AT, time(15, 20, 1), 55_201, "15:20:01", "15:20:01"),
        (KIND, "ema", "ema", "ema", "ema"),
        (KINDS, ["Manual", "Entry2"], ("Manual", "Entry2"), ["Manual", "Entry2"], "Manual/Entry2"),
    ],
)
def test_what_is_read_is_what_is_written_and_shown(
    param: Param, raw: object, value: object, plain: object, text: str
) -> None:
    read = param.read(raw)

    assert (read, type(read)) == (value, type(value))
    assert (param.plain(read), type(param.plain(read))) == (plain, type(plain))
    assert (param.text(read), param.read(param.plain(read))) == (text, read)


@pytest.mark.parametrize(
    ("param", "raw"),
    [
        (SHARE, 0),
        (SHARE, 100.01),
        (SHARE, 0.001),
        (SHARE, True),
        (SHARE, "12"),
        (SHARE, None),
        (SHARE, float("nan")),
        (SHARE, float("inf")),
        (SHARE, Decimal("1e30")),
        (CANDLES, 1),
        (CANDLES, 201),
        (CANDLES, 2.5),
        (AT, "24:00"),
        (AT, "15:60"),
        (AT, "15:20:61"),
        (AT, "3 PM"),
        (AT, 1520),
        (AT, time(15, 20, tzinfo=UTC)),
        (AT, time(15, 20, 0, 5)),
        (KIND, "wma"),
        (KIND, ["sma"]),
        (KIND, 7),
        (KINDS, []),
        (KINDS, ["Entry2", "Entry9"]),
        (KINDS, "Entry2"),
        (KINDS, 7),
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(param: Param, raw: object) -> None:
    with pytest.raises(ValueError, match="must be "):
        param.read(raw)


@pytest.mark.parametrize(
    ("param", "allowed"),
    [
        (SHARE, "a number from 0.01 to 100, at most two decimals"),
        (CANDLES, "a whole number from 2 to 200"),
        (KIND, "one of sma, ema"),
        (KINDS, "a list of Entry2, Manual"),
        (AT, "a time of day, HH:MM"),
    ],
)
def test_what_is_allowed_is_said_in_the_configurations_units(param: Param, allowed: str) -> None:
    assert param.allowed == allowed


@pytest.mark.parametrize(
    ("bps", "text"), [(0, "0 %"), (50, "0.5 %"), (100, "1 %"), (1_000, "10 %"), (100_000, "1000 %")]
)
def test_percents_are_shown_without_needless_decimals(bps: int, text: str) -> None:
    assert percent_text(bps) == text
