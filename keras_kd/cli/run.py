"""From the words typed to an exit code."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_kd.cli.arguments import parser
from keras_kd.cli.launch_command import launch
from keras_kd.standard_error import standard_error_held

FAILED, STOPPED = 2, 130
RESULTS = (".keras", ".tflite", ".onnx", ".html", ".json")
SPOKEN = {"overwrite=True": "--overwrite", "`representative_data`": "--data"}
"""What errors call the arguments that are options here."""
LONGEST = 1200
"""Characters of an error; Keras puts whole configurations into some."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `keras-kd`.

    Args:
        argv: List of strings. Defaults to those of the process.

    Returns:
        Exit code: 0; 1 where `verify` refuses a file or finds a limit not kept; 2
        for an error, told in one line; 130 after Ctrl-C.

    Example:

    ```python
    main(["taps", "student.keras"])
    ```
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    arguments = parser().parse_args(argv)
    typed = shlex.join(["keras-kd", *argv])
    if not arguments.debug:
        # TensorFlow reads it when it is imported, which happens further down.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        if arguments.command == "launch":  # without TensorFlow, which its workers have
            return launch(arguments, typed)
        with _warnings_in_one_line():
            # TensorFlow writes to it before its log has a level.
            held = (
                contextlib.nullcontext() if arguments.debug else standard_error_held()
            )
            with held:
                from keras_kd.cli import commands
            return commands.COMMANDS[arguments.command](arguments, typed)
    except KeyboardInterrupt:
        tell = ranges_kept if arguments.command == "label" else kept
        _say(f"stopped. {tell(getattr(arguments, 'out', None))}")
        return STOPPED
    except BrokenPipeError:  # `keras-kd … | head`
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if arguments.debug:
            traceback.print_exc()
        _say(f"error: {one_line(error)}")
        return FAILED


def kept(out: Any) -> str:
    """What a command that was stopped left behind."""
    path = Path(out) if out else None
    if path and path.is_file():
        return f"{path} is whole."
    files = sorted(
        file.name
        for file in (path.iterdir() if path and path.is_dir() else ())
        if file.suffix in RESULTS and not file.name.startswith(".")
    )
    if not files:
        return "Nothing was written."
    return f"In {path} are kept: {', '.join(files)}."


def ranges_kept(out: Any) -> str:
    """What a labelling that was stopped left behind."""
    from keras_kd.store.manifest import Manifest
    from keras_kd.store.rows.checksums import done_ranges

    try:
        manifest = Manifest.read(Path(out))
        done = len(done_ranges(Path(out), manifest))
    except (OSError, ValueError):
        return "Nothing was written."
    return (
        f"In {out} are kept: {done} of {manifest.layout.ranges} ranges. The same "
        "command goes on with the rest."
    )


def one_line(error: BaseException) -> str:
    """An error's sentence, in the words of the command line."""
    text = " ".join(str(error).split()) or type(error).__name__
    for argument, option in SPOKEN.items():
        text = text.replace(argument, option)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… (all of it with --debug)"
    return text


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Any, category: Any, *where: Any, **more: Any) -> None:
        _say(f"warning: {one_line(message)}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _say(text: str) -> None:
    print(f"keras-kd: {text}", file=sys.stderr, flush=True)
