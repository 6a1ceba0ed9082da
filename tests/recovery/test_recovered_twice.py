"""recover(recover(S)) = recover(S): a second restart sends no request and changes no row (R1)."""

from __future__ import annotations

from random import Random

import pytest

from engine.operator import Enter, ExitLeg
from engine.order import Side

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"


def book_of(rig) -> list[tuple[object, ...]]:
    return [(o.tag, o.state, o.qty, o.filled_qty, o.trigger_paise) for o in rig.exchange.orders("paper")]


async def random_life(rig, random: Random) -> float:
    """Some seconds of a trader, a market and a broker that loses answers; returns the last price."""
    price = 150.0
    for _ in range(random.randrange(1, 60)):
        price = round(min(max(price + random.choice((-2, -0.5, 0, 0, 0.5, 2)), 120), 180), 2)
        size = random.choice((25, 50, 1_000, 100_000))
        for symbol in (PE, CE):
            rig.tick(symbol, price, size=size)
        match random.randrange(12):
            case 0 | 1 | 2:
                rig.request(Enter, side=Side.BUY)
            case 3:
                rig.request(ExitLeg, symbol=random.choice((PE, CE)))
            case 4:
                rig.venue.lose_answers = not rig.venue.lose_answers
            case 5:
                rig.venue.mute_pushes = not rig.venue.mute_pushes
            case 6:
                rig.venue.hide_trades = not rig.venue.hide_trades
            case _:
                pass
        await rig.pass_s(random.choice((0.002, 0.011, 0.05, 0.3, 1.0)))
    return price


@pytest.mark.row("LEG-72")
@pytest.mark.parametrize("seed", range(40))
@pytest.mark.fault("STO-04")
@pytest.mark.invariant("R1")
def test_a_second_restart_sends_nothing_and_changes_no_row(run_desk, seed_setup, state_of, exchange_sees, seed) -> None:
    random = Random(seed)
    style = random.choice(("resting", "hybrid", "monitored"))

    async def scenario(rig):
        price = await random_life(rig, random)
        image = await rig.kill()
        for _ in range(random.randrange(4)):  # the exchange goes on
            price = round(price + random.choice((-3, -1, 0, 1, 3)), 2)
            exchange_sees(rig, random.choice((PE, CE)), price)
            await rig.pass_s(random.choice((0.01, 1.0, 30.0)))
        first = await rig.revived(image)
        await first.quiet(40.0, price)
        settled = await first.kill()
        books = book_of(first)

        second = await first.revived(settled)
        await second.quiet(5.0, price)

        assert second.venue.calls == []
        assert [
            (o.tag, o.state, o.qty, o.filled_qty, o.trigger_paise) for o in second.exchange.orders("paper")
        ] == books
        before, after = state_of(settled), state_of(second.journal.image())
        if style == "monitored":  # while no desk runs nobody watches: that interval is a fact, not a change
            before.pop("exposures"), after.pop("exposures")
        changed = {table: set(after[table]) ^ set(before[table]) for table in before if after[table] != before[table]}
        assert changed == {}
        assert not first.desk.failures and not second.desk.failures
        for symbol in (PE, CE):
            bracket = second.leg(symbol).bracket
            held = bracket.open_qty if bracket is not None else 0
            assert second.net(symbol) == held
            assert not held or style != "resting" or bracket.covered_qty == held

    run_desk(scenario, seed_setup(3, 3, style=style))
