"""Models and data in files, as the commands want them."""

from __future__ import annotations

import argparse
import dataclasses
import os
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_kd.datasets import Dataset, load_dataset
from keras_kd.export.signature import signature_of

Arguments = argparse.Namespace


@dataclasses.dataclass(frozen=True)
class Samples:
    """What a file is calibrated on, and what it is compared on.

    Args:
        name: String, as reports call it.
        calibration: Array, or dict of arrays by input name.
        x: The same, to compare on.
        y: Integer labels of `x`, or None.
        class_names: Tuple of strings, where known.
    """

    name: str
    calibration: Any
    x: Any
    y: np.ndarray | None
    class_names: tuple[str, ...] = ()


def load_model(path: str) -> keras.Model:
    """The model in a `.keras` file; code in it is refused, not run."""
    if not path.endswith(".keras"):
        raise ValueError(f"Expected a .keras file. Received: {path!r}.")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path!r}.")
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"{path!r} must hold a keras.Model. Received: {type(model).__name__}."
        )
    return model


def load_data(arguments: Arguments, model: keras.Model) -> Dataset:
    """`--data` at `--image-size`, or at the size of the model's input."""
    size = arguments.image_size or input_size(model)
    seed = getattr(arguments, "seed", 0)
    return load_dataset(arguments.data, image_size=size, seed=seed)


def load_samples(arguments: Arguments, model: keras.Model) -> Samples:
    """`--data` for a model of any inputs: labelled images, or arrays by input name."""
    arrays = _by_input(arguments.data, signature_of(model).names)
    if arrays is None:
        data = load_data(arguments, model)
        return Samples(
            data.name, data.x_train, data.x_test, data.y_test, data.class_names
        )
    y = arrays.pop("y", None)
    names = tuple(str(name) for name in arrays.pop("class_names", ()))
    return Samples(Path(arguments.data).stem, arrays, arrays, y, names)


def input_size(model: keras.Model) -> tuple[int, int] | None:
    """`(height, width)` of the one image that a model takes, where it says."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:3]:
        return None
    return shape[1], shape[2]


def _by_input(path: str, names: list[str]) -> dict[str, np.ndarray] | None:
    """The arrays of an .npz file that has one for each input; None for others."""
    if not path.endswith(".npz") or not os.path.isfile(path):
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            keys = set(file.files)
            images = "x_train" in keys or ("x" in keys and file["x"].ndim == 4)
            if images or not keys.issuperset(names):
                return None
            kept = (*names, *sorted({"y", "class_names"} & keys))
            return {key: file[key] for key in kept}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        return None  # `load_dataset` says what is wrong with it
