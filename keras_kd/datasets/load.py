"""From what a user names to a `Dataset`."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from keras_kd.datasets.arrays import Parts, label_indices, scaled
from keras_kd.datasets.dataset import Dataset, stratified
from keras_kd.datasets.files import read_folder, read_npz
from keras_kd.datasets.named import NAMED
from keras_kd.validation import did_you_mean
from keras_kd.validation import size as checked_size


def load_dataset(
    source: str | os.PathLike[str],
    *,
    image_size: int | tuple[int, int] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Load images and labels by a name, from a file or from a folder.

    | source | what it is |
    |---|---|
    | `"digits"` | scikit-learn's 1,797 digits of 8×8, bundled with it |
    | `"fashion_mnist"` | from Debian's `dataset-fashion-mnist`, or Keras's download |
    | `"mnist"`, `"cifar10"` | Keras's download |
    | `"images.npz"` | arrays `x_train`, `y_train`, `x_test`, `y_test`, or `x`, `y` |
    | `"folder"` | `folder/cat/1.jpg`, or `folder/train/cat/1.jpg` and `folder/test` |

    CIFAR-10 is read from `cifar10_jpegbytes.npz` in the folder that the environment
    variable KERAS_KD_DATA names, if it is there. In an `.npz`, pixels are integers
    0…255 or floats 0…1, `class_names` may be given, and -1 in `y_train` means
    unlabelled; classes in a folder are its subfolders, sorted.

    Args:
        source: str or path.
        image_size: int or `(height, width)` to which the images are resized, or
            None. Defaults to None.
        test_fraction: float between 0 and 1: the share of each class that is set
            aside where the source has no test part. Defaults to 0.2.
        seed: int, of that split. Defaults to 0.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: where there is no such dataset, or it cannot be read as one.
        ImportError: where a package is missing; the sentence names it.

    Example:

    ```python
    data = load_dataset("digits")
    data.class_names[:3]  # ('0', '1', '2')
    ```
    """
    name = os.fspath(source)
    if image_size is not None:
        image_size = checked_size("image_size", image_size)
    if not 0 < test_fraction < 1:
        raise ValueError(
            "`test_fraction` must lie between 0 and 1. "
            f"Received: test_fraction={test_fraction!r}."
        )
    if name in NAMED:
        parts = NAMED[name]()
    elif Path(name).is_dir():
        parts = read_folder(Path(name), image_size)
    elif name.endswith(".npz") and Path(name).is_file():
        parts = read_npz(Path(name))
    else:
        raise ValueError(
            f"`source` must be one of {list(NAMED)}, an .npz file, or a folder of "
            f"images by class. Received: source={name!r}, which is none of them."
            f"{did_you_mean(name, NAMED)}"
        )
    return _dataset(_stem(name), parts, image_size, test_fraction, seed)


def _dataset(
    name: str,
    parts: Parts,
    image_size: tuple[int, int] | None,
    test_fraction: float,
    seed: int,
) -> Dataset:
    """Scaled, resized, split and checked."""
    parts = label_indices(parts)
    if parts.x_test is None:
        parts = _split(parts, test_fraction, seed)
    test_images, test_labels = parts.x_test, parts.y_test
    if test_images is None or test_labels is None or parts.class_names is None:
        raise ValueError(f"{name!r} has no test images, or no labels for them.")
    return Dataset(
        name=name,
        x_train=resized(scaled("x_train", parts.x_train), image_size),
        y_train=parts.y_train,
        x_test=resized(scaled("x_test", test_images), image_size),
        y_test=test_labels,
        class_names=tuple(parts.class_names),
    )


def _split(parts: Parts, test_fraction: float, seed: int) -> Parts:
    """A share of each class set aside for the test; unlabelled images stay."""
    known = np.flatnonzero(parts.y_train >= 0)
    count = round(test_fraction * len(known))
    if not 0 < count < len(known):
        raise ValueError(
            f"`test_fraction` must leave images on both sides of {len(known)} labelled "
            f"ones. Received: test_fraction={test_fraction!r}."
        )
    test = known[stratified(parts.y_train[known], count, seed)]
    train = np.setdiff1d(np.arange(len(parts.y_train)), test)
    return dataclasses.replace(
        parts,
        x_train=parts.x_train[train],
        y_train=parts.y_train[train],
        x_test=parts.x_train[test],
        y_test=parts.y_train[test],
    )


def resized(x: np.ndarray, image_size: tuple[int, int] | None) -> np.ndarray:
    if image_size is None or x.shape[1:3] == image_size:
        return x
    from keras import ops

    pieces = [
        ops.convert_to_numpy(
            ops.image.resize(
                x[start : start + 1024],
                image_size,
                antialias=True,
                data_format="channels_last",
            )
        )
        for start in range(0, len(x), 1024)
    ]
    return np.clip(np.concatenate(pieces), 0.0, 1.0)


def _stem(name: str) -> str:
    """`"data/flowers.npz"` as `"flowers"`."""
    return name if name in NAMED else Path(name).resolve().stem
