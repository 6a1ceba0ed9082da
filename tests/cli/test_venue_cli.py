"""`strikedesk venue paper` as a user has it, and the desks that name it: started, refused, killed, gone on with."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys

import pytest

HURRIED = ("--speed", "60", "--seed", "7")


def port_of(venue) -> int:
    """As it says for a person; for a program it is the only line on stdout."""
    return int(re.search(r"127\.0\.0\.1:(\d+)", venue.wait_for("paper venue on"))[1])


def desk_at(home, port: int, more: str = "") -> tuple[str, ...]:
    home.write("desk.toml", f'[accounts.paper]\nkind = "paper"\nvenue = "127.0.0.1:{port}"\n{more}')
    return ("--no-ui", "--config", "desk.toml", "--db", "desk.db")


def test_a_venue_tells_its_port_serves_a_desk_and_leaves_its_ledger(home, far_exits, query) -> None:
    venue = home.start("venue", "paper", "--port", "0", *HURRIED, "--ledger", "day.json")
    port = port_of(venue)
    desk = home.start(*desk_at(home, port), "--duration", "4m", env=far_exits)
    ended = desk.end()
    served = venue.end(signal.SIGTERM)

    assert (ended.code, served.code) == (0, 0), ended.err[-2000:] + served.err
    assert served.out == f"{port}\n"
    ledger = json.loads((home.folder / "day.json").read_text())
    (account,) = ledger["accounts"]
    fills = query(home.folder / "desk.db", "SELECT trade_id, tag, side, qty, price_paise FROM fills ORDER BY 1")
    theirs = [(t["trade_id"], t["tag"], t["side"], t["qty"], t["price_paise"]) for t in account["trades"]]
    assert len(fills) >= 4
    assert sorted(theirs) == fills
    assert [row["net_qty"] for row in account["positions"]] == [0, 0]
    moved = sum((1 if side == "SELL" else -1) * qty * price for _, _, side, qty, price in fills)
    assert account["cash_paise"] - account["opening_paise"] == moved
    assert not (home.folder / "desk.account.db").exists(), "the venue keeps the books"
    assert query(home.folder / "desk.db", "SELECT DISTINCT account FROM runs") == [(account["account_id"],)]


@pytest.mark.row("OPS-20")
@pytest.mark.fault("PRC-12")
@pytest.mark.invariant("R5")
def test_one_account_of_a_venue_has_one_desk_whatever_its_journal(home) -> None:
    venue = home.start("venue", "paper", "--port", "0")
    arguments = desk_at(home, port_of(venue))
    first = home.start(*arguments)
    first.wait_for("broker lists")

    other = home.run(*arguments[:-1], "other.db")

    other.assert_refused(4, f"process {first.pid} on ", "already in use")
    assert "paper account paper at 127.0.0.1:" in other.err


def test_a_venue_killed_and_started_again_on_its_books_knows_every_order_and_the_time(home, far_exits) -> None:
    options = ("venue", "paper", *HURRIED, "--books", "books")
    venue = home.start(*options, "--port", "0")
    port = port_of(venue)
    first = home.start(*desk_at(home, port), env={**far_exits, "STRIKEDESK_LEGS_ON_STOP": "leave"})
    first.wait_for("[EXITS]", times=2)
    assert first.end(signal.SIGTERM).code == 5, "left under its resting stops"
    venue.end(signal.SIGKILL)

    again = home.start(*options, "--port", str(port))
    began = re.search(r"(\d\d:\d\d:\d\d)", again.wait_for("paper venue on"))[1]
    second = home.start(*desk_at(home, port), env={**far_exits, "STRIKEDESK_LEGS_ON_STOP": "leave"})
    restored = second.wait_for("broker lists")

    assert "6 order(s) today, 6 ours; 2 position(s) restored" in restored
    assert restored.count("stop at the broker") == 2
    left = max(line[11:19] for line in first.said if line.startswith("2026-11-25"))
    assert began >= left, "exchange time went on while the venue was away"
    assert oct((home.folder / "books").stat().st_mode & 0o777) == "0o700"


def test_two_venues_do_not_share_one_folder_of_books(home) -> None:
    first = home.start("venue", "paper", "--port", "0", "--books", "books")
    first.wait_for("paper venue on")

    home.run("venue", "paper", "--port", "0", "--books", "books").assert_refused(
        4, f"process {first.pid} on ", "already in use"
    )


def test_a_venue_ends_by_itself_when_its_time_is_over(home) -> None:
    ended = home.run("venue", "paper", "--port", "0", "--speed", "100", "--duration", "60s")

    assert ended.code == 0
    assert ended.out.strip().isdigit()


def test_a_venue_that_misbehaves_serves_all_the_same(home, far_exits) -> None:
    venue = home.start("venue", "paper", "--port", "0", *HURRIED, "--faults", "swarm")
    desk = home.start(*desk_at(home, port_of(venue)), "--duration", "3m", env=far_exits)
    ended = desk.end()

    assert ended.code in (0, 5), ended.err[-2000:]
    assert "Traceback" not in ended.err
    assert venue.end(signal.SIGTERM).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (("--host", "0.0.0.0"), 1, ("--host 0.0.0.0", "loopback only")),
        (("--host", "example.com"), 1, ("--host example.com", "a loopback address, 127.0.0.1 or ::1")),
        (("--speed", "max"), 2, ("--speed max is virtual time",)),
        (("--faults", "nowhere.toml"), 2, ("--faults nowhere.toml", "no such file")),
        (("--books", "taken"), 1, ("--books taken",)),
        (("--config", "absent.toml"), 2, ("absent.toml",)),
    ],
)
def test_what_a_venue_cannot_do_is_said_in_one_line(home, arguments, code, parts) -> None:
    home.write("taken", "a file, no folder")

    home.run("venue", "paper", "--port", "0", *arguments).assert_refused(code, *parts)


@pytest.mark.parametrize("arguments", [("venue",), ("venue", "nse"), ("venue", "paper", "--port", "70000")])
def test_a_venue_of_no_kind_and_a_port_of_no_range_are_refused_by_the_command_line(home, arguments) -> None:
    ended = home.run(*arguments)

    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_a_port_that_is_taken_is_named(home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        home.run("venue", "paper", "--port", str(port)).assert_refused(1, f"port {port} of 127.0.0.1", "in use")


def test_a_desk_whose_venue_is_not_there_says_how_to_start_one(home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    home.run(*desk_at(home, port)).assert_refused(
        1, f"accounts.paper.venue = '127.0.0.1:{port}'", "nobody listens there", f"strikedesk venue paper --port {port}"
    )
    assert not (home.folder / "desk.db").exists(), "nothing was begun"


def test_a_desk_at_something_that_is_no_venue_says_so(home) -> None:
    program = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
    program += "c, _ = s.accept(); c.sendall(b'SSH-2.0-OpenSSH\\r\\n'); c.recv(1000)"
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert server.stdout is not None
    port = int(server.stdout.readline())

    home.run(*desk_at(home, port)).assert_refused(1, f"127.0.0.1:{port}", "not a paper venue")
    server.wait(10)
    server.stdout.close()


@pytest.mark.parametrize("option", [("--fresh",), ("--faults", "swarm"), ("--speed", "max")])
def test_what_is_the_venues_own_is_refused_at_the_desk(home, option) -> None:
    home.run(*desk_at(home, 8800), *option).assert_refused(
        2, option[0], "kept by the venue at 127.0.0.1:8800", "ask for it there"
    )


def test_an_address_outside_this_machine_is_a_fault_of_the_configuration(home) -> None:
    home.write("desk.toml", '[accounts.paper]\nkind = "paper"\nvenue = "10.0.0.7:8800"\n')

    home.run("check", "--config", "desk.toml").assert_refused(2, "desk.toml:3", "venue", "127.0.0.1:PORT")


def test_check_says_where_orders_rest(home) -> None:
    desk_at(home, 8800)

    ended = home.run("check", "--config", "desk.toml")

    assert "the paper exchange of another process, where it outlives this program" in ended.out
