"""A smaller model from a larger one: what stays, with which weights."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import Distiller, methods
from keras_kd.compress import prune
from keras_kd.students import cost_of, slim
from tests.compress import test_channels
from tests.models import Subclassed
from tests.students.nets import (
    Own,
    attending,
    chain,
    images,
    next_like,
    norm_relu,
    residual,
    unlike,
)
from tests.transformers import sentences, transformer

NETS = {
    "residual": residual,
    "attending": attending,
    "attending_after": lambda: attending(post=True),
    "next_like": next_like,
    "squeeze": lambda: unlike(test_channels.residual()),
    "concatenated": lambda: unlike(test_channels.concatenated()),
    "nested": lambda: unlike(test_channels.nested()),
}


def values(model, name):
    return [np.array(w) for w in model.get_layer(name).get_weights()]


def inputs_of(net):
    found = [
        images(4, *tensor.shape[1:], seed=i) for i, tensor in enumerate(net.inputs)
    ]
    return found if len(found) > 1 else found[0]


@pytest.mark.parametrize("name", NETS)
def test_whole_it_answers_as_its_teacher_and_half_it_keeps_the_ends(name):
    net = NETS[name]()
    x = inputs_of(net)
    before = keras.tree.flatten(net(x, training=False))
    for one, other in zip(
        before, keras.tree.flatten(slim(net, 1, 1)(x, training=False)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    half = slim(net, 0.5)
    after = keras.tree.flatten(half(x, training=False))
    assert [y.shape for y in after] == [y.shape for y in before]
    assert all(np.all(np.isfinite(y)) for y in after)
    assert half.count_params() < 0.75 * net.count_params()


def test_channels_of_the_largest_norm_stay_by_hand():
    x = inputs = keras.Input((8, 8, 3))
    x = norm_relu(layers.Conv2D(6, 3, name="one")(x), "one")
    x = layers.Conv2D(4, 3, name="two")(x)
    x = layers.Flatten()(x)
    net = unlike(keras.Model(inputs, layers.Dense(5, name="head")(x)))
    student = slim(net, 0.5)

    def largest(kernel):
        norms = np.sqrt((kernel.astype("float64") ** 2).sum((0, 1, 2)))
        return np.sort(np.argsort(norms)[-(len(norms) // 2) :])

    (one, bias), (two, _) = values(net, "one"), values(net, "two")
    first, second = largest(one), largest(two)
    assert first.tolist() != [0, 1, 2]
    np.testing.assert_array_equal(values(student, "one")[0], one[..., first])
    np.testing.assert_array_equal(values(student, "one")[1], bias[first])
    np.testing.assert_array_equal(
        values(student, "two")[0], two[:, :, first][..., second]
    )
    rows = np.arange(16 * 4).reshape(16, 4)[:, second].ravel()
    np.testing.assert_array_equal(
        values(student, "head")[0], values(net, "head")[0][rows]
    )


def test_attention_keeps_its_heads_and_loses_channels_by_hand():
    net = attending(blocks=1)
    student = slim(net, 0.5)
    norms = [
        np.linalg.norm(values(net, name)[0].astype("float64"), axis=0)
        for name in ("patches", "mlp_0_2")
    ]
    stay = np.sort(np.argsort(sum(n / n.mean() for n in norms))[-4:])
    assert stay.tolist() != [0, 1, 2, 3]
    old, new = values(net, "heads_0"), values(student, "heads_0")
    # Kernels and biases of queries, keys, values; then of the result.
    for i in (0, 2, 4):
        np.testing.assert_array_equal(new[i], old[i][stay])
        np.testing.assert_array_equal(new[i + 1], old[i + 1])
    np.testing.assert_array_equal(new[6], old[6][..., stay])
    np.testing.assert_array_equal(new[7], old[7][stay])
    scale = values(net, "norm_mlp_0")[0]
    np.testing.assert_array_equal(values(student, "norm_mlp_0")[0], scale[stay])


def test_without_blocks_it_computes_what_is_left():
    net, x = residual(blocks=2), images(4, 8, 8, 3)
    student = slim(net, 1, 0.5)
    ends = {f"block_{i}" for i in (10, 11, 20, 21, 22)}
    left = {layer.name for layer in student.layers} & ends
    assert left == {"block_10", "block_20", "block_21"}
    parts = keras.Model(
        net.input, [net.get_layer(name).output for name in ("block_10", "block_21")]
    )
    first = parts(x, training=False)[0]
    # From the second block of the first stage on, fed with the first.
    rest = keras.Model(net.get_layer("block_11").output, parts.outputs[1])
    middle = rest(first, training=False)
    head = keras.Model(net.get_layer("block_22").output, net.output)
    expected = head(middle, training=False)
    np.testing.assert_allclose(student(x, training=False), expected, atol=1e-5)
    assert not np.allclose(net(x, training=False), expected, atol=1e-2)


def test_groups_of_a_normalization_stay_of_equal_size():
    assert slim(next_like(), 0.5).get_layer("groups").groups == 4
    assert slim(next_like(), 0.625).get_layer("groups").groups == 1
    each = slim(next_like(), 0.5).get_layer("each_0")
    assert (each.groups, each.filters, each.kernel.shape[2:]) == (4, 4, (1, 4))


def test_a_transformer_with_tables_masks_and_a_first_token():
    net = unlike(transformer("t", blocks=4))
    ids, _ = sentences()
    np.testing.assert_allclose(slim(net, 1.0)(ids), net(ids), atol=1e-5)
    student = slim(net, 0.5, 0.5)
    assert student(ids).shape == (16, 3)
    assert student.get_layer("tokens").embeddings.shape == (12, 4)
    assert "block_4" not in [layer.name for layer in student.layers]


def test_new_weights_but_what_was_adapted_stays():
    x = inputs = keras.Input((8, 8, 3))
    scaled = layers.Normalization(name="scaled")
    scaled.adapt(images(8, 8, 8, 3) * 3 + 1)
    x = layers.Conv2D(8, 3, name="one")(scaled(x))
    net = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    net.trainable = False
    heir, new = slim(net, 0.5), slim(net, 0.5, inherit=False)
    assert [w.shape for w in heir.weights] == [w.shape for w in new.weights]
    for one, other in zip(values(net, "scaled"), values(new, "scaled"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.isin(values(new, "one")[0], values(net, "one")[0]).any()
    assert np.isin(values(heir, "one")[0], values(net, "one")[0]).all()


def test_it_is_ready_to_train_and_its_teacher_is_as_it_was(tmp_path):
    net = residual(blocks=1)
    net.trainable = False
    before = [np.array(w) for w in net.weights]
    student = slim(net, 0.5, 0.5, name="small")
    assert (student.name, slim(net).name) == ("small", "r_slim")
    assert student.trainable and len(student.trainable_weights) == 24
    norms = [x for x in student.layers if isinstance(x, layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {0.9}
    distiller = Distiller(net, student, methods.hinton())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile("adam", loss)
    x, y = images(16, 8, 8, 3), np.arange(16) % 5
    old = [np.array(w) for w in student.trainable_weights]
    distiller.fit(x, y, batch_size=8, verbose=0)
    changed = [
        np.any(a != b) for a, b in zip(old, student.trainable_weights, strict=True)
    ]
    assert np.mean(changed) > 0.9
    for one, other in zip(before, net.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not net.trainable and net.get_layer("block_10_norm").momentum == 0.99
    student.save(tmp_path / "student.keras")
    again = keras.saving.load_model(tmp_path / "student.keras")
    np.testing.assert_allclose(again(x), student(x), atol=1e-6)


def test_the_teachers_weights_are_a_better_start():
    """After a few steps on clusters that the teacher has learned."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 512)
    x = rng.normal(size=(5, 24))[y] + rng.normal(size=(512, 24))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def trained(model, rows, rate):
        keras.utils.set_random_seed(0)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        model.fit(x[:rows], y[:rows], batch_size=16, epochs=2, verbose=0)
        return model.evaluate(x[256:], y[256:], batch_size=256, verbose=0)[1]

    keras.utils.set_random_seed(0)
    inputs = keras.Input((24,))
    net = norm_relu(layers.Dense(64, name="one")(inputs), "one")
    net = norm_relu(layers.Dense(64, name="two")(net), "two")
    net = keras.Model(inputs, layers.Dense(5, name="head")(net))
    assert trained(net, 256, 1e-2) > 0.9
    heir, new = (trained(slim(net, 0.5, inherit=i), 64, 1e-3) for i in (True, False))
    assert heir > new + 0.1


def test_channels_can_be_made_a_multiple():
    student = slim(residual(width=24), 0.5, divisible_by=8)
    assert student.get_layer("block_11").output.shape[-1] == 16
    assert slim(residual(width=24), 0.5).get_layer("block_11").output.shape[-1] == 12


def test_a_layer_that_is_not_known_keeps_its_channels():
    net = chain(layers.Conv2D(8, 1, name="a"), layers.Conv2D(8, 1, name="b"), Own())
    student = slim(net, 0.5)
    assert student.get_layer("a").filters == 4
    assert student.get_layer("b").filters == 8


@pytest.mark.parametrize(
    "make, options, error, sentence",
    [
        (
            lambda: Subclassed(name="s"),
            {},
            ValueError,
            r"'s' is a subclassed Subclassed, and which layer reads which is in its "
            "code alone",
        ),
        (
            lambda: keras.Sequential([layers.Dense(2)], name="s"),
            {},
            ValueError,
            r"`teacher` 's' is not built: begin it with a keras.Input.",
        ),
        (lambda: "resnet", {}, TypeError, "a keras.Model.* Received: str."),
        (residual, {"width": 0}, ValueError, "`width` must be more than 0 and at most"),
        (residual, {"width": 1.5}, ValueError, "Received: width=1.5."),
        (residual, {"depth": True}, ValueError, "Received: depth=True."),
        (
            residual,
            {"divisible_by": 0},
            ValueError,
            "`divisible_by` must be a positive",
        ),
        (
            lambda: chain(layers.Conv2D(4, 1), layers.Flatten(), layers.Dense(2)),
            {"depth": 0.5},
            ValueError,
            "`depth`=0.5 needs blocks whose output is as large as their input, and "
            "'chain' has none. Pass depth=1.",
        ),
        (
            lambda: chain(layers.Flatten(), layers.Dense(2, name="head")),
            {"width": 0.5},
            ValueError,
            "`width`=0.5 leaves 'chain' as wide as it is, .* head: 0 of 2; kept, since "
            "it is an output of the model.",
        ),
        (
            lambda: prune(residual(), 0.5),
            {},
            ValueError,
            r"has masks.* Hand in strip\(model\).",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 9 else "",
)
def test_what_cannot_be_made_smaller_is_refused(make, options, error, sentence):
    with pytest.raises(error, match=sentence):
        slim(make(), **options)


def test_costs_fall_with_width_and_depth():
    net = residual(blocks=3)
    costs = [cost_of(slim(net, w, d)) for w, d in ((1, 1), (1, 0.5), (0.5, 0.5))]
    assert costs[0] == cost_of(net)
    assert costs[0].macs > costs[1].macs > 3 * costs[2].macs
