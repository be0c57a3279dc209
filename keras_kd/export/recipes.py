"""Recipes: what a file holds in fewer bits, as named data."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, TypeAlias

from keras_kd.validation import did_you_mean, one_of

WEIGHTS = ("float32", "float16", "int8", "int4")
ACTIVATIONS = ("float32", "int8", "int16")
IO = ("float32", "int8", "uint8", "int16")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a student is written to a file.

    Args:
        name: String. The name by which reports and tables call it.
        description: String. One sentence for the person who chooses. Defaults
            to `""`.
        weights: `"float32"`, `"float16"`, `"int8"` or `"int4"`. How weights are
            stored. Defaults to `"float32"`.
        activations: `"float32"`, `"int8"` or `"int16"`. What the operators compute
            in; integers need int8 weights and calibration data. Defaults to
            `"float32"`.
        io: Tuple of the types that the file's float inputs and outputs may have,
            the default first. Integer inputs keep their type. Defaults to
            `("float32",)`.
        weight_only: Boolean. Whether int8 or int4 weights are turned back into
            floats before they are used (by litert-quantizer, per output channel),
            where otherwise the products are computed with integers. Defaults to
            `False`.

    Raises:
        ValueError: If a value is unknown, or the parts contradict each other.

    Example:

    ```python
    recipe = Recipe("web", "int8 inside, uint8 doors", "int8", "int8", ("uint8",))
    recipe.to_json("web.json")
    Recipe.from_json("web.json") == recipe  # True
    ```
    """

    name: str
    description: str = ""
    weights: str = "float32"
    activations: str = "float32"
    io: tuple[str, ...] = ("float32",)
    weight_only: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(
                f"`name` must be a non-empty string. Received: name={self.name!r}."
            )
        one_of("weights", self.weights, WEIGHTS)
        one_of("activations", self.activations, ACTIVATIONS)
        if isinstance(self.io, str) or not self.io:
            raise ValueError(
                f"`io` must be a tuple of types, such as ('int8', 'float32'). "
                f"Received: io={self.io!r}."
            )
        object.__setattr__(self, "io", tuple(one_of("io", t, IO) for t in self.io))
        if self.activations != "float32" and self.weights != "int8":
            raise ValueError(
                f"Recipe with activations={self.activations!r} needs weights='int8'. "
                f"Received: weights={self.weights!r}."
            )
        able = {"float32": ("float32",), "int16": ("int16", "float32")}
        allowed = able.get(self.activations, ("int8", "uint8", "float32"))
        if not set(self.io) <= set(allowed):
            only = " only" if len(allowed) == 1 else ""
            raise ValueError(
                f"Recipe with activations={self.activations!r} has "
                f"io={allowed}{only}. Received: io={self.io!r}."
            )
        if not isinstance(self.weight_only, bool):
            raise ValueError(
                "`weight_only` must be true or false. "
                f"Received: weight_only={self.weight_only!r}."
            )
        integers = self.weights in ("int8", "int4")
        if self.weight_only and not (integers and self.activations == "float32"):
            raise ValueError(
                "Recipe with weight_only=True needs weights='int8' or 'int4' and "
                f"activations='float32'. Received: weights={self.weights!r}, "
                f"activations={self.activations!r}."
            )
        if self.weights == "int4" and not self.weight_only:
            raise ValueError("Recipe with weights='int4' needs weight_only=True.")

    @property
    def needs_calibration(self) -> bool:
        """Whether ranges of activations must be read off representative data."""
        return self.activations != "float32"

    def choose_io(self, io: str | None) -> str:
        """The type of inputs and outputs: the recipe's first, or `io` if it may."""
        return self.io[0] if io is None else one_of("io", io, self.io)

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON has them."""
        return {**dataclasses.asdict(self), "io": list(self.io)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Recipe:
        """The inverse of `to_dict`; an unknown field is an error."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key in fields:
            if key not in known:
                raise ValueError(
                    f"Unknown recipe field {key!r}. Available: {known}."
                    f"{did_you_mean(key, known)}"
                )
        if "name" not in fields:
            raise ValueError(f"A recipe needs a 'name'. Received: {fields}.")
        io = fields.get("io", ("float32",))
        return cls(**{**fields, "io": tuple(io) if isinstance(io, list) else io})

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the recipe to a JSON file."""
        text = json.dumps(self.to_dict(), indent=2) + "\n"
        Path(path).write_text(text, encoding="utf-8")

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> Recipe:
        """Read a recipe from a JSON file."""
        try:
            fields = json.loads(Path(path).read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{str(path)!r} is not a JSON file: {error}.") from error
        if not isinstance(fields, dict):
            raise ValueError(
                f"{str(path)!r} must hold one JSON object. Received: {fields!r}."
            )
        return cls.from_dict(fields)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "float32",
            "The model as it was trained; the reference for every other file.",
        ),
        Recipe(
            "float16",
            "Half the size and no measurable loss; a CPU still computes in float32.",
            weights="float16",
        ),
        Recipe(
            "dynamic_int8",
            "A quarter of the size without any data: int8 weights, float inputs and "
            "outputs. For transformers and recurrent networks.",
            weights="int8",
        ),
        Recipe(
            "int8",
            "A quarter of the size and integer arithmetic throughout: needs "
            "representative data. For convolutional networks.",
            weights="int8",
            activations="int8",
            io=("int8", "uint8", "float32"),
        ),
        Recipe(
            "int16x8",
            "int8 weights and int16 arithmetic, nearly as exact as float32: needs "
            "representative data. For NPUs; many times slower than float32 on a CPU.",
            weights="int8",
            activations="int16",
            io=("int16", "float32"),
        ),
        Recipe(
            "weight_only_int8",
            "A quarter of the size without any data, computed in float32: smaller to "
            "download, not faster. For transformers; embedding tables stay in floats.",
            weights="int8",
            weight_only=True,
        ),
        Recipe(
            "weight_only_int4",
            "An eighth of the size without any data, computed in float32: train with "
            "quantize_aware(model, 'weight_only_int4'), or accuracy falls.",
            weights="int4",
            weight_only=True,
        ),
    )
}
"""The built-in recipes by name."""

RecipeLike: TypeAlias = str | os.PathLike[str] | Recipe


def get_recipe(recipe: RecipeLike) -> Recipe:
    """The recipe of that name, from that JSON file, or the one handed in.

    Args:
        recipe: A name in `RECIPES`, the path of a `.json` file, or a `Recipe`.

    Returns:
        The `Recipe`.

    Raises:
        ValueError: If the name is unknown.
        FileNotFoundError: If the JSON file is not there.

    Example:

    ```python
    get_recipe("int8").needs_calibration  # True
    ```
    """
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, os.PathLike) or str(recipe).endswith(".json"):
        return Recipe.from_json(recipe)
    return RECIPES[one_of("recipe", recipe, RECIPES)]
