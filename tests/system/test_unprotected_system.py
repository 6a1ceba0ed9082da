"""An entry that could not be protected is refused before anything is sent; what is held already gets a far stop."""

from __future__ import annotations

import pytest

from engine.alerts import AlertKind
from engine.bot import REASON_ZERO
from engine.bracket_state import BracketTerms
from engine.exit_rules.registry import encode_rules
from engine.exit_rules.supertrend import Supertrend
from engine.legs import LegsBot
from engine.operator import Enter
from engine.order import OrderType, Role, Side
from engine.port import OrderRequest
from engine.view import ExitStyle

PE = "NIFTY01DEC2624500PE"


@pytest.mark.row("RTP-03")
@pytest.mark.parametrize(
    ("terms", "price", "why"),
    [
        ({"stop": 0}, 100.0, "it would have no stop"),
        ({"stop": 100}, 100.0, "its stop would lie at 0.00, from an entry at 100.00"),
        ({"stop": 5}, 0.8, "its stop would lie at -4.20, from an entry at 0.80"),
        (
            {"stop": 0, "bracket": BracketTerms(rules=encode_rules([Supertrend()]))},
            100.0,
            "has no value yet: it has not seen enough 1m candles, it would have no stop",
        ),
    ],
    ids=["none", "at_zero", "below_zero", "cold_rule"],
)
def test_an_entry_without_a_usable_stop_is_refused_and_calls_a_person(run_desk, seed_setup, terms, price, why) -> None:
    async def scenario(rig):
        rig.ticks(price)
        assert why in rig.console.why_not(Enter(request_id="w", side=Side.BUY))
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.5)
        assert rig.venue.calls == [] and not rig.desk.any_active
        (alert,) = rig.alerts.unread
        assert (alert.kind, why in alert.text) == (AlertKind.CRITICAL, True)

    run_desk(scenario, seed_setup(symbols=(PE,), **terms))


@pytest.mark.row("RTP-03")
def test_the_bot_itself_refuses_as_loudly_as_the_desk(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        bot = rig.bot
        assert isinstance(bot, LegsBot)
        rig.desk.step(lambda now: bot.enter([PE], Side.BUY, 1, now, rig.desk.out))
        await rig.pass_s(0.5)
        assert rig.venue.calls == []
        assert rig.said("[CRITICAL] entry refused before it was sent") and rig.said("[SKIP]")
        assert bot.body.entries_today == 0

    run_desk(scenario, seed_setup(symbols=(PE,), stop=0))


def test_an_entry_with_a_stop_is_not_refused(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(1.05)
        assert rig.leg(PE).bracket.body.stop_paise == 5
        assert not rig.said("[CRITICAL]")

    run_desk(scenario, seed_setup(symbols=(PE,), stop=1))


@pytest.mark.row("RTP-03", "LEG-39")
@pytest.mark.parametrize(("side", "stop_paise"), [(Side.BUY, 80_00), (Side.SELL, 120_00)])
@pytest.mark.parametrize("style", list(ExitStyle))
def test_a_found_position_without_a_stop_of_its_own_gets_the_catastrophe_stop(
    run_desk, seed_setup, side, stop_paise, style
) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        by_hand = OrderRequest(
            tag="HAND1",
            symbol=PE,
            exchange="NFO",
            product="MIS",
            side=side,
            type=OrderType.LIMIT,
            qty=75,
            limit_paise=100_00,
            trigger_paise=0,
        )
        rig.exchange.place("paper", by_hand, rig.clock.now_ns())
        bot = rig.bot
        rig.desk.step(lambda now: bot.adopt(PE, 75 * side.sign, 100_00, now, rig.desk.out))
        await rig.quiet(2.0, 100.0)
        body = rig.leg(PE).bracket.body
        assert (body.stop_paise, body.exit_reason) == (stop_paise, "")
        assert len(rig.said("the catastrophe stop")) >= 1
        stops = rig.venue.placed(Role.STOP)
        assert [s.trigger_paise for s in stops] == ([] if style is ExitStyle.MONITORED else [stop_paise])

        beyond = 79.5 if side is Side.BUY else 120.5
        await rig.quiet(4.0, beyond)
        assert rig.net(PE) == 0 and [reason for _, _, reason in rig.trades()] == ["Stoploss Hit"]
        rig.desk.step(lambda now: rig.desk.square_off(REASON_ZERO, now))

    run_desk(scenario, seed_setup(symbols=(PE,), stop=0, target=50, style=style))
