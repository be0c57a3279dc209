"""Prune, cluster, quantize: in this order each keeps what came before."""

import gzip

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

import keras_kd
from keras_kd.compress import cluster, prune, sparsity, strip
from keras_kd.compress.quantize.training import quantize_aware
from keras_kd.compress.selection import kernel_values
from keras_kd.export import export_tflite, schema

RNG = np.random.default_rng(0)
INT4 = "weight_only_int4"
WHOLE = {"min_weights": 200}


def network():
    keras.utils.set_random_seed(0)
    x = keras.Input((10, 10, 4), name="image")
    y = layers.Conv2D(16, 3, padding="same", use_bias=False, name="stem")(x)
    y = layers.ReLU()(layers.BatchNormalization(name="norm")(y))
    y = layers.Conv2D(16, 3, 2, activation="relu", name="body")(y)
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(x, layers.Dense(3, name="head")(y))


@pytest.fixture(scope="module")
def data():
    return RNG.normal(size=(64, 10, 10, 4)).astype("float32"), RNG.integers(0, 3, 64)


def taught(student, data):
    """One pass over the data beside a teacher."""
    distiller = keras_kd.Distiller(network(), student, keras_kd.methods.hinton())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(keras.optimizers.Adam(0.003), loss)
    distiller.fit(*data, batch_size=16, verbose=0)
    return distiller.student


def zeros(model, name):
    return np.asarray(kernel_values(model)[name][0]) == 0


def most_values(model, name):
    return len(np.unique(np.asarray(kernel_values(model)[name][0])))


def constants(path):
    """The int8 kernels of a file."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    kernels = []
    for details in interpreter.get_tensor_details():
        if details["dtype"] == np.int8 and np.prod(details["shape"]) in (576, 2304):
            kernels.append(interpreter.get_tensor(details["index"]))
    return [kernel for kernel in kernels if kernel.shape[0] == 16]


def test_all_three_in_order_keep_what_came_before(tmp_path, data):
    pruned = prune(network(), 0.6, **WHOLE)
    before = {name: zeros(pruned, name) for name in ("stem", "body")}
    clustered = taught(cluster(pruned, 8, **WHOLE), data)
    quantized = taught(quantize_aware(clustered), data)
    half, plain = strip(quantized, keep="quantization"), strip(quantized)
    for name, zero in before.items():
        assert zero.mean() == pytest.approx(0.6, abs=0.01)
        for model in (clustered, quantized, half, plain):
            assert zeros(model, name)[zero].all()
        assert most_values(strip(clustered), name) == 8
        # A scale for each channel: eight codes in each, not eight over all.
        kernel = np.asarray(kernel_values(plain)[name][0])
        assert max(len(np.unique(kernel[..., i])) for i in range(16)) <= 8
    result = export_tflite(quantized, tmp_path / "all.tflite", "int8")
    kernels = constants(result.path)
    assert len(kernels) == 2
    for kernel in kernels:
        assert (kernel == 0).mean() >= 0.59
        assert max(len(np.unique(rows)) for rows in kernel) <= 8


def test_rounded_weights_keep_their_zeros(data):
    pruned = prune(network(), 0.5, **WHOLE)
    quantized = taught(quantize_aware(cluster(pruned, 8, **WHOLE), INT4), data)
    for name in ("stem", "body"):
        assert zeros(strip(quantized), name)[zeros(pruned, name)].all()


def test_masks_go_on_under_rounding(data):
    """The schedule of a mask runs on while the model is quantized."""
    pruned = prune(network(), lambda step: 0.75, **WHOLE)
    quantized = taught(quantize_aware(pruned), data)
    assert sparsity(strip(quantized))["body"] >= 0.75


@pytest.mark.parametrize(
    "late",
    [
        lambda: prune(cluster(network(), 8), 0.5),
        lambda: prune(quantize_aware(network()), 0.5),
        lambda: cluster(quantize_aware(network()), 8),
        lambda: cluster(quantize_aware(network(), "weight_only_int8"), 8),
        lambda: prune(prune(network(), 0.5), 0.5),
    ],
)
def test_a_wrong_order_is_refused_in_a_sentence(late):
    with pytest.raises(ValueError, match="comes too late for .*The order is prune, "):
        late()
    with pytest.raises(ValueError, match="strip\\(model\\) begins anew"):
        late()


def test_channels_come_first_and_everything_after(data):
    narrow = prune(network(), 0.5, "channels")
    assert narrow.get_layer("stem").filters == 8
    quantized = taught(quantize_aware(prune(narrow, 0.5, **WHOLE)), data)
    assert sparsity(strip(quantized))["body"] >= 0.5


def test_downloads_become_smaller(tmp_path):
    """A file with zeros or few values packs well; the file itself stays as large."""
    x = keras.Input((200,))
    model = keras.Model(x, layers.Dense(10)(layers.Dense(200, name="wide")(x)))
    sizes = {}
    for name, student in {
        "plain": model,
        "pruned": strip(prune(model, 0.8)),
        "clustered": strip(cluster(model, 16)),
    }.items():
        path = export_tflite(student, tmp_path / f"{name}.tflite", "float32").path
        content = path.read_bytes()
        sizes[name] = len(content), len(gzip.compress(content))
    assert abs(sizes["pruned"][0] - sizes["plain"][0]) < 1000
    assert sizes["pruned"][1] < sizes["plain"][1] / 3
    assert sizes["clustered"][1] < sizes["plain"][1] / 4


def test_narrower_networks_compute_less(tmp_path):
    model = network()
    plain = export_tflite(model, tmp_path / "plain.tflite", "float32")
    small = prune(model, 0.5, "channels")
    narrow = export_tflite(small, tmp_path / "narrow.tflite", "float32")
    computed = [schema.macs(schema.load(x.path)) for x in (plain, narrow)]
    assert computed[1] < 0.5 * computed[0]
    assert narrow.report["bytes"] < plain.report["bytes"]
