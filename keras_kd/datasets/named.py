"""Datasets with a name, from the machine if they are there, else by download."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.datasets.arrays import Parts

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
DATA_VARIABLE = "KERAS_KD_DATA"
CIFAR10_FILE = "cifar10_jpegbytes.npz"

FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def optional(package: str, module: str) -> Any:
    """A module that only some datasets need, or the line that installs it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{package} is needed to read this dataset, and is not installed: "
            'pip install "keras-kd[data]"'
        ) from error


def digits() -> Parts:
    """The 8×8 digits that come with scikit-learn."""
    bunch = optional("scikit-learn", "sklearn.datasets").load_digits()
    return Parts((bunch.images / 16).astype("float32"), bunch.target)


def fashion_mnist() -> Parts:
    """Zalando's clothes, 28×28: Debian's files, else Keras's download."""
    if DEBIAN_FASHION_MNIST.is_dir():
        x_train, y_train, x_test, y_test = (
            read_idx(DEBIAN_FASHION_MNIST / f"{part}-{kind}-ubyte.gz")
            for part in ("train", "t10k")
            for kind in ("images-idx3", "labels-idx1")
        )
        return Parts(x_train, y_train, x_test, y_test, FASHION_MNIST_CLASSES)
    hint = "On Debian and Ubuntu: apt-get install dataset-fashion-mnist"
    return _downloaded("fashion_mnist", FASHION_MNIST_CLASSES, hint)


def mnist() -> Parts:
    """Handwritten digits, 28×28."""
    return _downloaded("mnist", None, "Offline, 'digits' is there")


def cifar10() -> Parts:
    """Photographs, 32×32: from `$KERAS_KD_DATA/cifar10_jpegbytes.npz`, or a download.

    That file holds concatenated JPEGs (`bytes`), their `length`s, `y` and `is_test`.
    """
    folder = os.environ.get(DATA_VARIABLE)
    if folder and (Path(folder) / CIFAR10_FILE).is_file():
        with np.load(Path(folder) / CIFAR10_FILE, allow_pickle=False) as file:
            pixels = decoded(file["bytes"], file["length"])
            labels, is_test = file["y"], file["is_test"].astype(bool)
        return Parts(
            pixels[~is_test],
            labels[~is_test],
            pixels[is_test],
            labels[is_test],
            CIFAR10_CLASSES,
        )
    hint = f"Or set {DATA_VARIABLE} to a folder that holds {CIFAR10_FILE}"
    return _downloaded("cifar10", CIFAR10_CLASSES, hint)


NAMED: dict[str, Callable[[], Parts]] = {
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "mnist": mnist,
    "cifar10": cifar10,
}
"""The readers by name."""


def read_idx(path: Path) -> np.ndarray:
    """An array from a gzipped IDX file, the format of MNIST.

    Raises:
        ValueError: where it is not one, or ends early.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error}.") from error
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(f"{str(path)!r} is not an IDX file of unsigned bytes.")
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start].ljust(start - 4, b"\0"), ">i4")
    if len(content) != start + int(np.prod(shape)):
        raise ValueError(
            f"{str(path)!r} should have {start + int(np.prod(shape))} bytes by its "
            f"header. Received: {len(content)}."
        )
    return np.frombuffer(content, "uint8", offset=start).reshape(shape)


def decoded(content: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenated picture files of one size as uint8 `(samples, height, width, 3)`."""
    image = optional("Pillow", "PIL.Image")
    joined = np.asarray(content, "uint8").tobytes()
    ends = np.cumsum(lengths)
    pictures = []
    for start, end in zip(ends - lengths, ends, strict=True):
        with image.open(io.BytesIO(joined[start:end])) as picture:
            pictures.append(np.asarray(picture.convert("RGB")))
    return np.stack(pictures)


def _downloaded(name: str, class_names: Any, hint: str) -> Parts:
    from keras import datasets

    try:
        train, test = getattr(datasets, name).load_data()
    except Exception as error:  # urllib's, ssl's, the archive's: all mean the same
        raise ValueError(
            f"The dataset {name!r} is not on this machine, and its download failed "
            f"({error}). {hint}."
        ) from error
    return Parts(train[0], train[1], test[0], test[1], class_names)
