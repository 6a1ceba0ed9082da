"""HRD-32, "stop with fallback". Ours: `BracketProtection.stop_shape` says what a stop looks like at this venue, and
`note_exit_refusal` what a refusal leads to: the SL where the SL-M was not taken, another try, or the way out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine import refusals
from engine.bracket_state import BracketTerms, Exhausted, StopType
from engine.instant import NS_PER_MS, NS_PER_S
from engine.instrument import Instrument
from engine.messages import Msg
from engine.order import OrderType, Role
from engine.outbox import ModifyOrder

TERMS = BracketTerms(target_offset_paise=5_00, stop_offset_paise=5_00)


def bought(bench: Any, terms: BracketTerms = TERMS, **changes: Any) -> Any:
    """75 bought at 150.00 and told; the stop at 145.00 is decided and not sent."""
    world = bench(terms, **changes)
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=150_00)
    world.deliver_news()
    return world


def answer_stop(world: Any, outcome: str) -> None:
    world.send(outcome)
    world.deliver_answer()


@pytest.mark.row("HRD-32", "HRD-12")
def test_an_option_gets_a_stop_limit_and_a_share_a_stop_market(bench: Any, equity: Instrument) -> None:
    option, share = bench(TERMS).bracket, bench(TERMS, instrument=equity).bracket
    wants_sl = bench(msgspec.structs.replace(TERMS, stop_type=StopType.SL), instrument=equity).bracket

    assert option.stop_shape(145_00) == (OrderType.SL, 142_10)
    assert share.stop_shape(145_00) == (OrderType.SL_M, 0)
    assert wants_sl.stop_shape(145_00)[0] is OrderType.SL


@pytest.mark.row("HRD-32", "HRD-12")
def test_after_one_refused_stop_market_only_stop_limits_are_shaped(bench: Any, equity: Instrument) -> None:
    world = bought(bench, instrument=equity)
    answer_stop(world, refusals.ORDER_TYPE)

    stops = [order.type for order in world.orders(Role.STOP)]
    assert stops == [OrderType.SL_M, OrderType.SL], "at once, without a wait and without a second SL-M"
    assert world.body.stop_rejects == 0 and len(world.phrases(Msg.FALLBACK)) == 1


@pytest.mark.row("HRD-14", "HRD-32")
def test_each_stop_decision_is_one_line_with_reason_trigger_limit_and_price(bench: Any) -> None:
    world = bought(bench)
    world.settle()
    world.fill(world.orders(Role.TARGET)[0], 50)
    world.settle()

    symbol = world.body.symbol
    assert world.phrases(Msg.STOP_DECISION) == [
        f"[STOP] {symbol} placed: SL trigger 145.00 limit 142.10 qty 75 LTP 150.00",
        f"[STOP] {symbol} resized: SL trigger 145.00 limit 142.10 qty 25 LTP 150.00",
    ]
    assert sum(isinstance(command, ModifyOrder) for _, command in world.wrote) == 1


@pytest.mark.row("HRD-14", "HRD-13", "HRD-32")
def test_a_fallback_and_a_jumped_stop_are_told_with_their_numbers(bench: Any, equity: Instrument) -> None:
    world = bought(bench, instrument=equity)
    answer_stop(world, refusals.ORDER_TYPE)
    world.settle()
    fallback = f"[FALLBACK] {world.body.symbol} SL-M refused, using SL trigger 145.00 limit 142.10"
    assert world.phrases(Msg.FALLBACK) == [fallback]
    assert len(world.phrases(Msg.STOP_DECISION)) == 2, "the SL-M and the SL"

    world.tick(140_00)
    world.advance(310 * NS_PER_MS)
    (jumped,) = world.phrases(Msg.STOP_JUMPED)
    assert "stop 145.00 not filled at LTP 140.00: re-pricing to " in jumped


@pytest.mark.row("HRD-23", "HRD-32")
@pytest.mark.parametrize(
    ("refused", "line", "side"),
    [(Role.STOP, Msg.SL_REJECTED, "downside"), (Role.TARGET, Msg.TP_REJECTED, "upside")],
    ids=["stop", "target"],
)
def test_a_rejected_exit_is_a_critical_line_each_time_it_happens(
    bench: Any, refused: Role, line: Msg, side: str
) -> None:
    world = bought(bench)
    if refused is Role.TARGET:
        answer_stop(world, "ack")
    answer_stop(world, refusals.OTHER)
    for _ in range(5):
        world.read_books()
        world.deliver_books()
        world.wake()

    kind = "SL" if refused is Role.STOP else "TP"
    assert world.phrases(line) == [f"[CRITICAL] {kind} rejected - position UNPROTECTED on {side}!"]
    assert line.level == "CRITICAL", "which calls a person"


@pytest.mark.row("HRD-38", "HRD-32")
@pytest.mark.parametrize("policy", list(Exhausted))
def test_three_refusals_say_so_and_then_leave_or_only_alert(bench: Any, policy: Exhausted) -> None:
    world = bought(bench, msgspec.structs.replace(TERMS, on_exhausted=policy))
    for _ in range(3):
        while not any(order.role is Role.STOP for order in world.bracket.live(Role.STOP)):
            world.advance(100 * NS_PER_MS)
        answer_stop(world, refusals.OTHER)
        while world.queue and world.blotter.orders[world.next_command().tag].role is Role.TARGET:
            answer_stop(world, "ack")
    world.advance(5 * NS_PER_S)

    text = "[CRITICAL] Max exit legs retries reached - position is UNPROTECTED!"
    assert world.phrases(Msg.EXITS_EXHAUSTED) == [text]
    assert len(world.orders(Role.STOP)) == 3
    assert bool(world.body.exit_reason) is (policy is Exhausted.FLATTEN)
    assert world.alarms
