"""The two files of a report, written whole and together."""

from __future__ import annotations

import datetime
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_kd.export.page.pictures import data_uri
from keras_kd.export.page.render import render
from keras_kd.files import written_together


def write_report(
    report: Mapping[str, Any],
    folder: str | os.PathLike[str],
    pictures: Mapping[str, Any] | None = None,
) -> None:
    """Write `report.json` and the self-contained `report.html`.

    Both replace the files that are there, at once; if anything fails, those stay.

    Args:
        report: Dict with a `"title"`. All else may be missing, as after the first
            stage of a run: `"created"`, `"versions"`, `"dataset"`, `"setting"`,
            `"teacher"`, `"student"`, `"baseline"`, `"history"`, `"classes"`,
            `"artifacts"`, `"seconds"`, `"command"`, `"missing"` (stages) and
            `"failed"` (reasons). Keys that the page does not know are kept in the
            JSON file.
        folder: Path. Is made where it is not there.
        pictures: Dict with `"disagreements"`: a list of dicts with `"image"` (array
            of shape `(height, width, channels)`), `"label"`, `"teacher"` and
            `"student"`. They are kept in the report as small PNG files, so that
            the page can be drawn again. Defaults to `None`: those in the report.

    Raises:
        ValueError: If there is no title, or a picture is no picture.
        TypeError: If the report holds what JSON cannot.

    Example:

    ```python
    student = {"name": "small", "accuracy": 0.971, "params": 12_010}
    write_report({"title": "Digits", "student": student}, "build/digits")
    ```
    """
    fields = as_data(report)
    if not isinstance(fields.get("title"), str) or not fields["title"]:
        raise ValueError(
            "`report` must have a 'title', a non-empty string. "
            f"Received: keys {list(fields)}, title={fields.get('title')!r}."
        )
    if pictures is not None:
        fields["pictures"] = {
            kind: [_with_uri(entry) for entry in entries]
            for kind, entries in pictures.items()
        }
    page = render(fields)
    text = json.dumps(fields, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    with written_together() as write:
        write(Path(folder) / "report.json", text.encode(errors="backslashreplace"))
        write(Path(folder) / "report.html", page.encode(errors="replace"))


def read_report(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The report in a folder, as `write_report` takes it.

    Raises:
        FileNotFoundError: If the folder has no `report.json`.
        ValueError: If that is no report.
    """
    path = Path(folder) / "report.json"
    if not path.is_file():
        raise FileNotFoundError(f"There is no report to read: {str(path)!r}.")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not a JSON file: {error}.") from error
    if not isinstance(report, dict):
        raise ValueError(f"{str(path)!r} must hold one JSON object.")
    return report


def as_data(value: Any, where: str = "report") -> Any:
    """What JSON can hold, strictly: NaN and infinity become None.

    Raises:
        TypeError: With the place of what it cannot hold.
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): as_data(v, f"{where}[{k!r}]") for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_data(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(
        f"`{where}` must be of numbers, strings, lists and dicts. "
        f"Received: {type(value).__name__}."
    )


def _with_uri(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A picture's words as they are, its array as a URI."""
    words = {key: value for key, value in entry.items() if key != "image"}
    image = np.asarray(entry["image"])
    pixels = list(image.shape[:2])
    return {"image": data_uri(image), "pixels": pixels, **as_data(words, "pictures")}
