"""Every engine gives what TensorFlow does, and runs no more than the taps need."""

import logging
import threading

import keras
import numpy as np
import pytest

from keras_kd.engines.choice import AutoEngine, fastest, largest_miss
from keras_kd.engines.engine import Engine, EngineError, cores
from keras_kd.engines.graph import GraphEngine
from keras_kd.engines.inference import InferencePart
from keras_kd.engines.litert import LiteRTEngine, Pool
from keras_kd.engines.onnx import OnnxEngine
from keras_kd.taps import FeatureExtractor
from tests.engines.networks import NETWORKS, residual, trained
from tests.models import cnn

CONVERTED = [LiteRTEngine, OnnxEngine]


@pytest.mark.parametrize("kind", [GraphEngine, *CONVERTED])
@pytest.mark.parametrize("make", NETWORKS)
def test_the_same_features_as_tensorflow(make, kind, images):
    x, _ = images
    model, taps = trained(make()), NETWORKS[make]
    before = [np.copy(weight) for weight in model.get_weights()]
    features = kind(model)(x, taps)
    expected = FeatureExtractor(model, taps)(x)
    assert set(features) == set(taps)
    for tap in taps:
        keras.tree.assert_same_structure(features[tap], expected[tap])
        for a, b in zip(
            keras.tree.flatten(features[tap]),
            keras.tree.flatten(expected[tap]),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, atol=1e-4)
    for was, weight in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, weight)


@pytest.mark.parametrize("kind", CONVERTED)
def test_batches_of_other_sizes(kind, images):
    x, _ = images
    model = cnn("t")
    engine, expected = kind(model), np.asarray(model(x, training=False))
    for rows in (24, 16, 1, 40, 24):
        found = engine(x[:rows], ["output"])["output"]
        np.testing.assert_allclose(found, expected[:rows], atol=1e-5)
    many = np.concatenate([x] * 5)
    found = engine(many, ["output"])["output"]
    np.testing.assert_allclose(found, np.concatenate([expected] * 5), atol=1e-5)


def test_a_head_that_no_tap_needs_does_not_reach_the_file(images):
    x, _ = images
    inputs = keras.Input((8, 8, 3))
    body = keras.layers.GlobalAveragePooling2D(name="gap")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(20_000, name="head")(body))
    sizes = {}

    class Watching(LiteRTEngine):
        def convert(self, part, rows):
            pool = super().convert(part, rows)
            sizes[part.taps] = len(pool._content)
            return pool

    engine = Watching(model)
    engine(x, ["gap"])
    engine(x, ["output"])
    assert sizes["gap",] < 20_000 < sizes["output",]


def test_the_part_is_a_model_with_only_those_outputs(images):
    x, _ = images
    model = trained(residual())
    part = InferencePart(model, ["body", "gap"])
    outputs = part.model([x])
    assert list(outputs) == ["tap_0", "tap_1"]
    features = part.pack(list(outputs.values()))
    expected = FeatureExtractor(model, ["body", "gap"])(x)
    for tap in ("body", "gap"):
        np.testing.assert_allclose(features[tap], expected[tap], atol=1e-5)


def test_many_threads_share_a_few_interpreters(images):
    x, _ = images
    model = cnn("t")
    expected = np.asarray(model(x, training=False))
    engine, found = LiteRTEngine(model), {}

    def work(i):
        found[i] = [engine(x[i : i + 8], ["output"])["output"] for _ in range(10)]

    engine(x[:8], ["output"])
    threads = [threading.Thread(target=work, args=(i,)) for i in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(24):
        for one in found[i]:
            np.testing.assert_allclose(one, expected[i : i + 8], atol=1e-5)
    (plan,) = engine._plans.values()
    assert isinstance(plan[2], Pool)
    assert 1 <= len(plan[2]._free) <= cores()


def test_changed_weights_are_taken_over_on_refresh(images):
    x, _ = images
    model = cnn("t")
    engine = LiteRTEngine(model)
    before = engine(x, ["output"])["output"]
    model.get_layer("head").bias.assign_add([1.0] * 5)
    np.testing.assert_array_equal(engine(x, ["output"])["output"], before)
    engine.refresh()
    np.testing.assert_allclose(engine(x, ["output"])["output"], before + 1, atol=1e-5)


class Slow(Engine):
    """An engine of a given time, which may be wrong."""

    def __init__(self, model, name, seconds, error=0.0):
        super().__init__(model)
        self.name, self.seconds, self.error = name, seconds, error

    def __call__(self, x, taps):
        threading.Event().wait(self.seconds)
        if self.error is None:
            raise EngineError("no such operator")
        return {tap: np.ones((4, 2)) * (1 + self.error) for tap in taps}

    def refresh(self):
        return


def test_the_fastest_that_is_right_is_chosen(caplog):
    engines = [
        Slow(None, "tensorflow", 0.02),
        Slow(None, "wrong", 0.0, error=1e-3),
        Slow(None, "broken", 0.0, error=None),
        Slow(None, "right", 0.005, error=1e-6),
        Slow(None, "slow", 0.03),
    ]
    model = cnn("t")
    with caplog.at_level(logging.DEBUG, "keras_kd"):
        assert fastest(model, engines, None, ["output"]).name == "right"
    passed, broken, line = (record.getMessage() for record in caplog.records)
    assert "wrong passed over for 't': it differs from TensorFlow by 0.001" in passed
    assert "no such operator" in broken
    assert line.startswith("Teacher 't' runs in right: tensorflow ")
    assert "wrong" not in line


def test_a_miss_is_a_share_of_the_largest_number():
    expected = {"a": np.array([1.0, -4.0]), "b": [np.array([0.1])]}
    given = {"a": np.array([1.0, -4.2]), "b": [np.array([0.1])]}
    assert largest_miss(expected, given) == pytest.approx(0.05)
    given["b"] = [np.array([np.nan])]
    assert np.isnan(largest_miss(expected, given))


def test_auto_picks_once_and_is_equal(images, caplog):
    x, _ = images
    model = cnn("t")
    engine = AutoEngine(model)
    with caplog.at_level(logging.INFO, "keras_kd"):
        for _ in range(2):
            found = engine(x, ["output"])["output"]
    np.testing.assert_allclose(found, model(x, training=False), atol=1e-4)
    (record,) = caplog.records
    assert "tensorflow" in record.getMessage() and "litert" in record.getMessage()
    assert engine.chosen.name in ("tensorflow", "litert", "onnx")


@pytest.mark.parametrize("kind", CONVERTED)
def test_a_model_that_cannot_be_converted(kind, images):
    x, _ = images

    class Foreign(keras.layers.Layer):
        def call(self, x):
            import tensorflow as tf

            return tf.numpy_function(np.sin, [x], "float32") + 0 * x

        def compute_output_shape(self, shape):
            return shape

    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, Foreign(name="own")(inputs), name="t")
    engine = kind(model)
    for _ in range(2):
        with pytest.raises(EngineError, match="cannot run the teacher 't': ") as caught:
            engine(x, ["output"])
        assert str(caught.value).endswith("Use engine='tensorflow'.")
        assert "\n" not in str(caught.value)


def test_masks_are_not_lost_in_silence():
    inputs = keras.Input((6,), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True, name="words")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(x), name="t")
    with pytest.raises(EngineError, match="carries a mask"):
        LiteRTEngine(model)(np.ones((2, 6), "int32"), ["words"])
