"""A term alone: its name, its adapter, its weights, what it hands to the loss."""

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm
from keras_kd.layers import DenseAdapter, FeatureAdapter
from keras_kd.losses import Hint, KLDistillation
from keras_kd.losses.keras_loss import KerasLoss


@pytest.mark.parametrize(
    "arguments, name",
    [
        ({"loss": KLDistillation()}, "kl_distillation"),
        ({"loss": Hint(), "student": "a/b", "teacher": "c"}, "hint_a_b"),
        ({"loss": "mse", "student": ["a", "b"]}, "mean_squared_error_a_b"),
        ({"loss": keras.losses.Huber()}, "huber_loss"),
        ({"loss": Hint(), "name": "mine"}, "mine"),
    ],
)
def test_names(arguments, name):
    assert DistillationTerm(**arguments).name == name


@pytest.mark.parametrize(
    "loss, shapes, adapter",
    [
        (Hint(), ((None, 8, 8, 4), (None, 8, 8, 6)), FeatureAdapter),
        (Hint(), ((None, 4), (None, 6)), DenseAdapter),
        (Hint(), ((None, 4), (None, 4)), type(None)),
        (KLDistillation(), ((None, 4), (None, 4)), type(None)),
    ],
)
def test_the_adapter_that_the_shapes_ask_for(loss, shapes, adapter):
    term = DistillationTerm(loss)
    term.build(*shapes)
    assert isinstance(term.adapter, adapter)
    keras.config.set_dtype_policy("mixed_float16")
    if term.adapter is not None:
        assert term.adapter.compute_dtype == "float32"


def test_a_keras_loss_adapts_features_and_refuses_predictions():
    term = DistillationTerm("mse", "body", "body")
    term.build((None, 4), (None, 6))
    assert isinstance(term.adapter, DenseAdapter)
    with pytest.raises(ValueError, match="cannot compare"):
        DistillationTerm("mse").build((None, 4), (None, 6))


def test_an_adapter_made_by_a_function():
    term = DistillationTerm(
        Hint(), adapter=lambda student, teacher: keras.layers.Dense(teacher[-1])
    )
    term.build((None, 4), (None, 6))
    assert isinstance(term.adapter, keras.layers.Dense)
    assert term(np.ones((2, 4)), np.ones((2, 6))).shape == ()


@pytest.mark.parametrize("loss", ["mse", keras.losses.MeanSquaredError()])
def test_a_keras_loss_on_a_map_weighs_examples_not_columns(loss):
    """Batch equals width: the case where the wrong axis goes unnoticed."""
    rng = np.random.default_rng(0)
    t, s = rng.normal(size=(2, 4, 4, 4, 3)).astype("float32")
    weight = np.array([1.0, 0.0, 2.0, 0.5], "float32")
    expected = np.mean(((t - s) ** 2).mean((1, 2, 3)) * weight)
    value = DistillationTerm(loss)(s, t, sample_weight=weight)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)


def test_a_keras_loss_keeps_its_reduction():
    t, s = np.ones((4, 3), "float32"), np.zeros((4, 3), "float32")
    term = DistillationTerm(keras.losses.MeanSquaredError(reduction="sum"))
    assert float(term(s, t)) == pytest.approx(4.0)


def test_a_function_is_a_loss():
    def gap(teacher, student):
        return keras.ops.max(keras.ops.abs(teacher - student), axis=-1)

    term = DistillationTerm(gap)
    assert term.name == "gap"
    assert float(term(np.zeros((2, 3)), np.ones((2, 3)))) == 1.0


def test_a_function_that_returns_a_scalar_is_refused():
    loss = KerasLoss(lambda t, s: keras.ops.mean(t - s))
    with pytest.raises(ValueError, match="one value per example"):
        loss(np.ones((2, 3)), np.ones((2, 3)))


def test_weights_of_positions_count_as_their_mean():
    rng = np.random.default_rng(0)
    t, s = rng.normal(size=(2, 3, 5, 4)).astype("float32")
    per_position = rng.uniform(size=(3, 5)).astype("float32")
    term = DistillationTerm(Hint())
    np.testing.assert_allclose(
        term(s, t, sample_weight=per_position),
        term(s, t, sample_weight=per_position.mean(-1)),
        rtol=1e-5,
    )


def test_an_output_takes_its_own_weight():
    t = np.ones((2, 3), "float32")
    weights = {"a": np.array([1.0, 1.0]), "b": np.array([0.0, 4.0])}
    for part, expected in (("a", 1.0), ("b", 2.0)):
        term = DistillationTerm(Hint(), f"output/{part}", name="x")
        assert float(term(0 * t, t, sample_weight=weights)) == expected
    inner = DistillationTerm(Hint(), "body", name="y")
    assert float(inner(0 * t, t, sample_weight=weights)) == pytest.approx(1.5)


def test_several_features_reach_a_loss_as_lists():
    seen = {}

    def loss(teacher, student):
        seen.update(teacher=len(teacher), student=len(student))
        return keras.ops.sum(teacher[0] - student[1], axis=-1)

    term = DistillationTerm(loss, student=["a", "b"], teacher=["c", "d"])
    pair = [np.ones((2, 3), "float32"), np.zeros((2, 3), "float32")]
    assert float(term(pair, pair)) == 3.0
    assert seen == {"teacher": 2, "student": 2}
