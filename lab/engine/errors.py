"""What the engine's set-up says when it can't go on."""

from __future__ import annotations

from lab.errors import LabError


class EngineError(LabError):
    """The engine can't be had here: what was tried and what came of it, and what to install or change."""
