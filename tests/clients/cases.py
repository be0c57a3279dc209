"""What is exported for the clients: which student, by which recipe, in which format."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One file: a student, a recipe, the type of its float ends, a format."""

    student: str
    recipe: str
    io: str = ""
    variant: str = ""
    format: str = "tflite"

    @property
    def label(self) -> str:
        """`int8 (uint8)`, `onnx float32`: the recipe as the table names it."""
        name = f"onnx {self.recipe}" if self.format == "onnx" else self.recipe
        extras = ", ".join(filter(None, [self.io, self.variant.replace("_", " ")]))
        return f"{name} ({extras})" if extras else name

    @property
    def stem(self) -> str:
        """`int8_uint8`, the name of the file without its ending."""
        parts = filter(None, [self.recipe, self.io, self.variant])
        return "_".join(parts)

    @property
    def path(self) -> str:
        """The file, seen from the folder of all files."""
        return f"{self.student}/{self.stem}.{self.format}"

    def __str__(self) -> str:
        return f"{self.student}-{self.label}".replace(" ", "_")


INT8 = [("int8", "int8"), ("int8", "uint8"), ("int8", "float32")]
WEIGHTS_ONLY = [("weight_only_int8",), ("weight_only_int4",)]
OUTSIDE = ("int8", "uint8", "float_softmax")
"""Softmax outside the quantized head."""
FLOATS = [("float32",), ("float16",), ("dynamic_int8",)]

RECIPES = {
    "digits": [*FLOATS, *INT8, OUTSIDE, ("int16x8",), *WEIGHTS_ONLY],
    "separable": [*FLOATS, *INT8, ("int16x8",)],
    "vit": [*FLOATS, *WEIGHTS_ONLY],
    "text": [*FLOATS, ("int8", "float32"), *WEIGHTS_ONLY],
    "lstm": FLOATS,
}
ONNX = {
    "digits": ["float32", "dynamic_int8", "int8"],
    "separable": ["float32", "int8"],
    "vit": ["float32", "dynamic_int8"],
    "text": ["float32", "dynamic_int8"],
    "lstm": ["float32"],
}
CASES = [
    *(Case(name, *rest) for name, recipes in RECIPES.items() for rest in recipes),
    *(Case(name, r, format="onnx") for name, recipes in ONNX.items() for r in recipes),
]


TWO_SIGNATURES = Case("digits", "int8", "uint8", "two_signatures")
"""A signature "features" beside "serve": for clients that choose one by name."""


def cases(format: str) -> list[Case]:
    """Those of a format."""
    return [case for case in CASES if case.format == format]
