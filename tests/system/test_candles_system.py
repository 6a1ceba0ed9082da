"""The desk keeps candles for those who ask, tells every bracket of a closed one, and does nothing for nobody."""

from __future__ import annotations

import msgspec
import pytest

from engine.exit_rules.registry import encode_rules
from engine.exit_rules.supertrend import Supertrend
from engine.operator import Enter
from engine.order import Role, Side
from engine.reading import MINUTE_NS

PE, CE = "NIFTY01DEC2624500PE", "NIFTY01DEC2624500CE"
OTHER = "NIFTY01DEC2624600PE"
TRUSTED_MIN = 40
"""Minutes after which a SuperTrend of two candles is trusted."""
TREND = Supertrend(period=2, factor_hundredths=100)


def with_rules(setup, *rules):
    setup.bracket = msgspec.structs.replace(setup.bracket, rules=encode_rules(rules))
    return setup


async def climb(rig, minutes: int, *, start: float = 100.0, by: float = 2.0) -> float:
    """Every price rises by `by` a minute, in steps of ten seconds; returns the last one."""
    price = start
    for _ in range(minutes * 6):
        price = round((price + by / 6) * 20) / 20
        await rig.quiet(10.0, price, step=5.0)
    return price


@pytest.mark.row("RTP-18", "RTP-21")
def test_the_stop_follows_the_supertrend_of_closed_candles(run_desk, seed_setup) -> None:
    async def scenario(rig):
        assert rig.desk.candles.board.is_wanted(PE), "before there is a position: an indicator needs its history"
        price = await climb(rig, TRUSTED_MIN, by=0.5)
        await rig.enter(price)
        await rig.quiet(1.0, price)
        opened = rig.leg(PE).bracket.body.stop_paise
        levels = [opened]
        for _ in range(4):
            price = await climb(rig, 1, start=price)
            levels.append(rig.leg(PE).bracket.body.stop_paise)

        assert levels == sorted(levels) and levels[-1] > opened
        reading = rig.desk.candles.readings(PE).reading(TREND.spec)
        assert abs(reading.value - levels[-1]) <= 5
        assert reading.bar_end_ns % MINUTE_NS == 0
        assert {o.trigger_paise for o in rig.working(PE) if o.trigger_paise} == {levels[-1]}

    run_desk(scenario, with_rules(seed_setup(60, 30, symbols=(PE,)), TREND))


def test_a_candle_ends_by_the_clock_when_no_tick_comes(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await climb(rig, 3)
        rig.tick(PE, 107.0)
        known = len(rig.desk.candles.board.candles(PE, MINUTE_NS))
        await rig.pass_s(61.0)
        assert len(rig.desk.candles.board.candles(PE, MINUTE_NS)) == known + 1
        assert rig.desk.candles.board.candles(PE, MINUTE_NS)[-1].close_paise == 107_00

    run_desk(scenario, with_rules(seed_setup(60, 30, symbols=(PE,)), TREND))


def test_only_the_instruments_of_the_group_that_asks_are_charted(run_desk, seed_setup, group) -> None:
    other = group("other", (OTHER, CE))

    async def scenario(rig):
        await climb(rig, 2)
        assert [symbol for symbol, book in rig.desk.prices.items() if book.is_charted] == [PE]
        assert rig.desk.candles.board.candles(OTHER, MINUTE_NS) == ()

        terms = rig.desk.bots["other"].terms  # the next position of the other group shall use it too
        bracket = msgspec.structs.replace(terms.bracket, rules=encode_rules([TREND]))
        rig.desk.bots["other"].terms = msgspec.structs.replace(terms, bracket=bracket)
        rig.desk.step(rig.desk.candles.settle)
        assert {symbol for symbol, book in rig.desk.prices.items() if book.is_charted} == {PE, OTHER, CE}
        await climb(rig, 4, start=104.0)
        assert len(rig.desk.candles.board.candles(OTHER, MINUTE_NS)) >= 2, "from the first whole one on"

    setup = seed_setup(60, 30, symbols=(PE,), groups=(other,))
    plain = setup.bracket
    other.bracket = plain
    run_desk(scenario, with_rules(setup, TREND))


def test_a_position_keeps_the_candles_of_its_own_rules_when_the_configuration_drops_them(run_desk, seed_setup) -> None:
    async def scenario(rig):
        price = await climb(rig, 4)
        await rig.enter(price)
        await rig.quiet(1.0, price)
        bracket = msgspec.structs.replace(rig.bot.terms.bracket, rules=())
        rig.bot.terms = msgspec.structs.replace(rig.bot.terms, bracket=bracket)
        await rig.quiet(2.0, price)
        assert rig.desk.candles.board.is_wanted(PE)

        rig.desk.step(lambda now: rig.bot.square_off("test", now, rig.desk.out))
        await rig.quiet(3.0, price)
        await rig.pass_s(60.0)
        rig.desk.step(rig.desk.candles.settle)
        assert not rig.desk.candles.board.is_wanted(PE)
        assert not rig.desk.prices[PE].is_charted

    run_desk(scenario, with_rules(seed_setup(60, 30, symbols=(PE,)), TREND))


@pytest.mark.fault("MKT-06")
@pytest.mark.invariant("M3")
def test_one_bad_tick_makes_no_candle(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await climb(rig, 3)
        rig.tick(PE, 900.0, bid=105.9, ask=106.1)
        await rig.quiet(61.0, 106.0)
        assert max(bar.high_paise for bar in rig.desk.candles.board.candles(PE, MINUTE_NS)) < 120_00

    run_desk(scenario, with_rules(seed_setup(60, 30, symbols=(PE,)), TREND))


@pytest.mark.row("RTP-20")
def test_a_position_whose_stop_rule_cannot_arm_is_refused(run_desk, seed_setup) -> None:
    """Without a fixed stop the rule is the only one, and it has no value yet."""

    async def scenario(rig):
        rig.ticks(100.0)
        reason = rig.console.why_not(Enter(request_id="x", side=Side.BUY))
        assert reason.startswith(f"{PE}: supertrend(")
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(1.0)
        assert not rig.venue.placed(Role.ENTRY)

        price = await climb(rig, TRUSTED_MIN, by=0.5)
        assert rig.console.why_not(Enter(request_id="x", side=Side.BUY)) == ""
        assert price > 100

    run_desk(scenario, with_rules(seed_setup(60, 0, symbols=(PE,)), TREND))
