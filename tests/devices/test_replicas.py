"""The parts that several devices need, each by itself, on the one device there is."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import Distiller, losses, methods, replicas
from keras_kd.replicas import agreement, backup, batch, cures, workers
from tests.interruption import same_weights
from tests.models import Subclassed, cnn, cross_entropy

TWO = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}


@pytest.fixture
def second_worker(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(TWO))


def test_one_process_is_the_first_of_one(monkeypatch, tmp_path):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert (workers.workers(), workers.worker(), replicas.is_chief()) == (1, 0, True)
    assert replicas.worker_folder(tmp_path / "logs") == tmp_path / "logs" / "worker_0"
    assert replicas.strategy() is tf.distribute.get_strategy()


def test_a_worker_has_a_folder_of_its_own(second_worker, tmp_path):
    assert (workers.workers(), workers.worker(), replicas.is_chief()) == (2, 1, False)
    assert replicas.worker_folder(tmp_path).is_dir()
    assert replicas.worker_folder(tmp_path).name == "worker_1"


def test_a_chief_counts_as_the_first_worker(monkeypatch):
    cluster = {"chief": ["c:1"], "worker": ["a:1", "b:1"]}
    for kind, index, place in (("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)):
        config = {"cluster": cluster, "task": {"type": kind, "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        assert (workers.workers(), workers.worker()) == (3, place)


def test_devices_are_not_for_several_workers(second_worker):
    with pytest.raises(ValueError, match="is for a single worker, and TF_CONFIG names"):
        replicas.strategy(["CPU:5", "CPU:6"])


@pytest.mark.parametrize("text", ["not JSON", "[1]"])
def test_an_unreadable_configuration_is_quoted(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG must be JSON with 'cluster'") as e:
        workers.workers()
    assert str(e.value).endswith(f"Received: {text!r}.")


def shares(*sizes, rank=0):
    return batch.GlobalBatch(tf.constant(sizes), tf.constant(rank))


@pytest.mark.parametrize("sizes", [(3, 2), (1, 0), (4, 4, 1)], ids=str)
def test_parts_of_a_mean_add_up_to_the_mean_of_all(sizes):
    values = np.random.default_rng(0).normal(size=sum(sizes))
    parts, ends = 0.0, np.cumsum(sizes)
    for rank, (size, end) in enumerate(zip(sizes, ends, strict=True)):
        own = values[end - size : end]
        # As Keras divides: by the examples, and by the replicas.
        mean = own.mean() / len(sizes) if size else 0.0
        parts += mean * float(shares(*sizes, rank=rank).share)
    np.testing.assert_allclose(parts, values.mean(), rtol=1e-6)


def test_a_borrowed_example_is_cut_off_and_counts_in_no_sum():
    empty = shares(1, 0, rank=1)
    rows = tf.ones((1, 4))
    assert empty.own({"x": rows, "none": None})["x"].shape == (1, 4)  # not by a size
    unknown = tf.function(empty.own, input_signature=[tf.TensorSpec((None, 4))])
    assert unknown(rows).shape == (0, 4)
    assert float(empty.counts) == 0.0
    assert float(empty.share) == 0.0


def test_a_mean_and_a_sum_do_not_go_together(monkeypatch):
    monkeypatch.setattr(batch, "current_batch", lambda: shares(2, 2))
    with pytest.raises(ValueError, match="must all be means, or all be sums") as e:
        batch.over_global_batch(lambda: 0.0, (), ["sum", "sum_over_batch_size"])
    assert str(e.value).endswith("reductions ['sum', 'sum_over_batch_size'].")


def test_one_device_computes_as_it_is_told():
    tensors = tf.ones((2, 3)), None
    found = batch.over_global_batch(lambda *x: x, tensors, ["sum", "mean"], True)
    assert found[0] is tensors[0]
    assert batch.scaled(found) is found
    with batch.sharing(tensors) as data:
        assert data is tensors


@pytest.mark.parametrize("make", [cnn, Subclassed], ids=["functional", "subclassed"])
def test_a_synchronized_copy_has_the_same_weights(make):
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    model = make(name="student")
    model(x)
    copy = replicas.synchronized(model)
    assert copy is not model
    np.testing.assert_array_equal(copy(x, training=False), model(x, training=False))
    for layer, other in zip(
        copy._flatten_layers(), model._flatten_layers(), strict=True
    ):
        if isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.synchronized, other.synchronized) == (True, False)


def test_what_cannot_be_copied_is_told():
    class Closed(Subclassed):
        def get_config(self):
            raise NotImplementedError("its arguments are not kept")

    model = Closed(name="closed")
    with pytest.raises(ValueError, match="'closed' is not built"):
        replicas.synchronized(model)
    model(np.zeros((1, 8, 8, 3), "float32"))
    with pytest.raises(ValueError, match="'closed' cannot be copied from its config"):
        replicas.synchronized(model)


def test_xla_is_refused_under_several_replicas(monkeypatch):
    distiller = Distiller(cnn("t", 8), cnn("s"), methods.hinton())
    monkeypatch.setattr(type(distiller), "replicas", 2)
    with pytest.raises(ValueError, match="does not work under several replicas"):
        distiller.compile("sgd", cross_entropy(), jit_compile=True)


def training(*callbacks):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 8, 8, 3)).astype("float32"), rng.integers(0, 5, 8)
    distiller = Distiller(cnn("t", 8, seed=1), cnn("s"), methods.hinton())
    distiller.compile(keras.optimizers.Adam(0.01), cross_entropy())
    distiller.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
    distiller.fit(
        x, y, batch_size=4, epochs=4, shuffle=False, verbose=0, callbacks=[*callbacks]
    )
    return distiller


class Ended(Exception):
    pass


def test_a_backup_goes_on_from_the_last_epoch_that_all_have(tmp_path, monkeypatch):
    plain = training()

    class End(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise Ended

    with pytest.raises(Ended):
        training(replicas.Backup(tmp_path), End())
    own = replicas.worker_folder(tmp_path)
    assert sorted(backup.epochs_in(own)) == [2, 3]
    # Another worker was killed while it kept the third epoch.
    other = [[2], [0]]
    monkeypatch.setattr(
        backup,
        "of_all_workers",
        lambda strategy, values: np.array([values, other.pop(0)]),
    )
    begun = []
    first = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda e, logs: begun.append(e)
    )
    resumed = training(replicas.Backup(tmp_path), first)
    assert begun == [2, 3]
    same_weights(resumed.student, plain.student)
    assert not own.exists()


def test_backups_of_two_trainings_are_told(tmp_path, monkeypatch):
    own = replicas.worker_folder(tmp_path)
    for epoch in (7, 8):
        (own / f"epoch_{epoch}.weights.h5").touch()
    monkeypatch.setattr(
        backup, "of_all_workers", lambda strategy, values: np.array([values, [3]])
    )
    with pytest.raises(ValueError, match="have no epoch in common, this worker has"):
        training(replicas.Backup(tmp_path))


def test_checksums_tell_weights_apart():
    model, other = cnn("s"), cnn("s")
    assert agreement.checksum(model.weights) == agreement.checksum(other.weights)
    other.layers[1].bias.assign([0.0, 0.0, 1e-7, 0.0])
    assert agreement.checksum(model.weights) != agreement.checksum(other.weights)


def test_the_names_that_are_leaned_on_are_there():
    """Where this fails, look at `replicas/cures.py` and `replicas/training.py`."""
    for name in (
        "_make_function",
        "_maybe_symbolic_build",
        "_get_metrics_result_or_logs",
    ):
        assert callable(getattr(keras.Model, name))
    optimizer = keras.optimizers.SGD(gradient_accumulation_steps=2)
    cures.cure_optimizer(optimizer)
    for name in (
        "_backend_apply_gradients",
        "_all_reduce_sum_gradients",
        "_backend_update_step",
        "_apply_weight_decay",
        "_clip_gradients",
        "_get_variable_index",
        "_update_model_variables_moving_average",
        "_overwrite_model_variables_with_average_value",
    ):
        assert callable(getattr(type(optimizer), name))


def test_a_cured_optimizer_is_as_it_was_on_one_device():
    def trained(cure):
        variable = keras.Variable([1.0, -2.0])
        optimizer = keras.optimizers.SGD(
            0.1, momentum=0.9, clipnorm=1.0, gradient_accumulation_steps=2
        )
        if cure:
            cures.cure_optimizer(optimizer)
        for step in range(5):
            optimizer.apply([tf.constant([float(step), 1.0])], [variable])
        return variable.numpy()

    np.testing.assert_array_equal(trained(True), trained(False))


def test_a_users_relations_are_gathered_unless_they_say_no():
    class Relations(losses.DistillationLoss):
        compares = "relations"

        def call(self, teacher, student):
            return keras.ops.mean(teacher - student, axis=-1)

    class Alone(Relations):
        across_examples = False

    assert Relations().looks_across
    assert not Alone().looks_across
    assert losses.TotalVariation("deep_inversion").looks_across
    assert not losses.TotalVariation().looks_across
