"""What the screen looks like: three sizes, every bad state, light and no colour. Clock and ages stand still.

Baselines come from one Python and one Textual version; after a wanted change look at the report, then run with
`--snapshot-update`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)
LOOKS: list[tuple[str, str, tuple[int, int], list[str], dict[str, Any]]] = [
    ("normal_small", "normal", SMALL, [], {}),
    ("normal_medium", "normal", MEDIUM, [], {}),
    ("normal_large", "normal", LARGE, [], {}),
    ("naked_small", "naked", SMALL, [], {}),
    ("naked_medium", "naked", MEDIUM, [], {}),
    ("naked_large_orders", "naked", LARGE, ["4"], {}),
    ("unknown_medium", "unknown", MEDIUM, ["3"], {}),
    ("stale_small", "stale", SMALL, [], {}),
    ("stale_medium", "stale", MEDIUM, [], {}),
    ("armed_small", "normal", SMALL, ["z"], {}),
    ("armed_medium", "normal", MEDIUM, ["e"], {}),
    ("rejected_medium", "rejected", MEDIUM, ["4"], {}),
    ("empty_small", "empty", SMALL, [], {}),
    ("empty_medium", "empty", MEDIUM, ["b"], {}),
    ("quit_small", "normal", SMALL, ["q"], {}),
    ("normal_light", "normal", MEDIUM, [], {"theme": "desk-light"}),
    ("naked_cvd", "naked", MEDIUM, [], {"theme": "desk-cvd-dark"}),
    ("naked_no_colour", "naked", MEDIUM, ["4"], {"no_color": True}),
]


@pytest.mark.parametrize(("name", "state", "size", "keys", "options"), LOOKS, ids=[look[0] for look in LOOKS])
def test_the_screen_looks_as_it_did(
    snap_compare: Callable[..., bool],
    make_app: Callable[..., Any],
    console_in: Callable[[str], Any],
    name: str,
    state: str,
    size: tuple[int, int],
    keys: list[str],
    options: dict[str, Any],
) -> None:
    assert snap_compare(make_app(console_in(state), **options), press=keys, terminal_size=size)
