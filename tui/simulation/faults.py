"""The fault layer of a simulated day: which faults exist, and how a seed's plan stands around account and market."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KNOWN_FAULTS: Final[Mapping[str, str]] = {}
