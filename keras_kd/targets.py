"""Labels and teacher features that travel together in `y`."""

from __future__ import annotations

from typing import Any

from keras_kd.types import OUTPUT, Features

LABELS, TEACHER = "labels", "teacher"


def pack_targets(labels: Any, teacher: Any) -> dict[str, Any]:
    """`y` with what a teacher left at its taps, so that it need not run again.

    Args:
        labels: the labels, in the form that the hard loss takes, or None.
        teacher: features, `{"output": logits, "block_2": …}`, or the output alone.

    Returns:
        `{"labels": …, "teacher": …}`, without the first where there are none.

    Example:

    ```python
    y = pack_targets(labels, teacher.predict(images))
    distiller = Distiller(None, student, methods.hinton())
    distiller.compile("adam", loss)
    distiller.fit(images, y)
    ```
    """
    features = teacher if isinstance(teacher, dict) else {OUTPUT: teacher}
    if labels is None:
        return {TEACHER: features}
    return {LABELS: labels, TEACHER: features}


def unpack_targets(y: Any) -> tuple[Any, Features | None]:
    """`(labels, teacher features)` of `y`; plain labels come with None."""
    if isinstance(y, dict) and set(y) in ({LABELS, TEACHER}, {TEACHER}):
        teacher = y[TEACHER]
        features = teacher if isinstance(teacher, dict) else {OUTPUT: teacher}
        return y.get(LABELS), features
    return y, None
