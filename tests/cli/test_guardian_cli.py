"""`strikedesk guardian` as processes: a desk is stopped or killed, the guardian alarms or flattens, the desk is fenced.

What counts is the venue's own ledger. Times are real: the shortest silence is three seconds.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.lease import Lease, lease_path, read_lease
from engine.lease_record import Holder, Proof
from engine.pulse_file import pulse_path, read_pulse
from engine.single_instance import account_lock_path, is_locked

PATIENCE_S = 60.0
ALARM = '[guardian]\nsilence_seconds = 3\nact = "alarm"\n'
FLATTEN = '[guardian]\nsilence_seconds = 3\nact = "flatten"\n'


def until(claim: Callable[[], bool], what: str) -> None:
    """Poll: the processes are others'."""
    give_up = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(0.05)


def lock_of(home, name: str = "account-paper") -> Path:
    return account_lock_path(home.state, name)


def wait_for_stakes(lock: Path, open_qty: int) -> None:
    def is_told() -> bool:
        pulse = read_pulse(pulse_path(lock))
        return pulse is not None and pulse.stakes.open_qty == open_qty

    until(is_told, f"a beat with {open_qty} units open")


@pytest.fixture
def venue(home):
    """A paper exchange in a process of its own; gives its port and, after `end`, its ledger."""

    class Venue:
        def __init__(self) -> None:
            self.ledger_file = home.folder / "ledger.json"
            self.desk = home.start(
                "venue", "paper", "--port", "0", "--speed", "20", "--seed", "7", "--ledger", str(self.ledger_file)
            )
            said = self.desk.wait_for("paper venue on 127.0.0.1:")
            self.port = int(said.split("127.0.0.1:")[1].split(",")[0])

        def config(self, more: str) -> str:
            text = f'[accounts.paper]\nkind = "paper"\nvenue = "127.0.0.1:{self.port}"\n{more}'
            return str(home.write("venue.toml", text))

        @property
        def lock(self) -> Path:
            return lock_of(home, f"paper at 127.0.0.1:{self.port}")

        def end(self) -> dict:
            assert self.desk.end(signal.SIGTERM).code == 0
            (account,) = json.loads(self.ledger_file.read_text())["accounts"]
            return account

    return Venue()


@pytest.mark.row("OPS-20")
@pytest.mark.invariant("R5")
def test_a_stopped_desk_is_flattened_and_sends_nothing_when_it_wakes_up(home, venue, far_exits, query) -> None:
    config = venue.config(FLATTEN)
    desk = home.start("--no-ui", "--config", config, env=far_exits)
    guardian = home.start("guardian", "--config", config)
    desk.wait_for("[EXITS]", times=2)
    wait_for_stakes(venue.lock, 130)

    desk.tell(signal.SIGSTOP)
    guardian.wait_for("stands still, no beat for 3 s; in its last beat 130 units open")
    guardian.wait_for("[GUARDIAN] flat: nothing of this desk is open at the broker any more")
    time.sleep(2)  # prices of the desk get old enough that it wants to leave blind when it wakes up
    desk.tell(signal.SIGCONT)
    desk.wait_for("another process has taken over this account: guardian, process")
    desk.wait_for("exiting blind", times=2)
    desk.wait_for("[HEARTBEAT]", times=len([line for line in desk.said if "[HEARTBEAT]" in line]) + 1)

    refused = home.run("guardian", "--release", "--config", config)
    refused.assert_refused(4, f"process {guardian.pid} on", "already in use")
    ended = desk.end(signal.SIGTERM)
    assert "hands off" in ended.err
    assert ended.err.count("[CRITICAL] another process has taken over") == 1
    assert guardian.end(signal.SIGTERM).code == 0
    second = home.run("--no-ui", "--config", config, "--duration", "1s")
    second.assert_refused(4, "the broker said flat", "strikedesk guardian --release")
    released = home.run("guardian", "--release", "--config", config)
    assert (released.code, released.out) == (0, "released: the next desk may start (epoch 3)\n")

    ledger = venue.end()
    tags = [order["tag"] for order in ledger["orders"]]
    assert sum(tag.startswith("SD") for tag in tags) == 6, (
        "entry, target and stop of each leg; nothing after it woke up"
    )
    assert sum(tag.startswith("SG") for tag in tags) == 2
    assert len(tags) == 8
    net: dict[str, int] = {}
    for trade in ledger["trades"]:
        net[trade["symbol"]] = net.get(trade["symbol"], 0) + trade["qty"] * (1 if trade["side"] == "BUY" else -1)
    assert list(net.values()) == [0, 0]
    unanswered = "SELECT count(*) FROM intents WHERE answer = ''"
    assert query(home.state / "strikedesk.db", unanswered)[0][0] >= 2, "the desk wanted to leave, and reached nobody"


@pytest.mark.row("OPS-20")
@pytest.mark.slow
def test_a_killed_desk_at_a_venue_is_flattened_and_the_guardian_ends_by_itself(home, venue, far_exits) -> None:
    config = venue.config(FLATTEN)
    desk = home.start("--no-ui", "--config", config, env=far_exits)
    guardian = home.start("guardian", "--config", config)
    desk.wait_for("[EXITS]", times=2)
    wait_for_stakes(venue.lock, 130)

    desk.end(signal.SIGKILL)
    guardian.wait_for("is gone, no beat for 3 s")
    ended = guardian.end()

    assert ended.code == 0, ended.err
    assert "settled" in ended.err
    found = read_lease(lease_path(venue.lock))
    assert found is not None
    assert (found.holder, found.proof) == (Holder.GUARDIAN, Proof.FLAT)
    assert home.run("guardian", "--release", "--config", config).code == 0
    late = {**far_exits, "STRIKEDESK_LEGS_SESSION_START": "15:00"}
    desk = home.start("--no-ui", "--config", config, env=late)
    desk.wait_for("closed externally", times=2)
    assert desk.end(signal.SIGTERM).code == 0, "the next desk finds both legs closed and adds nothing"
    ledger = venue.end()
    assert sorted(order["tag"][:2] for order in ledger["orders"]) == ["SD"] * 6 + ["SG"] * 2


@pytest.mark.slow
def test_for_an_account_inside_the_desk_the_guardian_can_only_alarm_and_the_channels_hear_it(home, far_exits) -> None:
    heard = home.folder / "heard.txt"
    script = f"import sys; open({str(heard)!r}, 'a').write(sys.stdin.read())"
    command = json.dumps([sys.executable, "-c", script])
    config = str(home.write("desk.toml", f"{FLATTEN}[alerts]\ncommand = {command}\n"))
    desk = home.start("--no-ui", "--seed", "7", "--speed", "60", "--config", config, env=far_exits)
    guardian = home.start("guardian", "--config", config)
    desk.wait_for("[EXITS]", times=2)
    wait_for_stakes(lock_of(home), 130)

    desk.end(signal.SIGKILL)
    guardian.wait_for("lives inside the desk's process: this guardian can only alarm")
    until(lambda: heard.exists() and "can only alarm" in heard.read_text(), "the alert command")

    assert "[GUARDIAN] the desk does not beat any more: process" in heard.read_text()
    found = read_lease(lease_path(lock_of(home)))
    assert found is not None
    assert found.holder is Holder.DESK, "an alarm takes nothing from a desk that may start again"
    again = home.start("--no-ui", "--seed", "7", "--speed", "60", "--config", config, env=far_exits)
    guardian.wait_for("beats again")
    again.wait_for("broker lists")
    assert guardian.end(signal.SIGTERM).code == 0


def test_a_desk_with_a_guardian_in_its_configuration_starts_one_that_ends_with_it(home) -> None:
    config = str(home.write("desk.toml", "[guardian]\nenabled = true\nsilence_seconds = 3\n"))
    desk = home.start("--no-ui", "--speed", "20", "--config", config)
    lock, log = lock_of(home).with_suffix(".guardian.lock"), lock_of(home).with_suffix(".guardian.log")
    until(lambda: log.exists() and "watching the desk of process" in log.read_text(), "the guardian's first look")
    assert is_locked(lock)

    assert desk.end(signal.SIGTERM).code == 0
    until(lambda: not is_locked(lock), "the guardian's end")

    assert f"the desk (process {desk.pid}) has ended with exit code 0" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.fault("PRC-07")
@pytest.mark.invariant("X2")
def test_a_guardian_that_dies_is_an_alarm_of_the_desk(home) -> None:
    config = str(home.write("desk.toml", "[guardian]\nenabled = true\n"))
    broken = "import sys; from tui import guardian_link as g; "
    broken += "g.guardian_command = lambda *_: (sys.executable, '-c', 'raise SystemExit(9)'); "
    broken += "from tui.cli import main; sys.exit(main(sys.argv[1:]))"
    desk = home.start("--no-ui", "--config", config, program=broken)

    desk.wait_for("[CRITICAL] nobody watches this desk from outside: the guardian has ended with exit code 9")

    assert desk.end(signal.SIGTERM).code == 0


def test_no_desk_starts_on_an_account_that_a_guardian_has_taken(home) -> None:
    home.state.mkdir(parents=True)
    Lease.take(lease_path(lock_of(home)), Holder.GUARDIAN, pid=77, at_ns=1_800_000_000_000_000_000).close()

    refused = home.run("--no-ui", "--duration", "1s")
    refused.assert_refused(4, "guardian, process 77", "NOT proven flat", "strikedesk guardian --release")
    unproven = home.run("guardian", "--release")
    unproven.assert_refused(5, "could not prove", "not released", "--checked")
    checked = home.run("guardian", "--release", "--checked")

    assert (checked.code, checked.out) == (0, "released: the next desk may start (epoch 2)\n")
    assert home.run("--no-ui", "--duration", "1s", "--speed", "20").code == 0
    nothing = home.run("guardian", "--release")
    assert (nothing.code, nothing.out) == (0, "no guardian has taken this account: nothing to release\n")


def test_a_damaged_lease_is_told_in_one_line_and_released_on_a_persons_word(home) -> None:
    home.state.mkdir(parents=True)
    lease_path(lock_of(home)).write_text("scribble")

    home.run("--no-ui", "--duration", "1s").assert_refused(1, "damaged", "strikedesk guardian --release")
    home.run("guardian", "--release").assert_refused(1, "damaged")
    assert home.run("guardian", "--release", "--checked").code == 0
    assert home.run("--no-ui", "--duration", "1s", "--speed", "20").code == 0


def test_a_virtual_day_has_no_lease_and_no_pulse(home) -> None:
    assert home.run("--no-ui", "--speed", "max", "--duration", "1m").code == 0

    assert not [path for path in home.folder.rglob("*") if path.suffix in (".lease", ".pulse")]


def test_wrong_words_are_told_in_one_line(home) -> None:
    home.run("guardian", "--checked").assert_refused(2, "--checked is for --release")
    home.write("bad.toml", '[guardian]\nact = "panic"\n')
    home.run("guardian", "--config", "bad.toml").assert_refused(2, "guardian.act", "alarm, flatten")
    home.write("fast.toml", "[guardian]\nsilence_seconds = 1\n")
    home.run("guardian", "--config", "fast.toml").assert_refused(2, "guardian.silence_seconds", "from 3 to 600")
    help_text = home.run("guardian", "--help")
    assert help_text.code == 0
    assert "examples:" in help_text.out
    assert "exit codes:" in help_text.out
