"""The bracket bench of `tests/engine` and the desk of `tests/system`, for the eight routines of HRD-32."""

from __future__ import annotations

import runpy
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
_SYSTEM = runpy.run_path(str(_TESTS / "system" / "conftest.py"))
run_desk = _SYSTEM["run_desk"]
seed_setup = _SYSTEM["seed_setup"]
equity = _SYSTEM["equity"]
bench = runpy.run_path(str(_TESTS / "engine" / "conftest.py"))["bench"]
