"""What all relations share: one vector per example, and how far apart they are."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_kd.losses.numerics import at_least_float32, flattened, without_gradient


def embeddings(what: str, teacher: Any, student: Any) -> tuple:
    """Both sides as `(batch, features)`, whose features may differ in number.

    Args:
        what: the function's name, for the error.
        teacher, student: tensors `(batch, ...)`: vectors, sequences or maps.

    Returns:
        `(teacher, student)` in float32 or wider, no gradient into the teacher.

    Raises:
        ValueError: where the batches differ, or a side has no features.
    """
    teacher, student = at_least_float32(teacher, student)
    same_batch(what, teacher.shape, student.shape)
    return flattened(without_gradient(teacher)), flattened(student)


def same_batch(what: str, teacher: Any, student: Any) -> None:
    """Refuse static shapes of different batches, or of single numbers."""
    teacher, student = tuple(teacher), tuple(student)
    agree = min(len(teacher), len(student)) >= 2 and (
        teacher[0] is None or student[0] is None or teacher[0] == student[0]
    )
    if not agree:
        raise ValueError(
            f"{what} relates the examples of one batch, (batch, ...) on both sides. "
            f"Received: teacher {teacher}, student {student}."
        )


def similarities(x: Any) -> Any:
    """The inner product of every two rows: `(batch, batch)`."""
    return ops.matmul(x, ops.transpose(x))


def centred(x: Any) -> Any:
    """The rows, moved so that their mean is 0.

    What lies between two rows stays as it is, and is no longer a small difference of
    two large numbers, as it would be far from the origin.
    """
    return x - ops.mean(x, axis=0, keepdims=True)


def squared_distances(products: Any) -> Any:
    """`‖x_i − x_j‖²` from the inner products; 0, gradient 0, where nothing is left.

    What is smaller than the rounding of the inner products is no distance: it is 0,
    as for two equal rows.
    """
    squares = ops.diagonal(products)
    sizes = squares[:, None] + squares[None, :]
    apart = sizes - 2.0 * products
    rounding = 1e-14 if "float64" in str(products.dtype) else 1e-6
    return ops.where(apart > rounding * sizes, apart, ops.zeros_like(apart))
