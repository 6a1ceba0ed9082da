"""The seed's state file of a grid, `{bot_name}_state.json`: text to records and back. Pure (GRD-55, GRD-11, OPS-16).

The file has the seed's own field names, money in rupees with two decimals and times in IST without an offset; the
records have paise, units and nanoseconds. Fields that the seed's sample leaves out may be missing, unknown ones are
passed over. The journal is the store of record: this file is for other programs and for moving a grid.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar, cast, get_type_hints

import msgspec

from engine.grid.terms import TradeSide, TradeType
from engine.instant import NS_PER_S, at_ist, ist_date, ist_time_ns
from engine.money import PAISE_PER_RUPEE, rupees_text
from engine.order import Side

HISTORY_MAX: Final = 500
"""Newest records that the file keeps; the journal has all (GRD-33)."""
TEXT_MAX: Final = 4 * 1024 * 1024
_NUMBER_MAX: Final = 10**15
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?", re.ASCII)
_PAISE: Final = "_paise"
_NS: Final = "_ns"


class StateFileError(ValueError):
    """The text is no state of a grid; one line says where and why."""


class LevelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One of `open_orders`: a level as it stands (GRD-11). None = does not apply."""

    uuid: str
    """12 hex characters."""
    bot_name: str
    entry_order_id: str | None = None
    """Of the resting entry, then of the resting target: the seed reuses the field."""
    oco_order_id: str | None = None
    entry_trade_direction: Side
    """Of what the level waits for: the entry's side, then the target's."""
    oco_trade_direction: Side | None = None
    entry_trade_price_paise: int
    oco_trade_price_paise: int | None = None
    token_b_price_paise: int | None = None
    trade_side: TradeSide
    oco_filled: bool = False
    order_side: str = "entry"
    """`entry` or `target`."""
    token_a_quantity: int
    token_b_quantity: int = 0


class HistoryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One of `order_history`: a cycle of a level, from its entry's fill on (GRD-33). None = not yet."""

    uuid: str
    bot_name: str
    trade_side: TradeSide
    token_a_quantity: int
    token_b_quantity: int = 0
    entry_order_id: str | None = None
    entry_trade_direction: Side
    entry_trade_price_paise: int
    entry_fill_price_paise: int | None = None
    entry_status: str = ""
    token_b_price_paise: int | None = None
    target_order_id: str | None = None
    target_price_paise: int | None = None
    target_fill_price_paise: int | None = None
    target_status: str = ""
    oco_order_id: str | None = None
    oco_trade_direction: Side | None = None
    oco_trade_price_paise: int | None = None
    oco_fill_price_paise: int | None = None
    created_at_ns: int | None = None
    completed_at_ns: int | None = None


class GridRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file (GRD-55)."""

    bot_name: str
    bot_status: str = "Active"
    """`Active`, `Stopped` or `Terminated: {reason}`."""
    trade_type: TradeType
    token_a_symbol: str
    token_b_symbol: str = ""
    entry_price_paise: int
    max_quantity: int = 0
    upside_net_quantity: int = 0
    downside_net_quantity: int = 0
    upside_oco_net_count: int = 0
    downside_oco_net_count: int = 0
    total_pnl_paise: int = 0
    last_updated_ns: int | None = None
    open_orders: tuple[LevelRecord, ...] = ()
    order_history: tuple[HistoryRecord, ...] = ()
    """Oldest first."""

    @property
    def terminated_by(self) -> str:
        """The reason; empty while the grid has not ended itself (GRD-47)."""
        return self.bot_status.removeprefix(TERMINATED) if self.bot_status.startswith(TERMINATED) else ""


TERMINATED: Final = "Terminated: "
Record = TypeVar("Record", bound=msgspec.Struct)


def state_file_name(bot: str) -> str:
    """The seed's: `IRFC-SBIN Grid_state.json`. A name from outside cannot leave its folder."""
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", bot).lstrip(".") or "_"
    return f"{plain}_state.json"


def trimmed(history: tuple[HistoryRecord, ...]) -> tuple[tuple[HistoryRecord, ...], tuple[HistoryRecord, ...]]:
    """(older, newest `HISTORY_MAX`)."""
    cut = max(0, len(history) - HISTORY_MAX)
    return history[:cut], history[cut:]


def export_text(record: GridRecord) -> str:
    """The file's text; of the history the newest `HISTORY_MAX`."""
    kept = msgspec.structs.replace(record, order_history=trimmed(record.order_history)[1])
    return msgspec.json.format(msgspec.json.encode(_table(kept)), indent=2).decode("utf-8") + "\n"


def import_text(text: str) -> GridRecord:
    """The record of a file's text. Raises StateFileError."""
    if len(text) > TEXT_MAX:
        raise StateFileError(f"larger than {TEXT_MAX // 2**20} MiB")
    try:
        found = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError, InvalidOperation, RecursionError) as error:
        raise StateFileError(f"no valid JSON: {error}") from None
    record = _record(GridRecord, found, "")
    twice = _first_twice([level.uuid for level in record.open_orders])
    if twice:
        raise StateFileError(f"open_orders: two levels have the uuid {_shown(twice)}")
    return record


# --- records to plain tables ------------------------------------------------------------------------------------------


def _table(record: msgspec.Struct) -> dict[str, object]:
    return {_key(field): _plain(field, getattr(record, field)) for field in record.__struct_fields__}


def _key(field: str) -> str:
    """The name in the file: the seed has no units in its names."""
    return field.removesuffix(_PAISE).removesuffix(_NS)


def _plain(field: str, value: Any) -> object:
    if value is None:
        return None
    if field.endswith(_PAISE):
        return msgspec.Raw(rupees_text(value).encode("ascii"))
    if field.endswith(_NS):
        return _stamp_text(value)
    if isinstance(value, tuple):
        return [_table(item) for item in cast("tuple[msgspec.Struct, ...]", value)]
    return value


def _stamp_text(at_ns: int) -> str:
    s, rest = divmod(ist_time_ns(at_ns), NS_PER_S)
    text = f"{ist_date(at_ns).isoformat()}T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}"
    return f"{text}.{rest:09d}".rstrip("0") if rest else text


# --- plain tables to records ------------------------------------------------------------------------------------------


def _record(kind: type[Record], found: object, where: str) -> Record:
    if not isinstance(found, dict):
        raise StateFileError(f"{where or 'the file'}: an object {{...}} is wanted, found {_shown(found)}")
    table = cast("dict[str, object]", found)
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        key = _key(field.name)
        place = f"{where}.{key}" if where else key
        if key not in table:
            if field.required:
                raise StateFileError(f"{place}: missing")
            continue
        values[field.name] = _value(field.name, hints[field.name], table[key], place)
    return kind(**values)


def _value(field: str, hint: Any, found: object, place: str) -> Any:
    """One field's value from the file. Raises StateFileError."""
    if field in _LISTS:
        if not isinstance(found, list):
            raise StateFileError(f"{place}: a list is wanted, found {_shown(found)}")
        rows = cast("list[object]", found)
        kind = _LISTS[field]
        return tuple(_record(kind, row, f"{place}[{number}]") for number, row in enumerate(rows))
    if found is None:
        if type(None) in getattr(hint, "__args__", ()):
            return None
        raise StateFileError(f"{place}: null, a value is wanted")
    if field.endswith(_PAISE):
        return _paise(found, place)
    if field.endswith(_NS):
        return _instant(found, place)
    return _READERS[field](found, place) if field in _READERS else _typed(hint, found, place)


def _typed(hint: Any, found: object, place: str) -> Any:
    if hint is bool:
        if not isinstance(found, bool):
            raise StateFileError(f"{place} = {_shown(found)}: true or false")
        return found
    if hint is int:
        return _whole(found, place)
    kinds = [kind for kind in (Side, TradeSide, TradeType) if hint is kind or kind in getattr(hint, "__args__", ())]
    if kinds:
        words = [word.value for word in kinds[0]]
        if found not in words:
            raise StateFileError(f"{place} = {_shown(found)}: one of {', '.join(words)}")
        return kinds[0](cast("str", found))
    return _text(found, place)


def _text(found: object, place: str) -> str:
    if isinstance(found, int) and not isinstance(found, bool):  # order ids are numbers in some writers
        return str(found)
    if not isinstance(found, str) or not found.isprintable() or len(found) > 200:
        raise StateFileError(f"{place} = {_shown(found)}: a printable text of at most 200 characters")
    return found


def _number(found: object, place: str) -> Decimal:
    is_number = isinstance(found, int | Decimal) and not isinstance(found, bool)
    number = Decimal(cast("int | Decimal", found)) if is_number else Decimal("NaN")
    if not number.is_finite() or abs(number) > _NUMBER_MAX:
        raise StateFileError(f"{place} = {_shown(found)}: a number is wanted")
    return number


def _whole(found: object, place: str) -> int:
    """`100` and the seed's `100.0`."""
    number = _number(found, place)
    if number != int(number):
        raise StateFileError(f"{place} = {_shown(found)}: a whole number is wanted")
    return int(number)


def _paise(found: object, place: str) -> int:
    paise = _number(found, place) * PAISE_PER_RUPEE
    if paise != int(paise):
        raise StateFileError(f"{place} = {_shown(found)}: rupees with at most two decimals are wanted")
    return int(paise)


def _instant(found: object, place: str) -> int:
    match = _STAMP.fullmatch(found) if isinstance(found, str) else None
    try:
        if match is None:
            raise ValueError
        stamp = datetime.fromisoformat(match[1])
        at_ns = at_ist(stamp.date(), time(stamp.hour, stamp.minute, stamp.second))
    except ValueError:
        raise StateFileError(f"{place} = {_shown(found)}: a time like 2026-02-16T10:30:00 (IST)") from None
    return at_ns + int((match[2] or "0").ljust(9, "0"))


def _order_side(found: object, place: str) -> str:
    if found not in ("entry", "target"):
        raise StateFileError(f"{place} = {_shown(found)}: one of entry, target")
    return cast("str", found)


def _uuid(found: object, place: str) -> str:
    if not isinstance(found, str) or not re.fullmatch(r"[0-9a-f]{12}", found):
        raise StateFileError(f"{place} = {_shown(found)}: 12 hexadecimal digits")
    return found


def _status(found: object, place: str) -> str:
    text = _text(found, place)
    if text not in ("Active", "Stopped") and not text.startswith(TERMINATED):
        raise StateFileError(f"{place} = {_shown(found)}: Active, Stopped or Terminated: and the reason")
    return text


def _first_twice(names: list[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _shown(value: object) -> str:
    match value:
        case str():
            text = f'"{value}"'
        case dict() | list():
            return "an object" if isinstance(value, dict) else "a list"
        case None:
            return "null"
        case _:
            text = str(value)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= 60 else f"{text[:60]}…"


_LISTS: Final[dict[str, type[msgspec.Struct]]] = {
    "open_orders": LevelRecord,
    "order_history": HistoryRecord,
}
_READERS: Final[dict[str, Callable[[object, str], Any]]] = {
    "order_side": _order_side,
    "uuid": _uuid,
    "bot_status": _status,
}
