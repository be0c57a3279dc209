"""SimKD: a student that ends in the teacher's own classifier."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import Distiller, methods
from keras_kd.export import export_tflite, verify
from tests.models import cnn


@pytest.fixture
def teacher():
    return cnn("t", 8, seed=1)


def small(stride=2, size=8):
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(4, 3, stride, padding="same", name="conv")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5)(x), name="small")


def weights(model):
    return [np.array(w) for w in model.get_weights()]


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_head_is_the_teachers(teacher, images):
    x, _ = images
    reused, _ = methods.reuse_classifier(teacher, cnn("s"), "body", "body")
    head = reused.get_layer("teacher_head")
    assert not head.trainable_weights and reused.name == "s_simkd"
    maps = np.random.default_rng(0).normal(size=(2, 8, 8, 8)).astype("float32")
    kernel, bias = teacher.get_layer("head").get_weights()
    np.testing.assert_allclose(
        head(maps), maps.mean((1, 2)) @ kernel + bias, rtol=1e-4, atol=1e-5
    )
    assert not {id(w) for w in teacher.weights} & {id(w) for w in reused.weights}
    kernels = [w.shape for w in reused.weights if "projector_conv" in w.path]
    assert kernels == [(1, 1, 4, 4), (3, 3, 4, 4), (1, 1, 4, 8)]
    assert reused(x).shape == (64, 5)


def test_training_moves_the_student_and_nothing_of_the_teacher(teacher, images):
    x, _ = images
    reused, _ = methods.reuse_classifier(teacher, cnn("s"), "body", "body")
    of_teacher, head = weights(teacher), weights(reused.get_layer("teacher_head"))
    before = reused.predict(x, verbose=0)
    terms = methods.simkd("body")
    distiller = Distiller(teacher, reused, terms, hard_loss_weight=0)
    distiller.compile("adam", jit_compile=False)
    history = distiller.fit(x, epochs=5, verbose=0).history
    assert history["simkd"][-1] < history["simkd"][0]
    assert not np.allclose(reused.predict(x, verbose=0), before)
    assert equal(head, weights(reused.get_layer("teacher_head")))
    assert equal(of_teacher, weights(teacher))


def test_the_student_is_saved_and_exported(teacher, images, tmp_path):
    x, _ = images
    reused, cost = methods.reuse_classifier(teacher, small(), "body", "conv")
    reused.save(tmp_path / "s.keras")
    again = keras.models.load_model(tmp_path / "s.keras")
    np.testing.assert_allclose(again(x), reused(x), rtol=1e-6)
    result = export_tflite(reused, tmp_path / "s.tflite")
    report = verify(reused, result.path, x)
    assert report.max_error < 1e-5
    assert report.macs == cost.multiply_adds


@pytest.mark.parametrize(
    ("stride", "size", "of_student", "of_teacher"),
    [
        (2, 8, None, "AveragePooling2D"),
        (1, 12, "Resizing", None),
        (1, 16, "AveragePooling2D", None),
        (1, 8, None, None),
    ],
)
def test_the_larger_map_is_pooled(stride, size, of_student, of_teacher):
    teacher = cnn("t", 8) if size == 8 else resized_teacher(size)
    student = small(stride, size)
    reused, _ = methods.reuse_classifier(teacher, student, "body", "conv")
    kinds = {type(layer).__name__ for layer in reused.layers}
    assert kinds & {"Resizing", "AveragePooling2D"} == {of_student} - {None}
    (term,) = methods.simkd("body")
    Distiller(teacher, reused, [term], hard_loss_weight=0)
    assert type(term.teacher_adapter).__name__ == (of_teacher or "NoneType")


def resized_teacher(size):
    """A teacher of maps of 8 × 8 whatever the images."""
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(8, 3, padding="same")(layers.Resizing(8, 8)(inputs))
    x = layers.GlobalAveragePooling2D()(layers.ReLU(name="body")(x))
    return keras.Model(inputs, layers.Dense(5)(x), name="resized")


def test_the_price_is_told(teacher):
    """`cnn` counted by hand: maps of 8 × 8, 3 → 4 → 4 → 4 → 8 channels, 8 → 5."""
    _, cost = methods.reuse_classifier(teacher, cnn("s"), "body", "body")
    convolutions = 64 * (27 * 4 + 4 * 4 + 9 * 4 * 4 + 4 * 8)
    assert cost.multiply_adds == convolutions + 8 * 5
    assert cost.plain_multiply_adds == 64 * 27 * 4 + 4 * 5
    assert (cost.plain_parameters, cost.parameters) == (153, 429)
    assert (cost.bytes, cost.added_bytes) == (4 * 429, 4 * 276)
    assert "parameters 429 in place of 153 (+180.4%)" in str(cost)
    _, cheaper = methods.reuse_classifier(teacher, cnn("s"), "body", "body", 4)
    assert cheaper.multiply_adds < cost.multiply_adds


def branched():
    """The first convolution's map goes around the second."""
    inputs = keras.Input((8, 8, 3))
    a = layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    b = layers.Conv2D(4, 3, padding="same", name="b")(a)
    x = layers.GlobalAveragePooling2D()(layers.Add()([a, b]))
    return keras.Model(inputs, layers.Dense(5, name="head")(x), name="branched")


def flat():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    return keras.Model(inputs, layers.Dense(5)(layers.Flatten()(x)), name="flat")


@pytest.mark.parametrize(
    ("of_teacher", "tap", "sentence"),
    [
        (branched, "b", "all paths to its output must pass"),
        (flat, "a", "its head must pool what comes"),
        (branched, "bb", r"Available: \[.*'a', 'b'"),
        (branched, "head", "must give a map"),
    ],
)
def test_a_teacher_that_cannot_be_cut_is_refused(of_teacher, tap, sentence):
    with pytest.raises(ValueError, match=sentence):
        methods.reuse_classifier(of_teacher(), small(), tap, "conv")
