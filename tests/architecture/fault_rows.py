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
from functools import cache
from pathlib import Path

from brokers.paper.faults.catalogue import FAULTS
from tui.simulation.crashes import CRASH_FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT.parent / "shared" / "spec" / "faults.md"
MARKS = ("fault", "invariant")
FAULT_ID = re.compile(r"[A-Z]{3}-\d\d")
INVARIANT_ID = re.compile(r"[A-Z]\d{1,2}")
_MAKERS_TEST = re.compile(r"test_([a-z]{3})_(\d\d)_")

_ATTACH = "the screen runs inside the desk's process; there is no attach stream, and no issue for one yet"
_WIRES = "issue 6, the brokers' wires"

NOT_YET: dict[str, str] = {
    "PRC-06": _ATTACH,
    "PRC-17": _ATTACH,
    "REF-02": f"the demo's contracts have no master file that could be of yesterday; {_WIRES}",
    "REF-05": f"corporate actions: no stock is held overnight at a broker yet; {_WIRES}",
    "SEC-05": "nothing is exported as CSV; the exports of OPS-16 bring it",
    "SEC-10": _ATTACH,
    "SEC-12": "foreign code is never loaded: rules are the project's own modules, held pure by an import contract",
    "A4": "issue 5, the grid",
    "C5": "nothing is exported as CSV; the exports of OPS-16 bring it",
}
"""Fault or invariant -> what it needs that this build does not have, and the issue that brings it."""

PARTLY: dict[str, str] = {
    "ORD-10": f"proven of the gateway and the paper venue's adapter; {_WIRES}",
    "ORD-23": "our own slices; a broker's batch call does not exist in the port",
    "REJ-01": "an entry is not repeated by itself; there is no STOP-SYMBOL: the next signal tries again",
    "REJ-09": "an entry is not repeated by itself; there is no STOP-SYMBOL: the next signal tries again",
    "REJ-10": "each order is refused for itself; there is no STOP-ALL of entries",
    "REJ-15": "each order is refused for itself; there is no STOP-ALL of entries",
    "REJ-16": "retries are paced and bounded by the budget of the position; there is no breaker for each reason",
    "REF-04": "an entry is not repeated by itself; there is no STOP-SYMBOL: the next signal tries again",
    "NET-12": "refused requests and failed reads; the state of a login comes with issue 6",
    "NET-13": "refused requests and failed reads; the state of a login comes with issue 6",
    "HUM-09": "refused requests; nothing tells a kill switch at the broker from other refusals: issue 6",
    "EXI-10": "the port has no such call; that a gateway's is never used: issue 6",
    "EXI-14": "exits leave in the order of their decision, not by largest risk",
    "EXI-18": "the port has no such call; that a gateway's is never used: issue 6",
    "MKT-02": f"the desk's own watch over the age of prices; a library's dead ping loop: {_WIRES}",
    "MKT-10": f"made, and judged by the oracle only: the pairing of token and symbol comes with {_WIRES}",
    "MKT-14": f"the loop's stall; a feed's keepalive that dies of it: {_WIRES}",
    "NET-03": f"the link to the paper venue; {_WIRES}",
    "TIM-01": "no alarm for a step above 2 s: no desk reads the wall clock before issue 6",
    "TIM-02": "a stopped process, with a clock that goes on; a sleeping machine, whose monotonic clock stands still, "
    "needs the wall clock that a live broker's desk has: issue 6",
    "TIM-05": "no broker's market status yet: issue 6",
    "STO-06": "sectors of the real files, torn; not the disk's own cache",
    "PRC-05": "the terminal; an attach stream does not exist",
    "PRC-11": "bounds and kills; there is no alarm for resident memory",
    "PRC-18": "the version of the program stands with every run of the journal; no self-test at the start",
    "REF-03": "a contract that is over is refused at the start; no row of ours is held against a settlement price",
    "CFG-05": "mode and account are checked; no typed confirmation before the first live order: issue 6",
    "SEC-09": "there is no attach socket; a desk listens on nothing, the paper venue on loopback",
    "SEC-11": "declared and allowed imports; no lock file with hashes",
    "SEC-15": "no clipboard, and account ids are struck out of alerts; sums of money stay in them on purpose",
    "M2": "never older; ticks of one and the same instant count in the order of their arrival (TIM-09)",
    "T1": "see TIM-01 and TIM-02",
    "J1": "chains and heads; a rebuild from the broker by command is not there",
    "C7": "no certificate is pinned and no broker spoken to yet: issue 6",
    "C8": "see SEC-11",
    "X2": "supervised tasks are kept, restarted or alarmed; there is no table of heartbeats",
}
"""Fault or invariant with a proof -> what that proof leaves open."""


_JUDGED = "(the simulator's oracle alone)"
"""What is made in simulated days and has no test of its own: the invariants must hold while it happens."""


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
        bare = _JUDGED if self.made_by else "NOT YET" if self.not_yet else "NOTHING"
        first = self.tests[0] if self.tests else bare
        lines = [f"{self.id:<7}{self.made_by:<18}{len(self.tests):>3}  {first}".rstrip()]
        lines += [f"{'':<30}{test}" for test in self.tests[1:]]
        lines += [f"{'':<30}not yet: {self.not_yet}"] if self.not_yet else []
        return [*lines, *([f"{'':<30}open: {self.partly}"] if self.partly else [])]


def page_rows(page: str) -> tuple[dict[str, str], dict[str, str]]:
    """Faults and invariants of the page: id -> title."""
    rows = re.findall(r"^\| ([A-Z]{3}-\d\d|[A-Z]\d{1,2}) \| ([^|]+) \|", page, re.MULTILINE)
    faults = {row: title.strip() for row, title in rows if FAULT_ID.fullmatch(row)}
    return faults, {row: title.strip() for row, title in rows if INVARIANT_ID.fullmatch(row)}


@cache
def test_trees() -> dict[str, ast.Module]:
    """Path relative to the root -> syntax tree of every test module."""
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def _functions(trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Tests stand in a module or in a class of it."""
    for path, tree in trees.items():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        for node in [*tree.body, *(inner for outer in classes for inner in outer.body)]:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield path, node


def marked(trees: Mapping[str, ast.Module], mark: str) -> dict[str, list[str]]:
    """Id -> the tests that carry it in `pytest.mark.<mark>`, on the function or on one of its cases."""
    tests_of: dict[str, list[str]] = {}
    for path, function in _functions(trees):
        calls = [node for decorator in function.decorator_list for node in ast.walk(decorator)]
        for call in calls:
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == mark):
                continue
            if ast.unparse(call.func) != f"pytest.mark.{mark}":
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
        f"{len(rows)} invariants: {held} held by the simulator's oracle, {tested} by marked tests ({either} by one), "
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
