"""The parts of `benchmarks/phone.py`; its figures come from running it."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def phone():
    """The benchmark's modules by name, and no trace of them afterwards."""
    path, loaded = [*sys.path], set(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    names = ("cache", "digits", "image", "measuring", "picture", "table", "task")
    names += ("text", "training")
    yield {name: importlib.import_module(f"phone.{name}") for name in names}
    sys.path[:] = path
    for name in set(sys.modules) - loaded:
        if name.partition(".")[0] in ("phone", "demo", "models"):
            del sys.modules[name]


@pytest.fixture
def cache(phone, tmp_path):
    return phone["cache"].Cache(tmp_path / "stage", {"width": 3})


def task_of(phone, **changes):
    """Four classes of 4×4 images that differ in the corner which is lit."""
    rng = np.random.default_rng(0)
    labels = np.arange(160) % 4
    images = rng.uniform(0, 0.2, (160, 4, 4, 1)).astype("float32")
    for corner in range(4):
        y, x = 2 * (corner // 2), 2 * (corner % 2)
        images[labels == corner, y : y + 2, x : x + 2] += 0.8

    def network():
        inputs = keras.Input((4, 4, 1), name="image")
        x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
        return keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Flatten()(x)))

    fields = {
        "name": "corners",
        "family": "cnn",
        "teacher_name": "the labels",
        "teacher_accuracy": 1.0,
        "about": "corners",
        "x_train": images[:120],
        "y_train": labels[:120],
        "x_test": images[120:],
        "y_test": labels[120:],
        "network": network,
        "training": phone["task"].Training(8, 2e-2, 1, 1e-3, batch_size=24),
        "recipes": ("float32", "dynamic_int8"),
        "modes": (),
        "logits": 8 * np.eye(4, dtype="float32")[labels[:120]],
    }
    return phone["task"].Task(**fields | changes)


def figures(drop=0.1, bytes_=260, failed=False):
    """Two rows of a CNN as `measure` gives them."""
    plain = {
        "recipe": "float32",
        "training": "after",
        "samples": [100],
        "accuracy": [0.9],
        "drop": [0.0],
        "agreement": [1.0],
        "bytes": 1000,
        "gzip_bytes": 900,
        "parameters": 240,
        "latency_ms": 0.02,
        "latency_ratio": 1.0,
        "no_instructions": "no emulator",
    }
    small = {**plain, "recipe": "int8", "bytes": bytes_, "drop": [drop, drop]}
    if failed:
        small = {"recipe": "int8", "training": "after", "failed": "ExportError: no"}
    settings = {"teacher": "t", "seeds": [0], "parameters": 5}
    settings |= {"training inputs": 7, "test inputs": 100}
    return {
        "family": "cnn",
        "about": "corners",
        "settings": settings,
        "teacher": 1.0,
        "student": [0.9],
        "more": [0.91],
        "auto": {"recipe": "int8", "reason": "integers"},
        "rows": [plain, small],
    }


class TestCache:
    def test_a_stage_is_computed_once(self, cache):
        calls = []

        def make():
            calls.append(1)
            return {"x": np.arange(3)}

        for _ in range(2):
            np.testing.assert_array_equal(cache.arrays("a", make)["x"], [0, 1, 2])
        assert [cache.record("b", lambda v=v: v) for v in (1, 2)] == [1, 1]
        assert len(calls) == 1

    def test_a_stage_that_failed_leaves_nothing(self, cache):
        with pytest.raises(TypeError):
            cache.record("b", lambda: object())
        assert cache.record("b", lambda: 5) == 5

    def test_other_settings_have_another_folder(self, phone, cache, tmp_path):
        other = phone["cache"].Cache(tmp_path / "stage", {"width": 4})
        assert other.path != cache.path
        same = phone["cache"].Cache(tmp_path / "stage", {"width": 3})
        assert same.path == cache.path

    def test_weights_come_back(self, phone, cache):
        def network():
            return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

        weights = [np.array([[3.0], [4.0]]), np.array([5.0])]
        one = cache.trained("m", network(), lambda m: m.set_weights(weights))
        two = cache.trained("m", network(), lambda m: pytest.fail("trained again"))
        for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


class TestGoals:
    @pytest.mark.parametrize(
        "changes, missed",
        [
            ({}, []),
            ({"drop": 0.6}, ["accuracy lost by int8 after training, CNNs, points"]),
            ({"bytes_": 280}, ["int8 bytes : float32 bytes, CNNs"]),
        ],
    )
    def test_missed_goals_are_told(self, phone, changes, missed):
        rows = phone["table"].reached({"corners": figures(**changes)})
        assert [row["goal"] for row in rows if row["met"] is False] == missed

    def test_what_was_not_measured_is_not_reached(self, phone):
        tasks = {"corners": figures(failed=True)}
        assert {row["met"] for row in phone["table"].reached(tasks)} == {None}
        text = phone["table"].markdown(tasks, "without VNNI")
        assert "ExportError: no" in text and "not measured" in text

    def test_the_table_shows_what_was_skipped_and_why(self, phone):
        tasks = {"corners": figures(drop=0.6), "text": {"skipped": "no package"}}
        text = phone["table"].markdown(tasks, "without VNNI")
        assert "Skipped: no package" in text
        assert "**not reached**" in text
        assert "No instructions: no emulator" in text
        assert "| int8 | PTQ | 260 | 0.260 |" in text


def test_the_picture_is_drawn(phone, tmp_path):
    path = tmp_path / "phone.png"
    phone["picture"].draw({"text": {"skipped": "no package"}}, path)
    assert not path.exists()
    phone["picture"].draw({"corners": figures(), "text": {"skipped": "no"}}, path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_cpu_is_told_apart(phone, tmp_path):
    path = tmp_path / "cpuinfo"
    words = phone["measuring"].byte_products
    assert words(path) == "of which nothing more is known"
    path.write_text("flags : sse avx512_vnni fma\n")
    assert words(path).startswith("with dot")
    path.write_text("flags : sse fma\n")
    assert words(path).startswith("without dot")


def test_files_come_with_and_without_aware_training(phone):
    task = task_of(phone, recipes=("float32", "int8"), modes=("int8",))
    names = [file.name for file in phone["measuring"].files(task)]
    assert names == ["float32_after", "int8_after", "int8_aware"]


def test_words_get_numbers_and_texts_one_length(phone):
    text = phone["text"]
    known = text.vocabulary(["Good, good day!", "bad day"])
    assert set(known) == {"good", "day", "bad", "!"} and min(known.values()) == 2
    ids = text.numbered(["GOOD night", "day " * 100], known)
    assert ids.shape == (2, text.LENGTH)
    assert ids[0].tolist()[:3] == [known["good"], 1, 0]
    assert (ids[1] == known["day"]).all()


def test_data_that_is_not_there_is_told(phone, tmp_path):
    for folder in (None, tmp_path):
        with pytest.raises(phone["task"].Unavailable, match="KERAS_KD_DATA"):
            phone["image"].task(folder, tmp_path)


def test_stored_answers_go_with_their_input(phone):
    task = task_of(phone)
    (x, y), *_ = phone["training"].batches(task, seed=0).take(1)
    answers = y["teacher"]["output"].numpy().argmax(-1)
    np.testing.assert_array_equal(answers, y["labels"].numpy())
    lit = [i.numpy().reshape(2, 2, 2, 2).sum((1, 3)).argmax() for i in x[..., 0]]
    np.testing.assert_array_equal(lit, answers)


@pytest.mark.slow
def test_a_task_is_measured_once(phone, cache, capsys, monkeypatch):
    monkeypatch.setattr(phone["measuring"], "RUNS", 20)
    task = task_of(phone)
    found = phone["measuring"].measure(task, cache)
    plain, small = found["rows"]
    assert found["student"] == plain["accuracy"] and plain["accuracy"][0] > 0.9
    assert plain["drop"] == [0.0] and plain["agreement"] == [1.0]
    assert small["recipe"] == "dynamic_int8" and small["bytes"] > 0
    assert found["auto"]["family"] == "cnn"
    assert json.loads(json.dumps(found)) == found
    capsys.readouterr()
    assert phone["measuring"].measure(task, cache)["rows"] == found["rows"]
    assert "dynamic_int8" not in capsys.readouterr().out


def test_settings_name_what_figures_depend_on(phone):
    task = task_of(phone)
    assert task.settings() == task_of(phone).settings()
    longer = dataclasses.replace(task.training, epochs=9)
    assert task_of(phone, training=longer).settings() != task.settings()
