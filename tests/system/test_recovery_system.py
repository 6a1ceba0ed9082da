"""A desk that was killed, and the next one on its journal: what is restored, booked, and never sent twice."""

from __future__ import annotations

from datetime import date, time

import pytest

from engine.instant import at_ist
from engine.operator import Enter
from engine.order import OrderType, Role, Side
from engine.tick import Tick

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"
DAY = date(2026, 11, 25)


def market(rig, symbol: str, ltp: float) -> None:
    """A price at the exchange while nobody of us is listening."""
    paise = round(ltp * 100)
    rig.exchange.on_tick(Tick(symbol, rig.clock.now_ns(), paise, paise, 1000, paise, 1000))


def books(rig) -> list[tuple[str, str, int, int, str]]:
    return [(o.tag, o.broker_id, o.qty, o.trigger_paise, o.state.value) for o in rig.exchange.orders("paper")]


@pytest.mark.row("LEG-72")
def test_both_legs_come_back_with_their_exits_and_nothing_is_sent(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        before, facts = books(rig), {s: rig.facts(s) for s in (PE, CE)}
        again = await rig.revived(await rig.kill())
        assert {s: again.facts(s) for s in (PE, CE)} == facts
        assert again.venue.calls == [] and books(again) == before
        assert again.said("2 position(s) restored")

        await again.quiet(20.0, 150.0)
        assert again.venue.calls == []
        await again.quiet(1.0, {PE: 155.0, CE: 145.0})
        assert sorted(again.trades()) == [(CE, -375_00, "Stoploss Hit"), (PE, 375_00, "Target Hit")]
        assert not again.desk.failures and not again.working()

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-72")
@pytest.mark.fault("STO-04")
@pytest.mark.invariant("R1")
def test_recovering_twice_changes_nothing_the_second_time(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        first = await rig.revived(await rig.kill())
        before = books(first)
        second = await first.revived(await first.kill())
        await second.quiet(3.0, 150.0)
        assert second.venue.calls == [] and books(second) == before
        assert second.leg(PE).bracket.covered_qty == second.leg(CE).bracket.covered_qty == 75

    run_desk(scenario, seed_setup())


@pytest.mark.row("LEG-17", "LEG-72", "I-3")
@pytest.mark.fault("STO-03")
@pytest.mark.invariant("R2")
def test_a_crash_at_any_moment_of_the_entry_ends_with_three_orders(run_desk, seed_setup) -> None:
    """Killed every 3 ms of the first 150 ms: found by tag, only what is missing is sent, never a second of anything."""

    def killed_after(ms: int):
        async def scenario(rig):
            rig.tick(PE, 150.0)
            rig.request(Enter, side=Side.BUY)
            await rig.pass_s(ms / 1000 + 0.0005)
            image = await rig.kill()
            await rig.pass_s(0.05)  # what was on the wire arrives
            again = await rig.revived(image)
            await again.quiet(8.0, 150.0)
            orders = again.exchange.orders("paper")
            assert not again.desk.failures
            kinds = sorted(o.type.value for o in orders)
            assert kinds == ["LIMIT", "MARKET", "SL"], f"killed after {ms} ms: {kinds}"
            assert again.leg(PE).bracket.covered_qty == 75

        run_desk(scenario, seed_setup(symbols=(PE,)))

    for ms in range(0, 150, 3):
        killed_after(ms)


@pytest.mark.row("LEG-17", "I-3")
def test_an_entry_that_was_stored_but_never_left_is_given_up(run_desk, seed_setup) -> None:
    """Killed between the commit and the send (STO-02): the price it was decided on is gone, so it is not sent later."""

    async def scenario(rig):
        next(task for task in rig.desk._tasks if task.get_name() == "gateway of entries").cancel()
        await rig.pass_s(0.001)
        rig.tick(PE, 150.0)
        rig.request(Enter, side=Side.BUY)
        await rig.pass_s(0.01)
        again = await rig.revived(await rig.kill())
        await again.quiet(8.0, 150.0)
        assert rig.venue.calls == again.venue.calls == [] == again.exchange.orders("paper")
        assert not again.leg(PE).is_active and not again.desk.entry_block(again.clock.now_ns())

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-18")
@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ((155.0,), [(PE, 375_00, "Target Hit (recovered)")]),
        ((144.9,), [(PE, -382_50, "Stoploss Hit (recovered)")]),
        ((155.0, 144.9), [(PE, 375_00, "Target Hit (recovered - OCO race)")]),
    ],
)
def test_exits_that_filled_while_we_were_down_are_booked_with_their_reason(run_desk, seed_setup, path, rows) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        for ltp in path:
            market(rig, PE, ltp)
            await rig.pass_s(1.0)
        again = await rig.revived(image)
        await again.quiet(3.0, path[-1])

        assert again.trades()[:1] == rows
        assert again.net(PE) == 0 and not again.working()
        assert again.bot.body.day_net_paise == sum(net for _, net, _ in again.trades())
        repairs = again.venue.placed(Role.REPAIR)
        assert [(r.side, r.qty) for r in repairs] == ([(Side.BUY, 75)] if len(path) == 2 else [])
        assert not again.desk.failures

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-18", "LEG-72")
def test_an_exit_after_the_restart_is_not_called_recovered(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        again = await rig.revived(await rig.kill())
        await again.quiet(1.0, 155.0)
        assert again.trades() == [(PE, 375_00, "Target Hit")]

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("LEG-72", "HRD-15")
@pytest.mark.invariant("P2")
def test_a_partial_exit_while_down_resizes_the_stop_on_return(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        rig.exchange.on_tick(Tick(PE, rig.clock.now_ns(), 155_00, 155_00, 50, 155_05, 50))
        again = await rig.revived(image)
        await again.quiet(2.0, 154.0)
        stops = [o.qty for o in again.working() if o.type is OrderType.SL]
        assert stops == [25] and again.facts(PE).tp_filled_qty == 50

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-19", "LEG-72")
def test_the_next_morning_starts_at_zero_with_its_history_kept(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(1.0, 155.0)
        assert rig.bot.body.day_net_paise == 750_00
        image = await rig.kill()
        same_day = await rig.revived(image)
        assert same_day.bot.body.day_net_paise == 750_00
        assert same_day.leg(PE).realised_paise == 375_00
        image = await same_day.kill()

        await rig.clock.sleep_until(at_ist(date(2026, 11, 26), time(9, 10)))
        morning = await rig.revived(image)
        assert morning.bot.body.day_net_paise == 0
        assert morning.leg(PE).realised_paise == 0
        assert morning.desk.day_net_paise == 0
        yesterday = morning.journal.load("paper", trading_day="2026-11-25").trades_today
        assert sum(row.net_paise for row in yesterday) == 750_00

    run_desk(scenario, seed_setup())


@pytest.mark.row("OPS-19")
@pytest.mark.fault("TIM-08")
def test_the_day_rolls_at_indian_midnight_while_running(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        await rig.quiet(1.0, 155.0)
        assert rig.desk.day_net_paise < 750_00, "charges are estimated"
        await rig.clock.sleep_until(at_ist(date(2026, 11, 25), time(23, 59, 59)))
        assert rig.bot.body.day_net_paise == 750_00
        await rig.clock.sleep_until(at_ist(date(2026, 11, 26), time(0, 0, 1)))
        assert rig.bot.body.day_net_paise == 0 == rig.desk.day_net_paise

    run_desk(scenario, seed_setup())


@pytest.mark.row("I-5", "LEG-72")
@pytest.mark.invariant("R4", "O10")
def test_entries_wait_until_the_books_have_been_read(run_desk, seed_setup) -> None:
    import asyncio

    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        from engine.journal.store import Journal

        again = type(rig)(rig.setup, Journal.in_memory(image), rig.exchange, rig.clock)
        again.venue.reads_fail = True
        starting = asyncio.ensure_future(again.desk.start())
        await again.pass_s(2.0)
        assert "reconciliation is not done" in again.desk.entry_block(again.clock.now_ns())
        assert again.venue.calls == [] and again.said("recovery waits")
        again.venue.reads_fail = False
        await starting
        assert again.venue.calls == [] and again.leg(PE).bracket.covered_qty == 75
        again.tick(PE, 150.0)
        assert not again.desk.entry_block(again.clock.now_ns())

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("I-5", "LEG-72")
@pytest.mark.invariant("R4")
def test_a_push_before_the_first_books_causes_no_order(run_desk, seed_setup) -> None:
    """The target fills while the new desk still cannot read its books: known, but nothing is sent on it (R4)."""
    import asyncio

    from engine.journal.store import Journal

    async def scenario(rig):
        await rig.enter(150.0)
        again = type(rig)(rig.setup, Journal.in_memory(await rig.kill()), rig.exchange, rig.clock)
        again.venue.reads_fail = True
        starting = asyncio.ensure_future(again.desk.start())
        await again.pass_s(0.5)
        await again.quiet(4.0, 155.0)
        assert again.net(PE) == 0 and again.facts(PE).tp_filled_qty == 75
        assert again.venue.calls == []
        again.venue.reads_fail = False
        await starting
        await again.quiet(2.0, 155.0)
        assert again.venue.story() == ["cancel stop"] and not again.leg(PE).is_active

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("RTP-04", "LEG-72")
def test_two_watched_positions_are_watched_again_before_the_first_tick(run_desk, seed_setup) -> None:
    """Nothing rests for them: what a restart forgets is naked. The first tick through a level acts."""

    async def scenario(rig):
        await rig.enter(150.0)
        assert not rig.working()
        again = await rig.revived(await rig.kill())
        assert [b.open_qty for b in again.desk.open_brackets()] == [75, 75]
        assert [again.leg(s).bracket.band()[0] for s in (PE, CE)] == [145_00, 145_00]
        again.tick(CE, 150.0)
        again.tick(PE, 144.0)
        await again.quiet(2.0, {PE: 144.0, CE: 150.0})

        assert again.net(PE) == 0 and again.net(CE) == 75
        assert [(r.symbol, r.side, r.qty) for r in again.venue.placed()] == [(PE, Side.SELL, 75)]

    run_desk(scenario, seed_setup(style="monitored"))


@pytest.mark.fault("NET-07")
@pytest.mark.invariant("R4")
def test_an_empty_order_book_at_the_start_expires_nothing_before_a_second_look(run_desk, seed_setup) -> None:
    from engine.journal.store import Journal

    async def scenario(rig):
        await rig.enter(150.0)
        again = type(rig)(rig.setup, Journal.in_memory(await rig.kill()), rig.exchange, rig.clock)
        inner, empties = again.venue.read_orders, [1]

        async def read_orders():
            empties[0] -= 1
            return [] if empties[0] >= 0 else await inner()

        again.venue.read_orders = read_orders
        await again.desk.start()
        await again.quiet(3.0, 150.0)

        assert again.venue.calls == [] and again.leg(PE).bracket.covered_qty == 75

    run_desk(scenario, seed_setup(symbols=(PE,)))
