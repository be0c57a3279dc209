"""The floors of the house: each file imports only from its own floor and those below.

A new file is entered in `FLOORS`. An import counts wherever it stands: at the top of
a file, inside a function, or by `importlib`.
"""

import ast
import fnmatch
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "keras_kd"
MOST_LINES = 400

FLOORS = {
    "words": [
        "types",
        "validation",
        "registration",
        "hyperparameters",
        "pooling",
        "schedules",
        "standard_error",
        "files",
        "copying",
    ],
    "losses": ["losses", "losses.*"],
    "layers": ["layers", "layers.*"],
    "looking": ["recording", "attention", "taps", "metrics", "probabilities", "views"],
    # How a frozen model is run; what it is run for is not known here.
    "engines": ["engines", "engines.*"],
    "wiring": [
        "terms",
        "teachers",
        "teachers.*",
        "targets",
        "wiring",
        "in_place",
        "cohort",
        "shared_labels",
        "replicas",
        "replicas.*",
        "feeding",
    ],
    "store": ["store", "store.*"],
    "training": [
        "distiller",
        "methods",
        "methods.*",
        "callbacks",
        "callbacks.*",
        "objective",
        "objective.*",
        "students",
        "students.*",
        "data_free",
        "data_free.*",
        "regimes",
        "regimes.*",
        "robust",
        "robust.*",
    ],
    "compress": ["compress", "compress.*"],
    "export": ["export", "export.*"],
    "data": ["datasets", "datasets.*"],
    "door": ["", "workflow", "workflow.*", "cli", "cli.*", "__main__"],
}
BELOW = {
    "words": [],
    # Losses do not know layers, layers do not know losses.
    "losses": ["words"],
    "layers": ["words"],
    "looking": ["words", "losses", "layers"],
    "engines": ["words", "looking", "compress", "export"],
    "wiring": ["words", "losses", "layers", "looking", "engines"],
    "store": ["words", "losses", "layers", "looking", "engines", "wiring"],
    "training": ["words", "losses", "layers", "looking", "wiring", "compress"],
    # These three know nothing of distillation.
    "compress": ["words"],
    "export": ["words", "compress"],
    "data": ["words"],
    "door": [floor for floor in FLOORS if floor != "door"],
}
# What only the TensorFlow-bound floors may name.
BACKEND_FREE = ("words", "losses", "layers", "looking")
OPTIONAL = {
    "PIL",
    "filelock",
    "fsspec",
    "ai_edge_litert",
    "litert_quantizer",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "ray",
    "sklearn",
    "tensorflow_model_optimization",
    "tf2onnx",
    "tf_keras",
}


def module_name(path):
    """`keras_kd/losses/logit.py` as `losses.logit`; the package itself is empty."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
each_module = pytest.mark.parametrize("module", FILES, ids=lambda m: m or PACKAGE)


@functools.cache
def tree(module):
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def imports(module, nodes):
    """The full names that `import`, `from` and `importlib` name in `nodes`."""
    is_package = FILES[module].name == "__init__.py"
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                here = [PACKAGE, *filter(None, module.split("."))]
                up = node.level - is_package
                parts = here[: len(here) - up] + [source] * bool(source)
                source = ".".join(parts)
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0] if node.args else None
            if called in ("import_module", "__import__") and isinstance(
                first, ast.Constant
            ):
                yield str(first.value)


def own_imports(module):
    """The modules of this package that `module` imports, anywhere."""
    for name in imports(module, ast.walk(tree(module))):
        head, _, rest = name.partition(".")
        if head != PACKAGE:
            continue
        # `from keras_kd.losses import Hint` names a class of a module.
        while rest not in FILES:
            rest = rest.rpartition(".")[0]
        if rest != module:
            yield rest


def floor_of(module):
    floors = [
        floor
        for floor, patterns in FLOORS.items()
        if any(fnmatch.fnmatchcase(module, pattern) for pattern in patterns)
    ]
    assert len(floors) == 1, f"{module!r} needs one entry in FLOORS, it has {floors}"
    return floors[0]


def at_import(node):
    """The nodes that run when the module is imported: not the functions' bodies."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from at_import(child)


@each_module
def test_every_module_imports_from_its_floor_and_those_below(module):
    floor = floor_of(module)
    for imported in own_imports(module):
        other = floor_of(imported)
        assert other in (floor, *BELOW[floor]), (
            f"{module or PACKAGE} ({floor}) imports {imported or PACKAGE} ({other}): "
            f"{floor} stands on {BELOW[floor]}."
        )


def test_floors_stand_on_each_other_without_a_circle():
    below = {name: set(floors) for name, floors in BELOW.items()}
    while below:
        ground = {name for name, floors in below.items() if not floors & set(below)}
        assert ground, f"a circle among {sorted(below)}"
        below = {name: floors for name, floors in below.items() if name not in ground}


def test_modules_import_each_other_without_a_circle():
    """A package's `__init__` is its door: its own files do not go through it."""
    left = {module: set(own_imports(module)) for module in FILES}
    while left:
        free = {module for module, needs in left.items() if not needs & set(left)}
        assert free, f"a circle among {sorted(left)}"
        left = {module: needs for module, needs in left.items() if module not in free}


@each_module
def test_the_lower_floors_are_free_of_tensorflow(module):
    if floor_of(module) in BACKEND_FREE:
        names = imports(module, ast.walk(tree(module)))
        assert "tensorflow" not in {name.partition(".")[0] for name in names}


def test_losses_take_no_more_of_keras_than_they_need():
    """Formulas are `keras.ops`; only the base and the wrapper differ."""
    for module in FILES:
        if module.startswith("losses.") and module not in (
            "losses.loss",
            "losses.numerics",
            "losses.keras_loss",
        ):
            names = imports(module, ast.walk(tree(module)))
            keras_names = {name for name in names if name.partition(".")[0] == "keras"}
            assert keras_names <= {"keras.ops"}, module


@each_module
def test_files_stay_short(module):
    lines = len(FILES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{FILES[module]} has {lines} lines: split it."


@each_module
def test_no_assert_statements(module):
    """They vanish under `python -O`; errors are raised."""
    found = [x.lineno for x in ast.walk(tree(module)) if isinstance(x, ast.Assert)]
    assert not found, f"{FILES[module]}, lines {found}"


@each_module
def test_optional_packages_are_imported_where_they_are_needed(module):
    names = imports(module, at_import(tree(module)))
    found = OPTIONAL & {name.partition(".")[0] for name in names}
    assert not found, f"{module} imports {found} at its top: move it into a function."


MEASURE = """
import compileall, sys, time
import keras
sys.pycache_prefix = sys.argv[1]
compileall.compile_dir("keras_kd", quiet=1)
start = time.process_time()
before = set(sys.modules)
import keras_kd
print(time.process_time() - start)
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""


def test_importing_the_package_is_quick_and_loads_nothing_optional(tmp_path):
    """Compiled first, as an installed package is."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    seconds, loaded = [], set()
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tmp_path)],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        time_taken, names = done.stdout.splitlines()[-2:]
        seconds.append(float(time_taken))
        loaded |= set(names.split())
        if min(seconds) < 0.3:
            break
    assert PACKAGE in loaded
    assert not loaded & OPTIONAL
    assert min(seconds) < 0.3
