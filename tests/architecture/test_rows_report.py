"""The report of requirement rows: what is in scope, and that a row without a test is found (OPS-36)."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW_ID = re.compile(r"(?:LEG|HRD|RTP|GRD|OPT|OPS|CON|BUG)-\d{2,3}|I-\d|[A-Z]{1,4}-?\d{1,3}")


@pytest.fixture(scope="module")
def rows() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rows", Path(__file__).with_name("rows.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_without_a_test_is_listed_as_missing(rows: ModuleType) -> None:
    lines, missing = rows.report({"LEG-01": ["a.py::t", "b.py::t"], "BUG-01": ["a.py::t"]}, ["LEG-01", "LEG-02"])

    assert missing == ["LEG-02"]
    assert lines == [
        "LEG-01    2  a.py::t",
        "             b.py::t",
        "LEG-02    0  NO TEST",
        "also proven: BUG-01",
        "1 of 2 rows in scope have a test",
    ]


def test_the_scope_holds_each_row_once(rows: ModuleType) -> None:
    assert len(rows.IN_SCOPE) == len(set(rows.IN_SCOPE)) == 279
    assert {"I-1", "I-9", "LEG-35", "LEG-72", "HRD-24", "OPS-35"} <= set(rows.IN_SCOPE)
    assert {"RTP-01", "RTP-51", "HRD-44", "LEG-45", "OPS-29", "GRD-01", "GRD-70", "H-12"} <= set(rows.IN_SCOPE)
    assert not {"RTP-52", "HRD-26", "HRD-39", "HRD-42", "OPS-27", "OPS-36", "GRD-61", "GRD-69"} & set(rows.IN_SCOPE)


def test_the_rows_in_scope_are_rows_of_the_requirements(rows: ModuleType, shared: Path) -> None:
    text = (shared / "spec" / "requirements.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| ((?:LEG|HRD|RTP|GRD|H|OPS|I)-\d+) \|", text, re.MULTILINE))

    assert [row for row in rows.IN_SCOPE if row not in known] == []


def test_every_row_mark_looks_like_a_row(trees_of: Callable[..., dict[str, ast.Module]]) -> None:
    odd = [
        f"{path}:{node.lineno}: {ast.unparse(argument)}"
        for path, tree in trees_of("tests").items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "row"
        if ast.unparse(node.func) == "pytest.mark.row"
        for argument in node.args
        if not (isinstance(argument, ast.Constant) and ROW_ID.fullmatch(str(argument.value)))
    ]

    assert odd == []
