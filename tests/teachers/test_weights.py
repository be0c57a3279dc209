"""What each member of an ensemble counts, against NumPy in float64."""

import numpy as np
import pytest
from keras import ops

from keras_kd import EnsembleTeacher
from keras_kd.objective.total import WEIGHTS as READ_AT
from keras_kd.teachers.members import WEIGHTS
from tests.teachers.tables import (
    CLASSES,
    Says,
    cross_entropy_of,
    entropy,
    said,
    scaled,
    softmax,
    tables,
)

X = np.arange(7)
Y = np.random.default_rng(1).integers(0, CLASSES, 7)


def ca_mkd(losses):
    """The formula of the paper, term by term; `losses` is (batch, teachers)."""
    count = losses.shape[-1]
    share = np.exp(losses) / np.exp(losses).sum(-1, keepdims=True)
    return (1 - share) / (count - 1)


def expected(rule, z, y=Y):
    """`(batch, teachers)` by hand."""
    if rule == "confidence":
        return scaled(np.stack([softmax(t).max(-1) for t in z], -1))
    if rule == "entropy":
        return scaled(np.exp(-np.stack([entropy(t) for t in z], -1)))
    return ca_mkd(np.stack([cross_entropy_of(t, y) for t in z], -1))


@pytest.mark.parametrize("rule", ["confidence", "entropy", "correctness"])
@pytest.mark.parametrize("combine", ["logits", "probabilities", "losses"])
def test_rules_weigh_each_example(rule, combine):
    z = tables()
    features = EnsembleTeacher(said(z), combine, rule)(X, labels=Y)
    w = expected(rule, z)
    np.testing.assert_allclose(features["weights"], w, rtol=1e-12)
    if combine == "probabilities":
        output = sum(w[:, [k]] * softmax(t) for k, t in enumerate(z))
        found = softmax(features["output"])
        np.testing.assert_allclose(found, output, rtol=1e-6)
    else:
        output = sum(w[:, [k]] * t for k, t in enumerate(z))
        np.testing.assert_allclose(features["output"], output, rtol=1e-11)


@pytest.mark.parametrize("labels", [Y, Y[:, None], np.eye(CLASSES)[Y]], ids="abc")
def test_labels_come_as_numbers_or_one_hot(labels):
    teacher = EnsembleTeacher(said(tables()), weights="correctness")
    weights = teacher(X, labels=labels)["weights"]
    np.testing.assert_allclose(weights, expected("correctness", tables()), rtol=1e-6)


def test_labels_that_outputs_share():
    teacher = EnsembleTeacher(said(tables()), weights="correctness")
    shared = teacher(X, labels=dict.fromkeys("ab", Y))["weights"]
    np.testing.assert_array_equal(shared, teacher(X, labels=Y)["weights"])
    with pytest.raises(ValueError, match="labels of one output. Received those of 2"):
        teacher(X, labels={"a": Y, "b": Y + 0})


def test_one_teacher_counts_whole_by_every_rule():
    for rule in ("confidence", "entropy", "correctness", "learned"):
        weights = EnsembleTeacher(said(tables(1)), weights=rule)(X, labels=Y)["weights"]
        np.testing.assert_allclose(weights, np.ones((7, 1)))


def test_of_a_sequence_the_mean_over_its_positions():
    z = tables(positions=(4,))
    y = np.random.default_rng(2).integers(0, CLASSES, (7, 4))
    losses = np.stack([cross_entropy_of(t, y).mean(-1) for t in z], -1)
    found = EnsembleTeacher(said(z), weights="correctness")(X, labels=y)
    np.testing.assert_allclose(found["weights"], ca_mkd(losses), rtol=1e-11)
    output = sum(ca_mkd(losses)[:, k, None, None] * t for k, t in enumerate(z))
    np.testing.assert_allclose(found["output"], output, rtol=1e-11)
    entropies = np.stack([entropy(t).mean(-1) for t in z], -1)
    found = EnsembleTeacher(said(z), weights="entropy")(X)["weights"]
    np.testing.assert_allclose(found, scaled(np.exp(-entropies)), rtol=1e-11)


def test_a_function_weighs_with_labels_or_without():
    z = tables()

    def by_first(outputs):
        return ops.stack([ops.abs(t[:, 0]) for t in outputs], axis=-1)

    def by_label(outputs, labels):
        return ops.stack(
            [ops.one_hot(labels, CLASSES)[:, k] + 1.0 for k in range(len(outputs))], -1
        )

    plain = EnsembleTeacher(said(z), weights=by_first)
    assert not plain.uses_labels
    first = scaled(np.stack([np.abs(t[:, 0]) for t in z], -1))
    np.testing.assert_allclose(plain(X)["weights"], first, rtol=1e-11)
    labelled = EnsembleTeacher(said(z), weights=by_label)
    assert labelled.uses_labels
    hot = scaled(np.eye(CLASSES)[Y][:, :3] + 1)
    np.testing.assert_allclose(labelled(X, labels=Y)["weights"], hot, rtol=1e-6)


def without_worst(values, weights, drop):
    """Leave out the `drop` largest of each row, one after the other."""
    weights = weights.copy()
    for row, own in zip(values, weights, strict=True):
        for _ in range(drop):
            worst = max(range(len(row)), key=lambda k: (row[k], -k))  # noqa: B023
            row[worst], own[worst] = -np.inf, 0.0
    return scaled(weights)


@pytest.mark.parametrize("drop", [1, 2])
@pytest.mark.parametrize("rule", [None, "confidence", "entropy"])
def test_the_least_sure_are_left_out(drop, rule):
    z = tables(4)
    weights = np.full((7, 4), 0.25) if rule is None else expected(rule, z)
    entropies = np.stack([entropy(t) for t in z], -1)
    found = EnsembleTeacher(said(z), weights=rule, drop_worst=drop)(X)["weights"]
    np.testing.assert_allclose(
        found, without_worst(entropies, weights, drop), rtol=1e-6
    )
    assert (np.sum(np.asarray(found) == 0, -1) == drop).all()


def test_by_correctness_those_that_are_wrong_are_left_out():
    z = tables(4)
    losses = np.stack([cross_entropy_of(t, Y) for t in z], -1)
    rows = []
    for row in losses:
        kept = np.argsort(row)[:3]
        own = np.zeros(4)
        own[kept] = ca_mkd(row[None, kept])[0]
        rows.append(own)
    found = EnsembleTeacher(said(z), weights="correctness", drop_worst=1)
    np.testing.assert_allclose(found(X, labels=Y)["weights"], rows, rtol=1e-11)


def test_of_equal_ones_the_first_goes():
    table = tables(1)[0]
    found = EnsembleTeacher(said([table] * 3), drop_worst=1)(X)["weights"]
    np.testing.assert_allclose(found, [[0, 0.5, 0.5]] * 7)


def test_one_without_weight_is_not_dropped_for_another():
    z = tables()
    z[0] = np.zeros_like(z[0])  # the largest entropy, and no weight
    teacher = EnsembleTeacher(said(z), weights={"t0": 0.0}, drop_worst=1)
    entropies = np.stack([entropy(t) for t in z[1:]], -1)
    kept = (entropies == entropies.min(-1, keepdims=True)).astype("float64")
    found = teacher(X)["weights"]
    np.testing.assert_allclose(found, np.pad(kept, [(0, 0), (1, 0)]))


def test_a_class_that_is_ruled_out_adds_no_entropy():
    z = [np.array([[0.0, 0.0, -np.inf]]), np.array([[0.0, 0.0, 0.0]])]
    found = EnsembleTeacher(said(z), combine="probabilities", weights="entropy")([0])
    np.testing.assert_allclose(found["weights"], [[0.6, 0.4]], rtol=1e-6)


def test_fixed_weights_are_a_tap_as_well():
    teacher = EnsembleTeacher(said(tables(2)), weights={"t1": 3.0})
    np.testing.assert_allclose(teacher(X)["weights"], [[0.25, 0.75]] * 7)
    assert teacher.shares == {"t0": 0.25, "t1": 0.75}
    assert WEIGHTS == READ_AT


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda m: EnsembleTeacher(m, weights="entropi"), "Did you mean 'entropy'"),
        (lambda m: EnsembleTeacher(m, drop_worst=3), "integer from 0 to 2. Received"),
        (lambda m: EnsembleTeacher(m, drop_worst=1.0), "drop_worst=1.0"),
        (
            lambda m: EnsembleTeacher(m, weights={"t0": 0}, drop_worst=2),
            "leave a teacher of the 2 that count",
        ),
        (
            lambda m: EnsembleTeacher(m, weights="correctness")(X),
            "needs labels, and the batch has none: pass `y`",
        ),
        (
            lambda m: EnsembleTeacher(m, combine=sum, weights="entropy"),
            "`weights` is for `combine` in .*a function of the outputs does not see",
        ),
        (lambda m: EnsembleTeacher(m, combine=sum, drop_worst=1), "`drop_worst` is"),
        (lambda m: EnsembleTeacher([*m, m[0]]), "Teachers must have different names"),
        (
            lambda m: EnsembleTeacher(
                [Says(np.zeros((7, 1)), n) for n in "ab"], weights="entropy"
            )(X),
            "The weighting of teachers takes logits of two classes",
        ),
    ],
)
def test_refusals(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(said(tables()))
