"""What single words of the command line may be, and what they become."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence


def tap_pair(text: str) -> tuple[str, str]:
    student, _, teacher = text.partition("=")
    if not student or not teacher:
        raise argparse.ArgumentTypeError(
            f"expected STUDENT_TAP=TEACHER_TAP, received {text!r}"
        )
    return student, teacher


def method(text: str) -> tuple[str, dict[str, float]]:
    """`"rkd:distance=25,angle=50"` as its name and its numbers."""
    name, _, rest = text.partition(":")
    options = {}
    for option in names(rest):
        key, _, number = option.partition("=")
        try:
            options[key] = int(number) if number.isdigit() else float(number)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"expected NAME or NAME:KEY=NUMBER,..., received {text!r}"
            ) from None
    return name, options


def names(text: str) -> list[str]:
    return [] if text == "none" else [name for name in text.split(",") if name]


def integers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected integers such as 1,2, received {text!r}"
        ) from None


def batch_size(text: str) -> int | None:
    return None if text == "dynamic" else integer(text, "an integer or dynamic")


def size(text: str) -> tuple[int, int]:
    sides: Sequence[str] = text.lower().split("x")
    if len(sides) == 1:
        sides = [text, text]
    wanted = "HxW such as 96x128"
    if len(sides) != 2:
        raise argparse.ArgumentTypeError(f"expected {wanted}, received {text!r}")
    return integer(sides[0], wanted), integer(sides[1], wanted)


def integer(text: str, wanted: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected {wanted}, received {text!r}"
        ) from None


def file_of(suffix: str) -> Callable[[str], str]:
    """A path with a suffix: an option that took the next word by mistake is told.

    `"-"` is the standard output.
    """

    def path(text: str) -> str:
        if text != "-" and not text.endswith(suffix):
            raise argparse.ArgumentTypeError(
                f"expected a path that ends in {suffix}, received {text!r}"
            )
        return text

    return path


def by_name(text: str) -> str | dict[str, str]:
    """`"output=float32,body=int8"` as a dict; a single word stays one."""
    if "=" not in text:
        return text
    pairs = [part.rpartition("=") for part in text.split(",")]
    if not all(name and value for name, _, value in pairs):
        raise argparse.ArgumentTypeError(
            f"expected a word, or TAP=WORD,..., received {text!r}"
        )
    return {name: value for name, _, value in pairs}
