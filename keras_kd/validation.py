"""Every check of an argument, and the one sentence it answers with.

Each function returns the value it accepted, so a constructor reads
`self.filters = positive_int("filters", filters)`.
"""

from __future__ import annotations

import difflib
import math
import numbers
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def number(name: str, value: Any, *, minimum: float, inclusive: bool) -> float:
    """A finite float above `minimum` (or at it, where `inclusive`)."""
    good = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if good and math.isfinite(value):
        if value > minimum or (inclusive and value == minimum):
            return float(value)
    known = {
        (0.0, True): "non-negative",
        (0.0, False): "positive",
        (-math.inf, False): "a finite number",
    }
    bound = known.get(
        (float(minimum), inclusive),
        f"{'at least' if inclusive else 'more than'} {minimum}",
    )
    raise ValueError(f"`{name}` must be {bound}. Received: {name}={value!r}.")


def positive(name: str, value: Any) -> float:
    """A finite float above zero."""
    return number(name, value, minimum=0.0, inclusive=False)


def non_negative(name: str, value: Any) -> float:
    """A finite float, zero or above."""
    return number(name, value, minimum=0.0, inclusive=True)


def share(name: str, value: Any) -> float:
    """A float from 0 to 1, both included."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        if 0.0 <= float(value) <= 1.0:
            return float(value)
    raise ValueError(f"`{name}` must be from 0 to 1. Received: {name}={value!r}.")


def positive_int(name: str, value: Any) -> int:
    """A whole number above zero."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value <= 0:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}."
        )
    return int(value)


def size(name: str, value: Any) -> tuple[int, int]:
    """A pair `(height, width)` of positive integers; one integer means a square."""
    pair = (value, value) if isinstance(value, numbers.Integral) else value
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        raise ValueError(
            f"`{name}` must be an integer or a pair (height, width). "
            f"Received: {name}={value!r}."
        )
    return positive_int(name, pair[0]), positive_int(name, pair[1])


def one_of(name: str, value: Any, choices: Iterable[Any]) -> Any:
    """One of `choices`; the sentence names them, and the nearest."""
    choices = list(choices)
    if value in choices:
        return value
    raise ValueError(
        f"`{name}` must be one of {choices}. "
        f"Received: {name}={value!r}.{did_you_mean(value, choices)}"
    )


def callable_or_none(name: str, value: Any) -> Any:
    """A function, or None."""
    if value is not None and not callable(value):
        raise TypeError(
            f"`{name}` must be callable or None. Received: {name}={value!r}."
        )
    return value


def did_you_mean(value: Any, choices: Iterable[Any]) -> str:
    """`" Did you mean 'x'?"` with the nearest name, or an empty string."""
    near = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def unique_names(what: str, names: Sequence[str]) -> None:
    """Refuse two things of one name: their log entries would overwrite."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"{what} must have different names. Received {repeated[0]!r} more "
            f"than once in {list(names)}: pass `name=` to tell them apart."
        )


def same_shape(what: str, teacher: Sequence[Any], student: Sequence[Any]) -> None:
    """Refuse static shapes that differ; None agrees with every size."""
    agree = len(teacher) == len(student) and all(
        t is None or s is None or t == s for t, s in zip(teacher, student, strict=True)
    )
    if not agree:
        raise ValueError(
            f"{what} compares tensors of one shape. Received: "
            f"teacher {tuple(teacher)}, student {tuple(student)}."
        )


def several_classes(what: str, shape: Sequence[Any]) -> None:
    """Refuse logits of a single class: their softmax is 1 whatever they are."""
    if shape[-1] == 1:
        raise ValueError(
            f"{what} takes logits of two classes or more. Received the shape "
            f"{tuple(shape)}. One sigmoid logit z is the pair [0, z]."
        )


def listing(names: Iterable[Any], most: int = 40) -> str:
    """Names for an error message: all of them, or the first `most` and a count."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{names[:most]}{more}"


def destination(name: str, value: Any, suffix: str, *, overwrite: bool) -> Path:
    """A path of that suffix with no file there, unless `overwrite`."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"`{name}` must be a path. Received: {name}={value!r}.")
    path = Path(value)
    if path.suffix != suffix:
        raise ValueError(
            f"`{name}` must end in {suffix!r}. Received: {name}={str(path)!r}."
        )
    if path.is_dir() or (path.exists() and not overwrite):
        raise FileExistsError(
            f"`{name}` is there already: {str(path)!r}. "
            "Pass overwrite=True to replace a file, or choose another name."
        )
    return path
