"""From a dataset to a verified int8 student: `python examples/demo.py`.

A teacher learns from every label. Then a student of a tenth of its size is trained
twice per seed: once with a few labels and the teacher, which also speaks about all
the unlabelled images, and once with those labels alone. The student is exported,
verified and measured, and the report lies in `--out`. Nothing is downloaded for
`--data digits`.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from keras_kd import methods, workflow
from keras_kd.callbacks import save_model
from keras_kd.datasets import Dataset, hide_labels, load_dataset

sys.path.insert(0, str(Path(__file__).parent))
import models

Blocks = tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a demonstration trains, on what, and for how long.

    `teacher` and `student` are filters and strides of their blocks. The teacher has
    all the training images, with labels; the student sees `images` of them (None:
    all), of which `labelled` have a label.
    """

    teacher: Blocks
    student: Blocks
    labelled: int
    images: int | None
    teacher_epochs: int
    student_epochs: int
    batch_size: int
    augment: workflow.Augmentation
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    teacher_learning_rate: float = 3e-3
    student_learning_rate: float = 1e-2
    temperature: float = 4.0
    hard_loss_weight: float = 0.1


SETTINGS = {
    "digits": Setting(
        teacher=((32, 1), (32, 2), (64, 1), (64, 2)),
        student=((8, 1), (16, 2), (24, 1)),
        labelled=50,
        images=None,
        teacher_epochs=40,
        student_epochs=100,
        batch_size=128,
        augment=workflow.Augmentation(shift=0.06, rotate=8, zoom=0.06),
    ),
    "fashion_mnist": Setting(
        teacher=((32, 2), (48, 1), (64, 2), (80, 1)),
        student=((12, 2), (20, 2), (32, 1)),
        labelled=200,
        images=20_000,
        teacher_epochs=5,
        student_epochs=16,
        batch_size=128,
        augment=workflow.Augmentation(shift=0.036, flip=True),
    ),
}


def main(arguments: list[str] | None = None) -> dict:
    """Run the demonstration; returns the report."""
    begin = time.perf_counter()
    options = parser().parse_args(arguments)
    setting = SETTINGS[options.data]
    if options.fast:
        setting = dataclasses.replace(
            setting,
            images=min(setting.images or 1_000, 1_000),
            teacher_epochs=min(setting.teacher_epochs, 8),
            student_epochs=12,
            seeds=(0, 1),
        )
    dataset = load_dataset(options.data)
    if options.fast:
        dataset = first_images(dataset, train=2_000, test=500)
    folder = workflow.ResultFolder(
        options.out, title=f"Distillation on {options.data}", overwrite=True
    )
    recipes = ("float32", "float16", "dynamic_int8", "int8")
    folder.plan("teacher", *workflow.stages(recipes))
    teacher = trained_teacher(dataset, setting, folder)
    few = hide_labels(first_images(dataset, setting.images), setting.labelled)
    report = workflow.distill_to_folder(
        teacher,
        lambda: network("student", setting.student, dataset),
        few,
        folder,
        terms=lambda: methods.hinton(temperature=setting.temperature),
        hard_loss_weight=setting.hard_loss_weight,
        epochs=setting.student_epochs,
        batch_size=setting.batch_size,
        learning_rate=setting.student_learning_rate,
        seed=setting.seeds,
        augment=setting.augment,
        recipes=recipes,
        setting=in_words(dataset, few, setting),
        command=" ".join(["python", "examples/demo.py", *(arguments or sys.argv[1:])]),
    )
    print(f"\n{workflow.summary(report)}\n")
    print(f"{time.perf_counter() - begin:.0f} seconds. Open {folder.path}/report.html")
    return report


def trained_teacher(dataset: Dataset, setting: Setting, folder) -> keras.Model:
    """A teacher that has seen every label, saved as `teacher.keras`."""
    with folder.stage("teacher", f"{len(dataset.x_train):,} images, all labelled"):
        keras.utils.set_random_seed(0)
        teacher = network("teacher", setting.teacher, dataset)
        folder.report["history"]["teacher"] = workflow.train(
            teacher,
            dataset,
            epochs=setting.teacher_epochs,
            batch_size=setting.batch_size,
            learning_rate=setting.teacher_learning_rate,
            augment=setting.augment,
        )
        save_model(teacher, folder.path / "teacher.keras")
    return teacher


def network(name: str, blocks: Blocks, dataset: Dataset) -> keras.Model:
    """A network for the dataset's images and classes."""
    dropout = 0.2 if name == "teacher" else 0.0
    shape, classes = dataset.image_shape, dataset.num_classes
    return models.network(name, shape, classes, blocks, dropout)


def first_images(dataset: Dataset, train: int | None, test: int | None = None):
    """The dataset cut to its first images."""
    return dataclasses.replace(
        dataset,
        x_train=dataset.x_train[:train],
        y_train=dataset.y_train[:train],
        x_test=dataset.x_test[:test],
        y_test=dataset.y_test[:test],
    )


def in_words(dataset: Dataset, few: Dataset, setting: Setting) -> dict[str, str]:
    """What the teacher, the student and the baseline had to learn from."""
    labelled, images = f"{few.labelled.sum():,}", f"{len(few.x_train):,}"
    counts = np.bincount(few.y_train[few.labelled], minlength=few.num_classes)
    per_class = " to ".join(str(n) for n in sorted({counts.min(), counts.max()}))
    return {
        "teacher learned from": f"{len(dataset.x_train):,} labelled images",
        "student learned from": f"{images} images with the teacher's soft targets at "
        f"temperature {setting.temperature:g}, {labelled} of them labelled "
        f"({per_class} per class)",
        "baseline learned from": f"the same {labelled} labelled images, with the same "
        "initial weights, augmentation, batch size and number of steps",
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--out", default="build/demo", help="the result folder")
    found.add_argument("--data", default="digits", choices=list(SETTINGS))
    found.add_argument("--fast", action="store_true", help="a trial of a minute")
    return found


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
