"""Which files one desk uses, from its configuration and the command line."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.config.model import Config
from engine.paths import Places


class DeskFiles(msgspec.Struct, frozen=True, kw_only=True):
    state_dir: Path
    journal: Path
    paper_books: Path
    """The paper account's own books: apart from the journal, as a broker's would be."""
    other_books: dict[str, Path] = {}
    """Of the desk's other paper accounts, by their names."""
    log: Path | None
    json_log: Path | None
    secrets: Path
    calendar: Path
    """The trader's own calendar rows, when the file is there."""

    def books_of(self, account: str) -> Path:
        """The books of one of the desk's paper accounts."""
        return self.other_books.get(account, self.paper_books)

    @classmethod
    def of(cls, config: Config, found: Places, db: Path | None) -> DeskFiles:
        """A journal given by --db brings a paper account of its own beside it, so that a scratch journal never meets
        positions it knows nothing of; otherwise both lie in the state directory."""
        log = found.in_state(config.desk.log_file) if config.desk.log_file else None
        main, *others = config.account_names
        if db is not None:
            books = db.with_name(f"{db.stem}.account.db")
            more = {name: db.with_name(f"{db.stem}.{name}.account.db") for name in others}
        else:
            books = found.in_state(f"account-{main}.db")
            more = {name: found.in_state(f"account-{name}.db") for name in others}
        return cls(
            state_dir=found.state_dir,
            journal=db if db is not None else found.in_state(config.desk.db),
            paper_books=books,
            other_books=more,
            log=log,
            json_log=log.with_suffix(".jsonl") if log is not None and config.desk.log_json else None,
            secrets=found.config_dir / Path(config.desk.secrets_file or found.secrets_file).expanduser(),
            calendar=found.config_dir / "calendar.toml",
        )
