"""Students with several outputs, and with masks: as in plain Keras."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import DistillationTerm, Distiller
from keras_kd.losses import KLDistillation, kl_divergence
from tests.models import cross_entropy, one_step, scores


def two_headed(name, form, width=8, seed=0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6,))
    x = layers.Dense(width, activation="relu", name="body")(inputs)
    heads = {
        "kind": layers.Dense(3, name="kind")(x),
        "size": layers.Dense(1, name="size")(x),
    }
    return keras.Model(
        inputs, heads if form == "dict" else list(heads.values()), name=name
    )


LOSSES = {"kind": cross_entropy, "size": keras.losses.MeanSquaredError}


def data(form):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(48, 6)).astype("float32")
    y = {"kind": rng.integers(0, 3, 48), "size": rng.normal(size=(48, 1))}
    return x, y if form == "dict" else list(y.values())


# Keras takes a dict of losses alone for a dict of outputs.
@pytest.mark.parametrize(
    "form, losses_as", [("list", "list"), ("list", "dict"), ("dict", "dict")]
)
def test_losses_weights_and_metrics_of_each_output(form, losses_as):
    x, y = data(form)
    plain, student = two_headed("s", form), two_headed("s", form)
    tap = "output/kind" if form == "dict" else "output/0"
    distiller = Distiller(
        two_headed("t", form, 32, seed=1),
        student,
        [DistillationTerm(KLDistillation(), tap, tap, weight=0.0, name="kd")],
    )
    for model in (plain, distiller):
        arguments = {
            "loss": {name: make() for name, make in LOSSES.items()},
            "loss_weights": {"kind": 1.0, "size": 0.25},
            "metrics": {"kind": ["accuracy"], "size": ["mae"]},
        }
        if losses_as == "list":
            arguments = {key: list(value.values()) for key, value in arguments.items()}
        model.compile("sgd", **arguments)
    fit = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0}
    expected = plain.fit(x, y, validation_data=(x, y), **fit).history
    history = distiller.fit(x, y, validation_data=(x, y), **fit).history
    assert set(history) == set(expected) | {"hard_loss", "kd"}
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-5, err_msg=key)
    for ours, theirs in zip(student.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("loss", [KLDistillation(), "mse"])
@pytest.mark.parametrize("form, part", [("dict", "output/kind"), ("list", "output/0")])
def test_a_whole_structure_is_not_one_tensor(form, part, loss):
    with pytest.raises(ValueError, match=f"name one of its parts, .*'{part}'"):
        Distiller(two_headed("t", form, seed=1), two_headed("s", form), [loss])


def tagger(name, width, seed=0):
    """A model of (batch, time) tokens that masks token 0."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(20, width, mask_zero=True)(inputs)
    x = layers.LSTM(width, return_sequences=True, name="body")(x)
    return keras.Model(inputs, layers.Dense(4, name="head")(x), name=name)


def sentences():
    rng = np.random.default_rng(0)
    x = rng.integers(1, 20, (12, 7)).astype("int32")
    lengths = rng.integers(1, 8, 12)
    mask = np.arange(7) < lengths[:, None]
    return np.where(mask, x, 0), rng.integers(0, 4, (12, 7)), mask


def test_padding_counts_neither_in_the_hard_loss_nor_in_the_terms():
    x, y, mask = sentences()
    plain, student = tagger("s", 6), tagger("s", 6)
    teacher = tagger("t", 12, seed=1)
    terms = [KLDistillation(), DistillationTerm("mse", "body", "body", name="hint")]
    distiller = Distiller(teacher, student, terms)
    plain.compile("sgd", cross_entropy())
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy())
    logs = one_step(distiller, x, y)
    assert logs["hard_loss"] == pytest.approx(scores(plain, x, y)["loss"], rel=1e-5)
    by_hand = [
        kl_divergence(
            teacher(x[i : i + 1])[:, : n.sum()], student(x[i : i + 1])[:, : n.sum()]
        )[0]
        for i, n in enumerate(mask)
    ]
    assert logs["kl_distillation"] == pytest.approx(np.mean(by_hand), abs=1e-6)
    # What stands in the padding is nobody's business.
    assert np.isfinite(logs["hint"])


def test_weights_of_single_positions():
    x, y, _ = sentences()
    weight = np.random.default_rng(1).uniform(size=x.shape).astype("float32")
    plain, student = tagger("s", 6), tagger("s", 6)
    distiller = Distiller(tagger("t", 12, seed=1), student, [KLDistillation()])
    for model in (plain, distiller):
        model.compile(keras.optimizers.SGD(0.0), cross_entropy())
    logs = one_step(distiller, x, y, sample_weight=weight)
    expected = one_step(plain, x, y, sample_weight=weight)["loss"]
    assert logs["hard_loss"] == pytest.approx(expected, rel=1e-5)


def test_several_inputs():
    def make(name, seed):
        keras.utils.set_random_seed(seed)
        a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
        x = layers.Concatenate()([layers.Dense(4)(a), b])
        return keras.Model({"a": a, "b": b}, layers.Dense(5)(x), name=name)

    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(16, 3)), "b": rng.normal(size=(16, 2))}
    distiller = Distiller(make("t", 1), make("s", 0), [KLDistillation()])
    distiller.compile("adam", cross_entropy())
    history = distiller.fit(x, rng.integers(0, 5, 16), epochs=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
