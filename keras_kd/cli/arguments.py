"""What can be typed after `keras-kd`. Imports nothing heavy."""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any

DATA = "a folder of images by class, an .npz file, or a name such as digits"
DEFAULT_RECIPES = "float32,float16,dynamic_int8,int8"


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    listing = "\n".join(f"  {name:10} {about}" for name, (about, _) in COMMANDS.items())
    top = argparse.ArgumentParser(
        prog="keras-kd",
        usage="keras-kd [-h] [--version] COMMAND ...",
        description="From a trained teacher to a verified file for the phone.\n\n"
        f"commands (each has its own --help):\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = importlib.metadata.version("keras-kd")
    top.add_argument("--version", action="version", version=f"keras-kd {version}")
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS
    )
    for name, (about, arguments) in COMMANDS.items():
        sub = commands.add_parser(
            name,
            prog=f"keras-kd {name}",
            description=f"{about[0].upper()}{about[1:]}.",
            formatter_class=_wide,
            allow_abbrev=False,
        )
        arguments(sub.add_argument)
        sub.add_argument(
            "--debug", action="store_true", help="show tracebacks and TensorFlow's log"
        )
    return top


def _distill(add: Callable[..., Any]) -> None:
    add("--teacher", required=True, metavar="T.keras", help="trained model")
    add("--student", required=True, metavar="S.keras", help="model to train")
    add("--data", required=True, metavar="D", help=DATA)
    add("--out", required=True, metavar="DIR", help="folder for the results")
    add("--epochs", type=int, default=30, metavar="N", help=_default("30"))
    add("--batch-size", type=int, default=128, metavar="N", help=_default("128"))
    add(
        "--learning-rate", type=float, default=1e-3, metavar="F", help=_default("0.001")
    )
    add(
        "--temperature",
        type=float,
        default=4.0,
        metavar="F",
        help=_default("4", "of the soft targets"),
    )
    add(
        "--weight",
        type=float,
        default=0.9,
        metavar="F",
        help=_default("0.9", "of the soft targets"),
    )
    add(
        "--hard-loss-weight",
        type=float,
        default=0.1,
        metavar="F",
        help=_default("0.1", "of the labels"),
    )
    add(
        "--hint",
        action="append",
        default=[],
        type=_hint,
        metavar="STUDENT_TAP=TEACHER_TAP",
        help="have a feature follow the teacher's; repeatable, see `keras-kd taps`",
    )
    add(
        "--hint-weight",
        type=float,
        default=100.0,
        metavar="F",
        help=_default("100", "of each hint"),
    )
    add(
        "--labelled",
        type=int,
        metavar="N",
        help="keep so many labels, and let the teacher speak about the other images",
    )
    add(
        "--no-baseline",
        action="store_true",
        help="do not train the same student without the teacher",
    )
    add(
        "--recipes",
        type=_names,
        default=_names(DEFAULT_RECIPES),
        metavar="A,B",
        help=f"files to write, or none; {DEFAULT_RECIPES} unless given",
    )
    add("--seed", type=int, default=0, metavar="N", help=_default("0"))
    _image_size(add)
    _overwrite(add)
    add("--quiet", action="store_true", help="print only what went wrong")


def _export(add: Callable[..., Any]) -> None:
    add("model", metavar="S.keras", help="model to export")
    add(
        "--out",
        required=True,
        metavar="DIR|FILE",
        help="folder, or a .tflite file for a single recipe",
    )
    add(
        "--recipe",
        action="append",
        metavar="NAME|FILE.json",
        help="float32 (unless given), float16, dynamic_int8, int8; repeatable",
    )
    add("--data", metavar="D", help=f"for calibration and verification: {DATA}")
    add("--io", metavar="TYPE", help="of inputs and outputs: int8, uint8 or float32")
    add(
        "--batch-size",
        type=_batch_size,
        default=1,
        metavar="N|dynamic",
        help=_default("1"),
    )
    _image_size(add)
    _overwrite(add)


def _verify(add: Callable[..., Any]) -> None:
    add("model", metavar="S.keras", help="model that the file was made from")
    add("file", metavar="FILE.tflite")
    add("--data", required=True, metavar="D", help=DATA)
    _image_size(add)
    _json(add)


def _benchmark(add: Callable[..., Any]) -> None:
    add("file", metavar="FILE.tflite")
    add(
        "--threads", type=_integers, default=[1, 2], metavar="1,2", help=_default("1,2")
    )
    _json(add)


def _report(add: Callable[..., Any]) -> None:
    add("folder", metavar="DIR", help="folder with a report.json")


def _taps(add: Callable[..., Any]) -> None:
    add("model", metavar="MODEL.keras")


COMMANDS: dict[str, tuple[str, Callable[[Callable[..., Any]], None]]] = {
    "distill": ("train a student with its teacher", _distill),
    "export": ("write a model to .tflite files", _export),
    "verify": ("compare a .tflite file with its model", _verify),
    "benchmark": ("measure a .tflite file", _benchmark),
    "report": ("draw a folder's report.html again", _report),
    "taps": ("list the places of a model that can be tapped", _taps),
}
"""What each does, and the function that adds its arguments."""


def _wide(prog: str) -> argparse.HelpFormatter:
    """Names and help in one line each."""
    return argparse.HelpFormatter(prog, max_help_position=30)


def _image_size(add: Callable[..., Any]) -> None:
    add(
        "--image-size",
        type=_size,
        metavar="HxW",
        help="resize the images; the model's own size unless given",
    )


def _overwrite(add: Callable[..., Any]) -> None:
    add("--overwrite", action="store_true", help="replace earlier results")


def _json(add: Callable[..., Any]) -> None:
    add("--json", action="store_true", help="print JSON instead of a table")


def _default(value: str, what: str = "") -> str:
    return f"{what}, {value} unless given" if what else f"{value} unless given"


def _hint(text: str) -> tuple[str, str]:
    student, _, teacher = text.partition("=")
    if not student or not teacher:
        raise argparse.ArgumentTypeError(
            f"expected STUDENT_TAP=TEACHER_TAP, received {text!r}"
        )
    return student, teacher


def _names(text: str) -> list[str]:
    return [] if text == "none" else [name for name in text.split(",") if name]


def _integers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected integers such as 1,2, received {text!r}"
        ) from None


def _batch_size(text: str) -> int | None:
    return None if text == "dynamic" else _integer(text, "an integer or dynamic")


def _size(text: str) -> tuple[int, int]:
    sides: Sequence[str] = text.lower().split("x")
    if len(sides) == 1:
        sides = [text, text]
    wanted = "HxW such as 96x128"
    if len(sides) != 2:
        raise argparse.ArgumentTypeError(f"expected {wanted}, received {text!r}")
    return _integer(sides[0], wanted), _integer(sides[1], wanted)


def _integer(text: str, wanted: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected {wanted}, received {text!r}"
        ) from None
