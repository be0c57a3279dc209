"""TFMOT's own pruning, clustering and quantization-aware training of a student."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_kd.compress.tfmot.bridge import to_tf_keras
from keras_kd.compress.tfmot.load import load, quiet
from keras_kd.validation import one_of, positive_int

STARTS = {
    "linear": "LINEAR",
    "density": "DENSITY_BASED",
    "kmeans++": "KMEANS_PLUS_PLUS",
    "random": "RANDOM",
}


def prune_low_magnitude(model: keras.Model, schedule: Any) -> Any:
    """TFMOT's magnitude pruning of a Keras 3 model.

    Args:
        model: A model that `to_tf_keras` knows. It is not changed.
        schedule: One of TFMOT's schedules, `PolynomialDecay` or `ConstantSparsity`;
            or a float, this share from the first step on.

    Returns:
        A `tf_keras.Model` to train by `fit_with_teacher`, and to bring back by
        `from_tf_keras`.

    Raises:
        ImportError: If TFMOT is not installed.
        ValueError: If the bridge or TFMOT does not know a layer.

    Example:

    ```python
    from keras_kd.compress import tfmot
    pruned = tfmot.prune_low_magnitude(student, 0.5)
    ```
    """
    sparsity = load().sparsity.keras
    if isinstance(schedule, (int, float)):
        schedule = sparsity.ConstantSparsity(schedule, begin_step=0, frequency=1)
    return _asked(
        "prune_low_magnitude",
        model,
        lambda legacy: sparsity.prune_low_magnitude(legacy, pruning_schedule=schedule),
    )


def cluster_weights(
    model: keras.Model,
    clusters: int = 16,
    *,
    start: str = "linear",
    preserve_sparsity: bool = False,
) -> Any:
    """TFMOT's clustering of a Keras 3 model.

    Args:
        model: A model that `to_tf_keras` knows. It is not changed.
        clusters: Integer. Defaults to `16`.
        start: `"linear"`, `"density"`, `"kmeans++"` or `"random"`. Defaults to
            `"linear"`.
        preserve_sparsity: Boolean. Whether zeros stay zero. Defaults to `False`.

    Returns:
        A `tf_keras.Model` to train by `fit_with_teacher`, and to bring back by
        `from_tf_keras`.

    Raises:
        ImportError: If TFMOT is not installed.
        ValueError: If the bridge or TFMOT does not know a layer.

    Example:

    ```python
    from keras_kd.compress import tfmot
    clustered = tfmot.cluster_weights(student, 8)
    ```
    """
    clustering = load().clustering.keras
    one_of("start", start, STARTS)
    arguments = {
        "number_of_clusters": positive_int("clusters", clusters),
        "cluster_centroids_init": getattr(
            clustering.CentroidInitialization, STARTS[start]
        ),
    }
    function = clustering.cluster_weights
    if preserve_sparsity:
        function = _preserving()
        arguments["preserve_sparsity"] = True
    return _asked(
        "cluster_weights", model, lambda legacy: function(legacy, **arguments)
    )


def _preserving() -> Any:
    """The `cluster_weights` that keeps zeros; TFMOT's public names leave it out."""
    with quiet():
        from tensorflow_model_optimization.python.core.clustering.keras.experimental import (  # noqa: E501
            cluster,
        )
    return cluster.cluster_weights


def quantize_model(model: keras.Model) -> Any:
    """TFMOT's quantization-aware training of a Keras 3 model.

    Args:
        model: A model that `to_tf_keras` knows. It is not changed.

    Returns:
        A `tf_keras.Model` to train by `fit_with_teacher`, and to write by
        `to_tflite`.

    Raises:
        ImportError: If TFMOT is not installed.
        ValueError: If the bridge or TFMOT does not know a layer.

    Example:

    ```python
    from keras_kd.compress import tfmot
    quantized = tfmot.quantize_model(student)
    ```
    """
    quantization = load().quantization.keras
    return _asked("quantize_model", model, quantization.quantize_model)


def _asked(name: str, model: keras.Model, function: Callable[[Any], Any]) -> Any:
    legacy = to_tf_keras(model)
    try:
        with quiet():
            made = function(legacy)
    except (ValueError, RuntimeError, TypeError) as error:
        first = " ".join(str(error).split())
        raise ValueError(f"TFMOT's {name} refuses {model.name!r}: {first}") from error
    if made is None:
        raise ValueError(f"TFMOT's {name} gave nothing back for {model.name!r}.")
    return made
