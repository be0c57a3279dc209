"""Weights by epoch: `fit` counts them, however it is called, and after a resume."""

import inspect

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm, Distiller
from keras_kd.callbacks.epochs import EpochCounter
from keras_kd.losses import KLDistillation
from keras_kd.schedules import LinearWarmup, Ramp
from tests.interruption import killed_and_resumed, same_weights
from tests.models import cnn, cross_entropy


def compiled(optimizer=None, **kwargs):
    keras.utils.set_random_seed(5)
    term = DistillationTerm(
        KLDistillation(temperature=Ramp(4.0, 1.0, epochs=3)),
        weight=LinearWarmup(1.0, epochs=4),
        name="kd",
    )
    distiller = Distiller(
        cnn("t", 8, seed=1), cnn("s"), [term], Ramp(1.0, 0.25, epochs=3), **kwargs
    )
    distiller.compile(
        optimizer or keras.optimizers.SGD(0.0), cross_entropy(), run_eagerly=True
    )
    return distiller


def numbers(distiller):
    term = distiller.terms[0]
    return tuple(
        float(x)
        for x in (
            distiller.epoch,
            distiller.hard_loss_weight,
            term.weight,
            term.loss.temperature,
        )
    )


EXPECTED = [
    (0.0, 1.0, 0.25, 4.0),
    (1.0, 0.75, 0.5, 3.0),
    (2.0, 0.5, 0.75, 2.0),
    (3.0, 0.25, 1.0, 1.0),
]


class Watch(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen, self.begun = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append((epoch, float(self.model.epoch)))

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(numbers(self.model))


FORMS = {
    "a list": lambda d, x, y, w: d.fit(x, y, 32, 4, 0, [w]),
    "one": lambda d, x, y, w: d.fit(
        x, y, batch_size=32, epochs=4, verbose=0, callbacks=w
    ),
    "nested": lambda d, x, y, w: d.fit(
        x=x, y=y, batch_size=32, epochs=4, verbose=0, callbacks=[[w]]
    ),
    "a CallbackList": lambda d, x, y, w: d.fit(
        x,
        y,
        32,
        4,
        verbose=0,
        callbacks=keras.callbacks.CallbackList([w], add_history=True, model=d),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_fit_counts_however_it_is_called(form, images):
    distiller, watch = compiled(), Watch()
    history = FORMS[form](distiller, *images, watch)
    assert watch.seen == [numbers for numbers in EXPECTED for _ in range(2)]
    assert watch.begun == [(epoch, float(epoch)) for epoch in range(4)]
    assert history.epoch == [0, 1, 2, 3]
    logs = history.history
    for epoch, (_, hard, weight, _) in enumerate(EXPECTED):
        assert logs["loss"][epoch] == pytest.approx(
            hard * logs["hard_loss"][epoch] + weight * logs["kd"][epoch], rel=1e-4
        )


def test_a_callback_list_may_be_used_again(images):
    first, second, watch = compiled(), compiled(), Watch()
    callbacks = keras.callbacks.CallbackList([watch], add_history=True)
    for distiller in (first, second):
        callbacks.set_model(distiller)
        distiller.fit(*images, epochs=1, verbose=0, callbacks=callbacks)
    counters = [c for c in callbacks.callbacks if isinstance(c, EpochCounter)]
    assert [c.counter for c in counters] == [second.epoch]


def test_initial_epoch(images):
    distiller, watch = compiled(), Watch()
    distiller.fit(
        *images, batch_size=64, epochs=3, initial_epoch=2, verbose=0, callbacks=[watch]
    )
    assert watch.seen == [EXPECTED[2]]


def test_the_signature_is_that_of_keras():
    assert inspect.signature(Distiller.fit) == inspect.signature(keras.Model.fit)
    assert Distiller.fit.__doc__ == keras.Model.fit.__doc__
    with pytest.raises(TypeError, match="epoch_s"):
        compiled().fit(np.zeros((2, 8, 8, 3)), epoch_s=1)


def test_a_saved_distiller_goes_on_by_its_schedules(images, tmp_path):
    distiller = compiled(keras.optimizers.Adam(0.01))
    fit = {"batch_size": 32, "shuffle": False, "verbose": 0}
    distiller.fit(*images, epochs=2, **fit)
    distiller.save(tmp_path / "d.keras")
    loaded = Distiller.load(tmp_path / "d.keras", cnn("t", 8, seed=1))
    assert numbers(loaded) == EXPECTED[1]
    assert isinstance(loaded.terms[0].weight.schedule, LinearWarmup)
    for model in (distiller, loaded):
        model.fit(*images, epochs=4, initial_epoch=2, **fit)
        assert numbers(model) == EXPECTED[3]
    for a, b in zip(distiller.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_killed_run_resumes_in_its_epoch(images, tmp_path):
    def run(*callbacks):
        distiller = compiled(keras.optimizers.Adam(0.01))
        fit = {"batch_size": 32, "epochs": 4, "shuffle": False, "verbose": 0}
        distiller.fit(*images, callbacks=list(callbacks), **fit)
        return distiller

    whole, watch = run(), Watch()
    resumed = killed_and_resumed(run, tmp_path, watch)
    assert watch.seen == [EXPECTED[2]] * 2 + [EXPECTED[3]] * 2
    same_weights(whole, resumed)
