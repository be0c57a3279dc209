"""What goes wrong after the arguments were found good."""

from __future__ import annotations


class ExportError(RuntimeError):
    """No usable file could be made of the model; nothing was written."""


class VerificationError(RuntimeError):
    """The file cannot be trusted: it does not run, or answers nonsense."""
