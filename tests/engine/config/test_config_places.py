"""Where the desk's files lie: XDG directories, the home, LOCALAPPDATA (`strikedesk where`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.paths import places


@pytest.mark.parametrize(
    ("env", "config_dir", "state_dir"),
    [
        ({"HOME": "/h"}, "/h/.config/strikedesk", "/h/.local/state/strikedesk"),
        (
            {"HOME": "/h", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"},
            "/c/strikedesk",
            "/s/strikedesk",
        ),
        (
            {"HOME": "/h", "XDG_CONFIG_HOME": "relative", "XDG_STATE_HOME": ""},
            "/h/.config/strikedesk",
            "/h/.local/state/strikedesk",
        ),
        ({"USERPROFILE": "/u", "LOCALAPPDATA": "/l"}, "/l/strikedesk", "/l/strikedesk"),
    ],
)
def test_files_lie_where_the_environment_says(env: dict[str, str], config_dir: str, state_dir: str) -> None:
    found = places(env)

    assert (found.config_dir, found.state_dir) == (Path(config_dir), Path(state_dir))
    assert found.secrets_file == Path(config_dir) / "secrets.env"


def test_a_bare_name_lies_in_the_state_directory_and_an_absolute_path_stays() -> None:
    found = places({"HOME": "/h"})

    assert found.in_state("strikedesk.db") == Path("/h/.local/state/strikedesk/strikedesk.db")
    assert found.in_state("/elsewhere/x.db") == Path("/elsewhere/x.db")
