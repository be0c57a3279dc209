"""Teacher and student beside each other: by class, and where they differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_kd.datasets import Dataset

MOST_PICTURES = 24


def by_class(
    dataset: Dataset, teacher: np.ndarray, student: np.ndarray
) -> list[dict[str, Any]]:
    """How often each is right, and how often both say the same, class by class.

    Args:
        dataset: a `Dataset`.
        teacher, student: the classes they give the test images, `(samples,)`.

    Returns:
        One dict per class that the test has: `"name"`, `"samples"`,
        `"teacher_accuracy"`, `"student_accuracy"`, `"agreement"`.
    """
    rows = []
    for label, name in enumerate(dataset.class_names):
        of_class = dataset.y_test == label
        if not of_class.any():
            continue
        rows.append(
            {
                "name": name,
                "samples": int(of_class.sum()),
                "teacher_accuracy": float(np.mean(teacher[of_class] == label)),
                "student_accuracy": float(np.mean(student[of_class] == label)),
                "agreement": float(np.mean(teacher[of_class] == student[of_class])),
            }
        )
    return rows


def disagreements(
    dataset: Dataset,
    teacher: np.ndarray,
    student: np.ndarray,
    most: int = MOST_PICTURES,
) -> list[dict[str, Any]]:
    """Test images that teacher and student name differently, evenly from all.

    Args:
        dataset, teacher, student: as in `by_class`.
        most: int. Defaults to 24.

    Returns:
        Dicts of `"image"` (array `(height, width, channels)`) and the class names
        `"label"`, `"teacher"` and `"student"`.
    """
    differ = np.flatnonzero(teacher != student)
    if len(differ) > most:
        differ = differ[np.linspace(0, len(differ) - 1, most).round().astype(int)]
    names = dataset.class_names
    return [
        {
            "image": dataset.x_test[i],
            "label": names[dataset.y_test[i]],
            "teacher": names[teacher[i]],
            "student": names[student[i]],
        }
        for i in differ
    ]
