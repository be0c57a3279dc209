"""The only function that decides an adapter by shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_kd.layers.dense_adapter import DenseAdapter
from keras_kd.layers.feature_adapter import FeatureAdapter
from keras_kd.layers.token_adapter import TokenAdapter, square_grid


def adapter_for(
    student_shape: Sequence[int | None],
    teacher_shape: Sequence[int | None],
    dtype: Any = None,
) -> keras.layers.Layer | None:
    """The adapter that brings a student's feature to the teacher's shape.

    | student → teacher | adapter |
    |---|---|
    | equal shapes | None |
    | map → map | `FeatureAdapter`: 1×1 conv and batch normalization, no activation, since a teacher's feature may be negative; resized where the sizes differ |
    | vector → vector, tokens → as many tokens | `DenseAdapter` |
    | map → tokens, tokens → map | `TokenAdapter`, with a class token where the count is a square plus one |

    Args:
        student_shape, teacher_shape: shapes with the batch axis, None for what
            is not known.
        dtype: the adapter's dtype policy. Defaults to the global policy.

    Returns:
        An unbuilt layer, or None.

    Raises:
        ValueError: where no adapter is known for the pair.

    Example:

    ```python
    adapter_for((None, 16, 16, 24), (None, 8, 8, 64))  # FeatureAdapter(64, (8, 8))
    adapter_for((None, 10), (None, 10))  # None
    ```
    """  # noqa: E501
    student: Any = tuple(student_shape[1:])
    teacher: Any = tuple(teacher_shape[1:])
    ranks = len(student), len(teacher)
    if student == teacher:
        return None
    if None not in (student[-1:] + teacher[-1:]):
        if ranks == (3, 3):
            known = None not in teacher[:2]
            resized = teacher[:2] if known and student[:2] != teacher[:2] else None
            return FeatureAdapter(
                teacher[-1], size=resized, activation=None, dtype=dtype
            )
        if ranks in {(1, 1), (2, 2)} and student[:-1] == teacher[:-1]:
            return DenseAdapter(teacher[-1], dtype=dtype)
        if ranks == (3, 2) and (layout := _token_layout(teacher[0])):
            grid, class_token = layout
            return TokenAdapter(teacher[-1], "tokens", grid, class_token, dtype=dtype)
        if ranks == (2, 3) and (layout := _token_layout(student[0])):
            _, class_token = layout
            size = None if None in teacher[:2] else teacher[:2]
            return TokenAdapter(teacher[-1], "map", size, class_token, dtype=dtype)
    raise ValueError(
        f"No adapter is known from a student's feature {tuple(student_shape)} to a "
        f"teacher's {tuple(teacher_shape)}: pass a layer as `adapter=`."
    )


def _token_layout(tokens):
    """`(grid, class_token)` of a token count, or None."""
    if tokens is None:
        return None
    for class_token in (False, True):
        if grid := square_grid(tokens - class_token):
            return grid, class_token
    return None
