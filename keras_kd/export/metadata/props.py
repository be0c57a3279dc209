"""Metadata as the pairs of strings that an .onnx file carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from keras_kd.export.metadata.card import Metadata, labels_by_output

AS_JSON = ("labels", "mean", "std", "vocabulary")


def to_props(
    metadata: Metadata, sizes: Mapping[str, int | None], recipe: str = ""
) -> dict[str, str]:
    """Metadata as strings by key; lists are JSON.

    Args:
        metadata: The `Metadata`.
        sizes: Dict from output name to the number of its classes, or None.
        recipe: String. The name of the recipe, where `metadata` gives none.

    Returns:
        A dict of strings.

    Raises:
        ValueError: If the labels do not fit the outputs.
    """
    fields: dict[str, Any] = metadata.to_dict()
    fields["recipe"] = metadata.recipe or recipe
    labels = labels_by_output(metadata.labels, sizes)
    fields["labels"] = {name: list(values) for name, values in labels.items()}
    fields["vocabulary"] = list(metadata.vocabulary or ())
    return {
        key: json.dumps(value) if key in AS_JSON else value
        for key, value in fields.items()
        if value
    }


def from_props(props: Mapping[str, str]) -> dict[str, Any]:
    """The inverse of `to_props`; what is no JSON, as others write it, stays text."""
    found: dict[str, Any] = {}
    for key, value in props.items():
        try:
            found[key] = json.loads(value) if key in AS_JSON else value
        except json.JSONDecodeError:
            found[key] = value
    return found
