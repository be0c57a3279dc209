"""JSON of one form, so that equal values give equal bytes."""

from __future__ import annotations

import json
from typing import Any


def canonical(value: Any, allow_nan: bool = True) -> str:
    """A value as one line of JSON, its keys sorted.

    Args:
        value: what JSON takes.
        allow_nan: bool; False refuses NaN and infinities. Defaults to True.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=allow_nan)
