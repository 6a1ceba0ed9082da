"""Several bots at one desk: whose order it is decides, never the symbol; what one does or breaks touches no other."""

from __future__ import annotations

import msgspec
import pytest

from engine.bot import BotTimes
from engine.bracket_state import BracketTerms
from engine.operator import CancelAll, CancelScope, Enter, ExitLeg, PauseEntries, ReloadConfig, ZeroOut
from engine.order import Role, Side
from engine.protect_only import ProtectOnly
from engine.risk import RiskLimits
from engine.view import ExitStyle

PE, CE = "NIFTY01DEC2624500PE", "NIFTY01DEC2624500CE"
PE_UP, CE_UP = "NIFTY01DEC2624600PE", "NIFTY01DEC2624600CE"
CE_FAR = "NIFTY01DEC2624700CE"
FIRST, WIDE, TWIN = "random_scalp_live", "wide", "twin"
LOT = 75


def terms(target: float, stop: float, **changes: object) -> BracketTerms:
    fields = {"target_offset_paise": round(target * 100), "stop_offset_paise": round(stop * 100), **changes}
    return BracketTerms(**fields)


@pytest.fixture
def pairs(seed_setup, group):
    """Three pairs: other strikes, and `twin`, which holds the put of the first pair too, with wider exits."""

    def build(**changes: object):
        wide = group(WIDE, (PE_UP, CE_UP), bracket=terms(8, 4))
        twin = group(TWIN, (PE, CE_FAR), lots=2, bracket=terms(20, 10))
        return seed_setup(5, 5, groups=changes.pop("groups", (wide, twin)), **changes)

    return build


async def enter_all(rig) -> None:
    """Every leg of every bot bought and protected; the account's rate limit spreads the writes."""
    await rig.enter(100.0)
    await rig.quiet(4.0)


def orders_of(rig, bot: str, symbol: str) -> list[tuple[str, str, int, int, int]]:
    """The working orders of one bot in one symbol: tag, type, quantity and prices."""
    tags = {order.tag for order in rig.desk.blotter.orders.values() if order.bot == bot and order.symbol == symbol}
    live = [order for order in rig.working(symbol) if order.tag in tags]
    return sorted((o.tag, o.type.value, o.qty, o.limit_paise, o.trigger_paise) for o in live)


def held(rig) -> dict[tuple[str, str], int]:
    """Open units by bot and symbol, without the flat ones."""
    legs = [(name, leg) for name, bot in rig.desk.bots.items() for leg in bot.legs.values()]
    return {(name, leg.symbol): leg.bracket.open_qty for name, leg in legs if leg.bracket is not None and leg.is_active}


def days(rig) -> dict[str, int]:
    return {name: bot.body.day_net_paise for name, bot in rig.desk.bots.items()}


@pytest.mark.row("HRD-41", "CON-52")
def test_three_pairs_live_side_by_side_and_no_fill_of_one_moves_another(run_desk, pairs) -> None:
    async def scenario(rig):
        await enter_all(rig)
        everything = {(FIRST, PE): 75, (FIRST, CE): 75, (WIDE, PE_UP): 75, (WIDE, CE_UP): 75}
        assert held(rig) == everything | {(TWIN, PE): 150, (TWIN, CE_FAR): 150}
        assert rig.net(PE) == 225
        assert len(rig.working()) == 12

        prices = dict.fromkeys(rig.setup.all_symbols, 100.0)
        moves = [(CE, 105.0), (PE_UP, 96.0), (PE, 105.0), (CE_UP, 108.0), (CE_FAR, 90.0), (PE, 120.0)]
        left = [(FIRST, CE), (WIDE, PE_UP), (FIRST, PE), (WIDE, CE_UP), (TWIN, CE_FAR), (TWIN, PE)]
        for (symbol, price), gone in zip(moves, left, strict=True):
            prices[symbol] = price
            others = {key: orders_of(rig, *key) for key in held(rig) if key != gone}
            calls = len(rig.venue.calls)
            await rig.quiet(2.0, prices)

            assert gone not in held(rig), gone
            assert others == {key: orders_of(rig, *key) for key in others}, f"{gone} touched another's orders"
            touched = {tag if isinstance(tag, str) else tag.tag for _, tag in rig.venue.calls[calls:]}
            owners = {(rig.desk.blotter.orders[tag].bot, rig.desk.blotter.orders[tag].symbol) for tag in touched}
            assert owners <= {gone}
            assert rig.desk.main.reader.differences == 0

        stops = {(WIDE, PE_UP): -4 * 75, (TWIN, CE_FAR): -10 * 150}
        gains = {(FIRST, CE): 5 * 75, (FIRST, PE): 5 * 75, (WIDE, CE_UP): 8 * 75, (TWIN, PE): 20 * 150}
        booked = {(row.bot, row.symbol): row.net_paise for row in _trade_rows(rig)}
        assert {key: booked[key] for key in gains} == {key: net * 100 for key, net in gains.items()}
        assert all(booked[key] <= net * 100 for key, net in stops.items()), "a stop fills at its trigger or worse"
        assert days(rig) == {name: sum(net for key, net in booked.items() if key[0] == name) for name in days(rig)}
        assert not rig.working()
        assert {rig.net(symbol) for symbol in rig.setup.all_symbols} == {0}

    run_desk(scenario, pairs())


def _trade_rows(rig):
    from engine.instant import ist_date

    return rig.journal.load("paper", trading_day=ist_date(rig.clock.now_ns()).isoformat()).trades_today


@pytest.mark.row("CON-43")
@pytest.mark.fault("HUM-07")
def test_two_bots_leave_the_same_contract_independently(run_desk, pairs) -> None:
    async def scenario(rig):
        await enter_all(rig)
        kept = orders_of(rig, FIRST, PE)

        rig.request(ExitLeg, symbol=PE, bot=TWIN)
        await rig.quiet(2.0)
        assert (TWIN, PE) not in held(rig)
        assert held(rig)[FIRST, PE] == 75 == rig.net(PE)
        assert orders_of(rig, FIRST, PE) == kept
        assert not rig.desk.mismatch

        rig.tick(PE, 105.0)
        await rig.quiet(2.0, dict.fromkeys(rig.setup.all_symbols, 100.0) | {PE: 105.0})
        assert rig.net(PE) == 0
        assert (FIRST, PE) not in held(rig)

    run_desk(scenario, pairs())


@pytest.mark.row("CON-43")
def test_a_request_without_a_bot_means_every_bot_that_has_the_symbol(run_desk, pairs) -> None:
    async def scenario(rig):
        await enter_all(rig)
        assert rig.console.describe(ExitLeg(request_id="x", symbol=PE)).count("SELL") == 2
        assert rig.console.describe(ExitLeg(request_id="x", symbol=PE, bot=TWIN)).startswith("SELL 150 ")

        rig.request(ExitLeg, symbol=PE)
        await rig.quiet(2.0)
        assert rig.net(PE) == 0
        assert {symbol for _, symbol in held(rig)} == {CE, PE_UP, CE_UP, CE_FAR}
        assert rig.console.view().actions[0].done == 2

    run_desk(scenario, pairs())


@pytest.mark.row("CON-43")
@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (ExitLeg(request_id="x", symbol=PE, bot="nobody"), "nobody is no bot of this desk"),
        (ExitLeg(request_id="x", symbol=PE, bot=WIDE), f"{PE} is no leg of wide"),
        (Enter(request_id="x", side=Side.BUY, symbols=(CE_FAR,), bot=FIRST), f"{CE_FAR} is no leg of {FIRST}"),
        (CancelAll(request_id="x", symbols=("X",)), "X is no leg of this desk"),
        (PauseEntries(request_id="x", paused=True, bot="nobody"), "nobody is no bot of this desk"),
    ],
)
def test_a_request_for_a_stranger_names_him(run_desk, pairs, request_, why: str) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        assert rig.console.why_not(request_) == why == rig.console.describe(request_)

    run_desk(scenario, pairs())


@pytest.mark.row("CON-43")
def test_entries_go_where_they_may_and_the_others_are_left_alone(run_desk, pairs) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.request(Enter, side=Side.BUY, bot=WIDE)
        await rig.quiet(1.0)
        assert {name for name, _ in held(rig)} == {WIDE}
        again = Enter(request_id="x", side=Side.BUY, bot=WIDE)
        assert rig.console.why_not(again) == "a position is already active"

        rig.request(PauseEntries, paused=True, bot=TWIN)
        await rig.quiet(0.5)
        assert rig.desk.entry_block(rig.clock.now_ns(), TWIN) == "paused"
        assert rig.desk.entry_block(rig.clock.now_ns()) == ""
        assert rig.console.view().status.entries == "ON, except twin: paused"
        rig.request(Enter, side=Side.BUY)
        await rig.quiet(1.0)
        assert {name for name, _ in held(rig)} == {WIDE, FIRST}

    run_desk(scenario, pairs())


def test_a_cancel_of_one_bots_protection_keeps_the_twins(run_desk, pairs) -> None:
    async def scenario(rig):
        await enter_all(rig)
        kept = orders_of(rig, FIRST, PE)

        rig.request(CancelAll, scope=CancelScope.ALL, symbols=(PE,), bot=TWIN)
        await rig.quiet(2.0)
        assert orders_of(rig, TWIN, PE) == []
        assert orders_of(rig, FIRST, PE) == kept
        assert rig.leg(PE, TWIN).bracket.body.style is ExitStyle.MONITORED

    run_desk(scenario, pairs())


def test_zero_out_leaves_every_position_of_every_bot(run_desk, pairs) -> None:
    async def scenario(rig):
        await enter_all(rig)
        assert "exit 6 legs" in rig.console.describe(ZeroOut(request_id="x"))
        rig.request(ZeroOut)
        await rig.quiet(4.0)
        assert not held(rig) and not rig.working()
        action = rig.console.view().actions[0]
        assert (action.done, action.total) == (6, 6)

    run_desk(scenario, pairs())


@pytest.mark.row("RTP-47")
def test_styles_run_side_by_side_and_a_new_default_leaves_open_positions_on_their_own(
    run_desk, seed_setup, group
) -> None:
    hybrid = group(WIDE, (PE_UP,), bracket=terms(5, 5, style=ExitStyle.HYBRID))
    watched = group(TWIN, (PE,), bracket=terms(5, 5, style=ExitStyle.MONITORED))

    async def scenario(rig):
        await enter_all(rig)
        counts = [len(orders_of(rig, *key)) for key in ((FIRST, PE), (WIDE, PE_UP), (TWIN, PE))]
        assert counts == [2, 1, 0]
        before = {name: [orders_of(rig, name, symbol) for symbol in bot.legs] for name, bot in rig.desk.bots.items()}

        for bot in rig.desk.bots.values():  # the migration of seed 002: the default flips to monitored
            bracket = msgspec.structs.replace(bot.terms.bracket, style=ExitStyle.MONITORED)
            bot.terms = msgspec.structs.replace(bot.terms, bracket=bracket)
        await rig.quiet(5.0)
        after = {name: [orders_of(rig, name, symbol) for symbol in bot.legs] for name, bot in rig.desk.bots.items()}
        assert after == before
        assert [rig.leg(PE).bracket.body.style, rig.leg(PE_UP, WIDE).bracket.body.style] == ["resting", "hybrid"]

        prices = dict.fromkeys(rig.setup.all_symbols, 105.0)
        await rig.quiet(3.0, prices)
        assert not held(rig), "all three leave at the same price, each in its own way"
        assert len(rig.venue.placed(Role.EXIT, PE)) == 1, "the watched one only; the resting one had its target"
        await enter_all(rig)
        assert not rig.working(), "new trades are all watched here"

    run_desk(scenario, seed_setup(5, 5, symbols=(PE,), groups=(hybrid, watched)))


@pytest.mark.row("CON-43")
def test_a_day_loss_of_one_group_stops_that_group_and_the_desks_stops_all(run_desk, pairs, group) -> None:
    small = group(WIDE, (PE_UP, CE_UP), bracket=terms(8, 4), limits=RiskLimits(day_loss_paise=400_00))

    async def scenario(rig):
        await enter_all(rig)
        prices = dict.fromkeys(rig.setup.all_symbols, 100.0)
        await rig.quiet(3.0, prices | {PE_UP: 95.0, CE_UP: 95.0})
        now = rig.clock.now_ns()
        assert rig.desk.entry_block(now, WIDE).startswith("day loss 400.00 of this group")
        assert rig.desk.entry_block(now, FIRST) == "" == rig.desk.entry_block(now)

        rig.desk.risk = RiskLimits(day_loss_paise=500_00)
        await rig.quiet(1.0)
        assert rig.desk.entry_block(now).startswith("day loss 500.00 reached")

    run_desk(scenario, pairs(groups=(small,)))


@pytest.mark.row("LEG-49")
def test_each_group_has_its_own_square_off(run_desk, pairs, group) -> None:
    early = BotTimes(square_off_ns=(10 * 3600 + 60) * 10**9)
    noon = group(WIDE, (PE_UP, CE_UP), bracket=terms(8, 4), bot_times=early)

    async def scenario(rig):
        await rig.enter(100.0)
        await rig.quiet(70.0)
        assert {name for name, _ in held(rig)} == {FIRST}
        assert rig.desk.entry_block(rig.clock.now_ns(), WIDE) == "square-off time has passed"
        assert rig.desk.entry_block(rig.clock.now_ns(), FIRST) == ""

    run_desk(scenario, pairs(groups=(noon,)))


@pytest.mark.row("LEG-72", "CON-43")
def test_a_restart_gives_each_bot_its_own_back_and_sends_nothing(run_desk, pairs) -> None:
    async def scenario(rig):
        await enter_all(rig)
        await rig.quiet(2.0, dict.fromkeys(rig.setup.all_symbols, 100.0) | {CE: 105.0})
        mine, orders, totals = held(rig), sorted(o.tag for o in rig.working()), days(rig)
        again = await rig.revived(await rig.kill())

        assert held(again) == mine
        assert sorted(o.tag for o in again.working()) == orders
        assert days(again) == totals
        assert not again.venue.placed()
        assert [again.leg(CE).realised_paise, again.leg(PE, TWIN).realised_paise] == [375_00, 0]
        await again.quiet(2.0, dict.fromkeys(rig.setup.all_symbols, 100.0) | {PE: 120.0})
        assert again.net(PE) == 0
        assert {bot: net - totals[bot] for bot, net in days(again).items()} == {
            FIRST: 375_00,
            WIDE: 0,
            TWIN: 3000_00,
        }
        await again.desk.stop("done")

    run_desk(scenario, pairs())


@pytest.mark.row("I-7")
def test_a_blind_price_is_told_and_left_by_each_bot_with_its_own_patience(run_desk, pairs, group) -> None:
    times = BotTimes(blind_exit_after_ns=0)
    patient = group(TWIN, (PE, CE_FAR), bracket=terms(20, 10), bot_times=times)

    async def scenario(rig):
        await enter_all(rig)
        seeing = {symbol: 100.0 for symbol in rig.setup.all_symbols if symbol != PE}
        await rig.quiet(40.0, seeing)
        assert [rig.leg(PE).bracket.body.exit_reason, rig.leg(PE, TWIN).bracket.body.exit_reason] == ["No Price", ""]
        assert rig.desk.price_watch.blind == {(FIRST, PE), (TWIN, PE)}

        await rig.quiet(3.0, 100.0)
        assert not rig.desk.price_watch.blind
        assert not [alarm for alarm in rig.desk.alarms if alarm.startswith("blind:")]

    run_desk(scenario, pairs(groups=(patient,)))


# --- a bot that fails -------------------------------------------------------------------------------------------------


class ScriptedBug(RuntimeError):
    pass


def break_bot(rig, name: str, method: str) -> None:
    def broken(*_args, **_kwargs):
        raise ScriptedBug("scripted")

    setattr(rig.desk.bots[name], method, broken)


@pytest.mark.parametrize("method", ["on_wake", "on_orders", "on_tick", "wake_ns", "open_brackets", "check_status"])
@pytest.mark.fault("PRC-10")
def test_a_bot_whose_code_fails_is_protect_only_and_the_others_trade_on(run_desk, pairs, method: str) -> None:
    async def scenario(rig):
        await enter_all(rig)
        break_bot(rig, WIDE, method)
        prices = dict.fromkeys(rig.setup.all_symbols, 100.0)
        await rig.quiet(6.0, prices | {CE: 105.0, PE_UP: 108.0})  # an own tick, own fills, a poll, its timer

        now = rig.clock.now_ns()
        assert isinstance(rig.desk.bots[WIDE], ProtectOnly)
        assert rig.desk.entry_block(now, WIDE).startswith("error in its code: ScriptedBug")
        assert rig.desk.entry_block(now, FIRST) == ""
        assert not rig.desk.engine_error
        assert f"internal:{WIDE}" in rig.desk.alarms
        assert rig.said(f"[CRITICAL] bot {WIDE}: ScriptedBug: scripted")

        assert (WIDE, PE_UP) not in held(rig), "its target filled and its stop went with it"
        assert orders_of(rig, WIDE, PE_UP) == []
        assert len(orders_of(rig, WIDE, CE_UP)) == 2
        await rig.quiet(3.0, prices | {CE_UP: 95.0})
        assert (WIDE, CE_UP) not in held(rig), "its stop worked too"
        assert days(rig)[WIDE] == sum(row.net_paise for row in _trade_rows(rig) if row.bot == WIDE) != 0

        rig.request(ZeroOut)
        await rig.quiet(3.0, prices)
        assert not held(rig) and not rig.working()
        rig.desk.failures.clear()

    run_desk(scenario, pairs())


@pytest.mark.fault("PRC-10")
def test_a_failed_bots_position_leaves_by_key_and_its_entries_are_refused(run_desk, pairs) -> None:
    async def scenario(rig):
        await enter_all(rig)
        break_bot(rig, TWIN, "exit_leg")
        rig.request(ExitLeg, symbol=PE, bot=TWIN)
        await rig.quiet(2.0)
        assert (TWIN, PE) not in held(rig), "the very request that broke it was carried out"
        assert held(rig)[FIRST, PE] == 75

        await rig.quiet(3.0, dict.fromkeys(rig.setup.all_symbols, 100.0) | {CE_FAR: 120.0})
        assert TWIN not in {name for name, _ in held(rig)}
        refused = rig.console.why_not(Enter(request_id="x", side=Side.BUY, bot=TWIN))
        assert refused.startswith("error in its code: ScriptedBug")
        rig.desk.failures.clear()

    run_desk(scenario, pairs())


@pytest.mark.fault("PRC-10")
def test_what_a_failing_bot_had_not_entered_yet_is_taken_back(run_desk, pairs) -> None:
    async def scenario(rig):
        rig.ticks(100.0)
        rig.tick(PE_UP, 100.0, bid=99.0, ask=150.0)  # nobody sells near: its entry works
        rig.tick(CE_UP, 100.0, bid=99.0, ask=150.0)
        bot = rig.desk.bots[WIDE]
        honest = bot.enter

        def half(*args, **kwargs):
            honest(*args, **kwargs)
            raise ScriptedBug("after the entry was decided")

        bot.enter = half
        rig.request(Enter, side=Side.BUY, bot=WIDE)
        await rig.pass_s(2.0)
        assert not held(rig)
        assert not rig.working()
        assert rig.net(PE_UP) == rig.net(CE_UP) == 0
        rig.desk.failures.clear()

    run_desk(scenario, pairs())


@pytest.mark.fault("PRC-10")
def test_a_failure_while_booking_neither_loses_the_fill_nor_stops_the_desk(run_desk, pairs) -> None:
    async def scenario(rig):
        await enter_all(rig)
        break_bot(rig, FIRST, "book")
        await rig.quiet(3.0, dict.fromkeys(rig.setup.all_symbols, 100.0) | {PE: 105.0, CE_UP: 108.0})

        assert {(row.bot, row.symbol) for row in _trade_rows(rig)} == {(FIRST, PE), (WIDE, CE_UP)}
        assert rig.desk.seats[FIRST].broken and not rig.desk.seats[WIDE].broken
        assert days(rig)[FIRST] == 375_00, "the stand-in keeps the books"
        rig.desk.failures.clear()

    run_desk(scenario, pairs())


def test_a_reload_reaches_each_group_by_its_name(run_desk, pairs) -> None:
    from engine.desk_parts import Reloaded

    async def scenario(rig):
        wide = rig.desk.bots[WIDE].terms
        new = {WIDE: msgspec.structs.replace(wide, lots=3), "gone": wide}
        rig.desk.parts.reload_terms = lambda: Reloaded(
            terms=new, risk=RiskLimits(day_loss_paise=1), applied="groups.wide.lots", restart_needed=""
        )
        rig.request(ReloadConfig)
        await rig.pass_s(0.1)
        assert [rig.desk.bots[name].lots for name in (FIRST, WIDE, TWIN)] == [1, 3, 2]
        assert rig.desk.risk.day_loss_paise == 1

    run_desk(scenario, pairs())


@pytest.mark.row("CON-43", "HRD-41")
@pytest.mark.parametrize(("near", "far"), [(FIRST, TWIN), (TWIN, FIRST)])
def test_the_tightest_level_of_all_bots_on_a_contract_is_met_by_the_tick_itself(
    run_desk, seed_setup, group, near: str, far: str
) -> None:
    """Nothing rests: only the armed band lets the tick through, and it must be the narrower one, whoever came last."""
    levels = {near: terms(2, 2, style=ExitStyle.MONITORED), far: terms(40, 40, style=ExitStyle.MONITORED)}
    watched = group(TWIN, (PE,), bracket=levels[TWIN])
    setup = seed_setup(symbols=(PE,), groups=(watched,))
    setup.bracket = levels[FIRST]

    async def scenario(rig):
        await enter_all(rig)
        exits = len(rig.venue.placed(Role.EXIT))
        rig.tick(PE, 102.0)
        await rig.pass_s(0.05)
        assert len(rig.venue.placed(Role.EXIT)) == exits + 1
        await rig.quiet(1.0, 102.0)
        assert held(rig) == {(far, PE): 75}

    run_desk(scenario, setup)
