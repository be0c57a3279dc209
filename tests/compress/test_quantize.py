"""int8 training: the file equals the graph, and what cannot be had is refused."""

import keras
import numpy as np
import pytest
from keras import layers as L
from keras import ops

from keras_kd.compress import quantization_mode, quantize_aware, strip
from keras_kd.compress.quantize.fake_quant import quantize_kernel, quantize_range
from keras_kd.compress.quantize.ranges import FixedRange, ObservedRange, Range
from keras_kd.compress.weights import core_of
from keras_kd.export import export_tflite
from keras_kd.export.runtime import Runner
from tests.compress.quantized_nets import (
    NETS,
    make,
    mobile,
    nested,
    plain,
    residual,
    samples,
    squeezed,
)


def steps_apart(model, path, x):
    """How far the file is from the graph, in steps of its output."""
    runner = Runner(path)
    [details] = runner.outputs.values()
    scale = details["quantization"][0]
    [name] = runner.inputs
    found = np.concatenate(
        [next(iter(runner({name: one[None]}).values())) for one in x]
    )
    expected = np.asarray(model(x, training=False))
    return np.abs(found - expected) / scale, found, expected


@pytest.mark.parametrize("build", NETS, ids=lambda build: build.__name__)
def test_the_file_equals_the_graph(build, tmp_path):
    model = make(build)
    x = samples(model)
    student = quantize_aware(model, calibration_data=x)
    assert quantization_mode(student) == "int8"
    result = export_tflite(student, tmp_path / "m.tflite", recipe="int8")
    assert result.report["float_islands"] == []
    assert "FLOAT32" not in result.report["tensor_dtypes"]
    apart, found, expected = steps_apart(student, result.path, x[:8])
    # LiteRT's hard-swish has an entry in a table of 256 that differs here and there.
    assert np.mean(apart > 0.5) <= 0.1
    assert apart.max() <= 1.001
    if expected.shape[-1] > 1:
        surest = np.sort(expected, -1)
        clear = surest[..., -1] - surest[..., -2] > 0.02
        assert (found.argmax(-1) == expected.argmax(-1))[clear].all()


def joined(x):
    """A concatenation of two ranges."""
    return L.Concatenate()([x, L.Activation("tanh")(x)])


def after_norm(x):
    """A convolution, batch normalization and ReLU."""
    return L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 1)(x)))


OPERATORS = {
    "conv": lambda: L.Conv2D(8, 3, padding="same"),
    "norm": lambda: after_norm,
    "depthwise": lambda: L.DepthwiseConv2D(3, depth_multiplier=2),
    "separable": lambda: L.SeparableConv2D(8, 3),
    "transpose": lambda: L.Conv2DTranspose(8, 2, strides=2),
    "dense": lambda: L.Dense(8),
    "gelu": lambda: L.Dense(8, activation="gelu"),
    "affine": lambda: L.BatchNormalization(),
    "leaky": lambda: L.LeakyReLU(),
    "leaky dense": lambda: L.Dense(8, activation="leaky_relu"),
    "concatenation": lambda: joined,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_of_the_file_rounds_what_the_graph_rounds(name, tmp_path):
    """Biases and factors between ranges too, so that no value stands elsewhere."""
    model = make(lambda: (x := keras.Input((12, 12, 8)), OPERATORS[name]()(x)))
    x = samples(model)
    student = quantize_aware(model, calibration_data=x)
    result = export_tflite(student, tmp_path / "m.tflite", recipe="int8")
    differ = np.mean(steps_apart(student, result.path, x)[0] > 0.5)
    sources = [part for part in student._flatten_layers() if isinstance(part, Range)]
    assert any(part.source for part in sources)
    for part in sources:
        part.source = None
    without = np.mean(steps_apart(student, result.path, x)[0] > 0.5)
    assert differ <= 3e-4 and without > differ


@pytest.mark.parametrize("build", NETS, ids=lambda build: build.__name__)
def test_strip_gives_the_plain_model_back(build):
    model = make(build)
    x = samples(model, 4)
    plain = strip(quantize_aware(model, calibration_data=x))
    assert [(w.name, w.shape) for w in plain.weights] == [
        (w.name, w.shape) for w in model.weights
    ]
    ours = {type(part).__module__.split(".")[0] for part in plain._flatten_layers()}
    assert ours == {"keras"}
    apart = np.abs(np.asarray(plain(x)) - np.asarray(model(x))).max()
    assert apart < 0.15 * np.abs(np.asarray(model(x))).max() + 0.02
    assert quantization_mode(plain) is None


def test_ranges_are_where_operators_of_the_file_end():
    student = quantize_aware(make(plain))
    names = [layer.name for layer in student.layers]
    assert [n.removesuffix("_range") for n in names if n.endswith("_range")] == [
        model_name
        for model_name in ("input_layer", *names)
        if model_name.startswith(("input_layer", "activation", "dense"))
        and not model_name.endswith("_range")
    ][1:]


def test_kernels_are_rounded_per_output_channel():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 2)).astype("float32")
    kernel[..., 1, 0] = 0
    for axes in ((3,), (2, 3), (2,)):
        for bits, most in ((8, 127), (4, 7)):
            rounded = np.asarray(quantize_kernel(kernel, axes, bits))
            others = tuple(i for i in range(4) if i not in axes)
            scale = np.abs(kernel).max(others, keepdims=True) / most
            safe = np.where(scale == 0, 1, scale)
            np.testing.assert_allclose(
                rounded, np.round(kernel / safe) * scale, rtol=1e-5, atol=1e-7
            )
            assert (rounded[kernel == 0] == 0).all()
            again = np.asarray(quantize_kernel(rounded, axes, bits))
            np.testing.assert_allclose(again, rounded, rtol=1e-6)


def test_gradients_go_straight_through():
    import tensorflow as tf

    kernel = tf.Variable([[1.0, 0.3], [-0.2, 0.9]])
    with tf.GradientTape() as tape:
        loss = ops.sum(quantize_kernel(kernel, [1]) * [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(tape.gradient(loss, kernel), [[1, 2], [3, 4]])
    x = tf.Variable([-0.5, 0.0, 0.5, 2.0])
    with tf.GradientTape() as tape:
        loss = ops.sum(quantize_range(x, 0.0, 1.0))
    np.testing.assert_allclose(tape.gradient(loss, x), [0, 1, 1, 0])


def test_a_range_is_watched_before_it_rounds():
    layer = ObservedRange(delay=2, momentum=0.5)
    x = ops.convert_to_tensor([[-1.0, 0.3, 3.0]])
    np.testing.assert_array_equal(layer(x), x)  # nothing seen
    np.testing.assert_array_equal(layer(x, training=True), x)
    np.testing.assert_array_equal(layer(2 * x, training=True), 2 * x)
    assert (float(layer.minimum), float(layer.maximum)) == (-1.5, 4.5)
    assert not np.array_equal(layer(x, training=True), x)
    assert not np.array_equal(layer(x), x)
    assert float(layer.steps) == 3


def test_zero_is_always_in_the_range():
    layer = ObservedRange()
    layer(ops.convert_to_tensor([[2.0, 3.0]]), training=True)
    assert float(layer.minimum) == 0
    layer = ObservedRange()
    np.testing.assert_array_equal(layer(ops.zeros((1, 2)), training=True), [[0, 0]])


def test_prescribed_ranges_are_the_formats():
    student = quantize_aware(make(mobile))
    head = student.get_layer("head_range")
    assert isinstance(head, FixedRange) and head.maximum == 255 / 256


def test_calibration_widens_to_all_it_sees():
    x = keras.Input((2,))
    model = keras.Model(x, L.Dense(1, name="d")(x))
    data = np.array([[-3.0, 1.0]] * 40 + [[0.5, 9.0]], "float32")
    for given in (data, iter([(data[:20], 0), (data[20:], 0)])):
        student = quantize_aware(model, calibration_data=given)
        layer = next(x for x in student.layers if isinstance(x, ObservedRange))
        assert (float(layer.minimum), float(layer.maximum)) == (-3, 9)
    with pytest.raises(ValueError, match="empty"):
        quantize_aware(model, calibration_data=[])


def test_a_tap_sees_the_layers_own_result():
    """The activation before it is rounded, also where the layer was split."""
    from keras_kd.taps import FeatureExtractor

    x = keras.Input((6,))
    model = keras.Model(x, L.Dense(4, activation="softmax", name="body")(x))
    data = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    student = quantize_aware(model, calibration_data=data)
    features = FeatureExtractor(student, ["body"])(data)
    sums = np.asarray(features["body"]).sum(-1)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    np.testing.assert_allclose(features["body"], model(data), atol=0.02)
    steps = np.asarray(features["output"]) * 256
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)


def test_ranges_of_a_nested_model_learn():
    """Keras trains a backbone that was called with training=False, and so do we."""
    model = make(nested)
    student = quantize_aware(model)
    student(samples(model, 8), training=True)
    strip(student, keep="quantization")


def test_ranges_never_seen_are_refused(tmp_path):
    student = quantize_aware(make(plain))
    with pytest.raises(ValueError, match="never observed.*calibration_data"):
        export_tflite(student, tmp_path / "m.tflite", "int8")


def one(layer, shape=(8, 8, 4), dtype="float32"):
    x = keras.Input(shape, dtype=dtype)
    return keras.Model(x, layer(x))


@pytest.mark.parametrize(
    "model, words",
    [
        (lambda: one(L.LayerNormalization(name="ln")), "'ln' .LayerNormalization"),
        (lambda: one(L.LSTM(3, name="memory"), (4, 2)), "'memory' .LSTM"),
        (lambda: one(L.Dense(3, activation="selu", name="d")), "'d' .Dense with selu"),
        (lambda: one(L.ReLU(2.0, name="r")), "'r' .ReLU with max_value=2.0"),
        (lambda: one(lambda x: x / (x + 1.0)), "TrueDivide"),
        (lambda: one(lambda x: ops.exp(x)), "Exp"),
        (lambda: one(L.BatchNormalization(axis=1, name="n")), "'n'"),
        (lambda: one(L.Embedding(5, 2), (4,), "int32"), "int32.*weight_only_int8"),
        (
            lambda: one(lambda x: L.MultiHeadAttention(2, 2, name="a")(x, x), (4, 2)),
            "'a' .MultiHeadAttention.*weight_only_int8.*dynamic_int8",
        ),
    ],
    ids=range(9),
)
def test_what_has_no_integers_is_named(model, words):
    with pytest.raises(ValueError, match=words):
        quantize_aware(model())


def test_wrong_arguments():
    model = one(L.Conv2D(2, 1))

    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="Did you mean 'int8'"):
        quantize_aware(model, "int")
    with pytest.raises(ValueError, match="`engine`"):
        quantize_aware(model, engine="torch")
    with pytest.raises(ValueError, match="`delay`"):
        quantize_aware(model, delay=-1)
    with pytest.raises(ValueError, match="`momentum`"):
        quantize_aware(model, momentum=1.0)
    with pytest.raises(ValueError, match="`freeze_batch_norm_after`"):
        quantize_aware(model, freeze_batch_norm_after=-5)
    with pytest.raises(ValueError, match="neither engine='tfmot' nor calibration"):
        quantize_aware(model, "weight_only_int8", engine="tfmot")
    with pytest.raises(ValueError, match="subclassed"):
        quantize_aware(Own())
    with pytest.raises(TypeError, match="keras.Model"):
        quantize_aware(L.Dense(2))
    with pytest.raises(ValueError, match="already .mode='int8'"):
        quantize_aware(quantize_aware(model))
    with pytest.raises(ValueError, match="mixed_float16"):
        quantize_aware(one(L.Conv2D(2, 1, dtype="mixed_float16")))


def test_zeros_of_a_pruned_model_stay():
    from keras_kd.compress import prune

    model = make(residual)
    pruned = prune(model, 0.5)
    x = samples(model, 4)
    student = quantize_aware(pruned, calibration_data=x)
    for layer in pruned.layers:
        if isinstance(core_of(layer), L.Conv2D):
            kernel = np.asarray(strip(pruned).get_layer(layer.name).kernel)
            ours = np.asarray(strip(student).get_layer(layer.name).kernel)
            assert (ours[kernel == 0] == 0).all()


def test_the_loaded_model_is_the_same(tmp_path):
    for build in (mobile, residual, squeezed, nested):
        model = make(build)
        x = samples(model, 4)
        student = quantize_aware(model, calibration_data=x)
        student.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_array_equal(loaded(x), student(x))
        # What the exporter takes leaves it to the converter to round biases.
        low, high = student.layers[-1].bounds
        kept = strip(loaded, keep="quantization")(x)
        np.testing.assert_allclose(kept, student(x), atol=2.01 * (high - low) / 255)


def phone_network(name):
    """An untrained network of `keras.applications`, and eight blocky pictures."""
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(
        input_shape=(96, 96, 3),
        weights=None,
        classes=10,
        classifier_activation=None,
    )
    x = np.random.default_rng(0).random((8, 6, 6, 3)).repeat(16, 1).repeat(16, 2)
    return model, (255 * x).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetB0"])
def test_phone_networks(name, tmp_path):
    model, x = phone_network(name)
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, L.BatchNormalization):
            size = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.1, size))
            layer.moving_variance.assign(rng.uniform(0.5, 1.5, size))
            layer.gamma.assign(rng.uniform(0.7, 1.3, size))
    student = quantize_aware(model, calibration_data=x)
    result = export_tflite(student, tmp_path / "m.tflite", recipe="int8")
    assert result.report["float_islands"] == []
    assert "FLOAT32" not in result.report["tensor_dtypes"]
    apart, found, expected = steps_apart(student, result.path, x)
    # One value in a thousand that falls to the other side is loud 100 layers later.
    assert apart.max() <= 5.001 and apart.mean() <= 2
    np.testing.assert_array_equal(found.argmax(-1), expected.argmax(-1))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The int8 file misses the model")
def test_the_file_is_nearer_to_the_graph_than_the_graph_to_the_floats(tmp_path):
    """Where 150 layers of random weights make every rounding louder.

    A value on an edge that falls to the other side is a whole step in the next layer,
    so file and graph drift apart with depth: never further than rounding itself.
    """
    model, x = phone_network("MobileNetV3Small")
    for layer in model._flatten_layers():
        if isinstance(layer, L.BatchNormalization):
            layer.momentum = 0.0
    model(x, training=True)
    student = quantize_aware(model, calibration_data=x)
    result = export_tflite(student, tmp_path / "m.tflite", recipe="int8")
    _, found, expected = steps_apart(student, result.path, x)
    rounding = np.square(expected - np.asarray(model(x))).sum()
    assert np.square(found - expected).sum() < rounding


def test_several_inputs_and_outputs(tmp_path):
    picture, facts = (
        keras.Input((8, 8, 3), name="picture"),
        keras.Input((5,), name="facts"),
    )
    y = L.GlobalAveragePooling2D()(L.Conv2D(8, 3, activation="relu")(picture))
    y = L.Concatenate(name="both")([y, L.Dense(8, activation="relu")(facts)])
    model = keras.Model(
        {"picture": picture, "facts": facts},
        {"kind": L.Dense(4, name="kind")(y), "seen": y},
    )
    rng = np.random.default_rng(0)
    x = {
        "picture": rng.normal(size=(40, 8, 8, 3)).astype("float32"),
        "facts": rng.normal(size=(40, 5)).astype("float32"),
    }
    student = quantize_aware(model, calibration_data=x)
    result = export_tflite(student, tmp_path / "m.tflite", recipe="int8")
    assert result.report["float_islands"] == []
    runner = Runner(result.path)
    expected = student({name: array[:1] for name, array in x.items()})
    found = runner({name: array[:1] for name, array in x.items()})
    for name, details in runner.outputs.items():
        apart = np.abs(found[name] - np.asarray(expected[name]))
        assert apart.max() <= 1.001 * details["quantization"][0]
    plain = strip(student)({name: array[:1] for name, array in x.items()})
    assert set(plain) == {"kind", "seen"}
