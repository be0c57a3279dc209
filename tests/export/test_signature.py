"""Names, shapes and order of a model's ends."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.export.signature import signature_of
from tests.export.students import (
    cnn,
    sequential,
    subclassed,
    tokens,
    two_by_dict,
    two_by_list,
)


def ends(model):
    signature = signature_of(model)
    batch = {t.name: np.zeros((2, *t.shape[1:]), t.dtype) for t in signature.inputs}
    outputs = signature.name_outputs(model(signature.pack(batch), training=False))
    return signature.names, list(outputs)


@pytest.mark.parametrize(
    ("make", "inputs", "outputs"),
    [
        (cnn, ["image"], ["logits"]),
        (two_by_list, ["b", "a"], ["first", "second"]),
        (two_by_dict, ["image", "meta"], ["box", "zoo"]),
        (subclassed, ["input"], ["score"]),
        (tokens, ["tokens"], ["head"]),
    ],
)
def test_names(make, inputs, outputs):
    assert ends(make()) == (inputs, outputs)


def test_sequential_is_named_after_its_ends():
    model = sequential()
    assert ends(model) == (["features"], [model.layers[-1].name])


@pytest.mark.parametrize("kind", ["functional", "sequential", "called"])
def test_names_survive_saving(kind, tmp_path):
    x = keras.Input((5,))
    model = {
        "functional": lambda: keras.Model(x, layers.Dense(2)(x)),
        "sequential": lambda: keras.Sequential([keras.Input((5,)), layers.Dense(2)]),
        "called": lambda: keras.Sequential([layers.Dense(2)]),
    }[kind]()
    model(np.zeros((1, 5)))
    before = ends(model)
    text = model.to_json()
    keras.utils.clear_session()
    keras.Input((5,))  # counters of names stand elsewhere in another process
    assert ends(keras.models.model_from_json(text)) == before


def test_shapes_leave_the_batch_open_and_keep_the_dtype():
    (tensor,) = signature_of(tokens()).inputs
    assert (tensor.shape, tensor.dtype) == ((None, 7), "int32")


def test_names_that_would_lose_the_signature_are_replaced():
    x = keras.Input((2,), name="my input-1")
    y = keras.Input((2,), name="my_input_1")
    z = keras.Input((2,), name="1st")
    shared = layers.Dense(2, name="both")
    model = keras.Model([x, y, z], [shared(x), shared(y), shared(z)])
    inputs, outputs = ends(model)
    assert inputs == ["my_input_1_1", "my_input_1", "tensor_1st"]
    assert outputs == ["both", "both_1", "both_2"]


def test_a_subclassed_model_keeps_the_structure_of_its_input():
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Dense(2)

        def call(self, inputs):
            return self.head(inputs["p"]), self.head(inputs["q"])

    model = Pair()
    model({"q": np.zeros((1, 3)), "p": np.zeros((1, 3))})
    assert ends(model) == (["p", "q"], ["output_0", "output_1"])


def test_an_unbuilt_model_is_refused():
    for model in (keras.Sequential([layers.Dense(2)]), type(subclassed())()):
        with pytest.raises(ValueError, match="is not built.*Call it once"):
            signature_of(model)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="must be a keras.Model. Received: Dense"):
        signature_of(layers.Dense(2))
