"""Whose targets a store holds: what tells a teacher, data or a function from another.

All of it is JSON and the same in every process on every machine.
"""

from __future__ import annotations

import hashlib
from typing import Any

import keras
import numpy as np

from keras_kd.store.data.examples import Examples
from keras_kd.store.identity.changes import refuse_changes as refuse_changes
from keras_kd.store.identity.changes import refuse_other as refuse_other
from keras_kd.store.identity.described import described, of_architecture
from keras_kd.store.identity.described import of_function as of_function
from keras_kd.store.identity.digests import of_weights
from keras_kd.store.views import counter_random
from keras_kd.teachers import EnsembleTeacher, FrozenTeacher, Teacher

READ_WHOLE = 256 * 2**20
"""Data of more bytes than this is known by a sample of its rows."""
SAMPLED_ROWS, SAMPLE = 4096, 0x5A3D1E
"""How many rows that is, and the key by which they are drawn."""
AT_ONCE = 256


def of_teacher(teacher: Teacher) -> dict[str, Any]:
    """What tells a teacher from others.

    A `FrozenTeacher` is known by its model's configuration (layer names count by their
    order alone) and the SHA-256 of its weights, by `size`, `preprocess`,
    `from_probabilities` and the precision it runs in; the engine that runs it does not
    count. An `EnsembleTeacher` is known by its members, `combine`, `weights` (learned
    ones by their numbers), `drop_worst` and `class_maps`, any other by its class, its
    models, and its `identity()` where it has one.

    Args:
        teacher: a `Teacher`.

    Returns:
        Dict as JSON takes it.

    Example:

    ```python
    from keras_kd import FrozenTeacher

    of_teacher(FrozenTeacher(teacher))["weights"]  # 64 hexadecimal digits
    ```
    """
    told: dict[str, Any] = {"class": type(teacher).__qualname__}
    if isinstance(teacher, FrozenTeacher):
        told |= _of_model(teacher.model)
        told["size"] = described(teacher.size)
        told["preprocess"] = of_function(teacher.preprocess)
        told["from_probabilities"] = teacher.from_probabilities
        told["precision"] = getattr(teacher, "precision", None)
    elif isinstance(teacher, EnsembleTeacher):
        told["members"] = {name: of_teacher(m) for name, m in teacher.members.items()}
        told["combine"] = of_function(teacher.combine)
        told["shares"] = described(teacher.shares)
        told |= _more_of_ensemble(teacher)
    else:
        told["models"] = [_of_model(model) for model in teacher.models]
    if callable(identity := getattr(teacher, "identity", None)):
        told["identity"] = described(identity())
    return told


def of_examples(examples: Examples) -> dict[str, Any]:
    """What tells data from others: their number, shapes, types and contents.

    Labels do not count: no teacher sees them. Of more than 256 MB the contents are
    those of 4,096 rows, drawn evenly by a fixed key, and the first and the last.

    Args:
        examples: `Examples`.

    Returns:
        Dict as JSON takes it.

    Example:

    ```python
    from keras_kd.store.data.examples import as_examples

    of_examples(as_examples(images))["count"]  # 32
    ```
    """
    spec = keras.tree.flatten_with_path(examples.spec()[0])
    first, _ = examples(np.zeros(1, "int64"))
    row = sum(np.asarray(array).nbytes for array in keras.tree.flatten(first))
    told: dict[str, Any] = {"count": examples.count}
    ids = np.arange(examples.count)
    if examples.count * row > READ_WHOLE and examples.count > SAMPLED_ROWS:
        drawn = counter_random.uniform(SAMPLE, np.arange(SAMPLED_ROWS))
        inside = (drawn * examples.count).astype("int64")
        ids = np.unique(np.concatenate([inside, [0, examples.count - 1]]))
        told["sample"] = len(ids)
    whole = hashlib.sha256()
    for start in range(0, len(ids), AT_ONCE):
        x, _ = examples(ids[start : start + AT_ONCE])
        for array in keras.tree.flatten(x):
            whole.update(np.ascontiguousarray(array).tobytes())
    told["spec"] = [
        ["/".join(map(str, path)), tensor.dtype, list(tensor.shape[1:])]
        for path, tensor in spec
    ]
    return {**told, "sha256": whole.hexdigest()}


def _more_of_ensemble(teacher: EnsembleTeacher) -> dict[str, Any]:
    """What it has beyond fixed weights; nothing of what it has not."""
    more = {
        "rule": described(teacher.weighing.rule),
        "learned": described(teacher.learned_weights),
        "drop_worst": teacher.drop_worst,
        "class_maps": described(teacher.class_maps),
    }
    return {key: value for key, value in more.items() if value}


def _of_model(model: keras.Model) -> dict[str, str]:
    return {"architecture": of_architecture(model), "weights": of_weights(model)}
