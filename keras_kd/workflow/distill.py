"""One call from a trained teacher to verified files and a report."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_kd import export, methods
from keras_kd.callbacks import StudentCheckpoint
from keras_kd.datasets import Dataset
from keras_kd.export.recipes import Recipe, RecipeLike, get_recipe
from keras_kd.store.stored import StoredTeacher
from keras_kd.store.views.views import Views
from keras_kd.teachers import as_teacher
from keras_kd.types import Number
from keras_kd.validation import unique_names
from keras_kd.workflow.comparison import by_class, disagreements
from keras_kd.workflow.folder import ResultFolder
from keras_kd.workflow.labelling.views import views_to_train_on
from keras_kd.workflow.run import Run
from keras_kd.workflow.training import (
    Augment,
    accuracy,
    check_fits,
    require_labels,
    top_classes,
)

CHECKPOINT_SECONDS = 10.0


def distill_to_folder(
    teacher: Any,
    student: keras.Model | Callable[[], keras.Model],
    dataset: Dataset,
    out: str | os.PathLike[str] | ResultFolder,
    *,
    epochs: int,
    terms: Any = None,
    hard_loss_weight: Number = 0.1,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    seed: int | Sequence[int] = 0,
    augment: Augment | None = None,
    store: str | os.PathLike[str] | StoredTeacher | None = None,
    baseline: bool = True,
    recipes: Sequence[RecipeLike] = ("float32", "float16", "dynamic_int8", "int8"),
    overwrite: bool = False,
    title: str | None = None,
    setting: dict[str, Any] | None = None,
    command: str | None = None,
    verbose: int = 1,
) -> dict[str, Any]:
    """Train a student with its teacher, export it, and report on all of it.

    The folder holds `student.keras`, `student_<recipe>.tflite` with companions,
    `report.json` and `report.html`. It is brought up to date after each stage, so a
    run that is stopped leaves what was finished.

    The baseline is the same student without the teacher: the same initial weights,
    labelled images, augmentation, seed, batch size, learning rate and number of
    optimizer steps. Images without a label (-1) reach the student through the terms
    alone; the baseline, which can make nothing of them, fills all its batches with
    labelled ones. What separates the two is then what the teacher said, about the
    unlabelled images too.

    Args:
        teacher: a trained `keras.Model`, or a teacher such as `FrozenTeacher`.
        student: a built `keras.Model` (trained in place), or a function without
            arguments that builds one, as several seeds need.
        dataset: a `Dataset`.
        out: path of the result folder, or a `ResultFolder` in use.
        epochs: int, of which each has as many steps as the training images fill
            batches.
        terms: list of terms, or a function without arguments that makes one.
            Defaults to `methods.hinton`.
        hard_loss_weight: non-negative float or schedule. Defaults to 0.1.
        batch_size, learning_rate, augment: as in `train`.
        store: `StoredTeacher`, or the path of its folder: the student and the
            baseline train on its views and targets, and the teacher runs for the
            report alone. Defaults to None: the teacher runs in every step.
        seed: int, or several: then accuracies are means over them, and the files
            come from the first. Defaults to 0.
        baseline: bool. Whether to train the baseline. Defaults to True.
        recipes: names in `keras_kd.export.RECIPES`, `Recipe`s or paths of their
            JSON files.
        overwrite: bool. Whether earlier results may be replaced. Defaults to False.
        title: str. Defaults to one made of the dataset's name.
        setting: dict of further lines on the setting for the report.
        command: str, what repeats this run, for the report.
        verbose: 0 for silence, 1 for about ten lines a training, 2 for a line per
            epoch. Defaults to 1.

    Returns:
        The report, a dict. Where an export failed, `"failed"` says why by recipe,
        and `"missing"` still has it.

    Raises:
        ValueError: where models, dataset and arguments do not fit together.
        FileExistsError: where there are results, and `overwrite` is False.

    Example:

    ```python
    few = hide_labels(load_dataset("digits"), labelled=50)
    report = distill_to_folder(teacher, student, few, "build/digits", epochs=60)
    report["student"]["accuracy"] - report["baseline"]["accuracy"]
    ```
    """
    chosen = [get_recipe(recipe) for recipe in recipes]
    unique_names("Recipes", [recipe.name for recipe in chosen])
    teacher = as_teacher(teacher)
    views: Augment | Views | None = augment
    if store is not None:
        store = store if isinstance(store, StoredTeacher) else StoredTeacher(store)
        views = views_to_train_on(store, teacher, augment)
    # Before the folder is touched: wrong input ends here.
    run = Run(
        teacher,
        student,
        terms or methods.hinton,
        dataset,
        hard_loss_weight,
        [seed] if isinstance(seed, int) else [int(s) for s in seed],
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        augment=views,
        store=store,
    )
    check_fits("student", run.student, dataset)
    if baseline:
        require_labels(dataset)
    if isinstance(out, ResultFolder):
        folder = out
    else:
        title = title or f"A student of {run.teacher.name} on {dataset.name}"
        folder = ResultFolder(out, title=title, overwrite=overwrite, verbose=verbose)
    folder.plan(*stages([recipe.name for recipe in chosen], baseline))
    folder.report["dataset"] = describe(dataset)
    folder.report["setting"].update({**(setting or {}), **run.setting()})
    if command:
        folder.report["command"] = command
    folder.write()
    answers = _examine(run, folder)
    _teach(run, folder, answers, verbose)
    if baseline:
        _go_without(run, folder, verbose)
    for recipe in chosen:
        _export(run, folder, recipe)
    return folder.report


def stages(recipes: Sequence[str], baseline: bool = True) -> list[str]:
    """The stages that `distill_to_folder` goes through, in order."""
    return [
        "teacher on test",
        "student",
        *(["baseline"] if baseline else []),
        *(f"export {name}" for name in recipes),
    ]


def describe(dataset: Dataset) -> dict[str, Any]:
    """A dataset in numbers, for a report."""
    return {
        "name": dataset.name,
        "train": len(dataset.x_train),
        "labelled": int(dataset.labelled.sum()),
        "test": len(dataset.x_test),
        "classes": dataset.num_classes,
        "image_shape": list(dataset.image_shape),
        "class_names": list(dataset.class_names),
    }


def _examine(run: Run, folder: ResultFolder) -> np.ndarray:
    """The teacher's answers to the test."""
    with folder.stage("teacher on test", f"{len(run.dataset.x_test):,} images"):
        answers = top_classes(run.teacher, run.dataset.x_test)
        found = float(np.mean(answers == run.dataset.y_test))
        folder.report["teacher"] = {
            "name": run.teacher.name,
            "accuracy": found,
            "params": sum(model.count_params() for model in run.teacher.models),
        }
        folder.say(f"    accuracy {found:.4f}")
    return answers


def _teach(run: Run, folder: ResultFolder, answers: np.ndarray, verbose: int) -> None:
    """The student with its teacher, once per seed."""
    labelled, images = int(run.dataset.labelled.sum()), len(run.dataset.x_train)
    path, report = folder.path / "student.keras", folder.report
    with folder.stage("student", f"{images:,} images, {labelled:,} of them labelled"):
        for seed in run.seeds:
            first = seed == run.seeds[0]
            distiller = run.first if first else run.distiller(seed)
            keep = [StudentCheckpoint(path, seconds=CHECKPOINT_SECONDS)]
            history = run.train(
                distiller,
                seed,
                callbacks=keep if first else [],
                verbose=_lines(verbose, first),
            )
            _record(run, folder, "student", distiller.student, history, seed)
            if first:
                own = top_classes(run.student, run.dataset.x_test)
                report["student"]["agreement"] = float(np.mean(own == answers))
                report["classes"] = by_class(run.dataset, answers, own)
                differ = disagreements(run.dataset, answers, own)
                folder.pictures = {"disagreements": differ}
            folder.write()


def _go_without(run: Run, folder: ResultFolder, verbose: int) -> None:
    """The same student without a teacher, once per seed."""
    about = f"the same student without a teacher, the same {run.steps:,} steps"
    with folder.stage("baseline", about):
        for seed in run.seeds:
            model = run.alone(seed)
            lines = _lines(verbose, seed == run.seeds[0])
            history = run.train(model, seed, verbose=lines)
            _record(run, folder, "baseline", model, history, seed)
            folder.write()


def _export(run: Run, folder: ResultFolder, recipe: Recipe) -> None:
    """Write, verify and measure one file; a recipe that fails stops no other."""
    student, dataset = run.student, run.dataset
    path = folder.path / f"student_{recipe.name}.tflite"
    try:
        with folder.stage(f"export {recipe.name}"):
            written = export.export_tflite(
                student, path, recipe, dataset.x_train, overwrite=True
            )
            quantized = recipe.activations != "float32"
            checked = export.verify(
                student, written, (dataset.x_test, dataset.y_test), layers=quantized
            )
            found = checked.to_dict()
            measured = export.benchmark(written, threads=(1,))
            row = {
                "recipe": recipe.name,
                "path": path.name,
                "bytes": measured.bytes,
                "gzip_bytes": measured.gzip_bytes,
                "accuracy": checked.accuracy,
                "agreement": checked.agreement,
                "max_error": checked.max_error,
                "snr_db": checked.snr_db,
                "delegation": found["delegation"],
                "layers": found["layers"],
                "latency_ms_p50": measured.latency_ms[1]["p50"],
                "latency_ms_p90": measured.latency_ms[1]["p90"],
                "macs": measured.macs,
                "arena_bytes": measured.arena_bytes,
                "notes": written.report["notes"],
            }
            folder.report["artifacts"].append(row)
            folder.say(
                f"    {row['bytes']:,} bytes  accuracy {row['accuracy']:.4f}  "
                f"latency {row['latency_ms_p50']:.3g} ms"
            )
    except (export.ExportError, export.VerificationError, ValueError) as error:
        folder.report.setdefault("failed", {})[recipe.name] = str(error)
        folder.write()
        folder.say(f"    failed: {error}")


def _record(
    run: Run,
    folder: ResultFolder,
    role: str,
    model: keras.Model,
    history: dict[str, list[float]],
    seed: int,
) -> None:
    """Add one seed's outcome; the history is the first's."""
    entry = folder.report.setdefault(
        role,
        {"name": model.name, "params": model.count_params(), "accuracy_by_seed": []},
    )
    found = accuracy(model, run.dataset)
    scores = entry["accuracy_by_seed"] = [*entry["accuracy_by_seed"], found]
    entry["accuracy"] = float(np.mean(scores))
    if len(scores) > 1:
        entry["accuracy_std"] = float(np.std(scores, ddof=1))
    folder.report["history"].setdefault(role, history)
    folder.say(f"    seed {seed}: accuracy {found:.4f}")


def _lines(verbose: int, first: bool) -> int:
    """The first seed tells its epochs, the others their outcome."""
    return 0 if verbose == 1 and not first else verbose
