"""The top k: probabilities, the mass of the tail, and the bytes they take."""

import time

import keras
import numpy as np
import pytest

from keras_kd.losses import KLDistillation, TopKDistillation
from keras_kd.store.fields import TopK
from keras_kd.store.fields.compact import Codec
from keras_kd.store.fields.top_k import LEAST, largest

PRECISIONS = ("compact", "float16", "float32")
each_precision = pytest.mark.parametrize("precision", PRECISIONS)


def log_softmax(logits):
    """In float64, by its definition."""
    logits = np.asarray(logits, "float64")
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def logits_of(kind, classes, rows=400):
    rng = np.random.default_rng(classes)
    z = rng.normal(size=(rows, classes))
    if kind == "flat":
        return (0.3 * z).astype("float32")
    if kind == "peaked":
        z = 2 * z
        z[np.arange(rows), rng.integers(0, classes, rows)] += rng.uniform(0, 25, rows)
        return z.astype("float32")
    # As a trained net has them: few features, many classes.
    features = np.maximum(rng.normal(size=(rows, 32)), 0)
    return (0.8 * features @ rng.normal(size=(32, classes))).astype("float32")


def split(field, logits):
    """`(top, mass of the tail)` of float64 probabilities, at the temperature."""
    p = np.exp(log_softmax(np.asarray(logits, "float64") / field.temperature))
    order = np.argsort(-np.asarray(logits), axis=-1, kind="stable")[..., : field.k]
    top = np.take_along_axis(p, order, -1)
    rest = p.copy()
    np.put_along_axis(rest, order, 0.0, -1)
    return order, top, rest.sum(-1)


def test_a_thousand_classes_and_ten_of_them_are_22_bytes():
    assert TopK((1000,), 10).row_bytes == 22
    assert TopK((1024,), 10).row_bytes == 22
    assert TopK((100,), 10).row_bytes == 18
    assert TopK((10,), 5).row_bytes == 8
    assert TopK((1000,), 10, "float16").row_bytes == 20 + 20 + 8
    assert TopK((200,), 10, "float16").row_bytes == 20 + 10 + 8
    assert TopK((70000,), 10, "float32").arrays["indices"][1] == "uint32"


@each_precision
@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("kind", ["flat", "peaked", "trained"])
def test_the_tail_has_its_mass_spread_evenly(precision, temperature, kind):
    logits = logits_of(kind, 1000)
    field = TopK((1000,), 10, precision, temperature)
    read = field.decode(field.encode(logits))
    order, _, tail = split(field, logits)
    p = np.exp(log_softmax(read / temperature))
    rest = p.copy()
    np.put_along_axis(rest, order, np.nan, -1)
    # float16 keeps eleven bits of the logarithm of the mass.
    bound = 1e-5 if precision != "compact" else 2.0**-11 * np.abs(np.log(tail)) + 1e-5
    assert (np.abs(np.nansum(rest, -1) / tail - 1) <= bound).all()
    spread = np.nanmax(rest, -1) / np.nanmin(rest, -1)
    assert np.nanmax(spread) < 1 + 1e-4
    # The others are exactly where they were.
    assert np.isnan(rest).sum() == 10 * len(logits)


@each_precision
@pytest.mark.parametrize("classes", [10, 100, 1000])
@pytest.mark.parametrize("kind", ["flat", "peaked", "trained"])
def test_what_the_bits_cost_is_little_beside_what_the_tail_costs(
    precision, classes, kind
):
    """KL(teacher ‖ read) of the top k and the tail as one class."""
    k = 5 if classes == 10 else 10
    field = TopK((classes,), k, precision)
    logits = logits_of(kind, classes)
    order, top, tail = split(field, logits)
    read = field.decode(field.encode(logits))
    q = np.exp(log_softmax(read))
    q_top = np.take_along_axis(q, order, -1)
    q_tail = 1 - q_top.sum(-1)
    coarse = (top * np.log(top / q_top)).sum(-1)
    coarse += np.where(tail > 1e-9, tail * np.log(tail / np.maximum(q_tail, 1e-12)), 0)
    assert (
        coarse.mean() < {"compact": 6e-5, "float16": 2e-6, "float32": 1e-6}[precision]
    )
    assert (read.argmax(-1) == logits.argmax(-1)).all()
    whole = np.exp(log_softmax(logits)) * (log_softmax(logits) - log_softmax(read))
    assert coarse.mean() < 0.2 * whole.sum(-1).mean() + 1e-6


def test_logits_return_at_their_own_height_where_it_is_kept():
    logits = logits_of("trained", 100) + 7
    for precision, bound in (("float32", 1e-4), ("float16", 0.05)):
        field = TopK((100,), 10, precision, temperature=2.0)
        read = field.decode(field.encode(logits))
        order, _, _ = split(field, logits)
        apart = np.take_along_axis(read - logits, order, -1)
        assert np.abs(apart).max() < bound


@each_precision
def test_ties_go_to_the_first_classes(precision):
    field = TopK((50,), 4, precision)
    logits = np.zeros((2, 50), "float32")
    logits[1, [40, 30, 20, 10, 5]] = 1.0
    pairs = field.pairs(field.encode(logits))
    np.testing.assert_array_equal(pairs["indices"], [[0, 1, 2, 3], [5, 10, 20, 30]])
    np.testing.assert_allclose(pairs["values"][0], 1 / 50, rtol=2e-3)
    assert np.ptp(pairs["values"][1]) < 1e-6
    read = field.decode(field.encode(logits))
    np.testing.assert_allclose(np.exp(log_softmax(read[0])), 1 / 50, rtol=2e-3)


def test_largest_is_the_stable_sort():
    rng = np.random.default_rng(0)
    for classes, k in ((7, 1), (7, 6), (300, 10)):
        values = rng.integers(0, classes // 2, (200, classes)).astype("float32")
        values[:50] = rng.normal(size=(50, classes))
        wanted = np.argsort(-values, axis=-1, kind="stable")[:, :k]
        np.testing.assert_array_equal(largest(values, k), wanted)


@each_precision
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_one_class_may_have_it_all(precision, temperature):
    field = TopK((20,), 3, precision, temperature)
    logits = np.full((2, 20), -1e4, "float32")
    logits[:, 4] = [1e4, 60.0]
    logits[:, 5] = [9999.0, -1e4]
    read = field.decode(field.encode(logits))
    assert np.isfinite(read).all()
    p = np.exp(log_softmax(read / temperature))
    wanted = np.exp(log_softmax(logits / temperature))
    np.testing.assert_allclose(p, wanted, atol=0.005)
    assert p[1, 4] > 1 - 1e-6
    pairs = field.pairs(field.encode(logits))
    assert pairs["values"].sum(-1).max() <= 1 + 1e-6


@each_precision
def test_a_class_may_be_ruled_out(precision):
    field = TopK((8,), 4, precision)
    logits = np.full((1, 8), -np.inf, "float32")
    logits[0, [2, 6]] = [1.0, 0.0]
    with np.errstate(all="raise", under="ignore"):
        read = field.decode(field.encode(logits))
    assert np.isfinite(read).all()
    wanted = np.exp(log_softmax(np.maximum(logits, LEAST)))
    np.testing.assert_allclose(np.exp(log_softmax(read)), wanted, atol=6e-3)


@each_precision
@pytest.mark.parametrize("wrong", [np.nan, np.inf, "row"])
def test_logits_must_be_numbers(precision, wrong):
    logits = np.zeros((3, 8), "float32")
    logits[1, 2 if wrong != "row" else slice(None)] = (
        -np.inf if wrong == "row" else wrong
    )
    with pytest.raises(ValueError, match="must be numbers"):
        TopK((8,), 3, precision).encode(logits)


@pytest.mark.parametrize(
    ("shape", "k", "said"),
    [
        ((10,), 10, "below the number of classes, 10"),
        ((10,), 11, "below the number of classes, 10"),
        ((10,), 0, "`k` must be a positive integer"),
        ((5, 1), 1, "two classes or more"),
        ((), 1, r"\(…, classes\)"),
    ],
)
def test_shapes_that_have_no_top_k_are_refused(shape, k, said):
    with pytest.raises(ValueError, match=said):
        TopK(shape, k)


@each_precision
def test_losses_take_what_is_read(precision):
    """The dense logits any loss of logits, the pairs `TopKDistillation`: one value."""
    field = TopK((30,), 6, precision)
    arrays = field.encode(logits_of("trained", 30, rows=8))
    student = logits_of("flat", 30, rows=8)
    dense, pairs = field.decode(arrays), field.pairs(arrays)
    assert {k: (v.shape[1:], v.dtype.name) for k, v in pairs.items()} == {
        k: (v.shape[1:], v.dtype) for k, v in field.pairs_spec().items()
    }
    of_pairs = TopKDistillation(k=6, reduction=None)(pairs, student)
    entropy = -(np.exp(log_softmax(dense)) * log_softmax(dense)).sum(-1)
    of_dense = KLDistillation(temperature=1.0, reduction=None)(dense, student)
    np.testing.assert_allclose(of_pairs, np.asarray(of_dense) + entropy, rtol=1e-4)


def test_positions_have_each_their_own():
    logits = logits_of("trained", 100, rows=12)
    flat, rows = TopK((100,), 10), TopK((3, 2, 100), 10)
    assert rows.row_bytes == 6 * flat.row_bytes
    read = rows.decode(rows.encode(logits.reshape(2, 3, 2, 100)))
    wanted = flat.decode(flat.encode(logits))
    np.testing.assert_array_equal(read.reshape(12, 100), wanted)
    # No row, and rows without a position.
    assert rows.decode(rows.encode(np.zeros((0, 3, 2, 100)))).shape == (0, 3, 2, 100)
    none = TopK((0, 100), 10)
    assert none.decode(none.encode(np.zeros((2, 0, 100)))).shape == (2, 0, 100)


def test_roundings_do_not_add_up():
    """The last of twenty logits is as near as the second."""
    codec = Codec(1000, 20)
    falling = -np.cumsum(np.full((1, 20), 0.31), -1)
    falling -= falling[:, :1]
    indices = np.arange(980, 1000)[None]
    bits = codec.encode(indices, falling, np.array([-1.0]))
    read_indices, read, tail = codec.decode(bits)
    np.testing.assert_array_equal(read_indices, indices)
    assert np.abs(read - falling).max() < 0.03
    assert tail == -1


@pytest.mark.parametrize("classes", [2, 3, 255, 256, 257, 1000, 50257, 2**20])
def test_every_class_fits_in_its_bits(classes):
    k = min(classes - 1, 7)
    codec = Codec(classes, k)
    indices = np.stack([np.arange(k), np.arange(classes - k, classes)[::-1]])
    logits = np.zeros((2, k))
    bits = codec.encode(indices, logits, np.array([0.0, LEAST]))
    assert bits.shape == (2, codec.width) and bits.dtype == "uint8"
    read, zeros, tail = codec.decode(bits)
    np.testing.assert_array_equal(read, indices)
    assert not zeros.any()
    np.testing.assert_array_equal(tail, np.float16([0.0, LEAST]))


def test_a_batch_is_read_in_a_wink():
    field = TopK((1000,), 10)
    arrays = field.encode(logits_of("trained", 1000, rows=256))
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        field.decode(arrays)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.005  # 0.1 ms where nothing else runs


def test_the_type_of_what_keras_gives_does_not_matter():
    logits = logits_of("trained", 40, rows=6)
    tensor = keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(logits, "bfloat16"))
    read = TopK((40,), 5).decode(TopK((40,), 5).encode(tensor))
    assert (read.argmax(-1) == tensor.astype("float32").argmax(-1)).all()
