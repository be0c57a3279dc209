"""Whether the calibration samples were enough."""

import numpy as np
import pytest

from keras_kd.export import export_tflite
from keras_kd.export.tflite.saturation import notes_on
from tests.export.students import cnn, data_for, two_by_dict


def found_for(model, data, tmp_path):
    result = export_tflite(model, tmp_path / "s.tflite", "int8", data)
    return result.report["calibration"], result.report["notes"]


def test_samples_of_one_kind_are_judged_enough(tmp_path):
    model = cnn()
    found, notes = found_for(model, data_for(model, 400), tmp_path)
    assert (found["samples"], found["ranges_from"], found["held_out"]) == (400, 200, 32)
    assert 0 <= found["beyond"] < 0.001 and found["worst"]["overshoot"] < 0.25
    assert notes == []


def test_samples_that_go_on_changing_are_told_of(tmp_path):
    """A camera that gets brighter: the first half says little of the second."""
    model = cnn()
    images = (
        data_for(model, 200)["image"] * np.linspace(0.1, 3, 200)[:, None, None, None]
    )
    found, notes = found_for(model, images, tmp_path)
    assert found["beyond"] > 0.02 and found["worst"]["overshoot"] > 0.25
    assert len(notes) == 1
    assert "beyond the ranges read off 100 samples" in notes[0]
    assert "more, and more varied, data" in notes[0]


def test_the_figures_are_those_of_numpy(tmp_path):
    """Of the input, whose range and values are known."""
    model = cnn()
    images = np.zeros((8, 8, 8, 1), "float32")
    images[:, 0, 0, 0], images[0, 0, 1, 0] = 1.0, -1.0
    images[6, 0, 0, 0] = 5.0
    with pytest.warns(UserWarning, match="holds 8 sample"):
        found, _ = found_for(model, images, tmp_path)
    assert found["ranges_from"] == found["held_out"] == 4
    assert found["worst"]["overshoot"] >= (5 - 1) / 2 - 1e-6


def test_several_inputs(tmp_path):
    model = two_by_dict()
    found, _ = found_for(model, data_for(model), tmp_path)
    assert found["samples"] == 120 and found["beyond"] < 0.01


def test_no_calibration_no_finding():
    assert notes_on(None) == []
    assert notes_on({"beyond": 0.0}) == []
