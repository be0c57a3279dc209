"""Teachers as sources of features: frozen, several, self."""

import keras
import numpy as np
import pytest

from keras_kd import EnsembleTeacher, FrozenTeacher, SelfTeacher
from tests.models import cnn


@pytest.fixture
def pair():
    return {"wide": cnn("wide", 8, seed=1), "deep": cnn("deep", 6, seed=2)}


def test_a_frozen_teacher_runs_in_inference_mode(images):
    x, _ = images
    model = cnn("t")
    features = FrozenTeacher(model)(x, taps=["body"])
    np.testing.assert_array_equal(features["output"], model(x, training=False))
    assert set(features) == {"output", "body"}


def test_images_are_resized_then_preprocessed(images):
    x, _ = images
    seen = []

    def preprocess(x):
        seen.append(tuple(x.shape))
        return x[..., :1]

    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, keras.layers.Flatten()(inputs))
    teacher = FrozenTeacher(model, preprocess=preprocess, size=4)
    expected = x.reshape(64, 4, 2, 4, 2, 3).mean((2, 4))[..., :1].reshape(64, 16)
    np.testing.assert_allclose(teacher(x)["output"], expected, atol=1e-5)
    assert seen == [(64, 4, 4, 3)]


def test_whole_numbers_are_resized_too():
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, keras.layers.Flatten()(inputs))
    x = np.full((2, 8, 8, 1), 7, "uint8")
    np.testing.assert_allclose(FrozenTeacher(model, size=(4, 4))(x)["output"], 7.0)


def test_an_ensemble_of_logits(pair, images):
    x, _ = images
    z = [model(x) for model in pair.values()]
    features = EnsembleTeacher(pair)(x, taps=["deep/body"])
    np.testing.assert_allclose(features["output"], (z[0] + z[1]) / 2, atol=1e-6)
    assert features["deep/body"].shape == (64, 8, 8, 6)
    np.testing.assert_array_equal(features["wide/output"], z[0])


def test_an_ensemble_of_probabilities(pair, images):
    x, _ = images
    p = [keras.ops.softmax(model(x)) for model in pair.values()]
    output = EnsembleTeacher(pair, combine="probabilities")(x)["output"]
    np.testing.assert_allclose(keras.ops.softmax(output), (p[0] + p[1]) / 2, atol=1e-6)


def test_weights_and_functions_of_an_ensemble(pair, images):
    x, _ = images
    z = [model(x) for model in pair.values()]
    weighted = EnsembleTeacher(pair, weights={"deep": 3.0})(x)["output"]
    np.testing.assert_allclose(weighted, 0.25 * z[0] + 0.75 * z[1], atol=1e-6)
    largest = EnsembleTeacher(pair, combine=lambda z: keras.ops.maximum(*z))
    np.testing.assert_array_equal(largest(x)["output"], np.maximum(*z))


def test_a_list_goes_by_names(pair):
    assert list(EnsembleTeacher(list(pair.values())).members) == ["wide", "deep"]


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda p: EnsembleTeacher({}), "at least one teacher"),
        (lambda p: EnsembleTeacher(p, combine="logit"), "Did you mean 'logits'"),
        (lambda p: EnsembleTeacher(p, weights={"dep": 1}), "Did you mean 'deep'"),
        (
            lambda p: EnsembleTeacher(p, weights={"deep": 0, "wide": 0}),
            "must not all be 0",
        ),
        (lambda p: EnsembleTeacher(p, weights={"deep": -1}), "non-negative"),
        (lambda p: EnsembleTeacher(p)(np.zeros((1, 8, 8, 3)), ["dep/body"]), "deep"),
        (lambda p: FrozenTeacher(p["wide"], size=(0, 3)), "positive integer"),
        (lambda p: FrozenTeacher(p["wide"], size="big"), "pair \\(height, width\\)"),
        (lambda p: SelfTeacher()(np.zeros((1, 2))), "needs the student's features"),
    ],
)
def test_refusals(make, sentence, pair):
    with pytest.raises(ValueError, match=sentence):
        make(pair)


def test_one_that_is_no_teacher_is_refused():
    with pytest.raises(TypeError, match="must be a keras.Model"):
        EnsembleTeacher({"a": 3})
