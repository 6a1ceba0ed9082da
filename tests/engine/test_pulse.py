"""The desk's pulse on real files: one record in place, and what an orderly end is."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from engine.private_file import RECORD_BYTES
from engine.pulse import Pulse, Stakes
from engine.pulse_file import PulseUnusable, PulseWriter, pulse_path, read_pulse

HELD = Stakes(open_qty=130, bare_qty=65, live_orders=3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return pulse_path(tmp_path / "account-AB1234-00.lock")


def opened(path: Path, run_no: int = 7) -> PulseWriter:
    return PulseWriter.open(path, run_no=run_no, pid=11, epoch=2, boot="b1")


def test_a_beat_says_when_and_what_is_at_stake(path: Path) -> None:
    pulse = opened(path)
    pulse.beat(1_000, HELD)

    assert read_pulse(path) == Pulse(run_no=7, pid=11, epoch=2, boot="b1", at_ns=1_000, stakes=HELD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_beats_are_written_in_place_and_the_file_never_grows(path: Path) -> None:
    pulse = opened(path)
    inode = None
    for second in range(1, 50):
        pulse.beat(second * 10**9, HELD if second % 2 else Stakes())
        found = read_pulse(path)
        assert found is not None
        assert found.at_ns == second * 10**9
        inode = inode or path.stat().st_ino

    assert (path.stat().st_ino, path.stat().st_size) == (inode, RECORD_BYTES)


@pytest.mark.parametrize(("code", "is_orderly"), [(0, True), (3, True), (5, True), (1, False), (2, False)])
def test_only_an_end_that_the_desk_decided_on_is_orderly(path: Path, code: int, is_orderly: bool) -> None:
    pulse = opened(path)
    pulse.beat(1_000, HELD)
    pulse.end(2_000, code)
    pulse.close()

    found = read_pulse(path)
    assert found is not None
    assert (found.exit_code, found.at_ns, found.stakes) == (code, 2_000, HELD)
    assert found.is_orderly_end is is_orderly


def test_the_next_run_writes_over_the_end_of_the_one_before(path: Path) -> None:
    first = opened(path)
    first.end(1_000, 0)
    first.close()
    opened(path, run_no=8).beat(2_000, Stakes())

    found = read_pulse(path)
    assert found is not None
    assert (found.run_no, found.exit_code) == (8, None)


@pytest.mark.parametrize("data", [b"", b"x", b"\x00" * RECORD_BYTES, b'{"run_no":1}'.ljust(RECORD_BYTES)])
def test_what_is_no_whole_record_is_no_beat(path: Path, data: bytes) -> None:
    path.write_bytes(data)

    assert read_pulse(path) is None


@pytest.mark.fault("SEC-14")
@pytest.mark.invariant("C4")
def test_no_file_and_a_link_are_no_beat_and_a_link_is_not_written_through(path: Path) -> None:
    assert read_pulse(path) is None
    target = path.with_name("elsewhere")
    target.write_bytes(b"")
    path.symlink_to(target)

    assert read_pulse(path) is None
    with pytest.raises(PulseUnusable, match="symbolic link"):
        opened(path)


def test_stakes_are_said_in_words() -> None:
    assert Stakes().words == "nothing open"
    assert HELD.words == "130 units open, 65 of them without a resting stop, 3 order(s) that may fill"
    assert not Stakes(live_orders=1).is_flat
