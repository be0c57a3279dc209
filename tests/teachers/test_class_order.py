"""Teachers with other classes than the student's, against NumPy in float64."""

import keras
import numpy as np
import pytest

from keras_kd import EnsembleTeacher
from tests.models import Subclassed, cnn
from tests.teachers.tables import (
    cross_entropy_of,
    log_softmax,
    said,
    scaled,
    softmax,
    tables,
)

X = np.arange(7)
Y = np.array([0, 1, 2, 3, 4, 0, 1])


def test_another_order_is_put_right():
    right, other = tables(2)
    order = [3, 0, 4, 1, 2]  # its class 0 is the student's class 3
    turned = np.empty_like(other)
    turned[:, order] = other
    teacher = EnsembleTeacher(said([right, other]), class_maps={"t1": order})
    found = teacher(X)
    np.testing.assert_allclose(found["output"], (right + turned) / 2, rtol=1e-6)
    np.testing.assert_array_equal(found["t1/output"], other)
    np.testing.assert_array_equal(found["t1/output@student"], turned)


@pytest.mark.parametrize("combine", ["logits", "probabilities"])
def test_a_subset_and_a_superset(combine):
    """t0 has all classes, t1 those of 2, 0, 1, and t2 all five and two others."""
    (whole,), (part,) = tables(1), tables(1, classes=3, seed=1)
    (more,) = tables(1, classes=7, seed=2)
    maps = {"t1": [2, 0, 1], "t2": [-1, 0, 1, 2, -1, 3, 4]}
    found = EnsembleTeacher(said([whole, part, more]), combine, class_maps=maps)(X)
    a, b, c = log_softmax(whole), log_softmax(part), log_softmax(more)
    b, c = b[:, [1, 2, 0]], c[:, [1, 2, 3, 5, 6]]
    if combine == "logits":
        known = [(a[:, k] + b[:, k] + c[:, k]) / 3 for k in range(3)]
        rest = [(a[:, k] + c[:, k]) / 2 for k in (3, 4)]
        output = np.stack(known + rest, -1)
    else:
        a, b, c = np.exp(a), np.exp(b), np.exp(c)
        known = [(a[:, k] + b[:, k] + c[:, k]) / 3 for k in range(3)]
        rest = [(a[:, k] + c[:, k]) / 2 for k in (3, 4)]
        output = np.log(np.stack(known + rest, -1))
    np.testing.assert_allclose(found["output"], output, rtol=1e-5, atol=1e-6)


def test_classes_of_one_number_are_added_up():
    """Cats and tigers are the student's felines."""
    (fine,), (plain,) = tables(1, classes=4), tables(1, classes=2, seed=1)
    teacher = EnsembleTeacher(
        said([fine, plain]), "probabilities", class_maps={"t0": [0, 0, 1, -1]}
    )
    p = softmax(fine)
    own = np.stack([p[:, 0] + p[:, 1], p[:, 2]], -1)
    found = np.exp(teacher(X)["output"])
    np.testing.assert_allclose(found, (own + softmax(plain)) / 2, rtol=1e-6)


def test_what_one_does_not_know_the_others_say():
    (whole,), (part,) = tables(1), tables(1, classes=3, seed=1)
    teacher = EnsembleTeacher(said([whole, part]), class_maps={"t1": [4, 0, 1]})
    found = teacher(X)
    own, all_ = softmax(found["t1/output@student"]), softmax(found["output"])
    np.testing.assert_allclose(own[:, [2, 3]], all_[:, [2, 3]], rtol=1e-5)
    inside = own[:, [4, 0, 1]]
    np.testing.assert_allclose(scaled(inside), softmax(part), rtol=1e-5)
    np.testing.assert_allclose(own.sum(-1), 1.0, rtol=1e-6)


def test_experts_of_no_class_in_common_follow_their_weights():
    """Static shares have nothing to say between them; weights of the example have."""
    low, high = tables(2, classes=2)
    maps = {"t0": [0, 1], "t1": [2, 3]}
    w = np.random.default_rng(3).uniform(0.1, 1, (7, 2))

    def given(outputs):
        return w

    for combine in ("logits", "probabilities"):
        teacher = EnsembleTeacher(said([low, high]), combine, given, 0, maps)
        p = np.exp(teacher(X)["output"])
        share = 2 * scaled(w)
        expected = [softmax(low) * share[:, :1], softmax(high) * share[:, 1:]]
        np.testing.assert_allclose(p, np.concatenate(expected, -1), rtol=1e-5)
        # Whose share is fixed: as much as one half each, and the same again.
        plain = EnsembleTeacher(
            said([low, high]), combine, {"t0": 3.0}, class_maps=maps
        )
        p = softmax(plain(X)["output"])
        np.testing.assert_allclose(p[:, :2].sum(-1), 0.5, rtol=1e-5)


def test_who_does_not_know_the_label_does_not_count_by_correctness():
    whole, other = tables(2)
    (part,) = tables(1, classes=3, seed=1)
    teacher = EnsembleTeacher(
        said([whole, other, part]), weights="correctness", class_maps={"t2": [0, 1, 2]}
    )
    found = np.asarray(teacher(X, labels=Y)["weights"])
    losses = np.stack([cross_entropy_of(z, Y) for z in (whole, other)], -1)
    both = 1 - np.exp(losses) / np.exp(losses).sum(-1, keepdims=True)
    np.testing.assert_allclose(found[Y > 2, :2], both[Y > 2], rtol=1e-6)
    assert (found[Y > 2, 2] == 0).all() and (found[Y <= 2, 2] > 0).all()
    # An example whose label is no class at all is not taught.
    none = teacher(X, labels=np.full(7, -1))["weights"]
    np.testing.assert_array_equal(none, np.zeros((7, 3)))
    assert np.isfinite(teacher(X, labels=np.full(7, -1))["output"]).all()


def test_confidence_is_that_in_the_students_classes():
    (whole,), (more,) = tables(1, classes=3), tables(1, classes=4, seed=1)
    more[:, 3] = 50.0  # sure of a class that the student does not have
    teacher = EnsembleTeacher(
        said([whole, more]),
        "probabilities",
        "confidence",
        class_maps={"t1": [0, 1, 2, -1]},
    )
    assert (np.asarray(teacher(X)["weights"])[:, 1] < 1e-12).all()


def two_outputs():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(inputs)
    heads = {n: keras.layers.Dense(5, name=n)(x) for n in ("a", "b")}
    return keras.Model(inputs, heads, name="two")


def subclassed(classes):
    model = Subclassed(classes=classes, name="sub")
    model(np.zeros((1, 8, 8, 3)))
    return model


@pytest.mark.parametrize(
    "maps, sentence",
    [
        (None, "'b' has 3 of 5: pass `class_maps={'b': .*classes: {'a': 5, 'b': 3}"),
        ({"a": [0, 1, 2, 3, 5]}, "'b' has 3 of 6"),
        ({"c": [0]}, "`class_maps` must be one of"),
        ({"b": [0, 1]}, "an entry for each of the teacher's 3 classes. Received: 2"),
        ({"b": [0, 1, -2]}, "or -1 for none. Received: \\[0, 1, -2\\]"),
        ({"b": [0, 1, 1.5]}, "must be a list with the student's class, from 0"),
        ({"b": "012"}, "must be a list with the student's class"),
        ({"b": [-1, -1, -1]}, "must name a class of the student"),
        (
            {"a": [0, 1, 2, -1, -1], "b": [5, 1, 2]},
            "must be known to a teacher .* Received `class_maps` without \\[3, 4\\]",
        ),
    ],
)
def test_class_maps_that_do_not_fit(maps, sentence):
    members = {"a": cnn("a"), "b": cnn("b", classes=3)}
    with pytest.raises(ValueError, match=sentence):
        EnsembleTeacher(members, class_maps=maps)


def test_a_class_of_one_without_weight_is_known_to_nobody():
    members = {"a": cnn("a", classes=3), "b": cnn("b")}
    with pytest.raises(ValueError, match="whose weight is not 0"):
        EnsembleTeacher(members, weights={"b": 0}, class_maps={"a": [0, 1, 2]})


def test_of_other_kinds_of_models_the_classes_are_counted_too():
    inputs = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    with pytest.raises(ValueError, match="'line' has 3 of 5"):
        EnsembleTeacher([cnn("a"), keras.Sequential(inputs, name="line")])
    with pytest.raises(ValueError, match="'sub' has 3 of 5"):
        EnsembleTeacher([cnn("a"), subclassed(3)])
    assert EnsembleTeacher([cnn("a"), subclassed(5)]).classes == 5


def test_a_teacher_of_several_outputs_is_refused():
    with pytest.raises(ValueError, match="one output each, and 'two' has 2"):
        EnsembleTeacher([cnn("a"), two_outputs()])
    with pytest.raises(ValueError, match="`class_maps` is for `combine` in"):
        EnsembleTeacher([cnn("a")], combine=max, class_maps={"a": [0, 1, 2, 3, 4]})


def test_a_function_may_combine_several_outputs():
    x = np.zeros((2, 8, 8, 3), "float32")
    teacher = EnsembleTeacher([two_outputs()], combine=lambda outputs: outputs[0])
    assert set(teacher(x)) >= {"output", "output/a", "output/b"}
