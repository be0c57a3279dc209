"""Wrong input is refused at construction, in one sentence that says how to go on."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import Agreement, DistillationTerm, Distiller, FrozenTeacher, methods
from keras_kd.losses import Hint, KLDistillation
from tests.models import Subclassed, cnn, cross_entropy


def subclassed(activation=None):
    model = Subclassed(activation=activation, name="t")
    model(np.zeros((1, 8, 8, 3), "float32"))
    return model


def softmax_layer():
    base = cnn("base")
    outputs = layers.Reshape((5,))(layers.Softmax()(base.output))
    return keras.Model(base.input, outputs, name="t")


def in_sequential():
    return keras.Sequential(
        [keras.Input((8, 8, 3)), cnn("inner", activation="softmax")], name="t"
    )


def shared():
    student = cnn("s")
    teacher = keras.Model(student.input, student.get_layer("gap").output, name="t")
    return teacher, student


def twice():
    dense = layers.Dense(3, name="twice")
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(dense(dense(inputs)))
    return keras.Model(inputs, layers.Dense(5)(x), name="s")


hint = [DistillationTerm(Hint(), "body", "body")]
kd = methods.hinton

REFUSED = {
    "unknown student tap": (
        lambda: (cnn("t", seed=1), cnn("s"), [DistillationTerm("mse", "boddy")]),
        r"Tap 'boddy' not found in 's'\. Available: \[.*\]\. Did you mean 'body'\?",
    ),
    "unknown teacher tap": (
        lambda: (
            cnn("t", seed=1),
            cnn("s"),
            [DistillationTerm("mse", "gap", teacher="gapp")],
        ),
        r"Tap 'gapp' not found in 't'.*Did you mean 'gap'\?",
    ),
    "a tap that runs twice": (
        lambda: (cnn("t", seed=1), twice(), [DistillationTerm("mse", "twice", "gap")]),
        "Tap 'twice' ran 2 times in one pass of 's'",
    ),
    "different classes": (
        lambda: (cnn("t", classes=7, seed=1), cnn("s"), kd()),
        r"cannot compare.*teacher \(None, 7\), student \(None, 5\)",
    ),
    "shapes without an adapter": (
        lambda: (
            cnn("t", 8, seed=1),
            cnn("s"),
            [DistillationTerm(Hint(), "body", "body", adapter=None)],
        ),
        r"'hint_body' cannot compare.*\(None, 8, 8, 8\), student \(None, 8, 8, 4\)",
    ),
    "a vector for a map": (
        lambda: (
            cnn("t", 8, seed=1),
            cnn("s"),
            [DistillationTerm(Hint(), "gap", "body")],
        ),
        "No adapter is known.*pass a layer as `adapter=`",
    ),
    "a teacher with softmax": (
        lambda: (cnn("t", activation="softmax", seed=1), cnn("s"), kd()),
        r"teacher 't' ends in a softmax.*from_probabilities=True",
    ),
    "a softmax layer and a reshape": (
        lambda: (softmax_layer(), cnn("s"), kd()),
        "teacher 't' ends in a softmax",
    ),
    "a softmax within": (
        lambda: (in_sequential(), cnn("s"), kd()),
        "teacher 't' ends in a softmax",
    ),
    "a subclassed softmax": (
        lambda: (subclassed("softmax"), cnn("s"), kd()),
        "teacher 't' ends in a softmax",
    ),
    "a student with softmax": (
        lambda: (cnn("t", seed=1), cnn("s", activation="softmax"), kd()),
        "student 's' ends in a softmax.*from_logits=True",
    ),
    "an unbuilt student": (
        lambda: (cnn("t"), Subclassed(name="s"), kd()),
        "'s' is not built",
    ),
    "an unbuilt teacher": (
        lambda: (Subclassed(name="t"), cnn("s"), kd()),
        "'t' is not built",
    ),
    "shared layers": (
        lambda: (*shared(), [DistillationTerm("mse", "gap")]),
        r"Teacher 't' and student 's' share layers: \['c', 'bn'\]",
    ),
    "the student as its teacher": (
        lambda: (lambda s: (s, s, kd()))(cnn("s")),
        "share layers",
    ),
    "another input": (
        lambda: (
            keras.Sequential(
                [keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(4)], name="t"
            ),
            cnn("s"),
            [DistillationTerm("mse", "gap")],
        ),
        r"'t' does not take the student's input \(None, 8, 8, 3\).*preprocess=",
    ),
    "terms of one name": (
        lambda: (cnn("t", seed=1), cnn("s"), [*kd(), *kd()]),
        "Terms must have different names.*'kl_distillation'.*pass `name=`",
    ),
    "a term named as the hard loss": (
        lambda: (cnn("t"), cnn("s"), [DistillationTerm("mse", name="hard_loss")]),
        "must have different names",
    ),
    "a negative hard_loss_weight": (
        lambda: (cnn("t", seed=1), cnn("s"), kd(), -0.1),
        "`hard_loss_weight` must be non-negative. Received: hard_loss_weight=-0.1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_distiller_refuses(case):
    make, sentence = REFUSED[case]
    arguments = make()
    with pytest.raises(ValueError, match=sentence) as error:
        Distiller(*arguments)
    assert "\n" not in str(error.value)


TERMS = {
    "a negative weight": (lambda: DistillationTerm("mse", weight=-1), "non-negative"),
    "a weight that is no number": (
        lambda: DistillationTerm("mse", weight="much"),
        "Received: weight='much'",
    ),
    "an infinite weight": (
        lambda: DistillationTerm("mse", weight=float("nan")),
        "non-negative",
    ),
    "a temperature of zero": (
        lambda: KLDistillation(temperature=0),
        "`temperature` must be positive. Received: temperature=0",
    ),
    "a negative temperature": (lambda: methods.hinton(temperature=-1), "positive"),
    "an unknown metric": (lambda: Hint("msee"), "one of.*Did you mean 'mse'"),
    "KL of probabilities": (
        lambda: DistillationTerm("kl_divergence"),
        "use keras_kd.losses.KLDistillation",
    ),
}


@pytest.mark.parametrize("case", TERMS)
def test_terms_and_losses_refuse(case):
    make, sentence = TERMS[case]
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: Distiller("t", cnn("s"), []), "`teacher` must be a keras.Model"),
        (lambda: Distiller(cnn("t"), "s", []), "Expected a keras.Model"),
        (lambda: DistillationTerm(3), "keras.losses|loss"),
        (lambda: DistillationTerm("mse", student=3), "`student` must be a tap"),
        (lambda: DistillationTerm("mse", teacher=[]), "`teacher` must be a tap"),
        (lambda: DistillationTerm("mse", adapter="conv"), "`adapter` must be a layer"),
        (
            lambda: FrozenTeacher(cnn("t"), preprocess=3),
            "`preprocess` must be callable",
        ),
    ],
)
def test_wrong_types(make, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        make()


def test_probabilities_serve_as_logits_when_said(images):
    logits = cnn("t", 8, seed=1)
    soft = cnn("t", 8, seed=1, activation="softmax")
    source = FrozenTeacher(soft, from_probabilities=True)
    z, log_p = logits(images[0]), source(images[0])["output"]
    np.testing.assert_allclose(
        keras.ops.softmax(log_p / 4), keras.ops.softmax(z / 4), rtol=1e-5
    )
    Distiller(source, cnn("s"), methods.hinton())


def test_a_loss_is_asked_for_where_it_would_count():
    distiller = Distiller(cnn("t", seed=1), cnn("s"), methods.hinton())
    with pytest.raises(ValueError, match="`loss` is missing.*hard_loss_weight=0"):
        distiller.compile("adam")


@pytest.mark.parametrize(
    "metrics", [{"weighted_metrics": [Agreement()]}, {"metrics": {"head": Agreement()}}]
)
def test_a_teacher_metric_elsewhere_would_get_labels(metrics):
    distiller = Distiller(cnn("t", seed=1), cnn("s"), methods.hinton())
    with pytest.raises(ValueError, match="belong in the list `metrics="):
        distiller.compile("adam", cross_entropy(), **metrics)


def test_labels_are_asked_for_where_they_would_count(images):
    distiller = Distiller(cnn("t", seed=1), cnn("s"), methods.hinton())
    distiller.compile("adam", cross_entropy())
    with pytest.raises(ValueError, match="The batch has no labels"):
        distiller.fit(images[0], verbose=0)


def test_a_refused_teacher_leaves_the_old_one(images):
    teacher = cnn("t", seed=1)
    distiller = Distiller(teacher, cnn("s"), methods.hinton())
    with pytest.raises(ValueError):
        distiller.teacher = cnn("t", classes=9)
    assert distiller.teacher.model is teacher
