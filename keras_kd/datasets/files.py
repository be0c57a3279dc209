"""Datasets of the user's own: an .npz, or a folder of images by class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.datasets.arrays import Parts
from keras_kd.datasets.named import optional
from keras_kd.validation import listing

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm")
TEST_FOLDERS = ("test", "val", "validation")
GREY_MODES = ("1", "L")
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I")


def read_npz(path: Path) -> Parts:
    """Arrays by the names `x_train`, `y_train`, `x_test`, `y_test`, or `x`, `y`.

    Objects are refused: they would run code from the file.

    Raises:
        ValueError: where the file or its names cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as an .npz of plain arrays: {error}"
        ) from error
    for x, y in (("x_train", "y_train"), ("x", "y")):
        if x in arrays and y in arrays:
            test = arrays.get("x_test"), arrays.get("y_test")
            if (test[0] is None) != (test[1] is None):
                raise ValueError(
                    f"{str(path)!r} must hold both of `x_test` and `y_test`, or "
                    f"neither. Received: {sorted(arrays)}."
                )
            class_names = arrays.get("class_names")
            names = None if class_names is None else class_names.tolist()
            return Parts(arrays[x], arrays[y], *test, class_names=names)
    raise ValueError(
        f"{str(path)!r} must hold `x_train`, `y_train`, `x_test` and `y_test`, or `x` "
        f"and `y`. Received: {sorted(arrays)}."
    )


def read_folder(folder: Path, image_size: tuple[int, int] | None) -> Parts:
    """Images in one subfolder per class; or in such folders under train/ and test/.

    Args:
        folder: the path.
        image_size: `(height, width)` to which each image is resized, or None where
            all have one size.

    Raises:
        ValueError: where a file cannot be read, sizes differ, or the test has a
            class of its own.
    """
    train = folder / "train"
    if not train.is_dir():
        names, files, labels = _classes(folder)
        x = _grey_if_all_are(_pictures(files, image_size))
        return Parts(x, labels, class_names=names)
    names, files, labels = _classes(train)
    test = next((folder / n for n in TEST_FOLDERS if (folder / n).is_dir()), None)
    if test is None:
        x = _grey_if_all_are(_pictures(files, image_size))
        return Parts(x, labels, class_names=names)
    test_names, test_files, test_labels = _classes(test)
    unknown = sorted(set(test_names) - set(names))
    if unknown:
        raise ValueError(
            f"{str(test)!r} has classes that {str(train)!r} lacks: {listing(unknown)}."
        )
    indices = np.array([names.index(name) for name in test_names])
    x = _grey_if_all_are(_pictures([*files, *test_files], image_size))
    cut = len(files)
    return Parts(x[:cut], labels, x[cut:], indices[test_labels], names)


def _classes(folder: Path) -> tuple[list[str], list[Path], np.ndarray]:
    """Sorted class names, the image files, and their labels."""
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and _visible(p))
    found = {
        p.name: [
            file
            for file in sorted(p.rglob("*"))
            if file.suffix.lower() in SUFFIXES and file.is_file() and _visible(file)
        ]
        for p in subfolders
    }
    if len(found) < 2:
        raise ValueError(
            f"{str(folder)!r} must have one subfolder per class, at least two. "
            f"Received: {list(found)}."
        )
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise ValueError(
            f"{str(folder)!r} has classes without images ({', '.join(SUFFIXES)}): "
            f"{listing(empty)}."
        )
    labels = np.repeat(np.arange(len(found)), [len(f) for f in found.values()])
    return list(found), [f for files in found.values() for f in files], labels


def _pictures(
    files: Sequence[Path], image_size: tuple[int, int] | None
) -> list[np.ndarray]:
    """Every file as uint8, `(h, w)` if grey and `(h, w, 3)` if not."""
    image, image_ops = optional("Pillow", "PIL.Image"), _image_ops()
    pictures: list[np.ndarray] = []
    unreadable = []
    for file in files:
        try:
            with image.open(file) as opened:
                picture = image_ops.exif_transpose(opened)
                if picture.mode in DEEP_MODES:  # `convert` would clip them
                    shallow = np.asarray(picture) // 257
                    picture = image.fromarray(shallow.astype("uint8"))
                grey = picture.mode in GREY_MODES
                picture = picture.convert("L" if grey else "RGB")
                if image_size is not None:
                    height, width = image_size
                    picture = picture.resize((width, height), image.Resampling.BILINEAR)
                pictures.append(np.asarray(picture))
        except (OSError, ValueError, SyntaxError):
            unreadable.append(str(file))
    if unreadable:
        raise ValueError(
            f"{len(unreadable)} of {len(files)} image files cannot be read: "
            f"{listing(unreadable, 5)}. Remove or repair them."
        )
    sizes = sorted({picture.shape[:2] for picture in pictures})
    if len(sizes) > 1:
        raise ValueError(
            f"The images have {len(sizes)} different sizes (height, width), such as "
            f"{sizes[0]} and {sizes[-1]}: pass `image_size=(height, width)`."
        )
    return pictures


def _grey_if_all_are(pictures: list[np.ndarray]) -> np.ndarray:
    """One channel where every picture is grey, else three."""
    if all(picture.ndim == 2 for picture in pictures):
        return np.stack(pictures)[..., np.newaxis]
    return np.stack(
        [p if p.ndim == 3 else np.repeat(p[..., np.newaxis], 3, -1) for p in pictures]
    )


def _visible(path: Path) -> bool:
    return not path.name.startswith((".", "__"))


def _image_ops() -> Any:
    return optional("Pillow", "PIL.ImageOps")
