"""docs/troubleshooting.md sends a trader to look for phrases: each is one that the program says."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
TreesOf = Callable[..., dict[str, ast.Module]]


def rows(text: str) -> list[list[str]]:
    """Cells of every table row but the heads."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return [row for row in cells if row[0] != "symptom" and not set(row[0]) <= {"-"}]


def spoken(trees: dict[str, ast.Module]) -> str:
    """Every text of the program that is no docstring, one a line."""
    texts: list[str] = []
    for tree in trees.values():
        silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts += [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent
        ]
    return "\n".join(texts)


@pytest.mark.row("OPS-33")
def test_every_phrase_to_look_for_is_one_the_program_says(trees_of: TreesOf) -> None:
    said = spoken(trees_of("engine", "tui"))
    phrases = [phrase for row in rows(PAGE) for phrase in re.findall(r"`([^`]+)`", row[1])]

    assert [phrase for phrase in phrases if phrase not in said] == []
    assert len(phrases) > 50


@pytest.mark.row("OPS-33")
def test_every_symptom_has_a_phrase_and_something_to_do() -> None:
    poor = [row[0] for row in rows(PAGE) if len(row) != 3 or "`" not in row[1] or not row[2]]

    assert poor == []


@pytest.mark.row("OPS-33")
def test_the_symptoms_of_the_leg_scalper_are_all_there() -> None:
    section = PAGE.split("nine symptoms")[1].split("\n## ")[0]

    assert len(rows(section)) == 9
    for phrase in (
        "[FATAL] Symbol validation failed for",
        "[ERROR] placeorder failed for",
        "[WARN] TP status check failed",
        "STATE=",
        "[TRAIL]",
        "[PARTIAL_FILL]",
        "Both TP and SL filled! OCO failure",
    ):
        assert f"`{phrase}`" in section
