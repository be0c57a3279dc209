"""A Distiller whose terms weigh nothing is the plain student, to the last bit."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import DistillationTerm, Distiller
from keras_kd.losses import Hint, KLDistillation
from tests.models import cnn, cross_entropy, one_step, scores


def penalised(name, seed=0):
    """A student with regularisers and a layer that adds a loss of its own."""

    class Activity(layers.Layer):
        def call(self, x):
            self.add_loss(0.01 * keras.ops.mean(keras.ops.square(x)))
            return x

    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, kernel_regularizer="l2", name="c")(inputs)
    x = layers.Dropout(0.3, seed=1)(Activity()(x))
    x = layers.GlobalAveragePooling2D()(layers.BatchNormalization()(x))
    x = layers.Dense(5, bias_regularizer="l1", name="head")(x)
    return keras.Model(inputs, x, name=name)


def silent_terms(tap="body"):
    return [
        DistillationTerm(KLDistillation(), weight=0.0),
        DistillationTerm(Hint(), tap, "body", weight=0.0),
    ]


def both(make, tap="body", **compiled):
    """A plain student and a distilled one, compiled alike."""
    plain, student = make("s"), make("s")
    distiller = Distiller(cnn("t", width=8, seed=1), student, silent_terms(tap))
    for model in (plain, distiller):
        arguments = {key: make_one() for key, make_one in compiled.items()}
        arguments.setdefault("optimizer", keras.optimizers.Adam(0.01))
        arguments.setdefault("loss", cross_entropy())
        model.compile(**arguments)
    return plain, distiller


def assert_same_training(plain, distiller, *data, exact=True, **fit):
    fit = {"epochs": 2, "batch_size": 24, "shuffle": False, "verbose": 0, **fit}
    expected = plain.fit(*data, **fit).history
    history = distiller.fit(*data, **fit).history
    close = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-5, "atol": 1e-6}
    for ours, theirs in zip(
        distiller.student.get_weights(), plain.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, **close)
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-5, err_msg=key)
    return history


SETTINGS = {
    "plain": {},
    "metrics": {"metrics": lambda: ["accuracy", "sparse_categorical_crossentropy"]},
    "weighted metrics": {"weighted_metrics": lambda: ["accuracy"]},
    "run_eagerly": {"run_eagerly": lambda: True},
    "steps_per_execution": {"steps_per_execution": lambda: 2},
    "accumulation": {
        "optimizer": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2)
    },
    "moving average": {
        "optimizer": lambda: keras.optimizers.SGD(
            0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
        )
    },
    "clipping": {"optimizer": lambda: keras.optimizers.SGD(1.0, global_clipnorm=0.1)},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_compile(setting, images):
    plain, distiller = both(cnn, **SETTINGS[setting])
    assert_same_training(plain, distiller, *images)


def test_jit_compile(images):
    plain, distiller = both(
        cnn, jit_compile=lambda: True, optimizer=lambda: keras.optimizers.SGD(0.1)
    )
    assert_same_training(plain, distiller, *images, exact=False)


def test_regularisers_add_loss_and_dropout(images):
    plain, distiller = both(penalised, tap="c")
    # The added loss is the student's business alone, whatever the terms weigh.
    assert_same_training(plain, distiller, *images)


def test_penalties_keep_their_strength_under_hard_loss_weight(images):
    x, y = images
    student = penalised("s")
    distiller = Distiller(cnn("t", seed=1), student, silent_terms("c"), 0.0)
    distiller.compile("sgd", cross_entropy(), run_eagerly=True)
    logs = one_step(distiller, x, y)
    assert logs["loss"] > 0.01
    assert logs["loss"] != pytest.approx(logs["hard_loss"])


@pytest.mark.parametrize("make", [cnn, penalised])
def test_validation_reports_what_the_student_would(make, images):
    x, y = images
    tap = "body" if make is cnn else "c"
    plain, distiller = both(make, tap, metrics=lambda: ["accuracy"])
    history = assert_same_training(plain, distiller, *images, validation_data=(x, y))
    assert {key for key in history if key.startswith("val_")} == {
        "val_loss",
        "val_accuracy",
    }
    assert scores(distiller, x, y) == pytest.approx(scores(plain, x, y))


def test_sample_weight(images):
    plain, distiller = both(cnn)
    weight = np.linspace(0, 2, 64).astype("float32")
    assert_same_training(plain, distiller, *images, sample_weight=weight)


def test_class_weight(images):
    plain, distiller = both(cnn)
    weight = {label: 1.0 + label for label in range(5)}
    assert_same_training(plain, distiller, *images, class_weight=weight)


def test_a_dataset_with_sample_weights(images):
    import tensorflow as tf

    weight = np.linspace(0, 2, 64).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((*images, weight)).batch(24)
    assert_same_training(*both(cnn), data, batch_size=None)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_students(policy, images):
    teacher = cnn("t", width=8, seed=1)

    def make(name):
        keras.config.set_dtype_policy(policy)
        try:
            return cnn(name)
        finally:
            keras.config.set_dtype_policy("float32")

    plain, student = make("s"), make("s")
    keras.config.set_dtype_policy(policy)
    distiller = Distiller(teacher, student, silent_terms())
    for model in (plain, distiller):
        model.compile(keras.optimizers.SGD(0.01), cross_entropy())
    assert type(distiller.optimizer) is type(plain.optimizer)
    assert_same_training(plain, distiller, *images)
    assert student.compute_dtype == policy.removeprefix("mixed_")
    assert teacher.compute_dtype == "float32"
    assert {v.dtype for v in distiller.trainable_variables} == {"float32"}


def test_the_student_sees_its_input_uncast(images):
    """A student that computes in float16 may begin with a layer that does not."""
    x, _ = images
    keras.config.set_dtype_policy("mixed_float16")
    inputs = keras.Input((8, 8, 3))
    exact = layers.Lambda(lambda x: x * 1000.0, dtype="float32")(inputs)
    student = keras.Model(inputs, layers.Dense(5)(layers.Flatten()(exact)))
    distiller = Distiller(None, student, [])
    np.testing.assert_array_equal(distiller(x), student(x))


def test_the_same_call_and_predictions(images):
    x, _ = images
    plain, distiller = both(cnn)
    for training in (False, True):
        np.testing.assert_array_equal(
            distiller(x, training=training), plain(x, training=training)
        )
    np.testing.assert_array_equal(
        distiller.predict(x, verbose=0), plain.predict(x, verbose=0)
    )
