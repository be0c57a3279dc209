"""TFMOT on Keras 3 students: an import without traces, the bridge, its methods."""

import builtins
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.compress import prune, sparsity, strip, tfmot
from keras_kd.compress.pruning.schedules import schedule_of
from keras_kd.compress.selection import kernel_values
from keras_kd.compress.tfmot.load import load_tf_keras, quiet
from keras_kd.losses import kl_divergence

RNG = np.random.default_rng(0)


def cnn():
    """Every family that TFMOT's own methods take, a nested model among them."""
    x = keras.Input((12, 12, 3), name="image")
    y = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.ReLU(6.0, name="relu")(y)
    z = layers.DepthwiseConv2D(3, padding="same", name="depth")(y)
    y = layers.Add(name="add")([y, z])
    y = layers.MaxPooling2D(name="pool")(y)
    block = [keras.Input((6, 6, 8)), layers.Conv2D(8, 3, activation="relu", name="c")]
    y = keras.Sequential(block, name="block")(y)
    y = layers.Dropout(0.1)(layers.Flatten(name="flat")(y))
    model = keras.Model(x, layers.Dense(3, name="head")(y), name="cnn")
    for variable in model.get_layer("norm").weights:
        variable.assign(RNG.uniform(0.5, 1.5, variable.shape))
    return model


def other():
    """What else the bridge carries, with two inputs and named outputs."""
    x = keras.Input((12, 12, 3), name="image"), keras.Input((16, 4), name="rows")
    y = layers.Rescaling(0.5, -0.1)(x[0])
    y = layers.SeparableConv2D(6, 3, activation="silu", depth_multiplier=2)(y)
    y = layers.PReLU(shared_axes=[1, 2])(layers.ZeroPadding2D(1)(y))
    y = layers.Conv2DTranspose(4, 3, 2, "same", kernel_regularizer="l2")(y)
    y = layers.LeakyReLU(0.1)(layers.Cropping2D(1)(layers.AveragePooling2D(2)(y)))
    y = y * layers.Reshape((1, 1, 4))(layers.GlobalMaxPooling2D()(y)) + y
    z = layers.Conv1D(4, 3, padding="causal", activation="gelu")(x[1])
    z = layers.LayerNormalization()(layers.UpSampling1D(2)(z))
    z = layers.Permute((2, 1))(layers.ZeroPadding1D(1)(z))
    shared = layers.Dense(4, activation="tanh", name="shared")
    a = shared(shared(layers.GlobalAveragePooling1D()(layers.Permute((2, 1))(z))))
    b = layers.GlobalAveragePooling2D(keepdims=True)(y)
    b = layers.Softmax()(layers.Flatten()(b))
    return keras.Model(
        x, {"a": layers.Concatenate()([a, b]), "b": layers.Maximum()([a, b])}
    )


@pytest.fixture(scope="module")
def data():
    return RNG.normal(size=(64, 12, 12, 3)).astype("float32"), RNG.integers(0, 3, 64)


def hard(labels, logits):
    return keras.losses.sparse_categorical_crossentropy(
        labels, logits, from_logits=True
    )


def lesson():
    return {"loss": hard, "distillation_loss": kl_divergence, "teacher": cnn()}


TRACELESS = """
import logging, os, sys, warnings
import keras
import tensorflow as tf
import keras_kd.compress
assert not {"tensorflow_model_optimization", "tf_keras"} & set(sys.modules)
def state():
    known = {name: getattr(x, "level", None) for name, x in loggers.items()}
    return (
        dict(os.environ), list(warnings.filters), list(logging.root.handlers), known
    )
loggers = dict(logging.root.manager.loggerDict)
before = state()
from keras_kd.compress import tfmot
toolkit = tfmot.load()
assert state() == before
assert "TF_USE_LEGACY_KERAS" not in os.environ
assert tf.keras.layers.Dense is keras.layers.Dense, tf.keras.__version__
assert tf.keras.Model is keras.Model
assert toolkit.sparsity.keras.PolynomialDecay
print("as it was")
"""


def test_the_import_leaves_the_process_as_it_was():
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    environment.pop("TF_USE_LEGACY_KERAS", None)
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", TRACELESS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "as it was", done.stderr[-3000:]


def test_where_it_is_missing_the_way_to_install_it_is_said(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.startswith("tensorflow_model_optimization"):
            os.environ["TF_USE_LEGACY_KERAS"] = "1"
            raise ImportError("absent")
        return real(name, *args, **kwargs)

    tfmot.load.cache_clear()
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"pip install 'keras-kd\[tfmot\]'"):
        tfmot.prune_low_magnitude(cnn(), 0.5)
    assert os.environ["TF_USE_LEGACY_KERAS"] == "0"
    monkeypatch.undo()
    assert tfmot.load()


def test_tfmot_itself_gives_none_for_a_keras_3_model_and_we_do_not():
    toolkit = tfmot.load()
    clustering = toolkit.clustering.keras
    with quiet():
        nothing = clustering.cluster_weights(
            cnn(),
            number_of_clusters=4,
            cluster_centroids_init=clustering.CentroidInitialization.LINEAR,
        )
    assert nothing is None
    assert tfmot.cluster_weights(cnn(), 4) is not None


@pytest.mark.parametrize("build", [cnn, other])
def test_the_bridge_goes_there_and_back(build):
    model = build()
    legacy = tfmot.to_tf_keras(model)
    assert type(legacy).__module__.startswith("tf_keras")
    rows = [RNG.normal(size=(3, *x.shape[1:])).astype("float32") for x in model.inputs]
    rows = rows[0] if len(rows) == 1 else rows
    expected, answered = model(rows), legacy(rows)
    for one, two in zip(
        keras.tree.flatten(expected), keras.tree.flatten(answered), strict=True
    ):
        np.testing.assert_allclose(one, two, atol=1e-6)
    for variable in legacy.weights:
        variable.assign(variable + 0.01)
    back = tfmot.from_tf_keras(legacy, like=model)
    for one, two in zip(
        keras.tree.flatten(back(rows)), keras.tree.flatten(legacy(rows)), strict=True
    ):
        np.testing.assert_allclose(one, two, atol=1e-6)
    for one, two in zip(back.weights, model.weights, strict=True):
        np.testing.assert_allclose(one, np.asarray(two) + 0.01, atol=1e-6)


def test_a_difference_is_found(monkeypatch):
    from keras_kd.compress.tfmot import families

    monkeypatch.setitem(families.ACTIVATIONS, "hard_sigmoid", "hard_sigmoid")
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(3, activation="hard_sigmoid")(x))
    with pytest.raises(ValueError, match="computes 'functional.*' differently, by"):
        tfmot.to_tf_keras(model)


@pytest.mark.parametrize(
    "layer, words",
    [
        (layers.LSTM(3, name="memory"), "layer 'memory' is a LSTM"),
        (layers.Dense(3, "hard_silu", name="d"), "activation of layer 'd' is hard"),
        (layers.Dense(3, dtype="mixed_float16", name="d"), "computes in float16"),
        (
            layers.Dense(3, kernel_constraint="non_neg", name="d"),
            "'d' has a kernel_constraint",
        ),
        (layers.Lambda(lambda x: 2 * x, name="twice"), "'twice' is a Lambda"),
    ],
)
def test_layers_that_it_does_not_know_are_named(layer, words):
    x = keras.Input((5, 4))
    with pytest.raises(ValueError, match=words) as error:
        tfmot.to_tf_keras(keras.Model(x, layer(x)))
    assert "Use prune, cluster and quantize_aware" in str(error.value)


def test_models_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Hand in strip"):
        tfmot.to_tf_keras(prune(cnn(), 0.5, min_weights=1))
    x = keras.Input((4,))
    small = keras.Model(x, layers.Dense(2, name="d")(x))
    with pytest.raises(ValueError, match="is not what `legacy` was made from"):
        tfmot.from_tf_keras(tfmot.to_tf_keras(small), like=cnn())
    with pytest.raises(ValueError, match="must come from quantize_model"):
        tfmot.to_tflite(tfmot.to_tf_keras(small))
    with pytest.raises(ValueError, match="go together"):
        tfmot.fit_with_teacher(None, None, loss="mse", teacher=small)


def test_its_pruning_beside_a_teacher(data):
    model = cnn()
    pruned = tfmot.prune_low_magnitude(model, 0.5)
    history = tfmot.fit_with_teacher(
        pruned, *data, epochs=2, batch_size=64, verbose=0, **lesson()
    )
    assert history["loss"][-1] < history["loss"][0]
    small = tfmot.from_tf_keras(pruned, like=model)
    shares = sparsity(small)
    assert shares["stem"] == shares["block/c"] == 0.5
    assert shares["head"] == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(small(data[0]), pruned(data[0]), atol=1e-5)


def test_the_teacher_is_heard(data):
    """Without labels' weight, the student takes on its teacher's answers."""
    teacher, model = cnn(), cnn()
    legacy = tfmot.to_tf_keras(model)

    def apart(student):
        answers = np.asarray(teacher(data[0])) - np.asarray(student(data[0]))
        return float(np.mean(answers**2))

    before = apart(model)
    loss = keras.losses.mean_squared_error
    history = tfmot.fit_with_teacher(
        legacy,
        *data,
        loss=hard,
        teacher=teacher,
        distillation_loss=loss,
        weight=100.0,
        optimizer=load_tf_keras().optimizers.Adam(0.01),
        epochs=10,
        verbose=0,
        validation_data=data,
    )
    assert apart(legacy) < 0.7 * before
    # In validation the labels alone count, as in a Distiller.
    plain = float(np.mean(hard(data[1], legacy(data[0]))))
    assert history["val_loss"][-1] == pytest.approx(plain, rel=1e-3)


def test_its_clustering_beside_a_teacher_keeps_zeros(data):
    model = strip(prune(cnn(), 0.5, min_weights=1))
    clustered = tfmot.cluster_weights(model, 6, preserve_sparsity=True)
    tfmot.fit_with_teacher(clustered, *data, verbose=0, **lesson())
    small = tfmot.from_tf_keras(clustered, like=model)
    for path in ("stem", "block/c", "head"):
        values = np.asarray(kernel_values(small)[path][0])
        assert len(np.unique(values)) <= 6, path
    assert sparsity(small)["block/c"] >= 0.5


def test_its_quantization_beside_a_teacher_gives_an_int8_file(data):
    from ai_edge_litert.interpreter import Interpreter

    quantized = tfmot.quantize_model(cnn())
    tfmot.fit_with_teacher(quantized, *data, epochs=3, verbose=0, **lesson())
    with pytest.raises(ValueError, match="quantization-aware"):
        tfmot.from_tf_keras(quantized, like=cnn())
    interpreter = Interpreter(model_content=tfmot.to_tflite(quantized))
    interpreter.allocate_tensors()
    kinds = {np.dtype(t["dtype"]) for t in interpreter.get_tensor_details()}
    assert np.dtype("float32") not in kinds and np.dtype("int8") in kinds
    [given], [taken] = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = given["quantization"]
    out_scale, out_zero = taken["quantization"]
    for image in data[0][:8]:
        code = np.clip(np.round(image[None] / scale + zero), -128, 127)
        interpreter.set_tensor(given["index"], code.astype("int8"))
        interpreter.invoke()
        answer = interpreter.get_tensor(taken["index"]).astype("float32")
        expected = np.asarray(quantized(image[None], training=False))
        steps = np.abs((answer - out_zero) * out_scale - expected) / out_scale
        assert steps.max() <= 1.01


def test_its_schedules_drive_our_masks(data):
    keras_2 = tfmot.load().sparsity.keras
    ramp = keras_2.PolynomialDecay(0.0, 0.8, begin_step=0, end_step=6, frequency=2)
    pruned = prune(cnn(), ramp, min_weights=200)
    assert sparsity(pruned)["block/c"] == 0
    pruned.compile("adam", hard)
    pruned.fit(*data, batch_size=8, verbose=0)
    assert sparsity(pruned)["block/c"] == pytest.approx(0.8, abs=0.002)
    constant = schedule_of(keras_2.ConstantSparsity(0.5, begin_step=2, frequency=3))
    assert [step for step in range(9) if constant.due(step)] == [2, 5, 8]
    again = type(constant).from_config(constant.get_config())
    assert float(again(4)) == 0.5
