"""The page of capabilities is what the adapters' own rows say."""

from __future__ import annotations

from pathlib import Path

import pytest

from brokers.doc import page

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.row("OPS-35")
def test_the_page_of_brokers_is_what_the_rules_say() -> None:
    assert (ROOT / "docs" / "brokers.md").read_text(encoding="utf-8") == page(), "run `make docs`"
