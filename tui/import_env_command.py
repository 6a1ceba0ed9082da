"""`strikedesk import-env FILE`: an old leg scalper's `.env` becomes a config.toml, once, never over an existing one."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from engine.config.errors import ConfigError, sounds_secret
from engine.config.import_env import config_text
from engine.config.load import Loaded, load_env_file
from engine.paths import places
from tui.whole_file import write_whole

_MODE: Final = 0o644
"""Nothing in it is secret; credentials are left out."""


def run_import_env(arguments: argparse.Namespace) -> int:
    """Exit code 0 when the file was written; raises ConfigError for an `.env` or a target that cannot be used."""
    source: Path = arguments.file
    target: Path = arguments.out
    # Before reading, so that a slip costs nothing; behind a link stands the file that is meant.
    if target.is_dir():
        raise ConfigError([f"{target}: is a folder; --out takes the name of a file"])
    if os.path.lexists(target) and not arguments.force:
        raise ConfigError([f"{target}: exists already; name another with --out, or replace it with --force"])
    if source.exists() and target.exists() and source.samefile(target):
        raise ConfigError([f"{target}: is the file to import; name another with --out"])
    loaded = load_env_file(source)
    _write(target.resolve(), config_text(loaded.config, loaded.origins, source.name), replace=arguments.force)
    _tell(loaded, source, target)
    return 0


def _write(target: Path, text: str, *, replace: bool) -> None:
    try:
        write_whole(target, text, _MODE, replace=replace)
    except FileExistsError:
        raise ConfigError([f"{target}: exists already; name another with --out, or replace it with --force"]) from None
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written: {error.strerror or error}"]) from None


def _tell(loaded: Loaded, source: Path, target: Path) -> None:
    for note in loaded.notes:
        _say(f"note: {note}")
    for name in (name for name, value in loaded.env.items() if value and sounds_secret(name)):
        _say(
            f"note: {name} is a credential and was not written: keep it in the environment, or as {name}=... "
            f"in {places(os.environ).secrets_file} (chmod 600)"
        )
    keys = len(loaded.origins)
    _say(f"wrote {target}: {keys} keys from {source}; strikedesk check --config {target} tells what they mean")


def _say(text: str) -> None:
    print(f"strikedesk: {text}", file=sys.stderr)  # noqa: T201
