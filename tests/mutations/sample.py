"""`make mutants`: a seeded sample of small changes to the modules where money is decided, each tried against the fast
tests beside its module. The changes are mutmut's own (its operators, its rules of what not to touch); the choice, the
run and the page are ours: mutmut runs all or nothing, and leaves properties out, where half of our decisions are.

A mutant is one changed file in a throw-away copy and one forked child that runs pytest there: the parent has pytest and
the libraries loaded, and nothing of the project. A sentence for a person is never mutated: the tests of the phrases own
those. Exit code 1 when a survivor has no explanation in sample.toml, or the score is below the target.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import io
import json
import os
import random
import signal
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import hypothesis
import libcst as cst
import msgspec
import pytest
import pytest_asyncio.plugin
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor, OuterFunctionProvider, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode
from run import PYTEST_OPTIONS, project_copy  # type: ignore[import-not-found]

LOADED_ONCE = (asyncio, hypothesis, msgspec, pytest_asyncio.plugin)
"""So that a forked child need not."""
PLAN = Path(__file__).with_name("sample.toml")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "mutants.md"
TARGET_PERCENT = 90
"""design/simulation.md, Targets: of the mutants that are not equivalent."""
KILLED, WIDER, SURVIVED = "killed", "killed by the wider tests", "SURVIVED"
_PROPERTIES = frozenset({"property", "override", "staticmethod", "classmethod", "cached_property"})


@dataclass(frozen=True, kw_only=True)
class Module:
    """One file of the plan."""

    file: str
    tests: list[str]
    wider: list[str]


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change; `old` and `new` are the lines it touches, without their indentation."""

    file: str
    line: int
    old: str
    new: str
    code: str
    """The whole file with the change."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What became of one mutant."""

    file: str
    line: int
    old: str
    new: str
    verdict: str

    @property
    def key(self) -> tuple[str, int, str, str]:
        return self.file, self.line, self.old, self.new


class _Visitor(MutationVisitor):
    """mutmut's, but it enters properties: no trampoline is built here, which is why mutmut leaves them out."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef) and node.decorators:
            names = {d.decorator.value for d in node.decorators if isinstance(d.decorator, cst.Name)}
            return not names <= _PROPERTIES or len(names) < len(node.decorators)
        return super()._skip_node_and_children(node)

    def in_function(self, node: cst.CSTNode) -> bool:
        return isinstance(self.get_metadata(OuterFunctionProvider, node, None), cst.FunctionDef)


def _is_worth_it(visitor: _Visitor, node: cst.CSTNode, mutated: cst.CSTNode) -> bool:
    """Not a sentence; one change for each word; of tables and constants only numbers and comparisons."""
    if isinstance(node, cst.SimpleString) and isinstance(mutated, cst.SimpleString):
        return " " not in node.value and "XX" in mutated.value and visitor.in_function(node)
    if visitor.in_function(node):
        return True
    return isinstance(node, cst.BaseNumber | cst.Comparison | cst.ComparisonTarget | cst.BinaryOperation)


def _touched(sound: str, broken: str) -> tuple[int, str, str]:
    """(first line, the lines it had, the lines it has)."""
    before, after = sound.splitlines(), broken.splitlines()
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    first, *_ = [block for block in blocks if block[0] != "equal"]
    _, begin, end, new_begin, new_end = first
    return (
        begin + 1,
        " ".join(line.strip() for line in before[begin:end]),
        " ".join(line.strip() for line in after[new_begin:new_end]),
    )


def mutants_of(file: str, sound: str, order: random.Random) -> Iterator[Mutant]:
    """Every change to this file that still is Python, in an order drawn by `order`."""
    wrapper = MetadataWrapper(cst.parse_module(sound))
    visitor = _Visitor(mutation_operators, IgnoredCode(set(), set(), set()))
    # Resolved here, because a visitor forgets its metadata when its visit is over.
    wrapper.resolve_many([PositionProvider, OuterFunctionProvider])
    found: list[tuple[cst.CSTNode, cst.CSTNode]] = []
    create = visitor._create_mutations

    def keep(node: cst.CSTNode) -> None:
        begin = len(visitor.mutations)
        create(node)
        for mutation in visitor.mutations[begin:]:
            if _is_worth_it(visitor, mutation.original_node, mutation.mutated_node):
                found.append((mutation.original_node, mutation.mutated_node))

    visitor._create_mutations = keep
    module = wrapper.visit(visitor)
    order.shuffle(found)
    codes = {sound}
    for node, mutated in found:
        replaced = deep_replace(module, node, mutated)
        assert isinstance(replaced, cst.Module)
        try:
            compile(replaced.code, file, "exec")
        except SyntaxError:
            continue
        if replaced.code in codes:
            continue
        codes.add(replaced.code)
        line, old, new = _touched(sound, replaced.code)
        yield Mutant(file=file, line=line, old=old, new=new, code=replaced.code)


def run_forked(copy: Path, tests: Sequence[str], limit_s: float, *, keeps_bytecode: bool = False) -> tuple[int, str]:
    """(exit code of pytest in a child of ours, the end of what it said); -1 when it had to be ended."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        code, said = 3, io.StringIO()
        try:
            os.close(read_end)
            os.setsid()
            signal.alarm(int(limit_s) + 1)
            os.chdir(copy)
            sys.path.insert(0, str(copy))
            sys.dont_write_bytecode = not keeps_bytecode
            with redirect_stdout(said), redirect_stderr(said):
                code = int(pytest.main([*PYTEST_OPTIONS, *tests]))
            os.write(write_end, said.getvalue()[-3000:].encode())
        finally:
            os._exit(code)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    return (os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1), said


def verdict_of(copy: Path, module: Module, mutant: Mutant, limit_s_of: Callable[[Sequence[str]], float]) -> str:
    """Plant it, ask the fast tests, then the wider ones, and put the file back as it was, its time included."""
    path = copy / mutant.file
    sound, stat = path.read_bytes(), path.stat()
    for tests, verdict in ((module.tests, KILLED), (module.wider, WIDER)):
        if not tests:
            continue
        limit_s = limit_s_of(tests)
        path.write_text(mutant.code, encoding="utf-8")
        try:
            if run_forked(copy, tests, limit_s)[0] != 0:
                return verdict
        finally:
            path.write_bytes(sound)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return SURVIVED


class Limits:
    """How long a mutant may take with some tests: an endless loop is a mutant that was found."""

    def __init__(self, copy: Path) -> None:
        self._copy = copy
        self._known: dict[tuple[str, ...], float] = {}

    def of(self, tests: Sequence[str]) -> float:
        """Seconds. Raises RuntimeError when the tests fail without any mutant."""
        if tuple(tests) not in self._known:
            began = time.perf_counter()
            code, said = run_forked(self._copy, tests, 600, keeps_bytecode=True)
            if code != 0:
                raise RuntimeError(f"without any mutant {' '.join(tests)} must pass; they did not:\n{said}")
            self._known[tuple(tests)] = 10 + 6 * (time.perf_counter() - began)
        return self._known[tuple(tests)]


def try_sample(copy: Path, module: Module, args: argparse.Namespace, ends: float) -> Iterator[Tried]:
    sound = (copy / module.file).read_text(encoding="utf-8")
    limits = Limits(copy)
    drawn = mutants_of(module.file, sound, random.Random(f"{args.seed}:{module.file}"))
    for mutant in islice(drawn, args.each):
        tried = Tried(file=mutant.file, line=mutant.line, old=mutant.old, new=mutant.new, verdict=SURVIVED)
        verdict = args.kept.get(tried.key, "" if args.report else SURVIVED)
        if not verdict:
            continue
        if verdict == SURVIVED and not args.report:
            if time.monotonic() > ends:
                return
            verdict = verdict_of(copy, module, mutant, limits.of)
        yield replace(tried, verdict=verdict)


def read_plan() -> tuple[list[Module], list[dict[str, str]]]:
    """(modules, explained survivors) of sample.toml."""
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    modules = [Module(file=m["file"], tests=m["tests"], wider=m.get("wider", [])) for m in plan["module"]]
    return modules, plan.get("survivor", [])


def explanation(tried: Tried, survivors: Sequence[dict[str, str]]) -> dict[str, str] | None:
    """The entry of sample.toml that is about this one."""
    for entry in survivors:
        if (entry["file"], entry["old"], entry["new"]) == (tried.file, tried.old, tried.new):
            return entry
    return None


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def page(tried: Sequence[Tried], survivors: Sequence[dict[str, str]], *, seed: int, each: int, how: str) -> str:
    """docs/mutants.md; `how` says what of it was run now."""
    today = datetime.now(UTC).date()
    lines = [
        "# Mutants: do the tests of the core notice a changed decision?",
        "",
        f"Written by `make mutants` on {today}; mutmut {version('mutmut')}'s operators, Python "
        f"{sys.version.split()[0]}, seed {seed}, at most {each} changes a module; {how}.",
        "",
        "Scope: the modules where money is decided (tests/mutations/sample.toml names them with their tests). A mutant",
        "is one small change: a comparison, an operator, a number, a word, an argument, an assignment, a dropped case.",
        "Sentences for a person are not mutated. *Fast* are killed by the tests beside the module within seconds,",
        "*wider* only by slower ones that run the whole desk. The score leaves the equivalent ones out.",
        "",
        "| module | mutants | fast | wider | survived | of these equivalent | score |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in [*dict.fromkeys(t.file for t in tried), ""]:
        of_module = [t for t in tried if not name or t.file == name]
        left = [t for t in of_module if t.verdict == SURVIVED]
        same = sum(1 for t in left if (explanation(t, survivors) or {}).get("class") == "equivalent")
        fast, wider = (sum(1 for t in of_module if t.verdict == verdict) for verdict in (KILLED, WIDER))
        label = f"`{name.removeprefix('engine/')}`" if name else "**all**"
        cells = [label, len(of_module), fast, wider, len(left), same, _percent(fast + wider, len(of_module) - same)]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    left = [t for t in tried if t.verdict == SURVIVED]
    lines += ["", "## Survivors", ""]
    for t in left:
        known = explanation(t, survivors) or {"class": "not explained", "why": "?"}
        lines += [f"- `{t.file}:{t.line}` **{known['class']}**: {known['why']}", ""]
        lines += ["  ```diff", f"  -{t.old}", f"  +{t.new}", "  ```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants ARGS=", description=__doc__)
    parser.add_argument("files", nargs="*", help="only modules whose path ends like this")
    parser.add_argument("--each", type=int, default=25, help="mutants a module")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=60, help="stop asking after this long")
    parser.add_argument("--fast", action="store_true", help="leave the wider tests out")
    parser.add_argument("--keep", type=Path, help="a file of verdicts: what it calls killed is not tried again")
    parser.add_argument("--report", action="store_true", help="try nothing: only what the file of --keep says")
    parser.add_argument("--write", action="store_true", help="write docs/mutants.md")
    args = parser.parse_args(words)
    args.kept = {}
    if args.keep and args.keep.exists():
        lines = args.keep.read_text(encoding="utf-8").splitlines()
        args.kept = {tried.key: tried.verdict for tried in (Tried(**json.loads(line)) for line in lines)}
    return args


def main(words: Sequence[str]) -> int:
    args = _arguments(words)
    modules, survivors = read_plan()
    began = time.monotonic()
    results: list[Tried] = []
    with project_copy() as copy:
        for module in modules:
            if args.files and not any(module.file.endswith(name) for name in args.files):
                continue
            if args.fast:
                module = replace(module, wider=[])
            of_module: list[Tried] = []
            for tried in try_sample(copy, module, args, began + 60 * args.minutes):
                of_module.append(tried)
                if args.keep and not args.report:
                    with args.keep.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(tried)) + "\n")
                if tried.verdict == SURVIVED:
                    known = explanation(tried, survivors) or {"class": "NOT EXPLAINED"}
                    print(f"{tried.file}:{tried.line} {known['class']}\n  - {tried.old}\n  + {tried.new}", flush=True)
            killed = sum(1 for tried in of_module if tried.verdict != SURVIVED)
            print(f"{module.file}: {killed} of {len(of_module)} killed, {time.monotonic() - began:.0f} s", flush=True)
            results += of_module
    left = [tried for tried in results if tried.verdict == SURVIVED]
    known = [explanation(tried, survivors) for tried in left]
    counted = len(results) - sum(1 for entry in known if entry and entry["class"] == "equivalent")
    killed = len(results) - len(left)
    print(f"{killed} of {counted} mutants killed ({_percent(killed, counted)}), {known.count(None)} not explained")
    if args.write:
        how = f"{len(results)} tried"
        how += ", in several runs: what was killed once was not tried again (`--keep`)" if args.keep else ""
        PAGE.write_text(page(results, survivors, seed=args.seed, each=args.each, how=how), encoding="utf-8")
    return 0 if None not in known and 100 * killed >= TARGET_PERCENT * counted else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
