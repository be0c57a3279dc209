"""Terms of one magnitude: their weights are shares of the hard loss."""

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm, Distiller, methods
from keras_kd.callbacks import Stage
from keras_kd.losses import KLDistillation
from keras_kd.objective.balance import MagnitudeBalance
from tests.models import cnn, cross_entropy, one_step

NAMES = ["hard_loss", "a", "b"]


def built(**kwargs):
    balance = MagnitudeBalance(**kwargs)
    balance.build((3,))
    return balance


def scales(balance, hard_loss_weight=1.0, **values):
    found = balance.scales(NAMES, values, hard_loss_weight)
    assert set(found) == {"hard_loss", *values}
    return [float(found[name]) for name in NAMES if name in values]


def test_the_first_step_brings_all_to_the_hard_loss():
    assert scales(built(), hard_loss=2.0, a=0.5, b=100.0) == pytest.approx(
        [1.0, 4.0, 0.02]
    )


def test_running_means_are_those_of_numpy():
    balance, decay = built(decay=0.8), 0.8
    values = np.abs(np.random.default_rng(0).normal(size=(6, 3))).astype("float32")
    for step, (hard, a, b) in enumerate(values):
        found = scales(balance, hard_loss=hard, a=-a, b=b)  # magnitudes: |a|
        ages = decay ** np.arange(step, -1, -1)
        means = ages @ values[: step + 1] / ages.sum()
        assert found == pytest.approx(means[0] / means * [1, 1, 1], rel=1e-4)


@pytest.mark.parametrize(
    "values, weight",
    [
        ({"hard_loss": 3.0, "a": 2.0, "b": 8.0}, 0.0),  # it has no weight
        ({"hard_loss": 0.0, "a": 2.0, "b": 8.0}, 1.0),  # there are no labels
        ({"a": 2.0, "b": 8.0}, 1.0),  # it is off
    ],
)
def test_without_a_hard_loss_the_first_term_is_the_measure(values, weight):
    assert scales(built(), weight, **values)[-2:] == pytest.approx([1.0, 0.25])


def test_a_term_that_is_off_keeps_its_mean():
    balance = built(decay=0.5)
    scales(balance, hard_loss=1.0, a=4.0, b=2.0)
    scales(balance, hard_loss=1.0, b=2.0)
    assert scales(balance, hard_loss=1.0, a=4.0, b=2.0)[1] == pytest.approx(0.25)


def test_what_has_vanished_or_overflowed_does_no_harm():
    balance = built()
    assert scales(balance, hard_loss=1.0, a=0.0, b=1e-30) == [1.0, 1.0, 1e6]
    before = balance.sums.numpy(), balance.counts.numpy()
    scales(balance, hard_loss=np.inf, a=np.nan, b=np.inf)
    for old, now in zip(before, (balance.sums, balance.counts), strict=True):
        np.testing.assert_array_equal(old, now.numpy())


def distilled(balance, **kwargs):
    terms = [
        *methods.fitnets({"body": "body"}, weight=0.5),
        DistillationTerm(KLDistillation(), weight=0.25, name="kd"),
    ]
    distiller = Distiller(cnn("t", 8, seed=1), cnn("s"), terms, 0.8, balance=balance)
    distiller.compile(
        keras.optimizers.SGD(0.0), cross_entropy(), run_eagerly=True, **kwargs
    )
    return distiller


def test_a_weight_is_a_share_of_the_hard_loss(images):
    logs = one_step(distilled(MagnitudeBalance(log_scales=True)), *images)
    # 0.8 · hard + 0.5 · hard + 0.25 · hard: the means begin with this step.
    assert logs["loss"] == pytest.approx(1.55 * logs["hard_loss"], rel=1e-4)
    for name in ("hint_body", "kd"):
        scale = logs["hard_loss"] / logs[name]
        assert logs[f"{name}_scale"] == pytest.approx(scale, rel=1e-4)


def test_logs_keep_the_raw_values(images):
    logs = one_step(distilled(MagnitudeBalance()), *images)
    plain = one_step(distilled(None), *images)
    assert set(logs) == set(plain)
    for name in ("hard_loss", "hint_body", "kd"):
        assert logs[name] == pytest.approx(plain[name], rel=1e-5)


def test_no_gradient_flows_through_the_scale(images):
    """One step of SGD equals one with the scale as a constant weight."""
    x, y = images
    distiller = distilled(MagnitudeBalance())
    logs = one_step(distiller, x, y)
    by_hand = distilled(None)
    one_step(by_hand, x, y)
    for term in by_hand.terms:
        term.weight.assign(float(term.weight) * logs["hard_loss"] / logs[term.name])
    for model in (distiller, by_hand):
        model.optimizer.learning_rate = 0.1
        one_step(model, x, y)
    pairs = zip(distiller.student.weights, by_hand.student.weights, strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, atol=1e-5, err_msg=a.path)


def test_without_labels_and_in_a_stage(images):
    distiller = distilled(MagnitudeBalance())
    distiller.enter(Stage(hard_loss=False))
    logs = one_step(distiller, *images)
    assert logs["loss"] == pytest.approx(0.75 * logs["hint_body"], rel=1e-4)


def test_it_is_saved_with_the_rest(images, tmp_path):
    distiller = distilled(MagnitudeBalance(decay=0.5, log_scales=True))
    one_step(distiller, *images)
    distiller.save(tmp_path / "d.keras")
    loaded = Distiller.load(tmp_path / "d.keras", cnn("t", 8, seed=1))
    assert (loaded.balance.decay, loaded.balance.log_scales) == (0.5, True)
    for a, b in zip(distiller.balance.weights, loaded.balance.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one_step(loaded, *images) == pytest.approx(one_step(distiller, *images))


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: MagnitudeBalance(decay=1.0), ValueError, "`decay` must be below 1"),
        (lambda: MagnitudeBalance(decay=-0.1), ValueError, "`decay` must be non-neg"),
        (lambda: distilled("magnitude"), TypeError, "must be a keras_kd.Magnitude"),
        (
            lambda: Distiller(None, cnn("s"), ["mse"], balance=built()),
            ValueError,
            "was made for 2 terms, and there are 1",
        ),
    ],
)
def test_refuses(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_published_weight_is_not_a_share():
    terms = methods.fitnets({"body": "body"})
    with pytest.warns(UserWarning, match="'hint_body' has the weight 100, which with"):
        Distiller(cnn("t"), cnn("s"), terms, balance=MagnitudeBalance())
