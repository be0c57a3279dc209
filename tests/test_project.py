"""The project's own promises: bounds, commands, versions, README."""

import json
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import keras_kd

ROOT = Path(__file__).parent.parent
REQUIREMENTS = [Requirement(line) for line in metadata.requires("keras-kd") or ()]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def required(extra):
    """The names that an installation with an extra brings along here."""
    return {
        r.name
        for r in REQUIREMENTS
        if r.marker is None or r.marker.evaluate({"extra": extra})
    }


@pytest.mark.parametrize(
    "package", ["keras", "tensorflow", "tf2onnx", "ai-edge-litert"]
)
def test_what_is_tested_is_within_the_bounds(package):
    (bound,) = [
        r
        for r in REQUIREMENTS
        if r.name == package and (r.marker is None or r.marker.evaluate({"extra": ""}))
    ]
    assert bound.specifier.contains(metadata.version(package))
    if package in ("keras", "tensorflow"):
        assert {s.operator for s in bound.specifier} == {">=", "<"}


def test_tfmot_is_an_extra_because_it_holds_tensorflow_back():
    assert "tensorflow-model-optimization" not in required("")
    assert "tensorflow-model-optimization" in required("tfmot")
    assert "pytest" in required("dev")


def test_the_distribution():
    about = metadata.metadata("keras-kd")
    assert about["Version"] == keras_kd.__version__
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Requires-Python"] == ">=3.10"
    assert (Path(keras_kd.__file__).parent / "py.typed").exists()
    assert sys.version_info >= (3, 10)


@pytest.mark.parametrize(
    "target",
    "setup demo test test-clients test-backends check benchmark golden docs "
    "notebooks".split(),
)
def test_make_has(target):
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


def test_ci_runs_the_checks_and_readmes_test_command():
    commands = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert commands[-2:] == ["make check", "make test"]
    assert "\nmake test " in README and "\nmake demo " in README


def test_readme_says_what_ran_on_which_client():
    from tests.clients.table import summary

    path = ROOT / "benchmarks/results/clients.json"
    assert summary(json.loads(path.read_text(encoding="utf-8"))) in README


def test_the_files_that_readme_names_are_there():
    named = re.findall(r"`((?:tests|benchmarks|examples|export)/[\w./]+)`", README)
    named += re.findall(r"\]\(((?!http)[\w./]+)\)", README)
    missing = [name for name in named if not (ROOT / name).exists()]
    assert named and not missing


TEXTS = set(".py .md .json .ipynb .html .c .cc .h .js .mjs .css .kt .kts .xml".split())


@pytest.mark.parametrize("folder", ["keras_kd", "examples", "export", "benchmarks"])
def test_no_trace_of_a_machine(folder):
    for path in (ROOT / folder).rglob("*"):
        if path.suffix in TEXTS:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"/(home|root|work)/|\.\./shared", text), path
