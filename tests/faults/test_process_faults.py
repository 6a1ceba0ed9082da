"""The process itself: the same day whatever the hash seed, watched or not; tasks that somebody keeps; what it loads."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from engine.operator import ExitLeg

ROOT = Path(__file__).resolve().parents[2]
PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"

pytestmark = pytest.mark.xdist_group("source")
A_DAY = """
from datetime import time
from tui.simulation.day import DayPlan, run_day
from tui.simulation.seed_terms import Profile
day = run_day(DayPlan(seed=5, profile=Profile.DRILL, until=time(9, 24)))
print(day.decision_hash, day.requests, len(day.violations))
"""

TASK_MAKERS = {
    "brokers/dhan/line.py": "the look whether a refused token is dead",
    "brokers/dhan/venue.py": "a rehearsal venue's writer of one order socket",
    "brokers/dhan/venue_streams.py": "a rehearsal venue's writer of one feed",
    "brokers/kite/quotes.py": "quotes that are asked for together",
    "brokers/kite/session.py": "the look whether a refused ticker's token is dead",
    "brokers/kite/venue_ticker.py": "a rehearsal venue's writer of one ticker",
    "brokers/openalgo/feed.py": "the pings of a quiet feed",
    "brokers/openalgo/venue.py": "a rehearsal venue's subscription to its market",
    "brokers/openalgo/venue_stream.py": "a rehearsal venue's writer of one stream",
    "brokers/wire/stream.py": "the stream that is kept up, and its watch for silence",
    "brokers/xts/feed.py": "subscriptions that are asked for again",
    "brokers/xts/login.py": "one login at a time, whoever asked for it",
    "brokers/xts/session.py": "the renewal of a dead login",
    "brokers/xts/stream_words.py": "a socket's heartbeat and its answers",
    "brokers/xts/venue_socket.py": "a rehearsal venue's writer and pings of one socket",
    "brokers/paper/faults/account.py": "a call that goes on when its caller has given up",
    "brokers/paper/remote_link.py": "the link to a venue in another process",
    "brokers/paper/server.py": "the venue's requests",
    "engine/alert_relay.py": "a task group of the channels",
    "engine/deadline.py": "a call under a deadline, which ends it",
    "engine/desk.py": "`Desk.spawn`, the supervisor of the engine's tasks",
    "tui/console_command.py": "the engine beside the screen",
    "tui/guardian_command.py": "the guardian's watch",
    "tui/guardian_watch.py": "the guardian's port and its channels",
    "tui/station.py": "the supervisor of what stands around the desk",
    "tui/venue_command.py": "the venue's jobs",
}
"""Who may make a task, and what it is for; may only shrink."""

DISTRIBUTIONS = {"sqlite_utils": "sqlite-utils", "tomli_w": "tomli-w"}
"""Import name -> name in pyproject.toml, where they differ."""
MAY_LOAD = {
    "engine": {"apprise", "httpx", "keyring", "msgspec", "sqlite_utils", "tomli_w"},
    "brokers": {"aiohttp", "httptools", "httpx", "msgspec", "websockets"},
}


@pytest.mark.fault("PRC-15")
@pytest.mark.invariant("X5")
def test_the_hash_seed_of_the_interpreter_changes_no_decision() -> None:
    """Iterating over a set of strings would order things by it."""
    told: set[str] = set()
    for hash_seed in ("0", "4242"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'lean'}"}
        run = subprocess.run(
            [sys.executable, "-c", A_DAY], env=env, capture_output=True, text=True, check=True, timeout=120
        )
        told.add(run.stdout.strip())

    assert len(told) == 1
    _, requests, violations = told.pop().split()
    assert int(requests) > 10 and violations == "0"


@pytest.mark.invariant("X4")
def test_a_screen_that_looks_at_every_tick_changes_no_order(run_desk, seed_setup) -> None:
    """Differential: the same day at the broker without a screen, and with one that builds its picture all the time."""

    async def a_day(rig, *, watched: bool) -> list[tuple[int, str]]:
        def look(_tick: object) -> None:
            view = rig.console.view()
            assert view.orders is not None
            rig.log.lines_since(0)

        if watched:
            rig.market.listeners.insert(0, look)
            rig.market.listeners.append(look)
        await rig.enter(100.0)
        for price in (100.5, 101.5, 102.5, 102.0, 106.0):
            await rig.quiet(5.0, {PE: price, CE: 200.0 - price})
        rig.request(ExitLeg, symbol=CE)
        await rig.quiet(5.0, 101.0)
        return list(zip([began for began, _ in rig.venue.spans], rig.venue.story(), strict=True))

    alone = run_desk(lambda rig: a_day(rig, watched=False), seed_setup(trail={}))
    looked_at = run_desk(lambda rig: a_day(rig, watched=True), seed_setup(trail={}))

    assert looked_at == alone
    assert len(alone) > 6


def name_of(node: ast.expr) -> str:
    """The last word of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def makes_a_task(call: ast.Call) -> bool:
    return name_of(call.func) in ("create_task", "ensure_future")


@pytest.mark.fault("PRC-08")
@pytest.mark.invariant("X2")
def test_every_task_is_made_by_somebody_who_keeps_it(
    source: dict[str, ast.Module], calls: dict[str, list[ast.Call]]
) -> None:
    """The loop holds tasks weakly: one that nobody keeps may be collected while it waits."""
    makers = {path for path in calls if any(makes_a_task(call) for call in calls[path])}
    dropped: list[str] = []
    for path in makers:
        nodes = list(ast.walk(source[path]))
        opened = [item for node in nodes if isinstance(node, ast.AsyncWith) for item in node.items]
        groups = {
            name_of(item.optional_vars)
            for item in opened
            if item.optional_vars is not None and "TaskGroup" in ast.unparse(item.context_expr)
        }
        for node in nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and makes_a_task(node.value):
                maker = node.value.func
                if not (isinstance(maker, ast.Attribute) and name_of(maker.value) in groups):  # a group keeps its own
                    dropped.append(f"{path}:{node.lineno}")

    assert dropped == []
    assert {path for path in makers if not path.startswith("tui/simulation/")} == set(TASK_MAKERS)


@pytest.mark.fault("SEC-09")
@pytest.mark.invariant("C7")
def test_nothing_but_the_venues_listens_on_a_socket(calls: dict[str, list[ast.Call]]) -> None:
    """A desk opens no port and no socket: who commands it sits at its terminal."""
    opens = {"start_server", "start_unix_server", "create_server", "create_unix_server", "HTTPServer", "run_app"}
    opens |= {"TCPSite", "UnixSite", "SockSite"}

    def is_opening(call: ast.Call) -> bool:
        return name_of(call.func) in opens or (isinstance(call.func, ast.Name) and call.func.id == "serve")

    assert [path for path in calls if any(map(is_opening, calls[path]))] == [
        "brokers/paper/server.py",
        "brokers/venue/site.py",
    ]


@pytest.mark.fault("NET-09")
@pytest.mark.invariant("C7")
def test_no_client_switches_off_the_check_of_certificates_or_follows_redirects(
    calls: dict[str, list[ast.Call]],
) -> None:
    loose: list[str] = []
    clients = 0
    for path, made in calls.items():
        for call in made:
            clients += name_of(call.func) in ("AsyncClient", "Client")
            given = {word.arg: word.value for word in call.keywords}
            unchecked = {"verify": False, "follow_redirects": True}
            if any(
                isinstance(given.get(word), ast.Constant) and given[word].value is bad
                for word, bad in unchecked.items()
            ):
                loose.append(f"{path}:{call.lineno}")
            if name_of(call.func) == "_create_unverified_context":
                loose.append(f"{path}:{call.lineno}")

    assert loose == []
    assert clients > 0, "there is a client, or this test looks for the wrong name"


@pytest.mark.fault("SEC-11")
@pytest.mark.invariant("C8")
def test_engine_and_brokers_load_only_what_is_declared_and_allowed(source: dict[str, ast.Module]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = {
        re.split(r"[<>=\[ ]", line)[0]
        for line in (
            *project["dependencies"],
            *(line for extra in ("keyring", "notify", "venue") for line in extras[extra]),
        )
    }
    foreign: dict[str, set[str]] = {"engine": set(), "brokers": set()}
    for path, tree in source.items():
        package = path.partition("/")[0]
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.partition(".")[0] for name in names}
            if package in foreign:
                foreign[package] |= tops - set(sys.stdlib_module_names) - {"engine", "brokers", "tui", "__future__"}

    assert all(loaded <= MAY_LOAD[package] for package, loaded in foreign.items()), foreign
    assert {DISTRIBUTIONS.get(name, name) for loaded in foreign.values() for name in loaded} <= declared
    assert {"msgspec", "sqlite_utils"} <= foreign["engine"]
