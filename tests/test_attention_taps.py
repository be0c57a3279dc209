"""Taps on the inside of attention layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_kd import FeatureExtractor
from keras_kd.attention import PARTS
from keras_kd.taps import input_spec
from tests.transformers import sentences, transformer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 5, 8)).astype("float32")
ALL = [f"attention@{part}" for part in PARTS]


def model_of(attention, **call):
    inputs = keras.Input((5, 8))
    y = attention(inputs, inputs, **call)
    return keras.Model(inputs, layers.Dense(3)(y), name="m")


def plain(**kwargs):
    return layers.MultiHeadAttention(2, 4, name="attention", **kwargs)


class Own(layers.MultiHeadAttention):
    """A subclass with a `call` and attributes of its own."""

    def call(self, query, value, key=None, **kwargs):
        return 2.0 * super().call(query, value, key, **kwargs)


class Block(layers.Layer):
    """A block that holds one attention layer, and needs a graph of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = plain()

    def build(self, shape):
        self.inner.build(shape, shape)

    def call(self, x):
        return x + self.inner(x, x)


@pytest.mark.parametrize("call", [{}, {"use_causal_mask": True}], ids=str)
@pytest.mark.parametrize("make", [plain, lambda: plain(dropout=0.1)])
def test_the_parts_are_those_of_the_layer(make, call):
    attention = make()
    features = FeatureExtractor(model_of(attention, **call), ALL)(X)
    for part, dense in (
        ("queries", attention.query_dense),
        ("keys", attention.key_dense),
        ("values", attention.value_dense),
    ):
        np.testing.assert_allclose(features[f"attention@{part}"], dense(X), atol=1e-6)
    _, probabilities = attention(X, X, return_attention_scores=True, **call)
    np.testing.assert_allclose(
        features["attention@attention_probabilities"], probabilities, atol=1e-6
    )
    q, k = features["attention@queries"].numpy(), features["attention@keys"].numpy()
    np.testing.assert_allclose(
        features["attention@attention_scores"],
        np.einsum("bqhd,bkhd->bhqk", q, k) / 2.0,
        atol=1e-5,
    )


@pytest.mark.parametrize("kind", ["subclass", "block", "nested"])
def test_every_way_of_building_a_model(kind):
    make = {
        "subclass": (lambda: model_of(Own(2, 4, name="attention")), "attention"),
        "block": (
            lambda: keras.Sequential([keras.Input((5, 8)), Block(name="block")]),
            "block",
        ),
        "nested": (
            lambda: keras.Sequential(
                [keras.Input((5, 8)), model_of(plain()), layers.Dense(2)]
            ),
            "m/attention",
        ),
    }
    build, path = make[kind]
    taps = [f"{path}@{part}" for part in PARTS]
    model = build()
    extractor = FeatureExtractor(model, taps)
    features = extractor(X)
    np.testing.assert_array_equal(features["output"], model(X))
    shapes = [features[tap].shape for tap in taps]
    assert shapes == [(2, 2, 5, 5)] * 2 + [(2, 5, 2, 4)] * 3
    spec = extractor.spec(input_spec(model))
    assert [spec[tap].shape[1:] for tap in taps] == [shape[1:] for shape in shapes]
    graph = tf.function(extractor, autograph=False, jit_compile=kind == "nested")
    for tap, value in graph(tf.constant(X)).items():
        np.testing.assert_allclose(value, features[tap], atol=1e-5)
    for layer in model._flatten_layers():
        assert not {"call", "_compute_attention"} & set(vars(layer))


def test_grouped_queries_get_the_keys_that_they_share():
    attention = layers.GroupQueryAttention(4, 4, 2, name="attention")
    features = FeatureExtractor(model_of(attention, use_causal_mask=True), ALL)(X)
    keys = features["attention@keys"].numpy()
    np.testing.assert_array_equal(keys[:, :, 0], keys[:, :, 1])
    _, probabilities = attention(
        X, X, return_attention_scores=True, use_causal_mask=True
    )
    np.testing.assert_allclose(
        features["attention@attention_probabilities"], probabilities, atol=1e-6
    )


def test_scores_of_half_precision_are_float32():
    keras.config.set_dtype_policy("mixed_float16")
    features = FeatureExtractor(model_of(plain()), ALL)(X)
    assert features["attention@attention_scores"].dtype == "float32"
    assert features["attention@queries"].dtype == "float16"


@pytest.mark.parametrize("causal", [False, True])
def test_masks_come_along(causal):
    """The model hides padded keys alone; padded queries are no tokens either."""
    ids, _ = sentences(4)
    taps = [f"attention_2@{part}" for part in PARTS]
    features = FeatureExtractor(transformer("t", causal=causal), taps)(ids)
    tokens = ids != 0
    for part in ("queries", "keys", "values"):
        mask = features[f"attention_2@{part}"]._keras_mask
        np.testing.assert_array_equal(mask, tokens)
    pairs = tokens[:, :, None] & tokens[:, None, :]
    pairs &= np.tril(np.ones(pairs.shape[1:], bool)) | (not causal)
    for part in ("attention_scores", "attention_probabilities"):
        mask = features[f"attention_2@{part}"]._keras_mask
        np.testing.assert_array_equal(mask, pairs)
    sums = features["attention_2@attention_probabilities"].numpy().sum(axis=-1)
    np.testing.assert_allclose(sums, 1.0, rtol=1e-5)


def test_other_sequences_have_masks_of_their_own():
    """Attention of one sequence to another: padded keys say nothing of queries."""
    queries, keys = keras.Input((5, 8)), keras.Input((5, 8))
    mask = keras.Input((5,), dtype="bool")
    seen = plain()(queries, keys, attention_mask=mask[:, None, :])
    model = keras.Model([queries, keys, mask], seen)
    hidden = np.arange(5)[None] < np.array([[3], [5]])
    features = FeatureExtractor(model, ALL)([X, X[:, ::-1], hidden])
    np.testing.assert_array_equal(features["attention@keys"]._keras_mask, hidden)
    assert np.all(features["attention@queries"]._keras_mask)
    pairs = np.repeat(hidden[:, None], 5, axis=1)
    np.testing.assert_array_equal(
        features["attention@attention_scores"]._keras_mask, pairs
    )


def test_a_mask_for_each_head_stays_one():
    mask = RNG.random((2, 2, 5, 5)) < 0.7
    mask[..., 0] = True
    features = FeatureExtractor(model_of(plain(), attention_mask=mask), ALL)(X)
    for part in ("attention_scores", "attention_probabilities"):
        own = features[f"attention@{part}"]._keras_mask
        np.testing.assert_array_equal(own, mask)
    assert features["attention@keys"]._keras_mask.shape == (2, 5)


def test_one_pass_serves_all_taps_of_a_layer():
    attention, count = plain(), []

    class Counted(layers.Layer):
        def call(self, x):
            count.append(1)
            return x

    inputs = keras.Input((5, 8))
    x = Counted()(inputs)
    model = keras.Model(inputs, attention(x, x))
    count.clear()
    features = FeatureExtractor(model, [*ALL, "attention"])(X)
    assert count == [1]
    np.testing.assert_array_equal(features["attention"], features["output"])


@pytest.mark.parametrize(
    ("tap", "sentence"),
    [
        ("attention_1@scores", "choose one of .'attention_scores', 'attention_prob"),
        ("attention_1@query", "Did you mean 'queries'?"),
        ("head@values", "'head' is none: it is a Dense"),
        ("attention_9@values", "Did you mean 'attention_"),
    ],
)
def test_taps_that_are_not_there_are_refused(tap, sentence):
    with pytest.raises(ValueError, match=sentence):
        FeatureExtractor(transformer("t"), [tap])


def test_one_of_several_attention_layers_must_be_named():
    model = keras.Sequential([keras.Input((6,)), transformer("inner")])
    with pytest.raises(ValueError, match="name one of .'attention_1', 'attention_2'"):
        FeatureExtractor(model, ["inner@values"])


def test_attention_over_two_axes_is_refused():
    attention = layers.MultiHeadAttention(2, 4, attention_axes=(1, 2), name="attention")
    inputs = keras.Input((3, 5, 8))
    model = keras.Model(inputs, attention(inputs, inputs))
    with pytest.raises(ValueError, match="attention over one axis"):
        FeatureExtractor(model, ["attention@values"])(np.zeros((1, 3, 5, 8)))


def test_an_attention_layer_that_runs_twice_is_refused():
    attention = plain()
    inputs = keras.Input((5, 8))
    x = attention(inputs, inputs)
    model = keras.Model(inputs, attention(x, x), name="m")
    with pytest.raises(ValueError, match="'attention@keys' ran 2 times"):
        FeatureExtractor(model, ["attention@keys"])(X)
