"""Which files a guardian and its desk meet in: all beside the lock of the account, so that both find the same."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from engine.config.accounts import PaperAccount, RealAccount, session_of
from engine.config.model import Config
from engine.lease import lease_path
from engine.pulse_file import pulse_path
from engine.single_instance import account_lock_path
from tui.files import DeskFiles

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class GuardianFiles(msgspec.Struct, frozen=True, kw_only=True):
    account_lock: Path
    lease: Path
    pulse: Path
    lock: Path
    """One guardian per account."""
    log: Path

    @classmethod
    def beside(cls, account_lock: Path) -> GuardianFiles:
        return cls(
            account_lock=account_lock,
            lease=lease_path(account_lock),
            pulse=pulse_path(account_lock),
            lock=account_lock.with_suffix(".guardian.lock"),
            log=account_lock.with_suffix(".guardian.log"),
        )

    @classmethod
    def of(cls, config: Config, files: DeskFiles) -> GuardianFiles:
        """Of the desk that this configuration means."""
        account = config.trading_account
        if isinstance(account, PaperAccount) and not account.venue:
            books = files.books[config.legs.account]
            return cls.beside(account_lock_path(books.parent, books.stem))
        return cls.beside(account_lock_path(files.state_dir, account_name(config)))


def account_name(config: Config) -> str:
    """How the lock of an account that is kept elsewhere is named."""
    account, name = config.trading_account, config.legs.account
    if isinstance(account, RealAccount):
        return login_name(config, name)
    venue = account.venue if isinstance(account, PaperAccount) else ""
    return f"{name} at {venue}" if venue else name


def login_name(config: Config, name: str) -> str:
    """How the lock of an account at a real broker is named: after its login, which two accounts may share."""
    terms = config.accounts[name]
    assert isinstance(terms, RealAccount), "others have no login"
    return f"{terms.kind_word} {session_of(config.accounts, name)}"


def boot_id() -> str:
    """Which start of the machine this is; empty where the system does not tell."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
