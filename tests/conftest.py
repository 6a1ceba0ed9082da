"""For every test: the shared reference folder, hypothesis profiles, and the index of tests by requirement row."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
ROWS_REPORT = "--rows-to"
Trees = dict[str, ast.Module]

# `ci` gives the same examples on every machine; STRIKEDESK_HYPOTHESIS=dev looks for new ones.
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=40, print_blob=True)
settings.register_profile(
    "dev", deadline=None, max_examples=500, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("STRIKEDESK_HYPOTHESIS", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(ROWS_REPORT, default="", help="write {row id: [test ids]} as JSON to this file after collection")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests are collected, so that the rows they prove are counted, and run when asked for."""
    if os.environ.get("STRIKEDESK_SLOW") == "1":
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run by make slow"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """With --rows-to: which tests carry which requirement row (`make rows`)."""
    target = session.config.getoption(ROWS_REPORT)
    if not target:
        return
    tests_of: dict[str, list[str]] = {}
    for item in session.items:
        test_id = item.nodeid.partition("[")[0]
        for mark in item.iter_markers("row"):
            for row in mark.args:
                tests = tests_of.setdefault(row, [])
                if test_id not in tests:
                    tests.append(test_id)
    Path(target).write_text(json.dumps(tests_of), encoding="utf-8")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference folder beside the project (recorded market data, broker fixtures); absent on most machines."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the reference folder 'shared' is not beside the project")
    return folder


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
