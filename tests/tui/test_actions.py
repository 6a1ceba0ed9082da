"""The action table is complete, free of conflicts, and everything is generated from it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tui.actions import (
    ACTIONS,
    BINDINGS,
    FORBIDDEN_KEYS,
    SEND_KEYS,
    Action,
    Danger,
    Panel,
    Situation,
    find_actions,
    footer_items,
    key_name,
    key_table_markdown,
    keys_text,
)
from tui.controls import Controls
from tui.lines import text_of
from tui.screens.help import help_lines


def situation(console: Any, panel: Panel = Panel.LEGS) -> Situation:
    return Situation(panel, console.view(), False, "", False)


def test_no_two_actions_share_a_key_and_no_send_key_is_also_a_key() -> None:
    keys = [key for action in ACTIONS for key in action.keys]

    assert len(keys) == len(set(keys))
    assert not set(keys) & set(SEND_KEYS)


def test_no_action_uses_a_key_that_other_programs_take() -> None:
    assert not set(BINDINGS) & FORBIDDEN_KEYS
    assert not any(key.startswith("alt+") for key in BINDINGS)


@pytest.mark.parametrize("action", [a for a in ACTIONS if a.danger is Danger.TWO_STROKE], ids=lambda a: a.id)
def test_every_dangerous_action_is_sent_by_its_own_letter_in_upper_case(action: Action) -> None:
    assert action.send_key == action.key.upper() != action.key


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.id)
def test_every_action_has_a_handler_and_a_description(action: Action) -> None:
    handler = getattr(Controls, action.handler)

    assert [
        next(iter(inspect.signature(handler).parameters)),
        len(inspect.signature(handler).parameters) - 1,
    ] == ["self", 1]
    assert action.description and action.scope


@pytest.mark.parametrize("panel", list(Panel))
def test_the_dangerous_three_keep_their_place_in_every_footer(console: Any, panel: Panel) -> None:
    assert [item.key for item in footer_items(situation(console, panel))[:4]] == ["e", "c", "z", "p"]


def test_help_lists_every_action_and_the_focused_panel_first() -> None:
    told = "\n".join(text_of(row) for row in help_lines("Orders", 200))

    assert all(keys_text(action) in told and action.description in told for action in ACTIONS)
    assert told.index("cancel the order under the cursor") < told.index("square off the leg")


def test_the_markdown_table_has_one_row_per_action_with_all_its_keys() -> None:
    rows = key_table_markdown().splitlines()[2:]

    assert len(ACTIONS) == len(rows)
    for action, row in zip(ACTIONS, rows, strict=True):
        assert action.description in row
        assert action.id == "panel" or all(f"`{key_name(key)}`" in row for key in action.keys)


@pytest.mark.parametrize(
    ("typed", "found"), [("zero", "zero_out"), ("cancel a", "cancel_all"), ("exit", "exit_leg"), ("recon", "reconcile")]
)
def test_the_command_line_finds_an_action_by_the_start_of_its_name(typed: str, found: str) -> None:
    assert found == find_actions(typed)[0].id


def test_a_disabled_action_says_why(console: Any) -> None:
    for action in ACTIONS:
        reason = action.why_disabled(situation(console, Panel.HEALTH))
        assert reason == "" or len(reason) > 10
    assert "Orders (4)" in BINDINGS["-"].why_disabled(situation(console, Panel.LEGS))
