"""What can be typed after `keras-kd`. Imports nothing heavy."""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Callable
from typing import Any

from keras_kd.cli import label_arguments, launch_arguments, values
from keras_kd.cli.shared_arguments import (
    DATA,
    SAMPLES,
    as_json,
    default,
    image_size,
    overwrite,
)

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
    add("--epochs", type=int, default=30, metavar="N", help=default("30"))
    add("--batch-size", type=int, default=128, metavar="N", help=default("128"))
    add("--learning-rate", type=float, default=1e-3, metavar="F", help=default("0.001"))
    add(
        "--method",
        action="append",
        default=[],
        type=values.method,
        metavar="NAME[:KEY=F,...]",
        help="recipe of keras_kd.methods in place of hinton, such as dist or "
        "similarity_preserving:weight=1000; repeatable",
    )
    add(
        "--tap",
        action="append",
        default=[],
        type=values.tap_pair,
        metavar="STUDENT_TAP=TEACHER_TAP",
        help="what the methods compare; repeatable, see `keras-kd taps`",
    )
    add(
        "--temperature",
        type=float,
        default=4.0,
        metavar="F",
        help=default("4", "of the soft targets"),
    )
    add(
        "--weight",
        type=float,
        default=0.9,
        metavar="F",
        help=default("0.9", "of the soft targets"),
    )
    add(
        "--hard-loss-weight",
        type=float,
        default=0.1,
        metavar="F",
        help=default("0.1", "of the labels"),
    )
    add(
        "--hint",
        action="append",
        default=[],
        type=values.tap_pair,
        metavar="STUDENT_TAP=TEACHER_TAP",
        help="have a feature follow the teacher's; repeatable, see `keras-kd taps`",
    )
    add(
        "--hint-weight",
        type=float,
        default=100.0,
        metavar="F",
        help=default("100", "of each hint"),
    )
    add(
        "--labelled",
        type=int,
        metavar="N",
        help="keep so many labels, and let the teacher speak about the other images",
    )
    add(
        "--store",
        metavar="DIR",
        help="train on what `keras-kd label` wrote; the teacher runs on the test alone",
    )
    add(
        "--no-baseline",
        action="store_true",
        help="do not train the same student without the teacher",
    )
    add(
        "--recipes",
        type=values.names,
        default=values.names(DEFAULT_RECIPES),
        metavar="A,B",
        help=f"files to write, or none; {DEFAULT_RECIPES} unless given",
    )
    add("--seed", type=int, default=0, metavar="N", help=default("0"))
    image_size(add)
    overwrite(add)
    add("--quiet", action="store_true", help="print only what went wrong")


def _export(add: Callable[..., Any]) -> None:
    add("model", metavar="S.keras", help="model to export")
    add(
        "--out",
        required=True,
        metavar="DIR|FILE",
        help="folder, or a .tflite or .onnx file for a single recipe",
    )
    add(
        "--recipe",
        action="append",
        metavar="NAME|FILE.json",
        help="auto (unless given), float32, float16, dynamic_int8, int8, int16x8, "
        "weight_only_int8, weight_only_int4; repeatable",
    )
    add("--data", metavar="D", help=f"for calibration and verification: {SAMPLES}")
    add("--io", metavar="TYPE", help="of inputs and outputs: int8, uint8 or float32")
    add(
        "--batch-size",
        type=values.batch_size,
        default=argparse.SUPPRESS,
        metavar="N|dynamic",
        help=default("1, of .onnx files dynamic,"),
    )
    add("--onnx", action="store_true", help="write .onnx files")
    add(
        "--float-softmax",
        action="store_true",
        help="compute a final softmax in float32, outside what is quantized",
    )
    add("--rgb", action="store_true", help="let a model of grey images take RGB")
    add("--name", metavar="TEXT", help="of the model, written into the file")
    add("--author", metavar="TEXT", help="written into the file")
    add("--license", metavar="TEXT", help="written into the file")
    add(
        "--label-file",
        metavar="FILE.txt",
        help="names of the classes, one a line, written into the file",
    )
    add("--mean", type=float, metavar="F", help="of pixels 0 to 255, for the client")
    add("--std", type=float, metavar="F", help="of pixels 0 to 255, for the client")
    image_size(add)
    overwrite(add)


def _verify(add: Callable[..., Any]) -> None:
    add("model", metavar="S.keras", help="model that the file was made from")
    add("file", metavar="FILE", help="a .tflite or .onnx file")
    add("--data", required=True, metavar="D", help=SAMPLES)
    add("--limit", type=int, metavar="N", help="compare at most so many samples")
    add("--signature", metavar="NAME", help="of a file that has several")
    add("--layers", action="store_true", help="signal to noise of every layer")
    add("--worst", type=int, default=0, metavar="N", help="show the N worst inputs")
    add(
        "--latency",
        type=values.integers,
        default=[],
        metavar="1,2",
        help="measure the latency with so many threads",
    )
    add(
        "--max-accuracy-drop",
        type=float,
        metavar="POINTS",
        help="gate: points of accuracy that the file may lose, such as 0.5",
    )
    add("--min-agreement", type=float, metavar="SHARE", help="gate: such as 0.99")
    add("--max-bytes", type=int, metavar="N", help="gate: largest size of the file")
    add(
        "--max-latency-ratio",
        type=float,
        metavar="F",
        help="gate: largest median latency as a multiple of float32's",
    )
    add(
        "--reference",
        metavar="FILE",
        help="float32 file for --max-latency-ratio and --layers; exported unless given",
    )
    add(
        "--int8-only",
        action="store_true",
        help="gate: nothing computed in floats, save at float inputs and outputs",
    )
    add("--int8-strict", action="store_true", help="gate: and not there either")
    image_size(add)
    add(
        "--html",
        type=values.file_of(".html"),
        metavar="FILE.html",
        help="write a page with charts, and the worst inputs as pictures",
    )
    add(
        "--junit",
        type=values.file_of(".xml"),
        metavar="FILE.xml",
        help="write the checks as JUnit XML",
    )
    add(
        "--json",
        nargs="?",
        const="-",
        type=values.file_of(".json"),
        metavar="FILE.json",
        help="print JSON instead of text, or write it to a file",
    )


def _benchmark(add: Callable[..., Any]) -> None:
    add("file", metavar="FILE", help="a .tflite or .onnx file")
    add(
        "--threads",
        type=values.integers,
        default=[1, 2],
        metavar="1,2",
        help=default("1,2"),
    )
    as_json(add)


def _report(add: Callable[..., Any]) -> None:
    add("folder", metavar="DIR", help="folder with a report.json")


def _taps(add: Callable[..., Any]) -> None:
    add("model", metavar="MODEL.keras")


COMMANDS: dict[str, tuple[str, Callable[[Callable[..., Any]], None]]] = {
    "distill": ("train a student with its teacher", _distill),
    "label": (
        "write a teacher's outputs into a store, once for all epochs",
        label_arguments.label,
    ),
    "store": (
        "tell what a store holds, or compare it with its teacher",
        label_arguments.store,
    ),
    "launch": (
        "run a script in several processes that train together",
        launch_arguments.launch,
    ),
    "export": ("write a model to .tflite or .onnx files", _export),
    "verify": ("compare a file with its model, and hold it to limits", _verify),
    "benchmark": ("measure a .tflite or .onnx file", _benchmark),
    "report": ("draw a folder's report.html again", _report),
    "taps": ("list the places of a model that can be tapped", _taps),
}
"""What each does, and the function that adds its arguments."""


def _wide(prog: str) -> argparse.HelpFormatter:
    """Names and help in one line each."""
    return argparse.HelpFormatter(prog, max_help_position=30)
