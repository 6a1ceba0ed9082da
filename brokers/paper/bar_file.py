"""Reads a CSV file of bars: `time,symbol,open,high,low,close`, ISO times (IST unless they carry an offset), rupees.

Nothing is mended: what cannot be right is refused with file, line, column, the offending text and what is allowed.
Holes stay holes. A minute told twice for a symbol is a re-told minute: the later row counts, and how many there were is
kept, because recorded files do have them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from engine.instant import IST, NS_PER_S, ns_from_datetime
from engine.money import paise_from_rupees

COLUMNS: Final = ("time", "symbol", "open", "high", "low", "close")
_PRICE: Final = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)
_SYMBOL: Final = re.compile(r"[A-Za-z0-9&_.\- ]{1,40}", re.ASCII)
_SHOWN_CHARS: Final = 40
_GAPS_THAT_TELL: Final = 10
"""So many bars, and never one next to the one before: that is no file with holes but one of longer bars."""


class BarFileError(Exception):
    """The file cannot be replayed. One line: file, line, column, offending text, what is allowed."""


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One bar. Prices in paise; `at_ns` is its beginning."""

    symbol: str
    at_ns: int
    open_paise: int
    high_paise: int
    low_paise: int
    close_paise: int


class BarTape(msgspec.Struct, frozen=True, kw_only=True):
    """The bars of one file, by time, then by the symbols' first appearance."""

    source: str
    bars: list[Bar]
    retold_count: int
    """Rows that told a symbol's minute again; the last one of them counts."""
    bar_s: int
    """Length of a bar in seconds."""

    @property
    def symbols(self) -> list[str]:
        return list(dict.fromkeys(bar.symbol for bar in self.bars))


def load_bars(path: Path, symbols: Collection[str] | None = None, *, bar_s: int = 60) -> BarTape:
    """All bars of a file, or those of `symbols`; every row is checked either way. A bar lasts `bar_s` seconds.

    Raises BarFileError, also when the file has no bar of a wanted symbol, or bars of another length; ValueError for a
    length under 4 s, which has no room for its four prices.
    """
    if bar_s < 4:
        raise ValueError(f"bars of {bar_s} s: at least 4 s")
    bars: dict[tuple[int, str], Bar] = {}
    newest_ns: dict[str, int] = {}
    gaps_ns: list[int] = []
    rows = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, fields in _records(path, file):
                bar = _bar(path, line, fields)
                if bar.at_ns < newest_ns.setdefault(bar.symbol, bar.at_ns):
                    raise _error(path, line, "time", fields["time"], f"not before the last row of {bar.symbol}")
                if bar.at_ns > newest_ns[bar.symbol]:
                    gaps_ns.append(bar.at_ns - newest_ns[bar.symbol])
                newest_ns[bar.symbol] = bar.at_ns
                if symbols is None or bar.symbol in symbols:
                    rows += 1
                    bars[bar.at_ns, bar.symbol] = bar
    except OSError as failure:
        raise BarFileError(f"{path}: cannot be read ({failure.strerror or failure})") from failure
    except UnicodeDecodeError as failure:
        raise BarFileError(f"{path}: not UTF-8 text (byte {failure.start}); save it as CSV in UTF-8") from failure
    for symbol in symbols or ():
        if symbol not in newest_ns:
            known = ", ".join(sorted(newest_ns)[:8])
            raise BarFileError(f"{path}: no bars of {_shown(symbol)}; the file has {known or 'no bars at all'}")
    if not newest_ns:
        raise BarFileError(f"{path}: no bars after the header line")
    order = {symbol: number for number, symbol in enumerate(newest_ns)}
    _check_length(path, gaps_ns, bar_s)
    ordered = sorted(bars.values(), key=lambda bar: (bar.at_ns, order[bar.symbol]))
    return BarTape(source=str(path), bars=ordered, retold_count=rows - len(ordered), bar_s=bar_s)


def _check_length(path: Path, gaps_ns: list[int], bar_s: int) -> None:
    shortest_s = min(gaps_ns, default=bar_s * NS_PER_S) / NS_PER_S
    tells = shortest_s < bar_s or (shortest_s >= 2 * bar_s and len(gaps_ns) >= _GAPS_THAT_TELL)
    if tells:
        raise BarFileError(f"{path}: bars {shortest_s:g} s apart; bars of {bar_s} s were expected")


def _records(path: Path, file: Iterator[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, fields by column) of each row; blank lines are skipped, further columns are left alone."""
    reader = csv.reader(file, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, list[str]())]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            allowed = f"missing {', '.join(missing)}; the columns are {','.join(COLUMNS)}"
            raise _error(path, 1, "header", ",".join(header), allowed)
        at = {name: header.index(name) for name in COLUMNS}
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise _error(path, reader.line_num, "row", ",".join(fields), f"{len(header)} fields, as in the header")
            yield reader.line_num, {name: fields[place].strip() for name, place in at.items()}
    except csv.Error as failure:
        raise BarFileError(f"{path}: line {reader.line_num}: not CSV ({failure})") from failure


def _bar(path: Path, line: int, fields: dict[str, str]) -> Bar:
    if not _SYMBOL.fullmatch(fields["symbol"]):
        raise _error(path, line, "symbol", fields["symbol"], "letters, digits, space and &_.- (at most 40)")
    prices = {name: _paise(path, line, name, fields[name]) for name in COLUMNS[2:]}
    if prices["high"] < max(prices.values()):
        raise _error(path, line, "high", fields["high"], "the highest of open, high, low and close")
    if prices["low"] > min(prices.values()):
        raise _error(path, line, "low", fields["low"], "the lowest of open, high, low and close")
    at_ns = _instant(path, line, fields["time"])
    return Bar(fields["symbol"], at_ns, prices["open"], prices["high"], prices["low"], prices["close"])


def _paise(path: Path, line: int, column: str, text: str) -> int:
    paise = paise_from_rupees(text) if _PRICE.fullmatch(text) else 0
    if paise <= 0:
        raise _error(path, line, column, text, "rupees above zero, such as 129.70")
    return paise


def _instant(path: Path, line: int, text: str) -> int:
    try:
        stamp = datetime.fromisoformat(text)
        return ns_from_datetime(stamp if stamp.tzinfo else stamp.replace(tzinfo=IST))
    except (ValueError, OverflowError):
        raise _error(path, line, "time", text, "an ISO time, such as 2026-03-11T09:15:00 (IST)") from None


def _error(path: Path, line: int, column: str, text: str, allowed: str) -> BarFileError:
    return BarFileError(f"{path}: line {line}, {column} {_shown(text)}: {allowed}")


def _shown(text: str) -> str:
    """Text from outside, short and with control characters escaped."""
    return repr(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "...")
