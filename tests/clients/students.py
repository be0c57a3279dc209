"""Trained students exported by every recipe that suits them, for all clients alike.

    python -m tests.clients.students

writes `build/clients/files/index.json` and what it names: the files, the inputs as
each file takes them, the outputs of Keras (real numbers), and the raw outputs of the
reference runtime: LiteRT on this machine for `.tflite`, onnxruntime for `.onnx`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from tests.clients import networks, reference
from tests.clients.cases import CASES, TWO_SIGNATURES, Case
from tests.clients.networks import TESTED
from tests.clients.paths import FILES, ROOT

DIGITS = [str(digit) for digit in range(10)]


class Student(NamedTuple):
    """A trained model, and what it is exported with and tested on."""

    task: str
    model: keras.Model
    inputs: dict[str, np.ndarray]
    labels: np.ndarray
    representative: dict[str, np.ndarray]
    metadata: Any
    sentences: list[str] | None = None


def train_all() -> dict[str, Student]:
    """The five students, each trained in seconds from one seed."""
    keras.utils.set_random_seed(0)
    from keras_kd.export import Metadata, from_rgb

    images, labels = networks.digit_images()
    large, _ = networks.digit_images(scale=2)
    colour = np.repeat(images, 3, axis=-1)
    rows = images[..., 0]
    tokens, moods, sentences = networks.texts()
    pixels = {"labels": DIGITS, "mean": 0.0, "std": 255.0}

    def trained(network, inputs, answers, epochs):
        model = network()
        held_out = TESTED if len(answers) > TESTED else 0
        return networks.train(model, inputs[held_out:], answers[held_out:], epochs)

    def student(task, model, inputs, answers, metadata, texts=None):
        (name,) = [tensor.name for tensor in model.inputs]
        return Student(
            task,
            model,
            {name: inputs[:TESTED]},
            answers[:TESTED],
            {name: inputs[TESTED : TESTED + 200]},
            metadata,
            texts and texts[:TESTED],
        )

    grey = trained(networks.grey_cnn, images, labels, 12)
    return {
        "digits": student(
            "image",
            from_rgb(grey),
            colour,
            labels,
            Metadata("Digits", author="keras_kd", teacher="none", **pixels),
        ),
        "separable": student(
            "image",
            trained(networks.separable_cnn, large, labels, 10),
            large,
            labels,
            Metadata("Digits, separable", **pixels),
        ),
        "vit": student(
            "image",
            trained(networks.vision_transformer, images, labels, 12),
            images,
            labels,
            Metadata("Digits, by attention", **pixels),
        ),
        "text": student(
            "text",
            trained(networks.text_cnn, tokens, moods, 4),
            tokens,
            moods,
            Metadata(
                "Opinions",
                labels=["bad", "good"],
                vocabulary=networks.VOCABULARY,
                tokenizer="regex",
            ),
            sentences,
        ),
        "lstm": student(
            "sequence",
            trained(networks.lstm, rows, labels, 10),
            rows,
            labels,
            Metadata("Digits, row by row", labels=DIGITS),
        ),
    }


def export(student: Student, case: Case, path: Path) -> None:
    """Write the file of a case, by the exporter that apps use."""
    from keras_kd.export import export_onnx, export_tflite, with_softmax

    options: dict[str, Any] = {"metadata": student.metadata, "overwrite": True}
    model = student.model
    if case.format == "onnx":
        export_onnx(model, path, case.recipe, student.representative, **options)
        return
    if case.variant == "float_softmax":
        model = with_softmax(model)
        options["float_softmax"] = True
    if case.variant == "two_signatures":
        options["signatures"] = {"features": features(model)}
    if case.io:
        options["io"] = case.io
    export_tflite(model, path, case.recipe, student.representative, **options)


def features(model: keras.Model) -> keras.Model:
    """The model up to what its first layer makes."""
    return keras.Model(model.inputs, model.layers[1].output)


def build(folder: Path = FILES) -> dict[str, Any]:
    """Train, export, run the references; or read what an earlier run wrote.

    Returns:
        The content of `index.json`: `students` and `artifacts`. An artifact that
        could not be exported has `refused` in place of its tensors.
    """
    index = folder / "index.json"
    key = sources_key()
    if index.exists():
        written: dict[str, Any] = json.loads(index.read_text())
        if written["key"] == key:
            return written
    students = train_all()
    result = {
        "key": key,
        "students": {n: describe(n, s, folder) for n, s in students.items()},
        "artifacts": [
            artifact(students[case.student], case, folder)
            for case in (*CASES, TWO_SIGNATURES)
        ],
    }
    index.write_text(json.dumps(result, indent=1) + "\n")
    return result


def describe(name: str, student: Student, folder: Path) -> dict[str, Any]:
    """Write a student's inputs, labels and Keras outputs; its entry in the index."""
    (inputs,) = student.inputs.values()
    outputs = student.model.predict(inputs, verbose=0)
    (output,) = student.model.output_names
    accuracy = float(np.mean(np.argmax(outputs, -1) == student.labels))
    entry = {
        "task": student.task,
        "labels": f"{name}/labels.npy",
        "inputs": {key: f"{name}/inputs/{key}.npy" for key in student.inputs},
        "outputs": {output: f"{name}/keras/{output}.npy"},
        "accuracy": accuracy,
        "classes": student.metadata.labels,
        "sentences": student.sentences,
    }
    write(folder / entry["labels"], student.labels)
    write(folder / entry["outputs"][output], outputs)
    for key, path in entry["inputs"].items():
        write(folder / path, student.inputs[key])
    return entry


def artifact(student: Student, case: Case, folder: Path) -> dict[str, Any]:
    """Export a case and run it on the reference runtime; its entry in the index."""
    path = folder / case.path
    entry = {**case._asdict(), "label": case.label, "path": case.path}
    try:
        export(student, case, path)
    except Exception as error:
        return {**entry, "refused": f"{type(error).__name__}: {error}"}
    entry["bytes"] = path.stat().st_size
    inputs, outputs = reference.run(path, student.inputs)
    for kind, tensors in (("inputs", inputs), ("outputs", outputs)):
        entry[kind] = []
        for name, (details, values) in tensors.items():
            file = f"{case.student}/{case.stem}_{case.format}/{kind[:-1]}_{name}.npy"
            write(folder / file, values)
            entry[kind].append({"name": name, **details, "file": file})
    return entry


def write(path: Path, array: np.ndarray) -> None:
    """An array as `.npy`, in C order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.ascontiguousarray(array))


def sources_key() -> str:
    """Changes whenever the exporter, the students or the cases do."""

    here = Path(__file__).parent
    names = ("cases.py", "networks.py", "reference.py", "students.py")
    sources = [here / name for name in names]
    sources += sorted((ROOT / "keras_kd" / "export").rglob("*.py"))
    content = b"".join(path.read_bytes() for path in sources)
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    for entry in build()["artifacts"]:
        print(entry["path"], entry.get("bytes") or entry["refused"])
