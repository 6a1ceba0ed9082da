"""The README tells the truth: its key table is the program's, its files exist, its commands are the Makefile's, its
examples are taken as they stand."""

from __future__ import annotations

import re
import shlex
import textwrap
from fnmatch import fnmatch
from pathlib import Path

import pytest

from engine.config.load import load_config
from tui.actions import key_table_markdown
from tui.cli import argument_parser

ROOT = Path(__file__).resolve().parents[2]
TOPS = ("engine", "brokers", "tui", "tests")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_key_table_is_the_action_table() -> None:
    between = re.search(r"<!-- keys:.*?-->\n(.*?)<!-- end of keys -->", README, re.DOTALL)

    assert between is not None
    assert key_table_markdown().strip() == between[1].strip()


def test_every_page_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.row("OPS-01")
def test_its_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for target in ("run", "test", "rows", "mutations", "bench", "docs"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def indented(text: str) -> list[str]:
    """The code blocks of a page, without their indentation."""
    blocks = re.findall(r"(?:^    .+\n)+", text, re.MULTILINE)
    return [textwrap.dedent(block) for block in blocks]


CONFIGURATIONS = [block for block in indented(README) if re.search(r"^(\[|\w+ = )", block)]
COMMANDS = [
    re.sub(r"\s*\[.*|\s{2,}.*", "", line)
    for block in indented(README)
    for line in block.splitlines()
    if line.startswith("strikedesk")
]


@pytest.mark.row("OPS-33")
@pytest.mark.parametrize("example", CONFIGURATIONS)
def test_every_configuration_in_it_is_taken_as_it_stands(example: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(example if example.startswith("[") else f"[legs]\n{example}", encoding="utf-8")

    assert load_config(path, {}) != load_config(None, {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)})


@pytest.mark.row("OPS-33")
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_it_is_understood(command: str) -> None:
    argument_parser().parse_args(shlex.split(command)[1:])


@pytest.mark.row("OPS-22")
def test_its_exit_codes_are_those_of_the_help() -> None:
    told = re.findall(r"^\| (\d) \|", README, re.MULTILINE)
    helped = re.findall(r"(?<!\S)(\d)  ", argument_parser().format_help().split("exit codes:")[1])

    assert told == sorted(helped)


@pytest.mark.row("LEG-70")
def test_every_routine_of_the_map_exists() -> None:
    """docs/architecture.md maps each action of the seed to one routine here; the names must be real."""
    from engine.bracket import Bracket
    from engine.bracket_close import round_trips
    from engine.bracket_exit import BracketExit
    from engine.bracket_orders import BracketOrders
    from engine.bracket_protection import BracketProtection
    from engine.desk_reads import BookReader
    from engine.exit_rules.lock_fraction import LockFraction
    from engine.legs import LegsBot
    from engine.order import Order, OrderState

    owners = {
        "Bracket": Bracket,
        "BracketExit": BracketExit,
        "BracketOrders": BracketOrders,
        "BracketProtection": BracketProtection,
        "Order": Order,
        "OrderState": OrderState,
        "BookReader": BookReader,
        "LegsBot": LegsBot,
        "LockFraction": LockFraction,
    }
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.split("(LEG-70)")[1].split("## ")[0]
    named = re.findall(r"`(\w+)\.(\w+)", section)

    assert len(named) >= 10
    for owner, method in named:
        if owner == "bracket_close":
            assert method == round_trips.__name__
        else:
            assert hasattr(owners[owner], method), f"{owner}.{method}"


@pytest.mark.row("OPS-33")
def test_every_file_the_picture_of_the_desk_names_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w/*]*\w\*?\.(?:py|toml)", page))
    there = [path.relative_to(ROOT).as_posix() for top in TOPS for path in (ROOT / top).rglob("*.*")]

    assert len(named) > 60
    assert [name for name in sorted(named) if not any(fnmatch(f"/{path}", f"*/{name}") for path in there)] == []


@pytest.mark.row("LEG-69")
def test_no_engine_code_reads_the_primary_summary() -> None:
    users = [
        path.name
        for path in (ROOT / "engine").rglob("*.py")
        if "primary_summary" in path.read_text(encoding="utf-8") and path.name != "legs.py"
    ]

    assert users == []
