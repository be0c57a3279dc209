"""What is rebuilt before it is converted, and what is refused."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.export.prepare import deployable, float32_config, in_float32
from keras_kd.export.signature import signature_of
from tests.export.students import cnn, data_for, recurrent, sequential, subclassed

# Keras 3.15 hands its variables to NumPy 2 without the `copy` keyword.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


def answers(model, batch):
    signature = signature_of(model)
    outputs = signature.name_outputs(model(signature.pack(batch), training=False))
    return {name: np.asarray(value, "float32") for name, value in outputs.items()}


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("make", [cnn, sequential, subclassed])
def test_another_precision_is_rebuilt_with_the_same_weights(policy, make):
    keras.config.set_dtype_policy(policy)
    model = make()
    rebuilt, notes = deployable(model)
    assert keras.config.dtype_policy().name == policy
    assert {w.dtype for w in rebuilt.weights} == {"float32"}
    assert {layer.compute_dtype for layer in rebuilt.layers} == {"float32"}
    assert policy in notes[0]
    batch = data_for(rebuilt, 4)
    for name, value in answers(model, batch).items():
        np.testing.assert_allclose(answers(rebuilt, batch)[name], value, atol=0.05)


def test_a_float32_model_is_left_alone():
    model = cnn()
    assert deployable(model) == (model, [])


def test_casts_and_policy_maps_are_rewritten_too():
    mixed = {"module": "keras", "class_name": "DTypePolicyMap", "config": {}}
    config = float32_config(
        {"dtype": mixed, "to": {"dtype": "float16"}, "batch": {"dtype": "int32"}}
    )
    assert config["dtype"]["config"] == {"name": "float32"}
    assert config["to"] == {"dtype": "float32"}
    assert config["batch"] == {"dtype": "int32"}


def test_a_model_that_does_not_serialize_says_what_to_do():
    class Fixed(layers.Layer):
        def __init__(self):
            super().__init__(dtype="mixed_float16")

        def call(self, inputs):
            return inputs * 2

        def get_config(self):
            return {}

    x = keras.Input((4,))
    with pytest.raises(ValueError, match="fix their own dtype.*set_weights"):
        in_float32(keras.Model(x, Fixed()(x)))


def test_lora_is_refused_and_the_way_out_works(tmp_path):
    model = cnn()
    head = model.get_layer("logits")
    head.enable_lora(2)
    head.lora_kernel_b.assign(np.ones(head.lora_kernel_b.shape))
    with pytest.raises(ValueError, match="'logits' carries LoRA.*save_weights"):
        deployable(model)
    model.save_weights(tmp_path / "w.weights.h5")
    merged = cnn()
    merged.load_weights(tmp_path / "w.weights.h5")
    batch = data_for(model, 4)
    np.testing.assert_allclose(
        answers(merged, batch)["logits"], answers(model, batch)["logits"], atol=1e-5
    )
    assert deployable(merged)[0] is merged


def test_a_model_quantized_by_keras_is_refused():
    model = cnn()
    model.get_layer("logits").quantize("int8")
    with pytest.raises(ValueError, match="quantized by Keras.*recipe='int8'"):
        deployable(model)


def test_a_stateful_model_is_refused():
    x = keras.Input((6, 3), batch_size=1)
    model = keras.Model(x, layers.GRU(2, stateful=True)(x))
    with pytest.raises(ValueError, match="is stateful"):
        deployable(model)


def test_strings_are_refused():
    x = keras.Input((), dtype="string", name="text")
    vectorize = layers.TextVectorization(
        vocabulary=["a", "b"], output_mode="tf_idf", idf_weights=[1.0, 1.0]
    )
    with pytest.raises(ValueError, match="'text' takes strings.*token ids"):
        deployable(keras.Model(x, vectorize(x)))


def test_a_loop_is_no_reason_to_refuse_by_itself():
    assert deployable(recurrent())[1] == []
