"""The public surface: every name and its signature, as `tests/api.txt` holds it.

    python tests/test_public_api.py --write

writes the file anew; the difference then belongs in the commit that made it.
"""

import difflib
import functools
import importlib
import inspect
import os
import re
import sys
import types
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

LOCK = Path(__file__).with_name("api.txt")
PACKAGE = "keras_kd"
# Reached by name, though `import keras_kd` does not load it.
LAZY = (
    "keras_kd.compress.tfmot",
    "keras_kd.export.micro",
    "keras_kd.workflow",
)
# What Keras calls, not users.
PROTOCOL = {
    "build",
    "call",
    "compute_loss",
    "compute_mask",
    "compute_metrics",
    "compute_output_shape",
    "compile_from_config",
    "from_config",
    "get_compile_config",
    "get_config",
    "test_step",
    "train_step",
    "predict_step",
}


def namespaces():
    """The package and its public modules."""
    door = importlib.import_module(PACKAGE)
    found = {
        value.__name__: value
        for name in public_names(door)
        if isinstance(value := getattr(door, name), types.ModuleType)
    }
    found |= {name: importlib.import_module(name) for name in LAZY}
    return {PACKAGE: door, **dict(sorted(found.items()))}


def public_names(module):
    """`__all__`; for a package without, its `import X as X`; else its functions."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    if hasattr(module, "__path__"):
        source = inspect.getsource(module)
        return sorted(set(re.findall(r"import (\w+) as \1\b", source)))
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and callable(value)
    )


def signature(value):
    """The arguments as they are written; no addresses of functions."""
    try:
        text = str(inspect.signature(value))
    except ValueError:  # an exception, which has none of its own
        return f"({', '.join(base.__name__ for base in value.__bases__)})"
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)
    text = re.sub(r"<(function|class) '?([\w.]+)'?[^>]*>", r"\2", text)
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def described(name, value):
    """The lines of one public name."""
    if inspect.isclass(value):
        yield f"{name}{signature(value)}"
        yield from (f"{name}.{line}" for line in members(value))
    elif callable(value):
        yield f"{name}{signature(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def members(value):
    """The public methods and properties that a class has from this package.

    Those of a public base stand there, and here only where they are made anew.
    """
    found = {}
    for parent in reversed(value.__mro__):
        own = parent.__module__.partition(".")[0] == PACKAGE
        if own and (parent is value or parent not in public_classes()):
            found |= vars(parent)
    for name, member in sorted(found.items()):
        if name.startswith("_") or name in PROTOCOL:
            continue
        if isinstance(member, property):
            yield f"{name}: property"
        elif callable(function := getattr(member, "__func__", member)):
            yield f"{name}{signature(function)}"


@functools.cache
def public_classes():
    return {
        value
        for module in namespaces().values()
        for name in public_names(module)
        if inspect.isclass(value := getattr(module, name))
    }


def surface():
    """The whole public surface, one name a line."""
    return [
        line
        for module_name, module in namespaces().items()
        for name in public_names(module)
        if not isinstance(getattr(module, name), types.ModuleType)
        for line in described(f"{module_name}.{name}", getattr(module, name))
    ]


def test_the_public_surface_is_the_one_that_was_agreed():
    stored = LOCK.read_text(encoding="utf-8").splitlines()
    difference = list(
        difflib.unified_diff(stored, surface(), "agreed", "now", lineterm="", n=0)
    )
    message = "\n".join(difference)
    assert not difference, (
        f"The public names or signatures changed:\n{message}\n"
        "Where that is meant: python tests/test_public_api.py --write"
    )


def test_every_public_name_says_what_it_is():
    silent = [
        f"{module_name}.{name}"
        for module_name, module in namespaces().items()
        for name in public_names(module)
        if callable(value := getattr(module, name))
        and not (value.__doc__ or "").strip()
    ]
    assert not silent, f"without a docstring: {silent}"


def test_public_names_exist_once():
    for module_name, module in namespaces().items():
        names = list(getattr(module, "__all__", []))
        assert len(names) == len(set(names)), module_name
        assert all(hasattr(module, name) for name in names), module_name


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    sys.path.insert(0, str(Path(__file__).parent.parent))
    LOCK.write_text("\n".join(surface()) + "\n", encoding="utf-8", newline="\n")
    print(f"{LOCK}: {len(surface())} names")
