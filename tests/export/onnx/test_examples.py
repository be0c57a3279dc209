"""The examples in the docstrings of ONNX and metadata run."""

import inspect
import re

import keras
import numpy as np
import pytest

import keras_kd.export as public
from keras_kd.export.metadata import Metadata, embed, read_metadata, tables
from keras_kd.export.onnx import OnnxRunner, export_onnx

FENCED = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize(
    "documented", [export_onnx, OnnxRunner, Metadata, embed, read_metadata, tables.pack]
)
def test_example(documented, tmp_path, monkeypatch):
    (code,) = FENCED.findall(inspect.getdoc(documented))
    monkeypatch.chdir(tmp_path)
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, name="logits")(x))
    names = {"keras": keras, "np": np, "model": model, "embed": embed}
    names |= vars(public) | vars(tables) | {"OnnxRunner": OnnxRunner}
    exec(compile(code, "example", "exec"), names)
