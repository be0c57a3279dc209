"""A result folder that is whole after every stage of a run."""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_kd.export.page import write_report
from keras_kd.export.report import library_versions

OWN_FILES = (
    "report.json",
    "report.html",
    "teacher.keras",
    "student.keras",
    "student_*.tflite",
    "student_*.recipe.json",
    "student_*.report.json",
)
"""What a run writes, and what `overwrite` may therefore delete."""


class ResultFolder:
    """A folder with a report that is written anew after each finished stage.

    So a run that is stopped, or killed, leaves what it finished, and a report that
    names what is missing.

    Args:
        path: path. Is made where it is not there.
        title: str, the report's heading.
        overwrite: bool. Whether the results of an earlier run may be deleted; other
            files in the folder stay. Defaults to False.
        verbose: 0 for silence, else headings and times are printed. Defaults to 1.

    Raises:
        FileExistsError: where there are results, and `overwrite` is False.

    Example:

    ```python
    folder = ResultFolder("build/digits", title="Digits")
    folder.plan("teacher", "student")
    with folder.stage("teacher"):
        folder.report["history"]["teacher"] = train(teacher, dataset, epochs=30)
    ```
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        title: str,
        overwrite: bool = False,
        verbose: int = 1,
    ):
        self.path = Path(path)
        self.verbose = verbose
        self._clear(overwrite)
        self.path.mkdir(parents=True, exist_ok=True)
        now = datetime.datetime.now(datetime.timezone.utc)
        self.report: dict[str, Any] = {
            "title": title,
            "created": now.isoformat(timespec="seconds"),
            "versions": library_versions(),
            "setting": {},
            "history": {},
            "artifacts": [],
            "seconds": {},
            "missing": [],
        }
        self.pictures: dict[str, list[dict[str, Any]]] | None = None
        self._planned: list[str] = []

    def plan(self, *stages: str) -> None:
        """Announce stages, which the report calls missing until they are finished."""
        new = [stage for stage in stages if stage not in self._planned]
        self._planned += new
        self.report["missing"] += new

    @contextlib.contextmanager
    def stage(self, name: str, about: str = "") -> Iterator[None]:
        """Run the block as a stage: heading, seconds, and the report afterwards.

        Args:
            name: str, one of those planned, or another.
            about: str, printed beside it. Defaults to nothing.

        Returns:
            A context manager. If its block raises, the stage stays missing, and the
            report is written all the same.
        """
        self.plan(name)
        number = self._planned.index(name) + 1
        self.say(
            f"\n[{number}/{len(self._planned)}] {name}{': ' if about else ''}{about}"
        )
        begin = time.perf_counter()
        try:
            yield
        except BaseException as error:
            self.write()
            if isinstance(error, KeyboardInterrupt):
                self.say(f"\nStopped in {name!r}. What was finished is in {self.path}.")
            raise
        seconds = time.perf_counter() - begin
        self.report["seconds"][name] = round(seconds, 2)
        self.report["missing"].remove(name)
        self.write()
        self.say(f"    done in {seconds:.1f} s")

    def write(self) -> None:
        """Write `report.json` and `report.html` as far as things are known."""
        write_report(self.report, self.path, self.pictures)

    def say(self, text: str) -> None:
        """Print, unless silent."""
        if self.verbose:
            print(text, flush=True)

    def _clear(self, overwrite: bool) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(f"`out` must be a folder: {str(self.path)!r} is not.")
        old = [file for pattern in OWN_FILES for file in self.path.glob(pattern)]
        if old and not overwrite:
            raise FileExistsError(
                f"`out` holds the results of an earlier run: {str(self.path)!r}. Pass "
                "overwrite=True to replace them, or choose another folder."
            )
        for file in old:
            file.unlink()


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Text in columns: the first to the left, numbers to the right."""
    lines = [[str(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def summary(report: dict[str, Any]) -> str:
    """A report's models and files as two small tables of text.

    Args:
        report: dict, as `distill_to_folder` returns it.

    Returns:
        String of several lines.
    """
    names = {"teacher": "teacher", "student": "student", "baseline": "without teacher"}
    models = []
    for key, name in names.items():
        model = report.get(key)
        if model:
            seeds = len(model.get("accuracy_by_seed", ())) or 1
            spread = f" ± {100 * model['accuracy_std']:.1f}" if seeds > 1 else ""
            percent = _percent(model["accuracy"])
            models.append((name, f"{model['params']:,}", f"{percent}{spread}", seeds))
    text = table(("model", "parameters", "accuracy", "seeds"), models)
    files = [
        (
            artifact["path"],
            f"{artifact['bytes']:,}",
            _percent(artifact["accuracy"]),
            _percent(artifact["agreement"]),
            f"{artifact['latency_ms_p50']:.3g}",
        )
        for artifact in report.get("artifacts", ())
    ]
    if files:
        titles = ("file", "bytes", "accuracy", "agreement", "latency ms")
        text += "\n\n" + table(titles, files)
    return text


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
