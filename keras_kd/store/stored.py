"""A teacher whose answers are on the disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.store.fields import Whole
from keras_kd.store.layout import CHECKSUMS
from keras_kd.store.manifest import Manifest
from keras_kd.store.reading.dataset import dataset_of
from keras_kd.store.remote import is_url, local_copy
from keras_kd.store.rows.checksums import done_ranges, is_sound
from keras_kd.store.rows.damage import (
    DamagedStoreError,
    checksums_damage,
    file_damages,
    find_damages,
)
from keras_kd.store.rows.gathering import rows_of
from keras_kd.store.rows.rows_file import rows_files
from keras_kd.taps import TapError, output_features
from keras_kd.teachers import Teacher
from keras_kd.types import OUTPUT
from keras_kd.validation import did_you_mean, listing


class StoredTeacher(Teacher):
    """What a teacher left at its taps, read from a store.

    The rows are mapped from the disk and read as they are used, so that the memory
    does not grow with the store.

    Args:
        directory: path of the folder that `label` wrote, or a URL that fsspec opens,
            such as `"s3://bucket/targets"`, which is copied first.
        check: bool, compare all bytes with their checksums now, at the speed of the
            disk. Defaults to True; without it, sizes and headers alone are compared,
            and `check()` does the rest.
        copy_to: path of the folder that keeps the copy of a URL: what is there
            unchanged is not copied again. Defaults to None: a temporary folder,
            removed at the end of the process.

    Raises:
        FileNotFoundError: where the folder is no store.
        DamagedStoreError: a ValueError that names the file, the range and its rows.
        ValueError: where the store is not finished.

    Example:

    ```python
    store = keras_kd.store.label(teacher, (images, labels), "targets")
    distiller = Distiller(store, student, methods.hinton())
    distiller.compile("adam", loss)
    distiller.fit(store.dataset((images, labels), batch_size=16), epochs=2)
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        check: bool = True,
        copy_to: str | os.PathLike[str] | None = None,
    ):
        self.name = str(directory).rstrip("/\\").replace("\\", "/").split("/")[-1]
        self._remedy = None
        if is_url(directory):
            self._remedy = f"Open {directory} again: it is copied anew."
            directory = local_copy(str(directory), copy_to, check)
            check = False  # The copy is.
        elif copy_to is not None:
            raise ValueError(
                "`copy_to` is for a URL, such as 's3://bucket/targets'. Received the "
                f"folder {str(directory)!r}, which is read where it is."
            )
        self.folder = Path(directory)
        self.manifest = _manifest(self.folder)
        self._refuse_unfinished()
        files = rows_files(self.folder, self.manifest)
        self._refuse_damaged(whole=check)
        self._arrays: dict[str, dict[str, np.ndarray]] = {}
        for (stem, name), file in files.items():
            self._arrays.setdefault(stem, {})[name] = file.mapped()

    @property
    def taps(self) -> tuple[str, ...]:
        """The taps that are stored."""
        return self.manifest.taps

    @property
    def examples(self) -> int:
        """How many examples were labelled."""
        return self.manifest.layout.examples

    @property
    def views(self) -> int:
        """How many views of each."""
        return self.manifest.layout.views

    @property
    def rows(self) -> int:
        """How many rows that makes."""
        return self.manifest.layout.rows

    @property
    def bytes(self) -> int:
        """Bytes of all rows."""
        return self.rows * self.manifest.row_bytes

    def __repr__(self) -> str:
        return (
            f"StoredTeacher({str(self.folder)!r}): {self.examples:,} examples × "
            f"{self.views} view{'s' if self.views > 1 else ''}, taps "
            f"{list(self.taps)}, {self.bytes / 1e6:,.1f} MB"
        )

    def check(self) -> None:
        """Compare every byte with the checksums, in a flat memory.

        Raises:
            DamagedStoreError: which names the file, the range and its rows.
        """
        self._refuse_damaged(whole=True)

    def dataset(
        self,
        data: Any,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int = 0,
        augment: Any = None,
        drop_remainder: bool = False,
        targets: bool = True,
    ) -> Any:
        """Batches of views with their stored targets, one epoch a pass.

        Args:
            data: what was labelled, as `label` takes it; other labels may stand by it.
            batch_size: int. Defaults to 32.
            shuffle: bool. Defaults to True.
            seed: int, of the order. Defaults to 0.
            augment: what was labelled with. Defaults to None.
            drop_remainder: bool, leave out a smaller last batch. Defaults to False.
            targets: bool; False leaves the targets out: the same batches for a live
                teacher. Defaults to True.

        Returns:
            `tf.data.Dataset` of `(x, y)`, as `Distiller.fit` takes it.

        Raises:
            ValueError: where the data or the augmentation are not those of the store.
        """
        return dataset_of(
            self, data, batch_size=batch_size, shuffle=shuffle, seed=seed,
            augment=augment, drop_remainder=drop_remainder, targets=targets,
        )  # fmt: skip

    def gather(
        self, ids: np.ndarray, view: Any = 0, *, as_kept: bool = False
    ) -> dict[str, Any]:
        """What the teacher left for examples under a view.

        Args:
            ids: int array `(batch,)`.
            view: int, or int array `(batch,)`, counted on from the last view to the
                first. Defaults to 0.
            as_kept: bool, leave what is kept whole in its own type: TensorFlow makes
                float32 of float16 faster. Defaults to False.

        Returns:
            Dict from tap to array `(batch, …)`, or to a structure of them.

        Raises:
            ValueError: for a number that no example of the store has.
        """
        ids = np.asarray(ids)
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise ValueError(
                "`ids` must be a vector of integers. Received: "
                f"{ids.dtype} of shape {ids.shape}."
            )
        if len(ids) and not 0 <= ids.min() <= ids.max() < self.examples:
            wrong = ids[(ids < 0) | (ids >= self.examples)][0]
            raise ValueError(
                f"The store {self.name!r} has the examples 0 to {self.examples - 1}. "
                f"Received: {wrong}."
            )
        rows = self.manifest.layout.row(ids, view)
        found = self.read(rows)

        def seen(leaf):
            arrays = found[leaf.stem]
            if as_kept and isinstance(leaf.field, Whole):
                return arrays["values"]
            return leaf.field.decode(arrays)

        return self._features(seen)

    def read(self, rows: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        """Rows as they are kept: by the stem of a leaf, then by the array's name.

        Args:
            rows: int array, from 0 to the number of rows.
        """
        in_order = len(rows) > 0 and bool((np.diff(rows) == 1).all())

        def taken(array):
            if in_order:
                return array[int(rows[0]) : int(rows[-1]) + 1].copy()
            return rows_of(array, rows)

        return {
            stem: {name: taken(array) for name, array in arrays.items()}
            for stem, arrays in self._arrays.items()
        }

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
            "`store.dataset((x, y), batch_size=...)`, and leave `Agreement` and its "
            "like out of `compile` to evaluate on other data."
        )

    def gives_probabilities(self, tap):
        return tap in self.manifest.notes.get("probabilities", ())

    def _refuse_damaged(self, whole: bool) -> None:
        """Damaged files, and with `whole` damaged rows."""
        folder, manifest = self.folder, self.manifest
        damages = checksums_damage(folder, manifest)
        if not damages and whole:
            damages = find_damages(folder, manifest)
        elif not damages:
            damages = file_damages(rows_files(folder, manifest).values())
        if damages:
            raise DamagedStoreError(folder, damages, self._remedy)

    def _refuse_unfinished(self) -> None:
        """A store without `checksums.json`, or where it has some of the ranges."""
        ranges = self.manifest.layout.ranges
        done = len(done_ranges(self.folder, self.manifest))
        closed = (self.folder / CHECKSUMS).is_file()
        if closed and (done == ranges or not is_sound(self.folder, self.manifest)):
            return
        share = 100 * done // ranges
        raise ValueError(
            f"{self.folder} is labelled to {share} % ({done} of {ranges} ranges): run "
            "`label` again with the same arguments, it goes on with the rest."
        )

    def _features(self, seen) -> dict[str, Any]:
        features: dict[str, Any] = {}
        for leaf in self.manifest.leaves:
            _put(features, (leaf.tap, *leaf.path), seen(leaf))
        if OUTPUT in features:  # part by part as well, as a live teacher has it
            features = output_features(features[OUTPUT]) | features
        return features


def _manifest(folder: Path) -> Manifest:
    try:
        return Manifest.read(folder)
    except ValueError as error:
        if "is damaged" not in str(error):
            raise
        raise ValueError(
            f"{error} Run `label` again with the same arguments: it writes it anew."
        ) from error


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
