"""MediaPipe Tasks, in an environment of its own: its pins conflict with TFMOT's."""

from __future__ import annotations

from pathlib import Path

from tests.clients.install.python import environment

VERSION = "1.2.2"


def install() -> Path:
    """The Python under `build/clients/mediapipe/` that has `mediapipe`."""
    return environment("mediapipe", f"mediapipe=={VERSION}")
