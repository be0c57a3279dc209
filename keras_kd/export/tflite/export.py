"""From a Keras student to a .tflite file: the only file that knows the converter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import keras

from keras_kd.export.calibration import calibration_samples, refuse_no_data
from keras_kd.export.families import automatic
from keras_kd.export.files import companion
from keras_kd.export.probe import examine, trial_batches
from keras_kd.export.recipes import RecipeLike, get_recipe
from keras_kd.export.report import ExportResult, as_json, file_report
from keras_kd.export.signature import signature_of
from keras_kd.export.tflite import converter
from keras_kd.export.tflite.conversion import convert
from keras_kd.export.tflite.parts import (
    Part,
    parts_of,
    refuse_names,
    shared,
    with_samples,
)
from keras_kd.export.tflite.saturation import notes_on
from keras_kd.export.tflite.tracing import trace as trace
from keras_kd.files import written_together
from keras_kd.validation import destination, positive_int

AUTO = "auto"


def export_tflite(
    model: keras.Model,
    path: str | os.PathLike[str],
    recipe: RecipeLike = AUTO,
    representative_data: Any = None,
    *,
    io: str | None = None,
    batch_size: int | None = 1,
    float_softmax: bool = False,
    signatures: Mapping[str, keras.Model] | None = None,
    metadata: Any = None,
    overwrite: bool = False,
) -> ExportResult:
    """Write a student to a .tflite file that is known to run.

    The file is loaded and run before it appears at `path`; beside it lie
    `<stem>.recipe.json` and `<stem>.report.json`. What only training needs
    (dropout, augmentation) does not reach it, and a student of mixed precision is
    rebuilt with float32 arithmetic first. Sizes that the model leaves open (height
    and width, or a length) stay open in the file, which is tried on two.

    Args:
        model: A built `keras.Model`. One that `keras_kd.compress` made is written
            with its masks, centroids and ranges baked in.
        path: Path that ends in `.tflite`. Its folder is made.
        recipe: A name in `RECIPES`; or a `Recipe`, or the path of its JSON file.
            Defaults to `"auto"`: by the family of the network, and why is in the
            report.
        representative_data: What the student will see in use, unlabelled: an array
            of shape `(samples, …)`, a list or dict of such, a batched
            `tf.data.Dataset`, or a generator function of batches. Recipes with
            integer activations need it, unless the model was trained with
            `quantize_aware`; for the others it is what the file is tried on, in
            place of random numbers. Defaults to `None`.
        io: Type of the float inputs and outputs: one of the recipe's `io`
            (`"int8"`, `"uint8"`, `"float32"` for `recipe="int8"`). Defaults to
            the recipe's first.
        batch_size: Integer, or None for a file that takes any. Defaults to `1`,
            which every client and delegate takes.
        float_softmax: Boolean. Whether the softmax at the end of a quantized file
            is computed in float32, and its outputs are: those of int8 are 1/256
            apart. Defaults to `False`.
        signatures: Dict from a name to a `keras.Model` that shares the student's
            weights, to be found in the same file under that name; `model` is then
            the signature `"serve"`, and what a client without signatures runs.
            MediaPipe Tasks takes files of one only. Defaults to `None`.
        metadata: A `keras_kd.export.Metadata` to embed. Defaults to `None`.
        overwrite: Boolean. Whether a file at `path` may be replaced. Defaults to
            `False`.

    Returns:
        An `ExportResult` with `path`, `recipe` and `report`.

    Raises:
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If an argument is wrong, or the model cannot be exported so.
        FileExistsError: If there is a file and `overwrite` is False.
        ImportError: If the recipe needs a package that is not installed.
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
    named = get_recipe(recipe) if recipe != AUTO else None
    if batch_size is not None:
        batch_size = positive_int("batch_size", batch_size)
    if named is not None:
        io = named.choose_io(io)
    target = destination("path", path, ".tflite", overwrite=overwrite)
    refuse_names(signatures)
    signature_of(model)
    converter.WORKER.start()  # it imports while the model is traced
    auto = None
    if named is None:
        named, auto = automatic(model, representative_data)
    io = named.choose_io(io)
    parts, notes = parts_of(model, signatures, named)
    (main, *_) = parts
    size, data = batch_size or 1, representative_data
    if named.needs_calibration and not main.trained:
        refuse_no_data(named, data)
        samples = calibration_samples(main.signature, data, size)
        parts = [with_samples(part, samples) for part in parts]
        data = samples[0]
    trials = {main.key: trial_batches(main.model, main.signature, data, size)}
    for part in parts[1:]:
        trials[part.key] = shared(part, trials[main.key]) or trial_batches(
            part.model, part.signature, None, size
        )
    content, calibration = convert(parts, named, io, batch_size, float_softmax)
    if metadata is not None:
        from keras_kd.export.metadata import embed

        content = embed(content, metadata, named.name)
    report = file_report(content, named, parts[0].samples, notes)
    report["notes"] += [*notes_on(calibration), *_open_sizes(main)]
    report |= {"auto": auto, "calibration": calibration}
    with written_together() as write:
        temporary = write(target, content)
        found = {}
        for part in parts:
            found[part.key] = examine(
                part.model,
                part.signature,
                temporary,
                trials[part.key],
                named,
                part.key,
            )
        report |= found[main.key] | {"signatures": found if signatures else None}
        write(companion(target, "recipe"), as_json(named.to_dict()))
        write(companion(target, "report"), as_json(report))
    return ExportResult(target, named, report)


def _open_sizes(part: Part) -> list[str]:
    names = [t.name for t in part.signature.inputs if None in t.shape[1:]]
    return names and [
        f"The file leaves sizes of {names} open: the app resizes them before "
        "`allocate_tensors`. Delegates and LiteRT.js want fixed sizes."
    ]
