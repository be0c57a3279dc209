"""Pieces that several sections are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keras_kd.export.page import words
from keras_kd.export.page.markup import Child, Markup, element


def section(title: str, text: str | None, *content: Child) -> Markup:
    """A heading, a line on how to read what follows, and that."""
    opening = element("p", text, class_="about") if text else None
    return element("section", element("h2", title), opening, *content)


def pair(*parts: Markup | None) -> Markup:
    """Side by side where the page is wide; what is empty is left out."""
    return element("div", [part for part in parts if part], class_="pair")


def titled(title: str, chart: Markup) -> Markup | None:
    """A chart under its title, if there is one."""
    return element("figure", element("h3", title), chart) if chart else None


def table(titles: Sequence[str], body: Sequence[Sequence[Child]], kind: str) -> Markup:
    """A table that becomes a list of cards where the page is narrow."""
    head = element("tr", [element("th", title, scope="col") for title in titles])
    lines = [
        element(
            "tr",
            [
                element("td", cell, data_title=title)
                for title, cell in zip(titles, cells, strict=True)
            ],
        )
        for cells in body
    ]
    return element(
        "table", element("thead", head), element("tbody", lines), class_=kind
    )


def meter(
    value: float | None,
    largest: float,
    text: Callable[[float], str],
    exact: str | None = None,
) -> Child:
    """A number with a bar that begins at zero."""
    if value is None:
        return words.NOTHING
    share = 100 * value / largest if largest else 0.0
    bar = element("i", style=f"width:{share:.1f}%")
    return element(
        "span", text(value), element("span", bar, class_="bar"),
        class_="meter", title=exact,
    )  # fmt: skip


def spoken(key: str) -> str:
    """A key as words."""
    return key.replace("_", " ")
