"""Which files one desk uses, from its configuration and the command line."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.config.model import Config
from engine.paths import Places


class DeskFiles(msgspec.Struct, frozen=True, kw_only=True):
    state_dir: Path
    journal: Path
    books: dict[str, Path]
    """Each account's own paper books, by its name, the main one first: apart from the journal, as a broker's are."""
    log: Path | None
    json_log: Path | None
    secrets: Path
    calendar: Path
    """The trader's own calendar rows, when the file is there."""

    @classmethod
    def of(cls, config: Config, found: Places, db: Path | None) -> DeskFiles:
        """A journal given by --db brings a paper account of its own beside it, so that a scratch journal never meets
        positions it knows nothing of; otherwise both lie in the state directory."""
        log = found.in_state(config.desk.log_file) if config.desk.log_file else None
        main, *others = config.account_names
        if db is not None:
            books = {main: db.with_name(f"{db.stem}.account.db")}
            books |= {name: db.with_name(f"{db.stem}.{name}.account.db") for name in others}
        else:
            books = {name: found.in_state(f"account-{name}.db") for name in (main, *others)}
        return cls(
            state_dir=found.state_dir,
            journal=db if db is not None else found.in_state(config.desk.db),
            books=books,
            log=log,
            json_log=log.with_suffix(".jsonl") if log is not None and config.desk.log_json else None,
            secrets=found.config_dir / Path(config.desk.secrets_file or found.secrets_file).expanduser(),
            calendar=found.config_dir / "calendar.toml",
        )
