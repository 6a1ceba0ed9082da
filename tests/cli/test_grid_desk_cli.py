"""`strikedesk grid` as a process: the pair demo in virtual time, a desk that is stopped, killed, ended and resumed."""

from __future__ import annotations

import json
import os
import shlex
import signal

import pytest

LINE = (
    "grid --bot-name G --trade-type gridocots --token-a IRFC --token-b SBIN --steps 5 --spread 0.10 "
    "--target-spread 0.05 --oco-spread 0.30 --qty-a 100 --qty-b 50"
)
BUY_ONLY = (
    "grid --bot-name B --trade-type buyts --token-a IRFC --steps 5 --spread 0.10 --target-spread 0.05 --qty-a 100"
)
ENDS_SOON = LINE.replace("--steps 5", "--steps 2").replace("--spread 0.10", "--spread 0.06").replace("0.30", "0.05")
VIRTUAL = "--no-ui --speed max --seed 1"


def words(*parts: str) -> list[str]:
    return shlex.split(" ".join(parts))


@pytest.mark.row("OPS-06", "OPS-10", "GRD-60", "GRD-16")
def test_a_demo_day_of_a_grid_fills_hedges_earns_and_resets_its_levels(home) -> None:
    ended = home.run(*words(LINE, VIRTUAL, "--entry-price 50.00 --duration 10m"))

    assert ended.code == 0, ended.err
    for line in (
        "[GRID] G: 10 levels round 50.00: BUY 49.90, BUY 49.80",
        "[downside] ENTRY FILLED: BUY IRFC @ 49.90 (filled 49.90) | Target: SELL @ 49.95 | OCO: SELL @ ",
        "[downside] TARGET FILLED: SELL @ 49.95",
        "[downside] Level reset for re-entry: BUY @ 49.90",
    ):
        assert line in ended.err
    assert "Target Hit" in ended.out and "Traceback" not in ended.err
    again = home.run(*words(LINE, VIRTUAL, "--entry-price 50.00 --duration 10m"))
    assert again.decision_hash == ended.decision_hash, "one seed is one day"


@pytest.mark.row("OPS-08", "OPS-10", "GRD-51")
def test_auto_entry_takes_the_first_price_as_the_centre(home) -> None:
    ended = home.run(*words(BUY_ONLY, VIRTUAL, "--auto-entry --duration 30s"))

    assert ended.code == 0, ended.err
    centre = ended.err.split("[GRID] B: 5 levels round ")[1].split(":")[0]
    first = f"BUY {float(centre) - 0.1:.2f}, BUY {float(centre) - 0.2:.2f}"
    assert first in ended.err


SILENT = """
import sys
from brokers.paper.pair_market import PairMarket
from engine.port import ReadFailed
honest = PairMarket._tick
PairMarket._tick = lambda self, day, symbol, step: None if symbol == "SBIN" else honest(self, day, symbol, step)
async def no_quote(self, symbol):
    raise ReadFailed("silent")
PairMarket.quote = no_quote
from tui.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.row("GRD-51", "OPS-08")
def test_a_second_token_without_a_price_ends_the_start_after_30_seconds_with_its_name(home) -> None:
    ended = home.run(*words(LINE, VIRTUAL, "--auto-entry"), program=SILENT)

    assert ended.code == 1, ended.err
    assert ended.complaints == ['grid "G": no price for SBIN within 30 s: not started']
    assert "ENTRY" not in ended.err
    alone = home.run(*words(BUY_ONLY, VIRTUAL, "--auto-entry --duration 60s"), program=SILENT)
    assert alone.code == 0, "a grid without a hedge waits for token A alone"


@pytest.mark.row("GRD-46", "GRD-47", "OPS-22", "BUG-78")
def test_a_grid_that_ends_itself_ends_the_run_with_3_and_stays_ended_until_it_is_resumed(home) -> None:
    run = words(ENDS_SOON, "--entry-price 50.00 --no-ui --speed 1000 --seed 3 --db t.db")

    first = home.run(*run)
    assert first.code == 3, first.err[-3000:]
    assert "TERMINATING: OCO imbalance" in first.err
    assert "stopping: every grid has ended itself" in first.err

    second = home.run(*run)
    assert second.code == 3
    assert "Terminated: OCO imbalance; it sends nothing until it is resumed (--resume-terminated)" in second.err
    assert "ENTRY" not in second.err and "placed" not in second.err

    resumed = home.start(*run, "--resume-terminated")
    resumed.wait_for("ENTRY")
    resumed.end(signal.SIGTERM)


@pytest.mark.row("GRD-57", "GRD-52", "OPS-21", "OPS-18")
def test_a_stop_leaves_the_orders_and_the_next_start_after_a_kill_goes_on_with_them(home) -> None:
    run = words(LINE, "--entry-price 50.00 --no-ui --speed 20 --seed 1 --db k.db")
    desk = home.start(*run)
    desk.wait_for("[upside] ENTRY SELL placed")
    ended = desk.end(signal.SIGTERM)
    assert ended.code in (0, 5), ended.err
    assert "orders remain active" in ended.err
    assert 'strikedesk grid --bot-name "G" --cancel-all --token-a IRFC' in ended.err

    again = home.start(*run)
    again.wait_for("RealTimePositionManager started")
    os.kill(again.pid, signal.SIGKILL)
    assert again.end().code == -signal.SIGKILL
    assert "placed" not in "".join(again.said), "what rests is known again, nothing is sent twice"

    third = home.start(*run)
    third.wait_for("RealTimePositionManager started")
    assert "open bracket(s) from the journal" in "".join(third.said)
    third.end(signal.SIGTERM)
    cancelled = home.run(*words('grid --bot-name "G" --cancel-all --token-a IRFC --db k.db'))
    assert cancelled.code == 0 and "0 of 0" not in cancelled.out.splitlines()[-1], cancelled.out


@pytest.mark.row("OPS-16", "GRD-55", "GRD-33")
def test_the_state_is_exported_from_the_journal_and_begins_a_grid_in_another_one(home) -> None:
    ran = home.run(*words(LINE, VIRTUAL, "--entry-price 50.00 --duration 10m --db e.db"))
    assert ran.code == 0, ran.err
    written = home.run(*words(LINE, "--entry-price 50.00 --export state.json --db e.db"))
    assert written.code == 0, written.err

    state = json.loads((home.folder / "state.json").read_text())
    assert (state["bot_name"], state["bot_status"], len(state["open_orders"])) == ("G", "Active", 10)
    assert state["entry_price"] == 50.0 and state["max_quantity"] == 500
    cycle = state["order_history"][0]
    assert (cycle["entry_fill_price"], cycle["target_status"]) == (49.9, "filled")

    begun = home.run(*words(LINE, VIRTUAL, "--entry-price 50.00 --duration 10s --import state.json --db i.db"))
    assert begun.code == 0, begun.err
    home.run(*words(LINE, "--entry-price 50.00 --export again.json --db i.db"))
    again = json.loads((home.folder / "again.json").read_text())
    same = ("bot_status", "entry_price", "upside_oco_net_count", "downside_oco_net_count")
    assert [again[key] for key in same] == [state[key] for key in same]
    assert [row["entry_trade_price"] for row in again["open_orders"]] == sorted(
        [row["entry_trade_price"] for row in again["open_orders"]],
        key=[49.9, 49.8, 49.7, 49.6, 49.5, 50.1, 50.2, 50.3, 50.4, 50.5].index,
    )

    nothing = home.run(*words(LINE, "--entry-price 50.00 --export n.json --db nothing.db"))
    nothing.assert_refused(1, "nothing.db", 'knows no grid "G"')


@pytest.mark.row("GRD-62")
@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("--entry-price 80.00", "entry_price = 80.00: outside the day's price band"),
        ("--entry-price 50.00 --qty-a 90000", "all levels of one side need"),
        ("--entry-price 50.00 --qty-b 100001", "one order of SBIN holds at most"),
        ("--entry-price 50.00 --token-b RELIANCE", "RELIANCE is not a tradable contract of today's instrument master"),
    ],
)
def test_what_the_day_does_not_allow_is_refused_before_anything_is_sent(home, change: str, part: str) -> None:
    ended = home.run(*words(LINE, VIRTUAL, change))

    assert ended.code in (1, 2) and ended.out == "", ended.err
    assert part in ended.err and "Traceback" not in ended.err
    assert "placed" not in ended.err


CONFIG = """
[[grid]]
bot_name = "G"
token_a_symbol = "IRFC"
token_b_symbol = "SBIN"
entry_price = 50.0
spread = 0.1
target_spread = 0.05
oco_spread = 0.3
token_a_quantity = 100
token_b_quantity = 50
accounts = { trade = "paper", upside_oco = "up", downside_oco = "down" }
[accounts.up]
kind = "paper"
[accounts.down]
kind = "paper"
"""


@pytest.mark.row("GRD-70", "CON-43", "OPS-04")
def test_a_file_with_a_grid_alone_trades_no_legs_and_with_legs_both(home) -> None:
    home.write("grid.toml", CONFIG)
    alone = home.run(*words("--config grid.toml", VIRTUAL, "--duration 3m"))
    assert alone.code == 0, alone.err
    assert "[upside] ENTRY SELL placed" in alone.err and "NIFTY01DEC" not in alone.err.split("\n", 3)[3]

    home.write(
        "both.toml", CONFIG + '[legs]\nsymbol = "NIFTY01DEC2624500PE"\nsession_start = "09:15"\ninterval = "1m"\n'
    )
    both = home.run(*words("--config both.toml", VIRTUAL, "--duration 3m"))
    assert both.code == 0, both.err
    assert "[upside] ENTRY SELL placed" in both.err and "[ORDER] BUY NIFTY01DEC2624500PE" in both.err


@pytest.mark.row("GRD-62", "OPS-13")
def test_a_ladder_that_is_in_use_is_not_changed_under_its_orders(home) -> None:
    run = "--entry-price 50.00 --no-ui --speed 20 --seed 1 --db c.db"
    desk = home.start(*words(LINE, run))
    desk.wait_for("ENTRY SELL placed")
    desk.end(signal.SIGTERM)

    changed = home.run(*words(LINE.replace("--spread 0.10", "--spread 0.20"), run))
    changed.assert_refused(2, 'grid "G": its prices or quantities', "10 levels round 50.00 in use")


@pytest.mark.row("GRD-70")
def test_a_replay_of_legs_does_not_mind_a_grid_in_the_file(home) -> None:
    home.write("grid.toml", CONFIG)
    bars = [
        f"2026-03-11T09:{minute}:00,NIFTY2631724000{kind},100,101,99,100"
        for minute in range(15, 30)
        for kind in ("CE", "PE")
    ]
    home.write("bars.csv", "\n".join(["time,symbol,open,high,low,close", *bars]) + "\n")

    ended = home.run(*words("replay bars.csv --symbol NIFTY2631724000CE --config grid.toml"))

    assert ended.code == 0, ended.err
    assert "round trips" in ended.out
