"""Numbers of counters: the same for everyone, evenly spread, permutations whole."""

import numpy as np
import pytest

from keras_kd.store.views import counter_random


def test_the_numbers_are_the_published_ones():
    """splitmix64 from state 0 gives these two first; other numbers break old stores."""
    assert int(counter_random.bits(0)) == 0xE220A8397B1DCDAF
    assert int(counter_random.bits(7, 1, 2)) == 0x79A2DC43BE091E20
    drawn = counter_random.seeds(3, 1, np.arange(2), 0)
    assert drawn.dtype == np.int32 and drawn.tolist() == [
        [1087106138, 1988198084],
        [1881906775, 704027016],
    ]


def test_counters_are_broadcast_and_each_counts():
    ids, views = np.arange(5)[:, None], np.arange(3)
    drawn = counter_random.bits(1, ids, views)
    assert drawn.shape == (5, 3) and len(np.unique(drawn)) == 15
    assert drawn[2, 1] == counter_random.bits(1, 2, 1)
    assert drawn[2, 1] != counter_random.bits(1, 1, 2)
    assert counter_random.bits(-1, 0) == counter_random.bits(2**64 - 1, 0)


def test_uniform_numbers_are_uniform_and_below_one():
    drawn = counter_random.uniform(5, np.arange(100_000))
    assert 0 <= drawn.min() and drawn.max() < 1
    counts = np.bincount((drawn * 20).astype(int), minlength=20)
    assert ((counts - 5000) ** 2 / 5000).sum() < 50  # chi², 19 degrees: p < 0.0002
    single = counter_random.uniform32(5, np.arange(100_000))
    assert single.dtype == np.float32 and single.max() < 1
    np.testing.assert_allclose(single, drawn, atol=2.0**-24)
    along = np.corrcoef(drawn[:-1], drawn[1:])[0, 1]
    assert abs(along) < 0.02


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 4.0])
def test_beta_has_its_mean_variance_and_symmetry(alpha):
    drawn = counter_random.beta(alpha, 9, np.arange(40_000), 2)
    assert np.isfinite(drawn).all() and 0 <= drawn.min() and drawn.max() <= 1
    variance = 1 / (4 * (2 * alpha + 1))
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert drawn.var() == pytest.approx(variance, rel=0.03)
    tenth, most = np.quantile(drawn, [0.1, 0.9])
    assert tenth == pytest.approx(1 - most, abs=0.02)
    np.testing.assert_array_equal(
        drawn[[7, 3]], counter_random.beta(alpha, 9, np.array([7, 3]), 2)
    )


def test_beta_of_one_is_uniform():
    drawn = np.sort(counter_random.beta(1.0, 4, np.arange(20_000)))
    assert np.abs(drawn - np.linspace(0, 1, 20_000)).max() < 0.015


@pytest.mark.parametrize("counts", [range(1, 201), (1000, 4095, 4096, 4097)])
def test_permutations_hold_each_place_once(counts):
    for count in counts:
        for key in (0, 12345):
            places = counter_random.permuted(np.arange(count), count, key)
            np.testing.assert_array_equal(np.sort(places), np.arange(count))


def test_permutations_in_parts_are_those_of_the_whole():
    whole = counter_random.permuted(np.arange(1000), 1000, 8)
    parts = [
        counter_random.permuted(np.arange(a, a + 125), 1000, 8)
        for a in range(0, 1000, 125)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("count", [5, 20])
def test_each_place_goes_everywhere_equally_often(count):
    turns = 1500
    seen = np.zeros((count, count))
    for key in range(turns):
        seed = int(counter_random.bits(key))
        places = counter_random.permuted(np.arange(count), count, seed)
        seen[np.arange(count), places] += 1
    expected = turns / count
    chi2 = ((seen - expected) ** 2 / expected).sum()
    freedom = (count - 1) ** 2
    assert abs(chi2 - freedom) < 6 * np.sqrt(2 * freedom)


def test_permutations_leave_no_order():
    places = counter_random.permuted(np.arange(4097), 4097, 3)
    assert abs(np.corrcoef(np.arange(4097), places)[0, 1]) < 0.05
    assert abs(np.corrcoef(places[:-1], places[1:])[0, 1]) < 0.05
