"""How much the delegate takes, from nodes made by hand and from a real file."""

import keras
from keras import layers

from keras_kd.export import export_tflite, schema, verify
from keras_kd.export.verify.delegates import from_nodes
from tests.export.students import cnn, data_for


def node(index, name, inputs, outputs):
    return {"index": index, "op_name": name, "inputs": inputs, "outputs": outputs}


CHAIN = [
    node(0, "CONV_2D", [0, 100], [1]),
    node(1, "ADD", [1, 101], [2]),
    node(2, "REVERSE_V2", [2], [3]),
    node(3, "MUL", [3, 1], [4]),
    node(4, "SOFTMAX", [4], [5]),
]


def test_two_partitions_around_an_operator():
    found = from_nodes(
        [
            *CHAIN,
            node(5, "DELEGATE", [0, 100, 101], [2, 1]),
            node(6, "DELEGATE", [3, 1], [5]),
        ]
    )
    assert (found.operators, found.delegated, found.partitions) == (5, 4, 2)
    assert found.left == {"REVERSE_V2": 1} and found.share == 0.8


def test_without_a_delegate():
    found = from_nodes(CHAIN)
    assert (found.delegated, found.partitions, found.share) == (0, 0, 0.0)
    assert sum(found.left.values()) == 5
    assert from_nodes([]).share == 0.0


def test_a_real_file(tmp_path):
    model = cnn()
    report = verify(model, export_tflite(model, tmp_path / "s.tflite"), data_for(model))
    assert report.delegation.operators == sum(report.operators.values())
    assert report.delegation.partitions == 1 and report.delegation.left == {}
    x = keras.Input((8, 8, 1), name="image")
    y = keras.ops.flip(layers.Conv2D(4, 3)(x), 1)
    split = keras.Model(x, layers.Conv2D(2, 3)(y))
    path = export_tflite(split, tmp_path / "split.tflite").path
    report = verify(split, path, data_for(split, 8))
    assert report.delegation.partitions == 2 and report.delegation.left == {
        "REVERSE_V2": 1
    }
    assert schema.operators(schema.load(path))["REVERSE_V2"] == 1
