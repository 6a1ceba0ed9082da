"""The two-stroke machine, transcript by transcript."""

from __future__ import annotations

import pytest

from engine.instant import NS_PER_S
from engine.operator import ZeroOut
from tui.armbar import ArmBar, Arming, Verdict, armed_lines
from tui.lines import text_of, width_of

S = NS_PER_S


def arming(**fields: object) -> Arming:
    base = Arming(
        action_id="zero_out",
        label="zero out",
        arm_key="z",
        send_key="Z",
        request=ZeroOut(request_id="K1"),
        text="cancel 4 orders, then exit 2 legs",
        quantity=(150, 75),
        mode="PAPER DEMO DEMO1",
        named_keys=frozenset({"tab"}),
    )
    return base._replace(**fields)


@pytest.fixture
def bar() -> ArmBar:
    armed = ArmBar()
    armed.arm(arming(), 0)
    return armed


def test_the_send_key_inside_the_window_sends_once(bar: ArmBar) -> None:
    assert Verdict.SEND is bar.press("Z", 2 * S)
    assert Verdict.NOT_ARMED is bar.press("Z", 2 * S)


def test_the_send_key_at_the_end_of_the_window_keeps(bar: ArmBar) -> None:
    assert Verdict.KEPT is bar.press("Z", 3 * S)
    assert bar.armed is None


def test_the_arming_key_again_neither_sends_nor_extends(bar: ArmBar) -> None:
    assert Verdict.NO_EFFECT is bar.press("z", 2 * S)
    assert Verdict.KEPT is bar.press("Z", 3 * S)


@pytest.mark.parametrize("key", ["escape", "enter", "E", "x", "1", "down", "space", "f5"])
def test_any_key_the_bar_does_not_name_keeps(bar: ArmBar, key: str) -> None:
    assert Verdict.KEPT is bar.press(key, S)
    assert Verdict.NOT_ARMED is bar.press("Z", S)


def test_a_named_key_restarts_the_time_once_and_only_once(bar: ArmBar) -> None:
    assert Verdict.NAMED is bar.press("tab", 2 * S)
    bar.rescope(arming(text="narrower"), 2 * S)
    assert bar.left_ns(2 * S) == 3 * S

    bar.rescope(arming(text="wider"), 4 * S)

    assert bar.left_ns(4 * S) == 1 * S


def test_time_out_disarms_and_names_what_was_armed(bar: ArmBar) -> None:
    assert bar.expire(3 * S - 1) is None

    expired = bar.expire(3 * S)

    assert expired is not None and expired.label == "zero out"
    assert bar.armed is None


def test_arming_a_second_action_disarms_the_first(bar: ArmBar) -> None:
    bar.arm(arming(action_id="exit_leg", arm_key="e", send_key="E"), S)

    assert Verdict.KEPT is bar.press("Z", S)


def test_a_changed_quantity_is_marked_and_a_changed_price_is_not(bar: ArmBar) -> None:
    bar.refresh("limit moved", (150, 75))
    assert not bar.has_changed

    bar.refresh("part filled", (75, 75))
    bar.refresh("price again", (75, 75))

    assert bar.has_changed
    assert "(changed)" in text_of(armed_lines(bar, S, 120)[0])


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_armed_bar_says_mode_numbers_keys_and_time_at_every_width(bar: ArmBar, width: int) -> None:
    lines = armed_lines(bar, S // 2, width)
    told = " ".join(text_of(row) for row in lines)

    for words in ("ARMED zero out: cancel 4 orders", "Z (shift+z) sends", "Esc keeps", "2.5 s", "PAPER DEMO"):
        assert words in told
    assert all(width_of(row) <= width for row in lines)
