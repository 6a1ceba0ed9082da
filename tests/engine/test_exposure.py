"""The naked-exposure clock: what it adds up is what a brute-force sum over every instant gives, and nothing else."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exposure import Cause, Exposure, ExposureClock, Sight, gravest, percentile
from engine.exposure_sight import PriceTurns
from engine.instant import NS_PER_DAY, NS_PER_S, at_ist
from engine.instrument import Instrument, Segment
from engine.price_book import PriceBook

START = at_ist(date(2026, 11, 25), time(10, 0))


def sight(open_qty: int = 75, covered_qty: int = 0, *, bracket_id: str = "B1", **changes: object) -> Sight:
    fields: dict[str, object] = {
        "bracket_id": bracket_id,
        "account": "A",
        "bot": "pair",
        "symbol": "NIFTY24500PE",
        "open_qty": open_qty,
        "covered_qty": covered_qty,
    }
    return Sight(**{**fields, **changes})  # type: ignore[arg-type]


def after_s(seconds: float) -> int:
    return START + round(seconds * NS_PER_S)


# --- one bracket, by hand ---


@pytest.mark.row("I-4")
def test_a_fill_begins_an_interval_and_the_stop_at_the_broker_ends_it() -> None:
    clock = ExposureClock()

    assert clock.look(sight(75, 0), START) is None
    finished = clock.look(sight(75, 75), after_s(0.2))

    assert finished == Exposure(
        bracket_id="B1", account="A", bot="pair", symbol="NIFTY24500PE", began_ns=START, ended_ns=after_s(0.2), qty=75,
        unit_ns=75 * NS_PER_S // 5, cause=Cause.PLACING, trading_day="2026-11-25",
    )  # fmt: skip


@pytest.mark.row("I-4")
def test_a_half_covered_position_counts_its_bare_half() -> None:
    clock = ExposureClock()
    clock.look(sight(150, 0), START)
    clock.look(sight(150, 75), after_s(1))

    finished = clock.look(sight(150, 150), after_s(3))

    assert finished is not None
    assert (finished.qty, finished.unit_ns) == (150, (150 * 1 + 75 * 2) * NS_PER_S)


def test_a_position_watched_here_on_a_fresh_price_is_protected_and_without_one_bare() -> None:
    clock = ExposureClock()
    watched = {"hangs_on_time": True, "cause": Cause.NO_PRICE}

    assert clock.look(sight(is_watched=True, **watched), START) is None
    assert clock.look(sight(since_ns=after_s(5), **watched), after_s(6)) is None
    assert clock.figures(after_s(8)).since_ns == after_s(5)
    finished = clock.look(sight(is_watched=True, **watched), after_s(9))

    assert finished is not None
    assert (finished.began_ns, finished.cause) == (after_s(5), Cause.NO_PRICE)
    assert clock.look(sight(0, **watched), after_s(10)) is None


def test_a_bare_bracket_is_attended_until_it_is_covered_and_one_that_hangs_on_a_price_is_not() -> None:
    clock = ExposureClock()
    clock.look(sight(75, 0), START)
    clock.look(sight(75, 0, bracket_id="B2", hangs_on_time=True), START)

    assert clock.attended == {"B1"}
    clock.look(sight(75, 75), after_s(1))
    assert clock.attended == set()


def test_a_surplus_is_bare_in_full_whatever_rests_or_watches() -> None:
    assert sight(-25, 75, is_watched=True).naked_qty == 25


def test_no_interval_begins_before_the_units_were_last_seen_covered() -> None:
    clock = ExposureClock()
    clock.look(sight(75, 75), after_s(2))

    clock.look(sight(75, 0, since_ns=START), after_s(3))

    assert clock.figures(after_s(4)).since_ns == after_s(2)


def test_the_gravest_cause_that_an_interval_has_seen_names_it() -> None:
    clock = ExposureClock()
    for second, cause in enumerate((Cause.PLACING, Cause.REFUSED, Cause.PLACING)):
        clock.look(sight(cause=cause), after_s(second))

    finished = clock.look(sight(0), after_s(9))

    assert finished is not None and finished.cause is Cause.REFUSED
    assert gravest((Cause.LOST, Cause.PLACING, Cause.UNKNOWN)) is Cause.LOST


@pytest.mark.fault("TIM-01")
@pytest.mark.invariant("T1")
def test_a_clock_that_steps_back_takes_nothing_off() -> None:
    clock = ExposureClock()
    clock.look(sight(), START)
    clock.look(sight(), after_s(2))

    finished = clock.look(sight(75, 75), after_s(1))

    assert finished is not None
    assert finished.unit_ns == 75 * 2 * NS_PER_S
    assert finished.ended_ns == after_s(2)


# --- the day ---


def test_the_figures_are_of_the_trading_day_and_say_what_runs() -> None:
    clock = ExposureClock()
    for number, seconds in enumerate((0.1, 0.2, 1.9)):
        clock.look(sight(bracket_id=f"B{number}"), START)
        clock.look(sight(0, bracket_id=f"B{number}"), after_s(seconds))
    clock.look(sight(50, bracket_id="B8"), after_s(3))
    clock.look(sight(75, 50, bracket_id="B9"), after_s(4))

    shown = clock.figures(after_s(5))

    assert (shown.count, shown.p50_ns, shown.p99_ns, shown.worst_ns) == (
        3, NS_PER_S // 5, 19 * NS_PER_S // 10, 19 * NS_PER_S // 10,
    )  # fmt: skip
    assert (shown.naked_qty, shown.since_ns) == (75, after_s(3))
    assert clock.figures(START + NS_PER_DAY).count == 0


def test_what_the_journal_has_of_today_is_counted_again_after_a_restart() -> None:
    before, again = ExposureClock(), ExposureClock()
    rows = []
    for second in (1, 2):
        before.look(sight(bracket_id=f"B{second}"), START)
        rows.append(before.look(sight(0, bracket_id=f"B{second}"), after_s(second)))

    again.restore([row for row in rows if row is not None])

    assert again.figures(after_s(3)) == before.figures(after_s(3))


@pytest.mark.parametrize(("percent", "value"), [(50, 5), (90, 9), (99, 10), (1, 1)])
def test_percentiles_are_nearest_rank(percent: int, value: int) -> None:
    assert percentile(list(range(1, 11)), percent) == value
    assert percentile([], percent) == 0


# --- properties ---

LOOKS = st.lists(
    st.tuples(
        st.integers(0, 3),  # seconds since the look before
        st.integers(-3, 4),  # open units
        st.integers(0, 5),  # covered units
        st.booleans(),  # watched here, on a fresh price
        st.sampled_from(Cause),
    ),
    max_size=30,
)


def brute_force(looks: list[tuple[int, int, int, bool, Cause]]) -> tuple[int, int, int]:
    """Unit-seconds, second by second; how many bare stretches ended; how many seconds were bare in those."""
    held: list[int] = []
    ended = spans = run = units = run_units = 0
    for index, (_, open_qty, covered, watched, _) in enumerate(looks):
        bare = -open_qty if open_qty < 0 else 0 if watched else max(open_qty - covered, 0)
        held.append(bare)
        if bare == 0 and index and held[index - 1]:
            ended, spans, units, run, run_units = ended + (run > 0), spans + run, units + run_units, 0, 0
        wait = looks[index + 1][0] if index + 1 < len(looks) else 0
        if bare:
            run += wait
            run_units += bare * wait
    return units, ended, spans


@pytest.mark.row("I-4")
@given(LOOKS)
def test_the_integral_is_the_brute_force_sum_over_any_sequence(looks: list[tuple[int, int, int, bool, Cause]]) -> None:
    clock, now_ns, rows = ExposureClock(), START, []
    for wait, open_qty, covered, watched, cause in looks:
        now_ns += wait * NS_PER_S
        row = clock.look(sight(open_qty, covered, is_watched=watched, cause=cause), now_ns)
        rows += [row] if row is not None else []
    units, ended, spans = brute_force(looks)

    assert sum(row.unit_ns for row in rows) == units * NS_PER_S
    assert sum(row.ended_ns - row.began_ns for row in rows) == spans * NS_PER_S
    assert (len(rows), clock.figures(now_ns).count) == (ended, ended)
    assert all(row.qty > 0 and row.unit_ns >= 0 and row.ended_ns >= row.began_ns for row in rows)
    assert all(row.unit_ns <= row.qty * (row.ended_ns - row.began_ns) for row in rows)
    assert len({row.began_ns for row in rows}) == len(rows), "the key of a row"


@given(st.integers(1, 500), st.integers(0, 60), st.integers(1, 60), st.integers(0, 60))
def test_a_restart_in_the_middle_loses_no_instant(qty: int, died_s: int, away_s: int, more_s: int) -> None:
    """The bracket's memory says since when; the second program's row begins there."""
    whole, again = ExposureClock(), ExposureClock()
    ended_s = died_s + away_s + more_s
    whole.look(sight(qty), START)
    again.look(sight(qty), START)  # as the restart does it: one look, dated back
    again.look(sight(qty, since_ns=START), after_s(died_s + away_s))

    assert again.look(sight(qty, qty), after_s(ended_s)) == whole.look(sight(qty, qty), after_s(ended_s))


# --- which brackets a step looks at ---

MAX_AGE_NS = 5 * NS_PER_S


def price_book(symbol: str) -> PriceBook:
    return PriceBook(Instrument(symbol=symbol, exchange="NFO", segment=Segment.INDEX_OPTION, lot_size=75, tick_paise=5))


def watched_sight(key: str, qty: int, price: PriceBook, now_ns: int) -> Sight:
    """As `sight_of` sees a monitored bracket."""
    return sight(
        qty,
        bracket_id=key,
        symbol=price.instrument.symbol,
        is_watched=price.is_fresh(now_ns, MAX_AGE_NS),
        hangs_on_time=True,
        cause=Cause.NO_PRICE,
        since_ns=price.at_ns + MAX_AGE_NS if price.at_ns else 0,
    )


STEPS = st.lists(
    st.tuples(
        st.integers(0, 4),  # seconds since the step before
        st.sets(st.sampled_from("PC")),  # prices that came meanwhile, without a step of their own
        st.dictionaries(
            st.integers(0, 4), st.integers(-2, 3), max_size=2
        ),  # brackets that the step touches: open units
    ),
    max_size=40,
)


@pytest.mark.row("I-4")
@given(STEPS)
def test_looking_only_when_a_price_turns_finds_what_looking_at_all_in_every_step_finds(
    steps: list[tuple[int, set[str], dict[int, int]]],
) -> None:
    prices = {name: price_book(name) for name in "PC"}
    few, every, turns = ExposureClock(), ExposureClock(), PriceTurns()
    held: dict[str, int] = {}
    now_ns = START
    for wait, ticked, touched in steps:
        now_ns += wait * NS_PER_S
        for name in ticked:
            prices[name].at_ns = now_ns
        held |= {f"B{number}": qty for number, qty in touched.items()}
        due = {f"B{number}" for number in touched} | few.attended | turns.take(now_ns)
        rows: dict[str, Exposure | None] = {}
        for key, qty in sorted(held.items()):
            price = prices["PC"[int(key[1:]) % 2]]
            seen = watched_sight(key, qty, price, now_ns)
            rows[key] = every.look(seen, now_ns)
            if key in due:
                turns.note(seen, price, MAX_AGE_NS)
                assert few.look(seen, now_ns) == rows[key]
            else:
                assert rows[key] is None
        assert few.figures(now_ns) == every.figures(now_ns)


def test_while_every_price_is_fresh_a_step_looks_at_nobody() -> None:
    price, turns = price_book("P"), PriceTurns()
    price.at_ns = START
    for number in range(100):
        turns.note(watched_sight(f"B{number}", 75, price, START), price, MAX_AGE_NS)

    assert turns.take(after_s(5)) == set()
    assert len(turns.take(after_s(5.1))) == 100
    assert turns.take(after_s(5.2)) == set()
    price.at_ns = after_s(6)
    assert len(turns.take(after_s(6))) == 100
    assert turns.take(after_s(11)) == set()
    for number in range(100):
        turns.note(watched_sight(f"B{number}", 0, price, after_s(11)), price, MAX_AGE_NS)
    assert turns.take(after_s(99)) == set()
