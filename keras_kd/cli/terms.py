"""What `keras-kd distill` transfers: recipes of `keras_kd.methods`, by name."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from keras_kd import methods
from keras_kd.terms import DistillationTerm
from keras_kd.validation import one_of

TAPS = "taps"


def chosen_terms(arguments: argparse.Namespace) -> list[DistillationTerm]:
    """The terms of `--method`, or of `--temperature` and `--weight`, and of `--hint`.

    Raises:
        ValueError: for an unknown method or option of one, or without the taps that
            it needs.
    """
    terms = [
        term
        for name, options in arguments.method
        for term in terms_of(name, options, dict(arguments.tap))
    ]
    if not arguments.method:
        terms = methods.hinton(arguments.temperature, arguments.weight)
    if arguments.hint:
        terms += methods.fitnets(dict(arguments.hint), arguments.hint_weight)
    return terms


def terms_of(
    name: str, options: Mapping[str, float], taps: Mapping[str, str]
) -> list[DistillationTerm]:
    """The terms of one method."""
    method = recipes()[one_of("--method", name, recipes())]
    parameters = inspect.signature(method).parameters
    for option in options:
        one_of(f"--method {name}: option", option, set(parameters) - {TAPS})
    given: dict[str, Any] = dict(options)
    if TAPS in parameters and taps:
        given[TAPS] = dict(taps)
    elif TAPS in parameters and parameters[TAPS].default is inspect.Parameter.empty:
        raise ValueError(
            f"--method {name} compares features: pass --tap STUDENT_TAP=TEACHER_TAP. "
            "`keras-kd taps` lists them."
        )
    return method(**given)


def recipes() -> dict[str, Callable[..., list[DistillationTerm]]]:
    """The methods that need no more than taps and numbers."""
    found: dict[str, Callable[..., list[DistillationTerm]]] = {}
    for name in methods.__all__:
        method = getattr(methods, name)
        if not inspect.isfunction(method):
            continue
        parameters = inspect.signature(method).parameters.values()
        needed = {p.name for p in parameters if p.default is p.empty}
        taps = [str(p.annotation) for p in parameters if p.name == TAPS]
        if needed <= {TAPS} and all("Mapping[Tap, Tap]" in kind for kind in taps):
            found[name] = method
    return found
