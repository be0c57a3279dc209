"""A process that runs a teacher and nothing else: `python -m stored_teacher.alone`.

Says `ready`, waits for a line, and tells how many batches it did in a second. Imports
nothing of keras_kd.
"""

from __future__ import annotations

import sys
import time

BATCH = 64


def main(path: str, seconds: float) -> float:
    """Batches a second of the model at a path."""
    import keras
    import numpy as np
    import tensorflow as tf

    model = keras.saving.load_model(path, compile=False)
    x = tf.constant(np.random.rand(BATCH, *model.input_shape[1:]).astype("float32"))
    step = tf.function(lambda x: model(x, training=False))
    for _ in range(3):
        step(x)
    print("ready", flush=True)
    sys.stdin.readline()
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        step(x)
        done += 1
    return done / (time.perf_counter() - begin)


if __name__ == "__main__":
    print(main(sys.argv[1], float(sys.argv[2])))
