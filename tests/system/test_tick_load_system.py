"""Five positions at five hundred ticks a second each: none is looked at too late, and no single extreme goes unseen."""

from __future__ import annotations

import pytest

from engine.view import ExitStyle

STRIKES = (24_300, 24_400, 24_500, 24_600, 24_700)
SYMBOLS = tuple(f"NIFTY01DEC26{strike}PE" for strike in STRIKES)


@pytest.mark.row("RTP-08", "RTP-10")
@pytest.mark.fault("MKT-11")
def test_one_tick_at_the_stop_among_2500_a_second_is_seen_and_only_that_position_leaves(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        touched = SYMBOLS[3]
        for number in range(1_000):
            for symbol in SYMBOLS:
                rig.tick(symbol, 99.0 + number % 7 * 0.25)
            if number == 617:
                rig.tick(touched, 95.0)  # a single print at the stop, gone with the next one
            await rig.pass_s(0.002)
        await rig.quiet(1.0)

        left = [symbol for symbol in SYMBOLS if not rig.leg(symbol).is_active]
        assert (left, rig.net(touched)) == ([touched], 0)
        assert [reason for _, _, reason in rig.trades()] == ["Stoploss Hit"]

    run_desk(scenario, seed_setup(symbols=SYMBOLS, style=ExitStyle.MONITORED))
