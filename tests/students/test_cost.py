"""What models cost, against counts by hand and against the exported file."""

import keras
import pytest
from keras import layers, ops

from keras_kd.export import export_tflite, schema
from keras_kd.students import cost_of
from tests.models import Subclassed
from tests.students.nets import Own, chain, next_like, residual


def one(layer, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    return cost_of(keras.Model(inputs, layer(*inputs)))


BY_HAND = {
    # (layer, shapes of inputs): parameters, multiply-accumulates
    "dense": (lambda: layers.Dense(5), [(7,)], 7 * 5 + 5, 7 * 5),
    "tokens": (lambda: layers.Dense(5), [(6, 7)], 40, 6 * 35),
    "conv": (
        lambda: layers.Conv2D(4, 3, strides=2, padding="same"),
        [(8, 8, 3)],
        3 * 3 * 3 * 4 + 4,
        4 * 4 * 108,
    ),
    "groups": (lambda: layers.Conv2D(4, 3, groups=2), [(8, 8, 6)], 112, 36 * 108),
    "conv1d": (lambda: layers.Conv1D(4, 3), [(8, 3)], 40, 6 * 36),
    "depthwise": (lambda: layers.DepthwiseConv2D(3), [(8, 8, 5)], 50, 36 * 45),
    "separable": (
        lambda: layers.SeparableConv2D(4, 3, depth_multiplier=2, use_bias=False),
        [(8, 8, 5)],
        90 + 40,
        36 * 130,
    ),
    "transposed": (
        lambda: layers.Conv2DTranspose(4, 3, strides=2),
        [(8, 8, 3)],
        112,
        64 * 108,
    ),
    "batch_norm": (lambda: layers.BatchNormalization(), [(8, 8, 5)], 20, 0),
    "table": (lambda: layers.Embedding(9, 4), [(6,)], 36, 0),
    "attention": (
        lambda: lambda x: layers.MultiHeadAttention(2, 3, value_dim=5)(x, x),
        [(6, 8)],
        2 * (8 * 6 + 6) + (8 * 10 + 10) + (10 * 8 + 8),
        6 * (2 * 48 + 80 + 80) + 2 * 6 * 6 * (3 + 5),
    ),
    "crossed": (
        lambda: lambda x, y: layers.MultiHeadAttention(2, 3)(x, value=y),
        [(6, 8), (4, 7)],
        (48 + 6) + 2 * (42 + 6) + (48 + 8),
        6 * (48 + 48) + 4 * 2 * 42 + 2 * 6 * 4 * (3 + 3),
    ),
    "lstm": (lambda: layers.LSTM(4), [(6, 3)], 4 * (12 + 16 + 4), 6 * 4 * (12 + 16)),
    "einsum": (
        lambda: layers.EinsumDense("abc,cde->abde", (6, 2, 3)),
        [(6, 8)],
        48,
        6 * 48,
    ),
    "einsum_dots": (
        lambda: layers.EinsumDense("...x,xy->...y", 4),
        [(6, 8)],
        32,
        6 * 32,
    ),
    "matmul": (lambda: ops.matmul, [(6, 8), (8, 5)], 0, 6 * 8 * 5),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_layer_counted_by_hand(name):
    make, shapes, parameters, macs = BY_HAND[name]
    cost = one(make(), *shapes)
    assert (cost.parameters, cost.macs) == (parameters, macs)
    assert (cost.bytes, cost.uncounted) == (4 * parameters, ())


def test_what_is_called_twice_has_its_weights_once_and_its_products_twice():
    layer = layers.Dense(4, use_bias=False)
    nested = keras.Sequential([keras.Input((4,)), layers.Dense(4, use_bias=False)])
    x = keras.Input((4,))
    cost = cost_of(keras.Model(x, nested(layer(nested(layer(x))))))
    assert (cost.parameters, cost.macs) == (32, 64)


def test_bytes_are_those_of_the_dtype():
    x = keras.Input((4,), dtype="float16")
    cost = cost_of(keras.Model(x, layers.Dense(3, dtype="float16")(x)))
    assert cost.bytes == 2 * cost.parameters == 30


@pytest.mark.parametrize("make", [residual, next_like])
def test_parameters_are_those_of_keras(make):
    assert cost_of(make()).parameters == make().count_params()


def test_products_are_those_of_the_exported_file(tmp_path):
    net = chain(
        layers.Conv2D(6, 3, strides=2, padding="same"),
        layers.DepthwiseConv2D(3),
        layers.SeparableConv2D(5, 2),
        layers.Conv2DTranspose(2, 3),
        layers.Flatten(),
        layers.Dense(3),
    )
    path = export_tflite(net, tmp_path / "net.tflite", "float32").path
    assert cost_of(net).macs == schema.macs(schema.load(path))


def test_what_is_not_known_is_said():
    class Mixing(Own):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 2), name="kernel")

        def call(self, x):
            return ops.matmul(x, self.kernel)

    cost = one(Mixing(name="mixing"), (4,))
    assert (cost.parameters, cost.macs, cost.uncounted) == (8, 0, ("mixing",))
    assert str(cost) == (
        "8 parameters, 0 multiply-accumulates, without mixing, 32 bytes"
    )
    open_sized = one(layers.Conv2D(4, 3), (None, None, 3))
    assert (open_sized.parameters, open_sized.macs) == (112, None)
    assert "unknown multiply-accumulates" in str(open_sized)


def test_a_subclassed_model_is_refused():
    model = Subclassed(name="s")
    with pytest.raises(ValueError, match="'s' is subclassed"):
        cost_of(model)
