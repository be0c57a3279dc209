"""A manifest returns as it was written, or not at all."""

import dataclasses
import json

import numpy as np
import pytest

from keras_kd.store.fields import Int8, Leaf, TopK, Whole
from keras_kd.store.layout import MANIFEST, Layout
from keras_kd.store.manifest import Manifest


def manifest(**changes):
    leaves = (
        Leaf("output", (), TopK((1000,), 10, temperature=4.0), "output"),
        Leaf("body", (), Int8((7, 7, 8)), "body"),
        Leaf("pairs", ("a", 1), Whole((3,), "float32"), "pairs_a_1"),
    )
    told = {"teacher": {"weights": "3f", "size": None}, "data": {"count": 50}}
    whole = Manifest(Layout(50, 3, 16), leaves, 8, 7, told, {"engine": "tensorflow"})
    return dataclasses.replace(whole, **changes)


def test_it_returns_as_it_was(tmp_path):
    whole = manifest()
    whole.write(tmp_path)
    again = Manifest.read(tmp_path)
    assert again == whole
    assert again.leaves[0].field.temperature == 4.0
    assert again.taps == ("output", "body", "pairs")
    assert again.row_bytes == 22 + 7 * 7 * 8 + 8 * 4 + 12
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]


def test_equal_inputs_give_equal_bytes(tmp_path):
    turned = {"data": {"count": 50}, "teacher": {"size": None, "weights": "3f"}}
    manifest().write(tmp_path / "a")
    manifest(identities=turned).write(tmp_path / "b")
    first, second = ((tmp_path / x / MANIFEST).read_bytes() for x in "ab")
    assert first == second
    Manifest.read(tmp_path / "a").write(tmp_path / "c")
    assert (tmp_path / "c" / MANIFEST).read_bytes() == first


def test_tuples_are_the_lists_that_json_makes_of_them(tmp_path):
    manifest(identities={"augment": (1, {"size": (2, 3)})}).write(tmp_path)
    again = Manifest.read(tmp_path)
    assert again == manifest(identities={"augment": [1, {"size": [2, 3]}]})


@pytest.mark.parametrize("wrong", [np.float32(1), float("nan"), object()])
def test_identities_are_what_json_takes(wrong):
    with pytest.raises(TypeError, match="`identities` must hold what JSON takes"):
        manifest(identities={"augment": wrong})


def test_every_flipped_bit_is_refused(tmp_path):
    manifest().write(tmp_path)
    path = tmp_path / MANIFEST
    whole = bytearray(path.read_bytes())
    for place in range(len(whole)):
        whole[place] ^= 1 << (place % 8)
        path.write_bytes(whole)
        with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
            Manifest.read(tmp_path)
        whole[place] ^= 1 << (place % 8)
    path.write_bytes(whole)
    assert Manifest.read(tmp_path) == manifest()


def test_every_other_length_and_every_other_space_is_refused(tmp_path):
    manifest().write(tmp_path)
    path = tmp_path / MANIFEST
    whole = path.read_bytes()
    others = [whole[:end] for end in range(0, len(whole), 37)]
    others += [whole[:-1], whole + b"\n", whole + b"{}", whole.replace(b"\n ", b"\n\t")]
    others += [b"[]", b"{}", b"null", b"\xff"]
    for other in others:
        path.write_bytes(other)
        with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
            Manifest.read(tmp_path)


def test_another_format_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_kd.store.manifest.FORMAT", 9)
    manifest().write(tmp_path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"has format 9; this version reads 1"):
        Manifest.read(tmp_path)


def test_a_folder_without_one_is_no_store(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no store of targets"):
        Manifest.read(tmp_path)


def test_it_is_json_that_others_can_read(tmp_path):
    manifest().write(tmp_path)
    told = json.loads((tmp_path / MANIFEST).read_text())
    assert told["leaves"][0]["field"] == {
        "kind": "top_k",
        "shape": [1000],
        "k": 10,
        "precision": "compact",
        "temperature": 4.0,
    }
    assert told["layout"] == {"examples": 50, "views": 3, "range_rows": 16}
