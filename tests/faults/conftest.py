"""The desk of `tests/system`, for faults that no other folder has at its heart, and the project's source as trees."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_SYSTEM = runpy.run_path(str(_ROOT / "tests" / "system" / "conftest.py"))
run_desk = _SYSTEM["run_desk"]
seed_setup = _SYSTEM["seed_setup"]


@pytest.fixture(scope="session")
def source(trees_of: Callable[..., dict[str, ast.Module]]) -> dict[str, ast.Module]:
    """Path relative to the project -> syntax tree, of everything that runs."""
    return trees_of("engine", "brokers", "tui")


@pytest.fixture(scope="session")
def calls(source: dict[str, ast.Module]) -> dict[str, list[ast.Call]]:
    """Path -> every call in it."""
    return {path: [node for node in ast.walk(tree) if isinstance(node, ast.Call)] for path, tree in source.items()}
