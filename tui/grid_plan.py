"""What `strikedesk grid` adds to the plan of a desk: one grid alone, and what it goes on from. No engine here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.grid.state_file import GridRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    imported: GridRecord | None = None
    resumes_terminated: bool = False
    is_alone: bool = False
    """Started by its own command, whose line neither a reload nor a guardian can read again."""


NO_GRID: Final = GridPlan()
