"""A teacher whose answers are on the disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.store.augment import as_views
from keras_kd.store.dataset import stored_batches
from keras_kd.store.examples import as_examples
from keras_kd.store.layout import done_mark
from keras_kd.store.manifest import Manifest
from keras_kd.taps import TapError
from keras_kd.teachers import Teacher
from keras_kd.validation import did_you_mean, listing


class StoredTeacher(Teacher):
    """What a teacher left at its taps, read from a store.

    Args:
        directory: path of the folder that `label` wrote.

    Raises:
        FileNotFoundError: where the folder is no store.
        ValueError: where it is damaged or not finished.

    Example:

    ```python
    store = StoredTeacher("targets")
    distiller = Distiller(store, student, methods.hinton())
    distiller.compile("adam", loss)
    distiller.fit(store.dataset((images, labels), batch_size=64), epochs=30)
    ```
    """

    def __init__(self, directory: str | os.PathLike[str]):
        self.folder = Path(directory)
        self.manifest = Manifest.read(self.folder)
        self.name = self.folder.name
        layout = self.manifest.layout
        missing = [
            n for n in range(layout.ranges) if not done_mark(self.folder, n).exists()
        ]
        if missing:
            raise ValueError(
                f"{self.folder} is not finished: {layout.ranges - len(missing)} of "
                f"{layout.ranges} ranges are labelled. Run `label` again to go on."
            )
        self._arrays = {
            leaf.stem: {
                name: np.load(self.folder / file, mmap_mode="r", allow_pickle=False)
                for name, file in leaf.files().items()
            }
            for leaf in self.manifest.leaves
        }

    @property
    def taps(self) -> tuple[str, ...]:
        """The taps that are stored."""
        return self.manifest.taps

    def dataset(
        self,
        data: Any,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int = 0,
        augment: Any = None,
        **options: Any,
    ) -> Any:
        """Batches of views with their stored targets, one epoch a pass."""
        return stored_batches(
            as_examples(data), as_views(augment), self.manifest.seed, self,
            batch_size=batch_size, shuffle=shuffle, order_seed=seed, **options,
        )  # fmt: skip

    def gather(self, ids: np.ndarray, view: Any = 0) -> dict[str, Any]:
        """What the teacher left for examples under a view.

        Args:
            ids: int array `(batch,)`.
            view: int, or int array `(batch,)`. Defaults to 0.

        Returns:
            Dict from tap to array `(batch, …)`, or to a structure of them.
        """
        rows = self.manifest.layout.row(ids, view)
        return self._features(
            lambda leaf: leaf.field.decode(
                {name: array[rows] for name, array in self._arrays[leaf.stem].items()}
            )
        )

    def features_spec(self) -> dict[str, Any]:
        """`gather`'s result as `keras.KerasTensor`s with an open batch axis."""
        return self._features(lambda leaf: leaf.field.spec())

    def spec(self, x, taps, student=None):
        known = self.features_spec()
        for tap in taps:
            if tap not in known:
                raise TapError(
                    f"Tap {tap!r} not found in the store {str(self.folder)!r}. "
                    f"Available: {listing(known)}.{did_you_mean(tap, known)}"
                )
        return known

    def features(self, x, taps, student=None):
        raise ValueError(
            f"The targets of {str(self.folder)!r} come with the batch: train on "
            "`store.dataset((x, y), batch_size=...)`."
        )

    def _features(self, read) -> dict[str, Any]:
        features: dict[str, Any] = {}
        for leaf in self.manifest.leaves:
            _put(features, (leaf.tap, *leaf.path), read(leaf))
        return features


def _put(structure: Any, path: tuple[Any, ...], value: Any) -> None:
    """Place a leaf; lists grow in the order of their leaves."""
    for key, following in zip(path, path[1:], strict=False):
        if isinstance(structure, dict):
            structure = structure.setdefault(
                key, {} if isinstance(following, str) else []
            )
        else:
            if key == len(structure):
                structure.append({} if isinstance(following, str) else [])
            structure = structure[key]
    if isinstance(structure, list):
        structure.append(value)
    else:
        structure[path[-1]] = value
