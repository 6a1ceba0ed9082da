"""The paper account's own books in their own SQLite file, apart from the desk's: what a broker would still know.

Every accepted order and every fill is committed, one transaction per change, before the reply or the push leaves; so a
`kill -9` of the desk loses nothing that anybody was told. WAL with `synchronous=NORMAL` is enough for that: a commit is
in the operating system's hands when it returns, and only a power cut can take the last ones back. Then the paper broker
has forgotten paper orders, which the desk's own journal (FULL) survives and reconciles; paper money is not worth a disk
flush on every fill. Replay and simulation use no file at all.

    BooksError             the file cannot serve as the account's books; one sentence says why
      BooksUnreadable      not our file, damaged, or not to be opened
      BooksTooNew          written by a later version
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import astuple

from brokers.paper.ledger import AccountState, Change, Holding, PaperOrder, RecordFailed
from engine.order import Trade

T = TypeVar("T")
SCHEMA_VERSION: Final = 1
_APPLICATION_ID: Final = 0x50_41_50_52  # "PAPR", so that another program's file is told from ours
_BUSY_MS: Final = 200
"""How long a commit may wait, on the desk's loop, for a trader who has the file open in another tool."""
_COMPANIONS: Final = ("", "-wal", "-shm")

_SCHEMA: Final = """
CREATE TABLE header (
    schema_version INTEGER NOT NULL,
    account_id TEXT NOT NULL,
    cash_paise INTEGER NOT NULL,
    next_number INTEGER NOT NULL,
    clock_ns INTEGER NOT NULL
);
CREATE TABLE orders (
    broker_id TEXT PRIMARY KEY,
    tag TEXT NOT NULL UNIQUE,
    symbol TEXT NOT NULL,
    exchange TEXT NOT NULL,
    product TEXT NOT NULL,
    side TEXT NOT NULL,
    type TEXT NOT NULL,
    qty INTEGER NOT NULL,
    limit_paise INTEGER NOT NULL,
    trigger_paise INTEGER NOT NULL,
    state TEXT NOT NULL,
    placed_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    triggered INTEGER NOT NULL,
    aggressive INTEGER NOT NULL,
    filled_qty INTEGER NOT NULL,
    value_paise INTEGER NOT NULL,
    modify_count INTEGER NOT NULL,
    reject_text TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE trades (
    trade_id TEXT PRIMARY KEY,
    broker_id TEXT NOT NULL REFERENCES orders (broker_id),
    tag TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    qty INTEGER NOT NULL,
    price_paise INTEGER NOT NULL,
    at_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE positions (
    symbol TEXT NOT NULL,
    product TEXT NOT NULL,
    net_qty INTEGER NOT NULL,
    basis_qty INTEGER NOT NULL,
    basis_paise INTEGER NOT NULL,
    PRIMARY KEY (symbol, product)
) WITHOUT ROWID;
"""

_ORDER_FIELDS: Final = PaperOrder.__struct_fields__
_TRADE_FIELDS: Final = Trade.__struct_fields__
_POSITION_FIELDS: Final = ("symbol", "product", *Holding.__struct_fields__)


def _insert(verb: str, table: str, fields: tuple[str, ...]) -> str:
    return f"{verb} INTO {table} ({', '.join(fields)}) VALUES ({', '.join('?' * len(fields))})"


# The columns are the fields of the records themselves; a test holds the tables above against them.
_PUT_ORDER: Final = _insert("INSERT OR REPLACE", "orders", _ORDER_FIELDS)
_ADD_TRADE: Final = _insert("INSERT", "trades", _TRADE_FIELDS)
_PUT_POSITION: Final = _insert("INSERT OR REPLACE", "positions", _POSITION_FIELDS)


class BooksError(Exception):
    """The file cannot serve as this account's books. The text is one sentence for the user."""


class BooksUnreadable(BooksError):
    """Damaged, not ours, or not to be opened."""


class BooksTooNew(BooksError):
    """Written by a later version of the program."""


class BooksWriteFailed(RecordFailed):
    """A change is not in the file (disk full, file taken away). It was told to nobody."""


class BooksFile:
    """One account's books, open for writing. `record` is the recorder for `PaperExchange.open_account`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        funds_paise: int,
        start_ns: int,
        fresh: bool = False,
        new_account_id: Callable[[], str] = lambda: f"PAPER{secrets.token_hex(3).upper()}",
    ) -> BooksFile:
        """Open the books, or begin new ones with `funds_paise` of cash and the clock at `start_ns`.

        With `fresh` an existing file is set aside under the first free numbered name and a new account begins.
        Raises BooksUnreadable and BooksTooNew; no row of the file is changed then.
        """
        if fresh:
            set_aside(path)
        is_new = not path.exists() or path.stat().st_size == 0
        try:
            if is_new:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)  # owner only, as every file of the desk (SEC-08)
            connection = sqlite3.connect(path, timeout=_BUSY_MS / 1000, isolation_level=None)
        except (OSError, sqlite3.Error) as failure:
            raise BooksUnreadable(f"paper books {path}: cannot be opened ({failure})") from failure
        try:
            if not is_new:
                _check_header(connection, path)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            if is_new:
                _begin(connection, new_account_id(), funds_paise, start_ns)
        except sqlite3.Error as failure:
            connection.close()
            raise BooksUnreadable(f"paper books {path}: cannot be read ({failure}); start a fresh account") from failure
        except BooksError:
            connection.close()
            raise
        return cls(connection, path)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def account_id(self) -> str:
        return self._header("account_id")

    @property
    def clock_ns(self) -> int:
        """Exchange time of the newest record: where the demo market goes on after a restart."""
        return self._header("clock_ns")

    def save_clock(self, now_ns: int) -> None:
        """Remember how far the demo day has come; never goes back. Raises BooksWriteFailed."""
        self._write(lambda: self._db.execute("UPDATE header SET clock_ns = max(clock_ns, ?)", (now_ns,)))

    def record(self, change: Change) -> None:
        """Commit one change of the account. Raises BooksWriteFailed; then nothing of it is in the file."""

        def write() -> None:
            self._db.executemany(_PUT_ORDER, map(astuple, change.orders))
            self._db.executemany(_ADD_TRADE, map(astuple, change.trades))
            self._db.executemany(_PUT_POSITION, [(*key, *astuple(held)) for key, held in change.positions])
            self._db.execute(
                "UPDATE header SET cash_paise = ?, next_number = ?, clock_ns = max(clock_ns, ?)",
                (change.cash_paise, change.next_number, change.at_ns),
            )

        self._write(write)

    def state(self) -> AccountState:
        """Everything that was ever recorded, for `PaperExchange.restore`. Raises BooksUnreadable on a damaged row."""
        try:
            return AccountState(
                account_id=self.account_id,
                orders=self._rows(PaperOrder, _ORDER_FIELDS, "orders", "placed_ns, broker_id"),
                trades=self._rows(Trade, _TRADE_FIELDS, "trades", "at_ns, trade_id"),
                positions=[
                    ((symbol, product), Holding(net_qty=net_qty, basis_qty=basis_qty, basis_paise=basis_paise))
                    for symbol, product, net_qty, basis_qty, basis_paise in self._db.execute(
                        f"SELECT {', '.join(_POSITION_FIELDS)} FROM positions"
                    )
                ],
                cash_paise=self._header("cash_paise"),
                next_number=self._header("next_number"),
            )
        except (sqlite3.Error, msgspec.ValidationError) as failure:
            raise BooksUnreadable(f"paper books {self._path}: damaged ({failure}); start a fresh account") from failure

    def _rows(self, kind: type[T], fields: tuple[str, ...], table: str, order: str) -> list[T]:
        """Every row as the record it was; msgspec checks each type and enumeration on the way in."""
        rows = self._db.execute(f"SELECT {', '.join(fields)} FROM {table} ORDER BY {order}")
        return [msgspec.convert(dict(zip(fields, row, strict=True)), kind, strict=False) for row in rows]

    def close(self) -> None:
        self._db.close()

    def _header(self, column: str) -> Any:
        return self._db.execute(f"SELECT {column} FROM header").fetchone()[0]

    def _write(self, statements: Callable[[], object]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            statements()
            self._db.execute("COMMIT")
        except sqlite3.Error as failure:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise BooksWriteFailed(f"paper books {self._path}: not written ({failure})") from failure


def set_aside(path: Path) -> Path | None:
    """Move a books file, with what SQLite keeps beside it, to the first free `name.1`, `name.2` ...; None if absent."""
    if not path.exists():
        return None
    number = 1
    while any(Path(f"{path}.{number}{companion}").exists() for companion in _COMPANIONS):
        number += 1
    kept = Path(f"{path}.{number}")
    try:
        # The log goes first: a crash in between leaves a file that opens as it was at its last checkpoint.
        for companion in reversed(_COMPANIONS):
            beside = Path(f"{path}{companion}")
            if beside.exists():
                beside.rename(f"{kept}{companion}")
    except OSError as failure:
        raise BooksUnreadable(f"paper books {path}: cannot be set aside ({failure})") from failure
    return kept


def _check_header(connection: sqlite3.Connection, path: Path) -> None:
    application_id: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if application_id != _APPLICATION_ID:
        raise BooksUnreadable(f"paper books {path}: not a Strikedesk paper account; name another file")
    header = connection.execute("SELECT schema_version FROM header").fetchall()
    if len(header) != 1:
        raise BooksUnreadable(f"paper books {path}: {len(header)} header rows, one expected; start a fresh account")
    version: int = header[0][0]
    if version > SCHEMA_VERSION:
        raise BooksTooNew(
            f"paper books {path}: schema {version}, this program knows up to {SCHEMA_VERSION}; upgrade it"
        )
    verdict: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise BooksUnreadable(f"paper books {path}: damaged ({verdict.splitlines()[-1]}); start a fresh account")


def _begin(connection: sqlite3.Connection, account_id: str, funds_paise: int, start_ns: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO header (schema_version, account_id, cash_paise, next_number, clock_ns) VALUES (?, ?, ?, 1, ?)",
        (SCHEMA_VERSION, account_id, funds_paise, start_ns),
    )
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute("COMMIT")
