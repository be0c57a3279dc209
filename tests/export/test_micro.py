"""TFLite-Micro: what is refused, what is written, and that it compiles."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.export import ExportError, Metadata, export_tflite, schema
from keras_kd.export.micro.fit import OPERATORS, arena_estimate
from keras_kd.export.micro.source import describe, resolver_method, to_c
from tests.export.students import cnn, data_for

ROOT = Path(__file__).resolve().parents[2]
STUBS = Path(__file__).parent / "micro_stubs"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A grey CNN by two recipes."""
    folder = tmp_path_factory.mktemp("micro")
    model = cnn(classes=10)
    for recipe, io in (("int8", "int8"), ("dynamic_int8", None)):
        path = folder / f"{recipe}.tflite"
        export_tflite(model, path, recipe, data_for(model), io=io)
    return folder


def array_of(source):
    """The bytes of the array, read back from the text."""
    return bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})", source))


def constant(header, name):
    return re.search(rf"constexpr \S+(?: int)? {name}(?:\[\])? = (.*);", header)[1]


def test_the_array_is_the_file(files, tmp_path):
    header, source = to_c(files / "int8.tflite", tmp_path / "firmware")
    content = (files / "int8.tflite").read_bytes()
    assert array_of(source.read_text().partition("{")[2]) == content
    text = header.read_text()
    assert constant(text, "model_data_size") == str(len(content))
    assert int(constant(text, "model_arena_size")) == arena_estimate(
        schema.load(content)
    )


def test_the_constants_are_the_files(files):
    model = describe(files / "int8.tflite")
    from keras_kd.export.micro.source import header_text
    from keras_kd.export.runtime import Runner

    runner = Runner(files / "int8.tflite")
    text = header_text(model, "int8.tflite")
    for kind, ends in (("input", runner.inputs), ("output", runner.outputs)):
        ((name, details),) = ends.items()
        scale, zero_point = details["quantization"]
        assert constant(text, f"{kind}_0_name") == f'"{name}"'
        found = np.float32(constant(text, f"{kind}_0_scale").removesuffix("f"))
        assert found == np.float32(scale)
        assert int(constant(text, f"{kind}_0_zero_point")) == zero_point
        assert int(constant(text, f"{kind}_0_size")) == np.prod(details["shape"])
        assert f"using {kind}_0_type = std::int8_t;" in text


def test_the_program_compiles_and_runs(files, tmp_path):
    """`main.cc` with what was written, against stubs that follow the calls."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler: apt install g++")
    _, source = to_c(files / "int8.tflite", tmp_path)
    program = tmp_path / "program"
    command = [compiler, "-std=c++11", "-Wall", "-Wextra", "-Werror"]
    command += [f"-I{STUBS}", f"-I{tmp_path}", str(ROOT / "export/micro/main.cc")]
    done = subprocess.run(
        [*command, str(source), "-o", str(program)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    ran = subprocess.run(
        [str(program)], capture_output=True, cwd=tmp_path, timeout=60, check=True
    )
    operators = len(describe(files / "int8.tflite").operators)
    assert f"operators {operators}\n".encode() in ran.stdout
    assert b"class 7\n" in ran.stdout
    seen = (tmp_path / "model.bin").read_bytes()
    assert seen == (files / "int8.tflite").read_bytes()


def test_the_command(files, tmp_path):
    script = ROOT / "export" / "micro" / "to_c.py"
    done = subprocess.run(
        [sys.executable, str(script), str(files / "int8.tflite"), str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "CONV_2D" in done.stdout
    assert (tmp_path / "model_data.cc").exists()
    again = subprocess.run(
        [sys.executable, str(script), str(files / "dynamic_int8.tflite"), "x"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert again.returncode == 1 and "TFLite-Micro cannot run" in again.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "recipe, reason",
    [
        ("float16", "its weights are FLOAT16"),
        ("dynamic_int8", "float32 inputs and INT8 weights"),
        ("weight_only_int8", "its weights are INT8"),
    ],
)
def test_what_it_refuses_or_does_wrongly(tmp_path, recipe, reason):
    """Weight-only int8 runs there, and answers wrongly without a word."""
    if recipe.startswith("weight_only"):
        pytest.importorskip("litert_quantizer")
    x = keras.Input((64,), name="x")
    model = keras.Model(x, layers.Dense(64)(x))
    export_tflite(model, tmp_path / "m.tflite", recipe)
    with pytest.raises(ExportError, match=f"{reason}.*recipe='int8'"):
        to_c(tmp_path / "m.tflite", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_operator_it_lacks_is_named(tmp_path):
    x = keras.Input((8,), name="x")
    model = keras.Model(x, layers.Dense(4, activation="gelu")(x))
    export_tflite(model, tmp_path / "m.tflite", "float32")
    with pytest.raises(ExportError, match=r"no operator \['GELU'\]"):
        describe(tmp_path / "m.tflite")


def test_files_that_are_there_stay(files, tmp_path):
    to_c(files / "int8.tflite", tmp_path)
    (tmp_path / "model_data.h").write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        to_c(files / "int8.tflite", tmp_path)
    assert (tmp_path / "model_data.h").read_text() == "mine"
    to_c(files / "int8.tflite", tmp_path, overwrite=True)
    assert (tmp_path / "model_data.h").read_text() != "mine"


def test_no_tflite_file(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not a TFLite file"):
        to_c(tmp_path / "m.tflite", tmp_path)


def test_odd_names_are_harmless(tmp_path):
    """A name that would end a string or a comment is spelt without it."""
    from keras_kd.export.micro.source import header_text

    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Dense(2)(x))
    path = tmp_path / "m.tflite"
    export_tflite(model, path, metadata=Metadata("M"), recipe="float32")
    text = header_text(describe(path), 'evil"\n*/ \\ name.tflite')
    assert 'evil"' not in text and "\n*/" not in text and "\\" not in text


@pytest.mark.parametrize(
    "operator, method",
    [
        ("CONV_2D", "AddConv2D"),
        ("DEPTHWISE_CONV_2D", "AddDepthwiseConv2D"),
        ("AVERAGE_POOL_2D", "AddAveragePool2D"),
        ("FULLY_CONNECTED", "AddFullyConnected"),
        ("BATCH_MATMUL", "AddBatchMatMul"),
        ("RELU6", "AddRelu6"),
        ("PADV2", "AddPadV2"),
        ("SELECT_V2", "AddSelectV2"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "AddUnidirectionalSequenceLSTM"),
        ("RESIZE_NEAREST_NEIGHBOR", "AddResizeNearestNeighbor"),
    ],
)
def test_resolver_methods(operator, method):
    """As TFLite-Micro's `micro_mutable_op_resolver.h` spells them."""
    assert operator in OPERATORS
    assert resolver_method(operator) == method
