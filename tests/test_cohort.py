"""Peers that teach each other."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import Cohort, DistillationTerm, Distiller, SelfTeacher, methods
from keras_kd.layers import EnsembleHead
from keras_kd.losses import Hint
from tests.models import Subclassed, cnn, cross_entropy, one_step

rng = np.random.default_rng(0)
X = rng.normal(size=(12, 6)).astype("float32")
Y = rng.integers(0, 4, 12)


def network(width=5, name="peer", classes=4, inputs=6):
    x = keras.Input((inputs,))
    hidden = layers.Dense(width, activation="tanh", name="hidden")(x)
    return keras.Model(x, layers.Dense(classes, name="logits")(hidden), name=name)


def softmax(z):
    powers = np.exp(z - z.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def mutual_step(peers, x, y, rate, temperature):
    """One step of gradient descent on Σ_i CE_i + 1/(k−1) Σ_j T² KL(p_j ‖ p_i)."""
    x, label = x.astype("float64"), np.eye(4)[y]
    hidden = [np.tanh(x @ w + b) for w, b, _, _ in peers]
    logits = [h @ p[2] + p[3] for h, p in zip(hidden, peers, strict=True)]
    soft = [softmax(z / temperature) for z in logits]
    values, after = {}, []
    for i, (_, _, w2, _) in enumerate(peers):
        slope = (softmax(logits[i]) - label) / len(x)
        for j, said in enumerate(soft):
            if i != j:
                part = 1.0 / (len(peers) - 1)
                slope += part * temperature * (soft[i] - said) / len(x)
                kl = (said * np.log(said / soft[i])).sum(-1).mean()
                values[i, j] = temperature**2 * kl
        below = slope @ w2.T * (1.0 - hidden[i] ** 2)
        slopes = x.T @ below, below.sum(0), hidden[i].T @ slope, slope.sum(0)
        after.append([a - rate * g for a, g in zip(peers[i], slopes, strict=True)])
    return values, after


@pytest.mark.parametrize("count, temperature", [(2, 1.0), (3, 2.0)])
def test_one_step_is_that_of_networks_written_by_hand(count, temperature):
    peers = {name: network(4 + i) for i, name in enumerate("abc"[:count])}
    before = [[w.astype("float64") for w in p.get_weights()] for p in peers.values()]
    values, after = mutual_step(before, X, Y, 0.5, temperature)
    cohort = Cohort(peers)
    terms = methods.mutual(cohort, temperature)
    distiller = Distiller(SelfTeacher(), cohort, terms)
    distiller.compile(keras.optimizers.SGD(0.5), cross_entropy(), metrics=["accuracy"])
    logs = one_step(distiller, X, Y)
    for (i, j), value in values.items():
        assert logs[f"{'abc'[i]}_from_{'abc'[j]}"] == pytest.approx(value, rel=1e-4)
    for peer, expected in zip(cohort.peers.values(), after, strict=True):
        for ours, theirs in zip(peer.get_weights(), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_each_peer_has_its_own_line_and_its_own_taps(tmp_path):
    """Two models of one name, another width, a head; saved and trained on."""
    peers = {"a": network(name="s"), "b": network(7, name="s")}
    cohort = Cohort(peers, head=EnsembleHead())
    terms = [
        *methods.one(cohort),
        DistillationTerm(Hint(), "a/hidden", "b/hidden", name="inner"),
    ]
    distiller = Distiller(SelfTeacher(), cohort, terms)
    distiller.compile("adam", cross_entropy(), metrics=["accuracy"], run_eagerly=True)
    history = distiller.fit(X, Y, validation_data=(X, Y), verbose=0).history
    for name in ("a", "b", "ensemble"):
        assert {f"{name}_loss", f"val_{name}_accuracy"} <= set(history)
    assert {"a_from_ensemble", "b_from_ensemble", "inner"} <= set(history)
    assert cohort.peers["a"] is peers["a"]

    distiller.save(tmp_path / "d.keras")
    loaded = keras.saving.load_model(tmp_path / "d.keras")
    loaded.teacher = SelfTeacher()
    for model in (distiller, loaded):
        one_step(model, X, Y)
    for ours, theirs in zip(distiller.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_ensemble_learns_and_teaches():
    cohort = Cohort([network(name="a"), network(name="b")], EnsembleHead())
    distiller = Distiller(SelfTeacher(), cohort, methods.one(cohort, 2.0))
    distiller.compile(keras.optimizers.SGD(0.5), cross_entropy(), run_eagerly=True)
    gate = np.array(cohort.head.gate.kernel)
    logits = {
        name: softmax(np.asarray(z, "float64") / 2.0)
        for name, z in cohort(X, training=True).items()
    }
    logs = one_step(distiller, X, Y)
    said = logits["ensemble"]
    for name in ("a", "b"):
        kl = (said * np.log(said / logits[name])).sum(-1).mean()
        assert logs[f"{name}_from_ensemble"] == pytest.approx(4 * kl, rel=1e-3)
    assert np.abs(np.array(cohort.head.gate.kernel) - gate).max() > 1e-5


def test_weights_of_examples_and_a_subclassed_peer(images):
    """Examples of weight 0 count neither in the hard losses nor among the peers."""
    x, y = images[0][:8], images[1][:8]
    first = Subclassed(name="sub")
    first(x)
    cohort = Cohort({"a": first, "b": cnn("b")})
    cohort.peers["b"].get_layer("bn").trainable = False
    distiller = Distiller(SelfTeacher(), cohort, methods.mutual(cohort))
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy(), run_eagerly=True)
    half = one_step(distiller, x[:4], y[:4])
    weights = np.repeat([1.0, 0.0], 4)
    whole = one_step(distiller, x, y, sample_weight=weights)
    for name in ("hard_loss", "a_from_b", "b_from_a"):
        assert whole[name] == pytest.approx(half[name] / 2, rel=1e-5), name


SHARED = layers.Dense(5, name="common")


def sharing(name):
    x = keras.Input((6,))
    return keras.Model(x, layers.Dense(4)(SHARED(x)), name=name)


def softmax_peer(name):
    x = keras.Input((6,))
    return keras.Model(x, layers.Dense(4, activation="softmax")(x), name=name)


@pytest.mark.parametrize(
    "peers, words",
    [
        (lambda: {"a": network()}, r"needs two peers or more.*Received: \['a'\]"),
        (lambda: [network()], r"two peers or more.*Received: \['peer'\]"),
        (lambda: [network(), network()], "Received 'peer' more than once"),
        (lambda: {"a/b": network(), "c": network()}, "without '/'.*Received: 'a/b'"),
        (lambda: {"fit": network(), "c": network()}, "Received: 'fit'"),
        (lambda: {"ensemble": network(), "c": network()}, "not 'head', 'output'"),
        (lambda: {"a": network(name="b"), "b": network()}, "the name of another peer"),
        (lambda: [sharing("a"), sharing("b")], "share the layer 'common'"),
        (
            lambda: {"a": network(), "b": network(classes=3)},
            r"same classes.*'a': \(None, 4\), 'b': \(None, 3\)",
        ),
        (
            lambda: {"a": network(), "b": network(inputs=7)},
            r"same batch.*'a': \(None, 6\), 'b': \(None, 7\)",
        ),
    ],
)
def test_refusals(peers, words):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        Cohort(peers())


def test_a_softmax_is_refused_and_methods_need_what_they_name():
    cohort = Cohort({"a": softmax_peer("x"), "b": network()})
    with pytest.raises(ValueError, match="ends in a softmax or sigmoid at 'output/a'"):
        Distiller(SelfTeacher(), cohort, methods.mutual(cohort))
    with pytest.raises(ValueError, match="needs an output 'ensemble'"):
        methods.one(cohort)
    with pytest.raises(ValueError, match="`mutual` needs two peers or more"):
        methods.mutual(["a", "ensemble"])
    with pytest.raises(TypeError, match="a model with named outputs"):
        methods.mutual("ab")
