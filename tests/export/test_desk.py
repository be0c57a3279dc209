"""The command at the desk, and the examples in the documentation."""

import importlib
import importlib.util
import json
import os
import re
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_kd.export
from keras_kd.export import RECIPES
from tests.export.students import cnn, data_for, recurrent, two_by_dict

# Keras 3.15 hands its variables to NumPy 2 without the `copy` keyword.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

ROOT = Path(__file__).parents[2]


def command():
    path = ROOT / "export" / "all_recipes.py"
    spec = importlib.util.spec_from_file_location("all_recipes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_every_recipe_is_written_and_tabled(tmp_path, capsys):
    model = cnn()
    model.save(tmp_path / "cnn.keras")
    x = data_for(model)["image"]
    np.savez(tmp_path / "x.npz", image=x, y=np.zeros(len(x), int))
    arguments = [str(tmp_path / "cnn.keras"), str(tmp_path / "out"), "--runs", "3"]
    assert command()([*arguments, "--data", str(tmp_path / "x.npz")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["recipe", *RECIPES]
    accuracy = (np.argmax(model(x), 1) == 0).mean()
    assert float(lines[1].split()[5]) == pytest.approx(accuracy, abs=1e-4)
    for name in RECIPES:
        stem = tmp_path / "out" / f"cnn_{name}"
        assert stem.with_suffix(".tflite").is_file()
        for kind in ("recipe", "report", "verification", "benchmark"):
            assert json.loads(Path(f"{stem}.{kind}.json").read_text())


def test_a_recipe_that_does_not_suit_is_named_and_counted(tmp_path, capsys):
    model = recurrent()
    model.save(tmp_path / "rnn.keras")
    np.savez(tmp_path / "x.npz", steps=data_for(model)["steps"])
    arguments = [str(tmp_path / "rnn.keras"), str(tmp_path / "out"), "--runs", "3"]
    arguments += ["--data", str(tmp_path / "x.npz"), "--recipes", "int8", "float16"]
    assert command()(arguments) == 1
    assert "run as a loop" in capsys.readouterr().out
    assert not (tmp_path / "out" / "rnn_int8.tflite").exists()
    assert (tmp_path / "out" / "rnn_float16.tflite").exists()


def test_several_inputs_are_arrays_by_name(tmp_path):
    model = two_by_dict()
    model.save(tmp_path / "two.keras")
    np.savez(tmp_path / "x.npz", **data_for(model))
    arguments = [str(tmp_path / "two.keras"), str(tmp_path), "--runs", "3"]
    arguments += ["--data", str(tmp_path / "x.npz"), "--recipes", "float32"]
    assert command()(arguments) == 0


def examples():
    folder = Path(keras_kd.export.__file__).parent
    return [
        pytest.param(path.stem, code, id=path.stem)
        for path in sorted(folder.glob("*.py"))
        for code in re.findall(r"```python\n(.*?)```", path.read_text(), re.S)
    ]


@pytest.mark.parametrize(("stem", "code"), examples())
def test_the_examples_run(stem, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, name="dense")(x))
    names = {"model": model, "np": np, "keras": keras, "os": os, "Path": Path}
    for module in ("export", "export.signature", f"export.{stem}"):
        names |= vars(importlib.import_module(f"keras_kd.{module}"))
    exec(textwrap.dedent(code), names)
