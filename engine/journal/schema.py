"""Which version of the tables a journal has, and bringing an older or empty one to this program's.

The steps themselves, and sqlite-utils that runs them, are loaded only when there is something to do: a start on an
up-to-date journal does without both.
"""

from __future__ import annotations

import sqlite3

VERSION = 3
"""Schema version of this program; equals the number of steps in `engine.journal.migrations`. Stored as
`PRAGMA user_version`."""

APPLICATION_ID = 0x53444A31
"""`SDJ1`: marks the file as a Strikedesk journal (`PRAGMA application_id`)."""


def stored_version(conn: sqlite3.Connection) -> int:
    """The schema version of an open database; 0 for an empty one."""
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def upgrade(conn: sqlite3.Connection) -> None:
    """Bring the tables to VERSION; does nothing when they are there already."""
    if stored_version(conn) == VERSION:
        return
    from engine.journal import migrations

    migrations.apply(conn)
