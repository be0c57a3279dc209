"""What a teacher labels: images, or arrays by the names of a model's inputs."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_kd.datasets import load_dataset
from keras_kd.datasets.arrays import scaled
from keras_kd.datasets.load import resized
from keras_kd.export.signature import signature_of
from keras_kd.validation import one_of

PARTS = ("train", "test", "all")


def data_to_label(
    source: str,
    model: keras.Model,
    part: str = "train",
    image_size: tuple[int, int] | None = None,
    seed: int = 0,
) -> tuple[Any, np.ndarray | None]:
    """The examples of a dataset, in their order, for a model to label.

    Args:
        source: as `load_dataset` takes it; or an `.npz` of images without labels (`x`
            or `x_train` alone), or of an array for each input by its name, and
            perhaps `y`.
        model: the model that labels.
        part: `"train"`, `"test"` or `"all"` (both, in this order). An `.npz` without
            labels, or by input, is one whole. Defaults to `"train"`.
        image_size: `(height, width)` of the images. Defaults to None: as they are.
        seed: int, of the split where the source has no test part. Defaults to 0.

    Returns:
        `(x, y)`: arrays, or a dict of them; `y` is None where there are no labels.

    Raises:
        ValueError: where the source cannot be read.
    """
    one_of("part", part, PARTS)
    names = signature_of(model).names
    arrays = by_input(source, names)
    if arrays is not None:
        y = arrays.pop("y", None)
        arrays.pop("class_names", None)
        return (arrays[names[0]] if len(names) == 1 else arrays), y
    images = _unlabelled(source)
    if images is not None:
        return resized(scaled("x", images), image_size), None
    data = load_dataset(source, image_size=image_size, seed=seed)
    if part == "train":
        return data.x_train, data.y_train
    if part == "test":
        return data.x_test, data.y_test
    return (
        np.concatenate([data.x_train, data.x_test]),
        np.concatenate([data.y_train, data.y_test]),
    )


def by_input(path: str, names: list[str]) -> dict[str, np.ndarray] | None:
    """The arrays of an .npz file that has one for each input; None for others."""

    def chosen(file):
        keys = set(file.files)
        images = "x_train" in keys or ("x" in keys and file["x"].ndim == 4)
        if images or not keys.issuperset(names):
            return None
        kept = (*names, *sorted({"y", "class_names"} & keys))
        return {key: file[key] for key in kept}

    return _read(path, chosen)


def _unlabelled(path: str) -> np.ndarray | None:
    """The images of an .npz file that has no labels; None for others."""

    def chosen(file):
        keys = set(file.files)
        found = keys & {"x", "x_train"}
        if len(found) != 1 or keys & {"y", "y_train", "x_test"}:
            return None
        return file[found.pop()]

    return _read(path, chosen)


def _read(path: str, chosen: Callable[[Any], Any]) -> Any:
    """What is chosen of an .npz file; None where it is none of plain arrays."""
    if not path.endswith(".npz") or not os.path.isfile(path):
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return chosen(file)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        return None  # `load_dataset` says what is wrong with it
