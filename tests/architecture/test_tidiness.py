"""Style that a program can check: sizes, names, docstrings, exports, and that every sentence can be filled."""

from __future__ import annotations

import ast
import importlib
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.messages import Msg

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "brokers", "tui")
TreesOf = Callable[..., dict[str, ast.Module]]
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 600
LONGER: dict[str, int] = {}
"""Functions (`path:name`) and files that may be longer, with their size; may only shrink."""
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sizes(trees: dict[str, ast.Module]) -> Iterator[tuple[str, int, int]]:
    """(what, lines, most) of every file and function."""
    for path, tree in trees.items():
        yield path, len((ROOT / path).read_text(encoding="utf-8").splitlines()), FILE_LINES_MAX
        for node in ast.walk(tree):
            if isinstance(node, Function):
                assert node.end_lineno is not None
                yield f"{path}:{node.name}", node.end_lineno - node.lineno + 1, FUNCTION_LINES_MAX


def test_no_file_and_no_function_is_too_long(trees_of: TreesOf) -> None:
    too_long = {what: lines for what, lines, most in sizes(trees_of(*PACKAGES)) if lines > most}

    assert {what: lines for what, lines in too_long.items() if lines > LONGER.get(what, 0)} == {}
    assert [what for what in LONGER if what not in too_long] == [], "no longer too long: remove from LONGER"


def test_no_name_says_nothing(trees_of: TreesOf) -> None:
    empty: list[str] = []
    for path, tree in trees_of(*PACKAGES).items():
        names = [Path(path).stem, *Path(path).parts[:-1]]
        names += [node.name for node in ast.walk(tree) if isinstance(node, Function | ast.ClassDef)]
        for name in names:
            words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
            if EMPTY_NAMES & {word.lower() for word in words}:
                empty.append(f"{path}: {name}")

    assert empty == []


def test_every_module_says_its_one_job(trees_of: TreesOf) -> None:
    silent = [path for path, tree in trees_of(*PACKAGES).items() if not ast.get_docstring(tree)]

    assert silent == []


def test_exported_names_are_sorted_and_exist(trees_of: TreesOf) -> None:
    packages = [path for path in trees_of("engine", "brokers") if path.endswith("/__init__.py")]
    for path in packages:
        module = importlib.import_module(path.removesuffix("/__init__.py").replace("/", "."))
        exported = getattr(module, "__all__", [])
        assert list(exported) == sorted(exported), path
        assert [name for name in exported if not hasattr(module, name)] == [], path


def template_fields(msg: Msg) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(msg.value.template) if name is not None}


@pytest.mark.row("OPS-24")
@pytest.mark.parametrize("msg", Msg, ids=lambda msg: msg.name)
def test_every_sentence_can_be_filled_by_name(msg: Msg) -> None:
    fields = template_fields(msg)

    assert all(name.isidentifier() for name in fields), "only named fields without format codes"
    text = msg.text(**{name: f"<{name}>" for name in fields})
    assert all(f"<{name}>" in text for name in fields)
    assert msg.level in ("DEBUG", "INFO", "WARN", "ERROR", "CRITICAL")


def said_fields(call: ast.Call) -> set[str] | None:
    """Names that a `say` or `text` call gives; None when it passes a mapping that cannot be read here."""
    given = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
    if any(keyword.arg is None for keyword in call.keywords):
        return None
    for argument in call.args:
        if isinstance(argument, ast.Dict):
            if not all(isinstance(key, ast.Constant) for key in argument.keys):
                return None
            given |= {str(key.value) for key in argument.keys if isinstance(key, ast.Constant)}
        elif isinstance(argument, ast.Name) and argument.id in ("fields", "values"):
            return None
    return given


def sayings(tree: ast.Module) -> Iterator[tuple[Msg, ast.Call]]:
    """Calls with a message spelt out: `say(Msg.X, ...)` and `Msg.X.text(...)`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="say"), args=[ast.Attribute(value=ast.Name(id="Msg"), attr=name), *_]
            ):
                yield Msg[name], node
            case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="Msg"), attr=name), attr="text")):
                yield Msg[name], node


@pytest.mark.row("OPS-24")
def test_every_place_that_says_a_sentence_gives_all_its_fields(trees_of: TreesOf) -> None:
    lacking: list[str] = []
    checked = 0
    for path, tree in trees_of(*PACKAGES).items():
        for msg, call in sayings(tree):
            given = said_fields(call)
            if given is None:
                continue
            checked += 1
            missing = template_fields(msg) - given
            if missing:
                lacking.append(f"{path}:{call.lineno}: {msg.name} without {', '.join(sorted(missing))}")

    assert lacking == []
    assert checked > 20
