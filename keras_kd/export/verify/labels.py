"""Which labels belong to which output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_kd.export import compare
from keras_kd.export.verify.verification import Outputs


def labels_by_output(
    labels: Any, carried: Any, expected: Outputs, limited: bool = False
) -> dict[str, np.ndarray]:
    """Integer labels by output name.

    Args:
        labels: As `verify` takes them, or None.
        carried: What came with the data: it counts where it is labels.
        expected: The model's answers by output name.
        limited: Boolean. Whether only the first samples were run, so that there may
            be more labels than answers. Defaults to `False`.

    Returns:
        A dict of integer arrays; empty without labels.

    Raises:
        ValueError: If `labels` are none, or do not fit the samples.
    """
    given = labels is not None
    labels = labels if given else carried
    names = list(expected)
    if labels is None:
        return {}
    if isinstance(labels, Mapping):
        named = dict(labels)
    elif len(names) > 1 and isinstance(labels, (list, tuple)):
        named = dict(zip(names, labels, strict=False))
    else:
        named = {names[0]: labels} if len(names) == 1 else {}
    found = {}
    for name, value in named.items():
        outputs = expected.get(name)
        if outputs is not None and value is not None:
            value = np.asarray(value)
            if limited:
                value = value[: len(outputs)]
            classes = compare.has_classes(outputs)
            known = compare.class_labels(value, outputs.shape) if classes else None
            if known is not None:
                found[name] = known
    if given and not found:
        shapes = {name: array.shape for name, array in expected.items()}
        raise ValueError(
            "`labels` must be integer labels or one-hot labels for outputs with two "
            "or more classes on the last axis (by name where there are several). "
            f"Outputs: {shapes}. Received: "
            f"{keras.tree.map_structure(np.shape, labels)}."
        )
    return found
