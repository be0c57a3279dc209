"""The teacher is asked once a step, taught nothing, and left as it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_kd import (
    Agreement,
    DistillationTerm,
    Distiller,
    EnsembleTeacher,
    FrozenTeacher,
    SelfTeacher,
    TeacherStudentKL,
    methods,
)
from keras_kd.losses import KLDistillation
from tests.models import cnn, cross_entropy, scores


class Counted(keras.Model):
    """A network that counts its passes where they happen, in the graph."""

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.passes = tf.Variable(0, trainable=False)

    def call(self, x, training=None):
        self.passes.assign_add(1)
        return self.network(x, training=training)


def counted(name, **kwargs):
    model = Counted(cnn(name, **kwargs), name=f"counted_{name}")
    model(np.zeros((1, 8, 8, 3), "float32"))
    model.passes.assign(0)
    return model


TERMS = {
    "logits": lambda: [KLDistillation()],
    "features": lambda: [
        KLDistillation(),
        *methods.fitnets({"network/body": "network/body"}),
        DistillationTerm("mae", "network/gap", "network/gap"),
    ],
}


@pytest.mark.parametrize("terms", TERMS)
def test_one_pass_of_each_a_step_and_no_teacher_in_evaluate(terms, images):
    teacher, student = counted("t", width=8, seed=1), counted("s")
    distiller = Distiller(teacher, student, TERMS[terms]())
    teacher.passes.assign(0), student.passes.assign(0)
    distiller.compile("sgd", cross_entropy(), metrics=["accuracy"])
    distiller.fit(*images, batch_size=16, epochs=2, verbose=0)
    assert (int(teacher.passes), int(student.passes)) == (8, 8)
    distiller.evaluate(*images, batch_size=16, verbose=0)
    assert (int(teacher.passes), int(student.passes)) == (8, 12)
    distiller.predict(images[0], batch_size=16, verbose=0)
    assert (int(teacher.passes), int(student.passes)) == (8, 16)


def test_a_teacher_metric_asks_for_the_teacher_and_no_second_pass(images):
    teacher, student = counted("t", width=8, seed=1), counted("s")
    distiller = Distiller(teacher, student, [KLDistillation()])
    teacher.passes.assign(0), student.passes.assign(0)
    distiller.compile(
        "sgd", cross_entropy(), metrics=["accuracy", Agreement(), TeacherStudentKL()]
    )
    distiller.fit(*images, batch_size=16, verbose=0)
    assert (int(teacher.passes), int(student.passes)) == (4, 4)
    logs = scores(distiller, *images, batch_size=16)
    assert (int(teacher.passes), int(student.passes)) == (8, 8)
    t, s = (m.predict(images[0], verbose=0) for m in (teacher, student))
    assert logs["agreement"] == pytest.approx(np.mean(t.argmax(-1) == s.argmax(-1)))
    assert set(logs) == {"loss", "accuracy", "agreement", "teacher_student_kl"}


def test_evaluate_changes_no_state(images):
    distiller = Distiller(cnn("t", 8, seed=1), cnn("s"), TERMS["logits"]())
    distiller.compile("adam", cross_entropy(), metrics=["accuracy", Agreement()])
    before = [v.numpy().copy() for v in distiller.weights]
    distiller.evaluate(*images, verbose=0)
    for old, new in zip(before, distiller.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy(), err_msg=new.path)


@pytest.mark.parametrize("trainable", [True, False])
def test_the_callers_teacher_is_left_as_it_was(trainable, images):
    teacher = cnn("t", 8, seed=1)
    teacher.trainable = trainable
    before = [w.copy() for w in teacher.get_weights()]
    flags = [layer.trainable for layer in teacher._flatten_layers()]
    distiller = Distiller(
        teacher, cnn("s"), [*methods.hinton(), *methods.fitnets({"body": "body"})]
    )
    distiller.compile("adam", cross_entropy())
    distiller.fit(*images, epochs=2, verbose=0)
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert flags == [layer.trainable for layer in teacher._flatten_layers()]


@pytest.mark.parametrize(
    "wrap",
    [lambda t: t, FrozenTeacher, lambda t: EnsembleTeacher({"one": t})],
    ids=["model", "frozen", "ensemble"],
)
def test_the_teacher_is_not_tracked(wrap):
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    distiller = Distiller(wrap(teacher), student, [KLDistillation()])
    own = {id(v) for v in distiller.variables}
    assert not own & {id(v) for v in teacher.variables}
    distiller.teacher = wrap(teacher)
    assert own == {id(v) for v in distiller.variables}
    assert {id(v) for v in student.variables} <= own
    assert distiller.student is student


def test_no_gradient_reaches_the_teacher(images):
    x, y = images
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    term = DistillationTerm(KLDistillation(), "head", "head")
    Distiller(teacher, student, [term])
    with tf.GradientTape() as tape:
        value = term(student(x), teacher(x))
    gradients = tape.gradient(
        value, [*teacher.trainable_variables, *student.trainable_variables]
    )
    split = len(teacher.trainable_variables)
    assert all(g is None for g in gradients[:split])
    assert all(g is not None for g in gradients[split:])


def test_a_self_teacher_gets_no_gradient_either(images):
    """The deep head teaches the shallow one and learns nothing from it."""
    x, y = images
    inputs = keras.Input((8, 8, 3))
    body = layers.Flatten()(inputs)
    shallow = layers.Dense(5, name="shallow")(body)
    deep = layers.Dense(5, name="deep")(body)
    student = keras.Model(inputs, {"shallow": shallow, "deep": deep})
    term = DistillationTerm(KLDistillation(), "output/shallow", "output/deep")
    distiller = Distiller(SelfTeacher(), student, [term])
    features = distiller.student_features
    with tf.GradientTape(persistent=True) as tape:
        seen = features(x)
        value = term(
            seen["output/shallow"],
            distiller.teacher(x, ["output/deep"], seen)["output/deep"],
        )
    for name, taught in (("shallow", True), ("deep", False)):
        kernel = student.get_layer(name).kernel
        assert (tape.gradient(value, kernel) is not None) is taught


def test_a_teacher_with_input_resolution_and_precision_of_its_own(images):
    x, y = images
    keras.config.set_dtype_policy("mixed_bfloat16")
    inputs = keras.Input((16, 12, 1))
    z = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="c")(inputs))
    teacher = keras.Model(inputs, layers.Dense(5)(z), name="t")
    keras.config.set_dtype_policy("float32")
    source = FrozenTeacher(
        teacher, preprocess=lambda x: x[..., :1] * 2.0 - 1.0, size=(16, 12)
    )
    distiller = Distiller(source, cnn("s"), [KLDistillation()])
    distiller.compile("adam", cross_entropy())
    history = distiller.fit(x, y, epochs=3, verbose=0).history
    assert np.isfinite(history["kl_distillation"]).all()
    assert source(x)["output"].dtype == "bfloat16"
