"""What a recovery found and did, in words: in the log, in the journal, and on the screen until it was seen."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest

from engine.instant import NS_PER_MS
from engine.operator import Acknowledge
from engine.recovery_summary import (
    BookedTrip,
    HeldPosition,
    RecoverySummary,
    headline,
    lines,
    protection_words,
)

PE = "NIFTY01DEC2624500PE"


def held(symbol: str = PE, protection: str = "stop at the broker, target at the broker") -> HeldPosition:
    return HeldPosition(symbol=symbol, bot="legs", net_qty=75, covered_qty=75, protection=protection)


def test_nothing_to_recover_is_no_news() -> None:
    summary = RecoverySummary(began_ns=1, took_ns=3 * NS_PER_MS)

    assert not summary.is_news
    assert lines(summary) == ("broker lists 0 order(s) today, 0 ours; 0 position(s) restored", "took 3 ms")


def test_every_kind_of_fact_has_its_sentence_and_the_decision_comes_last() -> None:
    summary = RecoverySummary(
        began_ns=1,
        took_ns=1_500 * NS_PER_MS,
        tries=3,
        held=(held(),),
        listed=9,
        matched=6,
        found=1,
        never_placed=2,
        unknown=("SD0001000005S",),
        fills=2,
        fill_qty=150,
        trips=(BookedTrip(symbol="CE", reason="Target Hit (recovered)", net_paise=375_00),),
        expired=4,
        differences=("PE ours +75, broker +0",),
        done=("CE closed externally: +75 of +75 units",),
        decide=("look at PE",),
    )

    assert lines(summary) == (
        f"broker lists 9 order(s) today, 6 ours; 1 position(s) restored; {PE} +75 covered 75/75, stop at the broker, "
        "target at the broker",
        "orders without an answer: 1 found, 2 never placed, 1 still unknown (SD0001000005S)",
        "4 order(s) of an earlier day have expired",
        "2 fill(s) of 150 units booked that came while down",
        "CE ended while down: Target Hit (recovered), net ₹+375.00",
        "differs: PE ours +75, broker +0",
        "done: CE closed externally: +75 of +75 units",
        "YOU DECIDE: look at PE",
        "took 1.5 s, 3 tries",
    )
    assert headline(summary) == (
        "recovered 1 position (all protected), 6 orders matched, 3 settled, 1 unknown, 2 fills booked, 1 difference, "
        "DECIDE: look at PE, 1.5 s"
    )


def test_a_position_without_its_stop_is_in_the_headline_and_a_hundred_positions_are_counted() -> None:
    many = tuple(held(f"S{n}") for n in range(99))
    summary = RecoverySummary(began_ns=1, took_ns=1, held=(*many, held("BARE", "NO STOP at the broker yet")))

    assert headline(summary).startswith("recovered 100 positions (1 WITHOUT STOP)")
    assert lines(summary)[0].endswith("; and 94 more")


@pytest.mark.parametrize(
    ("covered", "has_target", "is_watched", "words"),
    [
        (75, True, False, "stop at the broker, target at the broker"),
        (75, False, False, "stop at the broker, target watched here"),
        (25, True, False, "stop at the broker for 25 of 75, target at the broker"),
        (0, True, False, "NO STOP at the broker yet"),
        (0, False, True, "watched here"),
    ],
)
def test_protection_is_never_told_better_than_it_is(covered, has_target, is_watched, words) -> None:
    assert protection_words(75, covered, has_target=has_target, is_watched=is_watched) == words


@pytest.mark.row("OPS-17", "OPS-18")
def test_the_desk_tells_what_it_found_and_the_journal_keeps_all_of_it(run_desk, seed_setup, exchange_sees) -> None:
    async def scenario(rig):
        await rig.enter(150.0)
        image = await rig.kill()
        exchange_sees(rig, PE, 155.0)
        again = await rig.revived(image)
        await again.quiet(5.0, 154.0)

        assert again.said("1 fill(s) of 75 units booked that came while down")
        assert again.said(f"{PE} ended while down: Target Hit (recovered), net ₹+375.00")
        conn = sqlite3.connect(":memory:")
        conn.deserialize(again.journal.image())
        rows = conn.execute("SELECT body FROM events WHERE event = 'recovery_summary' ORDER BY seq").fetchall()
        kept = msgspec.json.decode(rows[-1][0], type=RecoverySummary)
        conn.close()
        assert kept == again.desk.main.reader.recovery.summary
        assert kept.trips == (BookedTrip(symbol=PE, reason="Target Hit (recovered)", net_paise=375_00),)
        assert kept.fills == 1 and kept.matched == 3 and not kept.decide

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.row("OPS-17")
def test_the_headline_stands_on_the_screen_until_it_is_seen_or_five_minutes_old(run_desk, seed_setup) -> None:
    async def scenario(rig):
        assert rig.console.view().status.recovered == "", "a first start has nothing to tell"
        await rig.enter(150.0)
        again = await rig.revived(await rig.kill())
        shown = again.console.view().status.recovered
        assert shown.startswith("recovered 1 position (all protected), 3 orders matched")
        again.request(Acknowledge)
        await again.quiet(0.1, 150.0)
        assert again.console.view().status.recovered == ""

        third = await again.revived(await again.kill())
        assert third.console.view().status.recovered
        await third.quiet(301.0, 150.0)
        assert third.console.view().status.recovered == ""

    run_desk(scenario, seed_setup(symbols=(PE,)))


@pytest.mark.fault("PRC-14")
@pytest.mark.invariant("R7", "O10")
def test_three_starts_that_crashed_within_a_minute_leave_entries_off_until_resumed(run_desk, seed_setup) -> None:
    from engine.operator import PauseEntries

    async def scenario(rig):
        await rig.enter(150.0)
        desk = rig
        for _ in range(2):
            desk = await desk.revived(await desk.kill())
            await desk.quiet(3.0, 150.0)
            assert not desk.desk.is_paused
        third = await desk.revived(await desk.kill())
        await third.quiet(1.0, 150.0)
        assert third.desk.is_paused and "restart-loop" in third.desk.alarms
        assert third.leg(PE).bracket.covered_qty == 75, "protected all the same"

        third.request(PauseEntries, paused=False)
        await third.quiet(70.0, 150.0)
        assert "restart-loop" not in third.desk.alarms and not third.desk.is_paused
        calm = await third.revived(await third.kill())
        assert not calm.desk.is_paused, "it had run for more than a minute"

    run_desk(scenario, seed_setup(symbols=(PE,)))
