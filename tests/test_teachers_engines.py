"""A frozen teacher by its engine and precision: the same answers, in other ways."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import EnsembleTeacher, FrozenTeacher, SelfTeacher
from keras_kd.engines.engine import EngineError
from tests.engines.networks import trained, two_outputs
from tests.models import cnn

FAST = ("litert", "onnx")


def softmaxed(name="t"):
    inputs = keras.Input((6, 6, 3))
    return keras.Model(
        inputs, cnn("inner", activation="softmax")(grown(inputs)), name=name
    )


def grown(x):
    return keras.layers.ZeroPadding2D(1)(x)


@pytest.mark.parametrize("engine", FAST)
def test_preprocess_size_and_probabilities_stay_around_the_engine(engine, images):
    x, _ = images
    seen = {}
    for name in ("tensorflow", engine):
        teacher = FrozenTeacher(
            softmaxed(), lambda x: x / 2 + 1, 6, from_probabilities=True, engine=name
        )
        seen[name] = teacher(x)["output"]
        ahead = tf.function(lambda x, t=teacher: t(x)["output"])(tf.constant(x))
        assert ahead.shape == (64, 5)
        np.testing.assert_allclose(ahead, seen[name], atol=1e-5)
    np.testing.assert_allclose(seen[engine], seen["tensorflow"], atol=1e-4)


def test_outputs_and_taps_inside_and_outside_a_graph(images):
    x, _ = images
    model = trained(two_outputs())
    expected = FrozenTeacher(model)(x, ["body"])
    teacher = FrozenTeacher(model, engine="litert")
    for call in (teacher, tf.function(lambda x, taps: teacher(x, taps))):
        found = call(x, ["body"])
        assert set(found) == set(expected)
        assert set(found) == {"body", "output", "output/kind", "output/boxes"}
        for a, b in zip(
            keras.tree.flatten(found), keras.tree.flatten(expected), strict=True
        ):
            np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("engine", ["tensorflow", *FAST])
def test_only_what_is_wanted(engine, images):
    x, _ = images
    model = cnn("t")
    found = FrozenTeacher(model, engine=engine).only(x, ["gap"])
    assert list(found) == ["gap"]
    expected = FrozenTeacher(model)(x, ["gap"])["gap"]
    np.testing.assert_allclose(found["gap"], expected, atol=1e-5)


def test_shapes_are_known_without_a_conversion():
    teacher = FrozenTeacher(cnn("t"), engine="litert")
    spec = teacher.spec(keras.KerasTensor((None, 8, 8, 3)), ["body"])
    assert spec["output"].shape == (None, 5)
    assert spec["body"].shape == (None, 8, 8, 4)
    assert not teacher._engine._plans


def test_prepare_chooses_and_takes_over_new_weights(images):
    x, _ = images
    model = cnn("t")
    teacher = FrozenTeacher(model, engine="auto")
    assert teacher.chosen is None and teacher.runs_ahead
    teacher.prepare(x)
    assert teacher.chosen in ("tensorflow", *FAST)
    teacher.engine = "litert"
    before = np.asarray(teacher(x)["output"])
    model.get_layer("head").bias.assign_add([1.0] * 5)
    teacher.prepare(x)
    np.testing.assert_allclose(teacher(x)["output"], before + 1, atol=1e-5)


def test_who_runs_ahead():
    model = cnn("t")
    assert not FrozenTeacher(model).runs_ahead
    assert not SelfTeacher().runs_ahead
    fast = FrozenTeacher(model, engine="onnx")
    assert fast.runs_ahead and fast.engine == fast.chosen == "onnx"
    assert EnsembleTeacher({"a": fast, "b": fast}).runs_ahead
    assert not EnsembleTeacher({"a": fast, "b": model}).runs_ahead


def test_int8_agrees_after_calibration(images):
    x, y = images
    model = cnn("t", width=8)
    model.compile(
        keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(True)
    )
    x = x + y[:, None, None, None] - 2  # something to learn
    model.fit(x, y, epochs=15, verbose=0)
    many = np.concatenate([x, x + 0.01])
    teacher = FrozenTeacher(model, engine="litert", precision="int8")
    with pytest.raises(EngineError, match="call `teacher.calibrate"):
        teacher(x)
    teacher.calibrate(many)
    assert teacher.agreement(many) >= 0.9
    difference = np.abs(teacher(x)["output"] - model(x, training=False)).max()
    assert 0 < difference < 0.2 * np.abs(model(x)).max()
    model.get_layer("head").kernel.assign(-model.get_layer("head").kernel)
    assert teacher.agreement(many) < 0.5


def test_an_int8_softmax_keeps_small_probabilities(images):
    x, _ = images
    model = cnn("t", classes=50, activation="softmax")
    head = model.get_layer("head")
    head.kernel.assign(head.kernel * 20.0)
    teacher = FrozenTeacher(
        model, from_probabilities=True, engine="litert", precision="int8"
    )
    teacher.calibrate(np.concatenate([x, x]))
    expected = FrozenTeacher(model, from_probabilities=True)(x)["output"]
    assert np.abs(teacher(x)["output"] - expected).mean() < 0.5


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_is_a_copy(precision, images):
    x, _ = images
    model = trained(two_outputs())
    teacher = FrozenTeacher(model, precision=precision)
    found, expected = teacher(x, ["body"]), FrozenTeacher(model)(x, ["body"])
    assert found["body"].dtype == "float32"
    missed = np.abs(found["output/kind"] - expected["output/kind"]).max()
    assert 0 < missed < 0.1
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    assert teacher.models == (model,)


def test_folding_in_tensorflow_is_a_choice(images):
    x, _ = images
    model = trained(cnn("t"))
    exact = FrozenTeacher(model)(x, ["body"])
    np.testing.assert_array_equal(exact["output"], model(x, training=False))
    folded = FrozenTeacher(model, fold=True)(x, ["body"])
    for tap in ("output", "body"):
        np.testing.assert_allclose(folded[tap], exact[tap], atol=1e-5)
    assert np.any(np.asarray(folded["body"]) != np.asarray(exact["body"]))


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"engine": "litrt"}, "Did you mean 'litert'"),
        ({"precision": "int4"}, "Did you mean 'int8'"),
        ({"precision": "int8"}, "precision='int8' needs engine='litert'"),
        (
            {"engine": "litert", "precision": "float16"},
            "precision='float16' needs engine='tensorflow'",
        ),
    ],
)
def test_refusals(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        FrozenTeacher(cnn("t"), **arguments)


def test_calibration_is_for_int8(images):
    with pytest.raises(ValueError, match="`calibrate` is for precision='int8'"):
        FrozenTeacher(cnn("t"), engine="litert").calibrate(images[0])
