"""Data in files, as the commands want them."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_kd.datasets import Dataset, load_dataset
from keras_kd.export.signature import signature_of
from keras_kd.workflow.arrays import by_input
from keras_kd.workflow.inputs import input_size

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


def load_data(arguments: Arguments, model: keras.Model) -> Dataset:
    """`--data` at `--image-size`, or at the size of the model's input."""
    size = arguments.image_size or input_size(model)
    seed = getattr(arguments, "seed", 0)
    return load_dataset(arguments.data, image_size=size, seed=seed)


def load_samples(arguments: Arguments, model: keras.Model) -> Samples:
    """`--data` for a model of any inputs: labelled images, or arrays by input name."""
    arrays = by_input(arguments.data, signature_of(model).names)
    if arrays is None:
        data = load_data(arguments, model)
        return Samples(
            data.name, data.x_train, data.x_test, data.y_test, data.class_names
        )
    y = arrays.pop("y", None)
    names = tuple(str(name) for name in arrays.pop("class_names", ()))
    return Samples(Path(arguments.data).stem, arrays, arrays, y, names)
