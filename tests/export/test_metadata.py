"""Metadata in a .tflite file: what is written, what is refused, what stays."""

import io
import warnings
import zipfile

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated
from keras import layers

from keras_kd.export import Metadata, export_tflite, read_metadata, schema
from keras_kd.export.metadata import embed, tables
from keras_kd.export.metadata.embed import ENTRY, OWN_ENTRY
from keras_kd.export.metadata.props import from_props, to_props
from keras_kd.export.metadata.read import associated_files
from keras_kd.export.runtime import Runner
from tests.export.students import data_for, tokens, two_by_dict, two_by_list

WORDS = ["<PAD>", "<UNKNOWN>", "good", "bad", "don't"]


def picture(channels=3, activation="softmax"):
    x = keras.Input((8, 8, channels), name="image")
    y = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(x))
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(x, layers.Dense(3, activation=activation, name="class")(y))


def pixels(channels=3):
    shape = (120, 8, 8, channels)
    return np.random.default_rng(0).integers(0, 256, shape).astype("float32")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The bytes of a few files, made once."""
    folder = tmp_path_factory.mktemp("files")

    def made(name, model, *args, **kwargs):
        return export_tflite(model, folder / f"{name}.tflite", *args, **kwargs)

    keras.utils.set_random_seed(0)
    image = picture()
    results = {
        "image": made("image", image, "float32"),
        "uint8": made("uint8", image, "int8", pixels(), io="uint8"),
        "int8": made("int8", image, "int8", pixels()),
        "grey": made("grey", picture(1, None), "float32"),
        "list": made("list", two_by_list(), "float32"),
        "dict": made("dict", two_by_dict(), "float32"),
        "tokens": made("tokens", tokens(), "float32"),
    }
    return {name: result.path.read_bytes() for name, result in results.items()}


def table_of(content):
    model = schema.load(content)
    (entry,) = (e for e in model.metadata if schema.text(e.name) == ENTRY)
    return tables.unpack(bytes(model.buffers[entry.buffer].data))


def ends(content):
    (graph,) = table_of(content)["subgraph_metadata"]
    return graph["input_tensor_metadata"], graph["output_tensor_metadata"]


FULL = Metadata(
    "Pets",
    description="Cats, dogs and birds.",
    author="Ada",
    license="Apache-2.0",
    version="1.2",
    labels=["cat", "dog", "böse Möwe"],
    mean=0,
    std=1,
    teacher="ResNet-50",
)


def test_everything_comes_back(files):
    found = read_metadata(embed(files["image"], FULL, "float32"))
    assert found == {
        "name": "Pets",
        "description": "Cats, dogs and birds.",
        "author": "Ada",
        "license": "Apache-2.0",
        "version": "1.2",
        "teacher": "ResNet-50",
        "recipe": "float32",
        "mean": [0.0],
        "std": [1.0],
        "labels": {"class": ["cat", "dog", "böse Möwe"]},
    }
    assert read_metadata(files["image"]) == {}


@pytest.mark.parametrize("name", ["image", "uint8", "int8", "dict", "list", "tokens"])
def test_the_file_runs_as_before(name, files, tmp_path):
    before, after = tmp_path / "before.tflite", tmp_path / "after.tflite"
    before.write_bytes(files[name])
    after.write_bytes(embed(files[name], Metadata("Mine", author="Ada")))
    first, second = Runner(before), Runner(after)
    rng = np.random.default_rng(0)
    batch = {
        key: rng.random((3, *details["shape"][1:])).astype("float32") * 9
        if details["dtype"] != np.int32
        else rng.integers(0, 20, (3, *details["shape"][1:])).astype("int32")
        for key, details in first.inputs.items()
    }
    for key, array in first(batch).items():
        np.testing.assert_array_equal(array, second(batch)[key])


def test_writing_twice_replaces(files):
    once = embed(files["image"], FULL, "float32")
    assert embed(once, FULL, "float32") == once
    other = embed(once, Metadata("Other"))
    assert read_metadata(other) == {"name": "Other", "mean": [0.0], "std": [1.0]}
    assert list(associated_files(other)) == ["keras_kd.json"]
    names = [schema.text(e.name) for e in schema.load(other).metadata]
    assert len(names) == len(set(names)) and OWN_ENTRY in names


def test_what_others_wrote_into_the_file_stays(files):
    before, after = (
        {schema.text(e.name): bytes(m.buffers[e.buffer].data) for e in m.metadata}
        for m in map(schema.load, (files["image"], embed(files["image"], FULL)))
    )
    assert before and {name: after[name] for name in before} == before


def test_weights_keep_their_alignment(files):
    """Python's flatbuffer builder drops it, without an error."""
    content = embed(files["image"], FULL)
    root = generated.Model.GetRootAs(bytearray(content), 0)
    places = []
    for index in range(root.BuffersLength()):
        table = root.Buffers(index)._tab
        if table.Offset(4):
            places.append(table.Vector(table.Offset(4)))
    assert len(places) > 3
    assert all(place % 16 == 0 for place in places)


def test_the_entry_is_found_by_its_identifier_and_parser_version(files):
    model = schema.load(embed(files["image"], FULL))
    (entry,) = (e for e in model.metadata if schema.text(e.name) == ENTRY)
    assert bytes(model.buffers[entry.buffer].data)[4:8] == b"M001"
    assert table_of(embed(files["image"], FULL))["min_parser_version"] == "1.0.0"


def test_a_picture_is_described_as_one(files):
    (image,), (answer,) = ends(embed(files["image"], FULL))
    assert image["name"] == "image" and answer["name"] == "class"
    assert image["content"] == {
        "kind": tables.IMAGE,
        "properties": {
            "color_space": tables.RGB,
            "default_size": {"width": 8, "height": 8},
        },
    }
    (unit,) = image["process_units"]
    assert unit == {
        "kind": tables.NORMALIZATION,
        "options": {"mean": [0.0], "std": [1.0]},
    }
    assert image["stats"] == {"min": [0.0], "max": [255.0]}
    assert answer["stats"] == {"min": [0.0], "max": [1.0]}
    assert answer["description"].startswith("Probabilities")
    (file,) = answer["associated_files"]
    assert file["type"] == tables.AXIS_LABELS and file["name"] == "labels.txt"


def test_a_grey_picture_and_bare_scores(files):
    (image,), (answer,) = ends(embed(files["grey"], Metadata("x", mean=127, std=128)))
    assert image["content"]["properties"]["color_space"] == tables.GRAYSCALE
    assert image["stats"]["min"][0] == pytest.approx(-127 / 128)
    assert "stats" not in answer and answer["description"] == "Scores."


def test_normalization_is_written_even_if_there_is_none(files):
    """MediaPipe refuses a float file without it."""
    (image,), _ = ends(embed(files["image"], Metadata("x")))
    assert image["process_units"][0]["options"] == {"mean": [0.0], "std": [1.0]}


def test_numbers_per_channel(files):
    content = embed(files["image"], Metadata("x", mean=[1, 2, 3], std=[4, 5, 6]))
    assert read_metadata(content)["mean"] == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="or 3 for the channels of input 'image'"):
        embed(files["image"], Metadata("x", mean=[1, 2], std=[4, 5]))


def test_tensors_stand_in_the_order_of_the_file(files):
    for name in ("list", "dict"):
        model = schema.load(files[name])
        (signature,) = model.signatureDefs
        inputs, outputs = ends(embed(files[name], Metadata("x")))
        for found, order, entries in (
            (inputs, model.subgraphs[0].inputs, signature.inputs),
            (outputs, model.subgraphs[0].outputs, signature.outputs),
        ):
            names = {int(e.tensorIndex): schema.text(e.name) for e in entries}
            assert [f["name"] for f in found] == [names[int(i)] for i in order]


def test_labels_by_output(files):
    labels = {"zoo": ["ape", "bat", "cow"]}
    content = embed(files["dict"], Metadata("x", labels=labels))
    assert read_metadata(content)["labels"] == labels
    assert "zoo_labels.txt" in associated_files(content)


def test_the_zip_is_one_that_others_open(files):
    with zipfile.ZipFile(io.BytesIO(embed(files["image"], FULL))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["keras_kd.json", "labels.txt"]
        assert archive.read("labels.txt").decode() == "cat\ndog\nböse Möwe\n"
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}


def test_a_regex_tokenizer(files):
    metadata = Metadata("Mood", vocabulary=WORDS, tokenizer="regex")
    content = embed(files["tokens"], metadata)
    found = read_metadata(content)
    assert found["tokenizer"] == "regex" and found["vocabulary"] == WORDS
    assert found["delimiter"] == r"[^\w\']+"
    assert associated_files(content)["vocab.txt"].startswith(b"<PAD> 0\n<UNKNOWN> 1\n")
    (entry,), _ = ends(content)
    assert [unit["kind"] for unit in entry["process_units"]] == [tables.REGEX]
    assert table_of(content)["min_parser_version"] == "1.2.1"


def test_a_bert_tokenizer_names_its_three_inputs(tmp_path):
    names = ("input_mask", "token_type_ids", "input_word_ids")
    inputs = [keras.Input((6,), dtype="int32", name=name) for name in names]
    y = layers.Embedding(9, 4)(keras.ops.sum(keras.ops.stack(inputs), 0) % 9)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(y)))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "##ish"]
    metadata = Metadata("Mood", vocabulary=words, tokenizer="bert")
    result = export_tflite(model, tmp_path / "s.tflite", "float32", metadata=metadata)
    found, _ = ends(result.path.read_bytes())
    assert sorted(f["name"] for f in found) == ["ids", "mask", "segment_ids"]
    (graph,) = table_of(result.path.read_bytes())["subgraph_metadata"]
    assert [unit["kind"] for unit in graph["input_process_units"]] == [tables.BERT]
    assert read_metadata(result)["vocabulary"] == words


def test_the_main_signature_of_several_is_described(tmp_path):
    model = picture()
    features = keras.Model(model.input, model.layers[-2].output)
    result = export_tflite(
        model,
        tmp_path / "s.tflite",
        "float32",
        signatures={"features": features},
        metadata=FULL,
    )
    assert read_metadata(result)["labels"] == {"class": list(FULL.labels)}
    assert read_metadata(result)["recipe"] == "float32"
    runner = Runner(result.path, signature="features")
    assert runner({"image": pixels()[:2]})[next(iter(runner.outputs))].shape == (2, 4)


def test_pixels_that_a_client_would_misread_are_told(files):
    """MediaPipe hands a uint8 file its pixels untouched, whatever its scale is."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embed(files["uint8"], Metadata("x", mean=0, std=1))
        embed(files["image"], Metadata("x", mean=127.5, std=127.5))
    with pytest.warns(UserWarning, match="MediaPipe hands in pixels untouched"):
        embed(files["uint8"], Metadata("x", mean=127.5, std=127.5))


@pytest.mark.parametrize(
    "name, fields, message",
    [
        ("image", {"labels": ["a", "b"]}, "must be 3, one for each class. Received: 2"),
        ("image", {"labels": {"clas": ["a"]}}, "Did you mean 'class'"),
        ("dict", {"labels": ["a"]}, "must be a dict from output name"),
        ("tokens", {"mean": 0, "std": 1}, "need an input of pixels or other numbers"),
        (
            "image",
            {"vocabulary": WORDS, "tokenizer": "regex"},
            "needs an input of token ids",
        ),
    ],
)
def test_what_does_not_fit_the_file_is_refused(name, fields, message, files):
    with pytest.raises(ValueError, match=message):
        embed(files[name], Metadata("x", **fields))


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"name": ""}, "`name` must not be empty"),
        ({"author": 3}, "`author` must be a string. Received: author=3"),
        ({"labels": "abc"}, "`labels` must be a sequence of strings"),
        ({"labels": []}, "`labels` must not be empty"),
        ({"labels": ["a", "b\nc"]}, "strings of one line"),
        ({"labels": {"out": ["a", ""]}}, "none empty"),
        ({"mean": 1}, "must be given together. Received: mean=1, std=None"),
        ({"mean": 1, "std": 0}, "`std` must be positive"),
        ({"mean": [1, 2], "std": 3}, "one number each, or one per channel"),
        ({"mean": "grey", "std": 1}, "`mean` must be a number"),
        ({"vocabulary": WORDS}, "Received only `vocabulary`"),
        ({"tokenizer": "regex"}, "Received only `tokenizer`"),
        ({"vocabulary": WORDS, "tokenizer": "word"}, "`tokenizer` must be one of"),
        ({"vocabulary": ["a"], "tokenizer": "regex"}, "It lacks .'<PAD>', '<UNKNOWN>'"),
        ({"vocabulary": [*WORDS, "bad"], "tokenizer": "regex"}, "a token twice"),
        ({"vocabulary": [*WORDS, "a b"], "tokenizer": "regex"}, "without spaces"),
        (
            {"vocabulary": WORDS, "tokenizer": "regex", "delimiter": "("},
            "must be a regular expression",
        ),
    ],
)
def test_a_wrong_field_is_refused_at_construction(fields, message):
    with pytest.raises(ValueError, match=message):
        Metadata(**{"name": "x", **fields})


def test_only_metadata_is_embedded_and_only_files_are_read(files, tmp_path):
    with pytest.raises(TypeError, match="must be a Metadata. Received: dict"):
        embed(files["image"], {"name": "x"})
    with pytest.raises(ValueError, match="lacks the mark"):
        embed(b"nothing at all", Metadata("x"))
    (tmp_path / "s.txt").write_text("hello, world")
    with pytest.raises(ValueError, match="must be a .tflite or an .onnx file"):
        read_metadata(tmp_path / "s.txt")
    with pytest.raises(ValueError, match="neither a .tflite nor an .onnx file"):
        read_metadata(b"\xff\xff\xff\xff nothing")
    with pytest.raises(FileNotFoundError):
        read_metadata(tmp_path / "absent.tflite")


def test_an_unknown_field_or_another_buffer_is_refused():
    with pytest.raises(ValueError, match="ModelMetadata has no fields .'nmae'"):
        tables.pack({"nmae": "x"})
    with pytest.raises(ValueError, match="identifier"):
        tables.unpack(b"12345678")


def test_properties_of_an_onnx_file_go_there_and_back():
    metadata = Metadata(
        "Mood", labels=["a", "b"], vocabulary=WORDS, tokenizer="regex", teacher="BERT"
    )
    props = to_props(metadata, {"out": 2}, "int8")
    assert all(isinstance(value, str) for value in props.values())
    found = from_props(props)
    assert found["labels"] == {"out": ["a", "b"]} and found["vocabulary"] == WORDS
    assert found["teacher"] == "BERT" and found["recipe"] == "int8"
    assert from_props({"labels": "cat,dog"}) == {"labels": "cat,dog"}


def test_data_is_not_needed_to_export_with_metadata(tmp_path):
    model = tokens()
    export_tflite(
        model, tmp_path / "s.tflite", "dynamic_int8", metadata=Metadata("Mood")
    )
    found = read_metadata(tmp_path / "s.tflite")
    assert found == {"name": "Mood", "recipe": "dynamic_int8"}
    data = data_for(model, 3)
    answered = Runner(tmp_path / "s.tflite")(data)["head"]
    np.testing.assert_allclose(answered, model(data["tokens"]), atol=1e-2)
