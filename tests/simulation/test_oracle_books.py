"""The checks on books, alerts and the end of the day, each tripped by a tampered row."""

from __future__ import annotations

import pytest

from engine.port import PositionReport
from tui.simulation.money_checks import CriticalIsHeard, FillOnce, LedgerAgrees, ProfitIsExact

PE = "NIFTY01DEC2624500PE"
LOT = 65


def round_trip(day, *, gross: int) -> None:
    """Bought at 100.00, sold at 102.00: 130.00 a lot."""
    from engine.order import Role

    day.enter()
    target = day.intend(Role.TARGET)
    day.answer(day.send(target))
    day.fill(target, price=10_200)
    day.closed(gross=gross)


@pytest.mark.row("LEG-46")
def test_profit_to_the_paisa_is_in_order_and_one_paisa_off_breaks_a1(day):
    day.judged_by(final=(ProfitIsExact(),))
    round_trip(day, gross=LOT * 200)
    day.finish()
    assert day.broken == []

    day.truth.trade_rows["B1-trade"] = ("B1", LOT * 200 - 1)
    day.finish()

    assert day.broken == ["A1"]


def test_a_round_trip_that_was_never_booked_breaks_a1(day):
    day.judged_by(final=(ProfitIsExact(),))
    round_trip(day, gross=LOT * 200)
    day.truth.trade_rows.clear()

    day.finish()

    assert day.broken == ["A1"]


def test_a_fill_booked_twice_breaks_a2(day):
    check = FillOnce()
    day.judged_by(check, final=(check,))
    day.enter()
    (trade_id, tag), row = next(iter(day.truth.fill_rows.items()))
    assert day.broken == []

    day.truth.on_fill_row(trade_id, tag, *row)
    day.look()

    assert day.broken == ["A2"]


@pytest.mark.parametrize("how", ["missing", "invented", "tampered"])
def test_a_fill_row_that_is_not_the_exchanges_breaks_a2(day, how):
    check = FillOnce()
    day.judged_by(check, final=(check,))
    tag = day.enter()
    key = next(iter(day.truth.fill_rows))
    match how:
        case "missing":
            day.truth.fill_rows.clear()
        case "invented":
            day.truth.fill_rows["T999", tag] = ("BUY", LOT, 10_000)
        case _:
            day.truth.fill_rows[key] = ("BUY", LOT, 10_005)

    day.finish()

    assert day.broken == ["A2"]


def ledger(day, *, cash: int, net: int) -> LedgerAgrees:
    rows = [PositionReport(symbol=PE, product="MIS", net_qty=net, average_paise=0)]
    check = LedgerAgrees(1_000_000, lambda: cash, lambda: rows)
    day.judged_by(final=(check,))
    day.enter()
    return check


def test_the_exchanges_own_ledger_is_held_against_its_trades(day):
    ledger(day, cash=1_000_000 - LOT * 10_000, net=LOT)

    day.finish()

    assert day.broken == []


@pytest.mark.parametrize(("cash", "net", "broken"), [(1, 0, "A1"), (0, 1, "A3")])
def test_a_tampered_ledger_is_found(day, cash, net, broken):
    ledger(day, cash=1_000_000 - LOT * 10_000 + cash, net=LOT + net)

    day.finish()

    assert day.broken == [broken]


def test_a_critical_that_nobody_heard_breaks_i9(day):
    day.judged_by(CriticalIsHeard())
    now_ns = day.truth.now_ns
    day.truth.heard.append((now_ns, PE, "[CRITICAL] stop lost"))
    day.truth.to_be_heard.append((now_ns, PE, "[CRITICAL] stop lost"))
    day.look()
    assert day.broken == []

    day.truth.to_be_heard.append((now_ns, "NIFTY01DEC2624500CE", "[CRITICAL] exit refused"))
    day.look()

    assert day.broken == ["I-9"]


def test_an_alarm_that_nobody_heard_breaks_i9(day):
    day.judged_by(CriticalIsHeard())

    day.truth.on_alarm_row("naked:B1", day.truth.now_ns, 0, f"{PE}: naked")
    day.look()

    assert day.broken == ["I-9"]


def test_a_violation_keeps_the_story_before_it_and_counts_its_repeats(day):
    day.judged_by(CriticalIsHeard())
    day.enter()
    for _ in range(3):
        day.truth.to_be_heard.append((day.truth.now_ns, PE, "[CRITICAL] again"))
        day.look()

    assert len(day.verdicts.violations) == 1
    assert day.verdicts.counts["I-9"] == 3
    assert any("trade" in line and "at 100.00" in line for line in day.verdicts.violations[0].tail)
