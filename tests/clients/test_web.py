"""LiteRT.js, onnxruntime-web and MediaPipe on a page of headless Chromium."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.clients import students
from tests.clients.cases import Case, cases
from tests.clients.compare import compare, inputs_of
from tests.clients.install.web import PACKAGES
from tests.clients.paths import FILES
from tests.clients.record import record
from tests.clients.web.browser import Browser, BrowserError
from tests.clients.web.site import HERE, browser, serving, web  # noqa: F401

pytestmark = pytest.mark.client

LITERT_REFUSES = {"int8": "INT8 is not supported", "int16": "INT16 is not supported"}
MEDIAPIPE = "@mediapipe/tasks-vision"


@pytest.fixture(scope="module")
def index() -> dict[str, Any]:
    """The shared students and files."""
    return students.build()


@pytest.fixture(scope="module")
def page(browser, web) -> Iterator[Browser]:  # noqa: F811
    """The page on which every client is one function."""
    routes = {"/": HERE, "/vendor/": web.modules, "/files/": FILES}
    with serving(routes) as url:
        browser.open(url=f"{url}clients.html")
        browser.wait(script="return window.clients !== undefined")
        assert browser.run("return crossOriginIsolated")
        yield browser


def found(index: dict[str, Any], case: Case) -> dict[str, Any]:
    """A case's entry; a skip where it could not be exported."""
    (entry,) = [e for e in index["artifacts"] if e["path"] == case.path]
    if "refused" in entry:
        pytest.skip(f"not exported: {entry['refused']}")
    return entry


def types_of(entry: dict[str, Any]) -> set[str]:
    """Types of all inputs and outputs."""
    return {end["dtype"] for end in (*entry["inputs"], *entry["outputs"])}


def pack(array: np.ndarray) -> dict[str, Any]:
    """A tensor as the page unpacks it."""
    content = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": content}


def unpack(tensor: dict[str, Any]) -> np.ndarray:
    content = base64.b64decode(tensor["data"])
    return np.frombuffer(content, tensor["dtype"]).reshape(tensor["shape"])


def run(page, client: str, entry: dict[str, Any]) -> dict[str, np.ndarray]:  # noqa: F811
    """Raw outputs by name of a file on all shared examples, one at a time."""
    inputs = inputs_of(entry)
    batches = [
        {name: pack(array[i : i + 1]) for name, array in inputs.items()}
        for i in range(len(next(iter(inputs.values()))))
    ]
    argument = {"path": entry["path"], "batches": batches}
    script = f"return await clients.{client}(`/files/${{value.path}}`, value.batches)"
    answers = page.run(script, argument)
    return {
        output["name"]: np.concatenate([unpack(a[output["name"]]) for a in answers])
        for output in entry["outputs"]
    }


def words(error: BrowserError) -> str:
    """The first line of what a client said, without the driver's own words."""
    first = str(error).removeprefix("page.evaluate: ").splitlines()[0]
    return first.removeprefix("Error: ")


@pytest.mark.parametrize("case", cases("tflite"), ids=str)
def test_litert_js(page, index, case):
    """Equal to LiteRT on this machine; int8 and int16 ends are refused in words."""
    entry = found(index, case)
    what = ("LiteRT.js", PACKAGES["@litertjs/core"], case.student, case.label)
    refused = next((t for t in LITERT_REFUSES if t in types_of(entry)), None)
    if refused is not None:
        with pytest.raises(BrowserError, match=LITERT_REFUSES[refused]) as caught:
            run(page, "litert", entry)
        record(*what, "refused", words(caught.value))
        return
    outcome = compare(entry, index, run(page, "litert", entry))
    record(*what, "wrong" if outcome.faults else "right", outcome.detail)
    assert not outcome.faults


@pytest.mark.parametrize("case", cases("onnx"), ids=str)
def test_onnxruntime_web(page, index, case):
    """Equal to onnxruntime on this machine."""
    entry = found(index, case)
    outcome = compare(entry, index, run(page, "onnx", entry))
    version = PACKAGES["onnxruntime-web"]
    judged = "wrong" if outcome.faults else "right"
    what = ("onnxruntime-web", version, case.student, case.label)
    record(*what, judged, outcome.detail)
    assert not outcome.faults


def pictures(entry: dict[str, Any], student: dict[str, Any]) -> list[dict[str, Any]]:
    """The shared images as RGBA pixels, which the student sees divided by 255."""
    (end,) = entry["inputs"]
    images = np.load(FILES / student["inputs"][end["name"]])
    pixels = np.rint(images * 255).astype("uint8")
    pixels = np.broadcast_to(pixels, (*pixels.shape[:-1], 3))
    alpha = np.full((*pixels.shape[:-1], 1), 255, "uint8")
    _, height, width, _ = pixels.shape
    return [
        {"width": width, "height": height, "data": pack(image)["data"]}
        for image in np.concatenate([pixels, alpha], -1)
    ]


IMAGES = [case for case in cases("tflite") if case.student in ("digits", "separable")]


@pytest.mark.parametrize("case", IMAGES, ids=str)
def test_mediapipe_web(page, index, case):
    """MediaPipe's image classifier, told only the file: labels and normalisation.

    Grey students, and ends of int8 or int16, are refused in words.
    """
    entry = found(index, case)
    student = index["students"][case.student]
    script = "return await clients.mediapipe(`/files/${value.path}`, value.pictures)"
    argument = {"path": case.path, "pictures": pictures(entry, student)}
    what = ("MediaPipe web", PACKAGES[MEDIAPIPE], case.student, case.label)
    (end,) = entry["inputs"]
    if end["shape"][-1] not in (3, 4) or types_of(entry) & {"int8", "int16"}:
        with pytest.raises(BrowserError, match="INVALID_ARGUMENT") as caught:
            page.run(script, argument)
        record(*what, "refused", words(caught.value))
        return
    answers = page.run(script, argument)
    (output,) = entry["outputs"]
    expected = np.load(FILES / output["file"]).argmax(-1)
    tops = [max(answer, key=lambda category: category["score"]) for answer in answers]
    agreement = float(np.mean([top["index"] for top in tops] == expected))
    named = all(top["name"] == student["classes"][top["index"]] for top in tops)
    detail = f"agreement {agreement:.3g}, labels {'read' if named else 'lost'}"
    outcome = "right" if agreement >= 0.98 and named else "wrong"
    record(*what, outcome, detail)
    assert outcome == "right", detail
