"""Masks and the schedules that renew them."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_kd
from keras_kd.compress import PolynomialSparsity, cluster, prune, sparsity, strip
from keras_kd.compress.pruning.masks import magnitude_mask, two_of_four_mask
from keras_kd.compress.pruning.schedules import schedule_of
from keras_kd.compress.selection import heads_of, kernel_values
from tests.replicas import run_on_two_devices

RNG = np.random.default_rng(0)


def network():
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 4), name="image")
    y = layers.Conv2D(16, 3, activation="relu", name="stem")(x)
    y = layers.SeparableConv2D(16, 3, activation="relu", name="separable")(y)
    block = [keras.Input((4, 4, 16)), layers.Conv2D(16, 3, name="conv")]
    y = keras.Sequential(block, name="block")(y)
    y = layers.Flatten()(y)
    y = layers.Dense(16, activation="relu", name="hidden")(y)
    return keras.Model(x, layers.Dense(3, name="head")(y))


def small():
    x = keras.Input((8, 8, 4))
    y = layers.Dense(10, name="hidden")(layers.Flatten()(x))
    return keras.Model(x, layers.Dense(3)(y))


@pytest.fixture(scope="module")
def data():
    x = RNG.normal(size=(32, 8, 8, 4)).astype("float32")
    return x, RNG.integers(0, 3, 32)


def fit(model, data, **options):
    compiled = {"jit_compile": options.pop("jit_compile", False)}
    compiled["steps_per_execution"] = options.pop("steps_per_execution", 1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, **compiled)
    model.fit(*data, batch_size=8, verbose=0, **options)
    return model


def layer_named(model, name):
    return next(x for x in model._flatten_layers() if x.name == name)


def test_the_smallest_go_and_ties_do_not_matter():
    mask = magnitude_mask(ops.array([[3.0, -1.0], [0.5, -2.0]]), 0.5)
    np.testing.assert_array_equal(mask, [[True, False], [False, True]])
    for share, count in [(0.0, 0), (0.3, 30), (0.5, 50), (0.99, 99)]:
        same = magnitude_mask(ops.ones((10, 10)), share)
        assert int(ops.sum(ops.cast(~same, "int32"))) == count


def test_two_of_every_four_along_the_inputs():
    kernel = RNG.normal(size=(3, 3, 8, 5)).astype("float32")
    mask = np.asarray(two_of_four_mask(ops.array(kernel), 0.5, (3,)))
    for row, column, group, output in np.ndindex(3, 3, 2, 5):
        place = row, column, slice(4 * group, 4 * group + 4), output
        largest = np.sort(np.abs(kernel[place]))[-2:]
        assert mask[place].sum() == 2
        np.testing.assert_array_equal(
            np.sort(np.abs(kernel[place][mask[place]])), largest
        )
    transposed = np.moveaxis(kernel, 3, 2)
    other = two_of_four_mask(ops.array(transposed), 0.5, (2,))
    np.testing.assert_array_equal(np.moveaxis(np.asarray(other), 2, 3), mask)
    quarter = np.asarray(two_of_four_mask(ops.array(kernel), 0.25, (3,)))
    assert quarter.mean() == 0.75


def test_the_published_ramp():
    schedule = PolynomialSparsity(0.2, 0.8, begin_step=10, end_step=30, frequency=8)
    steps = [0, 9, 10, 15, 20, 30, 99]
    ramp = [0.8 - 0.6 * (1 - min(max((t - 10) / 20, 0), 1)) ** 3 for t in steps]
    ramp[:2] = [0.0, 0.0]
    np.testing.assert_allclose([float(schedule(t)) for t in steps], ramp, atol=1e-6)
    assert [t for t in range(50) if bool(schedule.due(t))] == [10, 18, 26, 30]


def test_a_share_holds_from_the_start_and_pruned_weights_are_kept_aside(data):
    model = network()
    pruned = prune(model, 0.75)
    shares = sparsity(pruned)
    assert shares["head"] == 0
    assert shares["stem"] == shares["block/conv"] == shares["hidden"] == 0.75
    assert shares["separable"] == 0  # 144 and 256 weights
    assert sparsity(model)["stem"] == 0
    before = np.array(layer_named(pruned, "hidden").layer.kernel)
    mask = np.array(layer_named(pruned, "hidden").applied[0].mask)
    fit(pruned, data)
    after = np.array(layer_named(pruned, "hidden").layer.kernel)
    np.testing.assert_array_equal(after[~mask], before[~mask])
    assert (after[mask] != before[mask]).mean() > 0.5
    assert sparsity(pruned) == shares
    plain = strip(pruned)
    assert sparsity(plain) == shares
    np.testing.assert_allclose(plain(data[0]), pruned(data[0]), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
def test_masks_follow_the_ramp_inside_the_graph(data, options):
    ramp = PolynomialSparsity(0.0, 0.8, begin_step=1, end_step=9, frequency=4)
    pruned = prune(small(), ramp, min_weights=1)
    assert set(sparsity(pruned).values()) == {0.0}
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(sparsity(pruned)["hidden"])
    )
    fit(pruned, data, epochs=3, callbacks=[note], **options)
    at = [0, 0, 0, 0, 0, 0.7, 0.7, 0.7, 0.7, 0.8, 0.8, 0.8]
    np.testing.assert_allclose(seen, at, atol=0.001)


def test_several_steps_in_one_execution_count_each(data):
    ramp = PolynomialSparsity(0.0, 0.8, begin_step=0, end_step=3, frequency=1)
    pruned = fit(prune(small(), ramp), data, steps_per_execution=4)
    assert sparsity(pruned)["hidden"] == pytest.approx(0.8, abs=1e-3)


def test_a_weight_may_come_back_while_the_schedule_runs():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(1, use_bias=False, name="d")(x))
    model.layers[1].kernel.assign([[1.0], [2.0], [3.0], [4.0]])
    pruned = prune(model, lambda step: 0.25, skip=[], min_weights=1)
    pruned.compile(keras.optimizers.SGD(1.0), "mse")
    wrapped = pruned.layers[1]
    # The target pulls the last weight below the pruned first one.
    pruned.train_on_batch(np.array([[0.0, 0, 0, 1]]), np.array([[2.25]]))
    np.testing.assert_allclose(wrapped.kernels()[0][1][:, 0], [0, 2, 3, 0.5])
    pruned.train_on_batch(np.zeros((1, 4)), np.zeros((1, 1)))
    np.testing.assert_allclose(wrapped.kernels()[0][1][:, 0], [1, 2, 3, 0])


def test_a_layer_called_twice_counts_a_batch_once():
    x = keras.Input((8,))
    shared = layers.Dense(8, name="shared")
    model = keras.Model(x, layers.Dense(1)(shared(shared(x))))
    ramp = PolynomialSparsity(0.0, 0.5, begin_step=0, end_step=2, frequency=1)
    pruned = prune(model, ramp, min_weights=1)
    pruned.compile("sgd", "mse")
    pruned.fit(np.ones((4, 8)), np.ones((4, 1)), batch_size=2, verbose=0)
    expected = 0.5 - 0.5 * (1 - 1 / 2) ** 3
    assert sparsity(pruned)["shared"] == pytest.approx(expected, abs=0.01)


def test_two_of_four_keeps_the_kernels_that_do_not_fit():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(16, 3, name="stem")(x)
    y = layers.Conv2D(16, 3, name="conv")(y)
    y = layers.Dense(4, name="head")(layers.Flatten()(y))
    pruned = prune(keras.Model(x, y), 0.5, "2:4", min_weights=1)
    assert sparsity(pruned) == {"stem": 0.0, "conv": 0.5, "head": 0.0}
    kernel = np.array(strip(pruned).get_layer("conv").kernel).reshape(9, 4, 4, 16)
    assert ((kernel != 0).sum(axis=2) == 2).all()
    with pytest.raises(ValueError, match="must be 0.5"):
        prune(keras.Model(x, y), 0.8, "2:4")


REPLICAS = """
from keras_kd.compress import PolynomialSparsity, cluster, prune, sparsity
strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
x = np.random.default_rng(0).normal(size=(32, 16)).astype("float32")
with strategy.scope():
    i = keras.Input((16,))
    y = keras.layers.Dense(16, name="hidden")(i)
    model = keras.Model(i, keras.layers.Dense(2)(y))
    ramp = PolynomialSparsity(0.0, 0.8, begin_step=0, end_step=3, frequency=1)
    model = prune(model, ramp, min_weights=1)
    model.compile("adam", "mse")
model.fit(x, x[:, :2], batch_size=8, verbose=0)
masks = model.get_layer("hidden").applied[0].mask._value.values
assert len(masks) == 2
assert (masks[0].numpy() == masks[1].numpy()).all()
assert abs(sparsity(model)["hidden"] - 0.8) < 0.01, sparsity(model)
with strategy.scope():
    model = cluster(model, 4, min_weights=1)
    model.compile("adam", "mse")
model.fit(x, x[:, :2], batch_size=8, verbose=0)
centroids = model.get_layer("hidden").applied[1].centroids._value.values
assert (centroids[0].numpy() == centroids[1].numpy()).all()
assert abs(sparsity(model)["hidden"] - 0.8) < 0.01, sparsity(model)
"""


def test_replicas_prune_the_same_weights():
    run_on_two_devices(REPLICAS)


def test_a_pruned_student_learns_from_its_teacher(data):
    ramp = PolynomialSparsity(0.0, 0.8, begin_step=0, end_step=7, frequency=1)
    student = prune(network(), ramp)
    teacher = network()
    distiller = keras_kd.Distiller(teacher, student, keras_kd.methods.hinton())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(keras.optimizers.Adam(0.01), loss)
    history = distiller.fit(*data, batch_size=8, epochs=2, verbose=0).history
    assert sparsity(distiller.student)["hidden"] == pytest.approx(0.8, abs=1e-3)
    assert history["kl_distillation"][-1] > 0


def test_a_pruned_model_is_saved_with_its_masks_and_goes_on(tmp_path, data):
    ramp = PolynomialSparsity(0.0, 0.8, begin_step=0, end_step=7, frequency=1)
    pruned = fit(prune(small(), ramp), data)
    pruned.save(tmp_path / "pruned.keras")
    loaded = keras.saving.load_model(tmp_path / "pruned.keras")
    np.testing.assert_allclose(loaded(data[0]), pruned(data[0]), atol=1e-6)
    assert sparsity(loaded) == sparsity(pruned)
    loaded.fit(*data, batch_size=8, verbose=0)
    assert sparsity(loaded)["hidden"] == pytest.approx(0.8, abs=1e-3)


def test_mixed_precision_is_pruned_too(data):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        pruned = prune(small(), 0.5)
        fit(pruned, data)
    finally:
        keras.config.set_dtype_policy("float32")
    assert pruned(data[0]).dtype == "float16"
    assert sparsity(pruned)["hidden"] == 0.5


def test_layers_of_tokens_and_of_time_are_pruned():
    x = keras.Input((6,), dtype="int32")
    y = layers.Embedding(20, 16, name="table")(x)
    y = layers.MultiHeadAttention(2, 8, name="attention")(y, y)
    y = layers.Bidirectional(layers.GRU(8), name="memory")(y)
    model = keras.Model(x, layers.Dense(2, name="head")(y))
    pruned = prune(model, 0.5, min_weights=100)
    names = {"table", "attention", "memory"}
    assert {name for name, share in sparsity(pruned).items() if share == 0.5} == names
    tokens = RNG.integers(0, 20, (4, 6))
    np.testing.assert_allclose(strip(pruned)(tokens), pruned(tokens), atol=1e-6)


def test_heads_are_found_through_nested_models_and_activations():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="in")])
    x = keras.Input((4,))
    model = keras.Model(x, layers.Softmax()(layers.Reshape((3, 1))(inner(x))))
    [head] = [layer for layer in model._flatten_layers() if layer.name == "in"]
    assert heads_of(model) == {id(head)}


def test_a_function_of_the_step_is_a_schedule(data):
    pruned = prune(small(), lambda step: 0.1 * ops.cast(step + 1, "float32"))
    fit(pruned, data)
    assert sparsity(pruned)["hidden"] == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda m: prune(m, 1.0), "`schedule` must be a share"),
        (lambda m: prune(m, 0.5, "random"), "`method` must be one of"),
        (lambda m: prune(m, 0.5, skip=["hiden"]), "Did you mean 'hidden'"),
        (lambda m: prune(m, 0.5, min_weights=10**6), "found nothing to prune"),
        (lambda m: prune(prune(m, 0.5), 0.5), "The order is prune, cluster"),
        (lambda m: prune(cluster(m), 0.5), "too late for .* has Centroids"),
        (lambda m: PolynomialSparsity(0, 0.5, 5, 5), "`end_step` must be later"),
        (lambda m: PolynomialSparsity(0, 1.5, 0, 5), "`final` must be a share"),
    ],
)
def test_wrong_values(make, words):
    with pytest.raises(ValueError, match=words):
        make(network())


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda m: prune(m, "half"), "`schedule` must be a share of zeros"),
        (lambda m: prune(m, {"stem": 0.5}), "method='channels' alone"),
        (lambda m: prune(m, 0.5, skip="stem"), "`skip` must be a list"),
        (lambda m: prune(layers.Dense(2), 0.5), "must be a keras.Model"),
    ],
)
def test_wrong_types(make, words):
    with pytest.raises(TypeError, match=words):
        make(network())


def test_values_are_those_that_the_layers_use():
    pruned = prune(network(), 0.5)
    for path, values in kernel_values(pruned).items():
        plain = layer_named(strip(pruned), path.rpartition("/")[2])
        np.testing.assert_array_equal(values[0], np.array(plain.weights[0]))
    assert schedule_of(0.5).final == 0.5
