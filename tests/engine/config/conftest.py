"""Writes a config.toml and loads it, for the tests of this folder."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from engine.config import Config, ConfigError, load

NO_ENV: Mapping[str, str] = {}


@pytest.fixture
def config_of(tmp_path: Path) -> Callable[..., Config]:
    """config_of(text, env) -> the configuration of a file with this text."""

    def read(text: str = "", env: Mapping[str, str] = NO_ENV) -> Config:
        path = tmp_path / "config.toml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return load(path, env).config

    return read


@pytest.fixture
def faults_of(config_of: Callable[..., Config], tmp_path: Path) -> Callable[..., list[str]]:
    """faults_of(text, env) -> the lines of the ConfigError, without the folder; fails when there is none."""

    def read(text: str, env: Mapping[str, str] = NO_ENV) -> list[str]:
        with pytest.raises(ConfigError) as refused:
            config_of(text, env)
        assert all(len(fault.splitlines()) == 1 and fault.isprintable() for fault in refused.value.faults)
        return [fault.replace(f"{tmp_path}/", "") for fault in refused.value.faults]

    return read
