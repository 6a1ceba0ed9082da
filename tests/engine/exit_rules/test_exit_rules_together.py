"""What holds for every exit rule: the band tells the truth, no level loosens, a short day is a long day in a mirror."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.bars import Bar
from engine.exit_rules import parse_rules, rule_names
from engine.exit_rules.breakeven import Breakeven
from engine.exit_rules.lock_fraction import LockFraction
from engine.exit_rules.ma_cross import MaCross
from engine.exit_rules.min_lock import MinLock
from engine.exit_rules.pct_below_hwm import PctBelowHwm
from engine.exit_rules.rule import NO_HIGH, ExitRule, Proposal, RuleFacts, RuleMemory
from engine.exit_rules.supertrend import Supertrend
from engine.exit_rules.time_exit import TimeExit
from engine.instant import NS_PER_S
from engine.order import Side
from engine.reading import MINUTE_NS, IndicatorSpec, Reading

Open = Any
ENTRY = 100_00
OPENED_NS = 1_800_000_000 * NS_PER_S
BPS = st.integers(1, 4_000)

MIRRORED_RULES: dict[str, st.SearchStrategy[ExitRule]] = {
    "lock_fraction": st.builds(LockFraction, activation_bps=st.integers(0, 10_000), lock_bps=st.integers(0, 10_000)),
    "breakeven": st.builds(Breakeven, gain_bps=BPS, offset_paise=st.integers(0, 20_00)),
    "breakeven in rupees": st.builds(
        Breakeven, gain_paise=st.integers(20_01, 30_00), offset_paise=st.integers(0, 20_00)
    ),
    "pct_below_hwm of the gain": st.builds(PctBelowHwm, after_bps=BPS, drop_bps=BPS, basis=st.just("pnl")),
    "min_lock": st.builds(MinLock, gain_paise=st.integers(100_00, 2_000_00), lock_paise=st.integers(1, 99_99)),
    "supertrend": st.builds(Supertrend, trade_types=st.sampled_from([("Entry2",), ("Entry3", "Manual")])),
    "ma_cross": st.builds(MaCross, after_bps=st.integers(0, 3_000)),
    "time_exit": st.builds(TimeExit, at_s=st.integers(0, 86_399)),
}
RULES = {
    **MIRRORED_RULES,
    "pct_below_hwm": st.builds(PctBelowHwm, after_bps=BPS, drop_bps=BPS),
    "pct_below_hwm by rupees": st.builds(PctBelowHwm, after_paise=st.integers(100_00, 2_000_00), drop_bps=BPS),
}
EVERY_RULE = pytest.mark.parametrize("kind", RULES)
FEWER = settings(max_examples=50)  # of each kind


class Beat(msgspec.Struct, frozen=True):
    """One moment of a day: a last price, and perhaps a candle that closes with it."""

    ltp: int
    is_candle: bool
    values: tuple[int | None, int]
    """Value (None: missing) and direction of every indicator on that candle."""
    units: int


BEATS = st.lists(
    st.builds(
        Beat,
        st.integers(70_00, 130_00),
        st.booleans(),
        st.tuples(st.none() | st.integers(80_00, 120_00), st.sampled_from([1, -1])),
        st.sampled_from([25, 75]),
    ),
    min_size=1,
    max_size=30,
)


class Board:
    def __init__(self) -> None:
        self.values: dict[IndicatorSpec, Reading] = {}

    def reading(self, spec: IndicatorSpec) -> Reading | None:
        return self.values.get(spec)

    def close(self, specs: tuple[IndicatorSpec, ...], beat: Beat, now_ns: int, mirror: bool) -> None:
        """Averages get different values by their length, so that they cross."""
        value, direction = beat.values
        turn = -1 if mirror else 1
        for spec in specs:
            before = self.values.pop(spec, None)
            if value is None:
                continue
            shifted = value + 37 * len(str(spec)) * int(spec.args[0])
            seen = 2 * ENTRY - shifted if mirror else shifted
            ltp = 2 * ENTRY - beat.ltp if mirror else beat.ltp
            self.values[spec] = Reading(
                value=seen / 1,
                previous=None if before is None else before.value,
                direction=turn * direction,
                previous_direction=0 if before is None else before.direction,
                bar=Bar(
                    start_ns=now_ns - MINUTE_NS,
                    open_paise=ltp,
                    high_paise=ltp + 50,
                    low_paise=ltp - 50,
                    close_paise=ltp,
                ),
                bar_end_ns=now_ns,
            )


class Day:
    """One position through the beats, long or as the mirror of a long one."""

    def __init__(self, rule: ExitRule, tick: int, trade_type: str, *, mirror: bool = False) -> None:
        self.rule, self.mirror, self.board, self.memory = rule, mirror, Board(), RuleMemory()
        self.facts = RuleFacts(
            now_ns=OPENED_NS,
            symbol="X",
            side=Side.SELL if mirror else Side.BUY,
            trade_type=trade_type,
            open_qty=75,
            entry_paise=ENTRY,
            target_offset_paise=400,
            first_stop_paise=self.seen(93_00),
            stop_paise=self.seen(93_00),
            best_paise=ENTRY,
            ltp_paise=ENTRY,
            tick_paise=tick,
            opened_ns=OPENED_NS,
        )

    def seen(self, price: int) -> int:
        return 2 * ENTRY - price if self.mirror else price

    def with_price(self, price: int) -> RuleFacts:
        best = self.facts.best_paise
        best = price if self.facts.sign * (price - best) > 0 else best
        return msgspec.structs.replace(self.facts, ltp_paise=price, best_paise=best)

    def live(self, beat: Beat) -> Proposal:
        self.facts = msgspec.structs.replace(
            self.with_price(self.seen(beat.ltp)), now_ns=self.facts.now_ns + 20 * NS_PER_S, open_qty=beat.units
        )
        if beat.is_candle:
            self.board.close(self.rule.needs(), beat, self.facts.now_ns, self.mirror)
            return self.rule.on_candle(self.facts, self.memory, self.board)
        return self.rule.on_price(self.facts, self.memory, self.board)


TICKS = st.sampled_from([1, 5])
TRADE_TYPES = st.sampled_from(["Entry2", "Entry3", "Manual"])
SIDES = st.booleans()


def copied(memory: RuleMemory) -> RuleMemory:
    return msgspec.structs.replace(memory)


@EVERY_RULE
@FEWER
@given(st.data(), BEATS, TICKS, TRADE_TYPES, SIDES)
def test_a_price_inside_the_band_never_changes_the_answer(
    kind: str, data: st.DataObject, beats: list[Beat], tick: int, trade_type: str, mirror: bool
) -> None:
    rule = data.draw(RULES[kind])
    day = Day(rule, tick, trade_type, mirror=mirror)
    for beat in beats:
        day.live(beat)
        now = rule.on_price(day.facts, day.memory, day.board)
        low, high = rule.band(day.facts, day.memory)
        assume(low + 1 < min(high, 1_000_00))
        lowest, highest = low + 1, min(high, 1_000_00) - 1
        inside = data.draw(st.sampled_from([lowest, highest]) | st.integers(lowest, highest))
        memory = copied(day.memory)

        assert rule.on_price(day.with_price(inside), memory, day.board) == now
        assert memory == day.memory


@pytest.mark.row("CON-06", "RTP-21")
@EVERY_RULE
@FEWER
@given(st.data(), BEATS, TICKS, TRADE_TYPES, SIDES)
def test_no_rule_ever_loosens_its_level_or_forgets_that_it_armed(
    kind: str, data: st.DataObject, beats: list[Beat], tick: int, trade_type: str, mirror: bool
) -> None:
    rule = data.draw(RULES[kind])
    day = Day(rule, tick, trade_type, mirror=mirror)
    for beat in beats:
        before = copied(day.memory)
        stop = day.live(beat).stop_paise
        level = day.memory.level_paise

        assert stop == level
        assert level % tick == 0
        assert day.memory.active >= before.active
        assert not before.level_paise or day.facts.sign * (level - before.level_paise) >= 0


@pytest.mark.parametrize("kind", MIRRORED_RULES)
@FEWER
@given(st.data(), BEATS, TICKS, TRADE_TYPES)
def test_a_short_day_is_answered_as_the_mirror_of_a_long_one(
    kind: str, data: st.DataObject, beats: list[Beat], tick: int, trade_type: str
) -> None:
    rule = data.draw(MIRRORED_RULES[kind])
    long, short = Day(rule, tick, trade_type), Day(rule, tick, trade_type, mirror=True)
    for beat in beats:
        of_long, of_short = long.live(beat), short.live(beat)

        mirrored = 2 * ENTRY - of_long.stop_paise if of_long.stop_paise else 0
        assert (of_short.stop_paise, of_short.leave, of_short.drops_target) == (
            mirrored,
            of_long.leave,
            of_long.drops_target,
        )
        low, high = rule.band(long.facts, long.memory)
        mirror_low = 2 * ENTRY - high if high < NO_HIGH else 0
        assert rule.band(short.facts, short.memory) == (mirror_low, 2 * ENTRY - low if low else NO_HIGH)


@given(BEATS, BPS, TICKS, SIDES)
def test_a_share_of_the_best_price_is_a_share_of_it_on_both_sides(
    beats: list[Beat], drop: int, tick: int, mirror: bool
) -> None:
    day = Day(PctBelowHwm(after_bps=0, drop_bps=drop), tick, "Manual", mirror=mirror)
    for beat in beats:
        stop = day.live(beat).stop_paise

    best = day.facts.best_paise
    assert abs(10_000 * stop - best * (10_000 - day.facts.sign * drop)) <= 5_000 * tick


ALL = (
    {"rule": "lock_fraction"},
    {"rule": "breakeven"},
    {"rule": "pct_below_hwm"},
    {"rule": "min_lock", "lock_rupees": 600},
    {"rule": "supertrend"},
    {"rule": "ma_cross"},
    {"rule": "time_exit"},
)
PATH = (100_00, 104_00, 110_00, 120_00, 117_00)
ALONE = {
    "lock_fraction": [0, 103_00, 107_50, 115_00, 115_00],
    "breakeven": [0, 0, 100_00, 100_00, 100_00],
    "pct_below_hwm": [0, 0, 106_70, 116_40, 116_40],
    "min_lock": [0, 0, 0, 108_00, 108_00],  # 1,000 rupees of 75 units are 13.34 each
    "supertrend": [98_00, 98_00, 98_00, 98_00, 98_00],
    "ma_cross": [0, 0, 0, 0, 0],
    "time_exit": [0, 0, 0, 0, 0],
}
TOGETHER = [98_00, 103_00, 107_50, 116_40, 116_40]


def stops_of(open_position: Open, *tables: dict[str, object]) -> list[int]:
    """The effective stop along PATH, as the bracket takes it: the best of all so far."""
    positions = [open_position(rule) for rule in parse_rules(list(tables))]
    effective, stops = 0, []
    for price in PATH:
        for position in positions:
            for spec in position.rule.needs():
                position.read(spec, 98_00.0, direction=1)
            effective = max(effective, position.stop_at(price))
        stops.append(effective)
    return stops


@pytest.mark.row("CON-06")
@pytest.mark.parametrize("table", ALL, ids=lambda table: table["rule"])
def test_each_rule_alone_gives_its_own_stop(open_position: Open, table: dict[str, object]) -> None:
    assert stops_of(open_position, table) == ALONE[str(table["rule"])]


@pytest.mark.row("CON-06")
def test_all_together_give_the_best_stop_and_it_never_falls(open_position: Open) -> None:
    assert stops_of(open_position, *ALL) == TOGETHER == [max(column) for column in zip(*ALONE.values(), strict=True)]


def test_the_table_above_leaves_out_no_rule() -> None:
    assert set(rule_names()) == set(ALONE)


@pytest.mark.row("LEG-35")
def test_two_positions_under_one_rule_trail_apart(open_position: Open) -> None:
    rule = LockFraction()
    call, put = open_position(rule), open_position(rule)

    assert (call.stop_at(101_00), put.stop_at(103_00)) == (0, 102_25)
    assert call.memory != put.memory


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("table", ALL[:4], ids=lambda table: table["rule"])
def test_without_any_price_yet_nothing_arms(open_position: Open, table: dict[str, object], side: Side) -> None:
    (rule,) = parse_rules([table])
    position = open_position(rule, side=side)
    position.ltp = position.best = 0

    assert position.ask() == Proposal()
