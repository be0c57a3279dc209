"""A curriculum: what is off costs nothing, what is frozen does not move."""

import keras
import numpy as np
import pytest

from keras_kd import Agreement, DistillationTerm, Distiller, methods, pack_targets
from keras_kd.callbacks import Stage, Stages
from keras_kd.losses import KLDistillation
from tests.distiller.test_teacher_untouched import counted
from tests.interruption import Kill, Killed, killed_and_resumed, same_weights
from tests.models import cnn, cross_entropy

LOW = Stage(epochs=1, terms=["hint_body"], layers=["c", "bn"], hard_loss=False)
HIGH = Stage(epochs=1, terms=["kd"], layers=["head"])


def compiled(teacher=True, optimizer=None, **kwargs):
    keras.utils.set_random_seed(5)
    terms = [
        *methods.fitnets({"body": "body"}, weight=1.0),
        DistillationTerm(KLDistillation(), name="kd"),
    ]
    teacher = cnn("t", 8, seed=1) if teacher is True else teacher
    distiller = Distiller(teacher, cnn("s"), terms)
    kwargs = kwargs or {"run_eagerly": True}
    distiller.compile(
        optimizer or keras.optimizers.AdamW(0.01, weight_decay=0.1),
        cross_entropy(),
        metrics=["accuracy"],
        **kwargs,
    )
    return distiller


def fit(distiller, images, epochs, *callbacks, **kwargs):
    kwargs = {"batch_size": 32, "shuffle": False, "verbose": 0, **kwargs}
    return distiller.fit(*images, epochs=epochs, callbacks=list(callbacks), **kwargs)


class Weights(keras.callbacks.Callback):
    """The weights by path as each epoch ends."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        everything = [*self.model.weights, *self.model.optimizer.variables]
        self.seen.append({v.path: v.numpy() for v in everything})


def moved(before, after, part):
    return {
        path: not np.array_equal(before[path], after[path])
        for path in before
        if path.startswith(part)
    }


def test_only_what_is_named_moves(images):
    distiller, weights = compiled(), Weights()
    start = {v.path: v.numpy() for v in distiller.weights}
    history = fit(distiller, images, 3, Stages([LOW, HIGH, Stage()]), weights).history
    first, second, third = weights.seen
    for part, low, high in (("c/", 1, 0), ("bn/", 1, 0), ("head/", 0, 1)):
        assert set(moved(start, first, part).values()) == {bool(low)}, part
        assert set(moved(first, second, part).values()) == {bool(high)}, part
        assert set(moved(second, third, part).values()) == {True}, part
    adapter = distiller.terms[0].adapter.name
    assert not any(moved(first, second, f"hint_body/{adapter}").values())
    # The momenta of what rests are kept for later.
    slots = moved(first, second, "adamw/")
    assert not any(hit for path, hit in slots.items() if "_c_kernel" in path)
    assert all(hit for path, hit in slots.items() if "_head_kernel" in path)
    assert history["stage"] == [0, 1, 2]
    on = {key: np.isfinite(history[key]).tolist() for key in distiller.trackers}
    assert on == {
        "hard_loss": [False, True, True],
        "hint_body": [True, False, True],
        "kd": [False, True, True],
    }
    assert history["loss"][0] == pytest.approx(history["hint_body"][0], rel=1e-5)


def test_each_stage_is_compiled_anew(images):
    distiller = compiled(jit_compile=True, steps_per_execution=2)
    weights = Weights()
    history = fit(distiller, images, 2, Stages([LOW, HIGH]), weights).history
    assert set(moved(*weights.seen, "c/").values()) == {False}
    assert set(moved(*weights.seen, "bn/").values()) == {False}
    assert set(moved(*weights.seen, "head/").values()) == {True}
    assert history["loss"][0] == pytest.approx(history["hint_body"][0], rel=1e-5)


def test_the_distiller_is_as_before_when_fit_returns(images):
    distiller = compiled()
    fit(distiller, images, 1, Stages([LOW, Stage()]))
    assert distiller.stage == Stage()
    assert len(distiller.student.trainable_variables) == 6

    with pytest.raises(Killed):
        fit(distiller, images, 1, Stages([LOW, Stage()]), Kill(0))
    assert distiller.stage == Stage()
    history = fit(distiller, images, 1).history
    assert np.isfinite([history["hard_loss"], history["kd"]]).all()


class Counted(KLDistillation):
    """A loss that counts how often it is computed."""

    calls = 0

    def call(self, teacher, student, **more):
        self.calls += 1
        return super().call(teacher, student, **more)


def test_what_is_off_is_not_computed(images):
    teacher = counted("t", width=8, seed=1)
    terms = [DistillationTerm(Counted(), name=name) for name in ("first", "second")]
    distiller = Distiller(teacher, cnn("s"), terms)
    distiller.compile("sgd", cross_entropy(), run_eagerly=True)
    teacher.passes.assign(0)
    counts = []
    count = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: counts.append(
            [int(teacher.passes), *(term.loss.calls for term in terms)]
        )
    )
    stages = [Stage(1, terms=[]), Stage(1, terms=["first"]), Stage(1), Stage(terms=[])]
    fit(distiller, images, 4, Stages(stages), count)
    # Two batches an epoch.
    assert counts == [[0, 0, 0], [2, 2, 0], [4, 4, 2], [4, 4, 2]]


def test_no_teacher_is_needed_where_no_term_is_on(images):
    distiller = compiled(teacher=None)
    history = fit(distiller, images, 1, Stages([Stage(terms=[])])).history
    assert np.isfinite(history["loss"]).all()
    with pytest.raises(ValueError, match="has no teacher"):
        fit(distiller, images, 1, Stages([Stage(terms=["kd"])]))


def test_a_teacher_metric_still_asks_the_teacher(images):
    teacher = counted("t", width=8, seed=1)
    distiller = Distiller(teacher, cnn("s"), methods.hinton())
    distiller.compile("sgd", cross_entropy(), metrics=[Agreement()], run_eagerly=True)
    teacher.passes.assign(0)
    fit(distiller, images, 1, Stages([Stage(terms=[])]))
    assert int(teacher.passes) == 2


def test_stored_targets_shape_all_the_terms_at_once(images):
    x, y = images
    teacher = cnn("t", 8, seed=1)
    live = keras.Model(
        teacher.input, {"output": teacher.output, "body": teacher.layers[3].output}
    )
    stored = {k: v.numpy() for k, v in live(x, training=False).items()}
    distiller = compiled(teacher=None)
    stages = Stages([Stage(1, ["kd"], ["head"]), Stage()])
    packed = x, pack_targets(y, stored)
    history = fit(distiller, packed, 2, stages).history
    assert np.isfinite(history["hint_body"]).tolist() == [False, True]


def test_a_resumed_run_enters_the_right_stage(images, tmp_path):
    def run(*callbacks):
        distiller = compiled()
        stages = Stages([LOW, Stage(2, ["kd"], ["head"]), Stage()])
        return distiller, fit(distiller, images, 4, stages, *callbacks).history

    whole, expected = run()
    resumed, history = killed_and_resumed(run, tmp_path)
    assert history["stage"] == expected["stage"][2:] == [1, 2]
    same_weights(whole, resumed)


def test_a_file_saved_within_a_stage_knows_nothing_of_it(images, tmp_path):
    distiller = compiled()
    path = tmp_path / "d.keras"
    save = keras.callbacks.ModelCheckpoint(path)
    fit(distiller, images, 1, Stages([LOW, Stage()]), save)
    loaded = Distiller.load(path, cnn("t", 8, seed=1))
    assert len(loaded.trainable_variables) == len(distiller.trainable_variables)
    for model in (distiller, loaded):
        fit(model, images, 2, initial_epoch=1)
    for a, b in zip(distiller.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_stage_of_each_epoch():
    stages = Stages([Stage(2), Stage(1), Stage(3)])
    assert [stages.index_at(epoch) for epoch in range(8)] == [0, 0, 1, 2, 2, 2, 2, 2]
    open_end = Stages([Stage(2), Stage()])
    assert [open_end.index_at(epoch) for epoch in (0, 1, 2, 99)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "stages, message",
    [
        ([], "`stages` must be a non-empty list of Stage"),
        ([{"epochs": 3}], "`stages` must be a non-empty list of Stage"),
        ([Stage(), Stage()], r"needs `epochs`. Received: epochs=\[None, None\]"),
    ],
)
def test_refuses(stages, message):
    with pytest.raises(ValueError, match=message):
        Stages(stages)


def test_unknown_names_are_refused_before_anything_is_trained(images):
    distiller = compiled()
    stages = Stages([Stage(1), Stage(terms=["hint_boddy"])])
    with pytest.raises(ValueError, match="Did you mean 'hint_body'"):
        fit(distiller, images, 2, stages)
    assert not int(distiller.optimizer.iterations)
    student = cnn("plain")
    student.compile("sgd", cross_entropy())
    with pytest.raises(TypeError, match="Stages are of a Distiller"):
        student.fit(*images, verbose=0, callbacks=[Stages([Stage()])])
