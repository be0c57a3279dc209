"""Files that are wrong on purpose fail, and nothing passes unmeasured."""

import dataclasses
import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.export import (
    Gate,
    GateResult,
    LatencyComparison,
    VerificationError,
    compare_latency,
    export_tflite,
    verify,
)
from keras_kd.export.verify.gate import refused, verified
from tests.export.students import cnn, data_for, raw_convert, two_by_list


def twin(model):
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    return other


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A student, what it says about data, and its right file."""
    keras.utils.set_random_seed(0)
    model = cnn(classes=4)
    data = data_for(model, 64)
    labels = np.asarray(model(data["image"])).argmax(1)
    labels[:8] = (labels[:8] + 1) % 4
    folder = tmp_path_factory.mktemp("gate")
    result = export_tflite(model, folder / "s.tflite")
    assert len(set(labels)) == 4
    return model, data, labels, result, folder


@pytest.fixture(scope="module")
def report(world):
    model, data, labels, result, _ = world
    return verify(model, result, data, labels=labels)


def outcome(result):
    return {check.name: check.passed for check in result.checks}


def test_the_right_file_passes_all(world, report):
    _, _, _, result, _ = world
    gate = Gate(0.0, report.bytes, 1e9, False, 1.0)
    found = gate.check(report, compare_latency(result, result, runs=5, warmup=1))
    assert found.passed and len(found.checks) == 5
    assert outcome(found) == dict.fromkeys(
        ("verification", "accuracy drop", "agreement", "bytes", "latency ratio"), True
    )
    fields = found.to_dict()
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields


def permuted(model):
    """The classes in another order."""
    other = twin(model)
    head = other.layers[-1]
    order = [1, 2, 3, 0]
    head.kernel.assign(np.array(head.kernel.value)[:, order])
    head.bias.assign(np.array(head.bias.value)[order])
    return other


def fresh(model):
    """The weights of another training."""
    keras.utils.set_random_seed(7)
    return keras.models.clone_model(model)


def biased(model):
    """Nearly always the first class, but not constant."""
    other = twin(model)
    other.layers[-1].bias.assign_add([50.0, 0.0, 0.0, 0.0])
    return other


@pytest.mark.parametrize("broken", [permuted, fresh, biased])
def test_a_wrong_file_fails(broken, world):
    model, data, labels, _, folder = world
    path = raw_convert(broken(model), folder / f"{broken.__name__}.tflite")
    report = verify(model, path, data, labels=labels)
    found = Gate(max_accuracy_drop=5.0, min_agreement=0.9).check(report)
    assert not found.passed
    assert not outcome(found)["accuracy drop"] and not outcome(found)["agreement"]


@pytest.mark.parametrize("broken", [permuted, biased])
def test_a_file_worse_than_zeros_fails_whatever_was_asked(broken, world):
    model, data, _, _, folder = world
    path = raw_convert(broken(model), folder / f"{broken.__name__}_zeros.tflite")
    report = verify(model, path, data)
    assert report.snr_db < 3
    if report.snr_db < 0:
        found = Gate(max_bytes=10**9).check(report)
        assert outcome(found) == {"verification": False, "bytes": True}
        assert "zeros would be as near" in found.checks[0].message


def test_a_file_with_two_inputs_exchanged_fails(tmp_path):
    model = two_by_list()
    b, a = (keras.Input((4,), name=name) for name in "ba")
    first, second = model([a, b])
    swapped = keras.Model([b, a], {"first": first, "second": second})
    path = raw_convert(swapped, tmp_path / "swapped.tflite")
    report = verify(model, path, data_for(model, 40))
    assert report.snr_db < 6 and report.agreement < 0.9
    assert not Gate(min_agreement=0.95).check(report).passed


def test_a_constant_file_and_one_of_nan_never_reach_the_gate(world):
    model, data, _, _, folder = world
    for name, factor in (("constant", 0.0), ("nan", np.nan)):
        other = twin(model)
        kernel = other.layers[-1].kernel
        kernel.assign(factor * np.array(kernel.value))
        path = raw_convert(other, folder / f"{name}.tflite")
        with pytest.raises(VerificationError):
            verify(model, path, data)
    assert not refused("It is broken.").passed


def test_what_cannot_be_measured_does_not_pass(world):
    model, data, _, result, _ = world
    report = verify(model, result, data)
    found = Gate(max_accuracy_drop=100, max_latency_ratio=100).check(report)
    assert outcome(found) == {
        "verification": True, "accuracy drop": False, "latency ratio": False,
    }  # fmt: skip
    assert all("cannot be measured" in check.message for check in found.checks[1:])
    assert [check.measured for check in found.checks[1:]] == [None, None]


def test_numbers_that_are_none_do_not_pass(report):
    nan = dataclasses.replace(
        report,
        snr_db=math.nan,
        agreement=math.nan,
        bytes=None,
        outputs={
            "logits": dataclasses.replace(report.outputs["logits"], accuracy=math.nan)
        },
    )
    found = Gate(100, 10**9, min_agreement=0.1).check(nan)
    assert set(outcome(found).values()) == {False}
    lowest = dataclasses.replace(report, snr_db=None)
    assert not verified(lowest).passed
    slow = LatencyComparison(
        report.artifact, Path("r"), 1, {"p50": math.nan}, {"p50": 1.0}
    )
    assert not Gate(max_latency_ratio=9).check(report, slow).passed


def test_the_worst_output_counts(report):
    """The lowest accuracies would hide it: .4 of the model's, .4 of the file's."""
    output = report.outputs["logits"]
    both = dataclasses.replace(
        report,
        accuracy=0.4,
        model_accuracy=0.4,
        outputs={
            "bad": dataclasses.replace(output, accuracy=0.5, model_accuracy=0.9),
            "hard": dataclasses.replace(output, accuracy=0.4, model_accuracy=0.4),
        },
    )
    check = Gate(max_accuracy_drop=39).check(both).checks[1]
    assert not check.passed and check.measured == pytest.approx(40)
    assert "'bad' goes from 90.00% to 50.00%, -40.00 points" in check.message


def test_agreement_with_a_model_that_names_one_class_says_nothing(world):
    model, data, _, _, folder = world
    model = biased(model)
    result = export_tflite(model, folder / "one.tflite")
    report = verify(model, result, data)
    assert report.agreement == 1.0
    check = Gate(min_agreement=0.5).check(report).checks[1]
    assert not check.passed and "one class for all samples" in check.message


def test_a_limit_that_is_just_kept_is_kept(report):
    output = dataclasses.replace(
        report.outputs["logits"], accuracy=0.3, model_accuracy=0.305
    )
    exact = dataclasses.replace(report, outputs={"logits": output}, agreement=0.7)
    assert 100 * (0.305 - 0.3) > 0.5
    assert Gate(0.5, report.bytes, min_agreement=0.7).check(exact).passed
    assert not Gate(0.49).check(exact).passed
    assert not Gate(max_bytes=report.bytes - 1).check(exact).passed
    assert not Gate(min_agreement=0.71).check(exact).passed


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """A student as int8, with integers at its ends and with floats."""
    folder = tmp_path_factory.mktemp("int8")
    model = cnn(classes=4)
    data = data_for(model, 120)
    files = {
        io: export_tflite(model, folder / f"{io}.tflite", "int8", data, io=io)
        for io in ("int8", "uint8", "float32")
    }
    return model, data, files


@pytest.mark.parametrize(
    ("io", "only", "strict"), [("int8", 1, 1), ("uint8", 1, 1), ("float32", 1, 0)]
)
def test_int8_only(io, only, strict, quantized):
    model, data, files = quantized
    report = verify(model, files[io], data)
    loose = Gate(int8_only=True).check(report).checks[1]
    tight = Gate(int8_only="strict").check(report).checks[1]
    assert (loose.passed, tight.passed) == (bool(only), bool(strict))
    assert ("2 inputs and outputs are floats" in loose.message) == (io == "float32")
    assert tight.measured == (0 if strict else 2)


def test_a_float_island_is_not_int8_only(tmp_path):
    """Its neighbours are quantized, the part in float is not."""
    x = keras.Input((8, 8, 1), name="image")
    y = layers.Conv2D(4, 3, activation="relu")(x)
    y = keras.ops.floor(y)
    y = keras.ops.cos(y)
    model = keras.Model(x, layers.Dense(3)(layers.Flatten()(y)))
    data = data_for(model, 120)
    result = export_tflite(model, tmp_path / "s.tflite", "int8", data)
    report = verify(model, result, data)
    assert report.float_islands
    found = Gate(int8_only=True).check(report).checks[1]
    assert not found.passed and found.measured >= 1
    assert "not of 8 bits" in found.message


@pytest.mark.parametrize("recipe", ["float32", "dynamic_int8", "float16"])
def test_files_of_floats_are_not_int8_only(recipe, world):
    model, data, _, _, folder = world
    path = export_tflite(model, folder / f"{recipe}_f.tflite", recipe).path
    report = verify(model, path, data)
    assert report.float_islands is None
    assert not Gate(int8_only=True).check(report).passed


def test_an_unknown_format_is_not_int8_only(report):
    other = dataclasses.replace(report, activations=None)
    check = Gate(int8_only=True).check(other).checks[1]
    assert not check.passed and "only a .tflite file tells" in check.message


def test_int16_is_not_int8(quantized):
    model, data, files = quantized
    report = verify(model, files["int8"], data)
    wide = [dict(t, type="INT16") for t in report.activations]
    assert (
        not Gate(int8_only=True)
        .check(dataclasses.replace(report, activations=wide))
        .passed
    )


def test_latency_of_another_file_is_refused(world, report):
    other = LatencyComparison(Path("other.tflite"), Path("r"), 1, {}, {})
    with pytest.raises(ValueError, match="`latency` must be of .*Received: 'other"):
        Gate(max_latency_ratio=1).check(report, other)


def test_no_check_is_no_pass():
    assert not GateResult(()).passed
    with pytest.raises(ValueError, match="`Gate` needs a limit"):
        Gate()


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"max_accuracy_drop": -1}, "percentage points from 0 to 100.*-1"),
        ({"max_accuracy_drop": math.nan}, "percentage points"),
        ({"max_bytes": 0}, "`max_bytes` must be a positive integer"),
        ({"max_latency_ratio": 0.0}, "`max_latency_ratio` must be positive"),
        ({"max_latency_ratio": math.inf}, "`max_latency_ratio` must be positive"),
        ({"int8_only": "very"}, "True, False or 'strict'. Received: int8_only='very'"),
        ({"min_agreement": 99}, "a share, above 0 and at most 1"),
    ],
)
def test_limits_out_of_range(limits, sentence):
    with pytest.raises(ValueError, match=sentence):
        Gate(**limits)
