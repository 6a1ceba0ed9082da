"""A bot that is not entered by the desk: it wakes with nothing open, watches prices, and asks before it enters."""

from __future__ import annotations

import pytest

from engine.desk_parts import BotTools, GroupParts
from engine.instant import NS_PER_S
from engine.legs import LegsBot
from engine.operator import PauseEntries
from engine.protect_only import ProtectOnly

PE = "NIFTY01DEC2624500PE"
NAME = "random_scalp_live"


class Watchful(LegsBot):
    """Wakes every second and wants to hear of prices outside 95 to 105."""

    def __init__(self, *parts, entry_block) -> None:
        super().__init__(*parts)
        self.entry_block = entry_block
        self.woken: list[str] = []
        self.heard: list[int] = []
        self.fails = False

    def wake_ns(self, now_ns: int) -> int:
        return (now_ns // NS_PER_S + 1) * NS_PER_S

    def on_wake(self, now_ns, out, *, only=None) -> None:
        self.woken.append(self.entry_block(now_ns, self.name))
        super().on_wake(now_ns, out, only=only)

    def band(self, symbol: str) -> tuple[int, int] | None:
        if self.fails:
            raise ZeroDivisionError("scripted")
        return (95_00, 105_00) if symbol == PE else None

    def on_tick(self, symbol, now_ns, out) -> None:
        if self.fails:
            raise ZeroDivisionError("scripted")
        self.heard.append(self.legs[symbol].price.tick.ltp_paise)
        super().on_tick(symbol, now_ns, out)


@pytest.fixture
def watchful(seed_setup, monkeypatch):
    def build(parts: GroupParts, tools: BotTools) -> Watchful:
        prices = [tools.prices[symbol] for symbol in parts.legs]
        rules = tools.rules[parts.terms.account]
        return Watchful(
            parts.terms, prices, rules, tools.tags, tools.orders, tools.readings, entry_block=tools.entry_block
        )

    monkeypatch.setattr(GroupParts, "build", build)
    return lambda: seed_setup(5, 5, symbols=(PE,))


def test_a_bot_wakes_with_nothing_open_and_is_told_why_it_may_not_enter(run_desk, watchful) -> None:
    async def scenario(rig):
        await rig.quiet(3.0)
        assert 3 <= len(rig.bot.woken) <= 5 and set(rig.bot.woken[1:]) == {""}
        rig.request(PauseEntries, paused=True)
        await rig.quiet(1.5)
        assert rig.bot.woken[-1] == "paused"

    run_desk(scenario, watchful())


def test_a_bot_hears_of_prices_outside_its_own_band_and_of_no_other(run_desk, watchful) -> None:
    async def scenario(rig):
        for price in (100.0, 101.0, 105.0, 102.0, 94.0, 96.0):
            rig.tick(PE, price)
            await rig.pass_s(0.1)
        assert rig.bot.heard == [105_00, 94_00]

    run_desk(scenario, watchful())


@pytest.mark.fault("PRC-10")
def test_a_band_that_fails_is_met_by_the_next_tick_and_sets_the_bot_apart(run_desk, watchful) -> None:
    async def scenario(rig):
        rig.tick(PE, 100.0)
        await rig.pass_s(0.1)
        rig.bot.fails = True
        await rig.pass_s(1.5)
        assert isinstance(rig.bot, Watchful), "asked for its band only"
        rig.tick(PE, 100.5)
        assert isinstance(rig.bot, ProtectOnly) and not rig.desk.engine_error
        await rig.quiet(2.0)
        failures = list(rig.desk.failures)
        rig.desk.failures.clear()
        assert failures == [f"bot {NAME}: ZeroDivisionError: scripted"]

    run_desk(scenario, watchful())
