"""From a Keras student to a .tflite file: the only file that knows the converter."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_kd.export.calibration import calibration_samples
from keras_kd.export.errors import ExportError
from keras_kd.export.files import companion, written_together
from keras_kd.export.prepare import deployable, layers_of, loops_of
from keras_kd.export.probe import examine, trial_batch
from keras_kd.export.quiet import quiet
from keras_kd.export.recipes import Recipe, RecipeLike, get_recipe
from keras_kd.export.report import ExportResult, as_json, file_report
from keras_kd.export.samples import Batch
from keras_kd.export.signature import Signature, signature_of
from keras_kd.validation import destination, positive_int


def export_tflite(
    model: keras.Model,
    path: str | os.PathLike[str],
    recipe: RecipeLike = "float32",
    representative_data: Any = None,
    *,
    io: str | None = None,
    batch_size: int | None = 1,
    overwrite: bool = False,
) -> ExportResult:
    """Write a student to a .tflite file that is known to run.

    The file is loaded and run once before it appears at `path`; beside it lie
    `<stem>.recipe.json` and `<stem>.report.json`. What only training needs
    (dropout, augmentation) does not reach it, and a student of mixed precision is
    rebuilt with float32 arithmetic first.

    Args:
        model: A built `keras.Model` with inputs of known sizes.
        path: Path that ends in `.tflite`. Its folder is made.
        recipe: `"float32"`, `"float16"`, `"dynamic_int8"` or `"int8"`; or a
            `Recipe`, or the path of its JSON file. Defaults to `"float32"`.
        representative_data: What the student will see in use, unlabelled: an array
            of shape `(samples, …)`, a list or dict of such, a batched
            `tf.data.Dataset`, or a generator function of batches. Recipes with
            int8 activations need it; for the others it is what the file is tried
            on, in place of random numbers. Defaults to `None`.
        io: Type of the float inputs and outputs: one of the recipe's `io`
            (`"int8"`, `"uint8"`, `"float32"` for `recipe="int8"`). Defaults to
            the recipe's first.
        batch_size: Integer, or None for a file that takes any. Defaults to `1`,
            which every client and delegate takes.
        overwrite: Boolean. Whether a file at `path` may be replaced. Defaults to
            `False`.

    Returns:
        An `ExportResult` with `path`, `recipe` and `report`.

    Raises:
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If an argument is wrong, or the model cannot be exported so.
        FileExistsError: If there is a file and `overwrite` is False.
        ExportError: If the converter fails, or the file it made does not run.

    Example:

    ```python
    x = keras.Input((8, 8, 1), name="image")
    y = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, activation="relu")(x))
    student = keras.Model(x, keras.layers.Dense(3, name="logits")(y))
    images = np.random.rand(100, 8, 8, 1)
    result = export_tflite(student, "student.tflite", "int8", images)
    result.report["bytes"], result.report["float_islands"]
    ```
    """
    recipe = get_recipe(recipe)
    io = recipe.choose_io(io)
    if batch_size is not None:
        batch_size = positive_int("batch_size", batch_size)
    target = destination("path", path, ".tflite", overwrite=overwrite)
    student, notes = deployable(model)
    signature = signature_of(student)
    samples: list[Batch] = []
    if recipe.needs_calibration:
        if representative_data is None:
            raise ValueError(
                f"`representative_data` is needed by recipe {recipe.name!r}: hand in "
                "about 100 inputs as the student will see them, or use "
                "recipe='dynamic_int8', which needs none."
            )
        samples = calibration_samples(signature, representative_data, batch_size or 1)
    trial = (
        samples[0]
        if samples
        else trial_batch(signature, representative_data, batch_size or 1)
    )
    concrete, module = trace(student, signature, batch_size)
    _refuse_loops(student, concrete, recipe, batch_size)
    content = convert(concrete, module, recipe, io, samples)
    report = file_report(content, recipe, samples, notes)
    with written_together() as write:
        temporary = write(target, content)
        report |= examine(student, signature, temporary, trial, recipe)
        write(companion(target, "recipe"), as_json(recipe.to_dict()))
        write(companion(target, "report"), as_json(report))
    return ExportResult(target, recipe, report)


def trace(
    model: keras.Model, signature: Signature, batch_size: int | None
) -> tuple[Any, tf.Module]:
    """The model's inference as a concrete function with named ends.

    Args:
        model: The model to convert.
        signature: Its `Signature`.
        batch_size: Integer, or None for any.

    Returns:
        A pair: the concrete function, and the `tf.Module` that keeps it and its
        variables alive. With the Keras model in the module's place the converter
        writes a file of NaN.
    """

    def inference(*tensors: Any) -> dict[str, Any]:
        named = dict(zip(signature.names, tensors, strict=True))
        return signature.name_outputs(model(signature.pack(named), training=False))

    function = tf.function(inference, autograph=False)
    with _portable_recurrence(model):
        concrete = function.get_concrete_function(
            *(
                tf.TensorSpec((batch_size, *t.shape[1:]), t.dtype, t.name)
                for t in signature.inputs
            )
        )
    module = tf.Module()
    module.function = function
    module.variables_of_model = [variable.value for variable in model.variables]
    return concrete, module


def convert(
    concrete: Any, module: tf.Module, recipe: Recipe, io: str, samples: list[Batch]
) -> bytes:
    """Run the converter.

    Args:
        concrete: As `trace` gives it.
        module: As `trace` gives it.
        recipe: The `Recipe`.
        io: `"float32"`, `"int8"` or `"uint8"`.
        samples: Calibration samples, by input name, for int8 activations.

    Returns:
        The bytes of the file.

    Raises:
        ExportError: If the converter fails.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    if recipe.weights != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if recipe.activations == "int8":
        converter.representative_dataset = lambda: iter(samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.dtypes.as_dtype(io)
        converter.inference_output_type = tf.dtypes.as_dtype(io)
    with quiet():
        try:
            return bytes(converter.convert())
        except Exception as error:
            foreign = re.search(r"(?:TF Select|Custom) ops: (.*)", str(error))
            if foreign is None:
                raise ExportError(f"The converter failed: {error}") from error
            cause = error
    raise ExportError(
        f"LiteRT has no built-in operator for {foreign[1].strip()}. Replace it in the "
        "model (`keras.activations.gelu` has one, a bare `erf` none), or leave that "
        "step to the app (splitting text, the final argmax)."
    ) from cause


def _refuse_loops(
    model: keras.Model, concrete: Any, recipe: Recipe, batch_size: int | None
) -> None:
    """Loops end the process (int8) or fail deep in the converter (dynamic batch)."""
    definition = concrete.graph.as_graph_def()
    nodes = [
        *definition.node,
        *(n for f in definition.library.function for n in f.node_def),
    ]
    if not any(node.op in ("While", "StatelessWhile") for node in nodes):
        return
    layers = loops_of(model)
    where = f"layers {layers} run" if layers else "the model runs"
    if recipe.activations == "int8":
        raise ValueError(
            f"recipe={recipe.name!r} cannot be applied: {where} as a loop, on which "
            "the converter's integer calibration crashes. Use "
            "recipe='dynamic_int8', or build recurrent layers with unroll=True."
        )
    if batch_size is None:
        raise ValueError(
            f"batch_size=None cannot be had: {where} as a loop, which needs a static "
            "batch. Use batch_size=1, or build recurrent layers with unroll=True."
        )


@contextlib.contextmanager
def _portable_recurrence(model: keras.Model) -> Iterator[None]:
    """Keep a GPU from tracing LSTM and GRU as cuDNN's operator, which no phone has."""
    changed = [
        (layer, layer.use_cudnn)
        for layer in layers_of(model)
        if getattr(layer, "use_cudnn", False)
    ]
    try:
        for layer, _ in changed:
            layer.use_cudnn = False
        yield
    finally:
        for layer, value in changed:
            layer.use_cudnn = value
