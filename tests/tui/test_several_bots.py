"""Keys at a desk of several bots: the same contract held twice is told apart by whose it is (CON-43)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine.instant import NS_PER_S
from engine.operator import CancelAll, Enter, ExitLeg, PauseEntries
from engine.order import Side
from tui.controls import Controls
from tui.entryline import EntryLine
from tui.selection import leg_of
from tui.state import ScreenState


def twin_of(view: Any, bot: str = "twin") -> Any:
    """The same legs, brackets and orders once more, held by another bot."""
    legs = tuple(msgspec.structs.replace(leg, bot=bot) for leg in view.legs)
    brackets = tuple(msgspec.structs.replace(b, bot=bot, bracket_id=f"T{b.bracket_id}") for b in view.brackets)
    own = tuple(msgspec.structs.replace(order, bot=view.legs[0].bot) for order in view.orders)
    orders = tuple(msgspec.structs.replace(order, bot=bot, tag=f"T{order.tag}") for order in view.orders)
    return msgspec.structs.replace(view, legs=view.legs + legs, brackets=view.brackets + brackets, orders=own + orders)


@pytest.fixture
def sent(console: Any, new_id: Callable[[], str]) -> Callable[..., list[Any]]:
    """Press keys at a desk of two bots; the requests that left, without their ids."""
    console.current = twin_of(console.current)

    def press(*keys: str) -> list[Any]:
        controls = Controls(console, ScreenState("desk-dark"), new_id)
        for key in keys:
            controls.press(key, 1_000 * NS_PER_S)
        return [msgspec.structs.replace(request, request_id="") for request in console.requests]

    return press


@pytest.mark.row("CON-43")
def test_the_cursor_walks_over_the_legs_of_all_bots_and_exits_the_one_it_is_on(sent, console) -> None:
    first = console.current.legs[0].bot
    symbols = [leg.symbol for leg in console.current.legs]

    assert sent("e", "E") == [ExitLeg(request_id="", symbol=symbols[0], bot=first)]
    console.submitted.clear()
    assert sent("j", "j", "e", "E") == [ExitLeg(request_id="", symbol=symbols[2], bot="twin")]
    assert symbols[0] == symbols[2]


@pytest.mark.row("CON-43")
def test_a_bracket_and_an_order_lead_to_their_own_bots_leg(sent, console) -> None:
    brackets = len(console.current.brackets)
    assert sent("3", *["j"] * (brackets - 1), "e", "E")[0].bot == "twin"

    view = console.current
    order = next(order for order in view.orders if order.bot == "twin")
    assert leg_of(view, order).bot == "twin"


def test_cancel_all_scoped_to_a_leg_names_its_bot(sent, console) -> None:
    leg = console.current.legs[0]
    assert sent("c", "tab", "C") == [CancelAll(request_id="", symbols=(leg.symbol,), bot=leg.bot)]


def test_the_entry_line_offers_all_each_bot_and_each_leg(console) -> None:
    view = twin_of(console.current)
    first = view.legs[0].bot
    line = EntryLine(Side.BUY, view.legs)

    assert line.targets[0] == "all" and (line.symbols, line.bot) == ((), "")
    assert [target for target in line.targets if target.startswith("twin ")] == ["twin both", "twin CE", "twin PE"]
    for _ in range(4):
        line.press("tab")
    assert (line.target, line.symbols, line.bot) == ("twin both", (), "twin")
    assert line.targets[1] == f"{first} both"


def test_an_entry_for_one_bot_says_so(sent, console) -> None:
    requests = sent("b", "tab", "tab", "enter", "B")
    leg = console.current.legs[0]
    assert requests == [Enter(request_id="", side=Side.BUY, symbols=(leg.symbol,), bot=leg.bot)]


def test_entries_that_one_bot_may_not_make_can_still_be_paused(sent, console) -> None:
    status = msgspec.structs.replace(console.current.status, entries="ON, except twin: paused")
    console.current = msgspec.structs.replace(console.current, status=status)
    assert sent("p") == [PauseEntries(request_id="", paused=True)]


def test_with_one_bot_nothing_is_named(console, new_id) -> None:
    controls = Controls(console, ScreenState("desk-dark"), new_id)
    for key in ("e", "E"):
        controls.press(key, 1_000 * NS_PER_S)
    assert {request.bot for request in console.requests} == {""}
