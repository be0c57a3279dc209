"""Counts from the file against counts by hand."""

import keras
import pytest
from keras import layers

from keras_kd.export import RECIPES, export_tflite, schema
from keras_kd.export.benchmark.arena import Lifetime, arena_bytes, arena_size
from tests.export.students import cnn, data_for, raw_convert, recurrent


def one_layer(layer, shape):
    x = keras.Input(shape)
    return keras.Model(x, layer(x))


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Conv2D(5, (3, 2)), (8, 9, 4), 6 * 8 * 5 * 3 * 2 * 4),
        (layers.Conv2D(6, 3, groups=2, padding="same"), (8, 8, 4), 64 * 6 * 9 * 2),
        (layers.Conv2D(5, 3, strides=2, padding="same"), (8, 8, 4), 16 * 5 * 9 * 4),
        (layers.DepthwiseConv2D(3), (8, 8, 4), 36 * 4 * 9),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (8, 8, 4), 36 * 8 * 9),
        (
            layers.SeparableConv2D(7, 3, padding="same"),
            (8, 8, 4),
            64 * 4 * 9 + 64 * 4 * 7,
        ),
        (layers.Conv1D(6, 5, padding="causal"), (16, 3), 16 * 6 * 5 * 3),
        (layers.Conv2DTranspose(3, 2, strides=2), (4, 4, 5), 16 * 5 * 2 * 2 * 3),
        (layers.Conv3D(2, 3), (5, 5, 5, 3), 27 * 2 * 27 * 3),
        (layers.Dense(7), (5,), 35),
        (layers.Dense(7), (3, 5), 105),
        (layers.Flatten(), (3, 5), 0),
    ],
)
def test_macs_of_a_layer(layer, shape, expected, tmp_path):
    model = one_layer(layer, shape)
    content = raw_convert(model, tmp_path / "s.tflite").read_bytes()
    assert schema.macs(schema.load(content)) == expected


@pytest.mark.parametrize("transposed", [False, True])
def test_macs_of_a_matrix_product(transposed, tmp_path):
    a = keras.Input((6, 4) if transposed else (4, 6), name="a")
    b = keras.Input((6, 5), name="b")
    left = keras.ops.transpose(a, (0, 2, 1)) if transposed else a
    model = keras.Model([a, b], keras.ops.matmul(left, b))
    contents = schema.load(raw_convert(model, tmp_path / "s.tflite"))
    assert schema.operators(contents)["BATCH_MATMUL"] == 1
    assert schema.macs(contents) == 4 * 6 * 5


@pytest.mark.parametrize("recipe", RECIPES)
def test_parameters_and_macs_are_those_of_the_model(recipe, tmp_path):
    model = cnn(classes=40)
    result = export_tflite(model, tmp_path / "s.tflite", recipe, data_for(model))
    contents = schema.load(result.path)
    assert schema.parameters(contents) == model.count_params()
    assert schema.macs(contents) == 36 * 4 * 9 + 144 * 40
    stored = {"weight_only_int4": "INT4", "float32": "FLOAT32", "float16": "FLOAT16"}
    expected = stored.get(recipe, "INT8")
    assert expected in schema.tensor_dtypes(contents)
    assert schema.foreign_operators(contents) == []


def test_doors_are_no_islands(tmp_path):
    model = cnn()
    path = tmp_path / "s.tflite"
    export_tflite(model, path, "int8", data_for(model), io="float32")
    contents = schema.load(path)
    assert {"QUANTIZE", "DEQUANTIZE"} <= set(schema.operators(contents))
    assert schema.float_islands(contents) == []


def test_every_operator_of_a_float_file_is_an_island(tmp_path):
    contents = schema.load(raw_convert(cnn(), tmp_path / "s.tflite"))
    islands = schema.float_islands(contents)
    assert len(islands) == sum(schema.operators(contents).values())
    assert {"subgraph", "index", "operator", "output"} == set(islands[0])


def test_the_body_of_a_loop_is_counted(tmp_path):
    contents = schema.load(raw_convert(recurrent(), tmp_path / "s.tflite"))
    assert schema.macs(contents) >= 4 * 4 * (3 + 4) + 4 * 2
    assert schema.operators(contents)["WHILE"] == 1


def test_tensors_that_never_meet_share_memory():
    chain = [Lifetime(100, 0, 1), Lifetime(50, 1, 2), Lifetime(100, 2, 3)]
    assert arena_size(chain) == 150
    assert arena_size([Lifetime(100, 2, 3), Lifetime(50, 0, 1)]) == 100
    assert arena_size([Lifetime(10, 0, 5)] * 3) == 30
    # A gap of the right size between two living tensors is used.
    gap = [Lifetime(90, 0, 3), Lifetime(60, 0, 1), Lifetime(50, 0, 3)]
    assert arena_size([*gap, Lifetime(40, 2, 3)]) == 200
    assert arena_size([]) == 0


def test_the_arena_of_a_chain_is_its_widest_link(tmp_path):
    x = keras.Input((16,))
    y = layers.Dense(64, activation="relu")(x)
    y = layers.Dense(256, activation="relu")(y)
    model = keras.Model(x, layers.Dense(16)(y))
    contents = schema.load(raw_convert(model, tmp_path / "s.tflite"))
    # The input lives throughout: 16 + 64 + 256 floats at the widest operator.
    assert arena_bytes(contents) == 4 * (16 + 64 + 256)


def test_the_published_count_of_mobilenet_v3_small(tmp_path):
    model = keras.applications.MobileNetV3Small((224, 224, 3), weights=None)
    contents = schema.load(raw_convert(model, tmp_path / "s.tflite"))
    # 56 million in Howard et al., Searching for MobileNetV3, 2019, table 3.
    assert schema.macs(contents) == pytest.approx(56e6, rel=0.01)


def test_activations_and_doors(tmp_path):
    model = cnn()
    data = data_for(model)
    for io, doors in (("int8", 0), ("float32", 2)):
        path = export_tflite(model, tmp_path / f"{io}.tflite", "int8", data, io=io).path
        found = schema.activations(schema.load(path))
        assert sum(tensor["door"] for tensor in found) == doors
        floats = [tensor for tensor in found if tensor["type"] == "FLOAT32"]
        assert [tensor["door"] for tensor in floats] == [True] * doors
        assert all(tensor["quantized"] for tensor in found if not tensor["door"])
    path = export_tflite(model, tmp_path / "f.tflite").path
    found = schema.activations(schema.load(path))
    # The image, the convolution, its flat form, the logits; no weight.
    assert [tensor["type"] for tensor in found] == ["FLOAT32"] * len(found)
    assert len(found) in (3, 4) and not any(tensor["door"] for tensor in found)


def test_a_float_that_is_read_twice_is_no_door(tmp_path):
    """An input that is quantized and used as it is lets floats in."""
    content = export_tflite(
        cnn(), tmp_path / "s.tflite", "int8", data_for(cnn()), io="float32"
    ).path.read_bytes()
    model = schema.load(content)
    (graph,) = model.subgraphs
    quantizer = graph.operators[0]
    assert schema.operator_name(model, quantizer) == "QUANTIZE"
    graph.operators[-1].inputs[0] = quantizer.inputs[0]
    names = {t["tensor"]: t["door"] for t in schema.activations(model)}
    assert names[schema.text(graph.tensors[graph.inputs[0]].name)] is False
