"""Teachers whose classes are other ones than the student's, or stand in another order.

log p(c) = log Σ_{j: map(j) = c} softmax(z)_j
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_kd.validation import listing, one_of


class ClassOrder:
    """Which of the student's classes each class of a teacher is.

    Args:
        indices: list with the student's class of each of the teacher's classes, -1
            for one that the student does not have; or None: the same classes.
        classes: int, how many the student has.

    Attributes:
        known: bool array `(classes,)`, True where the teacher has the class.
        renames: bool, whether it has the same classes, in any order.
    """

    def __init__(self, indices: Sequence[int] | None, classes: int):
        self.indices = None if indices is None else list(indices)
        self.known = np.ones(classes, "bool")
        self.renames = True
        if self.indices is None:
            return
        sources: list[list[int]] = [[] for _ in range(classes)]
        for own, of_student in enumerate(self.indices):
            if of_student >= 0:
                sources[of_student].append(own)
        self.known = np.array([bool(source) for source in sources])
        self.renames = sorted(self.indices) == list(range(classes))
        most = max(map(len, sources))
        self._sources = np.array([s + [-1] * (most - len(s)) for s in sources])
        self._sources[~self.known] = 0

    def __call__(self, logits: Any) -> Any:
        """Logits in the student's order.

        They are the teacher's own where it has the same classes, and else logarithms
        of probabilities. At classes that are not `known` they mean nothing.

        Args:
            logits: tensor `(batch, ..., teacher's classes)`.

        Returns:
            Tensor `(batch, ..., classes)`.
        """
        if self.indices is None:
            return logits
        sources = self._sources
        if self.renames:
            return ops.take(logits, sources[:, 0], axis=-1)
        logits = ops.log_softmax(logits, axis=-1)
        found = ops.take(logits, np.maximum(sources, 0).ravel(), axis=-1)
        found = ops.reshape(found, (*ops.shape(logits)[:-1], *sources.shape))
        none = ops.convert_to_tensor(-np.inf, dtype=found.dtype)
        return ops.logsumexp(ops.where(sources >= 0, found, none), axis=-1)

    def completed(self, logits: Any, others: Any) -> Any:
        """The teacher's opinion, and that of others where it has none.

        Within its own classes their ratios stay; all of them together get the
        probability that the others give them.

        Args:
            logits: tensor `(batch, ..., classes)` in the student's order.
            others: logits of the same shape.

        Returns:
            Logarithms of probabilities, of the same shape.
        """
        others = ops.log_softmax(others, axis=-1)
        none = ops.convert_to_tensor(-np.inf, dtype=others.dtype)

        def mass(x):
            x = ops.where(self.known, x, none)
            return ops.logsumexp(x, axis=-1, keepdims=True)

        return ops.where(self.known, logits - mass(logits) + mass(others), others)


def class_orders(
    maps: Mapping[str, Sequence[int]] | None,
    counts: Mapping[str, int | None],
    counted: Sequence[str],
) -> dict[str, ClassOrder] | None:
    """The order of each member's classes; None where nobody can know them yet.

    Args:
        maps: dict from a member's name to the student's classes of its own.
        counts: how many classes each member has, None where that is unknown.
        counted: the members whose weight is not 0.

    Raises:
        ValueError: where a map does not fit, members differ in their classes without
            one, or a class is known to none of those that count.
    """
    maps = {
        one_of("class_maps", name, counts): _checked(name, own, counts[name])
        for name, own in (maps or {}).items()
    }
    sizes = {name: count for name, count in counts.items() if name not in maps}
    named = [max(own) + 1 for own in maps.values()]
    classes = max([*named, *(n for n in sizes.values() if n)], default=None)
    if classes is None:
        return None
    for name, size in sizes.items():
        if size not in (None, classes):
            told = {n: max(maps[n]) + 1 if n in maps else counts[n] for n in counts}
            raise ValueError(
                f"Teachers of one ensemble need the same classes, and {name!r} has "
                f"{size} of {classes}: pass `class_maps={{{name!r}: [...]}}` with the "
                "student's class of each of its classes, -1 for none. Received "
                f"numbers of classes: {told}."
            )
    orders = {name: ClassOrder(maps.get(name), classes) for name in counts}
    known = np.any([orders[name].known for name in counted], axis=0)
    unknown = np.flatnonzero(~known).tolist()
    if unknown:
        raise ValueError(
            "Each of the student's classes must be known to a teacher whose weight is "
            f"not 0. Received `class_maps` without {listing(unknown)}."
        )
    return orders


def _checked(name, indices, count):
    """A map as a list of ints."""
    whole = isinstance(indices, (Sequence, np.ndarray)) and all(
        isinstance(c, numbers.Integral) and not isinstance(c, bool) and int(c) >= -1
        for c in indices
    )
    if not whole:
        raise ValueError(
            f"`class_maps[{name!r}]` must be a list with the student's class, from 0, "
            f"of each of the teacher's classes, or -1 for none. Received: {indices!r}."
        )
    own = [int(c) for c in indices]
    if count is not None and len(own) != count:
        raise ValueError(
            f"`class_maps[{name!r}]` must have an entry for each of the teacher's "
            f"{count} classes. Received: {len(own)} entries."
        )
    if not any(c >= 0 for c in own):
        raise ValueError(
            f"`class_maps[{name!r}]` must name a class of the student. "
            f"Received: {indices!r}."
        )
    return own
