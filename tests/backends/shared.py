"""The tests of a contract that any backend can run as they stand."""

from __future__ import annotations

import inspect
import re


def shared(contract, own):
    """A contract's tests and fixtures, but for those that name TensorFlow.

    Args:
        contract: a module of `tests/contracts/`.
        own: the names in the module here, which must have a test of the same name
            for each that is left out.
    """
    names = {}
    for name, value in vars(contract).items():
        is_fixture = type(value).__name__ == "FixtureFunctionDefinition"
        if is_fixture:
            names[name] = value
        elif name.startswith("test_") and inspect.isfunction(value):
            if not re.search(r"\btf\.", inspect.getsource(value)):
                names[name] = value
            elif name not in own:
                raise NameError(f"{name} of {contract.__name__} has no counterpart")
    return names
