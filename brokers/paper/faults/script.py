"""Reads a fault script: a small TOML file that says which fault strikes what, when and how often.

    ambiguity_s = 45                        # how late an unanswered order may still arrive

    [[fault]]
    knob = "api.place=TIMEOUT_AFTER_EXEC"   # spelt as in docs/faults.md
    role = "stop"                           # entry, target, stop, exit or repair
    nth = 1                                 # the first such order ...
    at = "10:15"                            # ... at or after this time (IST)

A mistake is one line: file, entry, key, offending value, what is allowed; all of them are told at once.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Sequence
from datetime import date, time
from pathlib import Path
from typing import Final, cast

import msgspec

from brokers.paper.faults.catalogue import KNOBS
from brokers.paper.faults.knob import Door, Knob, Shape
from brokers.paper.faults.plan import AMBIGUITY_S, FaultPlan, Rule
from engine import refusals
from engine.instant import NS_PER_DAY, NS_PER_MS, at_ist, ns_from_s
from engine.order import Role

_BYTES_MAX: Final = 200_000
_ENTRIES_MAX: Final = 500
_SECONDS_MAX: Final = 86_400
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_SYMBOL: Final = re.compile(r"[A-Za-z0-9&_\-]{1,40}", re.ASCII)
_CODES: Final = frozenset(value for name, value in vars(refusals).items() if name.isupper() and isinstance(value, str))
_SHOWN_CHARS: Final = 60
_AMOUNT_MAX: Final = 10**15


class FaultScriptError(Exception):
    """The file cannot be used; one line for each mistake."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[fault]]`. Times of day are IST; spans in seconds."""

    knob: Knob
    at: time | None = None
    for_s: float = 0
    """How long it lasts, stays armed, or waits; 0 = to the end of the day."""
    delay_s: float | None = None
    symbol: str = ""
    role: Role | None = None
    door: Door | None = None
    nth: int = 1
    times: int = 1
    amount: int | None = None
    code: str = ""
    text: str = ""

    def rule(self, day: date) -> Rule:
        """This entry on one trading day."""
        from_ns = at_ist(day, self.at or time.min)
        until_ns = from_ns + ns_from_s(self.for_s) if self.for_s else at_ist(day, time.min) + NS_PER_DAY
        delay_ns = ns_from_s(self.delay_s) if self.delay_s is not None else self.knob.span_ms[0] * NS_PER_MS
        amount = self.amount if self.amount is not None else self.knob.amount
        repeats = amount if self.amount is None and self.knob.amount_is == "refusals in a row" else self.times
        return Rule(
            knob=self.knob,
            from_ns=from_ns,
            until_ns=until_ns,
            symbol=self.symbol,
            role=self.role,
            door=self.door,
            nth=self.nth,
            times=max(repeats, self.times),
            delay_ns=(delay_ns, delay_ns),
            amount=amount,
            code=self.code,
            text=self.text,
        )


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file."""

    entries: Sequence[Entry]
    ambiguity_s: float = AMBIGUITY_S

    def plan(self, day: date, *, start_ns: int = 0, end_ns: int = 0) -> FaultPlan:
        """Its faults on one trading day."""
        return FaultPlan.scripted(
            [entry.rule(day) for entry in self.entries],
            start_ns=start_ns,
            end_ns=end_ns or at_ist(day, time.min) + NS_PER_DAY,
            ambiguity_s=self.ambiguity_s,
        )


def load_script(path: Path) -> Script:
    """Read a file. Raises FaultScriptError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FaultScriptError(f"{path}: {error.strerror or error}") from None
    if len(raw) > _BYTES_MAX:
        raise FaultScriptError(f"{path}: {len(raw)} bytes, at most {_BYTES_MAX}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise FaultScriptError(f"{path}: not UTF-8 text") from None
    return read_script(text, str(path))


def read_script(text: str, name: str) -> Script:
    """The script in `text`; `name` is how messages call it. Raises FaultScriptError."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FaultScriptError(f"{name}: not TOML: {_printable(str(error))}") from None
    mistakes: list[str] = []
    tell = mistakes.append
    for key in document.keys() - {"fault", "ambiguity_s"}:
        tell(f"{name}: {_shown(key)}: no such key; allowed: ambiguity_s and [[fault]] entries")
    ambiguity_s = document.get("ambiguity_s", AMBIGUITY_S)
    if not _is_number(ambiguity_s) or not 0 < ambiguity_s <= _SECONDS_MAX:
        tell(f"{name}: ambiguity_s = {_shown(ambiguity_s)}: seconds above 0, at most {_SECONDS_MAX}")
        ambiguity_s = AMBIGUITY_S
    entries = _entries(document.get("fault"), name, tell)
    if mistakes:
        raise FaultScriptError("\n".join(mistakes))
    return Script(entries=entries, ambiguity_s=float(ambiguity_s))


def _entries(raw: object, name: str, tell: Callable[[str], None]) -> list[Entry]:
    if not isinstance(raw, list) or not raw:
        tell(f"{name}: write each fault as a table [[fault]] with a knob")
        return []
    rows = cast("list[object]", raw)
    if len(rows) > _ENTRIES_MAX:
        tell(f"{name}: {len(rows)} entries, at most {_ENTRIES_MAX}")
        return []
    entries: list[Entry] = []
    for number, row in enumerate(rows, 1):
        place = f"{name}: fault {number}"
        if not isinstance(row, dict):
            tell(f"{place}: write it as a table [[fault]]")
        elif (entry := _entry(cast("dict[str, object]", row), place, tell)) is not None:
            entries.append(entry)
    return entries


def _entry(row: dict[str, object], place: str, tell: Callable[[str], None]) -> Entry | None:
    knob = KNOBS.get(row["knob"]) if isinstance(row.get("knob"), str) else None  # type: ignore[arg-type]
    if knob is None:
        tell(f"{place}: knob = {_shown(row.get('knob', ''))}: {_nearest(row.get('knob'))}")
        return None
    values: dict[str, object] = {"knob": knob}
    sound = True
    for key, raw in row.items():
        if key == "knob":
            continue
        read = _READERS.get(key)
        if read is None:
            tell(f"{place}: {_shown(key)}: no such key; allowed: knob, {', '.join(_READERS)}")
            sound = False
            continue
        value, allowed = read(raw)
        if value is None:
            tell(f"{place}: {key} = {_shown(raw)}: {allowed}")
            sound = False
        values[key] = value
    if "amount" in row and not knob.amount_is and knob.knob not in _TAKES_AMOUNT:
        tell(f"{place}: amount: {knob.knob} takes none")
        sound = False
    if knob.shape is not Shape.ONCE and ("nth" in row or "times" in row):
        tell(f"{place}: nth and times: {knob.knob} goes by time; say at and for_s")
        sound = False
    door = values.get("door")
    if isinstance(door, Door) and door not in knob.doors:
        tell(f"{place}: door = {_shown(door.value)}: {knob.knob} has {', '.join(sorted(knob.doors))}")
        sound = False
    return Entry(**values) if sound else None  # type: ignore[arg-type]


_TAKES_AMOUNT: Final = frozenset({"tick=0"})


def _nearest(knob: object) -> str:
    near = difflib.get_close_matches(knob, KNOBS, n=1) if isinstance(knob, str) else []
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"one of the {len(KNOBS)} knobs in docs/faults.md{hint}"


# --- one key ---------------------------------------------------------------------------------------------------------

_Read = tuple[object | None, str]


def _read_time(raw: object) -> _Read:
    match = _CLOCK.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        return None, 'a time of day in quotes, "10:15" or "10:15:30" (IST)'
    return time(int(match[1]), int(match[2]), int(match[3] or 0)), ""


def _read_seconds(raw: object) -> _Read:
    good = _is_number(raw) and 0 <= cast("float", raw) <= _SECONDS_MAX
    return (raw if good else None), f"seconds from 0 to {_SECONDS_MAX}"


def _read_count(raw: object) -> _Read:
    good = isinstance(raw, int) and not isinstance(raw, bool) and 1 <= raw <= 1_000_000
    return (raw if good else None), "a whole number from 1 to 1000000"


def _read_amount(raw: object) -> _Read:
    good = isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) <= _AMOUNT_MAX
    return (raw if good else None), f"a whole number of at most {_AMOUNT_MAX}"


def _read_role(raw: object) -> _Read:
    roles = {role.value: role for role in Role}
    return roles.get(raw) if isinstance(raw, str) else None, f"one of {', '.join(roles)}"


def _read_door(raw: object) -> _Read:
    doors = {door.value: door for door in Door}
    return doors.get(raw) if isinstance(raw, str) else None, f"one of {', '.join(doors)}"


def _read_symbol(raw: object) -> _Read:
    good = isinstance(raw, str) and _SYMBOL.fullmatch(raw)
    return (raw if good else None), "a contract's symbol in quotes"


def _read_code(raw: object) -> _Read:
    return (raw if isinstance(raw, str) and raw in _CODES else None), f"one of {', '.join(sorted(_CODES))}"


def _read_text(raw: object) -> _Read:
    return (raw if isinstance(raw, str) and len(raw) <= 1_000 else None), "a text of at most 1000 characters"


_READERS: Final[dict[str, Callable[[object], _Read]]] = {
    "at": _read_time,
    "for_s": _read_seconds,
    "delay_s": _read_seconds,
    "symbol": _read_symbol,
    "role": _read_role,
    "door": _read_door,
    "nth": _read_count,
    "times": _read_count,
    "amount": _read_amount,
    "code": _read_code,
    "text": _read_text,
}


def _is_number(raw: object) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool) and raw == raw


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _shown(value: object) -> str:
    """A value of the file as a message shows it: one line, nothing that a terminal obeys, not too long."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if abs(value) > _AMOUNT_MAX:
            return "a very large number"
        case int() | float():
            return str(value)
        case str():
            return f'"{_printable(value[:_SHOWN_CHARS])}{"…" if len(value) > _SHOWN_CHARS else ""}"'
        case _:
            return "a table, list or date"
