"""The share that withstands: against what must come out of a hand-worked network."""

import keras
import numpy as np
import pytest

from keras_kd.robust import PGD, robust_accuracy
from tests.robust.linear import B, W, linear

RNG = np.random.default_rng(0)
X = RNG.uniform(0.3, 0.7, size=(90, 4))
Y = np.argmax(X @ W + B + RNG.normal(size=(90, 3)) * 0.3, -1)


def withstands(epsilon):
    """Of two classes, the gap at the worst corner; of three, of each rival alone.

    The logits are linear, so a rival wins within ε where `gap < ε · |w_y − w_r|₁`;
    that some rival can is needed for an attack, and nearly always enough.
    """
    z = X @ W + B
    gaps = z[np.arange(90), Y][:, None] - z
    reach = epsilon * np.abs(W[:, Y].T[:, :, None] - W[None]).sum(1)
    rivals = np.arange(3)[None] != Y[:, None]
    return np.all((gaps > reach) | ~rivals, axis=-1)


@pytest.mark.parametrize("epsilon", [0.02, 0.1])
def test_it_is_the_share_that_no_corner_turns(epsilon):
    found = robust_accuracy(linear(), X, Y, PGD(epsilon, 20), restarts=2)
    expected = withstands(epsilon).mean()
    assert 0.05 < expected < 0.95
    assert expected <= found <= expected + 0.03


def test_labels_and_batches_of_any_form_give_one_figure():
    attack = PGD(0.05, 10, random_start=False)
    model, y = linear(), Y
    whole = robust_accuracy(model, X.astype("float32"), y, attack)
    for labels in (y[:, None], np.eye(3)[y]):
        assert robust_accuracy(model, X, labels, attack, batch_size=40) == whole
    plain = np.mean(np.argmax(X @ W + B, -1) == Y)
    assert whole < plain


def test_what_is_wrong_already_does_not_count():
    """An attack that drives the answer away from a wrong one earns nothing."""
    second = np.argsort(X @ W + B, -1)[:, 1]
    attack = PGD(0.3, 10, objective="student")
    assert robust_accuracy(linear(), X, second, attack) == 0.0


def test_more_restarts_find_no_less():
    one = robust_accuracy(linear(), X, Y, PGD(0.05, 1), seed=1)
    many = robust_accuracy(linear(), X, Y, PGD(0.05, 1), restarts=6, seed=1)
    assert many <= one


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"x": X + 1}, r"within the attack's clip=\(0.0, 1.0\). Received values from"),
        ({"y": Y[:3]}, "as many rows, at least one. Received: 90 and 3."),
        ({"x": X[:0], "y": Y[:0]}, "Received: 0 and 0."),
        ({"attack": PGD(objective="teacher")}, "must follow the labels"),
        ({"restarts": 0}, "`restarts` must be a positive integer"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"model": "softmax"}, "wants logits, and model 'softmax' ends in a softmax"),
    ],
)
def test_refusals(changes, words):
    given = {"model": linear(), "x": X, "y": Y, **changes}
    if given["model"] == "softmax":
        inputs = keras.Input((4,))
        out = keras.layers.Dense(3, activation="softmax")(inputs)
        given["model"] = keras.Model(inputs, out, name="softmax")
    with pytest.raises(ValueError, match=words):
        robust_accuracy(**given)
