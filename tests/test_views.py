"""What the student sees besides the batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_kd import DistillationTerm, Distiller, SelfTeacher, View
from keras_kd.callbacks import Stage
from keras_kd.losses import KLDistillation
from keras_kd.registration import register
from keras_kd.shared_labels import shared_labels

X = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
Y = np.random.default_rng(1).integers(0, 4, 16)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@register
class Noise(View):
    def __init__(self, scale=0.1):
        self.scale = scale

    def make(self, x, seen):
        return x + self.scale * tf.random.stateless_normal(tf.shape(x), seen.seed)

    def get_config(self):
        return {"scale": self.scale}


def network(name="student"):
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, activation="tanh", name="hidden")(inputs)
    return keras.Model(inputs, layers.Dense(4, name="logits")(hidden), name=name)


def distiller(views, student="noisy/output"):
    term = DistillationTerm(KLDistillation(1.0), student, name="agreement")
    return Distiller(SelfTeacher(), network(), [term], views=views)


def test_a_term_compares_the_view_with_the_batch_itself():
    model = distiller({"noisy": lambda x: x[:, ::-1]})
    model.compile(keras.optimizers.SGD(0.0), LOSS)
    logs = model.train_on_batch(X, Y, return_dict=True)
    z = np.asarray(model.student(X), "float64")
    seen = np.asarray(model.student(X[:, ::-1].copy()), "float64")

    def log_p(x):
        return x - np.log(np.exp(x).sum(-1, keepdims=True))

    gap = (np.exp(log_p(z)) * (log_p(z) - log_p(seen))).sum(-1).mean()
    np.testing.assert_allclose(logs["agreement"], gap, rtol=1e-4)


def test_random_views_are_the_same_after_a_resume(tmp_path):
    keras.utils.set_random_seed(0)
    whole = distiller({"noisy": Noise(0.5)})
    whole.compile("adam", LOSS)
    whole.fit(X, Y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    whole.save(tmp_path / "half.keras")
    resumed = Distiller.load(tmp_path / "half.keras", SelfTeacher())
    for model in (whole, resumed):
        model.fit(X, Y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    for ours, theirs in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "views, student, words",
    [
        ({"a/b": Noise()}, "output", "a word without '/'"),
        ({"output": Noise()}, "output", "not 'output'"),
        ({"noisy": Noise(), "odd": Noise()}, "noisy/output", "reads the view 'odd'"),
        ({"hidden": Noise()}, "hidden/output", "name of the student's layer 'hidden'"),
        ({"noisy": Noise()}, "noisy/hiden", "Did you mean 'hidden'"),
    ],
)
def test_refusals(views, student, words):
    with pytest.raises(ValueError, match=words):
        distiller(views, student)


def test_a_stage_makes_only_the_views_that_its_terms_read():
    made = []

    def seen(x):
        made.append(1)
        return x

    model = distiller({"noisy": seen})
    model.compile("sgd", LOSS)
    model.enter(Stage(terms=[]))
    model.train_on_batch(X, Y)
    assert not made
    model.enter(Stage())
    model.train_on_batch(X, Y)
    assert made


def test_what_makes_no_view_is_refused():
    with pytest.raises(TypeError, match="a layer or a function"):
        distiller({"noisy": 3})


def test_outputs_that_share_labels_report_one_by_one():
    inputs = keras.Input((6,))

    class Two(keras.Model):
        shares_labels = True

    student = Two(inputs, {n: network(n)(inputs) for n in ("a", "b")})
    terms = [DistillationTerm(KLDistillation(), "output/a", "output/b")]
    model = Distiller(SelfTeacher(), student, terms)
    model.compile("adam", LOSS, metrics=[keras.metrics.SparseCategoricalAccuracy("m")])
    history = model.fit(X, Y, sample_weight=np.ones(16), verbose=0).history
    assert {"a_loss", "b_loss", "a_m", "b_m"} <= set(history)
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    for name in "ab":
        right = np.mean(np.argmax(student(X)[name], -1) == Y)
        np.testing.assert_allclose(found[f"{name}_m"], right, rtol=1e-6)
    assert shared_labels(student, {"a": 1, "b": 2}) == {"a": 1, "b": 2}
    model.compile("adam", LOSS, loss_weights={"a": 0.0, "b": 2.0})
    logs = model.train_on_batch(X, Y, return_dict=True)
    np.testing.assert_allclose(logs["hard_loss"], 2 * logs["b_loss"], rtol=1e-5)
