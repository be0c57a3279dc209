"""TFLite-Micro's interpreter for Python, in an environment of its own."""

from __future__ import annotations

from pathlib import Path

from tests.clients.install.python import environment


def install() -> Path:
    """The Python under `build/clients/micro/` that has `tflite_micro`."""
    return environment("micro", "tflite-micro", "numpy")
