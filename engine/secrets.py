"""Credentials: found by name, shown to nobody, and struck out of every text that leaves (OPS-12, C1, SEC-07, SEC-08).

A secret's name is looked up in the environment, then in a file of NAME=value lines that only its owner may read, then
in the system's keyring (extra `keyring`). The value lives in a `Secret`, whose every textual form is `***`, and in the
`Redactions`, which the log passes each line through.
"""

from __future__ import annotations

import hmac
import importlib
import os
import re
import stat
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from engine.config.env_file import parse_env_text
from engine.config.errors import ConfigError
from engine.messages import Msg

MASK: Final = "***"
KEYRING_SERVICE: Final = "strikedesk"
_SHORTEST: Final = 4
"""A shorter value is not searched for: it would strike out half of every line."""
_FILE_MAX: Final = 64 * 1024
_TELLING: Final = re.compile(r"(?i)key|secret|token|authori|password|jwt|totp")
# Values after a telling name, whatever they are: the second net, for secrets that never passed through here.
_NAMED_VALUE: Final = re.compile(
    r"""(?ix) (\b(?:[a-z0-9]+_)*
        (?:api_?key|app_?key|secret_?key|api_?secret|app_?secret|secret|access_?token|enctoken|jwt|password|totp)
        ["']? \s* [:=] \s* ["']?)
        ([^\s"'&,;{}\[\]]+)""",
)
_AUTHORIZATION: Final = re.compile(
    r"""(?i)(authorization["']?\s*[:=]\s*["']?(?:(?:token|bearer|basic)\s+)?)([^\s"',;}]+)"""
)


class SecretMissing(ConfigError):
    """A credential that an account needs is nowhere."""


class Secret:
    """One credential. Only `reveal` gives the value; printing, formatting and pickling never do."""

    __slots__ = ("_value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self._value = value

    def reveal(self) -> str:
        """The value, for the one line that puts it on the wire."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name}, {MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never stored")


class Redactions:
    """Every value that must not leave, and the one function that strikes them out."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Remember a value, also as it looks inside a URL or a JSON text."""
        forms = {value, urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value)}
        forms |= {value.encode("unicode_escape").decode("ascii"), value.replace("/", "\\/")}
        self._known |= {form for form in forms if len(form) >= _SHORTEST}
        longest_first = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def strike(self, text: str) -> str:
        """The text with every known value, and every value after a telling name, as ***."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        if _TELLING.search(text):  # most sentences have no such word, and this look is cheap
            text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
            text = _NAMED_VALUE.sub(rf"\1{MASK}", text)
        return text


class Secrets:
    """Finds secrets by name; everything found is struck out of the log from then on."""

    def __init__(
        self,
        env: Mapping[str, str],
        file: Path,
        redactions: Redactions,
        *,
        keyring: Callable[[str, str], str | None] | None = None,
    ) -> None:
        """`keyring(service, name)` is asked last; None = the system's, when the extra is installed.

        Reads `file` when it exists. Raises ConfigError when others may read it.
        """
        self._env = env
        self._file = file
        self._in_file = {name: value for name, (value, _) in read_private(file).items()}
        self._redactions = redactions
        self._keyring = keyring or _system_keyring
        self._given: dict[str, Secret] = {}

    def give(self, name: str, value: str) -> str:
        """Take a secret from the command line: it works, is kept in memory only, and the answer is the warning to show.

        Other users of the machine could read it from the process list before we could hide it (OPS-12).
        """
        self._given[name] = self._seen(name, value)
        return f"{name} was given on the command line, where others can see it: use the variable {name} or {self._file}"

    def find(self, name: str) -> Secret | None:
        """The secret of this name, or None when no place has it. Empty values do not count."""
        if name in self._given:
            return self._given[name]
        for value in (self._env.get(name), self._in_file.get(name)):
            if value and value.strip():
                return self._seen(name, value.strip())
        value = self._keyring(KEYRING_SERVICE, name)
        return self._seen(name, value.strip()) if value and value.strip() else None

    def require(self, name: str) -> Secret:
        """As `find`; raises SecretMissing with the line an operator greps for (LEG-54)."""
        found = self.find(name)
        if found is None:
            raise SecretMissing([_missing_line(name)])
        return found

    def where(self, name: str) -> str:
        """Which place has it, for `strikedesk check`; never the value."""
        if name in self._given:
            return "command line"
        if self._env.get(name, "").strip():
            return "environment"
        if self._in_file.get(name, "").strip():
            return str(self._file)
        return "keyring" if self.find(name) is not None else "missing"

    def _seen(self, name: str, value: str) -> Secret:
        self._redactions.add(value)
        return Secret(name, value)


def read_private(path: Path) -> dict[str, tuple[str, int]]:
    """NAME=value lines of a file that belongs to this user and is closed to all others; empty when there is none.

    Raises ConfigError for a link, another owner or open permissions (SEC-08, SEC-14). POSIX only: Windows has no modes.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        reason = "is a link" if path.is_symlink() else f"cannot be read: {error.strerror}"
        raise ConfigError([f"{path}: {reason}"]) from None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise ConfigError([f"{path}: is no ordinary file"])
        if os.name == "posix":
            _refuse_if_shared(path, facts)
        raw = os.read(handle, _FILE_MAX + 1)
    finally:
        os.close(handle)
    if len(raw) > _FILE_MAX:
        raise ConfigError([f"{path}: larger than {_FILE_MAX // 1024} KiB"])
    return parse_env_text(raw.decode("utf-8", errors="replace"), str(path))


def _refuse_if_shared(path: Path, facts: os.stat_result) -> None:
    mode = stat.S_IMODE(facts.st_mode)
    if facts.st_uid != os.getuid():
        raise ConfigError([f"{path}: belongs to user {facts.st_uid}, not to you"])
    if mode & 0o077:
        raise ConfigError([f"{path}: open to others (mode {mode:04o}): chmod 600 {path}"])


def _missing_line(name: str) -> str:
    if name == "OPENALGO_API_KEY":
        return Msg.FATAL_API_KEY.text()
    return f"[FATAL] Please set {name}"


def _system_keyring(service: str, name: str) -> str | None:
    """The system's keyring; None when it, or the extra, is not there (headless machines have no backend)."""
    try:
        keyring: Any = importlib.import_module("keyring")
        no_answer: type[Exception] = importlib.import_module("keyring.errors").KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password(service, name)
    except no_answer:
        return None
