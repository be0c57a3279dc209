"""A small training that runs alone, or as one of several workers.

python worker.py FOLDER          trains; keeps its weights and logs in FOLDER
python worker.py FOLDER kill     the same; the second worker is killed once
python worker.py FOLDER probe    afterwards tells what else was found
"""

import json
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_kd import DistillationTerm, Distiller, FrozenTeacher, losses, methods
from keras_kd.replicas import Backup, is_chief, strategy, synchronized
from keras_kd.replicas.workers import worker

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(name, width, seed):
    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input((6,)),
        keras.layers.Dense(width, name="inner"),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.ReLU(),
        keras.layers.Dropout(0.0, seed=1),
        keras.layers.Dense(3),
    ]
    return keras.Sequential(layers, name=name)


def dataset():
    """Batches of 8, the last of which has one example."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(25, 6)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, rng.integers(0, 3, 25))).batch(8)


def train(devices, *callbacks):
    """The trained Distiller, and the logs of its epochs."""
    with devices.scope():
        student = synchronized(network("s", 4, 0))
        keras.utils.set_random_seed(3)
        terms = [
            *methods.hinton(),
            DistillationTerm(losses.SimilarityPreserving(), "inner", "inner"),
        ]
        distiller = Distiller(FrozenTeacher(network("t", 8, 1)), student, terms)
        optimizer = keras.optimizers.Adam(0.05, gradient_accumulation_steps=2)
        distiller.compile(optimizer, LOSS, metrics=["accuracy"])
    history = distiller.fit(
        dataset(), epochs=4, shuffle=False, verbose=0, callbacks=[*callbacks]
    )
    return distiller, history.history


class KilledOnce(keras.callbacks.Callback):
    """Kills the second worker in the middle of the third epoch, the first time."""

    def __init__(self, mark):
        super().__init__()
        self.mark, self.epoch = Path(mark), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 2 and batch == 1 and worker() == 1 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def stock(devices):
    """What Keras's own training ends in under several workers."""
    with devices.scope():
        model = network("stock", 4, 0)
        model.compile("sgd", LOSS, metrics=["accuracy"])
    return failure(lambda: model.fit(dataset(), verbose=0))


def failure(action):
    """The name and the sentence of what an action ends in, or None."""
    try:
        action()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None


def main(folder, mode=""):
    folder = Path(folder)
    devices = strategy()
    callbacks = [Backup(folder / "backup")]
    if mode == "kill":
        callbacks.append(KilledOnce(folder / "killed"))
    distiller, logs = train(devices, *callbacks)
    np.savez(folder / f"weights_{worker()}.npz", *distiller.student.get_weights())
    found = {"logs": logs, "scores": distiller.evaluate(dataset(), verbose=0)}
    found["backups"] = len(list((folder / "backup").rglob("*.h5")))
    if mode == "probe":
        found["stock"] = stock(devices)
        if is_chief():
            weights = [w + 1 for w in distiller.student.get_weights()]
            distiller.student.set_weights(weights)
        found["disagree"] = failure(lambda: distiller.fit(dataset(), verbose=0))
    (folder / f"found_{worker()}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
