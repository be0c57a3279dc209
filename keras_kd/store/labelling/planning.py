"""What a labelling run will write: a field for each tensor, and whose targets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_kd.store.data.examples import Examples
from keras_kd.store.fields import Leaf, field_for
from keras_kd.store.identity.fingerprints import of_examples, of_teacher
from keras_kd.store.layout import Layout
from keras_kd.store.manifest import Manifest
from keras_kd.store.reading.batches import views_spec
from keras_kd.store.views.views import Views
from keras_kd.taps import is_output
from keras_kd.teachers import Teacher
from keras_kd.types import OUTPUT, Tap
from keras_kd.validation import one_of, positive_int

COMPACT = "compact"
PRECISIONS = ("float32", "float16", "int8", COMPACT)

Precision = str | Mapping[Tap, str] | None
"""One for all taps, or by tap."""


def planned(
    teacher: Teacher,
    examples: Examples,
    making: Views,
    *,
    taps: Sequence[Tap],
    top_k: int | None,
    views: int,
    precision: Precision,
    temperature: float,
    batch_size: int,
    seed: int,
    range_rows: int,
) -> Manifest:
    """The manifest of a run, as `label` takes its arguments; its notes are empty.

    A range begins its batches anew, so `range_rows` is rounded up to whole batches.

    Raises:
        ValueError: for an argument out of range, or a tap that is not there.
    """
    batch_size = positive_int("batch_size", batch_size)
    batches = -(-positive_int("range_rows", range_rows) // batch_size)
    layout = Layout(examples.count, positive_int("views", views), batches * batch_size)
    taps = tuple(dict.fromkeys([taps] if isinstance(taps, str) else taps))
    if not taps:
        raise ValueError("`taps` must name at least one tap. Received none.")
    classes = {tap for tap in taps if gives_classes(teacher, tap)}
    _check(taps, classes, top_k, precision)
    spec = teacher.spec(views_spec(examples, making, seed), taps)
    leaves: list[Leaf] = []
    for tap in taps:
        for path, tensor in keras.tree.flatten_with_path(spec[tap]):
            chosen = _chosen(tap, tap in classes, precision)
            kept = top_k if tap in classes and len(tensor.shape) > 1 else None
            field = field_for(tensor, chosen, top_k=kept, temperature=temperature)
            stem = _stem((tap, *path), {leaf.stem for leaf in leaves})
            leaves.append(Leaf(tap, tuple(path), field, stem))
    identities = {
        "teacher": of_teacher(teacher),
        "data": of_examples(examples),
        "augment": making.identity(),
    }
    return Manifest(layout, tuple(leaves), batch_size, int(seed), identities)


def as_shard(shard: str | tuple[int, int]) -> tuple[int, int]:
    """`"2/8"`, or `(2, 8)`, as `(2, 8)`: the third of eight parts.

    Raises:
        ValueError: for anything else.
    """
    try:
        index, count = shard.split("/") if isinstance(shard, str) else shard
        pair = int(index), int(count)
    except (TypeError, ValueError):
        pair = 0, 0
    if not 0 <= pair[0] < pair[1]:
        raise ValueError(
            "`shard` must be i/N, the number of a part counted from 0 and how many "
            f"there are, such as 0/4. Received: shard={shard!r}."
        )
    return pair


def gives_classes(teacher: Teacher, tap: Tap) -> bool:
    """Whether a tap is the teacher's output, or that of an ensemble's member."""
    name, _, inner = tap.partition("/")
    return is_output(tap) or (
        name in getattr(teacher, "members", ()) and is_output(inner)
    )


def _check(taps, classes, top_k, precision):
    if top_k is not None:
        positive_int("top_k", top_k)
        if not classes:
            raise ValueError(
                f"`top_k` is for the classes of {OUTPUT!r}, which is not among the "
                f"taps. Received: top_k={top_k}, taps={list(taps)}."
            )
    if isinstance(precision, Mapping):
        for tap, value in precision.items():
            one_of("precision", tap, taps)
            one_of(f"precision[{tap!r}]", value, PRECISIONS)
    elif precision is not None:
        one_of("precision", precision, PRECISIONS)
    values = precision.values() if isinstance(precision, Mapping) else [precision]
    if COMPACT in values and top_k is None:
        raise ValueError(
            "`precision='compact'` keeps the largest classes: pass `top_k`, how many. "
            "Received: top_k=None."
        )


def _chosen(tap: Tap, classes: bool, precision: Precision) -> str | None:
    """A tap's precision; one word for all means to each what there is of it."""
    if isinstance(precision, Mapping):
        return precision.get(tap)
    if precision == ("int8" if classes else COMPACT):
        return None  # int8 is for features, compact for the largest of the logits
    return precision


def _stem(parts: tuple[Any, ...], taken: set[str]) -> str:
    """A file's name out of a tap's, and of the place in it."""
    stem = re.sub(r"[^\w@.-]+", "_", "_".join(map(str, parts)))
    return stem if stem not in taken else f"{stem}_{len(taken)}"
