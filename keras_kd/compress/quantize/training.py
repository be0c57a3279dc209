"""Training that knows it will be rounded: `quantize_aware`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from keras_kd.compress.quantize.int8_graph import Options, int8_graph, refuse_operators
from keras_kd.compress.quantize.ranges import ObservedRange, calibrating
from keras_kd.compress.quantize.weight_only import weight_only
from keras_kd.compress.rewrite import functional
from keras_kd.compress.strip import quantization_mode
from keras_kd.validation import number, one_of, positive_int

MODES = ("int8", "weight_only_int8", "weight_only_int4")
ENGINES = ("keras", "tfmot")
CALIBRATION_BATCH = 32


def quantize_aware(
    model: keras.Model,
    mode: str = "int8",
    engine: str = "keras",
    *,
    delay: int = 0,
    momentum: float = 0.99,
    freeze_batch_norm_after: int | None = None,
    calibration_data: Any = None,
) -> keras.Model:
    """A copy of a model that computes in training as its small file will.

    Train it as any Keras model, or as the student of a `Distiller`, and export it
    with the recipe of the same name; `mode="int8"` then needs no calibration data.
    Start from a trained model, with a learning rate about a tenth of its last.

    * `"int8"`: kernels rounded per output channel, activations in ranges that are
      watched in training. For convolutional and dense networks.
    * `"weight_only_int8"`, `"weight_only_int4"`: kernels alone, activations in
      floats. For every network: transformers, recurrent and text models.

    Layers keep their names, and a tap sees what the layer itself returns, before it
    is rounded. `strip` gives the plain model back.

    Args:
        model: A built functional or Sequential model that computes in float32; also
            a pruned or clustered one, whose zeros and centroids stay. It is not
            changed.
        mode: As above. Defaults to `"int8"`.
        engine: `"keras"`, or `"tfmot"` for the quantizers of TensorFlow Model
            Optimization, for `mode="int8"`. Defaults to `"keras"`.
        delay: Integer. Training steps in which ranges are watched and activations
            not rounded yet. Defaults to `0`.
        momentum: Float below 1. Share of its old value that a range keeps in a step;
            TFMOT has 0.999 of its own. Defaults to `0.99`.
        freeze_batch_norm_after: Integer. Training steps after which batch
            normalization uses its moving statistics in training too, and no longer
            changes them. Defaults to `None`, never.
        calibration_data: Inputs as the model takes them: an array, or a list or dict
            of such, or an iterable of batches (a dataset's labels are left out).
            Ranges start from what it leaves. Defaults to `None`: from the first
            batch of training.

    Returns:
        A functional `keras.Model` with weights of its own, not compiled.

    Raises:
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If an argument is unknown; if the model is subclassed, is not
            float32 or is quantize-aware already; if `mode="int8"` cannot have one of
            its layers, which is named.

    Example:

    ```python
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(4, 3, activation="relu", name="body")(x)
    y = keras.layers.GlobalAveragePooling2D()(y)
    student = quantize_aware(keras.Model(x, keras.layers.Dense(5)(y)))
    student.compile("sgd", loss)
    student.fit(images, labels, verbose=0)  # or Distiller(teacher, student, terms)
    ```

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", CVPR 2018,
        https://arxiv.org/abs/1712.05877
    """
    one_of("mode", mode, MODES)
    one_of("engine", engine, ENGINES)
    if delay != 0:
        delay = positive_int("delay", delay)
    if number("momentum", momentum, minimum=0.0, inclusive=True) >= 1:
        raise ValueError(f"`momentum` must be below 1. Received: momentum={momentum}.")
    if freeze_batch_norm_after is not None and freeze_batch_norm_after != 0:
        freeze_batch_norm_after = positive_int(
            "freeze_batch_norm_after", freeze_batch_norm_after
        )
    functional(model)
    _refuse(model)
    if mode != "int8":
        if engine == "tfmot" or calibration_data is not None:
            raise ValueError(
                f"mode={mode!r} has no ranges of activations, and so takes neither "
                "engine='tfmot' nor calibration_data."
            )
        return weight_only(model, mode)
    if engine == "tfmot":
        from keras_kd.compress.tfmot import load

        load()
    refuse_operators(model)
    student = int8_graph(
        model, Options(engine, delay, momentum, freeze_batch_norm_after)
    )
    if calibration_data is not None:
        calibrate(student, calibration_data)
    return student


def calibrate(model: keras.Model, data: Any) -> None:
    """Widen the ranges of a quantize-aware model to what data leaves in it.

    Args:
        model: A model from `quantize_aware(mode="int8")`.
        data: As `calibration_data` of `quantize_aware`.

    Raises:
        ValueError: If `model` has no ranges, or there are no data.

    Example:

    ```python
    x = keras.Input((8, 8, 3))
    student = quantize_aware(keras.Model(x, keras.layers.Conv2D(4, 3)(x)))
    calibrate(student, images)
    ```
    """
    parts = model._flatten_layers()
    if not any(isinstance(part, ObservedRange) for part in parts):
        raise ValueError(
            f"`model` {model.name!r} has no ranges to calibrate: it is not from "
            "quantize_aware(mode='int8')."
        )
    count = 0
    with calibrating():
        for batch in _batches(data):
            model(batch, training=False)
            count += 1
    if not count:
        raise ValueError("`calibration_data` is empty.")


def _batches(data: Any) -> Iterator[Any]:
    """Batches of inputs from arrays, or from an iterable of batches."""
    leaves = keras.tree.flatten(data)
    if all(hasattr(leaf, "shape") for leaf in leaves):
        for start in range(0, len(leaves[0]) if leaves else 0, CALIBRATION_BATCH):
            stop = start + CALIBRATION_BATCH
            yield keras.tree.map_structure(lambda a: a[start:stop], data)  # noqa: B023
        return
    for batch in data:
        yield batch[0] if isinstance(batch, tuple) else batch


def _refuse(model: keras.Model) -> None:
    """Models that are quantized already, or compute in other floats."""
    mode = quantization_mode(model)
    if mode is not None:
        raise ValueError(
            f"`model` {model.name!r} is quantize-aware already (mode={mode!r}). "
            "`keras_kd.compress.strip` takes that off."
        )
    for layer in model._flatten_layers(include_self=False):
        if getattr(layer, "quantization_mode", None):
            raise ValueError(
                f"Layer {layer.name!r} was quantized by Keras "
                f"({layer.quantization_mode}). Take the model as it was before "
                "`.quantize()`."
            )
        policy = layer.dtype_policy
        if getattr(policy, "compute_dtype", "float32") not in ("float32", "int32"):
            raise ValueError(
                f"Layer {layer.name!r} computes in {policy.name}, and rounding needs "
                "float32: build the model under the float32 policy and give it these "
                "weights."
            )
