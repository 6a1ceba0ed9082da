"""Tables of dated facts: the row in force, and one clear line for every mistake in a file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest

from engine.dated_rows import DataFileError, decode_table, in_force, read_packaged, read_table


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    effective_from: date
    units: int


class RowTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    row: tuple[Row, ...]


def test_the_latest_row_not_after_the_day_is_in_force_in_any_order_of_the_file() -> None:
    old, new = Row(effective_from=date(2024, 1, 1), units=1), Row(effective_from=date(2026, 1, 1), units=2)

    assert in_force([new, old], date(2025, 12, 31)) is old
    assert in_force([new, old], date(2026, 1, 1)) is new
    assert in_force([new, old], date(2023, 12, 31)) is None


def test_of_two_rows_of_one_day_the_later_in_the_list_wins() -> None:
    """So a user's rows, appended, replace the packaged ones."""
    packaged, own = (Row(effective_from=date(2024, 1, 1), units=n) for n in (1, 2))

    assert in_force([packaged, own], date(2024, 1, 1)) is own


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[row]]\neffective_from = 2026-01-01\nunits = 'x'\n", "own.toml: row[0].units: expected `int`, got `str`"),
        ("[[row]]\nunits = 1\n", "own.toml: row[0]: object missing required field `effective_from`"),
        (
            "[[row]]\neffective_from = 2026-01-01\nunits = 1\nunit = 2\n",
            "own.toml: row[0]: object contains unknown field `unit`",
        ),
        ("rows = []\n", "own.toml: the whole file: object contains unknown field `rows`"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(DataFileError) as caught:
        decode_table(text.encode(), "own.toml", RowTable)

    assert str(caught.value) == message


@pytest.mark.parametrize("raw", [b"row = [", b"\xff\xfe", b"[[row]]\neffective_from = 2026-02-30\nunits = 1\n"])
def test_a_file_that_is_no_toml_is_named(raw: bytes) -> None:
    with pytest.raises(DataFileError, match=r"^own\.toml: \S"):
        decode_table(raw, "own.toml", RowTable)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"none\.toml: cannot be read \(No such file"):
        read_table(tmp_path / "none.toml", RowTable)


def test_a_packaged_table_of_another_shape_is_refused_by_its_name() -> None:
    with pytest.raises(DataFileError, match=r"^contracts\.toml: "):
        read_packaged("contracts.toml", RowTable)
