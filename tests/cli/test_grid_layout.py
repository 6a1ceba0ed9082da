"""What a dry run shows on a terminal, and that no text on the line brings down the command."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.config.errors import ConfigError
from engine.config.load import Loaded, load
from engine.grid.terms import GridAccounts, GridTerms, TradeType
from tui.cli import argument_parser
from tui.grid_layout import laid_out, show_layout
from tui.grid_options import KEYS, read_request

TERMS = GridTerms(
    bot="IRFC-SBIN Grid",
    accounts=GridAccounts(trade="paper", upside_oco="upside_oco", downside_oco="downside_oco"),
    token_a="IRFC",
    token_b="SBIN",
    entry_paise=5000,
    target_spread_paise=50,
    oco_spread_paise=200,
    qty_a=100,
    qty_b=50,
)
OPTIONS = [f"--{name.replace('_', '-')}" for name in KEYS]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.row("GRD-08", "GRD-02")
@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_the_layout_is_a_table_that_fits(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")

    show_layout(TERMS, ["a note [bold]that is no markup[/bold]"])

    lines = shown.getvalue().splitlines()
    assert "Max Quantity : 500" in shown.getvalue()
    assert "[bold]that is no markup[/bold]" in shown.getvalue()
    rows = [line for line in lines if "SBIN" in line and ("upside" in line or "downside" in line) and " 50 " in line]
    prices = [(f"{50 + i}.00", f"{49 + i}.50") for i in (5, 4, 3, 2, 1)]
    prices += [(f"{50 - i}.00", f"{50 - i}.50") for i in (1, 2, 3, 4, 5)]
    assert len(rows) == 10, lines
    assert all(entry in row and target in row for row, (entry, target) in zip(rows, prices, strict=True))
    assert all("…" not in row and ("upside_oco" in row or "downside_oco" in row) for row in rows)
    assert max(len(line) for line in rows) <= columns


def test_levels_are_shown_from_the_highest_price_down() -> None:
    entries = [rung.entry_paise for rung in laid_out(TERMS)]
    assert entries == sorted(entries, reverse=True)
    only = GridTerms(bot="b", accounts=TERMS.accounts, token_a="IRFC", trade_type=TradeType.SELL, entry_paise=5000)
    assert [rung.entry_paise for rung in laid_out(only)] == [5500, 5400, 5300, 5200, 5100]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    config: Path = tmp_path_factory.mktemp("config") / "config.toml"
    config.write_text("", encoding="utf-8")
    return load(config, {})


@pytest.mark.row("GRD-62", "OPS-06")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    given_options=st.dictionaries(
        st.sampled_from(OPTIONS),
        st.one_of(
            st.text(max_size=12),
            st.integers(-5, 2_000).map(str),
            st.decimals(-5, 500, places=2).map(str),
            st.sampled_from(["nan", "inf", "1e400", "gridocots", "buyts", "geometric", "IRFC", "0", "9" * 50]),
        ),
        max_size=10,
    )
)
def test_any_text_on_the_line_is_taken_or_refused_in_printable_lines(
    loaded: Loaded, given_options: dict[str, str]
) -> None:
    line = ["grid", "--dry-run", *(f"{option}={text}" for option, text in given_options.items())]
    arguments = argument_parser().parse_args(line)
    try:
        request = read_request(arguments, loaded)
    except ConfigError as refused:
        assert refused.faults
        assert all(fault.isprintable() for fault in refused.faults)
    else:
        assert laid_out(request.terms)


@pytest.mark.row("OPS-08")
def test_a_price_of_zero_is_no_centre(loaded: Loaded) -> None:
    line = "grid --bot-name g --token-a IRFC --trade-type buyts --qty-a 1 --entry-price 0"
    with pytest.raises(ConfigError) as refused:
        read_request(argument_parser().parse_args(line.split()), loaded)

    assert refused.value.faults == ("--entry-price = 0: above zero, or --auto-entry for the first price of token A",)


def test_options_without_an_effect_are_told(loaded: Loaded) -> None:
    line = "grid --bot-name g --token-a IRFC --trade-type buyts --qty-a 1 --entry-price 9 --user Sai --xts-root x.y"
    request = read_request(argument_parser().parse_args(line.split()), loaded)

    assert [note.split(":")[0] for note in request.notes] == ["--user", "--xts-root"]
