"""NAME=value lines, as in the seeds' `.env` and in the secrets file. No expansion, no commands: values are data."""

from __future__ import annotations

import re
from typing import Final

from engine.config.errors import ConfigError, printable

_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*", re.ASCII | re.DOTALL)
_QUOTED: Final = re.compile(r"""("([^"]*)"|'([^']*)')\s*(#.*)?""")
_COMMENT: Final = re.compile(r"(^|\s+)#.*$")


def parse_env_text(text: str, source: str) -> dict[str, tuple[str, int]]:
    """Name -> (value, line number); the last of doubled names counts. Raises ConfigError, never showing a value."""
    found: dict[str, tuple[str, int]] = {}
    faults: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            # Only what stands left of an equals sign is shown: the rest may be a secret.
            name = printable(line.partition("=")[0].strip()[:30]) if "=" in line else "this line"
            faults.append(f"{source}:{number}: {name}: not a line of the form NAME=value")
            continue
        found[match[1]] = (_value(match[2]), number)
    if faults:
        raise ConfigError(faults)
    return found


def _value(raw: str) -> str:
    if quoted := _QUOTED.fullmatch(raw):
        return quoted[2] if quoted[2] is not None else quoted[3]
    return _COMMENT.sub("", raw).strip()
