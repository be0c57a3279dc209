"""Callbacks, schedules and resume: as in any Keras model."""

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm, Distiller, methods
from keras_kd.losses import KLDistillation
from tests.interruption import killed_and_resumed, same_weights
from tests.models import cnn, cross_entropy, one_step


def compiled(optimizer=None, **kwargs):
    keras.utils.set_random_seed(5)
    terms = [*methods.hinton(), *methods.fitnets({"body": "body"}, weight=1.0)]
    distiller = Distiller(cnn("t", 8, seed=1), cnn("s"), terms, **kwargs)
    distiller.compile(
        optimizer or keras.optimizers.Adam(0.01), cross_entropy(), metrics=["accuracy"]
    )
    return distiller


def fit(distiller, images, epochs=1, **kwargs):
    return distiller.fit(
        *images, batch_size=16, epochs=epochs, shuffle=False, verbose=0, **kwargs
    )


def test_early_stopping_on_the_students_own_loss(images):
    distiller = compiled(keras.optimizers.SGD(0.0))
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1, start_from_epoch=0)
    history = fit(distiller, images, 9, validation_data=images, callbacks=[stop])
    assert len(history.history["loss"]) < 9


def test_checkpoints_hold_student_adapters_and_optimizer_not_the_teacher(
    images, tmp_path
):
    distiller = compiled()
    path = tmp_path / "best.weights.h5"
    save = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    fit(distiller, images, callbacks=[save])
    other = compiled()
    other.optimizer.build(other.trainable_variables)
    other.load_weights(path)
    for a, b in zip(distiller.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(other.optimizer.iterations) == 4


def test_a_killed_run_resumes_to_the_same_weights(images, tmp_path):
    schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 16, 0.0)

    def run(*callbacks):
        distiller = compiled(hard_loss_weight=schedule)
        fit(distiller, images, 4, callbacks=list(callbacks))
        return distiller

    whole, resumed = run(), killed_and_resumed(run, tmp_path)
    assert int(resumed.optimizer.iterations) == 16
    same_weights(whole, resumed)


def test_weights_and_temperatures_change_on_a_traced_graph(images):
    x, y = images
    term = DistillationTerm(KLDistillation(temperature=2.0), name="kd")
    distiller = Distiller(cnn("t", 8, seed=1), cnn("s"), [term])
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy())
    first = one_step(distiller, x, y)
    traced = distiller.train_function
    term.weight.assign(3.0)
    distiller.hard_loss_weight.assign(0.5)
    second = one_step(distiller, x, y)
    assert second["loss"] == pytest.approx(
        0.5 * first["hard_loss"] + 3.0 * first["kd"], rel=1e-4
    )
    term.loss.temperature.assign(8.0)
    third = one_step(distiller, x, y)
    fresh = Distiller(
        cnn("t", 8, seed=1),
        cnn("s"),
        [DistillationTerm(KLDistillation(8.0), name="kd")],
    )
    fresh.compile(keras.optimizers.SGD(0.0), cross_entropy())
    expected = one_step(fresh, x, y)["kd"]
    assert third["kd"] == pytest.approx(expected, rel=1e-4)
    assert third["kd"] != pytest.approx(second["kd"], rel=1e-2)
    assert distiller.train_function is traced


def test_a_callback_changes_a_weight_between_epochs(images):
    term = DistillationTerm(KLDistillation(), name="kd")
    distiller = Distiller(cnn("t", 8, seed=1), cnn("s"), [term])
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy())
    switch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: term.weight.assign(float(epoch))
    )
    logs = fit(distiller, images, 3, callbacks=[switch]).history
    for epoch in range(3):
        assert logs["loss"][epoch] == pytest.approx(
            logs["hard_loss"][epoch] + epoch * logs["kd"][epoch], rel=1e-4
        )


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("accumulate", [None, 2])
def test_schedules_follow_the_optimizers_steps(policy, accumulate, images):
    seen = []
    keras.config.set_dtype_policy(policy)

    def ramp(step):
        return keras.ops.cast(step, "float32") * 0.25

    distiller = Distiller(
        cnn("t", 8, seed=1),
        cnn("s"),
        [
            DistillationTerm(
                KLDistillation(temperature=lambda s: 1.0 + ramp(s)),
                name="kd",
                weight=ramp,
            )
        ],
        hard_loss_weight=ramp,
    )
    optimizer = keras.optimizers.SGD(0.0, gradient_accumulation_steps=accumulate)
    distiller.compile(optimizer, cross_entropy())
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(
            (
                float(distiller.hard_loss_weight),
                float(distiller.terms[0].weight),
                float(distiller.terms[0].loss.temperature) - 1.0,
            )
        )
    )
    fit(distiller, images, callbacks=[watch])
    steps = [0, 0, 1, 1] if accumulate else [0, 1, 2, 3]
    assert seen == [(0.25 * step,) * 3 for step in steps]
