"""Adaptive average pooling against its definition, window by window."""

import keras
import numpy as np
import pytest

from keras_kd.pooling import adaptive_average, averaging_matrix

MAPS = np.random.default_rng(0).normal(size=(2, 7, 4, 3))


@pytest.mark.parametrize("size", [(7, 4), (1, 1), (3, 2), (5, 3), (2, 4), (8, 9)])
def test_each_output_is_the_mean_of_its_window(size):
    pooled = np.asarray(adaptive_average(keras.ops.convert_to_tensor(MAPS), size))
    assert pooled.shape == (2, *size, 3)
    for row, column in np.ndindex(*size):
        top, bottom = (int(f(row)) for f in window(7, size[0]))
        left, right = (int(f(column)) for f in window(4, size[1]))
        mean = MAPS[:, top:bottom, left:right].mean(axis=(1, 2))
        np.testing.assert_allclose(pooled[:, row, column], mean, rtol=1e-12)


def window(old, new):
    return (
        lambda i: np.floor(i * old / new),
        lambda i: np.ceil((i + 1) * old / new),
    )


def test_windows_overlap_where_the_ratio_is_no_integer():
    expected = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    np.testing.assert_array_equal(averaging_matrix(3, 2), expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_stays_and_so_does_a_constant(dtype):
    pooled = adaptive_average(keras.ops.ones((1, 7, 5, 2), dtype), (3, 2))
    assert keras.backend.standardize_dtype(pooled.dtype) == dtype
    np.testing.assert_allclose(pooled, np.ones((1, 3, 2, 2)), rtol=2e-3)
