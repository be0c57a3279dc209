"""What every loss that takes a padding mask promises."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contracts.loss_row import BATCH
from tests.contracts.loss_table import LOSSES
from tests.contracts.test_loss_contract import (
    gradient_of,
    map_tensors,
    norm,
    values_of,
)

each_masked_loss = pytest.mark.parametrize(
    "row", [row for row in LOSSES if row.positions], ids=str
)


def mask_of(row):
    """Some positions of each example; nothing of the last one."""
    mask = np.random.default_rng(5).random((BATCH, *row.positions)) < 0.5
    mask = mask.reshape(BATCH, -1)
    mask[:, 0] = True
    mask[:, -1] = False
    mask[-1] = False
    return mask.reshape(BATCH, *row.positions)


def counted(row, x):
    """Where `x` stands at positions of the mask alone: bools that broadcast to it."""
    mask, everywhere = mask_of(row), True
    for axes in row.mask_axes():
        shape = [n if at in (0, *axes) else 1 for at, n in enumerate(x.shape)]
        everywhere = everywhere & mask.reshape(shape)
    return everywhere


def padded(row, x, content):
    """`x` with something else where the mask is False; class numbers stay."""
    if x.dtype.kind != "f":
        return x
    return np.where(counted(row, x), x, np.asarray(content, x.dtype))


def padded_pair(row, content):
    teacher, student = row.sample()
    filled = map_tensors(lambda x: padded(row, x, content), teacher)
    return filled, map_tensors(lambda x: padded(row, x, -content), student)


def without_the_last(row, x):
    """`x` one position shorter."""
    for axes in row.mask_axes():
        x = np.delete(x, -1, axis=axes[0])
    return x


@each_masked_loss
@pytest.mark.parametrize("content", [0.0, 1e6, np.inf, np.nan])
def test_what_stands_at_padding_does_not_matter(row, content):
    mask = mask_of(row)
    expected = values_of(row, *row.sample(), mask=mask)
    values = values_of(row, *padded_pair(row, content), mask=mask)
    np.testing.assert_array_equal(values, expected)
    assert not np.allclose(values_of(row, *row.sample())[:-1], expected[:-1])


@each_masked_loss
def test_no_gradient_reaches_padding(row):
    mask = mask_of(row)
    _, gradient = gradient_of(row, *padded_pair(row, 1e4), mask=mask)
    for part in keras.tree.flatten(gradient):
        inside = np.broadcast_to(counted(row, part), part.shape)
        assert np.all(part[~inside] == 0.0)
        moved = np.abs(part).sum(axis=-1) > 0.0
        assert np.all(moved[inside.any(axis=-1)])


@each_masked_loss
def test_a_padded_example_equals_the_shorter_one(row):
    teacher, student = row.sample()
    mask = np.ones((BATCH, *row.positions), bool)
    mask[:, -1] = False
    cut = lambda x: without_the_last(row, x)  # noqa: E731
    sides = map_tensors(cut, teacher), map_tensors(cut, student)
    # Labels stand at positions too.
    examples = np.s_[:, :-1] if row.labels else slice(None)
    shorter = values_of(row, *sides, examples)
    np.testing.assert_allclose(
        values_of(row, teacher, student, mask=mask), shorter, rtol=1e-5
    )


@each_masked_loss
def test_an_example_of_padding_alone_counts_nothing(row):
    teacher, student = row.sample()
    mask = np.zeros((BATCH, *row.positions), bool)
    assert np.all(values_of(row, teacher, student, mask=mask) == 0.0)
    assert norm(gradient_of(row, teacher, student, mask=mask)[1]) == 0.0


@each_masked_loss
def test_a_mask_of_numbers_is_as_good_as_one_of_bools(row):
    inputs, mask = row.sample(), mask_of(row)
    np.testing.assert_array_equal(
        values_of(row, *inputs, mask=mask.astype("float32")),
        values_of(row, *inputs, mask=mask),
    )


@each_masked_loss
def test_the_mask_that_keras_attached_is_used(row):
    teacher, student = row.sample()
    mask = mask_of(row)
    if keras.tree.is_nested(student):
        pytest.skip("Keras attaches masks to single tensors")
    attached = tf.convert_to_tensor(student)
    attached._keras_mask = tf.convert_to_tensor(mask)
    np.testing.assert_array_equal(
        values_of(row, teacher, attached), values_of(row, teacher, student, mask=mask)
    )


@each_masked_loss
def test_padding_and_sample_weights_go_together(row):
    inputs, mask = row.sample(), mask_of(row)
    weights = keras.ops.arange(BATCH, dtype="float32")
    np.testing.assert_allclose(
        values_of(row, *inputs, mask=mask, sample_weight=weights),
        weights * values_of(row, *inputs, mask=mask),
    )


@pytest.mark.parametrize(
    "row",
    [row for row in LOSSES if row.positions and row.loss.__name__ != "KerasLoss"],
    ids=str,
)
def test_a_mask_of_another_shape_is_refused(row):
    wrong = np.ones((BATCH, *row.positions[:-1], row.positions[-1] + 1), bool)
    shapes = [(BATCH, *row.positions), wrong.shape]
    with pytest.raises(ValueError, match="`mask`") as refusal:
        values_of(row, *row.sample(), mask=wrong)
    for shape in shapes:
        assert str(shape) in str(refusal.value)
