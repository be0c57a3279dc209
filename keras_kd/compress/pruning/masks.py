"""Which weights of a kernel stay: by magnitude, or two of every four."""

from __future__ import annotations

from typing import Any

from keras import ops


def magnitude_mask(kernel: Any, sparsity: Any) -> Any:
    """Keep the weights of largest magnitude.

    Exactly `round(sparsity · size)` weights go, whatever ties there are.

    Args:
        kernel: Tensor.
        sparsity: Scalar, the share to prune.

    Returns:
        A boolean tensor of the kernel's shape, True where a weight stays.

    Example:

    ```python
    magnitude_mask(keras.ops.array([[3.0, -1.0], [0.5, -2.0]]), 0.5)
    # [[True, False], [False, True]]
    ```
    """
    flat = ops.reshape(ops.abs(kernel), (-1,))
    size = flat.shape[0]
    pruned = ops.round(ops.cast(sparsity, "float32") * float(size))
    return ops.reshape(_ranks(flat) >= ops.cast(pruned, "int32"), kernel.shape)


def two_of_four_mask(kernel: Any, sparsity: Any, channel_axes: tuple[int, ...]) -> Any:
    """Keep the largest weights of every four that follow along the inputs.

    This is what sparse matrix units compute with: of four weights in a row that
    are multiplied with four inputs in a row and summed into one output, two are
    zero. On the way there, a sparsity nearer to one quarter prunes one of four.

    Args:
        kernel: Tensor.
        sparsity: Scalar; 0.5 prunes two of four.
        channel_axes: The axes of the kernel that belong to output channels. All
            others are inputs, flattened in their order; the last of them has a
            length that is a multiple of four.

    Returns:
        A boolean tensor of the kernel's shape, True where a weight stays.

    Example:

    ```python
    kernel = keras.ops.array([[3.0], [-1.0], [0.5], [-2.0]])
    two_of_four_mask(kernel, 0.5, (1,))  # [[True], [False], [False], [True]]
    ```
    """
    order = (*input_axes(kernel, channel_axes), *channel_axes)
    inputs_first = ops.transpose(ops.abs(kernel), order)
    groups = ops.reshape(inputs_first, (-1, 4, _product(kernel, channel_axes)))
    pruned = ops.minimum(ops.round(4.0 * ops.cast(sparsity, "float32")), 2.0)
    keep = _ranks(groups, axis=1) >= ops.cast(pruned, "int32")
    keep = ops.reshape(keep, inputs_first.shape)
    return ops.transpose(keep, [order.index(axis) for axis in range(len(order))])


def input_axes(kernel: Any, channel_axes: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a kernel that are summed over."""
    return tuple(i for i in range(len(kernel.shape)) if i not in channel_axes)


def _ranks(values: Any, axis: int = 0) -> Any:
    return ops.argsort(ops.argsort(values, axis=axis), axis=axis)


def _product(kernel: Any, axes: tuple[int, ...]) -> int:
    product = 1
    for axis in axes:
        product *= kernel.shape[axis]
    return product
