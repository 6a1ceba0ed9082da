"""The one-second net over a long list: a whole desk with 23 positions looks at all of them and lets prices through."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.desk_parts import DeskTimes
from engine.instant import NS_PER_MS
from engine.legs import LegsBot
from engine.risk import RiskLimits

STRIKES = tuple(f"NIFTY01DEC26{strike}{kind}" for strike in range(24_000, 24_600, 50) for kind in ("PE", "CE"))[:23]


@pytest.mark.row("RTP-37", "RTP-11")
def test_the_net_looks_at_23_positions_in_batches_of_five(run_desk, seed_setup, monkeypatch) -> None:
    passes: list[list[int]] = []
    inner = LegsBot.on_wake

    def on_wake(self, now_ns, out, *, only=None):
        if only is not None:
            passes.append([now_ns, len(only)])
        inner(self, now_ns, out, only=only)

    monkeypatch.setattr(LegsBot, "on_wake", on_wake)

    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(20.0)  # 69 orders at the pace of the order path
        assert [symbol for symbol in STRIKES if rig.leg(symbol).bracket.covered_qty != 75] == []
        passes.clear()
        await rig.quiet(1.01)

        instants = list(dict.fromkeys(now_ns for now_ns, _ in passes))
        assert instants, "the net has looked"
        for instant in instants:  # the exchange's clock stands still over a whole pass
            assert [size for now_ns, size in passes if now_ns == instant] == [5, 5, 5, 5, 3]

    run_desk(scenario, seed_setup(symbols=STRIKES, entry_fill_timeout_ns=60_000 * NS_PER_MS))


@pytest.mark.row("RTP-36", "RTP-11")
def test_the_check_interval_is_how_often_the_net_looks(run_desk, seed_setup, monkeypatch) -> None:
    looks: list[int] = []
    inner = LegsBot.on_wake
    monkeypatch.setattr(
        LegsBot, "on_wake", lambda self, now_ns, out, **only: (looks.append(now_ns), inner(self, now_ns, out, **only))
    )

    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(6.0)  # past the polls of the entry
        looks.clear()
        await rig.quiet(4.0)
        return max(later - earlier for earlier, later in pairwise(looks))

    often = run_desk(scenario, seed_setup(times=DeskTimes(check_interval_ns=200 * NS_PER_MS)))
    seldom = run_desk(scenario, seed_setup(times=DeskTimes(check_interval_ns=1_000 * NS_PER_MS)))

    assert often == 200 * NS_PER_MS < seldom <= 1_000 * NS_PER_MS, "deadlines of its own may ring in between"


@pytest.mark.row("RTP-36")
def test_with_position_management_off_nothing_is_entered_and_what_is_open_is_left_all_the_same(
    run_desk, seed_setup
) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        rig.desk.risk = RiskLimits(unmanaged=True)
        await rig.quiet(2.0, 105.0)
        assert not any(leg.is_active for leg in rig.bot.legs.values())
        assert rig.desk.entry_block(rig.clock.now_ns()) == "position_management is switched off"
        before = len(rig.venue.placed())

        await rig.enter(100.0)
        assert len(rig.venue.placed()) == before

    run_desk(scenario, seed_setup())
