"""One line that says on what a figure was measured."""

from __future__ import annotations

import os
import platform
import sqlite3


def machine() -> str:
    model = platform.processor() or platform.machine()
    return (
        f"machine: {os.cpu_count()} cpus ({model}), {platform.system()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, load {os.getloadavg()[0]:.1f}"
    )
