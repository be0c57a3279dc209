"""Every example in a docstring runs, given the models and data that it speaks of."""

import importlib
import inspect
import pkgutil
import re

import keras
import numpy as np
import pytest

import keras_kd
from keras_kd import validation
from tests.models import cnn

FENCED = re.compile(r"```python\n(.*?)```", re.DOTALL)
# Their examples have tests of their own, beside what they need.
ELSEWHERE = ("keras_kd.export", "keras_kd.cli", "keras_kd.workflow")
# Examples over files and training data that this table does not make up.
NEEDS_FILES = {"Dataset", "load_dataset", "hide_labels"}


def documented():
    modules = [keras_kd]
    for info in pkgutil.walk_packages(keras_kd.__path__, "keras_kd."):
        if not info.name.startswith(ELSEWHERE) and "__main__" not in info.name:
            modules.append(importlib.import_module(info.name))
    for module in modules:
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            if own and (inspect.isclass(value) or inspect.isfunction(value)):
                if name not in NEEDS_FILES:
                    for index, code in enumerate(
                        FENCED.findall(inspect.getdoc(value) or "")
                    ):
                        yield pytest.param(code, module, id=f"{name}-{index}")


def exits(name):
    """A student with an early exit, and a backbone with blocks."""
    inputs = keras.Input((8, 8, 3))
    blocks = [keras.layers.Conv2D(4, 3, name=f"block_{i}") for i in (1, 2)]
    x = keras.Sequential([keras.Input((8, 8, 3)), *blocks], name="backbone")(inputs)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(5, name="exit_1")(x)
    return keras.Model(inputs, keras.layers.Dense(5, name="exit_2")(x), name=name)


def pooled(size):
    inputs = keras.Input((size, size, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Dense(5)(x), name="pooled")


def world(module):
    """The names that examples use without making them."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(32, 8, 8, 3)).astype("float32")
    labels = rng.integers(0, 5, 32)
    teacher, student = cnn("teacher", 8, seed=1), exits("student")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller = keras_kd.Distiller(teacher, student, keras_kd.methods.hinton())
    distiller.compile("adam", loss, metrics=["accuracy"])
    model = exits("model")
    model.compile("adam", loss)
    logits = keras.ops.convert_to_tensor(rng.normal(size=(2, 32, 5)), "float32")
    maps = keras.ops.convert_to_tensor(rng.normal(size=(2, 32, 8, 8, 4)), "float32")
    names = {name: getattr(keras_kd, name) for name in keras_kd.__all__}
    names |= vars(keras_kd.losses) | vars(keras_kd.layers) | vars(module)
    return names | {
        "keras": keras,
        "validation": validation,
        "keras_kd": keras_kd,
        "images": images,
        "labels": labels,
        "x": images,
        "y": labels,
        "teacher": teacher,
        "student": student,
        "x_val": images,
        "y_val": labels,
        "loss": loss,
        "distiller": distiller,
        "model": model,
        "layer": model.get_layer("exit_1"),
        "wide": cnn("wide", 8, seed=2),
        "deep": pooled(64),
        "resnet": pooled(224),
        "preprocess_input": keras.applications.resnet50.preprocess_input,
        "teacher_logits": logits[0],
        "student_logits": logits[1],
        "teacher_features": logits[0],
        "student_features": logits[1],
        "teacher_map": maps[0],
        "adapted_student_map": maps[1],
    }


@pytest.mark.parametrize("code, module", list(documented()))
def test_example(code, module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "example", "exec"), world(module))


def test_there_are_examples():
    assert len(list(documented())) > 15
