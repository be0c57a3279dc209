"""The attack: against a hand-worked one, within its bounds, and without a trace."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_kd import DistillationTerm, Distiller, SelfTeacher, methods
from keras_kd.losses import KLDistillation
from keras_kd.robust import PGD
from keras_kd.views import Seen
from tests.models import cnn, cross_entropy, one_step
from tests.robust.linear import B, W, X, Y, attacked, linear, log_softmax

TEACHER = np.array([[0.3, 0.3, 0.1], [-1.0, 2.0, 0.0], [0.0, 0.5, 4.0]], "float32")


def seen(student, labels=None, teacher=None, seed=(0, 0)):
    return Seen(student, labels, teacher, tf.constant(seed))


@pytest.mark.parametrize("norm, epsilon, step", [("inf", 0.1, 0.04), ("2", 0.3, 0.12)])
@pytest.mark.parametrize("objective", ["labels", "teacher", "student"])
def test_the_attack_is_the_one_worked_out_by_hand(norm, epsilon, step, objective):
    plain = X @ W + B
    target = {
        "labels": np.eye(3)[Y],
        "teacher": np.exp(log_softmax(TEACHER.astype("float64"))),
        "student": np.exp(log_softmax(plain)),
    }[objective]
    x = X.copy()
    if objective == "student":  # flat at the input itself: begin beside it
        target = np.roll(target, 1, axis=-1)
    expected = attacked(x, target, epsilon, step, 5, norm)
    attack = PGD(epsilon, 5, step, objective, norm, random_start=False)
    given = seen(linear(), Y, {"output": TEACHER})
    if objective == "student":
        given = seen(_Rolled(), Y)
    found = attack.make(X.astype("float32"), given)
    np.testing.assert_allclose(found, expected, atol=2e-6)


class _Rolled:
    """Answers one thing for the batch as it is, and from then on another."""

    def __init__(self):
        self.first, self.model = True, linear()

    def __call__(self, x, training):
        z, first = self.model(x, training=training), self.first
        self.first = False
        return keras.ops.roll(z, 1, axis=-1) if first else z


@pytest.mark.parametrize("norm", ["inf", "2"])
@pytest.mark.parametrize("clip", [(0.0, 1.0), None])
def test_nothing_goes_further_than_epsilon_or_out_of_range(norm, clip):
    x = np.random.default_rng(0).uniform(size=(40, 8, 8, 3)).astype("float32")
    attack = PGD(0.3, 3, 0.25, norm=norm, clip=clip)
    moved = np.asarray(attack.make(x, seen(cnn("s"), np.zeros(40, int))))
    assert moved.dtype == x.dtype
    delta = np.abs(moved.astype("float64") - x).reshape(40, -1)
    moves = delta.max(-1) if norm == "inf" else np.sqrt((delta**2).sum(-1))
    assert moves.max() <= 0.3 + 1e-6
    assert moves.max() > 0.29
    if clip:
        assert moved.min() >= 0.0 and moved.max() <= 1.0
    else:
        assert moved.min() < 0.0 or norm == "2"


def test_an_input_outside_of_its_range_is_not_moved_further_than_epsilon():
    x = np.array([[-2.0, 0.5, 0.5, 3.0]], "float32")
    attack = PGD(0.1, 4, random_start=False)
    moved = np.asarray(attack.make(x, seen(linear(), np.array([0]))))
    assert np.abs(moved - x).max() <= 0.1 + 1e-6
    assert moved[0, 0] >= -2.0 and moved[0, 3] <= 3.0


def test_starts_are_drawn_evenly_and_by_the_seed():
    x = np.full((4000, 2), 0.5, "float32")
    flat = keras.Sequential([keras.Input((2,)), layers.Dense(2, use_bias=False)])
    flat.set_weights([np.zeros((2, 2))])  # no gradient: the start is where it stays
    for norm in ("inf", "2"):
        attack = PGD(0.2, 1, norm=norm)
        draw = lambda *s: np.asarray(  # noqa: E731
            attack.make(x, seen(flat, np.zeros(4000, int), seed=s))  # noqa: B023
        )
        moves = draw(3, 0) - x
        np.testing.assert_array_equal(draw(3, 0), draw(3, 0))
        assert not np.array_equal(draw(3, 0), draw(4, 0))
        if norm == "2":  # half of the area lies within 1/√2 of the radius
            length = np.sqrt((moves**2).sum(-1))
            assert length.max() <= 0.2 + 1e-6
            assert np.mean(length < 0.2 / np.sqrt(2)) == pytest.approx(0.5, abs=0.03)
        else:
            assert np.abs(moves).max() == pytest.approx(0.2, abs=1e-3)
            assert np.mean(np.abs(moves) < 0.1) == pytest.approx(0.5, abs=0.03)


def with_everything(**conv):
    """BatchNormalization, dropout, and what a convolution is given."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, **conv)(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.Dropout(0.5, seed=1, name="drop")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5, name="head")(x), name="student")


def watched(student, views):
    """A Distiller to which the view does not matter."""
    term = DistillationTerm(KLDistillation(), "adversarial/output", weight=0.0)
    return Distiller(SelfTeacher(), student, [term] if views else [], views=views)


def test_no_gradient_and_no_statistic_of_an_attack_reaches_a_training(images):
    x, y = images
    found = []
    for views in ({"adversarial": PGD(0.1, 2)}, None):
        keras.utils.set_random_seed(3)
        student = with_everything()
        student.get_layer("bn").trainable = False  # the view itself has statistics
        student.get_layer("drop").rate = 0.0
        model = watched(student, views)
        model.compile(keras.optimizers.SGD(0.1), cross_entropy())
        model.fit(x, y, batch_size=32, shuffle=False, verbose=0)
        found.append(student.get_weights())
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_penalties_are_of_the_batch_and_its_view_alone(images):
    student = with_everything(activity_regularizer="l2")
    model = watched(student, {"adversarial": PGD(0.1, 3)})
    model.compile("sgd", cross_entropy(), run_eagerly=True)
    model.train_on_batch(*images)
    assert len(student.losses) == 2


def test_the_attack_runs_in_inference_mode(images):
    x, y = images
    student = with_everything()
    before = [np.array(v) for v in student.variables]
    PGD(0.1, 2).make(x, seen(student, y))
    for ours, theirs in zip(before, student.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_half_of_a_training_and_a_resume_are_the_whole(images, tmp_path):
    x, y = np.clip(images[0], 0, 1), images[1]
    teacher = cnn("teacher", 8, seed=1)
    views = {"adversarial": PGD(0.1, 2)}
    whole = Distiller(teacher, cnn("s"), methods.ard(4.0), 0.0, views=views)
    whole.compile("adam")
    whole.fit(x, y, shuffle=False, verbose=0)
    whole.save(tmp_path / "half.keras")
    resumed = Distiller.load(tmp_path / "half.keras", teacher)
    assert resumed.views["adversarial"].get_config() == PGD(0.1, 2).get_config()
    for model in (whole, resumed):
        model.fit(x, y, shuffle=False, verbose=0)
    for ours, theirs in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_compiled_it_is_the_same_attack():
    attack, model, x = PGD(0.3, 3, norm="2"), linear(), X.astype("float32")

    def made(x):
        return attack.make(x, seen(model, tf.constant(Y)))

    compiled = tf.function(made, autograph=False, jit_compile=True)(x)
    np.testing.assert_allclose(compiled, made(x), atol=1e-6)


def test_a_student_in_half_precision_is_attacked():
    keras.config.set_dtype_policy("mixed_bfloat16")
    student = linear("student")
    keras.config.set_dtype_policy("float32")
    views = {"adversarial": PGD(0.1, 2)}
    model = Distiller(linear("teacher"), student, methods.ard(), 0.0, views=views)
    model.compile("adam")
    assert one_step(model, X.astype("float32"), Y)["ard"] > 0.0


def test_one_output_of_several_is_attacked():
    inputs = keras.Input((4,))
    student = keras.Model(inputs, {"a": linear("a")(inputs), "b": linear("b")(inputs)})
    attack = PGD(0.1, 3, random_start=False, output="output/b")
    x = X.astype("float32")
    found = attack.make(x, seen(student, {"a": Y[::-1], "b": Y}))
    alone = PGD(0.1, 3, random_start=False).make(x, seen(linear(), Y))
    np.testing.assert_array_equal(found, alone)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"epsilon": 0.0}, "`epsilon` must be positive. Received: epsilon=0.0."),
        ({"steps": 0}, "`steps` must be a positive integer. Received: steps=0."),
        ({"step_size": -1}, "`step_size` must be positive. Received: step_size=-1."),
        ({"objective": "label"}, "Did you mean 'labels'?"),
        ({"norm": "1"}, r"`norm` must be one of \['inf', '2'\]"),
        ({"clip": (1, 0)}, r"`clip` must be a pair \(low, high\) with low < high"),
        ({"clip": 1.0}, r"or None. Received: clip=1.0."),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        PGD(**arguments)


@pytest.mark.parametrize(
    "objective, x, words",
    [
        ("labels", X, "needs labels, and the batch has none: pass `y`"),
        ("teacher", X, "needs a teacher beside the student"),
        ("labels", X.astype("uint8"), "cast them to float32. Received: uint8."),
        ("labels", {"a": X, "b": X}, "attacks one input, and the batch has several"),
    ],
)
def test_what_a_batch_must_have(objective, x, words):
    with pytest.raises(ValueError, match=words):
        PGD(objective=objective).make(x, seen(linear()))


def test_it_is_read_back_from_its_configuration():
    attack = PGD(0.2, 3, 0.1, "teacher", "2", None, False, "output/b")
    config = keras.saving.serialize_keras_object(attack)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == attack.get_config()
    default = PGD().get_config()
    assert all(value != default[key] for key, value in attack.get_config().items())
