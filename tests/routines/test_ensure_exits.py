"""HRD-32, "ensure exits". Ours: `Bracket.ensure_exits` and the plan under it: what should rest, less what rests or is
not answered for, is asked for; asked a hundred times it is asked for once."""

from __future__ import annotations

from typing import Any

import pytest

from engine.bracket_state import BracketTerms
from engine.instant import NS_PER_S
from engine.messages import Msg
from engine.order import OrderState, Role
from engine.outbox import CancelOrder, PlaceOrder

TERMS = BracketTerms(target_offset_paise=5_00, stop_offset_paise=5_00)


def ensure(world: Any, times: int = 1) -> None:
    for _ in range(times):
        world.bracket.ensure_exits(world.now_ns, world.out)
        world.collect()


@pytest.mark.row("HRD-32", "BUG-96")
def test_the_first_plan_asks_for_the_stop_and_then_the_target(bench: Any) -> None:
    world = bench(TERMS)
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=150_00)
    world.deliver_news()

    asked = [world.blotter.orders[command.tag].role for _, command in world.wrote]
    assert asked == [Role.ENTRY, Role.STOP, Role.TARGET]


@pytest.mark.row("HRD-32", "LEG-17")
def test_asked_for_a_hundred_times_there_is_one_pair(bench: Any) -> None:
    world = bench(TERMS)
    entry = world.enter()
    world.settle()
    world.fill(entry)
    world.deliver_news()
    ensure(world, 50)  # both are decided and not sent
    assert len(world.phrases(Msg.EXITS_IN_FLIGHT)) == 50
    world.settle()
    ensure(world, 50)

    assert (world.count(PlaceOrder), world.count(CancelOrder)) == (3, 0)


@pytest.mark.row("HRD-21", "HRD-32")
def test_a_stop_refused_by_the_exchange_after_acceptance_is_replaced_within_a_second(bench: Any) -> None:
    world = bench(TERMS).filled_entry()
    (stop,) = world.orders(Role.STOP)
    world.venue.end(world.venue.orders[stop.tag], OrderState.REJECTED, "exchange refused it later")
    seen_ns = world.now_ns
    while world.venue.news:
        world.deliver_news()
    while len(world.orders(Role.STOP)) == 1:
        assert world.now_ns - seen_ns < NS_PER_S, "a second without a replacement"
        world.advance(NS_PER_S // 20)
    world.settle()

    assert world.bracket.covered_qty == 75
    assert len(world.phrases(Msg.REARM)) == len(world.phrases(Msg.ENSURE_EXITS)) == 1
    assert world.count(PlaceOrder) == 4, "the target was healthy and is left alone"


@pytest.mark.row("HRD-21", "HRD-32", "BUG-08")
def test_a_stop_that_nobody_answered_for_gets_no_second_one(bench: Any) -> None:
    world = bench(TERMS)
    entry = world.enter()
    world.settle()
    world.fill(entry)
    world.deliver_news()
    world.send("lost")  # the stop is in the book and we do not know it
    world.deliver_answer()
    world.venue.news.clear()
    ensure(world, 20)
    assert len(world.orders(Role.STOP)) == 1

    world.read_books()
    world.deliver_books()
    world.settle()
    ensure(world, 20)
    assert (world.bracket.covered_qty, len(world.orders(Role.STOP))) == (75, 1)
