"""`tui -> engine <- brokers`, and what a command may load: the imports that keep the rooms apart (OPS-01)."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TreesOf = Callable[..., dict[str, ast.Module]]

VOCABULARY = {
    *("clock", "config.accounts", "contracts", "instant", "instrument", "money", "option_symbol", "order", "port"),
    *("port_reads", "refusals", "secrets", "session", "tags", "tick", "venue_rules"),
}
"""Modules of the engine that a broker may know: words and facts, no decisions."""


def engine_imports(tree: ast.Module) -> set[str]:
    """First-level modules of `engine` that a tree imports; of its configuration the table of accounts apart."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="engine", names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module)) if module.startswith("engine."):
                found.add(module.split(".", 1)[1] if module == "engine.config.accounts" else module.split(".")[1])
            case ast.Import(names=names):
                found |= {alias.name.split(".")[1] for alias in names if alias.name.startswith("engine.")}
    return found


def test_brokers_know_the_engines_vocabulary_only(trees_of: TreesOf) -> None:
    beyond = {path: names for path, tree in trees_of("brokers").items() if (names := engine_imports(tree) - VOCABULARY)}

    assert beyond == {}


def test_the_vocabulary_exists_and_the_check_sees_every_form_of_import() -> None:
    assert [name for name in VOCABULARY if not (ROOT / "engine" / f"{name.replace('.', '/')}.py").exists()] == []
    source = "from engine import desk, money\nfrom engine.bracket import Bracket\nimport engine.journal.writer"
    assert engine_imports(ast.parse(source)) == {"desk", "money", "bracket", "journal"}


def test_the_import_contracts_name_modules_that_exist() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    ours = ("engine", "brokers", "tui")
    named = [
        module
        for contract in contracts["contracts"]
        for module in (*contract["source_modules"], *contract["forbidden_modules"])
        if module.split(".")[0] in ours
    ]

    absent = [
        module
        for module in named
        if not (ROOT / f"{module.replace('.', '/')}.py").exists() and not (ROOT / module.replace(".", "/")).is_dir()
    ]
    assert absent == []
    assert len(named) > 10


HEAVY = ("textual", "httpx", "sqlite_utils", "websockets", "rich")


@pytest.mark.row("OPS-01", "OPS-04")
@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        ([], HEAVY),
        (["--version"], HEAVY),
        (["--no-ui", "--help"], ("textual", "rich")),
        (["where"], ("textual", "rich")),
        (["check"], ("textual", "rich")),
    ],
    ids=["import", "version", "help", "where", "check"],
)
def test_a_command_without_a_screen_loads_no_textual(arguments: list[str], unwanted: tuple[str, ...]) -> None:
    if not (ROOT / "tui" / "cli.py").exists():
        pytest.skip("the command line is not written yet")
    loaded = modules_after(arguments)

    assert "tui.cli" in loaded
    assert [name for name in unwanted if name in loaded] == []


def modules_after(arguments: list[str]) -> set[str]:
    """What a fresh interpreter has loaded after `strikedesk ARGUMENTS`; without any, after importing the command."""
    program = (
        "import contextlib, io, json, sys\n"
        "import tui.cli\n"
        "out = io.StringIO()\n"
        "with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), contextlib.suppress(SystemExit):\n"
        "    sys.argv[1:] and tui.cli.main(sys.argv[1:])\n"
        "print(json.dumps(sorted({name for name in sys.modules} | {name.split('.')[0] for name in sys.modules})))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(run.stdout))
