"""The kept list of deliberate bugs stays true: each can be planted, has its test, and the core ones are caught."""

from __future__ import annotations

import ast
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load_runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kept_mutations", Path(__file__).with_name("run.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks its own module up
    spec.loader.exec_module(module)
    return module


RUNNER = load_runner()
MUTATIONS = RUNNER.read_mutations()
CORE = {"drop_single_flight", "exit_sized_from_request", "resend_without_look_up", "stop_falls", "forget_validation"}


def names_of(mutation) -> str:
    return mutation.name


@cache
def syntax_of(path: str) -> str:
    return ast.dump(ast.parse((ROOT / path).read_text(encoding="utf-8")))


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=names_of)
def test_a_mutation_can_be_planted_and_its_test_exists(mutation) -> None:
    sound = (ROOT / mutation.file).read_text(encoding="utf-8")
    broken = mutation.planted(sound)

    assert ast.dump(ast.parse(broken)) != syntax_of(mutation.file), "it changes nothing"
    path, _, function = mutation.test.partition("::")
    assert function in functions_of(path), mutation.test


def test_each_has_its_own_name_and_one_sentence() -> None:
    names = [mutation.name for mutation in MUTATIONS]

    assert len(names) == len(set(names))
    assert [mutation.name for mutation in MUTATIONS if not mutation.why.endswith(".") or "\n" in mutation.why] == []
    assert {mutation.name for mutation in MUTATIONS if mutation.in_ci} == CORE


@pytest.fixture(scope="module")
def copy():
    with RUNNER.project_copy() as folder:
        yield folder


@pytest.mark.xdist_group("mutations")
@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if m.in_ci], ids=names_of)
def test_a_core_mutation_is_caught_by_its_named_test(mutation, copy: Path) -> None:
    sound = (copy / mutation.file).read_bytes()
    verdict, output = RUNNER.try_out(mutation, copy)

    assert verdict is RUNNER.Verdict.CAUGHT, f"{mutation.why}\n{mutation.test}\n{output}"
    assert (copy / mutation.file).read_bytes() == sound, "put back"


@pytest.mark.slow
@pytest.mark.xdist_group("mutations")
def test_a_change_that_breaks_nothing_survives_and_a_test_that_is_not_there_is_no_catch(copy: Path) -> None:
    harmless = RUNNER.Mutation(
        name="harmless",
        why="Nothing.",
        file="engine/slices.py",
        old="full, rest = divmod(qty, most)",
        new="full, rest = qty // most, qty % most",
        test="tests/routines/test_exits_for_quantity.py::test_slices_add_up_and_none_is_above_the_freeze_quantity",
    )
    nowhere = RUNNER.Mutation(**{**vars(harmless), "test": "tests/routines/test_exits_for_quantity.py::test_nothing"})
    gone = RUNNER.Mutation(**{**vars(harmless), "old": "text that no file holds"})

    verdicts = [RUNNER.try_out(mutation, copy)[0] for mutation in (harmless, nowhere, gone)]
    assert verdicts == [RUNNER.Verdict.SURVIVED, RUNNER.Verdict.NOT_RUN, RUNNER.Verdict.NOT_RUN]
