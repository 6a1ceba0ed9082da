"""Where this desk keeps its files: the XDG directories, LOCALAPPDATA on Windows. Nothing is created here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

APP = "strikedesk"


class Places(msgspec.Struct, frozen=True, kw_only=True):
    config_dir: Path
    """config.toml when none lies in the working folder, and secrets.env."""
    state_dir: Path
    """The journal, the logs, what the screen remembers."""

    @property
    def secrets_file(self) -> Path:
        return self.config_dir / "secrets.env"

    def in_state(self, name: str) -> Path:
        """A file of the desk by its configured name; an absolute path stays as it is."""
        return self.state_dir / Path(name).expanduser()


def places(env: Mapping[str, str]) -> Places:
    """From the environment's variables; a relative XDG path is ignored, as the XDG specification asks."""
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    local = env.get("LOCALAPPDATA", "")
    return Places(
        config_dir=_base(env.get("XDG_CONFIG_HOME", ""), local, home / ".config") / APP,
        state_dir=_base(env.get("XDG_STATE_HOME", ""), local, home / ".local" / "state") / APP,
    )


def _base(xdg: str, local: str, fallback: Path) -> Path:
    for chosen in (xdg, local):
        if chosen and Path(chosen).is_absolute():
            return Path(chosen)
    return fallback
