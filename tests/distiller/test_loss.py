"""What a step adds up: against NumPy, term by term."""

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm, Distiller, SelfTeacher, methods, pack_targets
from keras_kd.losses import DistillationLoss, Hint, KLDistillation
from tests.models import cnn, cross_entropy, one_step


def log_softmax(z):
    z = z.astype("float64") - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def kl(t, s, temperature):
    p, q = log_softmax(t / temperature), log_softmax(s / temperature)
    return temperature**2 * (np.exp(p) * (p - q)).sum(-1)


def first_logs(distiller, x, y=None, **kwargs):
    """The logs of one step; the step itself changes nothing (learning rate 0)."""
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy())
    return one_step(distiller, x, y, **kwargs)


def training_logits(student, x):
    """The student's logits in a training pass, its statistics left alone."""
    weights = student.get_weights()
    logits = keras.ops.convert_to_numpy(student(x, training=True))
    student.set_weights(weights)
    return logits


def by_hand(teacher, student, x, y, weight=None, temperature=4.0):
    weight = np.ones(len(x)) if weight is None else weight
    t = keras.ops.convert_to_numpy(teacher(x, training=False))
    s = training_logits(student, x)
    hard = (-log_softmax(s)[np.arange(len(x)), y] * weight).mean()
    return hard, (kl(t, s, temperature) * weight).mean()


@pytest.mark.parametrize("weighted", [False, True])
def test_hard_loss_and_term_are_what_numpy_says(weighted, images):
    x, y = images
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    weight = np.linspace(0, 2, len(x)).astype("float32") if weighted else None
    hard, soft = by_hand(teacher, student, x, y, weight)
    distiller = Distiller(
        teacher, student, methods.hinton(weight=0.9), hard_loss_weight=0.1
    )
    logs = first_logs(distiller, x, y, sample_weight=weight)
    assert logs["hard_loss"] == pytest.approx(hard, rel=1e-5)
    assert logs["kl_distillation"] == pytest.approx(soft, rel=1e-4)
    assert logs["loss"] == pytest.approx(0.1 * hard + 0.9 * soft, rel=1e-4)


def test_class_weight_counts_in_the_terms(images):
    x, y = images
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    class_weight = {label: float(label) for label in range(5)}
    hard, soft = by_hand(teacher, student, x, y, y.astype("float64"))
    distiller = Distiller(teacher, student, [KLDistillation()])
    logs = first_logs(distiller, x, y, class_weight=class_weight)
    assert logs["hard_loss"] == pytest.approx(hard, rel=1e-5)
    assert logs["kl_distillation"] == pytest.approx(soft, rel=1e-4)


def test_an_epoch_reports_the_mean_over_examples(images):
    x, y = images
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    student.get_layer("bn").trainable = False  # the batch has no say
    _, soft = by_hand(teacher, student, x, y)
    distiller = Distiller(teacher, student, [KLDistillation()])
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy())
    history = distiller.fit(x, y, batch_size=24, verbose=0).history  # 24 + 24 + 16
    assert history["kl_distillation"][0] == pytest.approx(soft, rel=1e-4)


def test_the_feature_of_a_training_pass_is_compared(images):
    x, y = images
    teacher, student = cnn("t", 4, seed=1), cnn("s")
    t = keras.Model(teacher.input, teacher.get_layer("body").output)(x)
    s = keras.Model(student.input, student.get_layer("body").output)
    s = training_logits(s, x)
    term = DistillationTerm(Hint(), "body", "body", adapter=None)
    logs = first_logs(Distiller(teacher, student, [term]), x, y)
    expected = np.mean((keras.ops.convert_to_numpy(t) - s) ** 2)
    assert logs["hint_body"] == pytest.approx(expected, rel=1e-4)


def test_adapters_train_and_the_student_does_not_hold_them(images):
    x, y = images
    student = cnn("s")
    before = len(student.weights)
    distiller = Distiller(
        cnn("t", 8, seed=1), student, methods.fitnets({"body": "body"})
    )
    adapter = distiller.terms[0].adapter
    distiller.compile("adam", cross_entropy())
    old = [w.copy() for w in adapter.get_weights()]
    history = distiller.fit(x, y, epochs=10, verbose=0).history
    assert any((a != b).any() for a, b in zip(old, adapter.get_weights(), strict=True))
    assert history["hint_body"][-1] < history["hint_body"][0]
    assert len(student.weights) == before
    assert all(layer.name != adapter.name for layer in student.layers)


class LabelGap(DistillationLoss):
    """Uses labels: the teacher's logit at the label, minus the student's, squared."""

    compares = "logits"
    uses_labels = True

    def call(self, y_true, student):
        labels = keras.ops.one_hot(
            keras.ops.cast(y_true["labels"], "int32"), student.shape[-1]
        )
        gap = keras.ops.sum((y_true["teacher"] - student) * labels, axis=-1)
        return keras.ops.square(gap)


def test_a_loss_may_use_labels(images):
    x, y = images
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    rows = np.arange(len(x))
    gap = keras.ops.convert_to_numpy(teacher(x))[rows, y]
    expected = np.mean((gap - training_logits(student, x)[rows, y]) ** 2)
    logs = first_logs(Distiller(teacher, student, [LabelGap()]), x, y)
    assert logs["label_gap"] == pytest.approx(expected, rel=1e-4)


def test_without_labels(images):
    x, _ = images
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    distiller = Distiller(teacher, student, [KLDistillation()], hard_loss_weight=0)
    distiller.compile("adam")
    history = distiller.fit(x, epochs=20, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["hard_loss"] == [0.0] * 20


def test_some_labels(images):
    """Label -1 with `ignore_class`: terms over all, hard loss over the labelled."""
    x, y = images
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    known = np.where(np.arange(len(y)) < 16, y, -1)
    s = training_logits(student, x)
    hard = -log_softmax(s)[np.arange(16), y[:16]].mean()
    distiller = Distiller(teacher, student, [KLDistillation()])
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy(ignore_class=-1))
    logs = one_step(distiller, x, known)
    assert logs["hard_loss"] == pytest.approx(hard, rel=1e-5)
    assert logs["kl_distillation"] == pytest.approx(
        by_hand(teacher, student, x, y)[1], rel=1e-4
    )


@pytest.mark.parametrize("without_teacher", [False, True])
def test_stored_targets_train_as_the_live_teacher(without_teacher, images):
    x, y = images
    teacher = cnn("t", 8, seed=1)
    live = keras.Model(
        teacher.input, {"output": teacher.output, "body": teacher.layers[3].output}
    )
    stored = {k: v.numpy() for k, v in live(x, training=False).items()}

    def train(teacher, y):
        keras.utils.set_random_seed(3)
        distiller = Distiller(
            teacher,
            cnn("s"),
            [*methods.hinton(), *methods.fitnets({"body": "body"}, weight=1.0)],
        )
        term = distiller.terms[1]
        if not term.built:
            term.build((None, 8, 8, 4), (None, 8, 8, 8))
        kernel = term.adapter.conv.kernel
        kernel.assign(
            np.linspace(-1, 1, kernel.shape.num_elements()).reshape(kernel.shape)
        )
        distiller.compile(keras.optimizers.SGD(0.1), cross_entropy())
        distiller.fit(x, y, epochs=2, shuffle=False, verbose=0)
        return distiller.student.get_weights()

    alive = train(teacher, y)
    from_store = train(None if without_teacher else teacher, pack_targets(y, stored))
    for a, b in zip(alive, from_store, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_terms_are_built_by_the_first_stored_targets(images):
    x, y = images
    stored = {"body": np.zeros((64, 8, 8, 12), "float32")}
    distiller = Distiller(None, cnn("s"), methods.fitnets({"body": "body"}))
    distiller.compile("adam", cross_entropy())
    distiller.fit(x, pack_targets(y, stored), verbose=0)
    assert distiller.terms[0].adapter.filters == 12


def test_the_student_teaches_itself(images):
    x, y = images
    student = cnn("s")
    term = DistillationTerm("mse", "gap", "head", name="deep")
    logs = first_logs(Distiller(SelfTeacher(), student, [term]), x, y)
    assert logs["deep"] > 0
    assert logs["loss"] == pytest.approx(logs["hard_loss"] + logs["deep"], rel=1e-5)
