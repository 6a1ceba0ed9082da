"""Client tags: unique, short, letters and digits, readable for a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.order import Role
from engine.tags import TagMaker, base36

NUMBERS = st.integers(0, 36**7)


@given(NUMBERS, st.integers(1, 8))
def test_base_36_reads_back_and_never_loses_digits(number: int, width: int) -> None:
    text = base36(number, width)

    assert int(text, 36) == number
    assert len(text) >= width
    assert text.isascii()
    assert text == text.upper()


@pytest.mark.row("I-3")
@given(st.integers(0, 36**6), st.integers(0, 36**6), st.lists(st.sampled_from(Role), min_size=1, max_size=50))
@pytest.mark.fault("ORD-14", "STO-17")
@pytest.mark.invariant("O2")
def test_tags_are_unique_over_runs_and_fit_every_broker(run: int, other_run: int, roles: list[Role]) -> None:
    """ORD-14, STO-17: at most 20 letters and digits, never the same twice."""
    first, second = TagMaker(run), TagMaker(other_run)
    tags = [first.next_tag(role) for role in roles]
    if other_run != run:
        tags += [second.next_tag(role) for role in roles]

    assert len(set(tags)) == len(tags)
    assert all(len(tag) <= 20 and tag.isascii() and tag.isalnum() for tag in tags)


def test_a_tag_says_its_run_its_number_and_its_role() -> None:
    maker = TagMaker(37)

    assert [maker.next_tag(role) for role in Role] == [
        "SD001100001E",
        "SD001100002T",
        "SD001100003S",
        "SD001100004X",
        "SD001100005R",
        "SD001100006H",
    ]
