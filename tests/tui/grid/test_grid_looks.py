"""What a desk with a grid looks like: three sizes, alone and beside legs, its bad states, light and without colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)
LOOKS: list[tuple[str, str, tuple[int, int], list[str], dict[str, Any]]] = [
    ("grid_small", "grid", SMALL, [], {}),
    ("grid_medium", "grid", MEDIUM, [], {}),
    ("grid_large", "grid", LARGE, [], {}),
    ("bare_small", "bare", SMALL, [], {}),
    ("bare_medium", "bare", MEDIUM, [], {}),
    ("both_small", "both", SMALL, ["7"], {}),
    ("both_medium", "both", MEDIUM, ["7"], {}),
    ("both_large", "both_bare", LARGE, ["3"], {}),
    ("ended_small", "ended", SMALL, ["k", "k"], {}),
    ("waiting_small", "waiting", SMALL, [], {}),
    ("two_small_oco", "two", SMALL, ["3"], {}),
    ("armed_level_small", "grid", SMALL, ["e"], {}),
    ("armed_grid_medium", "grid", MEDIUM, ["e", "tab", "tab"], {}),
    ("level_details_medium", "grid", MEDIUM, ["k", "enter"], {}),
    ("grid_light", "grid", MEDIUM, [], {"theme": "desk-light"}),
    ("bare_cvd", "bare", MEDIUM, [], {"theme": "desk-cvd-dark"}),
    ("bare_no_colour", "bare", MEDIUM, ["3"], {"no_color": True}),
]


@pytest.mark.parametrize(("name", "state", "size", "keys", "options"), LOOKS, ids=[look[0] for look in LOOKS])
def test_the_grid_looks_as_it_did(
    snap_compare: Callable[..., bool],
    make_app: Callable[..., Any],
    grid_console: Callable[[str], Any],
    name: str,
    state: str,
    size: tuple[int, int],
    keys: list[str],
    options: dict[str, Any],
) -> None:
    assert snap_compare(make_app(grid_console(state), **options), press=keys, terminal_size=size)
