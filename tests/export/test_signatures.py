"""Several signatures in one file, over one set of weights."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.compress.quantize.training import quantize_aware
from keras_kd.export import VerificationError, export_tflite, schema, verify
from keras_kd.export.runtime import Runner


def student():
    """Most of its bytes are in one kernel, which both parts use."""
    x = keras.Input((32,), name="x")
    y = layers.Dense(256, activation="relu", name="hidden")(x)
    y = layers.Dense(64, activation="relu", name="features")(y)
    model = keras.Model(x, layers.Dense(4, name="logits")(y))
    return model, keras.Model(x, y)


DATA = np.random.default_rng(0).normal(size=(120, 32)).astype("float32")


@pytest.mark.parametrize("recipe", ["float32", "int8", "weight_only_int8"])
def test_weights_are_stored_once(recipe, tmp_path):
    model, features = student()
    one = export_tflite(model, tmp_path / "one.tflite", recipe, DATA)
    two = export_tflite(
        model, tmp_path / "two.tflite", recipe, DATA, signatures={"embed": features}
    )
    weights = one.report["bytes"]
    assert two.report["bytes"] < weights + 0.25 * weights + 1500
    contents = [schema.load(result.path) for result in (one, two)]
    # Scales and biases may be there twice; kernels are not.
    assert schema.parameters(contents[1]) < 1.1 * schema.parameters(contents[0])
    assert set(two.report["signatures"]) == {"serve", "embed"}
    assert one.report["signatures"] is None


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_each_signature_answers_as_its_model(recipe, tmp_path):
    model, features = student()
    path = tmp_path / "two.tflite"
    export_tflite(model, path, recipe, DATA, signatures={"embed": features})
    tolerance = 1e-4 if recipe == "float32" else 0.2
    assert verify(model, path, DATA, limit=20).max_error < tolerance
    answered = Runner(path, signature="embed")({"x": DATA[:20]})["features"]
    np.testing.assert_allclose(answered, features(DATA[:20]), atol=tolerance)
    assert list(Runner(path, signature="serve").outputs) == ["logits"]
    with pytest.raises(VerificationError, match="no signature 'embd'.*mean 'embed'"):
        Runner(path, signature="embd")


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_clients_that_know_no_signatures_run_the_main_one(recipe, tmp_path):
    """The converter sorts by name, and `invoke()` runs the first subgraph."""
    model, features = student()
    path = tmp_path / "two.tflite"
    export_tflite(model, path, recipe, DATA, signatures={"embed": features})
    interpreter = Runner(path, signature="serve").interpreter
    [details] = interpreter.get_output_details()
    assert list(details["shape"]) == [1, 4]
    contents = schema.load(path)
    first = {
        schema.text(d.signatureKey): d.subgraphIndex for d in contents.signatureDefs
    }
    assert first["serve"] == 0


def test_loops_find_their_bodies_when_subgraphs_change_places(tmp_path):
    x = keras.Input((5, 3), name="x")
    y = layers.LSTM(4, name="memory")(x)
    model = keras.Model(x, layers.Dense(2, name="logits")(y))
    path = tmp_path / "two.tflite"
    signatures = {"embed": keras.Model(x, y)}
    export_tflite(model, path, "float32", signatures=signatures)
    steps = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32")
    assert verify(model, path, steps).max_error < 1e-5
    answered = Runner(path, signature="embed")({"x": steps})["memory"]
    np.testing.assert_allclose(answered, signatures["embed"](steps), atol=1e-5)


def test_a_single_signature_keeps_its_name(tmp_path):
    model, _ = student()
    path = export_tflite(model, tmp_path / "one.tflite").path
    keys = list(Runner(path).interpreter.get_signature_list())
    assert keys == ["serving_default"]


def test_softmax_outside_in_one_signature_of_two(tmp_path):
    x = keras.Input((32,), name="x")
    y = layers.Dense(16, name="features")(x)
    model = keras.Model(x, layers.Dense(9, "softmax", name="classes")(y))
    result = export_tflite(
        model,
        tmp_path / "s.tflite",
        "int8",
        DATA,
        float_softmax=True,
        signatures={"embed": keras.Model(x, y)},
    )
    assert result.report["operators"]["SOFTMAX"] == 1
    assert verify(model, result, DATA).max_error < 0.02


@pytest.mark.parametrize("name", ["serve", "serving_default", "my embedding", "", 3])
def test_names_that_cannot_be_had(name, tmp_path):
    model, features = student()
    with pytest.raises(ValueError, match="`signatures` must have names of letters"):
        export_tflite(model, tmp_path / "s.tflite", signatures={name: features})


def test_what_is_no_model_is_refused(tmp_path):
    model, _ = student()
    with pytest.raises(TypeError, match="'embed' is a Dense"):
        export_tflite(
            model, tmp_path / "s.tflite", signatures={"embed": layers.Dense(2)}
        )


def test_a_signature_may_take_some_of_the_inputs(tmp_path):
    a, b = keras.Input((8,), name="a"), keras.Input((4,), name="b")
    y = layers.Dense(6, name="of_a")(a)
    both = layers.Dense(3, name="of_both")(layers.Concatenate()([y, b]))
    model, part = keras.Model([a, b], both), keras.Model(a, y)
    data = {"a": DATA[:, :8], "b": DATA[:, :4]}
    result = export_tflite(
        model,
        tmp_path / "s.tflite",
        "int8",
        lambda: iter([data]),  # read once, for both
        signatures={"part": part},
    )
    assert [i["name"] for i in result.report["signatures"]["part"]["inputs"]] == ["a"]
    answered = Runner(result.path, signature="part")({"a": data["a"]})["of_a"]
    np.testing.assert_allclose(answered, part(data["a"]), atol=0.1)


def test_a_signature_of_other_inputs_cannot_be_calibrated(tmp_path):
    model, _ = student()
    other = keras.Input((3,), name="z")
    further = keras.Model(other, layers.Dense(2)(other))
    path = tmp_path / "s.tflite"
    with pytest.raises(ValueError, match=r"'f' has the inputs \['z'\].*dynamic_int8"):
        export_tflite(model, path, "int8", {"x": DATA}, signatures={"f": further})
    export_tflite(model, path, "dynamic_int8", signatures={"f": further})


def test_quantize_aware_and_plain_do_not_mix(tmp_path):
    model, features = student()
    trained = quantize_aware(model, "int8", calibration_data=DATA)
    path = tmp_path / "s.tflite"
    with pytest.raises(ValueError, match=r"all be quantize-aware.*\['embed'\]"):
        export_tflite(trained, path, signatures={"embed": features})
    inside = keras.Model(trained.input, trained.get_layer("features_range").output)
    result = export_tflite(trained, path, signatures={"embed": inside})
    assert result.report["float_islands"] == []
    assert verify(trained, path, DATA).max_error < 0.1
