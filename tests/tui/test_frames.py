"""The frame pump between frames: when the timer may leave one out, and when it may not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tui.frames import RESTING_HZ, FramePump

HZ = 10


@pytest.fixture
def pump() -> FramePump:
    return FramePump(HZ, lambda cost: pytest.fail("no frame was asked for"), lambda: 0)


@pytest.fixture
def still(console: Any) -> Any:
    """A desk on which nothing is open."""
    view = console.view()
    legs = tuple(msgspec.structs.replace(leg, open_qty=0) for leg in view.legs)
    return msgspec.structs.replace(view, legs=legs)


def rests(pump: FramePump, views: list[Any]) -> str:
    return "".join("-" if pump.may_rest(view) else "F" for view in views)


def test_a_desk_on_which_nothing_happens_gets_two_frames_a_second(pump: FramePump, still: Any) -> None:
    assert RESTING_HZ == 2
    assert rests(pump, [still] * (2 * HZ)) == "F----" * 4


def test_a_tick_a_step_and_a_log_line_each_get_their_frame_at_once(pump: FramePump, still: Any) -> None:
    replace = msgspec.structs.replace
    ticked = replace(still, status=replace(still.status, feed_ns=still.status.feed_ns + 1))
    stepped = replace(ticked, version=still.version + 1)
    said = replace(stepped, log_seq=still.log_seq + 1)

    assert rests(pump, [still, still, ticked, ticked, stepped, stepped, said, said]) == "F-F-F-F-"


def test_with_a_position_open_every_frame_is_built(pump: FramePump, console: Any) -> None:
    view = console.view()
    assert any(leg.open_qty for leg in view.legs)

    assert rests(pump, [view] * HZ) == "F" * HZ


def test_a_slow_screen_never_rests(still: Any) -> None:
    pump = FramePump(RESTING_HZ, lambda cost: pytest.fail("no frame was asked for"), lambda: 0)

    assert rests(pump, [still] * 6) == "F" * 6
