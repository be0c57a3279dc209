"""Any data, as batches of arrays by input name, checked against a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_kd.export.signature import InputTensor, Signature
from keras_kd.validation import did_you_mean

Batch = dict[str, np.ndarray]


def batches(
    signature: Signature, data: Any, argument: str = "data"
) -> Iterator[tuple[Batch, Any]]:
    """Walk through data batch by batch.

    Args:
        signature: The `Signature` of the model that the data is for.
        data: Inputs `x`; or a tuple `(x, y)`; or a batched `tf.data.Dataset`,
            `keras.utils.PyDataset`, iterator or generator function of such. `x`
            is an array, a list in the order of the model's inputs, or a dict by
            input name. A tuple is always `(x, y)`.
        argument: String. How errors call the data. Defaults to `"data"`.

    Returns:
        An iterator of pairs: a dict from input name to an array of the model's
        dtype, shape `(batch, …)`; and `y` as it came, or None.

    Raises:
        ValueError: If names, shapes or values do not fit the model.
        TypeError: If the data is of no known kind.

    Example:

    ```python
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2)])
    signature = signature_of(model)
    [(x, y)] = batches(signature, (np.zeros((8, 4)), np.zeros(8)))
    x["x"].shape  # (8, 4)
    ```
    """
    for element in _elements(data):
        x, y = element, None
        if isinstance(element, tuple):
            if not element:
                raise ValueError(f"`{argument}` holds an empty tuple.")
            x, y = element[0], element[1] if len(element) > 1 else None
        if y is not None:
            y = keras.tree.map_structure(np.asarray, y)
        yield by_name(signature, x, argument), y


def by_name(signature: Signature, x: Any, argument: str = "data") -> Batch:
    """One batch of inputs as a dict of checked arrays by input name."""
    names = signature.names
    if isinstance(x, Mapping):
        for key in x:
            if key not in names:
                raise ValueError(
                    f"`{argument}` has no input {key!r} to go to. Available: "
                    f"{names}.{did_you_mean(key, names)}"
                )
        missing = [name for name in names if name not in x]
        if missing:
            raise ValueError(
                f"`{argument}` lacks the input {missing[0]!r}. Received: {list(x)}."
            )
        values = [x[name] for name in names]
    elif isinstance(x, (list, tuple)):
        values = list(x)
    else:
        values = [x]
    if len(values) != len(names):
        raise ValueError(
            f"`{argument}` must hold {len(names)} input(s), {names}, as a list in "
            f"this order or a dict. Received: {len(values)}."
        )
    batch = {
        tensor.name: _fitted(tensor, value, argument)
        for tensor, value in zip(signature.inputs, values, strict=True)
    }
    lengths = {name: len(array) for name, array in batch.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"The inputs in `{argument}` must have one batch size. Received: {lengths}."
        )
    return batch


def batch_length(batch: Batch) -> int:
    """The number of samples in a batch."""
    return len(next(iter(batch.values())))


def _elements(data: Any) -> Iterable[Any]:
    """What `data` yields: itself, where it is one batch."""
    if isinstance(data, keras.utils.PyDataset):
        return (data[index] for index in range(data.num_batches or 0))
    if hasattr(data, "as_numpy_iterator"):
        return data.as_numpy_iterator()
    if callable(data):
        return data()
    if hasattr(data, "__next__"):
        return data
    return [data]


def _fitted(tensor: InputTensor, value: Any, argument: str) -> np.ndarray:
    """The array that input takes, or the sentence that says why it does not."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" and str(array.dtype) != "bfloat16":
        raise TypeError(
            f"`{argument}` for input {tensor.name!r} must be arrays of numbers. "
            f"Received: {type(value).__name__} of dtype {array.dtype}."
        )
    wanted, got = tensor.shape[1:], array.shape[1:]
    if array.shape == wanted:
        raise ValueError(
            f"`{argument}` for input {tensor.name!r} lacks the batch axis: "
            f"expected (batch, {', '.join(map(str, wanted))}). "
            f"Received: {array.shape}. Use x[None]."
        )
    fits = len(wanted) == len(got) and all(
        w is None or w == g for w, g in zip(wanted, got, strict=True)
    )
    if not fits or array.ndim == 0:
        raise ValueError(
            f"`{argument}` for input {tensor.name!r} must have shape "
            f"(batch, {', '.join(map(str, wanted))}). Received: {array.shape}."
        )
    dtype = np.dtype(tensor.dtype)
    if dtype.kind in "iu" and array.dtype != dtype:
        if array.dtype.kind not in "iub":
            raise ValueError(
                f"`{argument}` for input {tensor.name!r} must be integers "
                f"({tensor.dtype}). Received: dtype {array.dtype}."
            )
        limits = np.iinfo(dtype)
        if array.size and (array.min() < limits.min or array.max() > limits.max):
            raise ValueError(
                f"`{argument}` for input {tensor.name!r} does not fit "
                f"{tensor.dtype}. Received values from {array.min()} to "
                f"{array.max()}."
            )
    return array.astype(dtype, copy=False)
