"""What each client did with each file, kept as JSON for the table."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.clients.paths import RESULTS

OUTCOMES = ("right", "wrong", "refused", "skipped")


def record(
    client: str,
    version: str,
    student: str,
    recipe: str,
    outcome: str,
    detail: str = "",
    folder: Path = RESULTS,
) -> None:
    """Keep one outcome, in place of an earlier one of the same client and file.

    Args:
        client: String. The client's name, a row of the table.
        version: String. The version that ran; `""` where none did.
        student: String. The student's name.
        recipe: String. The case's label, such as `"int8 (uint8)"`; `"*"` for a
            client that could not be installed.
        outcome: `"right"`, `"wrong"`, `"refused"` or `"skipped"`.
        detail: String. The figures, or the client's own words.
        folder: Where the results are kept.
    """
    if outcome not in OUTCOMES:
        raise ValueError(f"`outcome` must be one of {OUTCOMES}. Received: {outcome!r}.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub('[^a-z0-9]+', '_', client.lower())}.json"
    known = json.loads(path.read_text())["outcomes"] if path.exists() else {}
    if outcome != "skipped":
        known.pop("*", None)
    known.setdefault(recipe, {})[student] = {"outcome": outcome, "detail": detail}
    content = {"client": client, "version": version, "outcomes": known}
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
