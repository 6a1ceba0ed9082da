"""The pictures a screen shows: unchanged rows are the same objects, and each situation has its one word."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from engine.bracket_state import BracketTerms
from engine.desk_view import DeskConsole
from engine.exit_rules.breakeven import Breakeven
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.registry import encode_rules
from engine.exposure import ExposureClock
from engine.instant import NS_PER_S
from engine.journal.writer import CommitStats
from engine.leg import Leg
from engine.order import Order, OrderState, Role, Side
from engine.order_doubts import OrderDoubts
from engine.outbox import CancelOrder
from engine.rate_window import RateWindow
from engine.risk import RiskLimits
from engine.stop_plan import OnStop
from engine.view import AlarmView, DeskView, ExitStyle, LegView, ProtectionWord

TERMS = BracketTerms(target_offset_paise=500, stop_offset_paise=500)


class Shown:
    """A bench's bracket as the only leg of a desk that is nothing but attributes."""

    def __init__(self, world: Any) -> None:
        self.world = world
        leg = Leg(world.price)
        leg.bracket = world.bracket
        bot = SimpleNamespace(
            name="legs",
            legs={leg.symbol: leg},
            style=world.terms.style,
            on_stop=OnStop.FLATTEN,
            product="MIS",
            body=SimpleNamespace(day_net_paise=0),
            open_brackets=lambda: [] if world.is_flat else [world.bracket],
        )
        account = SimpleNamespace(
            account_id=world.bracket.body.account,
            port=SimpleNamespace(ambiguity_s=45.0),
            words=lambda text: text,
            recovered=True,
            mismatch="",
            fenced="",
            gateway=SimpleNamespace(
                answer_ms=0.0,
                proven_ns=0,
                path_error="",
                window=RateWindow(per_s=8, per_min=180, exit_reserve_per_s=3),
            ),
            reader=SimpleNamespace(
                reconciled_ns=0,
                differences=0,
                updates=[],
                reconciler=SimpleNamespace(unexpected_qty=lambda symbol, product: 0),
                recovery=SimpleNamespace(headline=lambda now_ns: ""),
            ),
        )
        self.block = ""
        self.desk: Any = SimpleNamespace(
            version=0,
            clock=SimpleNamespace(now_ns=lambda: world.now_ns),
            bots={"legs": bot},
            open_brackets=bot.open_brackets,
            risk=RiskLimits(),
            alarms={},
            blotter=world.blotter,
            prices={leg.symbol: world.price},
            requests=SimpleNamespace(views=lambda now: ()),
            log=SimpleNamespace(seq=3, lines_since=lambda seq: [seq]),
            parts=SimpleNamespace(
                labels=SimpleNamespace(mode="PAPER", broker="paper", is_live=False, index_symbol=""),
                limits=SimpleNamespace(orders_per_s=8),
                writer=SimpleNamespace(stats=lambda: CommitStats(last_ms=0.3)),
            ),
            accounts={account.account_id: account},
            main=account,
            accounts_of=lambda bot: [account],
            doubts=OrderDoubts(),
            bracket=lambda key: world.bracket,
            exposure=ExposureClock(),
            charges={},
            engine_error="",
            entry_block=lambda now, bot: self.block,
            session_reason=lambda now: "",
            square_off_at_ns=lambda now: 0,
        )
        self.console = DeskConsole(self.desk)

    def view(self) -> DeskView:
        self.desk.version += 1
        return self.console.view()

    @property
    def leg(self) -> LegView:
        return self.view().legs[0]


def resting(bench: Any, **changes: Any) -> Any:
    return bench(msgspec.structs.replace(TERMS, **changes)).filled_entry()


def test_rows_that_did_not_change_are_the_same_objects(bench: Any) -> None:
    world = resting(bench)
    shown = Shown(world)
    first, second = shown.view(), shown.view()

    assert first.legs[0] is second.legs[0]
    assert first.brackets[0] is second.brackets[0]
    assert all(one is other for one, other in zip(first.orders, second.orders, strict=True))


def test_only_the_rows_that_changed_are_new_objects(bench: Any) -> None:
    world = resting(bench)
    shown = Shown(world)
    first = shown.view()
    world.fill(world.orders(Role.TARGET)[0], 25)
    world.settle()
    second = shown.view()
    changed = {row.role for row, other in zip(first.orders, second.orders, strict=True) if row is not other}

    assert changed == {Role.TARGET, Role.STOP}
    assert first.legs[0] is not second.legs[0]


def test_a_leg_shows_its_position_and_both_exits(bench: Any) -> None:
    leg = Shown(resting(bench)).leg

    assert (leg.name, leg.title) == ("24500PE", "PE NIFTY 01DEC 24500")
    assert (leg.open_qty, leg.lots, leg.covered_qty, leg.entry_paise) == (75, 3, 75, 150_00)
    assert leg.stop is not None
    assert leg.target is not None
    assert (leg.stop.price_paise, leg.stop.limit_paise, leg.stop.qty, leg.stop.resting) == (145_00, 142_10, 75, True)
    assert (leg.target.price_paise, leg.target.qty, leg.target.resting) == (155_00, 75, True)
    assert leg.unrealised_paise == -5 * 75  # marked at the bid
    assert leg.next_step == "target and stop rest"


@pytest.mark.row("I-4")
@pytest.mark.parametrize(
    ("style", "word", "step"),
    [
        (ExitStyle.RESTING, ProtectionWord.PROTECTED, "target and stop rest"),
        (ExitStyle.HYBRID, ProtectionWord.PROTECTED, "stop rests, target watched here"),
        (ExitStyle.MONITORED, ProtectionWord.LOCAL, "watched here"),
    ],
)
def test_each_style_has_its_word_and_its_next_step(
    bench: Any, style: ExitStyle, word: ProtectionWord, step: str
) -> None:
    leg = Shown(resting(bench, style=style)).leg

    assert (leg.protection, leg.next_step) == (word, step)


def test_the_words_of_a_position_from_entry_to_flat(bench: Any) -> None:
    world = bench(TERMS)
    shown = Shown(world)
    entry: Order = world.enter()
    assert (shown.leg.protection, shown.leg.next_step) == (ProtectionWord.FLAT, "waiting for the entry to fill")
    world.settle()
    world.fill(entry, price_paise=150_00)
    world.deliver_news()
    assert shown.leg.protection is ProtectionWord.PLACING
    assert shown.leg.next_step == "no reply yet for the stop; 145.00 guarded here"
    world.send("swallowed")
    world.deliver_answer()
    assert shown.leg.protection is ProtectionWord.UNKNOWN
    for _ in range(2):
        world.read_books()
        world.deliver_books()
    assert shown.leg.protection is ProtectionWord.NAKED
    world.advance(NS_PER_S)
    world.settle()
    assert shown.leg.protection is ProtectionWord.PROTECTED
    world.exit("EOD Square-Off")
    assert (shown.leg.protection, shown.leg.next_step) == (ProtectionWord.EXITING, "closing: EOD Square-Off")
    for _ in range(3):
        world.settle()
        world.match_market()
    world.settle()
    assert (shown.leg.protection, shown.leg.open_qty, shown.view().brackets) == (ProtectionWord.FLAT, 0, ())


def test_a_stop_smaller_than_the_position_is_called_partial(bench: Any) -> None:
    world = bench(msgspec.structs.replace(TERMS), qty=150)
    entry = world.enter()
    world.settle()
    world.fill(entry, 75, 150_00)
    world.settle()
    world.fill(entry, 75, 150_00)
    while world.venue.news:
        world.deliver_news()
    leg = Shown(world).leg

    assert (leg.protection, leg.covered_qty, leg.open_qty) == (ProtectionWord.PARTIAL, 75, 150)


@pytest.mark.row("LEG-32")
def test_the_trail_is_told_in_words(bench: Any) -> None:
    world = bench(
        msgspec.structs.replace(TERMS, rules=encode_rules([LockFraction()]), target_offset_paise=400), ltp_paise=100_00
    )
    shown = Shown(world)
    entry = world.enter()
    assert shown.leg.trail == "on"
    world.settle()
    world.fill(entry, price_paise=100_00)
    world.settle()
    assert shown.leg.trail == "arms at 102.00"
    world.tick(103_00)
    assert shown.leg.trail == "active, stop 102.25, best 103.00"


def test_what_rests_survives_us_and_what_is_watched_dies_with_us(bench: Any) -> None:
    health = Shown(resting(bench, style=ExitStyle.HYBRID, rules=encode_rules([LockFraction()]))).view().health

    assert health.survives_us == ("24500PE stop",)
    assert health.dies_with_us == ("24500PE target", "24500PE trail")


@pytest.mark.parametrize(
    ("block", "word"), [("", "ON"), ("paused", "PAUSED"), ("journal: disk full", "BLOCKED: journal: disk full")]
)
def test_entries_have_one_of_three_words(bench: Any, block: str, word: str) -> None:
    shown = Shown(bench(TERMS))
    shown.block = block

    assert shown.view().status.entries == word


@pytest.mark.invariant("U1")
def test_an_unanswered_order_is_never_left_out_of_a_long_list(bench: Any) -> None:
    world = resting(bench)
    unknown = world.orders(Role.STOP)[0]
    unknown.state = OrderState.UNKNOWN
    for number in range(300):
        world.blotter.add(msgspec.structs.replace(unknown, tag=f"OLD{number}", state=OrderState.FILLED, broker_id=""))
    orders = Shown(world).view().orders

    assert orders[0].tag == "OLD299"
    assert unknown.tag in {row.tag for row in orders}
    assert len(orders) < 300


def test_alarms_are_newest_first_and_shown_on_their_bracket(bench: Any) -> None:
    shown = Shown(resting(bench))
    shown.desk.alarms = {
        "mismatch": AlarmView(alarm_id="mismatch", since_ns=1, text="old"),
        "naked:B1": AlarmView(alarm_id="naked:B1", since_ns=2, text="75 units open"),
    }
    view = shown.view()

    assert [alarm.text for alarm in view.alarms] == ["75 units open", "old"]
    assert view.brackets[0].alarm == "75 units open"


def test_the_ladder_marks_prices_and_own_orders_and_keeps_the_far_ones_in_sight(bench: Any) -> None:
    world = resting(bench)
    rows = Shown(world).console.ladder(world.body.symbol, 11)
    marks = {row.price_paise: row.marks for row in rows if row.marks}
    mine = {row.price_paise: row.mine for row in rows if row.mine}

    assert len(rows) == 11
    assert [row.price_paise for row in rows] == sorted((row.price_paise for row in rows), reverse=True)
    assert marks == {155_00: "TP", 150_00: "LTP ENTRY", 145_00: "SL"}
    assert mine == {155_00: "S 75 target", 145_00: "S 75 stop"}
    assert {row.price_paise: row.bid_qty for row in rows if row.bid_qty} == {149_95: 100}
    assert {row.price_paise: row.ask_qty for row in rows if row.ask_qty} == {150_05: 100}


def test_a_ladder_of_an_unknown_symbol_or_without_a_price_is_empty(bench: Any) -> None:
    world = bench(TERMS)
    shown = Shown(world)
    assert shown.console.ladder("NOBODY", 11) == ()
    world.set_price(0)
    assert shown.console.ladder(world.body.symbol, 11) == ()


@pytest.mark.row("I-1")
def test_the_working_exits_shown_count_the_pair_once(bench: Any) -> None:
    world = resting(bench)
    bracket = Shown(world).view().brackets[0]
    assert (bracket.open_qty, bracket.working_exit_qty) == (75, 75)

    world.exit()
    assert [type(command) for command in world.queue] == [CancelOrder]
    assert Shown(world).view().brackets[0].working_exit_qty == 75


def test_a_price_shows_the_direction_of_its_last_change(bench: Any) -> None:
    world = bench(TERMS)
    shown = Shown(world)
    moves: list[int] = []
    for ltp in (150_00, 150_05, 150_05, 149_00, 149_00):
        world.set_price(ltp)
        moves.append(shown.leg.ltp_move)

    assert moves == [0, 1, 1, -1, -1]


# --- the way out, shorts, rules


def exit_failed(bench: Any) -> Any:
    world = resting(bench, style=ExitStyle.MONITORED)
    world.exit()
    for _ in range(3):
        while not world.queue:
            world.advance(NS_PER_S // 10)
        world.send("other")
        world.deliver_answer()
    return world


@pytest.mark.row("RTP-28")
def test_an_exit_that_was_refused_three_times_is_called_failed_and_goes_on(bench: Any) -> None:
    shown = Shown(exit_failed(bench))
    leg, bracket = shown.leg, shown.view().brackets[0]

    assert (leg.protection, leg.exit_tries, bracket.word) == (ProtectionWord.EXIT_FAILED, 3, ProtectionWord.EXIT_FAILED)
    assert leg.next_step == "closing: Square-Off, refused 3x, tries go on"


@pytest.mark.row("RTP-30")
@pytest.mark.invariant("U1")
def test_flat_by_fills_is_not_called_flat_before_the_broker_says_so(bench: Any) -> None:
    world = resting(bench, style=ExitStyle.MONITORED)
    shown = Shown(world)
    world.exit()
    world.send()
    world.deliver_answer()
    assert shown.leg.leaving is not None and shown.leg.leaving.qty == 75
    world.fill(world.orders(Role.EXIT)[0])
    while world.venue.news:
        world.deliver_news()

    assert (shown.leg.protection, shown.leg.open_qty) == (ProtectionWord.PROVING, 0)
    assert shown.leg.next_step.startswith("fills say flat")


@pytest.mark.row("HRD-40")
def test_a_short_has_negative_units_and_gains_when_the_ask_falls(bench: Any) -> None:
    world = bench(TERMS, side=Side.SELL, ltp_paise=150_00).filled_entry(price_paise=150_00)
    world.tick(148_00)
    shown = Shown(world)
    leg, bracket = shown.leg, shown.view().brackets[0]

    assert (leg.open_qty, leg.lots, bracket.open_qty) == (-75, -3, -75)
    ask = world.price.tick.ask_paise or 148_00
    assert leg.unrealised_paise == (150_00 - ask) * 75 > 0
    assert leg.stop is not None and leg.target is not None
    assert leg.stop.price_paise > leg.entry_paise > leg.target.price_paise


@pytest.mark.row("RTP-21")
def test_every_rule_tells_its_level_and_one_that_fails_takes_nothing_with_it(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = encode_rules([LockFraction(), Breakeven(gain_bps=1000)])
    world = bench(msgspec.structs.replace(TERMS, rules=rules), ltp_paise=100_00).filled_entry(100_00)
    shown = Shown(world)
    lock, even = shown.leg.rules
    assert lock.rule.startswith("lock_fraction(") and not lock.is_active and lock.level_paise > 100_00
    assert even.level_paise == 110_00

    def broken(*_: object) -> None:
        raise ValueError("no [b]story[/b]")

    monkeypatch.setattr(Breakeven, "story", broken)
    assert [bool(rule.trouble) for rule in shown.leg.rules] == [False, True]
    assert "ValueError" in shown.leg.rules[1].trouble


def test_slices_are_shown_as_one_exit_in_so_many_orders(bench: Any) -> None:
    world = bench(TERMS, qty=4_000)
    world.enter()
    world.settle()
    for entry in world.orders(Role.ENTRY):
        world.fill(entry, price_paise=150_00)
    world.settle()
    stop = Shown(world).leg.stop

    assert stop is not None
    assert (stop.qty, stop.parts) == (4_000, 3)
