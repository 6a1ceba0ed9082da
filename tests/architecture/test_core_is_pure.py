"""The functional core decides without I/O, clock, globals or floats; what may do I/O is listed here, with its reason.

Every module of engine/ is core unless it stands in SHELL, so a new module is held to the rules without asking. Both
lists may only shrink: an entry that is no longer needed fails the test.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest

Trees = dict[str, ast.Module]
TreesOf = Callable[..., Trees]

PROTOCOLS = ("engine/port.py", "engine/port_reads.py")
"""What the shell implements: they await by their nature, and hold no code."""

SHELL = {
    "engine/alert_channels.py": "sends alerts by sockets and programs",
    "engine/alert_relay.py": "awaits the channels of alerts",
    "engine/charges.py": "reads its dated rows from packaged data",
    "engine/clock.py": "is the clock",
    "engine/config/doc.py": "prints the generated page",
    "engine/config/load.py": "reads config.toml",
    "engine/dated_rows.py": "reads packaged data",
    "engine/desk.py": "lives on the loop",
    "engine/deadline.py": "awaits brokers, not for ever",
    "engine/desk_reads.py": "awaits the broker's books",
    "engine/desk_recovery.py": "awaits the broker's books",
    "engine/desk_stop.py": "awaits flat",
    "engine/gateway.py": "awaits brokers",
    "engine/guardian_runner.py": "awaits the broker for the guardian",
    "engine/lease.py": "holds the lease file",
    "engine/private_file.py": "opens files",
    "engine/pulse_file.py": "writes the pulse file",
    "engine/quote_fallback.py": "awaits quotes of the market",
    "engine/journal/backups.py": "copies the journal",
    "engine/journal/examine.py": "reads a journal for its audit",
    "engine/journal/file.py": "opens the journal",
    "engine/journal/late.py": "times the journal's disk",
    "engine/journal/integrity.py": "reads the journal",
    "engine/journal/restore.py": "reads the journal",
    "engine/journal/migrations.py": "makes the journal's tables",
    "engine/journal/schema.py": "migrates the journal",
    "engine/journal/side_files.py": "writes small files beside the journal",
    "engine/journal/spill.py": "writes the second file of the journal",
    "engine/journal/store.py": "writes the journal",
    "engine/journal/writer.py": "owns the journal's thread",
    "engine/log.py": "writes log files",
    "engine/paths.py": "names places on disk",
    "engine/secrets.py": "reads the secrets file and the keyring",
    "engine/session.py": "reads its dated rows from packaged data",
    "engine/session_table.py": "reads its dated rows from packaged data",
    "engine/single_instance.py": "holds lock files",
    "engine/stall_guard.py": "is a thread that watches the loop",
    "engine/tick_feed.py": "plays ticks between the loop's timers",
    "engine/virtual_time.py": "is an event loop",
}

NO_IMPORT = {
    *("asyncio", "concurrent", "multiprocessing", "queue", "selectors", "signal", "threading"),
    *("http", "httpx", "socket", "ssl", "websockets"),
    *("io", "logging", "os", "pathlib", "shutil", "sqlite3", "sqlite_utils", "subprocess", "sys", "tempfile"),
    *("secrets", "time", "uuid"),
}
"""Modules that do I/O, tell the time or make chance."""

NO_USE = {
    *("asyncio.sleep", "date.today", "datetime.now", "datetime.today", "datetime.utcnow", "os.environ", "os.getenv"),
    *("time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns", "time.sleep", "time.time"),
    *("time.time_ns", "uuid.uuid1", "uuid.uuid4"),
}
"""What no module of engine/ or brokers/ uses, shell or not, unless ALLOWED_USE says why."""

ALLOWED_USE = {
    ("brokers/venue/site.py", "asyncio.sleep"): "a reply that never comes is real time",
    ("brokers/wire/pace.py", "asyncio.sleep"): "a broker's limit per second is real time",
    ("brokers/wire/stream.py", "asyncio.sleep"): "pauses between tries to connect are real time",
    ("brokers/kite/session.py", "asyncio.sleep"): "a cool-off of a socket is real time",
    ("brokers/openalgo/stream.py", "asyncio.sleep"): "pings of a quiet feed are real time",
    ("brokers/xts/feed.py", "asyncio.sleep"): "pauses before a subscription is asked again are real time",
    ("brokers/xts/session.py", "asyncio.sleep"): "logins are apart in real time",
    ("brokers/xts/stream_words.py", "asyncio.sleep"): "a socket's heartbeat is real time",
    ("brokers/xts/venue_socket.py", "asyncio.sleep"): "a socket's heartbeat is real time",
    ("engine/clock.py", "time.time_ns"): "the wall clock is read once, at the start",
    ("engine/journal/writer.py", "time.perf_counter_ns"): "default of the commit stopwatch",
    ("engine/single_instance.py", "time.time_ns"): "stamp inside the lock file, for a person",
}


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain, else empty."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            inner = dotted(value)
            return f"{inner}.{attr}" if inner else ""
        case _:
            return ""


def imports_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of every import; name is empty for `import x`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, "") for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from ((module, alias.name) for alias in names)


def uses_of(tree: ast.Module) -> set[str]:
    """Every dotted name with a dot, also of its last two parts: `dt.datetime.now` counts as `datetime.now`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (name := dotted(node)):
            found |= {name, ".".join(name.split(".")[-2:])}
    return found


def ambient_uses(tree: ast.Module) -> set[str]:
    """Uses of the clock, the environment, or the module-wide generator of random numbers."""
    found = {name for name in uses_of(tree) if name in NO_USE}
    if ("random", "") in set(imports_of(tree)):  # else `random` is a generator that was passed in
        found |= {name for name in uses_of(tree) if name.startswith("random.") and name != "random.Random"}
    return found


def impurities(tree: ast.Module) -> list[str]:
    """What keeps a module from being core."""
    found = {f"imports {module}" for module, _ in imports_of(tree) if module.split(".")[0] in NO_IMPORT}
    found |= {
        f"imports {module}.{name}" for module, name in imports_of(tree) if module == "random" and name != "Random"
    }
    found |= {f"uses {name}" for name in ambient_uses(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("float", "input", "open", "print", "eval", "exec"):
                found.add(f"calls {node.func.id}() in line {node.lineno}")
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            found.add(f"awaits in line {node.lineno}")
    return sorted(found)


@pytest.mark.fault("PRC-16", "TIM-10")
@pytest.mark.invariant("A6", "X5")
def test_every_module_of_the_engine_is_pure_unless_it_is_listed_as_shell(trees_of: TreesOf) -> None:
    # A Protocol of an asynchronous port only describes; it awaits nothing.
    impure = {
        path: found
        for path, tree in trees_of("engine").items()
        if path not in SHELL and path not in PROTOCOLS and (found := impurities(tree))
    }

    assert impure == {}


def test_the_list_of_shell_modules_only_shrinks(trees_of: TreesOf) -> None:
    trees = trees_of("engine")

    assert set(SHELL) <= set(trees), "remove what no longer exists"
    idle = [path for path in SHELL if path in trees and not impurities(trees[path])]
    assert idle == [], "these are pure: remove them from SHELL"


@pytest.mark.fault("TIM-01")
@pytest.mark.invariant("T1", "X5")
def test_no_module_reads_the_clock_the_environment_or_chance_unless_it_says_why(trees_of: TreesOf) -> None:
    found = {(path, name) for path, tree in trees_of("engine", "brokers").items() for name in ambient_uses(tree)}

    assert found == set(ALLOWED_USE)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import asyncio", "imports asyncio"),
        ("from os import environ", "imports os"),
        ("import datetime as d\nd.datetime.now()", "uses datetime.now"),
        ("import random\nrandom.choice([1])", "uses random.choice"),
        ("from random import choice", "imports random.choice"),
        ("x = float('1')", "calls float() in line 1"),
        ("open('x')", "calls open() in line 1"),
        ("async def f(): ...", "awaits in line 1"),
    ],
)
def test_the_check_sees_each_kind_of_impurity(source: str, reason: str) -> None:
    assert reason in impurities(ast.parse(source))


def test_a_seeded_generator_that_is_passed_in_is_pure() -> None:
    assert impurities(ast.parse("from random import Random\ndef f(r: Random) -> float: return r.random()")) == []
