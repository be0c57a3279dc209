"""Options that several commands have, and the words of their help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_kd.cli import values

Add = Callable[..., Any]
"""A parser's `add_argument`."""

DATA = "a folder of images by class, an .npz file, or a name such as digits"
SAMPLES = f"{DATA}; the .npz may hold arrays by input name, and labels as y"


def image_size(add: Add) -> None:
    add(
        "--image-size",
        type=values.size,
        metavar="HxW",
        help="resize the images; the model's own size unless given",
    )


def overwrite(add: Add) -> None:
    add("--overwrite", action="store_true", help="replace earlier results")


def as_json(add: Add) -> None:
    add("--json", action="store_true", help="print JSON instead of a table")


def default(value: str, what: str = "") -> str:
    return f"{what}, {value} unless given" if what else f"{value} unless given"
