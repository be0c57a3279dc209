"""LiteRT on this machine: the reference, held against Keras and its own kernels."""

from importlib.metadata import version

import numpy as np
import pytest

from tests.clients import reference
from tests.clients.cases import TWO_SIGNATURES, cases
from tests.clients.compare import apart_from_keras, inputs_of
from tests.clients.paths import FILES
from tests.clients.record import record

pytestmark = pytest.mark.client
CASES = [*cases("tflite"), TWO_SIGNATURES]
VERSION = version("ai-edge-litert")
PARITY = {"float32": 1e-5, "float16": 5e-3, "weight_only_int4": 0.15}
"""Largest difference from Keras, relative to the spread of its outputs."""
QUANTIZED = 0.05
"""The same for weights of int8."""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_litert_x86(case, exported, index, judge):
    """It answers the same twice, as Keras does; recorded is how far from Keras."""
    student = index["students"][case.student]
    inputs = {name: np.load(FILES / file) for name, file in student["inputs"].items()}
    _, outputs = reference.run_lite(FILES / case.path, inputs)
    answers = {name: values for name, (_, values) in outputs.items()}
    judge("LiteRT x86", VERSION, case, answers)
    apart = apart_from_keras(exported, index, answers)
    known = ("LiteRT x86", VERSION, case.student, case.label)
    right = apart <= PARITY.get(case.recipe, QUANTIZED)
    record(*known, "right" if right else "wrong", f"error {apart:.2g}")
    assert right, apart


@pytest.mark.parametrize("case", CASES, ids=str)
def test_litert_x86_without_xnnpack(case, exported, judge):
    """Its own kernels, without the delegate, agree."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(FILES / case.path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner = interpreter.get_signature_runner(
        "serve" if "serve" in interpreter.get_signature_list() else None
    )
    inputs = inputs_of(exported)
    rows = [
        {name: x.copy() for name, x in runner(**row).items()}
        for row in (
            {name: x[i : i + 1] for name, x in inputs.items()}
            for i in range(len(next(iter(inputs.values()))))
        )
    ]
    answers = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    judge("LiteRT x86, no XNNPACK", VERSION, case, answers)
