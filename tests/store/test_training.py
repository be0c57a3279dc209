"""Training from a store is training live: the same weights from one seed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import Agreement, Distiller, losses
from keras_kd.store import label
from keras_kd.store.views.augmentation import Augmentation
from keras_kd.store.views.mixing import MixUp
from keras_kd.terms import DistillationTerm
from tests.models import cnn, cross_entropy
from tests.store.views_of import pixels

X, Y = pixels(40), np.random.default_rng(0).integers(0, 5, 40)
AUGMENT = Augmentation(flip=True, crop=1, brightness=0.1)


def distiller(teacher, hard=1.0, loss=None):
    terms = [
        DistillationTerm(losses.KLDistillation(temperature=2.0), name="soft"),
        DistillationTerm(losses.Hint(), teacher="gap", student="gap", name="hint"),
    ]
    student = cnn("student", 6, seed=2)
    trained = Distiller(teacher, student, terms, hard_loss_weight=hard)
    trained.compile("adam", (loss or cross_entropy()) if hard else None)
    return trained


def weights(trained):
    return [weight.numpy() for weight in trained.student.variables]


def stored(folder, data=(X, Y), augment=None, views=1):
    teacher = cnn("teacher", 6, seed=1)
    given = {"precision": "float32", "verbose": 0, "augment": augment, "views": views}
    store = label(teacher, data, folder / "s", taps=("output", "gap"), **given)
    return teacher, store


@pytest.mark.parametrize("augment", [None, AUGMENT], ids=["plain", "augmented"])
def test_live_and_stored_training_end_in_the_same_weights(tmp_path, augment):
    teacher, store = stored(tmp_path, augment=augment, views=2)
    ends = []
    for taught_by, targets in ((teacher, False), (store, True)):
        trained = distiller(taught_by)
        dataset = store.dataset(
            (X, Y), batch_size=40, augment=augment, targets=targets, seed=4
        )
        trained.fit(dataset, epochs=2, verbose=0)
        ends.append(weights(trained))
    apart = max(np.abs(a - b).max() for a, b in zip(*ends, strict=True))
    assert apart <= 1e-6


def test_a_resumed_training_ends_in_the_same_weights(tmp_path):
    _, store = stored(tmp_path, augment=AUGMENT, views=3)
    dataset = store.dataset((X, Y), batch_size=16, augment=AUGMENT)
    whole = distiller(store)
    whole.fit(dataset, epochs=3, verbose=0)
    parted = distiller(store)
    parted.fit(dataset, epochs=1, verbose=0)
    parted.save(tmp_path / "d.keras")
    resumed = Distiller.load(tmp_path / "d.keras", store)
    fresh = store.dataset((X, Y), batch_size=16, augment=AUGMENT)
    list(fresh.take(2))  # a look changes nothing
    resumed.fit(fresh, initial_epoch=1, epochs=3, verbose=0)
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_fit_tells_the_dataset_its_epoch(tmp_path):
    _, store = stored(tmp_path)
    seen, dataset = [], store.dataset((X, Y), batch_size=16)
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(dataset.epochs.next)
    )
    trained = distiller(store)
    trained.fit(dataset, initial_epoch=5, epochs=7, verbose=0, callbacks=[callback])
    assert seen == [5, 5, 5, 6, 6, 6] and dataset.epochs.next == 7


def test_unlabelled_data_need_no_labels(tmp_path):
    _, store = stored(tmp_path, data=X, augment=MixUp(0.5, augment=AUGMENT), views=2)
    trained = distiller(store, hard=0)
    dataset = store.dataset(X, batch_size=20, augment=MixUp(0.5, augment=AUGMENT))
    trained.compile("adam", cross_entropy(), metrics=["accuracy"])
    history = trained.fit(
        dataset, epochs=6, verbose=0, validation_data=(X, Y), validation_freq=3
    ).history
    assert "accuracy" not in history and len(history["val_accuracy"]) == 2
    trained.compile("adam", cross_entropy(), metrics=["accuracy", Agreement()])
    assert "agreement" in trained.fit(dataset, verbose=0).history
    with pytest.raises(ValueError, match="leave `Agreement` and its like out"):
        trained.evaluate(X, Y, verbose=0)
    assert history["soft"][-1] < history["soft"][0]


def test_mixed_labels_train_with_a_soft_hard_loss(tmp_path):
    mix = MixUp(0.5, num_classes=5)
    _, store = stored(tmp_path, augment=mix)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    trained = distiller(store, loss=loss)
    history = trained.fit(
        store.dataset((X, Y), batch_size=20, augment=mix), epochs=2, verbose=0
    ).history
    assert np.isfinite(history["hard_loss"]).all()


def test_sample_weights_reach_the_hard_loss(tmp_path):
    _, store = stored(tmp_path)
    weight = np.zeros(40, "float32")
    trained = distiller(store)
    dataset = store.dataset((X, Y, weight), batch_size=20)
    history = trained.fit(dataset, epochs=1, verbose=0).history
    assert history["hard_loss"] == [0.0]


def test_a_stream_trains(tmp_path):
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    _, store = stored(tmp_path, data=data, augment=AUGMENT, views=2)
    trained = distiller(store)
    dataset = store.dataset(data, batch_size=16, augment=AUGMENT)
    history = trained.fit(dataset, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    same = store.dataset((X, Y), batch_size=16, augment=AUGMENT)  # the same examples
    assert len(list(same)) == 3
