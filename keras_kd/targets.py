"""Labels and teacher features that travel together in `y`."""

from __future__ import annotations

from typing import Any

from keras_kd.types import OUTPUT, Features

LABELS, TEACHER, INDEX = "labels", "teacher", "index"


def pack_targets(labels: Any, teacher: Any = None, index: Any = None) -> dict[str, Any]:
    """`y` with what a teacher left at its taps, or with each example's number.

    Args:
        labels: the labels, in the form that the hard loss takes, or None.
        teacher: features, `{"output": logits, "block_2": …}`, or the output alone,
            so that the teacher need not run again. Defaults to None: it runs.
        index: int tensor `(batch,)`, the place of each example in the dataset, for
            terms that remember examples (`layers.MemoryBank`). Defaults to None.

    Returns:
        `{"labels": …, "teacher": …, "index": …}`, without those that are None.

    Raises:
        ValueError: without a teacher and an index, where `y` is the labels alone.

    Example:

    ```python
    y = pack_targets(labels, teacher.predict(images))
    distiller = Distiller(None, student, methods.hinton())
    distiller.compile("adam", loss)
    distiller.fit(images, y)
    ```
    """
    if teacher is None and index is None:
        raise ValueError(
            "pack_targets puts a `teacher` or an `index` beside the labels. Received "
            "neither: pass the labels themselves as `y`."
        )
    packed = {LABELS: labels, INDEX: index}
    if teacher is not None:
        packed[TEACHER] = _features(teacher)
    return {key: value for key, value in packed.items() if value is not None}


def unpack_targets(y: Any) -> tuple[Any, Features | None]:
    """`(labels, teacher features)` of `y`; plain labels come with None."""
    if not _is_packed(y):
        return y, None
    teacher = y.get(TEACHER)
    return y.get(LABELS), None if teacher is None else _features(teacher)


def index_of(y: Any) -> Any:
    """The examples' places in the dataset, or None where `y` does not tell them."""
    return y.get(INDEX) if _is_packed(y) else None


def _features(teacher):
    return teacher if isinstance(teacher, dict) else {OUTPUT: teacher}


def _is_packed(y):
    """Whether these are our keys, and not the names of a model's outputs."""
    if not isinstance(y, dict) or not {TEACHER, INDEX} & set(y):
        return False
    return set(y) <= {LABELS, TEACHER, INDEX}
