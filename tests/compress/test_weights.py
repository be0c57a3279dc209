"""Kernels that are replaced while their layer runs, and models built anew."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_kd.compress import TransformedWeights, WeightTransform, strip
from keras_kd.compress.kernels import kernels_of
from keras_kd.compress.rewrite import replace_layers
from keras_kd.compress.weights import copy_of, core_of, with_transforms


@keras.saving.register_keras_serializable("tests.compress")
class Doubled(WeightTransform):
    """Twice the kernel, and a count of the training calls."""

    order = 1

    def build(self, kernel_shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, kernel, training=None):
        if training:
            self.calls.assign_add(1.0)
        return 2.0 * kernel


@keras.saving.register_keras_serializable("tests.compress")
class Rounded(WeightTransform):
    order = 2
    quantize_aware = "int8"

    def call(self, kernel, training=None):
        return kernel + ops.stop_gradient(ops.round(kernel * 4) / 4 - kernel)


def network():
    """Functional: a nested Sequential, a shared layer, an operation, batch norm."""
    x = keras.Input((8, 8, 3), name="image")
    y = layers.Conv2D(4, 3, use_bias=False, name="stem")(x)
    y = layers.BatchNormalization(name="norm")(y)
    block = keras.Sequential(
        [keras.Input((6, 6, 4)), layers.DepthwiseConv2D(3, name="depth")], name="block"
    )
    y = layers.GlobalAveragePooling2D(name="pool")(block(y))
    shared = layers.Dense(4, activation="relu", name="shared")
    y = shared(y) + shared(2.0 * y)
    return keras.Model(x, {"a": layers.Dense(3, name="head")(y), "b": y}, name="net")


def doubled(model):
    return replace_layers(
        model,
        lambda x: with_transforms(x, [Doubled()]) if kernels_of(x) else x,
    )


@pytest.fixture
def batch():
    return np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize(
    "layer, shape, axes",
    [
        (layers.Dense(5), (None, 3), [(1,)]),
        (layers.Conv2D(5, 3), (None, 8, 8, 3), [(3,)]),
        (layers.DepthwiseConv2D(3), (None, 8, 8, 3), [(2, 3)]),
        (layers.SeparableConv2D(5, 3), (None, 8, 8, 3), [(2, 3), (3,)]),
        (layers.Conv2DTranspose(5, 3), (None, 8, 8, 3), [(2,)]),
        (layers.Conv1DTranspose(5, 3), (None, 8, 3), [(1,)]),
        (layers.EinsumDense("abc,cde->abde", (None, 2, 3)), (None, 4, 6), [(1, 2)]),
        (layers.LSTM(5), (None, 4, 3), [(1,), (1,)]),
        (layers.Embedding(9, 5), (None, 4), [(0,)]),
        (layers.BatchNormalization(), (None, 4), []),
        (layers.Bidirectional(layers.GRU(5)), (None, 4, 3), [(1,)] * 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_kernels_and_their_channels(layer, shape, axes):
    layer.build(shape)
    assert [kernel.channel_axes for kernel in kernels_of(layer)] == axes


def test_a_copied_model_answers_the_same_and_shares_nothing(batch):
    model = network()
    copy = replace_layers(model, lambda layer: layer)
    expected, answered = model(batch), copy(batch)
    for name in expected:
        np.testing.assert_array_equal(expected[name], answered[name])
    assert [x.name for x in copy.layers] == [x.name for x in model.layers]
    ours = {id(w) for w in copy.weights}
    assert not ours & {id(w) for w in model.weights}


def test_the_kernel_is_replaced_and_the_gradient_reaches_it(batch):
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2, name="head")(x))
    wrapped = doubled(model)
    kernel, bias = model.get_weights()
    inputs = batch[:, 0, :, 0][:, :4]
    np.testing.assert_allclose(
        wrapped(inputs), inputs @ (2 * kernel) + bias, rtol=1e-5, atol=1e-6
    )
    wrapped.compile(keras.optimizers.SGD(1.0), "mse")
    target = np.zeros((4, 2), "float32")
    predicted = np.asarray(wrapped(inputs))
    wrapped.train_on_batch(inputs, target)
    step = 2 * inputs.T @ (2 * predicted / predicted.size)
    np.testing.assert_allclose(
        wrapped.get_layer("head").layer.kernel, kernel - step, rtol=1e-4, atol=1e-5
    )
    assert float(wrapped.get_layer("head").applied[0].calls) == 1


def test_what_the_layer_keeps_is_not_lost(batch):
    """Moving statistics, dropout seeds and losses of a composite layer go on."""

    @keras.saving.register_keras_serializable("tests.compress")
    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = layers.Dense(3, activity_regularizer="l2")
            self.norm = layers.BatchNormalization()
            self.drop = layers.Dropout(0.5)

        def build(self, shape):
            self.dense.build(shape)
            self.norm.build((*shape[:-1], 3))

        def call(self, x, training=None):
            return self.drop(
                self.norm(self.dense(x), training=training), training=training
            )

    block = Block()
    block.build((None, 3))
    wrapped = TransformedWeights(block, [Doubled()])
    x = ops.convert_to_tensor(batch[:, 0, 0])
    first = np.asarray(wrapped(x, training=True))
    assert float(ops.sum(ops.abs(block.norm.moving_mean))) > 0
    assert len(wrapped.losses) == 1
    block.norm.moving_mean.assign(ops.zeros(3))
    second = np.asarray(wrapped(x, training=True))
    assert (first != second).any()


def test_training_and_saving_go_on(tmp_path, batch):
    model = doubled(network())
    loss = {"a": "mse", "b": "mse"}
    model.compile("sgd", loss, jit_compile=False)
    targets = {"a": np.ones((4, 3)), "b": np.ones((4, 4))}
    model.fit(batch, targets, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(
        loaded.predict(batch, verbose=0)["a"],
        model.predict(batch, verbose=0)["a"],
        rtol=1e-5,
        atol=1e-6,
    )
    assert float(loaded.get_layer("head").applied[0].calls) == 2


def test_strip_leaves_the_plain_layer_with_the_result(batch):
    model = doubled(network())
    plain = strip(model)
    assert not any(isinstance(x, TransformedWeights) for x in plain._flatten_layers())
    np.testing.assert_allclose(plain(batch)["a"], model(batch)["a"], rtol=1e-5)
    head = plain.get_layer("head").kernel
    np.testing.assert_allclose(head, 2 * core_of(model.get_layer("head")).kernel)


def test_transforms_add_up_in_order_and_keep_their_state(batch):
    layer = layers.Dense(2, name="head")
    layer.build((None, 3))
    first = with_transforms(layer, [Doubled()])
    first.applied[0].calls.assign(7.0)
    both = with_transforms(first, [Rounded()])
    assert float(both.applied[0].calls) == 7
    kernel = np.asarray(layer.kernel)
    np.testing.assert_allclose(both.kernels()[0][1], np.round(2 * kernel * 4) / 4)
    baked = both.stripped("quantization")
    assert type(baked) is layers.Dense
    np.testing.assert_allclose(baked.kernel, both.kernels()[0][1])
    with pytest.raises(ValueError, match="The order is prune, cluster"):
        with_transforms(with_transforms(layer, [Rounded()]), [Doubled()])


def test_attention_with_several_inputs_is_wrapped(batch):
    x = keras.Input((6, 8))
    y = layers.MultiHeadAttention(2, 4, dropout=0.1, name="attention")(x, x)
    model = keras.Model(x, y)
    wrapped = doubled(model)
    tokens = np.random.default_rng(1).normal(size=(2, 6, 8)).astype("float32")
    np.testing.assert_allclose(wrapped(tokens), strip(wrapped)(tokens), rtol=1e-5)


def test_masks_reach_the_layer_inside():
    x = keras.Input((None,), dtype="int32")
    y = layers.Embedding(9, 4, mask_zero=True, name="table")(x)
    model = keras.Model(x, layers.LSTM(3, name="memory")(y))
    tokens = np.array([[1, 2, 0, 0, 0, 0], [3, 4, 5, 6, 7, 8]])
    wrapped = doubled(model)
    for name in ("table", "memory"):
        layer = model.get_layer(name)
        for kernel in kernels_of(layer):
            kernel.variable.assign(2 * kernel.variable)
    np.testing.assert_allclose(wrapped(tokens), model(tokens), rtol=1e-5, atol=1e-6)
    short = np.asarray(model(tokens[:1, :2]))
    np.testing.assert_allclose(wrapped(tokens)[:1], short, rtol=1e-5, atol=1e-6)


def test_a_model_without_a_graph_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="subclassed"):
        strip(Own())
    with pytest.raises(TypeError, match="keras.Model"):
        strip(layers.Dense(2))
    with pytest.raises(ValueError, match="not built"):
        strip(keras.Sequential([layers.Dense(2)]))


def test_copies_keep_what_was_adapted():
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, size=(50, 4)))
    x = ops.ones((2, 4))
    np.testing.assert_allclose(copy_of(layer)(x), layer(x))
