"""A docstring's summary and sections, as the page wants them."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

SECTIONS = (
    "Formula",
    "When to use",
    "Args",
    "Returns",
    "Raises",
    "Example",
    "Reference",
)
HEADER = re.compile(rf"^({'|'.join(SECTIONS)}):\s*$")


@dataclasses.dataclass(frozen=True)
class Docstring:
    """What the page takes from a docstring.

    Args:
        summary: the first line.
        notes: paragraphs that stand in no section.
        formula: its lines as they are.
        when_to_use, reference: paragraphs, each on one line.
    """

    summary: str
    notes: list[str]
    formula: str
    when_to_use: list[str]
    reference: list[str]


def read(documented: Any) -> Docstring:
    """The docstring of a class or function."""
    parts = split(inspect.getdoc(documented) or "")
    summary, *notes = paragraphs(parts[""]) or [""]
    return Docstring(
        summary,
        notes,
        inspect.cleandoc("\n" + "\n".join(parts.get("Formula", []))).strip("\n"),
        paragraphs(parts.get("When to use", [])),
        paragraphs(parts.get("Reference", [])),
    )


def split(text: str) -> dict[str, list[str]]:
    """The lines of each section; those of none under the empty name.

    A section ends where a line begins that is not indented; that of an example, whose
    code is not, at the end of the code.
    """
    parts: dict[str, list[str]] = {"": []}
    name, in_code = "", False
    for line in text.splitlines():
        header = None if in_code else HEADER.match(line)
        if header:
            name = header[1]
            parts.setdefault(name, [])
            continue
        if line.startswith("```"):
            in_code = not in_code
        elif line and not line.startswith(" ") and not in_code:
            name = ""
        parts[name].append(line)
    return parts


def paragraphs(lines: list[str]) -> list[str]:
    """The lines joined to one per paragraph; lists keep a line for each point."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc("\n" + "\n".join(lines)).strip())
    return [joined(block) for block in blocks if block.strip()]


def joined(block: str) -> str:
    points = re.split(r"\n(?=- )", block)
    return "\n".join(" ".join(point.split()) for point in points)
