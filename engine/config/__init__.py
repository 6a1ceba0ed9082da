"""config.toml: the typed model, its loading and checking, and what it means in words."""

from engine.config.errors import ConfigError
from engine.config.load import Loaded, load, load_config
from engine.config.model import Config

__all__ = ["Config", "ConfigError", "Loaded", "load", "load_config"]
