"""A field at its place among what a teacher leaves, and the choice of its codec."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_kd.store.fields.field import Field
from keras_kd.store.fields.int8 import Int8
from keras_kd.store.fields.top_k import PRECISIONS, TopK
from keras_kd.store.fields.whole import Whole
from keras_kd.validation import one_of, positive_int

FIELDS: dict[str, type[Field]] = {field.kind: field for field in (Whole, Int8, TopK)}
WHOLE_PRECISIONS = ("float16", "float32", "int8")


def field_for(
    tensor: Any,
    precision: str | None = None,
    top_k: int | None = None,
    temperature: float = 1.0,
) -> Field:
    """The codec of one of a teacher's tensors.

    Integers and booleans are kept as they are. Where there are no more classes than
    `top_k`, all logits are kept.

    Args:
        tensor: `keras.KerasTensor` or array `(batch, …)`.
        precision: `"float32"`, `"float16"` or `"int8"`; with `top_k`, `"float32"`,
            `"float16"` or `"compact"`. Defaults to None: `"float16"`, with `top_k`
            `"compact"`.
        top_k: int, how many of the logits `(batch, …, classes)` are kept. Defaults
            to None: all numbers.
        temperature: float, at which the top k's probabilities and the mass of the
            others are kept. Defaults to 1.

    Returns:
        A `Field`.

    Raises:
        ValueError: for an unknown precision, for `"compact"` without `top_k`, and for
            `top_k` of what are no logits.

    Example:

    ```python
    field_for(np.zeros((1, 1000)), top_k=10).row_bytes  # 22
    field_for(np.zeros((1, 7, 7, 64)), "int8").row_bytes  # 3392
    ```
    """
    shape, is_float = tuple(tensor.shape[1:]), _is_float(tensor.dtype)
    if top_k is not None:
        if not is_float or not shape or shape[-1] == 1:
            raise ValueError(
                "`top_k` is for logits (batch, …, classes). Received: "
                f"{_name(tensor.dtype)} of shape {tuple(tensor.shape)}: leave `top_k` "
                "out where such a tap is kept."
            )
        precision = one_of("precision", precision or "compact", PRECISIONS)
        top_k = positive_int("top_k", top_k)
        if top_k < shape[-1]:
            return TopK(shape, top_k, precision, temperature)
        return Whole(shape, "float16" if precision == "compact" else precision)
    if precision == "compact":
        raise ValueError(
            '`precision="compact"` is for the largest of the logits: pass `top_k` as '
            f"well. Without it: {list(WHOLE_PRECISIONS)}."
        )
    precision = one_of("precision", precision or "float16", WHOLE_PRECISIONS)
    if not is_float:
        return Whole(shape, _name(tensor.dtype))
    return Int8(shape) if precision == "int8" else Whole(shape, precision)


def field_from(fields: Mapping[str, Any]) -> Field:
    """A field as its `to_dict` told it."""
    options = dict(fields)
    kind = one_of("kind", options.pop("kind"), FIELDS)
    return FIELDS[kind](tuple(options.pop("shape")), **options)


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A field at its place: a tap's whole tensor, or one of those it holds.

    Args:
        tap: str.
        path: keys and indices from the tap's value to the tensor; empty where the
            value is the tensor.
        field: a `Field`.
        stem: str, with which its files' names begin.
    """

    tap: str
    path: tuple[str | int, ...]
    field: Field
    stem: str

    def files(self) -> dict[str, str]:
        """The name of each array's file."""
        return {name: f"{self.stem}.{name}.npy" for name in self.field.arrays}

    def to_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "tap": self.tap, "path": list(self.path), "stem": self.stem,
            "field": self.field.to_dict(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Leaf:
        """A leaf as `to_dict` told it."""
        field = field_from(fields["field"])
        return cls(fields["tap"], tuple(fields["path"]), field, fields["stem"])


def _name(dtype: Any) -> str:
    """`"float32"`, of a NumPy type or as Keras names it."""
    return dtype if isinstance(dtype, str) else np.dtype(dtype).name


def _is_float(dtype: Any) -> bool:
    return "float" in _name(dtype)
