"""Credentials: where they are found, who may read the file, and that no text shows one (OPS-12, SEC-07, SEC-08)."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import ConfigError
from engine.secrets import MASK, Redactions, Secret, SecretMissing, Secrets

CANARY = "k7QzCanary91"


def secret_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "secrets.env"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def no_keyring(service: str, name: str) -> str | None:
    return None


def finder(folder: Path, env: dict[str, str] | None = None, text: str = "", keyring=no_keyring) -> Secrets:
    return Secrets(env or {}, secret_file(folder, text), Redactions(), keyring=keyring)


@pytest.mark.row("OPS-12")
@pytest.mark.parametrize(
    ("env", "text", "in_keyring", "expected", "where"),
    [
        ({"KEY_A": "from env"}, "KEY_A=from file", "from keyring", "from env", "environment"),
        ({"KEY_A": "  "}, "KEY_A='from file'", "from keyring", "from file", "secrets.env"),
        ({}, "KEY_B=other", "from keyring", "from keyring", "keyring"),
    ],
)
def test_the_environment_comes_first_then_the_file_then_the_keyring(
    tmp_path: Path, env: dict[str, str], text: str, in_keyring: str, expected: str, where: str
) -> None:
    secrets = finder(tmp_path, env, text, lambda service, name: in_keyring if service == "strikedesk" else None)

    assert secrets.require("KEY_A").reveal() == expected
    assert secrets.where("KEY_A").endswith(where)


@pytest.mark.row("LEG-54")
def test_a_missing_key_is_told_in_the_words_operators_grep_for(tmp_path: Path) -> None:
    secrets = finder(tmp_path, {"OPENALGO_API_KEY": ""})

    with pytest.raises(SecretMissing) as missing:
        secrets.require("OPENALGO_API_KEY")

    assert str(missing.value) == "[FATAL] Please set OPENALGO_API_KEY"
    assert secrets.find("OPENALGO_API_KEY") is None
    assert secrets.where("OPENALGO_API_KEY") == "missing"


@pytest.mark.row("OPS-12")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
@pytest.mark.fault("SEC-08")
@pytest.mark.invariant("C3")
def test_a_file_that_others_can_read_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, f"KEY_A={CANARY}", mode)

    with pytest.raises(ConfigError) as refused:
        Secrets({}, path, Redactions())

    assert str(refused.value) == f"{path}: open to others (mode {mode:04o}): chmod 600 {path}"


@pytest.mark.fault("SEC-14")
@pytest.mark.invariant("C3", "C4")
def test_a_link_a_folder_and_a_pipe_are_refused_and_no_file_is_no_fault(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(secret_file(tmp_path, "KEY_A=x"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)

    for path, reason in ((link, "is a link"), (tmp_path, "is no ordinary file"), (pipe, "is no ordinary file")):
        with pytest.raises(ConfigError, match=reason):
            Secrets({}, path, Redactions())
    assert Secrets({}, tmp_path / "absent", Redactions(), keyring=no_keyring).find("KEY_A") is None


def test_a_broken_line_of_the_file_is_named_without_showing_what_stands_there(tmp_path: Path) -> None:
    path = secret_file(tmp_path, f"KEY_A=ok\nmy key={CANARY}\n{CANARY}\n")

    with pytest.raises(ConfigError) as refused:
        Secrets({}, path, Redactions())

    assert [fault.partition(": ")[0] for fault in refused.value.faults] == [f"{path}:2", f"{path}:3"]
    assert CANARY not in str(refused.value)


@pytest.mark.row("OPS-12")
def test_a_secret_on_the_command_line_works_warns_and_is_struck_out(tmp_path: Path) -> None:
    redactions = Redactions()
    secrets = Secrets({"KEY_A": "from env"}, tmp_path / "secrets.env", redactions, keyring=no_keyring)

    warning = secrets.give("KEY_A", CANARY)

    assert secrets.require("KEY_A").reveal() == CANARY
    assert "KEY_A was given on the command line" in warning
    assert CANARY not in warning
    assert redactions.strike(f"got {CANARY}") == f"got {MASK}"
    assert not (tmp_path / "secrets.env").exists()


@pytest.mark.row("OPS-12")
@pytest.mark.fault("SEC-07")
@pytest.mark.invariant("C1")
def test_no_textual_form_of_a_secret_shows_its_value() -> None:
    secret = Secret("KEY_A", CANARY)
    try:
        raise RuntimeError(secret)
    except RuntimeError as error:
        in_traceback = repr(error)

    for text in (repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{secret!r}", repr([secret]), in_traceback):
        assert CANARY not in text
        assert MASK in text
    for store in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never stored"):
            store(secret)


def test_secrets_are_equal_by_value_only() -> None:
    assert Secret("A", CANARY) == Secret("A", CANARY)
    assert Secret("A", CANARY) != Secret("A", "other")
    assert Secret("A", CANARY) != CANARY


@given(
    st.text(st.characters(exclude_characters="*"), min_size=4, max_size=40), st.text(max_size=20), st.text(max_size=20)
)
@pytest.mark.fault("SEC-07")
@pytest.mark.invariant("C1")
def test_a_known_value_survives_in_no_text_around_it(value: str, before: str, after: str) -> None:
    redactions = Redactions()
    redactions.add(value)

    struck = redactions.strike(before + value + after)

    assert MASK in struck
    assert value not in struck


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"apikey":"abcDEF123","qty":75}', '{"apikey":"***","qty":75}'),
        ("Authorization: token kitekey:kitetoken", "Authorization: token ***"),
        ("{'Authorization': 'Bearer ey.J.x'}", "{'Authorization': 'Bearer ***'}"),
        ("GET /x?api_key=abc&access_token=def&i=1", "GET /x?api_key=***&access_token=***&i=1"),
        ("secretKey: s3cr3t, appKey: k3y", "secretKey: ***, appKey: ***"),
        ("KITE_ACCESS_TOKEN=abc", "KITE_ACCESS_TOKEN=***"),
        ('"api_key_name":"OPENALGO_API_KEY"', '"api_key_name":"OPENALGO_API_KEY"'),
        ("[FATAL] Please set OPENALGO_API_KEY", "[FATAL] Please set OPENALGO_API_KEY"),
        ("[EXIT] Entry ₹100.00 → Exit ₹102.00: Target Hit", "[EXIT] Entry ₹100.00 → Exit ₹102.00: Target Hit"),
    ],
)
def test_values_after_a_telling_name_are_struck_even_when_unknown(text: str, expected: str) -> None:
    assert Redactions().strike(text) == expected


def test_a_value_too_short_to_be_a_secret_does_not_strike_out_the_log() -> None:
    redactions = Redactions()
    redactions.add("75")
    redactions.add("")

    assert redactions.strike("qty=75") == "qty=75"


def test_the_longest_of_overlapping_values_is_struck_first() -> None:
    redactions = Redactions()
    redactions.add("abcd")
    redactions.add("abcd-efgh")

    assert redactions.strike("x abcd-efgh y") == "x *** y"
