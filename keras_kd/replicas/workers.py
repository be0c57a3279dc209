"""Which devices train together, and which of several workers this process is."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf


def strategy(devices: Sequence[str] | None = None) -> Any:
    """The `tf.distribute` strategy for what this process has been given.

    Several workers in `TF_CONFIG`, as `keras-kd launch` sets it, train together;
    else several devices of this process do; else one device trains alone. Call it
    before anything else of TensorFlow, and make the models and the Distiller within
    its `scope()`. A process has one strategy: the same devices give the same one.

    Args:
        devices: list of devices such as `["GPU:0", "GPU:1"]`. Defaults to None: all
            GPUs. Not with several workers, each of which takes all it sees.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: for devices beside several workers, or a `TF_CONFIG` that cannot
            be read.

    Example:

    ```python
    with keras_kd.replicas.strategy().scope():
        distiller = keras_kd.Distiller(teacher, student, methods.hinton())
    ```
    """
    return _strategy(None if devices is None else tuple(devices))


@functools.cache
def _strategy(devices):
    if workers() > 1:
        if devices is not None:
            raise ValueError(
                f"`devices` is for a single worker, and TF_CONFIG names {workers()}. "
                f"Received: devices={list(devices)}."
            )
        # On CPUs the only one; NCCL where there are GPUs.
        several = tf.distribute.experimental.CommunicationImplementation
        gpus = tf.config.list_physical_devices("GPU")
        options = tf.distribute.experimental.CommunicationOptions(
            implementation=several.AUTO if gpus else several.RING
        )
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    names = devices or [gpu.name for gpu in tf.config.list_logical_devices("GPU")]
    if len(names) < 2 and devices is None:
        return tf.distribute.get_strategy()
    # Keras runs several steps in one loop of the graph, where other reductions of
    # CPUs fail.
    cpus = any("CPU" in name.upper() for name in names)
    reduction = tf.distribute.ReductionToOneDevice() if cpus else None
    return tf.distribute.MirroredStrategy(list(names), cross_device_ops=reduction)


def workers() -> int:
    """How many workers `TF_CONFIG` names; 1 where it is not set."""
    cluster = _config().get("cluster", {})
    return max(1, len(cluster.get("worker", ())) + len(cluster.get("chief", ())))


def worker() -> int:
    """Which of the workers this process is, counted from 0."""
    task = _config().get("task", {})
    chiefs = len(_config().get("cluster", {}).get("chief", ()))
    return int(task.get("index", 0)) + (chiefs if task.get("type") == "worker" else 0)


def is_chief() -> bool:
    """Whether this process is the one that prints, and saves what all share.

    Returns:
        True in the first worker, and where there is only one process.

    Example:

    ```python
    if keras_kd.replicas.is_chief():
        distiller.student.save("student.keras")
    ```
    """
    return worker() == 0


def worker_folder(path: str | os.PathLike[str]) -> Path:
    """A folder of this worker's own: workers that write one file spoil it.

    Args:
        path: the folder of all workers.

    Returns:
        `path / "worker_<index>"`, which is made if need be.

    Example:

    ```python
    folder = keras_kd.replicas.worker_folder("logs")
    board = keras.callbacks.TensorBoard(str(folder))
    ```
    """
    folder = Path(path) / f"worker_{worker()}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _config() -> dict[str, Any]:
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        config = json.loads(text)
        if isinstance(config, dict):
            return config
    except ValueError:
        pass
    raise ValueError(
        "TF_CONFIG must be JSON with 'cluster' and 'task', as "
        '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", '
        f'"index": 0}}}}. Received: {text!r}.'
    )
