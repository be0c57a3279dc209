"""HTML and SVG that are escaped by construction.

Only `element` makes `Markup`; every other string is text, and is escaped when it
becomes part of an element.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any, TypeAlias

VOID = frozenset({"br", "col", "hr", "img"})


class Markup(str):
    """A string that is HTML already."""


Child: TypeAlias = "Markup | str | int | float | Iterable[Child] | None"


def element(name: str, *children: Child, **attributes: Any) -> Markup:
    """One element with its children.

    Args:
        name: String. The tag.
        children: Markup, text, numbers, or iterables of these; None is left out.
        attributes: By name; `class_` is `class`, and other underscores are hyphens.
            One that is None is left out.

    Returns:
        `Markup`.

    Example:

    ```python
    element("p", "1 < 2, ", element("b", "yes"), class_="note")
    # '<p class="note">1 &lt; 2, <b>yes</b></p>'
    ```
    """
    opening = [name]
    for key, value in attributes.items():
        if value is not None:
            key = key.rstrip("_").replace("_", "-")
            opening.append(f'{key}="{html.escape(_text(value))}"')
    start = f"<{' '.join(opening)}>"
    if name in VOID:
        return Markup(start)
    return Markup(f"{start}{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Children one after the other, text escaped."""
    parts = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, (str, int, float)):
            parts.append(Markup(html.escape(_text(child))))
        elif child is not None:
            parts.append(join(*child))
    return Markup("".join(parts))


def _text(value: Any) -> str:
    """Coordinates need no more than two decimals."""
    return (
        f"{value:.2f}".rstrip("0").rstrip(".") if type(value) is float else str(value)
    )
