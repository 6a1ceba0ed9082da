"""The README tells the truth: its key table is the program's, its files exist, its commands are the Makefile's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tui.actions import key_table_markdown

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.mark.row("LEG-69")
def test_no_engine_code_reads_the_primary_summary() -> None:
    users = [
        path.name
        for path in (ROOT / "engine").rglob("*.py")
        if "primary_summary" in path.read_text(encoding="utf-8") and path.name != "legs.py"
    ]

    assert users == []
