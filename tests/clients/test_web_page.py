"""export/web/ in a real browser: pictures, camera, wrong files, no other host."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.clients.install.web import PACKAGES
from tests.clients.paths import BUILD, ROOT
from tests.clients.web.browser import Browser
from tests.clients.web.site import browser, serve, serving, web  # noqa: F401

pytestmark = pytest.mark.client

LABELS = "zero one two three four five six seven eight nine".split()
SHOWN = BUILD / "screenshots"
IDLE = "return document.body.dataset.state !== 'busy'"
READY = "return document.body.dataset.state === 'ready'"
FAILED = "return document.body.dataset.state === 'failed'"
ANSWERED = READY + " && document.querySelector('#latency').textContent !== '–'"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    """A digits student in four files, labels, and held-out digits as pictures."""
    import keras
    from keras import layers
    from PIL import Image
    from sklearn.datasets import load_digits

    from keras_kd.export import export_tflite
    from keras_kd.export.metadata import Metadata, embed

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("web")
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype("uint8")
    x = (pixels / 255).astype("float32")[..., None]
    inputs = keras.Input((8, 8, 1), name="image")
    y = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    y = layers.Dense(48, activation="relu")(layers.Flatten()(y))
    model = keras.Model(inputs, layers.Dense(10, name="logits")(y))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss)
    model.fit(x[100:], digits.target[100:], epochs=6, batch_size=64, verbose=0)
    about = Metadata(
        "Digits", labels=LABELS, mean=0.0, std=255.0, teacher="a larger student"
    )
    for name, recipe, io in (
        ("named", "float32", None),
        ("uint8", "int8", "uint8"),
        ("int8", "int8", "int8"),
    ):
        path = folder / f"{name}.tflite"
        export_tflite(model, path, recipe, x[100:300], io=io)
        if name == "named":
            path.write_bytes(embed(path.read_bytes(), about, recipe))
    features = keras.Model(inputs, y)
    together = {"features": features}
    export_tflite(model, folder / "two.tflite", signatures=together)
    tokens = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    export_tflite(tokens, folder / "plain.tflite")
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n")
    (folder / "broken.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(40))
    (folder / "notes.png").write_text("no picture")
    pictures = folder / "pictures"
    pictures.mkdir()
    for i in range(10):
        Image.fromarray(pixels[i]).save(pictures / f"{i:02d}.png")
    np.save(folder / "pictures.npy", x[:10])
    return folder


def probabilities(path: Path, image: np.ndarray) -> np.ndarray:
    """What LiteRT on this machine makes of a picture."""
    from keras_kd.export.runtime import Runner

    (logits,) = Runner(path)({"image": image[None]}).values()
    powers = np.exp(logits[0] - logits[0].max())
    return powers / powers.sum()


def shown(value: float) -> str:
    """A probability as the page writes it."""
    if 0.999 < value < 1:
        return "over 99.9 %"
    if 0 < value < 1e-4:
        return "under 0.01 %"
    return f"{100 * value:.{1 if value >= 0.0995 else 2}f} %"


def open_page(browser, url: str, **options) -> None:  # noqa: F811
    browser.open(url=url, **options)
    browser.wait(script=IDLE + " && document.body.dataset.state !== undefined")


def drop(browser, paths: list[Path], until: str = ANSWERED) -> None:  # noqa: F811
    """Hand in files as the file dialogue does."""
    browser.files(selector="#file", paths=[str(path) for path in paths])
    browser.wait(script=until)


ONE = pytest.mark.parametrize("page", ["named"], indirect=True)
"""For what does not depend on the student."""


@pytest.fixture(params=["uint8", "named"])
def page(request, browser, web, shelf):  # noqa: F811
    """The page with a student: labels from the command, or all from the file."""
    student = shelf / f"{request.param}.tflite"
    labels = shelf / "labels.txt" if request.param == "uint8" else None
    routes = serve.page_routes(web.modules)
    routes |= serve.student_routes(student, labels, shelf / "pictures")
    with serving(routes) as url:
        open_page(browser, url, permissions=["camera"])
        browser.student = student
        browser.url = url
        yield browser


def test_answers_are_those_of_litert_on_this_machine(page, shelf):
    images = np.load(shelf / "pictures.npy")
    for i in range(4):
        drop(page, [shelf / "pictures" / f"{i:02d}.png"])
        expected = probabilities(page.student, images[i])
        ranked = np.argsort(-expected, kind="stable")[:5]
        assert page.text(selector="#top") == LABELS[ranked[0]]
        assert page.texts(selector="#bars .label") == [LABELS[r] for r in ranked]
        shares = page.texts(selector="#bars .share")
        assert shares == [shown(expected[r]) for r in ranked]


def test_a_dropped_picture_is_classified(page, shelf):
    """Drag and drop proper: an event with a DataTransfer."""
    image = np.load(shelf / "pictures.npy")[1]
    page.run(
        """
        const blob = await (await fetch("samples/01.png")).blob();
        const data = new DataTransfer();
        data.items.add(new File([blob], "one.png", { type: "image/png" }));
        for (const type of ["dragover", "drop"]) {
          const event = new DragEvent(type, { dataTransfer: data, bubbles: true });
          document.querySelector("#stage").dispatchEvent(event);
        }
        """
    )
    page.wait(script=ANSWERED)
    expected = int(np.argmax(probabilities(page.student, image)))
    assert page.text(selector="#top") == LABELS[expected]
    assert page.attribute(selector="#top", name="data-index") == str(expected)
    assert page.visible(selector="#picture") and not page.visible(selector="#veil")


def test_facts_and_times_are_shown(page, shelf):
    assert page.text(selector="#latency") == "–"
    page.click(selector="#samples li:first-child button")
    page.wait(script=ANSWERED)
    assert page.run("return document.querySelector('#latency').textContent").endswith(
        ("µs", "ms")
    )
    facts = page.text(selector="#facts")
    assert f"{page.student.stat().st_size:,}" in facts
    about = page.text(selector="#preprocessing")
    if page.student.stem == "named":
        assert page.text(selector="#name") == "Digits"
        assert "10, from the file" in facts and "a larger student" in facts
        assert "metadata says: (pixel − 0) ÷ 255" in about
        assert "1 × 8 × 8 × 1 float32" in facts
    else:
        assert "10, from --labels" in facts and "1 × 8 × 8 × 1 uint8" in facts
        assert "spans 0 to 1" in about
    assert "int8 student" in page.text(selector="#kicker") or "float32" in facts


@ONE
def test_the_camera_runs_until_it_is_stopped(page):
    page.click(selector="#camera")
    page.wait(script="return /last (\\d{2,}) frames/.test(document.body.textContent)")
    assert page.text(selector="#camera") == "Stop the camera"
    assert page.visible(selector="#video")
    assert page.text(selector="#top") in LABELS
    page.click(selector="#camera")
    page.wait(script=READY + " && !document.querySelector('#picture').hidden")
    assert page.attribute(selector="#camera", name="aria-pressed") == "false"
    assert not page.visible(selector="#video")


@ONE
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("notes.png", "“notes.png” is no picture that this browser can read."),
        ("broken.tflite", "“broken.tflite” cannot be opened: it is no TFLite file"),
        ("int8.tflite", 'LiteRT.js refuses int8 at “image”; export it with io="uint8"'),
        ("plain.tflite", "of shape 1 × 4 is no picture"),
    ],
)
def test_a_wrong_file_is_named_on_the_page(page, shelf, file, words):
    drop(page, [shelf / file], until=FAILED)
    assert words in page.text(selector="#error")
    # The student that was there goes on.
    drop(page, [shelf / "pictures" / "00.png"])
    assert not page.visible(selector="#error")
    assert page.text(selector="#top") in LABELS


def test_another_student_can_be_dropped_on_the_page(page, shelf):
    drop(page, [shelf / "pictures" / "02.png"])
    other = "uint8" if page.student.stem == "named" else "named"
    name = "uint8" if other == "uint8" else "Digits"
    drop(page, [shelf / f"{other}.tflite"], until=IDLE)
    page.wait(script=f"return document.querySelector('#name').textContent === '{name}'")
    page.wait(script=READY)
    index = page.attribute(selector="#top", name="data-index")
    expected = probabilities(
        shelf / f"{other}.tflite", np.load(shelf / "pictures.npy")[2]
    )
    assert index == str(int(np.argmax(expected)))


@ONE
def test_a_file_of_two_signatures_answers_by_serve(page, shelf):
    """Its first graph is `features`, of 48 numbers, which are no classes."""
    drop(page, [shelf / "pictures" / "04.png"])
    expected = page.texts(selector="#bars .share")
    drop(page, [shelf / "two.tflite"], until=IDLE)
    page.wait(script="return document.querySelector('#name').textContent === 'two'")
    page.wait(script=READY)
    assert page.texts(selector="#bars .share") == expected
    assert "1 × 10 float32" in page.text(selector="#facts")


def test_pixels_and_threads_can_be_chosen(page, shelf):
    drop(page, [shelf / "pictures" / "00.png"])
    page.select(selector="#threads", value="2")
    page.wait(script=READY + " && /2 threads/.test(document.body.innerText)")
    assert page.text(selector="#top") in LABELS
    page.select(selector="#range", value="signed")
    page.wait(script=READY + " && /as chosen here/.test(document.body.innerText)")
    image = np.load(shelf / "pictures.npy")[0] * 2 - 1
    expected = int(np.argmax(probabilities(page.student, image)))
    assert page.attribute(selector="#top", name="data-index") == str(expected)


def test_webgpu_gives_the_same_answer(web, shelf):  # noqa: F811
    """On Chromium's software adapter: right, if slow."""
    adapter = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
    opened = Browser(web.node, web.chromium, web.modules, *adapter)
    routes = serve.page_routes(web.modules)
    routes |= serve.student_routes(shelf / "named.tflite")
    try:
        with serving(routes) as url:
            open_page(opened, url)
            script = "return document.querySelector('#accelerator').options[1].disabled"
            if opened.run(script):
                pytest.skip("this Chromium has no software adapter for WebGPU")
            drop(opened, [shelf / "pictures" / "05.png"])
            on_cpu = opened.texts(selector="#bars .label")
            opened.select(selector="#accelerator", value="webgpu")
            words = "document.querySelector('#where').textContent === 'WebGPU'"
            opened.wait(script=f"{READY} && {words}")
            assert opened.texts(selector="#bars .label") == on_cpu
            assert opened.text(selector="#where-note").startswith(("all of", "in part"))
            assert not opened.visible(selector="#error")
    finally:
        opened.close()


@ONE
def test_a_wrong_file_is_said_while_the_camera_runs(page, shelf):
    page.click(selector="#camera")
    page.wait(script="return /last (\\d{2,}) frames/.test(document.body.textContent)")
    page.files(selector="#file", paths=[str(shelf / "notes.png")])
    page.wait(script="return !document.querySelector('#error').hidden")
    page.run("await new Promise((resolve) => setTimeout(resolve, 300))")
    assert "no picture" in page.text(selector="#error")
    assert page.visible(selector="#video")


@ONE
def test_the_page_works_by_keyboard(page):
    reached = []
    for _ in range(30):
        page.press(key="Tab")
        reached.append(page.run("return document.activeElement.id"))
    assert [i for i in reached if i][:3] == ["stage", "choose", "camera"]
    assert {"threads", "range", "fit", "invert"} <= set(reached)
    assert page.count(selector="[role=alert]") == 1
    assert page.count(selector="[aria-live=polite]") == 1


@ONE
def test_nothing_is_asked_of_another_host(page, shelf):
    drop(page, [shelf / "pictures" / "00.png"])
    asked = page.requests()
    assert len(asked) > 10
    assert all(url.startswith((page.url, f"blob:{page.url}", "data:")) for url in asked)
    wrong = [line for line in page.complaints() if "INFO" not in line]
    assert all("WARNING" in line for line in wrong), wrong


@ONE
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 420])
def test_the_page_fits_and_can_be_looked_at(page, shelf, width, scheme):
    """No sideways scroll; `build/clients/screenshots` shows it to the eye."""
    open_page(page, page.url, width=width, height=900, scheme=scheme)
    drop(page, [shelf / "pictures" / "03.png"])
    sizes = "return [document.documentElement.scrollWidth, innerWidth]"
    across, room = page.run(sizes)
    assert across <= room
    SHOWN.mkdir(parents=True, exist_ok=True)
    path = SHOWN / f"web_{page.student.stem}_{width}_{scheme}.png"
    page.screenshot(path=str(path))
    assert path.stat().st_size > 20_000


def test_a_page_without_a_student_asks_for_one(browser, web, shelf):  # noqa: F811
    routes = serve.page_routes(web.modules) | {"/student.json": b"{}"}
    with serving(routes) as url:
        open_page(browser, url)
        assert browser.text(selector="#name") == "No student yet"
        drop(browser, [shelf / "pictures" / "00.png"], until=FAILED)
        assert "There is no student yet" in browser.text(selector="#error")
        drop(browser, [shelf / "named.tflite"])
        assert browser.text(selector="#name") == "Digits"


def test_labels_of_another_number_are_refused(browser, web, shelf, tmp_path):  # noqa: F811
    (tmp_path / "two.txt").write_text("yes\nno\n")
    student = tmp_path / "a student #2.tflite"
    student.write_bytes((shelf / "uint8.tflite").read_bytes())
    routes = serve.page_routes(web.modules)
    routes |= serve.student_routes(student, tmp_path / "two.txt")
    with serving(routes) as url:
        open_page(browser, url)
        assert browser.text(selector="#name") == "a student #2"
        assert "there are 2 labels for 10 classes" in browser.text(selector="#error")


def test_users_get_the_runtime_that_is_tested():
    """`npm install --prefix export/web` and the tests pin one version."""
    manifest = json.loads((ROOT / "export/web/package.json").read_text())
    assert manifest["dependencies"].items() <= PACKAGES.items()


def run_serve(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "export/web/serve.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_command_refuses_in_one_sentence(web, shelf, tmp_path):  # noqa: F811
    missing = run_serve(shelf / "named.tflite", "--modules", tmp_path)
    assert missing.returncode == 2
    assert "npm install --prefix export/web" in missing.stderr
    known = ("--modules", web.modules)
    wrong = run_serve(tmp_path / "none.tflite", *known)
    assert wrong.returncode == 2 and "Expected a .tflite file" in wrong.stderr
    lost = run_serve(shelf / "named.tflite", "--labels", tmp_path / "no.txt", *known)
    assert lost.returncode == 2 and "--labels: there is no" in lost.stderr


def test_the_server_shows_nothing_but_its_folders(web, shelf):  # noqa: F811
    from urllib.error import HTTPError
    from urllib.request import urlopen

    routes = serve.page_routes(web.modules)
    routes |= serve.student_routes(shelf / "named.tflite", None, shelf / "pictures")
    with serving(routes) as url:
        with urlopen(url) as answer:
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        for path in (
            "samples/../labels.txt",
            "samples/%2e%2e/labels.txt",
            "../serve.py",
            "vendor/%2e%2e/package.json",
            "student/labels.txt",
        ):
            with pytest.raises(HTTPError, match="404"):
                urlopen(url + path)
