"""Bad input to a whole desk: told once with its raw value, never a price or a quantity to act on, never a crash."""

from __future__ import annotations

from dataclasses import replace as with_fields
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from brokers.order_ids import accepted
from engine.exit_rules.registry import encode_rules
from engine.exit_rules.supertrend import Supertrend
from engine.instant import NS_PER_DAY, NS_PER_S
from engine.order import OrderState, Role, Side, Trade
from engine.port import OrderReport, PositionReport
from engine.reading import MINUTE_NS
from engine.tick import Tick

PE, CE = "NIFTY01DEC2624500PE", "NIFTY01DEC2624500CE"
STRANGER = "BANKNIFTY01DEC2650000CE"
WATCHED = {"style": "monitored"}
TRILLION_RUPEES = 10**14


def bad(rig, **changes) -> Tick:
    """A good tick of the put with something wrong in it."""
    return replace(Tick(PE, rig.clock.now_ns(), 100_00, 99_95, 65, 100_05, 65), **changes)


BAD_TICKS = {
    "zero": (lambda rig: bad(rig, ltp_paise=0, bid_paise=0, ask_paise=0), "a price of 0 paise"),
    "negative": (lambda rig: bad(rig, ltp_paise=-1), "a price of -1 paise"),
    "negative bid": (lambda rig: bad(rig, ltp_paise=0, bid_paise=-5), "a price of -5 paise"),
    "huge": (lambda rig: bad(rig, ltp_paise=TRILLION_RUPEES), f"a price of {TRILLION_RUPEES} paise"),
    "in the wrong unit": (
        lambda rig: bad(rig, ltp_paise=100_00_00, bid_paise=99_95_00, ask_paise=100_05_00),
        "a price of 1000000 paise after 10000",
    ),
    "a hundredth": (lambda rig: bad(rig, ltp_paise=1_00, bid_paise=95, ask_paise=1_05), "a price of 100 paise after"),
    "far from its touch": (
        lambda rig: bad(rig, ltp_paise=30_00),
        "a price of 3000 paise while the touch is 9995/10005",
    ),
    "older": (lambda rig: bad(rig, at_ns=rig.clock.now_ns() - 3 * NS_PER_S, ltp_paise=80_00), "older than the one"),
    "of yesterday": (lambda rig: bad(rig, at_ns=rig.clock.now_ns() - NS_PER_DAY, ltp_paise=80_00), "of another day"),
    "of the future": (lambda rig: bad(rig, at_ns=rig.clock.now_ns() + 60 * NS_PER_S, ltp_paise=80_00), "of the future"),
    "of nobody": (lambda rig: bad(rig, symbol=STRANGER), "unknown symbol"),
    "of a hostile name": (lambda rig: bad(rig, symbol="\x1b[31mX\n" * 5_000), "unknown symbol"),
}


@pytest.mark.row("RTP-06")
@pytest.mark.parametrize("kind", BAD_TICKS)
@pytest.mark.parametrize("style", ["monitored", "resting"])
@pytest.mark.fault("MKT-06", "MKT-07")
@pytest.mark.invariant("M3")
def test_a_bad_tick_in_an_open_position_is_told_once_and_changes_nothing(run_desk, seed_setup, kind, style) -> None:
    make, says = BAD_TICKS[kind]

    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(2.0)
        before = rig.venue.story()
        known = rig.desk.prices[PE].tick
        rig.desk.on_tick(make(rig))
        assert rig.desk.prices[PE].tick == known
        rig.desk.on_tick(make(rig))  # the same once more: nothing that the first one did not do
        await rig.quiet(3.0)

        assert rig.venue.story() == before
        (line,) = rig.said("[TICK]")
        assert says in line and "not acted on" in line and line.isprintable() and len(line) < 300
        rig.tick(PE, 94.0)  # and the stop is where it was
        await rig.quiet(2.0, {PE: 94.0, CE: 100.0})
        assert rig.net(PE) == 0 and rig.net(CE) == 75

    run_desk(scenario, seed_setup(style=style))


@pytest.mark.fault("MKT-12")
def test_a_tick_of_the_future_does_not_blind_the_desk_to_the_true_ones(run_desk, seed_setup) -> None:
    async def scenario(rig):
        rig.desk.on_tick(bad(rig, at_ns=rig.clock.now_ns() + 3600 * NS_PER_S))
        await rig.enter(100.0)
        assert rig.net(PE) == 75
        rig.tick(PE, 94.0)
        await rig.quiet(2.0, {PE: 94.0, CE: 100.0})
        assert rig.net(PE) == 0

    run_desk(scenario, seed_setup(symbols=(PE,), **WATCHED))


def test_a_crash_is_believed_when_the_next_tick_agrees(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(1.0)
        rig.tick(PE, 30.0)
        await rig.pass_s(0.05)
        assert rig.venue.placed(Role.EXIT) == []
        rig.tick(PE, 31.0)
        assert rig.desk.prices[PE].tick.ltp_paise == 31_00
        await rig.quiet(3.0, 31.0)
        assert rig.net(PE) == 0
        assert len(rig.venue.placed(Role.EXIT)) == 1

    run_desk(scenario, seed_setup(symbols=(PE,), **WATCHED))


def test_a_crash_after_which_no_tick_comes_is_believed_by_a_quote(run_desk, seed_setup) -> None:
    """The quote has the instant of the very trade that is doubted: it is the last one."""

    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(1.0)
        crash = Tick(PE, rig.clock.now_ns(), 30_00, 29_95, 100_000, 30_05, 100_000)

        async def quote(symbol):
            return crash

        rig.market.quote = quote
        for listener in rig.market.listeners:
            listener(crash)
        seconds = await rig.wait_until(lambda: bool(rig.venue.placed(Role.EXIT)), limit_s=5.0)
        assert seconds <= 2.0
        await rig.pass_s(5.0)
        assert rig.net(PE) == 0

    run_desk(scenario, seed_setup(symbols=(PE,), **WATCHED))


def test_prices_between_two_ticks_are_prices_and_every_order_is_on_the_tick(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.02)
        await rig.quiet(1.0, 100.02)
        rig.tick(PE, 94.97)
        await rig.quiet(2.0, {PE: 94.97, CE: 100.02})
        assert rig.net(PE) == 0
        assert all(order.limit_paise % 5 == order.trigger_paise % 5 == 0 for order in rig.venue.placed())

    run_desk(scenario, seed_setup(**WATCHED))


@pytest.mark.parametrize("touch", [{"ask_paise": TRILLION_RUPEES}, {"ask_paise": -5}, {"bid_paise": 0, "ask_paise": 9}])
@pytest.mark.fault("MKT-08")
def test_an_entry_is_not_priced_from_a_touch_that_cannot_be(run_desk, seed_setup, touch) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.desk.on_tick(bad(rig, **touch))
        rig.desk.step(lambda now: rig.bot.enter([PE], Side.BUY, 1, now, rig.desk.out))
        await rig.pass_s(0.5)
        (entry,) = rig.venue.placed(Role.ENTRY)
        assert 99_00 <= entry.limit_paise <= 110_00

    run_desk(scenario, seed_setup())


# --- candles ---


def test_minutes_without_a_tick_are_no_candles_and_rules_go_on_behind_them(run_desk, seed_setup) -> None:
    rule = Supertrend(period=2, factor_hundredths=100)

    async def scenario(rig):
        for minute in range(45):
            await rig.quiet(60.0, 100.0 + minute / 10, step=10.0)
        known = rig.desk.candles.board.candles(PE, MINUTE_NS)
        await rig.pass_s(300.0)  # the feed is gone
        rig.desk.on_tick(bad(rig, ltp_paise=TRILLION_RUPEES))
        rig.desk.on_tick(bad(rig, ltp_paise=0, bid_paise=0, ask_paise=0))
        await rig.pass_s(60.0)
        hole = rig.desk.candles.board.candles(PE, MINUTE_NS)
        assert len(hole) - len(known) <= 1, "the minute that was running"
        await rig.quiet(180.0, 104.5, step=10.0)
        after = rig.desk.candles.board.candles(PE, MINUTE_NS)

        assert len(after) > len(hole)
        assert max(bar.high_paise for bar in after) < 120_00 and min(bar.low_paise for bar in after) > 90_00
        starts = [bar.start_ns for bar in after]
        assert starts == sorted(set(starts))
        await rig.enter(104.5)
        assert len(rig.venue.placed(Role.ENTRY)) == 1, "the rule has a level: the entry is not refused"

    setup = seed_setup(60, 30, symbols=(PE,))
    setup.bracket = replace(setup.bracket, rules=encode_rules([rule]))
    run_desk(scenario, setup)


# --- the broker's books ---


def position(symbol: str, product: str, net_qty: int, average_paise: int = 100_00) -> PositionReport:
    return PositionReport(symbol=symbol, product=product, net_qty=net_qty, average_paise=average_paise)


def show_positions(rig, change) -> None:
    """The books that the broker shows from now on."""
    read = rig.venue.inner.read_positions

    async def shown():
        return change(list(await read()))

    rig.venue.inner.read_positions = shown


STRANGE_ROWS = {
    "of an unknown symbol": (position("NIFTY\x1b[31m", "MIS", 75), "symbol 'NIFTY\\x1b[31m'"),
    "without a symbol": (position(" ", "MIS", 75), "symbol ' '"),
    "of an unknown product": (position(PE, "MTF?" * 1_000, 75), "product 'MTF?MTF?MTF?MTF?MTF?', +75 units"),
    "of an absurd quantity": (position(PE, "NRML", 10**15), "+1000000000000000 units"),
}


@pytest.mark.row("HRD-16")
@pytest.mark.parametrize("kind", STRANGE_ROWS)
def test_a_position_row_that_cannot_be_read_is_told_once_and_moves_nothing(run_desk, seed_setup, kind) -> None:
    row, says = STRANGE_ROWS[kind]

    async def scenario(rig):
        await rig.enter(100.0)
        show_positions(rig, lambda rows: [*rows, row])
        before = rig.venue.story()
        await rig.quiet(95.0)

        (line,) = rig.said("[RECONCILE] position of")
        assert says in line and line.isprintable() and len(line) < 200
        assert rig.venue.story() == before
        assert not rig.desk.mismatch, "ours is shown beside it"

    run_desk(scenario, seed_setup())


@pytest.mark.row("HRD-16")
@pytest.mark.parametrize(
    "garbled",
    [
        lambda row: replace(row, product="I"),
        lambda row: replace(row, net_qty=10**15),
        lambda row: replace(row, product="", average_paise=-1),
    ],
)
@pytest.mark.fault("NET-07")
def test_units_of_ours_under_a_row_that_cannot_be_read_are_not_taken_for_sold(run_desk, seed_setup, garbled) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        before = rig.venue.story()
        show_positions(rig, lambda rows: [garbled(row) if row.symbol == PE else row for row in rows])
        await rig.quiet(40.0)

        assert rig.venue.story() == before, "the exits of both legs stand as they stood"
        assert rig.leg(PE).bracket.open_qty == 75 and rig.leg(PE).bracket.body.product == "MIS"
        assert rig.desk.entry_block(rig.clock.now_ns()), "but nothing is entered on books like these"
        del rig.venue.inner.read_positions
        await rig.quiet(40.0)
        assert not rig.desk.mismatch
        rig.tick(PE, 94.0)
        await rig.quiet(3.0, {PE: 94.0, CE: 100.0})
        assert rig.net(PE) == 0

    run_desk(scenario, seed_setup())


def test_an_average_price_that_cannot_be_is_none_and_the_units_beside_it_count(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        before = rig.venue.story()
        show_positions(rig, lambda rows: [replace(row, average_paise=-7) for row in rows])
        await rig.quiet(40.0)

        assert len(rig.said("an average price of -7 paise")) == 2, "once for each symbol"
        assert rig.venue.story() == before and not rig.desk.mismatch
        assert rig.leg(PE).bracket.body.entry_paise == 100_00

    run_desk(scenario, seed_setup())


def row_of(rig, role: str, symbol: str = PE) -> OrderReport:
    return next(o for o in rig.exchange.orders("paper") if o.tag.endswith(role) and o.symbol == symbol)


GARBLED_ORDERS = {
    "no units": lambda row: replace(row, qty=0),
    "negative units": lambda row: replace(row, qty=-75),
    "more filled than asked": lambda row: replace(row, filled_qty=row.qty + 1, state=OrderState.FILLED),
    "a trillion units": lambda row: replace(row, qty=10**12, filled_qty=10**12, state=OrderState.FILLED),
    "another symbol": lambda row: replace(row, symbol=STRANGER, filled_qty=row.qty, state=OrderState.FILLED),
    "the other side": lambda row: replace(row, side=Side.BUY, filled_qty=row.qty, state=OrderState.FILLED),
    "a negative price": lambda row: replace(row, limit_paise=-1),
    "a price of a trillion": lambda row: replace(row, average_paise=TRILLION_RUPEES, filled_qty=75),
}


@pytest.mark.row("HRD-02")
@pytest.mark.parametrize("kind", GARBLED_ORDERS)
def test_a_garbled_row_of_an_order_of_ours_is_told_once_and_books_nothing(run_desk, seed_setup, kind) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        before = rig.venue.story()
        garbled = GARBLED_ORDERS[kind](row_of(rig, "S"))
        for _ in range(3):
            rig.desk.main.on_report(garbled)
        await rig.quiet(3.0)

        assert rig.venue.story() == before
        assert len(rig.said("not believed")) == 1
        bracket = rig.leg(PE).bracket
        assert (bracket.open_qty, bracket.covered_qty) == (75, 75)

    run_desk(scenario, seed_setup(style="hybrid"))


def test_a_row_in_a_state_nobody_knows_neither_ends_nor_frees_an_order(run_desk, seed_setup) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        before = rig.venue.story()
        for role in "ETS":
            rig.desk.main.on_report(replace(row_of(rig, role), state=OrderState.UNKNOWN))
        await rig.quiet(3.0)

        assert rig.venue.story() == before
        assert rig.leg(PE).bracket.covered_qty == 75

    run_desk(scenario, seed_setup())


@pytest.mark.fault("UPD-07")
def test_rows_and_trades_of_strangers_are_left_alone_whatever_they_hold(run_desk, seed_setup) -> None:
    chance = Random(7)

    async def scenario(rig):
        await rig.enter(100.0)
        before = rig.venue.story()
        row = row_of(rig, "S")
        for number in range(200):
            symbol = chance.choice((STRANGER, "", "\x00", "A" * 10_000, PE.lower()))
            strange = replace(
                row,
                tag=chance.choice(("", "HAND1", "\x1b[2J")),
                broker_id=f"F{number}",
                symbol=symbol,
                qty=chance.choice((-1, 0, 75, 10**18)),
                filled_qty=chance.choice((-1, 0, 75, 10**18)),
                state=chance.choice(list(OrderState)),
            )
            rig.desk.main.on_report(strange)
            rig.desk.main.on_trade(
                Trade(
                    trade_id=f"T{number}", broker_id=strange.broker_id, tag=strange.tag, symbol=symbol, side=Side.SELL,
                    qty=strange.qty, price_paise=chance.choice((-1, 0, 10**18)), at_ns=rig.clock.now_ns(),
                )
            )  # fmt: skip
        await rig.quiet(3.0)

        assert rig.venue.story() == before
        assert all(text.isprintable() for text in rig.texts())

    run_desk(scenario, seed_setup())


# --- replies ---


@pytest.mark.row("HRD-09")
@pytest.mark.parametrize("reply", [None, {}, {"status": "success", "orderid": None}, "<html>502</html>", [[1]], True])
@pytest.mark.fault("ORD-07")
@pytest.mark.invariant("O2")
def test_an_accepted_order_whose_reply_names_no_id_is_looked_up_and_never_placed_again(
    run_desk, seed_setup, reply
) -> None:
    async def scenario(rig):
        place = rig.venue.inner.place

        async def without_id(request):
            await place(request)
            return accepted(reply)

        rig.venue.inner.place = without_id
        rig.venue.mute_pushes = True
        await rig.enter(100.0)
        await rig.quiet(8.0)

        assert len(rig.venue.placed(Role.ENTRY)) == 2 and rig.net(PE) == rig.net(CE) == 75
        assert [rig.leg(symbol).bracket.covered_qty for symbol in (PE, CE)] == [75, 75]
        assert len(rig.venue.placed(Role.STOP)) == 2
        assert rig.said("no answer (accepted without an order id:")

    run_desk(scenario, seed_setup())


# --- a day with garbage in it is the day without (M3) ---

PRICES = st.lists(st.integers(-8, 8), min_size=10, max_size=60)
GARBAGE = st.dictionaries(
    st.integers(0, 59),
    st.tuples(st.sampled_from(sorted(BAD_TICKS)), st.booleans()),
    max_size=12,
)


def orders_of_a_day(run_desk, setup, steps: list[int], garbage: dict[int, tuple[str, bool]]) -> list[str]:
    async def scenario(rig):
        await rig.enter(100.0)
        paise = 100_00
        for number, step in enumerate(steps):
            await rig.pass_s(0.25)
            if number in garbage:
                kind, twice = garbage[number]
                for _ in range(1 + twice):
                    rig.desk.on_tick(BAD_TICKS[kind][0](rig))
                await rig.pass_s(0.001)
            else:
                await rig.pass_s(0.001)
            paise += 25 * step
            rig.tick(PE, paise / 100)
            rig.tick(CE, (200_00 - paise) / 100)
        await rig.pass_s(2.0)
        return rig.venue.story()

    return run_desk(scenario, with_fields(setup))


@pytest.mark.row("RTP-06")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PRICES, GARBAGE)
@pytest.mark.fault("MKT-06")
@pytest.mark.invariant("M3")
def test_garbage_between_the_ticks_of_a_day_changes_no_order(run_desk, seed_setup, steps, garbage) -> None:
    for style in ("monitored", "resting"):
        setup = seed_setup(6, 4, style=style)
        clean = orders_of_a_day(run_desk, setup, steps, {})
        assert orders_of_a_day(run_desk, setup, steps, garbage) == clean
