"""HRD-32, "cleanup stale". Ours: `BracketExit.cancel_exits`: a flat position's own exits are cancelled, each once, and
the position is over only when every one of them has ended; a refused cancel is looked up before it is asked again."""

from __future__ import annotations

from typing import Any

import pytest

from engine import refusals
from engine.bracket_state import BracketTerms
from engine.instant import NS_PER_MS, NS_PER_S
from engine.messages import Msg
from engine.order import Role
from engine.outbox import CancelOrder, LookUp

TERMS = BracketTerms(target_offset_paise=5_00, stop_offset_paise=5_00)


def closed_by_hand(bench: Any) -> Any:
    """75 held and protected, then sold at the terminal: flat with two stale exits whose cancels are decided."""
    world = bench(TERMS).filled_entry()
    world.close_by_hand(75)()
    return world


@pytest.mark.row("HRD-32", "HRD-22", "LEG-42")
def test_each_stale_exit_is_cancelled_once_and_forgotten_after_its_end(bench: Any) -> None:
    world = closed_by_hand(bench)
    for _ in range(10):
        world.wake()
    assert world.count(CancelOrder) == 2 and not world.is_flat
    symbol = world.body.symbol
    assert world.phrases(Msg.CLEANUP) == [f"[CLEANUP] {symbol} Removing stale orders"] * 2
    world.settle()

    assert world.is_flat and world.venue.live() == []
    assert world.bracket.live(Role.TARGET, Role.STOP) == []
    assert world.count(CancelOrder) == 2


@pytest.mark.row("HRD-32", "HRD-25", "I-5")
def test_an_accepted_cancel_without_an_end_is_read_again_ever_more_slowly(bench: Any) -> None:
    """0.2 s x n up to the book interval of 3 s (F-29), and asked again only after 10 s."""
    world = closed_by_hand(bench)
    began_ns = world.now_ns
    looked: list[int] = []
    collect = world.collect

    def watched() -> None:
        looked.extend(world.now_ns - began_ns for c in world.out.commands if isinstance(c, LookUp) and c.tag)
        collect()

    world.collect = watched
    for _ in range(2):
        world.send("lost_cancel")
        world.deliver_answer()
    world.advance(9 * NS_PER_S)
    spans = sorted({span // NS_PER_MS for span in looked})
    assert spans[:4] == [200, 600, 1200, 2000]
    assert (world.count(CancelOrder), world.is_flat) == (2, False)

    world.advance(2 * NS_PER_S)
    assert world.count(CancelOrder) == 4
    world.settle()
    assert world.is_flat


@pytest.mark.row("HRD-32", "HRD-22")
def test_a_refused_cancel_waits_for_its_look_up(bench: Any) -> None:
    world = closed_by_hand(bench)
    looks = world.look_ups
    world.send(refusals.NO_SUCH_ORDER)
    world.deliver_answer()
    assert world.look_ups == looks + 1
    for _ in range(20):
        world.wake()
    assert world.count(CancelOrder) == 2, "no loop of cancels"


@pytest.mark.row("HRD-20", "HRD-32")
def test_a_cancel_that_meets_a_fill_takes_that_part_off_the_exit(bench: Any) -> None:
    """The target fills 50 while it is being cancelled: 25 are left to sell, and no more are sold."""
    world = bench(TERMS).filled_entry()
    world.exit("Target Hit")
    (target,) = world.orders(Role.TARGET)
    world.fill(target, 50)
    world.settle()

    assert [order.qty for order in world.orders(Role.EXIT)] == [25]
    world.match_market()
    world.settle()
    assert (world.venue.position, world.is_flat) == (0, True)
