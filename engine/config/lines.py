"""Which line of a TOML text a key stands on, for error messages: tomllib does not tell.

Reads headers and the starts of assignments only; it need not understand values, because tomllib has already accepted
the text. A key that cannot be found is reported on its table's line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED})\s*=")
_PARTS = re.compile(_PART)
_LONG_QUOTES = ('"""', "'''")


def key_lines(text: str) -> dict[Path, int]:
    """Line number (from 1) by key path, for tables and keys; of `[[name]]` the second one's path is ("name", "2")."""
    found: dict[Path, int] = {}
    lists: dict[Path, int] = {}
    table: Path = ()
    open_quote = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if open_quote:
            open_quote = "" if open_quote in line else open_quote
            continue
        if header := _HEADER.match(line):
            table = _numbered(_parts(header[2]), lists, is_list=header[1] == "[[")
            found.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            found.setdefault((*table, *_parts(assignment[1])), number)
            open_quote = next((quote for quote in _LONG_QUOTES if line.count(quote) % 2), "")
    return found


def line_of(path: Path, lines: Mapping[Path, int]) -> int:
    """The line of the key, else of the nearest table above it; 0 when nothing is known."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


def _numbered(path: Path, lists: dict[Path, int], *, is_list: bool) -> Path:
    """The path with the number of each list's newest table after the list's name; a list's own header begins one."""
    table: Path = ()
    for place, name in enumerate(path, start=1):
        table = (*table, name)
        if is_list and place == len(path):
            lists[table] = lists.get(table, 0) + 1
        if table in lists:
            table = (*table, str(lists[table]))
    return table


def _parts(dotted: str) -> Path:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _PARTS.findall(dotted))
