"""The order of updates, what each of them touches, saving and resuming."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import DataFreeDistiller, DistillationTerm, losses, methods
from keras_kd.data_free import OptimisedImages, default_generator
from tests.data_free.parts import (
    distiller,
    fit,
    generator,
    optimised,
    teacher,
    weights,
)
from tests.interruption import killed_and_resumed, same_weights
from tests.models import cnn, cross_entropy

MODELS = {"student", "generator", "terms"}  # whose own configs Keras extends
SOURCES = {"generator": generator, "images": optimised}
each_source = pytest.mark.parametrize("source", SOURCES)


def same(before, after):
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    "generator_steps, student_steps, learned, per", [(1, 1, 6, 1), (3, 2, 9, 2)]
)
def test_updates_alternate(generator_steps, student_steps, learned, per):
    model = distiller(generator_steps=generator_steps, student_steps=student_steps)
    order, made, taught = [], model.make_images, model.train_step
    model.make_images = lambda: (order.append("images"), made())
    model.train_step = lambda data: (order.append("student"), taught(data))[1]
    fit(model, steps=6)
    assert order == (["images"] + per * ["student"]) * (6 // per)
    assert int(model.images.learned) == learned and int(model.taught) == 6
    assert int(model.generator_optimizer.iterations) == learned
    assert int(model.optimizer.iterations) == 6


@each_source
def test_images_learn_and_leave_both_models_as_they_are(source):
    model = distiller(SOURCES[source](), priors=[losses.Adversarial("l1")])
    of, student = weights(model.teacher.model), weights(model.student)
    before = weights(model.images.source)
    model.make_images()
    assert same(of, weights(model.teacher.model))
    assert same(student, weights(model.student))
    assert not same(before, weights(model.images.source))


@each_source
def test_the_student_learns_and_leaves_the_images_as_they_are(source):
    model = distiller(SOURCES[source](), student_steps=3)
    model.make_images()
    of, student = weights(model.teacher.model), weights(model.student)
    before = [np.array(v) for v in model.images.source.trainable_weights]
    model.taught.assign(1)  # not the first of a round
    fit(model)
    after = [np.array(v) for v in model.images.source.trainable_weights]
    assert same(of, weights(model.teacher.model))
    assert not same(student, weights(model.student))
    assert same(before, after)


def test_the_student_takes_the_step_of_a_distiller_on_the_same_images():
    from keras_kd import Distiller

    model = distiller(optimised(), batch_size=6)
    model.make_images()
    images = np.asarray(model.images.batch(model.taught))
    plain = Distiller(teacher(), cnn("student"), methods.hinton(weight=1.0), 0.0)
    for one in (plain, model):
        one.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    plain.student.set_weights(model.student.get_weights())
    logs = plain.train_on_batch(images, return_dict=True)
    own = model.train_step(None)
    np.testing.assert_allclose(own["kl_distillation"], logs["kl_distillation"], 1e-5)
    for a, b in zip(weights(plain.student), weights(model.student), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_first_optimizer_moves_the_student_and_its_adapters_alone():
    hint = DistillationTerm(losses.Hint(), "body", "body")
    model = distiller(terms=[*methods.hinton(), hint])
    moved = {id(v) for v in model.trainable_variables}
    own = [*model.student.trainable_variables, *hint.trainable_variables]
    assert moved == {id(v) for v in own} == {id(v) for v in model.trainable_weights}
    assert len(hint.trainable_variables) > 0
    fit(model)


def test_logs_and_evaluation(images):
    model = distiller()
    logs = fit(model, validation_data=images).history
    assert set(logs) == {
        "loss",
        "hard_loss",
        "kl_distillation",
        "generator_loss",
        "class_confidence",
        "class_balance",
        "batch_norm_statistics",
        "val_loss",
    }
    total = logs["class_confidence"][0] + 2.2 * logs["class_balance"][0]
    total += logs["batch_norm_statistics"][0]
    np.testing.assert_allclose(logs["generator_loss"], total, rtol=1e-4)
    alone = cnn("alone")
    alone.set_weights(model.student.get_weights())
    alone.compile(loss=cross_entropy())
    np.testing.assert_allclose(
        logs["val_loss"][0], alone.evaluate(*images, verbose=0), rtol=1e-5
    )


@each_source
def test_a_killed_run_resumes_to_the_same_weights(source, tmp_path):
    def run(*callbacks):
        keras.utils.set_random_seed(5)
        model = distiller(SOURCES[source](), memory=24, student_steps=2)
        fit(model, 3, 3, callbacks=list(callbacks))
        return model

    whole, resumed = run(), killed_and_resumed(run, tmp_path)
    assert int(resumed.taught) == 9
    same_weights(whole, resumed)


@each_source
def test_a_saved_one_goes_on_as_if_nothing_had_been(source, tmp_path):
    model = distiller(SOURCES[source](), graph=True, memory=24, seed=3)
    fit(model)
    model.save(tmp_path / "half.keras")
    again = DataFreeDistiller.load(tmp_path / "half.keras", teacher())
    ours, theirs = again.get_config(), model.get_config()
    assert all(ours[key] == theirs[key] for key in set(ours) - MODELS)
    for one in (model, again):
        fit(one)
    same_weights(model, again)
    for a, b in zip(
        model.generator_optimizer.variables,
        again.generator_optimizer.variables,
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_another_seed_is_another_run():
    ends = []
    for seed in (0, 0, 1):
        model = distiller(seed=seed)
        fit(model, steps=1)
        ends.append(weights(model.student))
    assert same(ends[0], ends[1]) and not same(ends[0], ends[2])


def test_several_steps_at_once_are_the_same_training():
    ends = []
    for how in ({"run_eagerly": True}, {"steps_per_execution": 2}):
        model = distiller(student_steps=2)
        model.compile("sgd", generator_optimizer="sgd", jit_compile=False, **how)
        fit(model, steps=4)
        ends.append(weights(model.student))
        assert int(model.images.learned) == 2
    for end in ends[1:]:
        for a, b in zip(ends[0], end, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    model = distiller()
    logs = fit(model).history
    assert np.isfinite(logs["generator_loss"]).all()
    assert int(model.images.learned) == 2


def test_a_student_learns_from_no_image():
    """A direction: stripes, bars and discs told apart by one who saw none."""
    x, y = patterns(400, seed=0)
    x_test, y_test = patterns(300, seed=1)
    of = network("teacher", 16)
    of.compile(keras.optimizers.Adam(0.01), cross_entropy(), jit_compile=False)
    of.fit(x, y, batch_size=50, epochs=10, verbose=0)
    keras.utils.set_random_seed(0)
    student = network("student", 8)
    maker = default_generator((8, 8, 1), 16, 16)
    model = DataFreeDistiller(of, student, maker, batch_size=64)
    model.compile(
        keras.optimizers.Adam(0.02),
        generator_optimizer=keras.optimizers.Adam(0.01),
        jit_compile=False,
    )
    first = accuracy(student, x_test, y_test)
    fit(model, steps=100)
    ours, theirs = (accuracy(m, x_test, y_test) for m in (student, of))
    assert theirs > 0.95 and ours > 0.8 * theirs and ours > first + 0.3


def patterns(count, seed):
    """Upright bars, level bars, discs and noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, count)
    x = 0.15 * rng.uniform(size=(count, 8, 8, 1))
    row, column = np.mgrid[:8, :8]
    for image, label, (a, b) in zip(x, y, rng.integers(2, 6, (count, 2)), strict=True):
        disc = (row - a) ** 2 + (column - b) ** 2 < 6
        shape = (column == a, row == a, disc, rng.uniform(size=(8, 8)) < 0.4)[label]
        image[..., 0] += 0.8 * shape
    return x.astype("float32"), y


def network(name, width):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(width, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Conv2D(2 * width, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.GlobalMaxPooling2D(),
            layers.Dense(4),
        ],
        name=name,
    )


def accuracy(model, x, y):
    return float(np.mean(np.argmax(model(x, training=False), -1) == y))


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"source": OptimisedImages(50), "memory": 49}, "50 at least. Received"),
        ({"memory": 7}, "8 at least, or be 0. Received: memory=7"),
        ({"generator_steps": 0}, "`generator_steps` must be a positive integer"),
        ({"student_steps": -1}, "`student_steps` must be a positive integer"),
    ],
    ids=["optimised", "generated", "generator_steps", "student_steps"],
)
def test_numbers_that_make_no_training(arguments, words):
    with pytest.raises(ValueError, match=words):
        distiller(**arguments)


def test_what_compile_and_fit_refuse(images):
    model = distiller(student_steps=3)
    with pytest.raises(ValueError, match="must divide student_steps"):
        model.compile("adam", steps_per_execution=2)
    optimizer = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="must be two optimizers"):
        model.compile(optimizer, generator_optimizer=optimizer)
    for data in ((images[0], images[1]), (images[0],)):
        with pytest.raises(TypeError, match="takes no data"):
            model.fit(*data)
    with pytest.raises(TypeError, match="takes no data"):
        model.fit(x=images[0])


def test_models_that_it_does_not_take():
    flat = keras.Sequential([keras.Input((9,)), keras.layers.Dense(5)], name="flat")
    with pytest.raises(ValueError, match="student of one input. Received: student 'f"):
        DataFreeDistiller(flat, keras.models.clone_model(flat), generator())
    x = keras.Input((8, 8, 3))
    y = keras.layers.Flatten()(x)
    two = keras.Model(x, [keras.layers.Dense(5)(y), keras.layers.Dense(5)(y)])
    term = DistillationTerm(losses.KLDistillation(), teacher="output/0")
    with pytest.raises(ValueError, match="a teacher of one output"):
        distiller(of=two, terms=[term])
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        with pytest.raises(
            ValueError, match="on one device. Received: a strategy of 2"
        ):
            distiller()


def test_without_a_teacher_it_says_so(tmp_path):
    distiller().save(tmp_path / "half.keras")
    again = keras.saving.load_model(tmp_path / "half.keras")
    with pytest.raises(ValueError, match="has no teacher: set"):
        fit(again)
