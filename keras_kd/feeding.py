"""Targets that arrive with the batch: the teacher labels while the student trains.

A teacher that runs outside of TensorFlow's graph is called in the input pipeline,
several batches at once, as a store of its outputs would be read there. So the step
itself finds its targets in `y`, and a live teacher and a stored one are one mechanism.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.trainers.data_adapters import array_slicing, get_data_adapter
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from keras_kd.engines.engine import cores
from keras_kd.targets import index_of, pack_targets, unpack_targets
from keras_kd.teachers import Teacher
from keras_kd.types import Tap


def fed(teacher: Teacher, taps: Sequence[Tap], given: dict[str, Any]) -> dict[str, Any]:
    """What `fit` was called with, its batches coming with the teacher's features.

    The order of the examples, their weights, the number of steps and the split for
    validation are those that Keras would have made of the same arguments. Targets
    that the data have already are left as they are.

    Args:
        teacher: what labels.
        taps: what of it is wanted.
        given: the arguments of `keras.Model.fit` by name.

    Returns:
        The arguments to call it with.

    Example:

    ```python
    fast = FrozenTeacher(teacher, engine="litert")
    distiller.fit(**fed(fast, ["output"], {"x": images, "y": labels}))
    ```
    """
    given = dict(given)
    data = given.get("x"), given.get("y"), given.get("sample_weight")
    split = given.pop("validation_split", 0.0)
    if split and given.get("validation_data") is None:
        data, given["validation_data"] = array_slicing.train_validation_split(
            data, validation_split=split
        )
    x, y, sample_weight = data
    adapter = get_data_adapter(
        x=x,
        y=y,
        sample_weight=sample_weight,
        batch_size=given.get("batch_size"),
        steps_per_epoch=given.get("steps_per_epoch"),
        shuffle=given.get("shuffle", True),
        class_weight=given.pop("class_weight", None),
    )
    given |= {"x": FedAdapter(adapter, teacher, taps), "y": None, "sample_weight": None}
    return given


class FedAdapter(DataAdapter):
    """Keras's own adapter of the data, its batches passing the teacher.

    Args:
        adapter: what Keras reads the data by.
        teacher: what labels.
        taps: what of it is wanted.
    """

    def __init__(self, adapter: DataAdapter, teacher: Teacher, taps: Sequence[Tap]):
        self._adapter = adapter
        self._teacher = teacher
        self._taps = tuple(dict.fromkeys(taps))

    def get_tf_dataset(self):
        dataset = self._adapter.get_tf_dataset()
        self._get_ready(dataset.element_spec)
        # In the batches' own order: one for each core, and one more, so that none
        # rests where a batch is done before the one ahead of it.
        dataset = dataset.map(self._taught, cores() + 1, deterministic=True)
        return dataset.prefetch(1)

    def get_numpy_iterator(self):
        return self.get_tf_dataset().as_numpy_iterator()

    @property
    def num_batches(self):
        return self._adapter.num_batches

    @property
    def batch_size(self):
        return self._adapter.batch_size

    @property
    def has_partial_batch(self):
        return self._adapter.has_partial_batch

    @property
    def partial_batch_size(self):
        return self._adapter.partial_batch_size

    def on_epoch_begin(self):
        self._adapter.on_epoch_begin()

    def on_epoch_end(self):
        self._adapter.on_epoch_end()

    def _taught(self, *batch):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(_as_given(batch))
        labels, stored = unpack_targets(y)
        if stored is None:
            features = keras.tree.lists_to_tuples(self._teacher.only(x, self._taps))
            y = pack_targets(labels, features, index_of(y))
        return (x, y) if sample_weight is None else (x, y, sample_weight)

    def _get_ready(self, spec):
        """A model that cannot be converted is told of before the first step."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(_as_given((spec,)))
        size = self.batch_size
        specs = [_sized(s, size) for s in tf.nest.flatten(x)]
        if unpack_targets(y)[1] is None and all(s is not None for s in specs):
            self._teacher.get_ready(tf.nest.pack_sequence_as(x, specs), self._taps)


def _as_given(batch):
    """A dataset's element: `map` takes a tuple apart."""
    return batch[0] if len(batch) == 1 else batch


def _sized(spec, size):
    """The spec with a known batch size; None where a size stays unknown."""
    if not isinstance(spec, tf.TensorSpec) or not spec.shape.rank:
        return None
    shape = (spec.shape[0] or size, *spec.shape[1:])
    return None if None in shape else tf.TensorSpec(shape, spec.dtype)
