"""Few weights that still learn."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_kd
from keras_kd.compress import cluster, prune, sparsity, strip
from keras_kd.compress.centroids import centroids_of
from keras_kd.compress.selection import kernel_values

RNG = np.random.default_rng(0)


def network():
    keras.utils.set_random_seed(0)
    x = keras.Input((16,))
    y = layers.Dense(40, activation="relu", name="hidden")(x)
    y = layers.Dense(40, activation="relu", name="second")(y)
    return keras.Model(x, layers.Dense(3, name="head")(y))


@pytest.fixture(scope="module")
def data():
    return RNG.normal(size=(64, 16)).astype("float32"), RNG.integers(0, 3, 64)


def loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def unique(model):
    return {
        path: max(len(np.unique(value)) for value in values)
        for path, values in kernel_values(model).items()
    }


@pytest.mark.parametrize("start", ["linear", "density", "kmeans++"])
def test_centroids_are_where_no_weight_wants_another(start):
    values = RNG.normal(size=3000)
    found = centroids_of(values, 8, start).astype("float64")
    nearest = np.abs(values[:, None] - found).argmin(axis=1)
    for number, centroid in enumerate(found):
        assert centroid == pytest.approx(values[nearest == number].mean(), abs=1e-4)
    error = np.mean((values - found[nearest]) ** 2)
    even = np.linspace(values.min(), values.max(), 8)
    worse = np.mean((values - even[np.abs(values[:, None] - even).argmin(1)]) ** 2)
    assert error < 0.8 * worse


def test_few_values_are_found_exactly():
    found = centroids_of([3.0, 1.0, 1.0, 2.0], 5)
    np.testing.assert_array_equal(found, [1, 2, 3, 3, 3])
    np.testing.assert_array_equal(centroids_of([], 3), [0, 0, 0])


def test_kernels_have_so_many_values_before_and_after_training(data):
    model = network()
    clustered = cluster(model, 8, min_weights=500)
    assert unique(clustered) == {"hidden": 8, "second": 8, "head": 120}
    assert unique(model)["hidden"] == 640
    before = np.array(clustered.get_layer("hidden").applied[0].centroids)
    clustered.compile(keras.optimizers.Adam(0.01), loss())
    first = clustered.evaluate(*data, verbose=0)
    clustered.fit(*data, epochs=15, verbose=0)
    assert clustered.evaluate(*data, verbose=0) < 0.9 * first
    after = np.array(clustered.get_layer("hidden").applied[0].centroids)
    assert (before != after).all()
    plain = strip(clustered)
    assert unique(plain) == {"hidden": 8, "second": 8, "head": 120}
    np.testing.assert_allclose(plain(data[0]), clustered(data[0]), atol=1e-6)


def test_a_centroid_learns_from_the_sum_of_its_members():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(1, use_bias=False, name="d")(x))
    model.layers[1].kernel.assign([[1.0], [1.2], [5.0], [5.2]])
    clustered = cluster(model, 2, min_weights=1)
    transform = clustered.layers[1].applied[0]
    np.testing.assert_allclose(transform.centroids, [1.1, 5.1], rtol=1e-6)
    clustered.compile(keras.optimizers.SGD(0.1), "mse")
    clustered.train_on_batch(np.array([[1.0, 2.0, 0.0, 4.0]]), np.array([[0.0]]))
    error = 2 * (1.1 * 3 + 5.1 * 4)
    expected = [1.1 - 0.1 * error * 3, 5.1 - 0.1 * error * 4]
    np.testing.assert_allclose(transform.centroids, expected, rtol=1e-5)


def test_compiled_training_and_files(tmp_path, data):
    clustered = cluster(network(), 4)
    clustered.compile("adam", loss(), jit_compile=True)
    clustered.fit(*data, verbose=0)
    clustered.save(tmp_path / "clustered.keras")
    loaded = keras.saving.load_model(tmp_path / "clustered.keras")
    np.testing.assert_allclose(loaded(data[0]), clustered(data[0]), atol=1e-6)


def test_zeros_stay_zero_and_are_one_of_the_clusters(data):
    pruned = prune(network(), 0.6, min_weights=500)
    for model in (pruned, strip(pruned)):
        clustered = cluster(model, 8, min_weights=500)
        clustered.compile(keras.optimizers.AdamW(0.01), loss())
        clustered.fit(*data, epochs=2, verbose=0)
        assert sparsity(clustered)["hidden"] == 0.6
        assert unique(clustered)["hidden"] == 8
        zeros = np.array(kernel_values(pruned)["hidden"][0]) == 0
        np.testing.assert_array_equal(
            np.array(kernel_values(clustered)["hidden"][0]) == 0, zeros
        )


def test_a_clustered_student_learns_from_its_teacher(data):
    student = cluster(network(), 8)
    distiller = keras_kd.Distiller(network(), student, keras_kd.methods.hinton())
    distiller.compile(keras.optimizers.Adam(0.01), loss())
    losses = distiller.fit(*data, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert unique(distiller.student)["hidden"] == 8


def test_outputs_can_be_left_whole():
    model = network()
    assert unique(cluster(model, 4, skip=None, min_weights=1))["head"] == 120
    assert unique(cluster(model, 4, min_weights=1))["head"] == 4
    whole = unique(cluster(model, 4, skip=["second"], min_weights=1))
    assert whole["second"] == 1600 and whole["hidden"] == 4


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda m: cluster(m, 1), "`clusters` must be at least 2"),
        (lambda m: cluster(m, 4, start="random"), "`start` must be one of"),
        (lambda m: cluster(m, 4, min_weights=10**6), "nothing to cluster"),
        (lambda m: cluster(cluster(m), 4), "The order is prune, cluster"),
        (lambda m: cluster(m, 4, skip=["had"]), "Did you mean 'head'"),
    ],
)
def test_wrong_words(make, words):
    with pytest.raises(ValueError, match=words):
        make(network())
