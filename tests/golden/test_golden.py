"""Every public loss against numbers that another program computed.

`make.py` beside this file wrote them; `make golden` writes them anew. Nothing here
writes.
"""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_kd import losses

FOLDER = Path(__file__).parent
STORED = {
    name: cases
    for path in sorted(FOLDER.glob("*.json"))
    for name, cases in json.loads(path.read_text(encoding="utf-8")).items()
}
# Abstract, or no formula of its own.
WITHOUT_VALUES = {"DistillationLoss"}


def decoded(x, dtype):
    """The array that was written, its real numbers in `dtype`; or a structure."""
    if isinstance(x, list):
        return [decoded(part, dtype) for part in x]
    if set(x) != {"shape", "data"}:
        return {key: decoded(part, dtype) for key, part in x.items()}
    array = np.array(x["data"]).reshape(x["shape"])
    return array.astype(dtype) if array.dtype.kind == "f" else array


def entries(names):
    return [
        pytest.param(name, entry, id=f"{name}: {entry['case']}")
        for name in names
        for entry in STORED.get(name, [])
    ]


def public(is_kind):
    return [name for name in losses.__all__ if is_kind(getattr(losses, name))]


FUNCTIONS, CLASSES = public(inspect.isfunction), public(inspect.isclass)


@pytest.mark.parametrize("name", FUNCTIONS + CLASSES)
def test_every_public_loss_has_golden_values(name):
    if name not in WITHOUT_VALUES:
        assert STORED.get(name), (
            f"keras_kd.losses.{name} has no golden values: compute it in "
            "tests/golden/families/ and run `make golden`."
        )


def test_no_golden_value_is_of_a_loss_that_is_gone():
    assert set(STORED) <= set(losses.__all__)


@pytest.mark.parametrize(("name", "entry"), entries(FUNCTIONS))
def test_function_in_float64(name, entry):
    inputs = {key: decoded(x, "float64") for key, x in entry["inputs"].items()}
    values = getattr(losses, name)(**inputs, **entry["arguments"])
    expected = decoded(entry["values"], "float64")
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("name", "entry"), entries(CLASSES))
def test_class_in_float32(name, entry):
    inputs = {key: decoded(x, "float32") for key, x in entry["inputs"].items()}
    loss_class, arguments = getattr(losses, name), entry["arguments"]
    student, mask = inputs.pop("student"), inputs.pop("mask", None)
    # Labels, or the parts of a stored target, reach a class in a dict.
    teacher = inputs["teacher"] if list(inputs) == ["teacher"] else inputs
    values = loss_class(**arguments, reduction=None)(teacher, student, mask=mask)
    expected = decoded(entry["values"], "float32")
    np.testing.assert_allclose(values, expected, rtol=2e-5, atol=2e-6)
    scalar = loss_class(**arguments)(teacher, student, mask=mask)
    np.testing.assert_allclose(scalar, entry["scalar"], rtol=2e-5, atol=2e-6)


def test_the_stored_files_are_what_make_writes(tmp_path):
    make = [sys.executable, str(FOLDER / "make.py"), "--out", str(tmp_path)]
    subprocess.run(make, check=True, capture_output=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in FOLDER.glob("*.json"))
    for name in names:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), (
            f"{name} is not what tests/golden/make.py writes: run `make golden`, and "
            "look at the difference before you commit it."
        )


def test_make_knows_nothing_of_the_package():
    for path in [*FOLDER.glob("families/*.py"), FOLDER / "make.py"]:
        imports = [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith(("import ", "from "))
        ]
        assert not any("keras" in line or "tensorflow" in line for line in imports)
