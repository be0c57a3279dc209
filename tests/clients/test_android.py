"""export/android/: its Kotlin compiles, and its own logic gives Python's numbers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.clients.install.kotlin import Kotlin, install
from tests.clients.install.web import Missing
from tests.clients.paths import BUILD, ROOT

pytestmark = pytest.mark.client

SAMPLE = ROOT / "export" / "android"
MAIN = SAMPLE / "app" / "src" / "main"
STUBS = Path(__file__).parent / "android_stubs"
ANDROID = "{http://schemas.android.com/apk/res/android}"
LABELS = "zero one two three four five six seven eight nine".split()


@pytest.fixture(scope="session")
def kotlin() -> Kotlin:
    """Java and the Kotlin compiler, or a skip that says what lacks."""
    try:
        return install()
    except Missing as missing:
        pytest.skip(str(missing))


def resources() -> str:
    """The `R` that Android's build makes of `res/`, as Kotlin."""
    found: dict[str, set[str]] = {"id": set(), "layout": set(), "string": set()}
    for layout in (MAIN / "res" / "layout").glob("*.xml"):
        found["layout"].add(layout.stem)
        found["id"] |= set(re.findall(r'"@\+id/(\w+)"', layout.read_text()))
    strings = ElementTree.parse(MAIN / "res" / "values" / "strings.xml")
    found["string"] = {str(entry.get("name")) for entry in strings.iter("string")}
    lines = ["package com.example.student", "", "object R {"]
    for kind, names in found.items():
        lines.append(f"    object {kind} {{")
        lines += [f"        const val {name} = {i}" for i, name in enumerate(names)]
        lines.append("    }")
    return "\n".join([*lines, "}"]) + "\n"


def compile_kotlin(kotlin: Kotlin, sources: list[Path], target: Path):
    """Run the compiler; warnings are errors."""
    command = [kotlin.java, "-Xmx1g", "-cp", str(kotlin.lib / "kotlin-preloader.jar")]
    command += ["org.jetbrains.kotlin.preloading.Preloader"]
    command += ["-cp", str(kotlin.lib / "kotlin-compiler.jar")]
    command += ["org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-Werror"]
    command += ["-jvm-target", "17", "-d", str(target), *map(str, sources)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def classes(kotlin, tmp_path_factory) -> Path:
    """The sample, compiled against the stubs, with the harness."""
    target = BUILD / "kotlin" / "classes"
    generated = tmp_path_factory.mktemp("kotlin") / "R.kt"
    generated.write_text(resources())
    sources = [*sorted(MAIN.rglob("*.kt")), *sorted(STUBS.glob("*.kt")), generated]
    finished = compile_kotlin(kotlin, sources, target)
    assert finished.returncode == 0, finished.stderr
    return target


@pytest.fixture(scope="session")
def ask(kotlin, classes):
    """`ask("timing", "1,2,3")`: one command to the harness, its answer's words."""
    path = f"{classes}:{kotlin.lib / 'kotlin-stdlib.jar'}"
    process = subprocess.Popen(
        [kotlin.java, "-cp", path, "com.example.student.HarnessKt"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def one(*words: object) -> list[str]:
        process.stdin.write("\t".join(map(str, words)) + "\n")
        process.stdin.flush()
        return process.stdout.readline().rstrip("\n").split("\t")

    yield one
    process.stdin.close()
    process.wait(timeout=30)
    process.stdout.close()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory) -> Path:
    """A colour and a grey student, in every type that a picture may enter in."""
    import keras
    from keras import layers

    from keras_kd.export import export_tflite
    from keras_kd.export.metadata import Metadata, embed

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("android")
    random = np.random.default_rng(0)
    for name, channels, activation in (("colour", 3, None), ("grey", 1, "softmax")):
        inputs = keras.Input((9, 7, channels), name="image")
        y = layers.Conv2D(6, 3, activation="relu")(inputs)
        y = layers.GlobalAveragePooling2D()(y)
        y = layers.Dense(10, activation, kernel_initializer="he_normal", name="out")(y)
        model = keras.Model(inputs, y)
        data = random.uniform(-1, 1, (120, 9, 7, channels)).astype("float32")
        for recipe, io in (("float32", None), ("int8", "uint8"), ("int8", "int8")):
            path = folder / f"{name}_{io or recipe}.tflite"
            export_tflite(model, path, recipe, data, io=io)
            about = Metadata(name, labels=LABELS, mean=127.5, std=127.5)
            path.write_bytes(embed(path.read_bytes(), about, recipe))
    (folder / "labels.txt").write_text("\n".join([*LABELS, ""]))
    return folder


def words_of(details: dict) -> list[object]:
    """A tensor of the interpreter as the harness reads it."""
    scale, zero_point = details["quantization"]
    shape = ",".join(str(size) for size in details["shape"])
    return [shape, np.dtype(details["dtype"]).name, repr(float(scale)), zero_point]


def picture(folder: Path) -> tuple[np.ndarray, Path]:
    """Random colours of 9 × 7 pixels, and a file of them as Android's ARGB."""
    rgb = np.random.default_rng(1).integers(0, 256, (9, 7, 3), dtype="uint8")
    rgb[0, 0], rgb[0, 1] = 0, 255
    wide = rgb.astype("uint32")
    argb = 0xFF000000 | wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    path = folder / "picture.argb"
    path.write_bytes(argb.astype("<u4").tobytes())
    return rgb, path


def expected_input(rgb: np.ndarray, channels: int) -> np.ndarray:
    """The picture as Python preprocesses it: single precision, −1 to 1."""
    pixels = rgb.astype("float64")
    if channels == 1:
        pixels = (pixels @ [0.299, 0.587, 0.114])[..., None]
    return (pixels.astype("float32") - np.float32(127.5)) / np.float32(127.5)


@pytest.mark.parametrize("io", ["float32", "uint8", "int8"])
@pytest.mark.parametrize(("student", "channels"), [("colour", 3), ("grey", 1)])
def test_a_picture_gives_the_answer_of_python(ask, shelf, student, channels, io):
    """Pixels in, LiteRT in the middle, classes out: Kotlin and Python bit by bit."""
    from ai_edge_litert.interpreter import Interpreter

    from keras_kd.export.runtime import Runner, quantize

    path = shelf / f"{student}_{io}.tflite"
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    (entering,) = interpreter.get_input_details()
    (leaving,) = interpreter.get_output_details()
    rgb, pixels = picture(shelf)
    target = shelf / "tensor.bin"
    said = ask("encode", *words_of(entering), "127.5", "127.5", pixels, target)
    assert said == ["written"]
    tensor = np.fromfile(target, entering["dtype"]).reshape(entering["shape"])
    real = expected_input(rgb, channels)[None]
    scale, zero_point = entering["quantization"]
    wanted = quantize(real, scale, zero_point, entering["dtype"]) if scale else real
    np.testing.assert_array_equal(tensor, wanted)

    interpreter.set_tensor(entering["index"], tensor)
    interpreter.invoke()
    raw = shelf / "raw.bin"
    raw.write_bytes(interpreter.get_tensor(leaving["index"]).tobytes())
    ranked = ask("decode", *words_of(leaving), raw, shelf / "labels.txt")
    (values,) = Runner(path)({"image": real}).values()
    shares = values[0]
    if student == "colour":
        powers = np.exp(shares - shares.max())
        shares = powers / powers.sum()
    order = np.argsort(-shares, kind="stable")[:5]
    parts = [entry.split(":") for entry in ranked]
    assert [int(index) for index, _, _ in parts] == list(order)
    assert [label for _, label, _ in parts] == [LABELS[i] for i in order]
    got = [float(share) for _, _, share in parts]
    np.testing.assert_allclose(got, shares[order], rtol=1e-5)


def test_labels_and_normalisation_come_from_the_file(ask, shelf, tmp_path):
    said = ask("metadata", shelf / "colour_int8.tflite", 10)
    assert said == [",".join(LABELS), "[127.5] [127.5]"]
    # Labels of another number are none; a file without metadata has neither.
    assert ask("metadata", shelf / "colour_int8.tflite", 11)[0] == "none"
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(b"\x1c\0\0\0TFL3" + bytes(200))
    assert ask("metadata", bare, 10) == ["none", "none"]


def test_labels_may_be_packed(ask, tmp_path):
    """Other writers deflate, and count places from the archive's own start."""
    import io
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("names.txt", "\n".join(LABELS * 3))
    path = tmp_path / "packed.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(500) + stream.getvalue())
    assert ask("metadata", path, 30)[0] == ",".join(LABELS * 3)


def test_wrong_tensors_are_refused_in_a_sentence(ask, shelf):
    _, pixels = picture(shelf)
    target = shelf / "none.bin"
    rest = ("127.5", "127.5", pixels, target)
    assert "must take one picture" in ask("encode", "1,64", "float32", 0, 0, *rest)[0]
    small = ask("encode", "1,4,4,3", "float32", 0, 0, *rest)[0]
    assert "Expected 4 × 4 pixels. Received: 63." in small
    unscaled = ask("encode", "1,9,7,3", "int8", 0, 0, *rest)[0]
    assert "INT8 input without a scale" in unscaled
    flat = ask("encode", "1,9,7,3", "float32", 0, 0, "0", "0", pixels, target)[0]
    assert "positive std" in flat


def test_unnamed_classes_are_numbered(ask, tmp_path):
    raw = tmp_path / "raw.bin"
    raw.write_bytes(np.float32([0.5, 3, 3, -1]).tobytes())
    ranked = ask("decode", "1,4", "float32", 0, 0, raw, "-")
    assert [word.rsplit(":", 1)[0] for word in ranked] == [
        "1:class 1",
        "2:class 2",
        "0:class 0",
        "3:class 3",
    ]


def test_times_are_percentiles(ask):
    runs = np.random.default_rng(0).gamma(2.0, 1.0, 41).astype("float32")
    median, ninety, ninety_nine, words = ask("timing", ",".join(map(str, runs)))
    exact = np.percentile(runs.astype("float64"), [50, 90, 99])
    np.testing.assert_allclose(
        [float(median), float(ninety), float(ninety_nine)], exact, rtol=1e-6
    )
    assert words.startswith(f"median {exact[0]:.3f} ms") and "(41 runs)" in words
    assert ask("timing", "7")[0] == "7.0"


def test_the_benchmark_leaves_its_warm_up_out(ask):
    calls, median, slowest = ask("benchmark")
    assert (int(calls), float(median), float(slowest)) == (15, 2.0, 2.0)


def test_a_wrong_call_does_not_compile(kotlin, tmp_path):
    """The check can fail: a method that LiteRT has not is an error."""
    wrong = tmp_path / "Wrong.kt"
    wrong.write_text(
        "import org.tensorflow.lite.Interpreter\n"
        "fun wrong(i: Interpreter) = i.allocateEverything()\n"
    )
    finished = compile_kotlin(kotlin, [*STUBS.glob("inter*.kt"), wrong], tmp_path / "o")
    assert finished.returncode != 0
    assert "allocateEverything" in finished.stderr


def test_the_gradle_files_name_what_the_code_needs():
    catalog = (SAMPLE / "gradle" / "libs.versions.toml").read_text()
    build = (SAMPLE / "app" / "build.gradle.kts").read_text()
    entries = re.findall(r'^([\w-]+) = \{.* version\.ref = "(\w+)" \}$', catalog, re.M)
    assert len(entries) == 5
    for name, version in entries:
        assert re.search(rf'^{version} = "[\d.]+"$', catalog, re.M), version
        assert f"{name.replace('-', '.')})" in build, name
    packages = {
        match
        for source in MAIN.rglob("*.kt")
        for match in re.findall(r"^import ([\w.]+)\.\w+$", source.read_text(), re.M)
    }
    provided = ("android.", "androidx.activity", "java.", "kotlin.")
    litert = ("com.google.ai.edge.litert", "org.tensorflow.lite")
    assert all(package.startswith((*provided, *litert)) for package in packages)
    assert 'namespace = "com.example.student"' in build
    assert 'noCompress += "tflite"' in build


def test_the_manifest_names_what_there_is():
    manifest = ElementTree.parse(MAIN / "AndroidManifest.xml").getroot()
    (activity,) = manifest.iter("activity")
    name = str(activity.get(f"{ANDROID}name")).removeprefix(".")
    assert (MAIN / f"kotlin/com/example/student/{name}.kt").is_file()
    assert not list(manifest.iter("uses-permission")), "it asks for nothing"
    texts = [path.read_text() for path in (MAIN / "res").rglob("*.xml")]
    texts.append((MAIN / "AndroidManifest.xml").read_text())
    used = {m for text in texts for m in re.findall(r'[">]@(\w+/[\w.]+)', text)}
    values = [ElementTree.parse(p) for p in (MAIN / "res" / "values").glob("*.xml")]
    known = {f"{e.tag}/{e.get('name')}" for v in values for e in v.getroot()}
    known |= {f"drawable/{p.stem}" for p in (MAIN / "res" / "drawable").iterdir()}
    known |= {f"id/{name}" for t in texts for name in re.findall(r"@\+id/(\w+)", t)}
    assert used <= known, used - known
