"""onnxruntime on this machine, in batches and alone, held against Keras."""

from importlib.metadata import version

import numpy as np
import pytest

from tests.clients.cases import cases
from tests.clients.compare import apart_from_keras, inputs_of
from tests.clients.paths import FILES
from tests.clients.record import record

pytestmark = pytest.mark.client
PARITY = {"float32": 1e-5, "dynamic_int8": 0.1, "int8": 0.1}
"""Largest difference from Keras, relative to the spread of its outputs."""


@pytest.mark.parametrize("case", cases("onnx"), ids=str)
def test_onnxruntime(case, exported, index, judge):
    """The reference again, one example at a time."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        str(FILES / case.path), providers=["CPUExecutionProvider"]
    )
    (name,) = [tensor.name for tensor in session.get_inputs()]
    names = [tensor.name for tensor in session.get_outputs()]
    (x,) = inputs_of(exported).values()
    rows = [session.run(None, {name: x[i : i + 1]}) for i in range(len(x))]
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    answers = dict(zip(names, columns, strict=True))
    judge("onnxruntime x86", version("onnxruntime"), case, answers)
    apart = apart_from_keras(exported, index, answers)
    known = ("onnxruntime x86", version("onnxruntime"), case.student, case.label)
    right = apart <= PARITY[case.recipe]
    record(*known, "right" if right else "wrong", f"error {apart:.2g}")
    assert right, apart
