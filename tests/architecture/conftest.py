"""The project's own source as syntax trees, for the tests of this folder; read from disk, nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Trees = dict[str, ast.Module]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker reads the source, not each of them."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here:
            item.add_marker(pytest.mark.xdist_group("source"))


@pytest.fixture(scope="session")
def trees_of() -> Callable[..., Trees]:
    """trees_of("engine", "brokers") -> path relative to the root -> syntax tree."""
    known: dict[str, Trees] = {}

    def read(*packages: str) -> Trees:
        for package in packages:
            if package not in known:
                known[package] = {
                    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"), str(path))
                    for path in sorted((ROOT / package).rglob("*.py"))
                }
        return {path: tree for package in packages for path, tree in known[package].items()}

    return read
