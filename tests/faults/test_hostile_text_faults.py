"""Text from outside: JSON bombs at the venue's wire (SEC-04), names that would be paths (SEC-06), units that slip."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from brokers.paper import wire
from engine.config import ConfigError, load
from engine.order import Role

PE = "NIFTY01DEC2624500PE"
HOSTILE_NAMES = [
    *("../x", "..", ".", "/etc/passwd", "a/b", "a\\b", "a\x00b", "~", "~root", "$HOME", "a b", "", "x" * 41),
    *("-rf", "_x", "con:", "a\nb", "ümlaut", "a.db", "\u202ea", "*", "%2e%2e"),
]


def config_error(folder: Path, text: str) -> ConfigError | None:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    try:
        load(path, {})
    except ConfigError as error:
        return error
    return None


@pytest.mark.fault("SEC-06")
@pytest.mark.invariant("C4")
@pytest.mark.parametrize("table", ["groups", "accounts"])
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_that_could_be_a_path_is_refused_where_it_stands(tmp_path: Path, table: str, name: str) -> None:
    """Names of groups and accounts become parts of file names: a slug, or one line that says what is allowed."""
    body = 'symbol = "NIFTY01DEC2624600PE"' if table == "groups" else 'kind = "paper"'

    error = config_error(tmp_path, f"[{table}.{json.dumps(name)}]\n{body}\n")

    assert error is not None
    assert all(fault.isprintable() and "config.toml" in fault for fault in error.faults)


@pytest.mark.fault("SEC-06")
@pytest.mark.invariant("C4")
@given(st.text(max_size=45))
@example("good-Name_1")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_name_that_is_taken_is_one_path_component_of_plain_letters(tmp_path: Path, name: str) -> None:
    escaped = json.dumps(name).replace("\\ud", "\\u0d")  # TOML has no surrogates

    error = config_error(tmp_path, f'[groups.{escaped}]\nsymbol = "NIFTY01DEC2624600PE"\n')

    is_slug = name.isascii() and 0 < len(name) <= 40 and name[0].isalnum()
    is_slug = is_slug and all(letter.isalnum() or letter in "_-" for letter in name)
    if error is None:
        assert is_slug
        base = tmp_path / "state"
        assert (base / f"{name}.db").resolve().parent == base.resolve()


@pytest.mark.fault("CFG-03")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stop_loss_rupees", "-5"),
        ("stop_loss_rupees", "0"),
        ("profit_target_rupees", "-5"),
        ("profit_target_rupees", "nan"),
        ("lots", "0"),
        ("lots", "-1"),
        ("lots", "1.5"),
        ("lots", "99999999999999999999"),
    ],
)
def test_a_stop_on_the_wrong_side_and_a_quantity_in_the_wrong_unit_are_refused(
    tmp_path: Path, key: str, value: str
) -> None:
    """Stop and target are distances from the entry and lots are counted: neither can stand on the wrong side."""
    error = config_error(tmp_path, f"[legs]\n{key} = {value}\n")

    assert error is not None
    (fault,) = error.faults
    assert f"config.toml:2: legs.{key} = " in fault


@pytest.mark.fault("CFG-03")
@given(st.integers(5, 5_000), st.integers(5, 5_000))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_stop_of_a_long_is_below_its_fill_and_the_target_above(run_desk, seed_setup, target, stop) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        stops, targets = rig.venue.placed(Role.STOP), rig.venue.placed(Role.TARGET)
        assert all(0 < request.limit_paise < request.trigger_paise < 100_00 for request in stops)
        assert all(request.limit_paise > 100_00 for request in targets)
        assert len(targets) == 1 and {request.qty for request in (*stops, *targets)} == {75}

    run_desk(scenario, seed_setup(target / 100, stop / 100, symbols=(PE,)))


BOMBS = {
    "deep": b'{"ask":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "nan": b'{"ask":"place","id":NaN}',
    "infinite": b'{"say":"tick","tick":{"ltp_paise":Infinity}}',
    "a number of five thousand digits": b'{"ask":"orders","id":' + b"9" * 5_000 + b"}",
    "an id that is a float": b'{"ask":"orders","id":1.5}',
    "half a surrogate": b'{"ask":"hello","account":"\\ud800"}',
    "not utf-8": b'{"ask":"hello","account":"\xff\xfe"}',
    "empty": b"",
    "a list": b"[]",
}


@pytest.mark.fault("SEC-04")
@pytest.mark.invariant("C6")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_json_bomb_is_no_message_on_either_side_of_the_wire(bomb: bytes) -> None:
    for read in (wire.read_hello, wire.read_ask, wire.read_said):
        with pytest.raises(wire.WireError) as refused:
            read(bomb + b"\n")
        assert str(refused.value).isprintable() and len(str(refused.value)) < 500


@pytest.mark.fault("SEC-04")
@pytest.mark.invariant("C6")
async def test_a_line_without_an_end_is_cut_off_at_the_limit_and_not_collected() -> None:
    reader = asyncio.StreamReader(limit=wire.REQUEST_BYTES_MAX)
    reader.feed_data(b"{" * (3 * wire.REQUEST_BYTES_MAX))

    with pytest.raises(wire.WireError, match="longer than any message"):
        await wire.next_line(reader)


@pytest.mark.fault("UPD-10")
@pytest.mark.invariant("A2", "E1", "C6")
@pytest.mark.parametrize("change", [{"trade_id": "again"}, {"trade_id": "again", "qty": 1}, {"price_paise": 10**30}])
@pytest.mark.parametrize("role", ["E", "S"])
def test_a_trade_record_too_many_changes_no_order_and_no_row(run_desk, seed_setup, role, change) -> None:
    """One execution told under two names, or at a price that no journal could keep: told once, the books are read."""

    async def scenario(rig, *, is_told: bool) -> tuple[list[str], list[tuple[str, int, str]]]:
        await rig.enter(100.0)
        await rig.quiet(2.0, 100.0)
        if role == "S":
            for _ in range(6):
                rig.tick(PE, 94.9)
                await rig.pass_s(0.2)
        trade = next(trade for trade in rig.exchange.ledger("paper").trades if trade.tag.endswith(role))
        if is_told:
            rig.desk.main.on_trade(msgspec.structs.replace(trade, **({"trade_id": "new"} | change)))
            assert len(rig.said("not believed, books read")) == 1
        await rig.quiet(60.0, 100.0 if role == "E" else 94.9)
        assert not rig.said("journal write failed")
        return rig.venue.story(), rig.trades()

    setup = {"symbols": (PE,)}
    told = run_desk(lambda rig: scenario(rig, is_told=True), seed_setup(**setup))

    assert told == run_desk(lambda rig: scenario(rig, is_told=False), seed_setup(**setup))
