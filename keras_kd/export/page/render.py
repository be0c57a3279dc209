"""A report as one HTML page that needs nothing else."""

from __future__ import annotations

import importlib.resources
import string
from collections.abc import Mapping
from typing import Any

from keras_kd.export.page import details, layers, results, summary
from keras_kd.export.page.markup import Markup, join

FOOTER = "Written by keras_kd. The numbers are in report.json, beside this page."
ORDER = (
    summary.header,
    summary.figures,
    results.accuracy,
    results.learning,
    results.artifacts,
    layers.of_artifacts,
    details.classes,
    details.disagreements,
    details.making,
)


def render(report: Mapping[str, Any]) -> str:
    """Draw the page.

    Args:
        report: Dict as `write_report` takes it, of what JSON can hold. Sections
            with nothing to show are left out.

    Returns:
        The HTML. It loads nothing, and its content policy forbids it to.
    """
    body = join(section(report) for section in ORDER)
    return framed(str(report["title"]), body, FOOTER)


def framed(title: str, body: Markup, footer: str) -> str:
    """Sections within the page's head, style and foot."""
    template = importlib.resources.files(__package__).joinpath("page.html")
    return string.Template(template.read_text(encoding="utf-8")).substitute(
        title=join(title), body=body, footer=join(footer)
    )
