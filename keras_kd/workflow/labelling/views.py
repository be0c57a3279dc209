"""The views of a store, made again from what its manifest says of them."""

from __future__ import annotations

from typing import Any

from keras_kd.store.identity.fingerprints import of_teacher
from keras_kd.store.stored import StoredTeacher
from keras_kd.store.views.augmentation import Augmentation
from keras_kd.store.views.views import Views
from keras_kd.teachers import Teacher


def views_to_train_on(
    store: StoredTeacher, teacher: Teacher, augment: Any = None
) -> Views | None:
    """What the workflow augments by, where the targets come from a store.

    Args:
        store: a `StoredTeacher`.
        teacher: the one that the report is to speak of.
        augment: must be None: the store's views are told by its manifest.

    Returns:
        An `Augmentation`, or None where the store holds the images as they are.

    Raises:
        ValueError: where the store is another teacher's, or its views cannot be made
            again from the manifest.
    """
    if augment is not None:
        raise ValueError(
            "`augment` is told by the store, whose targets belong to its views. "
            f"Received: augment={augment!r}; leave it out."
        )
    labelled_by = store.manifest.identities.get("teacher", {}).get("weights")
    if labelled_by is not None and labelled_by != of_teacher(teacher).get("weights"):
        raise ValueError(
            f"The store {store.name!r} was labelled by another teacher than "
            f"{teacher.name!r}: their weights differ."
        )
    told = store.manifest.identities.get("augment")
    if told is None:
        return None
    try:
        return Augmentation.from_identity(told)
    except ValueError as error:
        raise ValueError(
            f"The views of the store {store.name!r} are mixed, or made by a function: "
            "train in Python, on `store.dataset((x, y), augment=...)`."
        ) from error
