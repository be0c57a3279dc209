"""Channels that go: which hang together, and a narrower model that answers alike."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_kd.compress import channel_groups, prune
from keras_kd.compress.pruning.channels.surgery import prune_channels
from keras_kd.compress.pruning.channels.trace import Trace

RNG = np.random.default_rng(0)


def block(x, filters, name):
    """Inverted bottleneck with squeeze-excite."""
    y = layers.Conv2D(2 * filters, 1, use_bias=False, name=f"{name}_expand")(x)
    y = layers.BatchNormalization(name=f"{name}_norm")(y)
    y = layers.Activation("hard_swish")(y)
    y = layers.DepthwiseConv2D(3, padding="same", name=f"{name}_depth")(y)
    y = layers.BatchNormalization()(y)
    s = layers.GlobalAveragePooling2D()(y)
    s = layers.Reshape((1, 1, 2 * filters))(s)
    s = layers.Conv2D(4, 1, activation="relu", name=f"{name}_squeeze")(s)
    s = layers.Conv2D(2 * filters, 1, activation="sigmoid", name=f"{name}_excite")(s)
    y = layers.Multiply()([y, s])
    return layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(y)


def residual():
    x = keras.Input((8, 8, 3), name="image")
    y = layers.Conv2D(8, 3, padding="same", name="stem")(layers.Rescaling(2.0)(x))
    y = layers.PReLU(shared_axes=[1, 2])(layers.ZeroPadding2D(1)(y))
    y = y + block(y, 8, "a")
    y = layers.Add()([y, layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))(y)])
    y = layers.MaxPooling2D()(y) * 0.5
    return keras.Model(x, layers.Dense(5, name="head")(layers.Flatten()(y)))


def concatenated():
    """Dense connections, separable, transposed and 1-D convolution, two outputs."""
    x = keras.Input((8, 8, 3), name="image")
    a = layers.Conv2D(6, 3, padding="same", activation="relu", name="a")(x)
    b = layers.SeparableConv2D(4, 3, 2, "same", depth_multiplier=2, name="b")(a)
    b = layers.Conv2DTranspose(4, 3, 2, "same", activation="relu6", name="up")(b)
    y = layers.Concatenate()([a, b, x])
    y = ops.relu(layers.Conv2D(10, 1, name="mix")(y))
    y = y + layers.Concatenate()([a, b])
    rows = layers.Reshape((64, 10))(y)
    rows = layers.Conv1D(8, 3, activation="relu", name="rows")(rows)
    rows = ops.mean(rows, axis=1)
    return keras.Model(
        x,
        {
            "map": layers.Conv2D(2, 1, name="map")(y),
            "class": layers.Dense(5, name="head")(rows),
        },
    )


def nested():
    """A backbone called twice, and a shared layer."""
    backbone = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, activation="relu", name="one"),
            layers.BatchNormalization(),
            layers.Conv2D(6, 3, activation="relu", name="two"),
        ],
        name="backbone",
    )
    x = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    shared = layers.Dense(6, activation="relu", name="shared")
    pooled = [shared(layers.GlobalMaxPooling2D()(backbone(side))) for side in x]
    pooled = [shared(side) for side in pooled]
    return keras.Model(x, layers.Dense(3, name="head")(layers.Subtract()(pooled)))


def unlike(model, seed=0):
    """Give every weight a value of its own; variances stay positive."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.uniform(0.1, 1.0, variable.shape))
    return model


def silence(model, count):
    """Zero all that makes the first `count` channels of every group that may go."""
    trace = Trace(model)
    gone = {root for g in channel_groups(model) for root in g.roots[:count]}
    gone = {root for root in gone if trace.slots.reason(root) is None}
    for use in trace.uses.values():
        dead = np.isin(trace.slots.roots(use.makes), list(gone))
        for variable in use.layer.weights:
            value = np.array(variable)
            if variable.name in ("depthwise_kernel", "alpha"):
                continue
            transposed = isinstance(use.layer, layers.Conv2DTranspose)
            if transposed and variable.name == "kernel":
                value[..., dead, :] = 0
            elif value.shape[-1] == len(dead):
                value[..., dead] = 0
            variable.assign(value)
    return gone


def inputs_of(model, size=3):
    return [
        RNG.uniform(size=(size, *t.shape[1:])).astype("float32") for t in model.inputs
    ]


@pytest.mark.parametrize("build", [residual, concatenated, nested])
def test_pruning_channels_of_zeros_changes_no_output(build):
    model = unlike(build())
    groups = channel_groups(model)
    for group in groups:
        assert group.prunable in (0, group.channels), str(group)
    assert sum(group.prunable > 0 for group in groups) >= 2
    silence(model, 2)
    shares = {group.layers[0]: 2 / group.channels for group in groups if group.prunable}
    small = prune(model, shares, "channels")
    data = inputs_of(model)
    data = data[0] if len(data) == 1 else data
    assert small.count_params() < model.count_params()
    expected = keras.tree.flatten(model(data))
    answered = keras.tree.flatten(small(data))
    assert [x.shape for x in answered] == [x.shape for x in expected]
    for one, other in zip(expected, answered, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    # The check can fail: other channels are missed.
    other = unlike(build())
    narrow = keras.tree.flatten(prune(other, shares, "channels")(data))
    before = keras.tree.flatten(other(data))
    assert not np.allclose(narrow[0], before[0], rtol=1e-3)


def test_layers_that_are_added_lose_the_same_channels():
    groups = {group.layers: group for group in channel_groups(residual())}
    assert ("stem", "a_project") in groups
    assert ("a_expand", "a_excite") in groups
    assert groups[("head",)].reason == "it is an output of the model"
    small = prune(residual(), {"stem": 0.25, "a_squeeze": 0.5}, "channels")
    assert small.get_layer("stem").filters == 6
    assert small.get_layer("a_project").filters == 6
    assert small.get_layer("a_expand").filters == 16
    assert small.get_layer("a_squeeze").filters == 2
    assert small.get_layer("head").kernel.shape == (5 * 5 * 6, 5)


def test_the_least_channels_go():
    x = keras.Input((4,))
    y = layers.Dense(4, name="hidden")(x)
    model = keras.Model(x, layers.Dense(2, name="head")(layers.BatchNormalization()(y)))
    kernel = np.ones((4, 4)) * [0.1, 4, 0.2, 3]
    model.get_layer("hidden").kernel.assign(kernel)
    small = prune(model, 0.5, "channels")
    np.testing.assert_allclose(small.get_layer("hidden").kernel[0], [4, 3])
    model.layers[2].gamma.assign([5.0, 0.0, 4.0, 0.0])
    small = prune(model, 0.5, "channels", score="gamma")
    np.testing.assert_allclose(small.get_layer("hidden").kernel[0], [0.1, 0.2])


def test_what_is_left_is_a_multiple():
    model = prune(residual(), 0.6, "channels", divisible_by=4)
    assert model.get_layer("stem").filters == 4
    assert model.get_layer("a_expand").filters == 8
    assert model.get_layer("a_squeeze").filters == 4


def test_skipped_layers_keep_their_channels():
    model = prune(residual(), 0.5, "channels", skip=["stem"])
    assert model.get_layer("a_project").filters == 8
    assert model.get_layer("a_expand").filters == 8


@pytest.mark.parametrize(
    "layer",
    [
        layers.LayerNormalization(name="odd"),
        layers.Softmax(name="odd"),
        layers.Permute((2, 1, 3), name="odd"),
        layers.Conv2D(4, 1, groups=2, name="odd"),
        layers.Lambda(lambda x: x[..., ::-1], output_shape=(8, 8, 4), name="odd"),
        layers.Conv2D(4, 1, activation="softmax", name="odd"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_channels_of_an_unknown_coupling_are_kept_and_named(layer):
    x = keras.Input((8, 8, 3))
    y = layer(layers.Conv2D(4, 1, name="before")(x))
    y = layers.Conv2D(4, 1, name="after")(y)
    y = layers.GlobalAveragePooling2D()(y)
    model = keras.Model(x, layers.Dense(2, name="head")(y))
    group = {g.layers[0]: g for g in channel_groups(model)}
    if layer.__class__ is layers.Conv2D and layer.groups == 1:
        assert "odd" in group["odd"].reason
        return
    assert group["before"].prunable == 0 and "'odd'" in group["before"].reason
    small = prune(model, 0.5, "channels")
    assert small.get_layer("before").filters == 4
    assert small.get_layer("after").filters == 2
    with pytest.raises(ValueError, match="'before' cannot be pruned: 'odd'"):
        prune(model, {"before": 0.5}, "channels")


def test_slices_and_constants_are_not_guessed():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 1, name="sliced")(x)[..., 1:]
    z = layers.Conv2D(3, 1, name="scaled")(x) * np.array([1.0, 2.0, 3.0])
    model = keras.Model(x, layers.Conv2D(2, 1, name="head")(y + z))
    assert [group.prunable for group in channel_groups(model)] == [0, 0, 0]
    with pytest.raises(ValueError, match="For instance scaled: 0 of 3; kept"):
        prune(model, 0.5, "channels")


@pytest.mark.parametrize(
    "shares, options, words",
    [
        ({"stm": 0.5}, {}, "Did you mean 'stem'"),
        ({"stem": 0.5, "a_project": 0.25}, {}, "lose the same channels"),
        (1.0, {}, "less than 1"),
        ({"stem": -1}, {}, "at least 0"),
        (0.5, {"skip": ["body"]}, "No layer 'body'"),
        (0.5, {"score": "l1"}, "`score` must be one of"),
        (0.5, {"divisible_by": 0}, "positive integer"),
        (0.5, {"divisible_by": 64}, "No channel"),
        ({"head": 0.5}, {}, "it is an output of the model"),
    ],
)
def test_wrong_words(shares, options, words):
    with pytest.raises(ValueError, match=words):
        prune(residual(), shares, "channels", **options)


def test_masked_models_are_stripped_first():
    masked = prune(residual(), 0.5, min_weights=1)
    with pytest.raises(ValueError, match="Prune its channels first"):
        prune_channels(masked, 0.5)


@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetB0"])
def test_networks_of_keras_become_narrower(name):
    model = getattr(keras.applications, name)(
        input_shape=(32, 32, 3), weights=None, classes=4
    )
    kept = [group for group in channel_groups(model) if not group.prunable]
    assert len(kept) == 1  # the head
    small = prune(model, 0.5, "channels", divisible_by=8)
    assert small.count_params() < 0.4 * model.count_params()
    assert small(np.zeros((1, 32, 32, 3))).shape == (1, 4)
