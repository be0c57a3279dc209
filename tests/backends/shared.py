"""The tests of a contract that any backend can run as they stand."""

from __future__ import annotations

import inspect
import re


def shared(contract, own):
    """A contract's tests and fixtures, but for those that name TensorFlow.

    Args:
        contract: a module of `tests/contracts/`.
        own: the names in the module here, which come before the contract's; it must
            have a test of the same name for each that is left out.
    """
    names = {}
    for name, value in vars(contract).items():
        if name in own or type(value).__name__ == "FixtureFunctionDefinition":
            names[name] = own.get(name, value)
        elif name.startswith("test_") and inspect.isfunction(value):
            if re.search(r"\btf\.", inspect.getsource(value)):
                raise NameError(f"{name} of {contract.__name__} has no counterpart")
            names[name] = value
    return names
