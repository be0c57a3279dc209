"""A report as one HTML page that needs nothing else."""

from __future__ import annotations

import importlib.resources
import string
from collections.abc import Mapping
from typing import Any

from keras_kd.export.page import details, results, summary
from keras_kd.export.page.markup import join

ORDER = (
    summary.header,
    summary.figures,
    results.accuracy,
    results.learning,
    results.artifacts,
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
    template = importlib.resources.files(__package__).joinpath("page.html")
    return string.Template(template.read_text(encoding="utf-8")).substitute(
        title=join(str(report["title"])),
        body=join(section(report) for section in ORDER),
    )
