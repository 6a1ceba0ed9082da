"""What the replay says about slippage: by style and kind of exit, weighted by units, the sign as a trader reads it."""

from __future__ import annotations

import pytest

from engine.outbox import RoundTrip
from engine.view import ExitStyle
from tui.slippage_report import slippage_report


def trip(reason: str, level: int, filled: int, *, qty: int = 75, side: str = "LONG", kind: str = "trade") -> RoundTrip:
    return RoundTrip(
        bracket_id="B1",
        account="paper",
        bot="bot",
        symbol="NIFTY01DEC2624500PE",
        side=side,
        kind=kind,
        qty=qty,
        entry_value_paise=100_00 * qty,
        exit_value_paise=filled * qty,
        gross_paise=0,
        costs_paise=0,
        reason=reason,
        order_count=3,
        is_provisional=False,
        opened_ns=1,
        closed_ns=2,
        level_paise=level,
        trigger_paise=level,
    )


@pytest.mark.row("RTP-44")
def test_each_style_has_its_average_by_kind_of_exit() -> None:
    report = slippage_report(
        {
            ExitStyle.RESTING: [
                trip("Stoploss Hit", 95_00, 94_90),
                trip("Trailing Stop", 98_00, 97_70, qty=225),
                trip("Target Hit (OCO Race)", 105_00, 105_00),
            ],
            ExitStyle.MONITORED: [trip("Target Hit", 105_00, 105_20), trip("Square-Off", 101_00, 100_00)],
        }
    ).splitlines()

    assert report[1] == (
        "  resting    3 at +0.20 on average, worst +0.30; stops 2 at +0.25 on average, worst +0.30, "
        "targets 1 at +0.00 on average, worst +0.00, others none"
    ), "weighted by units: (0.10 x 75 + 0.30 x 225 + 0) / 375"
    assert "targets 1 at -0.20 on average" in report[2] and "others 1 at +1.00 on average" in report[2]


def test_a_short_that_is_bought_back_dearer_has_slipped() -> None:
    (line,) = slippage_report({ExitStyle.RESTING: [trip("Stoploss Hit", 105_00, 105_40, side="SHORT")]}).splitlines()[
        1:
    ]
    assert "1 at +0.40 on average, worst +0.40" in line


def test_a_surplus_and_an_exit_without_a_level_are_not_measured() -> None:
    trips = [trip("Target Hit", 105_00, 1_00, kind="surplus"), trip("Closed Externally", 0, 90_00)]
    assert "resting    none; stops none, targets none, others none" in slippage_report({ExitStyle.RESTING: trips})
