"""Functions, layers and values in words that every process finds alike.

No addresses, no `hash()`, no names that depend on what was made before.
"""

from __future__ import annotations

import ast
import base64
import dataclasses
import enum
import functools
import inspect
import marshal
import math
import os
import sys
import textwrap
import types
from collections.abc import Callable, Mapping, Set
from typing import Any

import keras
import numpy as np

from keras_kd.store.canonical import canonical
from keras_kd.store.identity.digests import digest, of_array, of_weights

DEEPEST = 12
"""How far values inside values are followed."""
LONGEST = 1000
"""Characters after which a value is told by its digest."""


def of_function(function: Callable | None) -> Any:
    """What tells one function from another, as JSON takes it.

    A function is known by its name and its source without comments and docstrings (a
    lambda, or where there is no source, by its bytecode), its defaults, what it closes
    over, and the constants and functions of its own module that it names; one of an
    installed package by its name alone. A layer is known by its configuration and its
    weights, an object by its `identity()` or `get_config()`, else by its class and its
    attributes.

    Args:
        function: callable, `functools.partial`, Keras layer or object; or None.

    Returns:
        Structure of dicts, lists, strings and numbers, or None.

    Example:

    ```python
    first = of_function(lambda x, seed: x + 1)
    first == of_function(lambda x, seed: x + 1)  # True
    first == of_function(lambda x, seed: x + 2)  # False
    ```
    """
    return described(function)


def described(value: Any, above: tuple[Any, ...] = ()) -> Any:
    """Any value as JSON takes it; what cannot be told is known by its class."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, (np.ndarray, np.generic, keras.Variable)):
        return of_array(value)
    if keras.ops.is_tensor(value):
        return of_array(value)
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": digest(bytes(value))}
    if any(value is one for one in above) or len(above) > DEEPEST:
        return {"again": _class(type(value))}
    inner = functools.partial(described, above=(*above, value))
    if isinstance(value, Mapping):
        if value.get("class_name") == "__lambda__":
            return _serialized_lambda(value, inner)
        return {str(key): inner(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, Set):
        return sorted((inner(one) for one in value), key=canonical)
    if isinstance(value, (list, tuple)):
        return [inner(one) for one in value]
    if isinstance(value, (os.PathLike, enum.Enum, complex, range, slice)):
        return str(value)
    return _thing(value, inner)


def of_architecture(layer: keras.layers.Layer) -> str:
    """Digest of a layer's configuration, but for what does not change its answers.

    Its names count by their order alone: Keras numbers those that it gives by what was
    made before in the process. `trainable` does not count.
    """
    inside = [type(one) for one in layer._flatten_layers()]
    try:
        config = described(layer.get_config())
    except NotImplementedError:
        config = [_class(kind) for kind in inside]
    kinds = {base for kind in inside for base in kind.__mro__ if not _installed(base)}
    own = {_class(kind): _source(kind) for kind in sorted(kinds, key=_class)}
    told = {"class": _class(type(layer)), "config": config, "code": own}
    names: dict[str, str] = {}
    _names(told, names)
    return digest(_renamed(told, names))


def _names(value, names):
    """The names in a configuration, in the order in which they come."""
    if isinstance(value, dict):
        if isinstance(value.get("name"), str):
            names.setdefault(value["name"], f"#{len(names)}")
        value = value.values()
    if not isinstance(value, (str, int, float, type(None))):
        for inner in value:
            _names(inner, names)


def _renamed(value, names):
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if key != "trainable"}
        return {key: _renamed(inner, names) for key, inner in kept.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


def _thing(value, inner):
    """A function, a class or an object."""
    if callable(identity := getattr(value, "identity", None)) and not _is_class(value):
        return {"class": _class(type(value)), "identity": inner(identity())}
    if isinstance(value, functools.partial):
        given = [inner(value.args), inner(value.keywords)]
        return {"partial": inner(value.func), "given": given}
    if isinstance(value, types.MethodType):
        return {"method": value.__name__, "of": inner(value.__self__)}
    if isinstance(value, keras.layers.Layer):
        return {
            "class": _class(type(value)),
            "config": of_architecture(value),
            "weights": of_weights(value),
        }
    if _is_class(value):
        return {"class": _class(value)}
    if isinstance(value, types.ModuleType):
        return {"module": value.__name__}
    if hasattr(value, "__code__"):
        return _function(value, inner)
    if hasattr(value, "__wrapped__"):
        return inner(value.__wrapped__)
    if callable(value) and hasattr(value, "__qualname__"):
        return {"name": f"{value.__module__}.{value.__qualname__}"}
    return _object(value, inner)


def _object(value, inner):
    told = {"class": _class(type(value))}
    call = type(value).__dict__.get("__call__")
    if isinstance(call, types.FunctionType) and not _installed(call):
        told["call"] = inner(call)
    if callable(config := getattr(value, "get_config", None)):
        return {**told, "config": inner(config())}
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {**told, "attributes": inner(fields)}
    if _installed(type(value)):
        return told
    held = inner(getattr(value, "__dict__", {}))
    return {**told, "attributes": {name: _brief(held[name]) for name in held}}


def _function(function, inner):
    """By its source or bytecode, and by all that it takes from elsewhere."""
    if _installed(function):
        return {"name": f"{function.__module__}.{function.__qualname__}"}
    code = function.__code__
    told: dict[str, Any] = {"name": function.__qualname__, "code": _text_of(function)}
    if function.__defaults__ or function.__kwdefaults__:
        told["defaults"] = inner([function.__defaults__, function.__kwdefaults__])
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    if closed := {name: _brief(_cell(cell, inner)) for name, cell in cells}:
        told["closure"] = closed
    named = {name for one in _codes(code) for name in one.co_names}
    outside = {
        name: _brief(inner(function.__globals__[name]))
        for name in sorted(named & set(function.__globals__))
        if _counts(function.__globals__[name], function.__module__)
    }
    if outside:
        told["names"] = outside
    return told


def _brief(told):
    """The digest of what is long to tell, such as a table of numbers."""
    return told if len(canonical(told)) <= LONGEST else {"sha256": digest(told)}


def _counts(value, module):
    """Whether a global tells what a function does: constants, and its neighbours."""
    if isinstance(value, (types.FunctionType, type)):
        return value.__module__ == module
    return not isinstance(value, types.ModuleType)


def _cell(cell, inner):
    try:
        return inner(cell.cell_contents)
    except ValueError:  # not filled yet
        return None


def _text_of(function):
    """A digest of the source, else of the bytecode."""
    # The lines of a lambda are not its own alone.
    source = None if function.__name__ == "<lambda>" else _source(function)
    return source or digest(_bytecode(function.__code__))


def _source(thing):
    """A digest of the source as Python would write it; None where there is none."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    return digest(ast.unparse(tree).encode())


def _bytecode(code):
    constants = [
        _bytecode(one) if isinstance(one, types.CodeType) else described(one)
        for one in code.co_consts
    ]
    return [code.co_code.hex(), list(code.co_names), list(code.co_varnames), constants]


def _codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _serialized_lambda(value, inner):
    """A lambda as Keras writes it, without the name of the file it stood in."""
    config = dict(value["config"])
    code = marshal.loads(base64.b64decode(config.pop("code")))
    return {"lambda": digest(_bytecode(code)), "given": inner(config)}


def _installed(thing):
    """Whether Python or an installed package brought it, and not the user."""
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    if module is None or module.__name__ == "__main__":
        return False
    if module.__name__.partition(".")[0] in (*sys.stdlib_module_names, "keras_kd"):
        return True
    return "site-packages" in (getattr(module, "__file__", None) or "site-packages")


def _is_class(value):
    return isinstance(value, type)


def _class(kind):
    return kind.__qualname__
