"""`make faults`: each fault and invariant of the fault page, who makes it happen, and the tests that prove the answer.

A fault is made by the fault layer or by the simulator's crashes, and a test that proves the desk's answer to it carries
`@pytest.mark.fault("ORD-01")`. An invariant is held by a check of the simulator's oracle, which names it in its first
line, or by tests with `@pytest.mark.invariant("O1")`. What is neither stands in NOT_YET with its reason; what a mark
leaves open stands in PARTLY. Exit code 1 when one has nothing of all this. The texts are in spec/faults.md (§5, §6).
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from brokers.paper.faults.catalogue import FAULTS
from tui.simulation.crashes import CRASH_FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT.parent / "shared" / "spec" / "faults.md"
MARKS = ("fault", "invariant")
FAULT_ID = re.compile(r"[A-Z]{3}-\d\d")
INVARIANT_ID = re.compile(r"[A-Z]\d{1,2}")
_MAKERS_TEST = re.compile(r"test_([a-z]{3})_(\d\d)_")

NOT_YET: dict[str, str] = {}
"""Fault or invariant -> what it needs that this build does not have, and the issue that brings it."""

PARTLY: dict[str, str] = {}
"""Fault or invariant with a proof -> what that proof leaves open."""


@dataclass(frozen=True)
class Row:
    """One id of the page with everything that stands behind it."""

    id: str
    title: str
    made_by: str
    """Of a fault: what makes it happen. Of an invariant: the check of the oracle that holds it."""
    tests: tuple[str, ...]
    not_yet: str
    partly: str

    @property
    def is_open(self) -> bool:
        """Nothing stands behind it, and nobody said why."""
        return not (self.made_by or self.tests or self.not_yet)

    def lines(self) -> list[str]:
        first = self.tests[0] if self.tests else ("" if self.made_by else "NOT YET" if self.not_yet else "NOTHING")
        lines = [f"{self.id:<7}{self.made_by:<18}{len(self.tests):>3}  {first}".rstrip()]
        lines += [f"{'':<30}{test}" for test in self.tests[1:]]
        lines += [f"{'':<30}not yet: {self.not_yet}"] if self.not_yet else []
        return [*lines, *([f"{'':<30}open: {self.partly}"] if self.partly else [])]


def page_rows(page: str) -> tuple[dict[str, str], dict[str, str]]:
    """Faults and invariants of the page: id -> title."""
    rows = re.findall(r"^\| ([A-Z]{3}-\d\d|[A-Z]\d{1,2}) \| ([^|]+) \|", page, re.MULTILINE)
    faults = {row: title.strip() for row, title in rows if FAULT_ID.fullmatch(row)}
    return faults, {row: title.strip() for row, title in rows if INVARIANT_ID.fullmatch(row)}


def test_trees() -> dict[str, ast.Module]:
    """Path relative to the root -> syntax tree of every test module."""
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def _functions(trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield path, node


def marked(trees: Mapping[str, ast.Module], mark: str) -> dict[str, list[str]]:
    """Id -> the tests that carry it in `pytest.mark.<mark>`, on the function or on one of its cases."""
    tests_of: dict[str, list[str]] = {}
    for path, function in _functions(trees):
        calls = [node for decorator in function.decorator_list for node in ast.walk(decorator)]
        for call in calls:
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) == f"pytest.mark.{mark}"):
                continue
            for argument in call.args:
                tests = tests_of.setdefault(str(ast.literal_eval(argument)), [])
                test = f"{path}::{function.name}"
                if test not in tests:
                    tests.append(test)
    return tests_of


def makers_tests(trees: Mapping[str, ast.Module]) -> dict[str, list[str]]:
    """Fault -> the tests named after it (`test_ord_01_...`), which prove that the layer really makes it."""
    tests_of: dict[str, list[str]] = {}
    for path, function in _functions(trees):
        named = _MAKERS_TEST.match(function.name)
        if named:
            tests_of.setdefault(f"{named[1].upper()}-{named[2]}", []).append(f"{path}::{function.name}")
    return tests_of


def oracle_checks() -> dict[str, list[str]]:
    """Invariant -> the checks of the simulator whose first line begins with its id (`E1, I-1: what working ...`)."""
    checks: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tui" / "simulation").glob("*_checks.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                ids = re.match(r"[^:]+", ast.get_docstring(node) or "")
                for invariant in re.findall(r"\b[A-Z]\d{1,2}\b", ids[0] if ids else ""):
                    checks.setdefault(invariant, []).append(node.name)
    return checks


def fault_rows(faults: Mapping[str, str], trees: Mapping[str, ast.Module]) -> list[Row]:
    tests, makers = marked(trees, "fault"), makers_tests(trees)
    rows: list[Row] = []
    for fault, title in faults.items():
        made_by = "fault layer" if fault in FAULTS and makers.get(fault) else "crashes" if fault in CRASH_FAULTS else ""
        proofs = tuple(tests.get(fault, ()))
        rows.append(Row(fault, title, made_by, proofs, NOT_YET.get(fault, ""), PARTLY.get(fault, "")))
    return rows


def invariant_rows(invariants: Mapping[str, str], trees: Mapping[str, ast.Module]) -> list[Row]:
    tests, checks = marked(trees, "invariant"), oracle_checks()
    return [
        Row(
            invariant,
            title,
            " ".join(checks.get(invariant, ())),
            tuple(tests.get(invariant, ())),
            NOT_YET.get(invariant, ""),
            PARTLY.get(invariant, ""),
        )
        for invariant, title in invariants.items()
    ]


def faults_line(rows: Iterable[Row]) -> str:
    """The counts of the fault table in one line."""
    rows = list(rows)
    made = sum(bool(row.made_by) for row in rows)
    tested = sum(bool(row.tests) for row in rows)
    both = sum(bool(row.made_by and row.tests) for row in rows)
    unmade = sum(row.is_open for row in rows)
    later = sum(bool(row.not_yet) for row in rows)
    return (
        f"{len(rows)} faults: {made} made by the fault layer or the crashes, {tested} with a test of the desk's answer "
        f"({both} both), {later} not yet, {unmade} without anything"
    )


def invariants_line(rows: Iterable[Row]) -> str:
    """The counts of the invariant table in one line."""
    rows = list(rows)
    held = sum(bool(row.made_by) for row in rows)
    tested = sum(bool(row.tests) for row in rows)
    either = sum(bool(row.made_by or row.tests) for row in rows)
    later = sum(bool(row.not_yet) for row in rows)
    return (
        f"{len(rows)} invariants: {held} held by the simulator's oracle, {tested} by marked tests ({either} by either), "
        f"{later} not yet, {sum(row.is_open for row in rows)} without anything"
    )


def main() -> int:
    if not PAGE.exists():
        print("spec/faults.md is not beside the project: nothing to compare with", file=sys.stderr)
        return 2
    faults, invariants = page_rows(PAGE.read_text(encoding="utf-8"))
    trees = test_trees()
    of_faults, of_invariants = fault_rows(faults, trees), invariant_rows(invariants, trees)
    for table, line in ((of_faults, faults_line(of_faults)), (of_invariants, invariants_line(of_invariants))):
        print("\n".join(text for row in table for text in row.lines()), line, "", sep="\n")
    return 1 if any(row.is_open for row in (*of_faults, *of_invariants)) else 0


if __name__ == "__main__":
    raise SystemExit(main())
