"""`strikedesk check` and `strikedesk where`: say what is configured and which files are used. Nothing is started."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from engine.config.explain import explain
from engine.config.load import Loaded, load
from engine.paths import places
from engine.secrets import Redactions, Secrets
from tui.files import DeskFiles


def run_check(arguments: argparse.Namespace) -> int:
    """Exit code 0 when the configuration can be used; faults are raised as ConfigError."""
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    _tell_notes(loaded)
    _print(explain(loaded.config))
    _tell_secrets(loaded, arguments.db)
    return 0


def run_where(arguments: argparse.Namespace) -> int:
    loaded = load(arguments.config, os.environ, env_file=arguments.env_file)
    _tell_notes(loaded)
    files = DeskFiles.of(loaded.config, places(os.environ), arguments.db)
    venue = getattr(loaded.config.trading_account, "venue", "")
    rows = [
        ("config", str(loaded.path.resolve()) if loaded.path else "built-in defaults (no config.toml found)"),
        ("journal", str(files.journal)),
        *(("paper account", str(books)) for books in (files.books.values() if not venue else ())),
        *([("paper account", f"kept by the venue at {venue}")] if venue else ()),
        ("log", str(files.log or "none")),
        ("JSON log", str(files.json_log or "none")),
        ("secrets", str(files.secrets)),
        (
            "calendar",
            f"{files.calendar} ({'used' if files.calendar.exists() else 'not there: the packaged one is used'})",
        ),
    ]
    for name, value in rows:
        _print(f"{name:14} {value}")
    return 0


def _tell_secrets(loaded: Loaded, db: Path | None) -> None:
    """Where each secret of an alert channel was found; none is shown."""
    names = loaded.config.alerts.secret_names
    if names:
        files = DeskFiles.of(loaded.config, places(os.environ), db)
        secrets = Secrets(loaded.env, files.secrets, Redactions())
        for name in names:
            _print(f"{'Secret':12}{name}: {secrets.where(name)}")


def _tell_notes(loaded: Loaded) -> None:
    for note in loaded.notes:
        print(f"strikedesk: note: {note}", file=sys.stderr)  # noqa: T201


def _print(text: str) -> None:
    print(text)  # noqa: T201 - requested data goes to stdout
