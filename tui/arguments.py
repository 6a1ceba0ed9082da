"""What the arguments of the command line may be, for the commands that share them; argparse tells what is wrong."""

from __future__ import annotations

import argparse
from pathlib import Path


def file_options(parser: argparse.ArgumentParser, *, suppress: bool = False) -> None:
    absent = argparse.SUPPRESS if suppress else None
    parser.add_argument("--config", type=Path, default=absent, metavar="FILE", help="configuration (config.toml)")
    parser.add_argument("--env-file", type=Path, default=absent, metavar="FILE", help="the leg scalper's .env file")
    parser.add_argument("--db", type=file_name, default=absent, metavar="FILE", help="journal (SQLite)")


def file_name(text: str) -> Path:
    path = Path(text)
    if path.name in ("", ".."):
        raise argparse.ArgumentTypeError(f"{text!r}: the name of a file")
    return path


def whole(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 0")
    return number


def speed(text: str) -> float:
    """Times real time; infinity stands for virtual time."""
    if text == "max":
        return float("inf")
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.1 <= speed <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r}: from 0.1 to 1000, or max")
    return speed


def duration(text: str) -> int:
    """Nanoseconds of exchange time; 0 stands for the session's end."""
    if text == "day":
        return 0
    units = {"s": 1, "m": 60, "h": 3600}
    number = text[:-1]
    if text[-1:] not in units or not number.isdigit() or not 0 < int(number) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r}: a span like 60s, 5m or 2h, or day")
    return int(number) * units[text[-1]] * 1_000_000_000
