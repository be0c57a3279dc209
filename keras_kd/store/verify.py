"""Are these the teacher's targets? Random rows are made again and compared."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import tensorflow as tf

from keras_kd.store.data.examples import Examples, as_examples
from keras_kd.store.fields import Field, Leaf
from keras_kd.store.identity.changes import changes_of_identities
from keras_kd.store.identity.fingerprints import of_examples, of_teacher
from keras_kd.store.labelling.readiness import calibrate, refuse_what_cannot_label
from keras_kd.store.labelling.teaching import by_stem, views_at
from keras_kd.store.manifest import Manifest
from keras_kd.store.reading.batches import views_spec
from keras_kd.store.stored import StoredTeacher
from keras_kd.store.views import counter_random
from keras_kd.store.views.augment import as_views
from keras_kd.store.views.views import Views
from keras_kd.taps import is_output
from keras_kd.teachers import Teacher, as_teacher
from keras_kd.validation import positive_int

DRAWN = 0x7E51F
"""What the rows are drawn for."""


@dataclasses.dataclass(frozen=True)
class LeafCheck:
    """How one stored tensor compares with the same made again.

    Args:
        name: str, its tap, and its place where the tap holds several.
        cosine: float, the mean over the rows.
        worst_cosine: float.
        difference: float, the largest absolute difference.
        relative: float, the largest as a share of its row's largest absolute value.
        agreement: float, the share of positions whose stored top class is the
            teacher's (but for ties); None where there are no classes.
        passed: bool.
    """

    name: str
    cosine: float
    worst_cosine: float
    difference: float
    relative: float
    agreement: float | None
    passed: bool


@dataclasses.dataclass(frozen=True)
class StoreCheck:
    """What `verify_store` found; `str` of it is a table.

    Args:
        rows: int, how many were compared.
        leaves: tuple of `LeafCheck`.
        reasons: tuple of str, why the store is not this teacher's and data's.
    """

    rows: int
    leaves: tuple[LeafCheck, ...]
    reasons: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the store is what the teacher would leave."""
        return not self.reasons and all(leaf.passed for leaf in self.leaves)

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {**dataclasses.asdict(self), "passed": self.passed}

    def __str__(self) -> str:
        head = ("tap", "cosine", "worst", "difference", "relative", "top class", "")
        lines = [head, *map(_line, self.leaves)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
        table = [
            "  ".join(
                word.ljust(width) if place == 0 else word.rjust(width)
                for place, (word, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        verdict = f"{self.rows} rows compared: {'passed' if self.passed else 'FAILED'}"
        reasons = [f"The store {reason}." for reason in self.reasons]
        return "\n".join([*(table if self.leaves else ()), verdict, *reasons])


def verify_store(
    store: StoredTeacher | str | os.PathLike[str],
    teacher: Any,
    data: Any,
    augment: Any = None,
    rows: int = 64,
    seed: int = 0,
) -> StoreCheck:
    """Make random rows of a store again, and compare.

    The views are remade as they were labelled, and the teacher runs on them. A tensor
    passes by the precision in which it is kept, row by row: its cosine, its largest
    difference as a share of the row's largest absolute value, and the top class of
    what ends in classes, which must be the teacher's or tie with it.

    | kept in            | cosine    | difference |
    |--------------------|-----------|------------|
    | float32            | 0.99999   | 0.0001     |
    | float16            | 0.99999   | 0.002      |
    | int8               | 0.999     | 0.01       |
    | top k, compact     | 0.999     | 0.03       |

    Of a top k, the probabilities of the stored classes and of the tail are compared. A
    changed teacher, dataset, preprocessing or augmentation is a reason in the result,
    and the numbers tell how far it goes.

    Args:
        store: `StoredTeacher`, or the path of its folder.
        teacher: a `keras.Model` or `Teacher`.
        data: what was labelled, as `label` takes it.
        augment: how it was augmented, as `label` takes it. Defaults to None.
        rows: int, how many are compared, at most those of the store. Defaults to 64.
        seed: int, of their choice. Defaults to 0.

    Returns:
        `StoreCheck`.

    Raises:
        FileNotFoundError: where the folder is no store.
        ValueError: where the store is damaged or unfinished, and for a teacher that
            is itself stored.

    Example:

    ```python
    from keras_kd.store import label

    store = label(teacher, images, "targets")
    verify_store(store, teacher, images).passed  # True
    ```
    """
    rows = positive_int("rows", rows)
    if not isinstance(store, StoredTeacher):
        store = StoredTeacher(store)
    teacher, examples, views = as_teacher(teacher), as_examples(data), as_views(augment)
    refuse_what_cannot_label(teacher)
    manifest = store.manifest
    received = {
        "teacher": of_teacher(teacher),
        "data": of_examples(examples),
        "augment": views.identity(),
    }
    known = {name: received[name] for name in received if name in manifest.identities}
    reasons = changes_of_identities(manifest.identities, known)
    reasons += _unfit(manifest, teacher, examples, views)
    if any(reason.startswith("cannot") for reason in reasons):
        return StoreCheck(0, (), tuple(reasons))
    chosen = np.arange(min(rows, manifest.layout.rows))
    key = int(counter_random.bits(seed, DRAWN))
    chosen = np.sort(counter_random.permuted(chosen, manifest.layout.rows, key))
    again = _made_again(manifest, teacher, examples, views, chosen)
    held = store.read(chosen)
    leaves = tuple(
        _compared(leaf, held[leaf.stem], again[leaf.stem]) for leaf in manifest.leaves
    )
    return StoreCheck(len(chosen), leaves, tuple(reasons))


def _unfit(
    manifest: Manifest, teacher: Teacher, examples: Examples, views: Views
) -> list[str]:
    """Why nothing can be compared."""
    if manifest.layout.examples != examples.count:
        return [
            f"cannot be compared: it has {manifest.layout.examples} examples, the data "
            f"{examples.count}"
        ]
    try:
        x = views_spec(examples, views, manifest.seed)
        spec = teacher.spec(x, manifest.taps)
        tensors = by_stem(spec, manifest.leaves)
    except (ValueError, TypeError, LookupError) as error:
        return [f"cannot be compared: {str(error).splitlines()[0].rstrip('.')}"]
    return [
        f"cannot be compared: its {leaf.stem!r} has the shape {leaf.field.shape}, the "
        f"teacher's {tuple(tensors[leaf.stem].shape[1:])}"
        for leaf in manifest.leaves
        if tuple(tensors[leaf.stem].shape[1:]) != leaf.field.shape
    ]


def _made_again(manifest, teacher, examples, views, chosen) -> dict[str, np.ndarray]:
    """The teacher's tensors of these rows, by stem."""

    def batches(rows):
        places = tf.data.Dataset.from_tensor_slices(rows).batch(manifest.batch_size)
        return views_at(examples, views, manifest, places)

    calibrate(teacher, examples, views, manifest)
    if prepare := getattr(teacher, "prepare", None):
        first = np.arange(min(manifest.batch_size, manifest.layout.rows))
        prepare(next(iter(batches(first))), manifest.taps)
    found: dict[str, list[np.ndarray]] = {leaf.stem: [] for leaf in manifest.leaves}
    for x in batches(chosen):
        features = by_stem(teacher.only(x, manifest.taps), manifest.leaves)
        for stem, tensor in features.items():
            found[stem].append(np.asarray(tensor))
    return {stem: np.concatenate(arrays) for stem, arrays in found.items()}


def _compared(leaf: Leaf, arrays, values: np.ndarray) -> LeafCheck:
    stored, again = (
        np.nan_to_num(x.astype("float64"), nan=np.nan).reshape(len(x), -1)
        for x in leaf.field.comparable(arrays, values)
    )
    apart = np.abs(stored - again).max(-1, initial=0)
    size = np.abs(again).max(-1, initial=0)
    size = np.maximum(size, max(1e-3 * size.max(), np.finfo("float32").tiny))
    lengths = np.linalg.norm(stored, axis=-1) * np.linalg.norm(again, axis=-1)
    both_zero = ~stored.any(-1) & ~again.any(-1)
    products = np.where(both_zero, 1.0, (stored * again).sum(-1))
    cosines = products / np.where(lengths > 0, lengths, 1.0)
    agreement = _agreement(leaf, arrays, values)
    close = leaf.field.closeness
    passed = cosines.min() >= close.cosine and (apart / size).max() <= close.difference
    return LeafCheck(
        "/".join(map(str, (leaf.tap, *leaf.path))),
        float(cosines.mean()),
        float(cosines.min()),
        float(apart.max()),
        float((apart / size).max()),
        agreement,
        bool(passed and agreement in (None, 1.0)),
    )


def _agreement(leaf: Leaf, arrays, values: np.ndarray) -> float | None:
    """The share of positions whose stored top class is the teacher's, or ties."""
    if not _has_classes(leaf.tap, leaf.field):
        return None
    values = values.astype("float64").reshape(-1, values.shape[-1])
    stored = leaf.field.decode(arrays).reshape(values.shape)
    finite = np.where(np.isfinite(values), np.abs(values), 0)
    allowed = leaf.field.closeness.tie * finite.max(-1)
    top = np.take_along_axis(values, stored.argmax(-1)[:, None], -1)[:, 0]
    return float(np.mean(top >= values.max(-1) - allowed))


def _has_classes(tap: str, field: Field) -> bool:
    if field.kind == "top_k":
        return True
    floats = getattr(field.spec(), "dtype", "").startswith("float")
    return is_output(tap) and floats and len(field.shape) > 0 and field.shape[-1] > 1


def _line(leaf: LeafCheck) -> tuple[str, ...]:
    return (
        leaf.name,
        f"{leaf.cosine:.6f}",
        f"{leaf.worst_cosine:.6f}",
        f"{leaf.difference:.2g}",
        f"{leaf.relative:.2g}",
        "" if leaf.agreement is None else f"{100 * leaf.agreement:.1f} %",
        "" if leaf.passed else "FAILED",
    )
