"""The catalogue is whole: each of the page's faults is produced here or said to be made elsewhere, never both."""

from __future__ import annotations

import re
from pathlib import Path

from brokers.paper.faults.catalogue import BEYOND, FAULTS, KNOBS
from brokers.paper.faults.doc import page
from brokers.paper.faults.knob import Shape


def test_each_fault_of_the_page_is_in_exactly_one_of_both_lists(shared: Path) -> None:
    page = (shared / "spec" / "faults.md").read_text(encoding="utf-8")
    ids = re.findall(r"^\| ([A-Z]{3}-\d\d) \|", page, re.MULTILINE)

    assert len(ids) == 188
    assert sorted(ids) == sorted([*FAULTS, *BEYOND])
    assert not set(FAULTS) & set(BEYOND)


def test_every_row_says_what_happens_and_every_absent_fault_says_why() -> None:
    assert [knob.knob for knob in KNOBS.values() if not re.fullmatch(r"[A-Z].{10,110}\.", knob.says)] == []
    assert [fault for fault, reason in BEYOND.items() if len(reason) < 20] == []
    assert [knob.knob for knob in KNOBS.values() if bool(knob.amount) > bool(knob.amount_is)] == []
    assert [knob.knob for knob in KNOBS.values() if knob.shape is not Shape.ONCE and not knob.span_ms[1]] == []


def test_no_two_rows_share_a_spelling() -> None:
    from brokers.paper.faults.knobs_of_market import MARKET_KNOBS
    from brokers.paper.faults.knobs_of_orders import ORDER_KNOBS
    from brokers.paper.faults.knobs_of_venue import VENUE_KNOBS

    assert len(KNOBS) == len(ORDER_KNOBS) + len(MARKET_KNOBS) + len(VENUE_KNOBS)


def test_the_generated_page_is_the_one_in_docs() -> None:
    root = Path(__file__).resolve().parents[4]

    assert (root / "docs" / "faults.md").read_text(encoding="utf-8") == page(), "run `make docs`"
