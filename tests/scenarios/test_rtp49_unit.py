"""RTP-49, the unit tests the seed names: one test for each word of its list, on the bracket's exit style `monitored`.

The ids map one to one: `test_rtp49_<item>`; the integration half of the list is in test_rtp49_integration.py.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine import refusals
from engine.bars import Bar
from engine.bracket_state import BracketTerms
from engine.exit_rules.ma_cross import MaCross
from engine.exit_rules.registry import encode_rules
from engine.instant import NS_PER_MS, NS_PER_S
from engine.messages import Msg
from engine.order import OrderType, Role, Side
from engine.outbox import PlaceOrder
from engine.reading import IndicatorSpec, Reading
from engine.view import BracketState, ExitStyle

SEED_LIST = (
    "registration",
    "sl_tp_arithmetic",
    "sl_trigger",
    "tp_trigger",
    "trailing_trigger",
    "market_order",
    "validation",
    "retry",
)
WATCHED = BracketTerms(style=ExitStyle.MONITORED, target_offset_paise=8_00, stop_offset_paise=5_00)


def position(bench: Any, **changes: Any) -> Any:
    """75 bought at 100.00, watched here: stop 95.00, target 108.00."""
    return bench(msgspec.structs.replace(WATCHED, **changes), ltp_paise=100_00).filled_entry(100_00)


def signals_at(world: Any, *prices: int) -> list[Any]:
    signals: list[Any] = []
    for price in prices:
        world.set_price(price)
        world.bracket.on_tick(world.now_ns, world.out)
        signals += world.out.signals
        world.collect()
    return signals


def send(world: Any, outcome: str = "ack") -> None:
    world.send(outcome)
    world.deliver_answer()


def test_each_item_of_the_seeds_list_has_its_test() -> None:
    assert [name for name in globals() if name.startswith("test_rtp49_")] == [
        f"test_rtp49_{item}" for item in SEED_LIST
    ]


@pytest.mark.row("RTP-49", "RTP-01", "RTP-05")
def test_rtp49_registration(bench: Any) -> None:
    """The fill itself registers the position with its levels; no call lies between, and the last price is known."""
    world = bench(msgspec.structs.replace(WATCHED, trade_type="Entry2"), ltp_paise=100_00)
    entry = world.enter()
    world.settle()
    world.fill(entry, price_paise=100_00)
    world.deliver_news()  # one report

    body = world.body
    assert (body.symbol, body.side, body.product, body.exchange, body.bot) == (
        "NIFTY01DEC2624500PE", Side.BUY, "MIS", "NFO", "legs",
    )  # fmt: skip
    assert (body.entry_paise, body.stop_paise, body.target_paise) == (100_00, 95_00, 108_00)
    assert (body.terms.trade_type, body.trail_active, body.target_dropped) == ("Entry2", False, False)
    assert (world.bracket.open_qty, body.state) == (75, BracketState.PROTECTED)
    assert world.bracket.band() == (95_00, 108_00)


@pytest.mark.row("RTP-49", "RTP-23")
@pytest.mark.parametrize(
    ("terms", "stop", "target"),
    [
        ({}, 95_00, 108_00),
        ({"stop_bps": 650, "target_bps": 800}, 93_50, 108_00),
        ({"stop_bps": 333, "target_bps": 0, "target_offset_paise": 0}, 96_65, 0),
    ],
    ids=["rupees", "percent", "no-target"],
)
def test_rtp49_sl_tp_arithmetic(bench: Any, terms: dict[str, int], stop: int, target: int) -> None:
    """Entry 100, 6.5 % and 8 %: 93.50 and 108.00; 3.33 % is 96.67, which is 96.65 on the tick."""
    body = position(bench, **terms).body

    assert (body.stop_paise, body.target_paise) == (stop, target)


@pytest.mark.row("RTP-49", "RTP-16", "RTP-10")
def test_rtp49_sl_trigger(bench: Any) -> None:
    world = position(bench)
    assert signals_at(world, 99_00, 98_00, 97_00, 96_00, 95_05) == []

    (signal,) = signals_at(world, 95_00)
    assert (signal.exit_reason, signal.trigger_paise, signal.stop_paise) == ("Stoploss Hit", 95_00, 95_00)
    assert (signal.order_type, signal.priority) == ("MARKET", "HIGH")


@pytest.mark.row("RTP-49", "RTP-17")
def test_rtp49_tp_trigger(bench: Any) -> None:
    world = position(bench)
    assert signals_at(world, 107_95) == []
    (signal,) = signals_at(world, 108_00)
    assert (signal.exit_reason, signal.target_paise, signal.priority) == ("Target Hit", 108_00, "MEDIUM")

    without = position(bench, target_offset_paise=0)
    assert signals_at(without, 108_00, 150_00, 500_00) == []


class Averages:
    """What the newest closed candle left of both averages: (one candle earlier, now) in rupees."""

    def __init__(self, fast: tuple[float, float], slow: tuple[float, float], bar_end_ns: int) -> None:
        self._of = {4: fast, 7: slow}
        self._bar_end_ns = bar_end_ns

    def reading(self, spec: IndicatorSpec) -> Reading:
        before, now = self._of[int(spec.args[0])]
        bar = Bar(start_ns=self._bar_end_ns - 60 * NS_PER_S, open_paise=1, high_paise=1, low_paise=1, close_paise=1)
        return Reading(value=now, previous=before, bar=bar, bar_end_ns=self._bar_end_ns)


@pytest.mark.row("RTP-49", "RTP-15", "RTP-18", "RTP-19")
@pytest.mark.parametrize(
    ("fast", "slow", "reason"),
    [((101.0, 99.9), (100.0, 100.0), "MA_TRAILING_EXIT"), ((99.0, 98.0), (100.0, 100.0), "")],
    ids=["crosses", "was-under"],
)
def test_rtp49_trailing_trigger(bench: Any, fast: tuple[float, float], slow: tuple[float, float], reason: str) -> None:
    """Armed at +7 %, left when the fast average goes under the slow one on a closed candle and never between two."""
    world = position(bench, rules=encode_rules([MaCross()]))
    assert signals_at(world, 106_95, 107_00) == [] and world.body.target_dropped
    world.now_ns += 60 * NS_PER_S
    world.bracket.readings = Averages(fast, slow, world.now_ns)
    assert signals_at(world, 106_00, 109_00) == [], "not in the middle of a candle, and the fixed target is gone"

    world.bracket.on_candle(world.now_ns, world.out)
    assert [signal.exit_reason for signal in world.out.signals] == ([reason] if reason else [])
    assert {signal.priority for signal in world.out.signals} <= {"MEDIUM"}


@pytest.mark.row("RTP-49", "RTP-26")
def test_rtp49_market_order(bench: Any) -> None:
    """One MARKET order: the other side, the position's own exchange and product, and what is really open."""
    world = position(bench)
    found = world.close_by_hand(25)
    found()
    world.settle()
    world.tick(95_00)

    (order,) = world.orders(Role.EXIT)
    assert (order.type, order.side, order.qty) == (OrderType.MARKET, Side.SELL, 50)
    assert (order.exchange, order.product) == (world.body.exchange, world.body.product)
    assert order.limit_paise == 92_10, "the bid 94.95 less 3 %: the worst price it may trade at"
    world.settle()
    assert world.phrases(Msg.EXIT_PLACED) == [f"Market exit order placed: {order.symbol} - Order ID: V2"]


@pytest.mark.row("RTP-49", "RTP-30", "RTP-31")
def test_rtp49_validation(bench: Any) -> None:
    """Fills say flat; the trade is over only when the broker's own position says so: here on the third look."""
    world = position(bench)
    world.tick(95_00)
    send(world)
    world.match_market()
    while world.venue.news:
        world.deliver_news()
    symbol = world.body.symbol
    for _ in range(2):
        world.read_position(75)
        world.advance(500 * NS_PER_MS)
    assert world.phrases(Msg.STILL_OPEN) == [f"Position still open for {symbol}, attempt {n}/5" for n in (1, 2)]
    assert (world.is_flat, world.trips) == (False, {})

    world.read_position(0)
    assert world.phrases(Msg.PROVEN_FLAT) == [f"✅ Position validated closed: {symbol}"]
    assert world.is_flat and world.trips["trade"].reason == "Stoploss Hit"
    assert len(world.orders(Role.EXIT)) == 1


def refused(world: Any, times: int) -> list[int]:
    """The exit is refused so often; milliseconds from now to each call."""
    began_ns, calls = world.now_ns, []
    for _ in range(times):
        while not world.queue:
            assert world.now_ns - began_ns < 60 * NS_PER_S, f"given up after {len(calls)} calls"
            world.advance(100 * NS_PER_MS)
        calls.append((world.now_ns - began_ns) // NS_PER_MS)
        send(world, refusals.OTHER)
    return calls


@pytest.mark.row("RTP-49", "RTP-28")
def test_rtp49_retry(bench: Any) -> None:
    """Two refusals, then taken: three calls at 0, 0.5 and 1.0 s. Refused again: an alert, then slower and for ever.
    Without an answer: looked up, never sent again."""
    world = position(bench)
    world.tick(95_00)
    assert refused(world, 2) == [0, 500]
    world.advance(500 * NS_PER_MS)
    send(world)
    world.match_market()
    world.settle()
    assert sum(isinstance(command, PlaceOrder) for _, command in world.wrote[1:]) == 3
    assert (world.is_flat, world.venue.position, world.alerts) == (True, 0, [])

    unlucky = position(bench)
    unlucky.tick(95_00)
    calls = refused(unlucky, 6)
    assert calls[:3] == [0, 500, 1000] and calls[5] - calls[4] == calls[4] - calls[3] == 5_000
    assert unlucky.alerts == [f"Failed to exit {unlucky.body.symbol} after 3 attempts"]
    assert unlucky.bracket.has_failed_to_exit and unlucky.body.state is BracketState.EXITING

    silent = position(bench)
    silent.tick(95_00)
    send(silent, "swallowed")
    silent.advance(30 * NS_PER_S)
    assert len(silent.orders(Role.EXIT)) == 1 and silent.look_ups > 3
