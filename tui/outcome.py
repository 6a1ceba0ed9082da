"""How a screen ended; the command line decides from it what happens to the engine."""

from __future__ import annotations

from enum import StrEnum


class ScreenOutcome(StrEnum):
    QUIT_STOP_ENGINE = "quit"
    """The trader asked to stop the desk."""
    DETACHED = "detached"
    """The trader left the screen (or the terminal asked to stop it); the engine goes on."""
    LOST_TERMINAL = "lost terminal"
    """Hang-up: the engine goes on, there is nobody to draw for."""
    ENGINE_ENDED = "engine ended"
    """The engine task finished without an error, so there is nothing left to show."""
    CRASHED = "crashed"
    """A bug of the screen; the traceback was handed to the caller, the engine is untouched."""
