"""What quantization-aware training learned arrives in the file as it was."""

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers

from keras_kd.compress.quantize.training import quantize_aware
from keras_kd.export import export_onnx, prepare
from keras_kd.export.onnx import OnnxRunner
from keras_kd.export.onnx.handlers import scale_and_zero_point
from tests.export.students import data_for


class Ranged(layers.Layer):
    """Fake-quantizes an activation to a range."""

    def __init__(self, low, high, **kwargs):
        super().__init__(**kwargs)
        self.ends = float(low), float(high)

    def call(self, x):
        return tf.quantization.fake_quant_with_min_max_vars(x, *self.ends)


class Snapped(layers.Layer):
    """Calls a layer with its kernel fake-quantized per channel of its last axis."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, shape):
        self.layer.build(shape)

    def call(self, x):
        kernel = self.layer.kernel.value
        far = tf.reduce_max(tf.abs(kernel), axis=range(len(kernel.shape) - 1))
        snapped = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            kernel, -far, far, narrow_range=True
        )
        state = [(self.layer.kernel, snapped)]
        with keras.StatelessScope(state_mapping=state):
            return self.layer(x)


def trained():
    """Convolutions with and without BatchNormalization, pooling, a dense head."""
    rng = np.random.default_rng(0)
    normal = layers.BatchNormalization()
    x = keras.Input((10, 10, 3), name="image")
    y = Snapped(layers.Conv2D(8, 3, use_bias=False))(Ranged(-3, 3)(x))
    y = Ranged(0, 4)(layers.ReLU()(normal(y)))
    y = Ranged(-2, 2)(Snapped(layers.Conv2D(8, 3, padding="same"))(y))
    pointwise = layers.Conv2D(6, 1, bias_initializer="random_normal")
    y = Ranged(-3, 3)(Snapped(pointwise)(y))
    y = Ranged(-1, 1)(layers.GlobalAveragePooling2D()(y))
    y = Ranged(-1, 1)(Snapped(layers.Dense(4))(y))
    # A negative scale turns a kernel's signs around.
    normal.set_weights([rng.uniform(-1, 1, 8) for _ in range(3)] + [np.ones(8)])
    return keras.Model(x, y)


@pytest.fixture
def as_trained(monkeypatch):
    """Take a model for one that `quantize_aware` made."""
    monkeypatch.setattr(prepare, "uncompressed", lambda model, _: (model, True, []))


def test_no_data_is_needed_and_every_kernel_is_int8(as_trained, tmp_path):
    model = trained()
    result = export_onnx(model, tmp_path / "s.onnx", "int8")
    report = result.report
    assert report["calibration_samples"] == 0 and report["float_islands"] == []
    proto = onnx.load(result.path)
    constants = {t.name: t for t in proto.graph.initializer}
    restored = {n.output[0]: n for n in proto.graph.node if "Dequant" in n.op_type}
    products = [n for n in proto.graph.node if n.op_type in ("Conv", "MatMul")]
    assert len(products) == 4
    for node in products:
        kernel = constants[restored[node.input[1]].input[0]]
        assert kernel.data_type == onnx.TensorProto.INT8
        if len(node.input) > 2:
            bias = constants[restored[node.input[2]].input[0]]
            assert bias.data_type == onnx.TensorProto.INT32


def test_the_file_answers_within_two_steps_of_the_training_graph(as_trained, tmp_path):
    model = trained()
    data = data_for(model, 200)
    result = export_onnx(model, tmp_path / "s.onnx", "int8", data)
    (answered,) = OnnxRunner(result.path)(data).values()
    expected = np.asarray(model(data["image"]))
    steps = np.abs(answered - expected) / (2 / 255)
    assert steps.max() < 2.01
    assert (steps > 0.5).mean() < 0.1
    assert len(np.unique(expected)) > 10


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("ends", [(-1.0, 1.0), (0.0, 6.0), (-0.3, 2.7), (-5.0, 0.0)])
def test_the_grid_is_that_of_tensorflow(ends, narrow):
    x = np.linspace(-7, 7, 3001, dtype="float32")
    expected = tf.quantization.fake_quant_with_min_max_vars(
        x, *ends, narrow_range=narrow
    )
    scale, zero = scale_and_zero_point(*ends, narrow=narrow)
    lowest = -127 if narrow else -128
    steps = np.clip(np.rint(x / scale) + zero, lowest, 127)
    off = np.abs((steps - zero) * scale - expected.numpy())
    # On the border between two steps float32 may round either way.
    assert (off > 1e-5).mean() < 0.005 and off.max() < 1.01 * scale


def test_a_network_of_quantize_aware(tmp_path):
    """Depthwise, squeeze and excite, residual: an int8 kernel for every product."""
    x = keras.Input((8, 8, 3), name="image")
    y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(8, 3)(x)))
    z = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(y))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(z)
    gate = layers.Conv2D(8, 1, activation="hard_sigmoid")(gate)
    y = layers.Add()([y, layers.Multiply()([layers.Activation("hard_silu")(z), gate])])
    y = layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D()(y))
    model = quantize_aware(keras.Model(x, y), "int8")
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = data_for(model, 64)
    model.fit(data["image"], np.arange(64) % 4, epochs=4, verbose=0)
    result = export_onnx(model, tmp_path / "s.onnx", "int8")
    assert result.report["float_islands"] == []
    assert "those that the model learned" in result.report["notes"][0]
    expected = np.asarray(model(data["image"], training=False))
    (answered,) = OnnxRunner(result.path)(data).values()
    step = np.diff(np.unique(expected)).min()
    assert np.abs(answered - expected).max() < 4.01 * step
    plain = export_onnx(model, tmp_path / "f.onnx")
    assert "QuantizeLinear" not in plain.report["operators"]
    assert "leaves its ranges behind" in plain.report["notes"][0]
