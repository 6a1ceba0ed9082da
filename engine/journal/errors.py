"""Why the journal cannot be used: one class for each thing the reader has to do about it.

    JournalError
      JournalNewer         written by a newer program      -> use that program; the file was not touched
      JournalCorrupt       damaged, or no journal at all   -> restore a backup; the file was not touched
      JournalUnreadable    missing folder, no permission   -> mend the path
      JournalLocked        another program holds it        -> stop that one first
      JournalWriteFailed   a commit did not happen         -> nothing of it may be sent; entries stop (J3)
      JournalBacklogFull   the disk has been away too long -> the batch was not taken

Every text is one sentence for an operator, without a traceback.
"""

from __future__ import annotations

from engine.single_instance import AlreadyRunning


class JournalError(Exception):
    """Facts cannot be read or stored."""


class JournalNewer(JournalError):
    """The file has a newer schema than this program knows (STO-15)."""


class JournalCorrupt(JournalError):
    """The file is damaged, is not SQLite, or is some other program's database (STO-11)."""


class JournalUnreadable(JournalError):
    """The file cannot be opened for reading and writing."""


class JournalLocked(JournalError):
    """Another process has the file (STO-10). `holder` says who, when that process is a desk of ours."""

    def __init__(self, text: str, holder: AlreadyRunning | None = None) -> None:
        super().__init__(text)
        self.holder = holder


class JournalWriteFailed(JournalError):
    """The transaction was rolled back: nothing of it is on disk."""


class JournalBacklogFull(JournalError):
    """Too many batches wait for a disk that does not answer; this one was refused, the earlier ones are kept."""
