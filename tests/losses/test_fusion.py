"""Losses over guesses and regenerated maps."""

import numpy as np
import pytest

from keras_kd.losses import (
    MaskedGenerative,
    VariationalInformation,
    masked_generative,
    variational,
)


def pair(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(2, *shape)).astype("float32")


def test_the_best_variance_is_the_squared_error():
    """At v = (μ − t)² the value is ½ (1 + log v), and more on either side."""
    teacher, mean = np.zeros((1, 3)), np.full((1, 3), 2.0)
    values = [
        float(variational(teacher, mean, np.full(3, np.log(np.expm1(v - 1e-5))))[0])
        for v in (3.0, 4.0, 5.0)
    ]
    assert values[1] == pytest.approx(0.5 * (1 + np.log(4.0)))
    assert values[0] > values[1] < values[2]


def test_a_scale_of_each_example_is_that_of_all():
    teacher, mean = pair(2, 3, 2, 4)
    scale = np.linspace(-2.0, 3.0, 4, dtype="float32")
    both = np.stack([scale, scale])
    np.testing.assert_allclose(
        variational(teacher, mean, scale), variational(teacher, mean, both), rtol=1e-6
    )


@pytest.mark.parametrize("shape", [(3,), (2, 3), (), (2, 1, 4)])
def test_a_scale_of_other_channels_is_refused(shape):
    teacher, mean = pair(2, 4)
    with pytest.raises(ValueError, match="`scale`") as refusal:
        VariationalInformation()(teacher, [mean, np.zeros(shape, "float32")])
    assert "(2, 4)" in str(refusal.value) and str(shape) in str(refusal.value)


def test_the_published_sum_over_the_batch():
    """The authors' code: α times the summed squares, over the number of examples."""
    teacher, student = pair(3, 4, 5, 6)
    published = 2e-5 * np.sum((teacher - student) ** 2) / 3
    loss = MaskedGenerative()(teacher, student)
    assert float(loss) == pytest.approx(published, rel=1e-5)
    twice = masked_generative(teacher, student, alpha=4e-5)
    assert float(np.mean(twice)) == pytest.approx(2 * published, rel=1e-5)
