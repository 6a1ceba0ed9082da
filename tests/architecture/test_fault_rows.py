"""The report of faults and invariants: each id of the page has something behind it; a gap is found (faults §7.1)."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
Trees = dict[str, ast.Module]

PAGE = """
| ORD-01 | Place times out | knob | reaction | O2 |
| STO-01 | Crash before commit | crash | nothing | O1 |
| SEC-99 | New | x | y | C1 |
| O2 | NO-DUP | at most one | group |
| A4 | GRID | counters | recompute |
| T_AMB | direct broker 45 s | window |
"""

TESTS = """
@pytest.mark.fault("SEC-99")
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.invariant("A4"))])
def test_something(x): ...

@pytest.mark.row("ORD-01")
def test_ord_01_is_made(): ...
"""


@pytest.fixture(scope="module")
def report() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fault_rows", Path(__file__).with_name("fault_rows.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its own module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(shared: Path) -> str:
    return (shared / "spec" / "faults.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def trees(trees_of: Callable[..., Trees]) -> Trees:
    return {path: tree for path, tree in trees_of("tests").items() if Path(path).name.startswith("test_")}


def test_the_page_is_read_whole(report: ModuleType, page: str) -> None:
    faults, invariants = report.page_rows(page)

    assert (len(faults), len(invariants)) == (188, 55)
    assert faults["ORD-01"] == "Place times out; order WAS placed"
    assert invariants["L1"] == "CONVERGES"


def test_every_fault_and_every_invariant_has_something_behind_it(report: ModuleType, trees: Trees, page: str) -> None:
    """A maker or a test, or a reason that says which issue brings it: never nothing."""
    faults, invariants = report.page_rows(page)

    rows = [*report.fault_rows(faults, trees), *report.invariant_rows(invariants, trees)]

    assert [row.id for row in rows if row.is_open] == []


def test_no_reason_stands_where_a_proof_does_and_none_for_what_is_not_on_the_page(
    report: ModuleType, trees: Trees, page: str
) -> None:
    faults, invariants = report.page_rows(page)
    rows = {row.id: row for row in (*report.fault_rows(faults, trees), *report.invariant_rows(invariants, trees))}

    assert [row for row in (*report.NOT_YET, *report.PARTLY) if row not in rows] == []
    assert [row for row in report.NOT_YET if rows[row].tests] == [], "it has a test: remove the reason, or say PARTLY"
    assert [row for row in report.PARTLY if not (rows[row].tests or rows[row].made_by)] == [], "then it is NOT_YET"


def test_every_mark_names_a_fault_or_an_invariant_of_the_page(report: ModuleType, trees: Trees, page: str) -> None:
    faults, invariants = report.page_rows(page)

    assert sorted(set(report.marked(trees, "fault")) - set(faults)) == []
    assert sorted(set(report.marked(trees, "invariant")) - set(invariants)) == []
    strayed = set(report.marked(trees, "row")) & {*faults, *invariants}
    assert sorted(strayed) == [], "faults and invariants have marks of their own: fault(...), invariant(...)"


def test_a_fault_without_anything_is_found_and_one_with_a_mark_is_not(report: ModuleType) -> None:
    faults, invariants = report.page_rows(PAGE)
    assert (list(faults), list(invariants)) == (["ORD-01", "STO-01", "SEC-99"], ["O2", "A4"])

    bare = report.fault_rows(faults, {})
    assert [row.id for row in bare if row.is_open] == ["ORD-01", "SEC-99"], "a layer nobody has tested makes nothing"
    assert [row.made_by for row in bare] == ["", "crashes", ""]

    trees: Trees = {"tests/test_x.py": ast.parse(TESTS)}
    rows = report.fault_rows(faults, trees)
    assert [(row.id, row.made_by, row.tests) for row in rows] == [
        ("ORD-01", "fault layer", ()),
        ("STO-01", "crashes", ()),
        ("SEC-99", "", ("tests/test_x.py::test_something",)),
    ]
    assert [row.is_open for row in rows] == [False, False, False]
    assert report.marked(trees, "invariant") == {"A4": ["tests/test_x.py::test_something"]}
    assert report.faults_line(rows).startswith("3 faults: 2 made by the fault layer or the crashes, 1 with a test")


def test_the_checks_of_the_oracle_are_known_by_the_ids_in_their_first_line(report: ModuleType) -> None:
    checks = report.oracle_checks()

    assert checks["E1"] == ["ExitQty", "ExitSize"]
    assert {"O1", "P1", "P4", "A1", "A3", "R4", "O10", "U1", "L1"} <= set(checks)


def test_both_marks_are_known_to_pytest(pytestconfig: pytest.Config) -> None:
    known = [line.partition("(")[0] for line in pytestconfig.getini("markers")]

    assert {"row", "fault", "invariant"} <= set(known)


def test_the_report_prints_both_tables_with_their_counts(
    report: ModuleType, trees: Trees, page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "test_trees", lambda: trees)

    assert report.main() == 0
    printed = capsys.readouterr().out
    assert "188 faults: " in printed
    assert "55 invariants: " in printed
    assert "not yet: issue 5, the grid" in printed
