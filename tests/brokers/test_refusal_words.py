"""Sentences of order books, as brokers and exchanges write them (facts/, fixtures/, faults §REJ)."""

from __future__ import annotations

import pytest

from brokers.refusal_words import refusal_code
from engine import refusals


@pytest.mark.fault("REJ-01", "REJ-03", "REJ-05")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("RMS:Margin Exceeds,Required:95417.84, Available:74251.80 for entity account-X across exchange", "margin"),
        ("Insufficient funds. Required margin is 95417.84 but available margin is 74251.80.", "margin"),
        ("Insufficient fund. 1/5", "margin"),
        ("OEMS:RMS : Margin Exceeds :  - Set Limit:[0] Total Required Margin:[8087.5]", "margin"),
        ("RMS: insufficient funds", "margin"),
        ("17070 : The Price is out of the current execution range", "price_band"),
        ("Your order price is lower than the current lower circuit limit of 70.65.", "price_band"),
        ("16052 : Function not available", "order_type"),
        ("SL-M is blocked for this instrument", "order_type"),
        ("Stoploss market orders are not allowed for options.", "order_type"),
        ("Trigger price for stoploss sell orders cannot be above the last traded price.", "trigger_crossed"),
        ("trigger price already crossed", "trigger_crossed"),
        ("quantity exceeds the freeze quantity", "freeze_qty"),
        ("Cannot sell SBIN in CNC. No positions or holdings available.", "not_allowed"),
        ("17071 : The order could have resulted in self trade ", "other"),
        ("Something new", "other"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_a_sentence_of_an_order_book_has_one_code(text: str, code: str) -> None:
    assert refusal_code(text) == code


def test_every_code_is_of_the_common_vocabulary() -> None:
    known = {value for name, value in vars(refusals).items() if name.isupper()}
    assert {refusal_code(text) for text in ("17070 : x", "16052 : x", "freeze", "blocked", "tick size", "?")} <= known
