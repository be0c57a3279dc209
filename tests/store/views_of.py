"""What the tests of views share: views made outright, and their data."""

import keras
import numpy as np
import tensorflow as tf

from keras_kd.store.data.examples import as_examples
from keras_kd.store.reading.batches import view_batches
from keras_kd.store.views.augment import as_views


def pixels(count=12, size=8, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, size, size, channels), "float32")


def views_of(data, augment, ids, view=0, seed=3, batch_size=None):
    """`(x, y)` of examples under a view, made in batches of a size."""
    ids = np.asarray(ids, "int64")
    places = tf.data.Dataset.from_tensor_slices((ids, np.full_like(ids, view)))
    examples, views = as_examples(data), as_views(augment)
    places = places.batch(batch_size or len(ids))
    batches = list(view_batches(places, examples, views, seed))
    x = keras.tree.map_structure(
        lambda *parts: np.concatenate(parts), *[batch["x"] for batch in batches]
    )
    y = [batch["y"] for batch in batches if "y" in batch]
    return x, np.concatenate(y) if y else None
