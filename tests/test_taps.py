"""FeatureExtractor over every kind of model, and its refusals."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_kd import FeatureExtractor
from keras_kd.taps import input_spec
from tests.models import Subclassed, cnn


def nested():
    backbone = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv"), layers.ReLU()],
        name="backbone",
    )
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D(name="gap")(backbone(inputs))
    return keras.Model(inputs, layers.Dense(5)(x), name="nested")


def subclassed():
    model = Subclassed(name="subclassed")
    model(np.zeros((2, 8, 8, 3), "float32"))
    return model


def sequential():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="body"),
            layers.Flatten(),
            layers.Dense(5),
        ],
        name="sequential",
    )


MODELS = {
    "functional": (lambda: cnn("functional"), "body", (8, 8, 4)),
    "sequential": (sequential, "body", (6, 6, 4)),
    "nested": (nested, "backbone/conv", (6, 6, 4)),
    "subclassed": (subclassed, "body", (6, 6, 4)),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_tap_holds_what_its_layer_returned(kind, images):
    make, tap, shape = MODELS[kind]
    model, (x, _) = make(), images
    features = FeatureExtractor(model, [tap])(x)
    assert set(features) == {"output", tap}
    np.testing.assert_array_equal(features["output"], model(x, training=False))
    assert features[tap].shape[1:] == shape


def test_the_value_is_the_layers(images):
    model, (x, _) = cnn("m"), images
    features = FeatureExtractor(model, ["body", "c"])(x)
    expected = keras.Model(model.input, model.get_layer("body").output)(x)
    np.testing.assert_array_equal(features["body"], expected)


@pytest.mark.parametrize("kind", MODELS)
def test_shapes_are_known_without_running(kind):
    make, tap, shape = MODELS[kind]
    model = make()
    spec = FeatureExtractor(model, [tap]).spec(input_spec(model))
    assert spec[tap].shape == (None, *shape)
    assert spec["output"].shape == (None, 5)


@pytest.mark.parametrize("kind", MODELS)
def test_the_model_is_left_as_it_was(kind, images):
    make, tap, _ = MODELS[kind]
    model, (x, _) = make(), images
    before = {id(layer): set(vars(layer)) for layer in model._flatten_layers()}
    FeatureExtractor(model, [tap])(x, training=True)
    after = {id(layer): set(vars(layer)) for layer in model._flatten_layers()}
    assert before == after


def test_the_model_is_left_as_it_was_after_an_error(images):
    model = cnn("m")
    extractor = FeatureExtractor(model, ["body"])
    with pytest.raises(ValueError):
        extractor(np.zeros((2, 8, 8, 99), "float32"))
    assert "call" not in vars(model.get_layer("body"))


def test_a_call_that_somebody_replaced_is_put_back(images):
    model = cnn("m")
    body = model.get_layer("body")
    object.__setattr__(body, "call", lambda x: 2.0 * keras.ops.relu(x))
    mine = vars(body)["call"]
    features = FeatureExtractor(model, ["bn", "body"])(images[0])
    np.testing.assert_allclose(features["body"], 2 * np.maximum(features["bn"], 0))
    assert vars(body)["call"] is mine


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_graph_gives_the_same(jit_compile, images):
    extractor, (x, _) = FeatureExtractor(cnn("m"), ["body"]), images
    graph = tf.function(extractor, autograph=False, jit_compile=jit_compile)
    for tap, value in extractor(x).items():
        np.testing.assert_allclose(graph(x)[tap], value, atol=1e-5)


def test_a_subclassed_model_of_tokens():
    """It remembers the shape of its input; that it wants integers shows by trying."""

    class Tokens(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.head = layers.Dense(3, name="head")

        def call(self, x):
            return self.head(keras.ops.mean(keras.ops.take(np.eye(9), x, axis=0), 1))

    model = Tokens(name="tokens")
    model(np.zeros((2, 5), "int32"))
    spec = input_spec(model)
    assert (spec.dtype, spec.shape) == ("int32", (None, 5))
    assert FeatureExtractor(model, ["head"]).spec(spec)["head"].shape == (None, 3)


def test_threads_record_for_themselves(images):
    extractor, (x, _) = FeatureExtractor(cnn("m"), ["body"]), images
    seen = {}

    def run(index):
        for _ in range(20):
            seen[index] = extractor(x[index : index + 1])["body"]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, value in seen.items():
        np.testing.assert_allclose(
            value, extractor(x[index : index + 1])["body"], atol=1e-6
        )
    assert "call" not in vars(extractor.model.get_layer("body"))


def test_parts_of_the_output_are_taps():
    inputs = keras.Input((3,))
    model = keras.Model(
        inputs, {"a": layers.Dense(2)(inputs), "b": layers.Dense(4)(inputs)}
    )
    features = FeatureExtractor(model, ["output/b"])(np.zeros((1, 3), "float32"))
    assert features["output/b"].shape == (1, 4)
    assert set(features) == {"output", "output/a", "output/b"}
    listed = keras.Model(inputs, [layers.Dense(2)(inputs), layers.Dense(4)(inputs)])
    features = FeatureExtractor(listed, ["output/1"])(np.zeros((1, 3), "float32"))
    assert features["output/1"].shape == (1, 4)


def test_an_unknown_tap_is_refused_with_what_is_there():
    with pytest.raises(ValueError) as error:
        FeatureExtractor(cnn("student"), ["boddy"])
    assert str(error.value) == (
        "Tap 'boddy' not found in 'student'. "
        "Available: ['c', 'bn', 'body', 'gap', 'head']. Did you mean 'body'?"
    )


def test_the_path_of_a_nested_layer_is_proposed():
    with pytest.raises(ValueError, match="Did you mean 'backbone/conv'?"):
        FeatureExtractor(nested(), ["conv"])


def test_an_unknown_output_is_refused():
    model = cnn("m")
    with pytest.raises(ValueError, match="Tap 'output/x' not found"):
        FeatureExtractor(model, ["output/x"]).spec(input_spec(model))


def test_a_layer_that_runs_twice_is_refused(images):
    shared = layers.Dense(3, name="shared")
    inputs = keras.Input((3,))
    model = keras.Model(inputs, shared(shared(inputs)), name="m")
    extractor = FeatureExtractor(model, ["shared"])
    sentence = "Tap 'shared' ran 2 times in one pass of 'm'"
    with pytest.raises(ValueError, match=sentence):
        extractor(np.zeros((1, 3), "float32"))
    with pytest.raises(ValueError, match=f"^{sentence}"):
        extractor.spec(input_spec(model))


def test_a_layer_that_does_not_run_is_refused():
    class Idle(Subclassed):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.idle = layers.Identity(name="idle")

    model = Idle(name="m")
    model(np.zeros((1, 8, 8, 3), "float32"))
    with pytest.raises(ValueError, match="Tap 'idle' did not run"):
        FeatureExtractor(model, ["idle"])(np.zeros((1, 8, 8, 3), "float32"))


@pytest.mark.parametrize(
    "model", [Subclassed(name="m"), keras.Sequential([layers.Dense(2)], name="m")]
)
def test_an_unbuilt_model_is_refused(model):
    with pytest.raises(ValueError, match="'m' is not built.*call it on a batch"):
        FeatureExtractor(model, [])


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="Expected a keras.Model. Received: 3"):
        FeatureExtractor(3)
