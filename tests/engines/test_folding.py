"""BatchNorm in the layer before it: the same function, the same model afterwards."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_kd.engines.folding import folding, folds
from tests.engines.networks import NETWORKS, nested, residual, sequential, trained


def names(pairs):
    return [(pair.layer.name, pair.norm.name) for pair in pairs]


@pytest.mark.parametrize("make", NETWORKS)
def test_a_folded_model_is_the_same_function(make, images):
    x, _ = images
    model = trained(make())
    expected = model(x, training=False)

    def folded(x):
        with folding(folds(model)):
            return model(x, training=False)

    for function in (folded, tf.function(folded)):
        for a, b in zip(
            keras.tree.flatten(expected), keras.tree.flatten(function(x)), strict=True
        ):
            np.testing.assert_allclose(a, b, atol=1e-5)
    assert not any("call" in vars(layer) for layer in model._flatten_layers())


def test_what_is_folded():
    pairs = [("c", "bn"), ("d", "bn_d"), ("hidden", "bn_h")]
    assert names(folds(sequential())) == pairs
    assert names(folds(residual())) == [("c1", "bn1")]
    assert names(folds(nested())) == [("c1", "bn1")]


def test_a_batch_norm_does_not_run_where_it_is_folded(images):
    x, _ = images
    model = trained(residual())

    def operations(pairs):
        def run(x):
            with folding(pairs):
                return model(x, training=False)

        graph = tf.function(run).get_concrete_function(tf.TensorSpec(x.shape)).graph
        return [node.name for node in graph.as_graph_def().node]

    assert any("/bn1" in name for name in operations([]))
    assert not any("/bn1" in name for name in operations(folds(model)))


def test_other_threads_and_passes_find_the_layers_as_they_are(images):
    import threading

    x, _ = images
    model = trained(residual())
    pairs = folds(model)
    norm, seen = model.get_layer("bn1"), []
    expected = np.asarray(norm(np.ones((1, 2, 2, 4), "float32"), training=False))
    with folding(pairs):
        thread = threading.Thread(
            target=lambda: seen.append(norm(np.ones((1, 2, 2, 4), "float32")))
        )
        thread.start()
        thread.join()
        inside = np.asarray(norm(np.ones((1, 2, 2, 4), "float32")))
    np.testing.assert_array_equal(seen[0], expected)
    np.testing.assert_array_equal(inside, 1.0)


def pair(first, norm=None, tail=(), read_twice=False):
    inputs = keras.Input((8, 8, 3))
    y = first(inputs)
    z = (norm or layers.BatchNormalization())(y)
    for layer in tail:
        z = layer(z)
    return keras.Model(inputs, layers.Add()([y, z]) if read_twice else z)


def test_what_is_not_exact_is_left_alone():
    shared = layers.BatchNormalization()
    inputs = keras.Input((8, 8, 3))
    a, b = layers.Conv2D(3, 1)(inputs), layers.Conv2D(3, 1)(inputs)
    twice = keras.Model(inputs, layers.Add()([shared(a), shared(b)]))

    class Own(layers.Conv2D):
        def call(self, x):
            return super().call(x) * 2

    half = layers.Conv2D(3, 1, dtype="mixed_bfloat16")
    left = [
        twice,
        pair(layers.Conv2D(3, 1, activation="relu")),
        pair(layers.Conv2D(3, 1), read_twice=True),
        pair(layers.Conv2D(3, 1), layers.BatchNormalization(axis=1)),
        pair(Own(3, 1)),
        pair(half, layers.BatchNormalization(dtype="mixed_bfloat16")),
        pair(layers.Conv2DTranspose(3, 1)),
    ]
    for model in left:
        assert folds(model) == []
    assert len(folds(pair(layers.Conv2D(3, 1)))) == 1
    model = residual()
    assert folds(model, [model.get_layer("c1")]) == []
