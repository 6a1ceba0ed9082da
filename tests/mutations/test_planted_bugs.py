"""The simulator's list of bugs stays true: each can be planted, and some are looked for here (`make planted`: all)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def loaded(name: str) -> ModuleType:
    """A script of this folder, as `make planted` runs it."""
    sys.path.insert(0, str(HERE))
    try:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(HERE))
    return module


PLANTED = loaded("planted")
BUGS = PLANTED.read_planted()


def test_every_bug_of_the_list_can_be_planted() -> None:
    wrong: list[str] = []
    for bug in BUGS:
        try:
            bug.mutation.planted((ROOT / bug.mutation.file).read_text(encoding="utf-8"))
        except ValueError as error:
            wrong.append(str(error))

    assert wrong == []
    assert len(BUGS) >= 20 and sum(bool(bug.design) for bug in BUGS) == 13, "the thirteen of the design among them"


@pytest.mark.slow
@pytest.mark.xdist_group("mutations")
@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.in_ci], ids=lambda bug: bug.mutation.name)
def test_the_simulator_finds_it_within_a_few_drills(bug) -> None:
    with PLANTED.project_copy() as copy:
        assert PLANTED.look_for(bug.mutation, copy, drills=8, themes=())
