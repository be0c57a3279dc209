"""Published recipes over features: their weights, what connects them, and training."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import DistillationTerm, Distiller, methods
from keras_kd.layers import FeatureAdapter
from keras_kd.losses import overhaul_margin
from tests.models import cnn, cross_entropy, one_step

BODY = {"body": "body"}
BEFORE = {"bn": "bn"}


def two_stages(name, widths=(3, 4), seed=0):
    """Taps: c1, bn1, body1 at 8 × 8; c2, bn2, body2 at 4 × 4; bn3 in sum, body3."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    x = inputs
    for i, width in enumerate(widths, 1):
        x = layers.Conv2D(width, 3, strides=i, padding="same", name=f"c{i}")(x)
        x = layers.BatchNormalization(name=f"bn{i}")(x)
        x = layers.ReLU(name=f"body{i}")(x)
    branch = layers.Conv2D(widths[-1], 3, padding="same", name="c3")(x)
    branch = layers.BatchNormalization(name="bn3")(branch)
    x = layers.ReLU(name="body3")(layers.Add(name="sum")([x, branch]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5, name="head")(x), name=name)


def teacher_of_random_statistics(**kwargs):
    teacher = two_stages("t", **kwargs)
    rng = np.random.default_rng(0)
    for name in ("bn1", "bn2", "bn3"):
        norm = teacher.get_layer(name)
        width = norm.gamma.shape
        norm.gamma.assign(rng.uniform(0.5, 1.5, width))
        norm.beta.assign(rng.normal(size=width))
    return teacher


RECIPES = {
    "fitnets": (lambda _: methods.fitnets(BODY), "hint_body", 100.0),
    "attention_transfer": (
        lambda _: methods.attention_transfer(BODY),
        "attention_transfer_body",
        1000.0,
    ),
    "nst": (lambda _: methods.nst(BODY), "neuron_selectivity_body", 50.0),
    "fsp": (
        lambda _: methods.fsp({("c", "body"): ("c", "body")}),
        "flow_of_solution_c_body",
        50.0,
    ),
    "factor_transfer": (
        lambda _: methods.factor_transfer(BODY),
        "factor_transfer_body",
        200.0,
    ),
    "ab": (lambda _: methods.ab(BEFORE), "activation_boundary_bn", 0.003),
    "overhaul": (
        lambda teacher: methods.overhaul(BEFORE, teacher),
        "feature_overhaul_bn",
        0.001,
    ),
    "cwd": (lambda _: methods.cwd(BODY), "channel_wise_body", 50.0),
    "pkd": (lambda _: methods.pkd(BODY), "pearson_feature_body", 10.0),
    "inter_channel": (lambda _: methods.inter_channel(BODY), "inter_channel_body", 2.5),
}
each_recipe = pytest.mark.parametrize("recipe", RECIPES)


@each_recipe
def test_the_published_weight_and_a_name_that_tells_the_tap(recipe):
    make, name, weight = RECIPES[recipe]
    (term,) = make(cnn("t", 8))
    assert term.name == name
    assert float(term.weight) == pytest.approx(weight)


@each_recipe
def test_a_student_of_fewer_channels_comes_closer(recipe, images):
    make, name, _ = RECIPES[recipe]
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    (term,) = make(teacher)
    distiller = Distiller(teacher, student, [term], hard_loss_weight=0.0)
    distiller.compile(keras.optimizers.Adam(0.01), cross_entropy(), run_eagerly=True)
    values = [one_step(distiller, *images)[name] for _ in range(6)]
    assert values[-1] < values[0]
    again = DistillationTerm.from_config(term.get_config())
    assert again.loss.get_config() == term.loss.get_config()
    assert type(again.adapter) is type(term.adapter)


def test_taps_are_a_mapping():
    for wrong in ({}, ["body"], "body"):
        with pytest.raises(TypeError, match="`taps` must map student taps"):
            methods.attention_transfer(wrong)
        with pytest.raises(TypeError, match="`taps` must map student taps"):
            methods.ab(wrong)


def test_maps_of_any_size_meet_without_an_adapter():
    taps = {"body1": "body3"}
    teacher, student = two_stages("t", (5, 6)), two_stages("s")
    terms = methods.attention_transfer(taps) + methods.nst(taps)
    Distiller(teacher, student, terms)
    assert [term.adapter for term in terms] == [None, None]


def test_tokens_have_no_attention_map():
    with pytest.raises(ValueError, match=r"maps .*\(None, 4\).*\(None, 4\)"):
        Distiller(cnn("t"), cnn("s"), methods.attention_transfer({"gap": "gap"}))


def test_the_last_tap_of_several_has_the_whole_weight():
    taps = {name: name for name in ("bn1", "bn2", "bn3")}
    weights = [0.00025, 0.0005, 0.001]
    terms = methods.overhaul(taps, two_stages("t"))
    assert [float(term.weight) for term in terms] == pytest.approx(weights)
    weights = [0.25, 0.5, 1.0]
    terms = methods.ab(taps, weight=1.0, margin=0.5)
    assert [float(term.weight) for term in terms] == weights
    assert {term.loss.margin for term in terms} == {0.5}


def test_overhaul_takes_its_margins_from_the_batch_normalization():
    teacher = teacher_of_random_statistics()
    student = two_stages("s", (3, 2))
    for tap in ("bn2", "sum"):  # a normalization, and the sum behind one
        (term,) = methods.overhaul({tap: tap}, teacher)
        norm = teacher.get_layer("bn2" if tap == "bn2" else "bn3")
        expected = overhaul_margin(norm.gamma, norm.beta)
        np.testing.assert_allclose(term.loss.margin, expected)
        Distiller(teacher, student, [term])
        assert isinstance(term.adapter, FeatureAdapter)
        assert term.adapter.activation.__name__ == "linear"
    (term,) = methods.overhaul({"c2": "c2"}, teacher, batch_norms={"c2": "bn2"})
    assert len(term.loss.margin) == 4


def test_overhaul_without_scale_or_offset():
    teacher = keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            layers.BatchNormalization(scale=False, center=False, name="bn"),
        ]
    )
    (term,) = methods.overhaul({"bn": "bn"}, teacher)
    np.testing.assert_allclose(term.loss.margin, [-np.sqrt(2 / np.pi)] * 2)


@pytest.mark.parametrize("tap", ["body2", "c2"])
def test_overhaul_refuses_a_tap_without_batch_normalization(tap):
    with pytest.raises(ValueError, match=f"Teacher tap '{tap}'.*batch_norms"):
        methods.overhaul({"bn2": tap}, two_stages("t"))


def test_fsp_brings_channels_and_leaves_sizes():
    teacher, student = two_stages("t", (3, 6)), two_stages("s")
    (term,) = methods.fsp({("body1", "body2"): ("body1", "body2")})
    Distiller(teacher, student, [term])
    same, connector = term.adapter.adapters
    assert same is None  # three channels on both sides
    assert (connector.filters, connector.size) == (6, None)
    (term,) = methods.fsp({("body1", "body2"): ("body1", "body2")})
    Distiller(two_stages("t"), two_stages("s"), [term])
    assert term.adapter is None


def test_a_paraphraser_is_frozen_and_gives_the_factor(images):
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    paraphraser = layers.Conv2D(3, 3, padding="same")
    (term,) = methods.factor_transfer(BODY, paraphraser=paraphraser)
    distiller = Distiller(teacher, student, [term])
    before = [w.numpy() for w in paraphraser.weights]
    distiller.compile("adam", cross_entropy(), run_eagerly=True)
    one_step(distiller, *images)
    for weight, start in zip(paraphraser.weights, before, strict=True):
        np.testing.assert_array_equal(weight, start)
    assert term.adapter.output_shape[-1] == 3
    with pytest.raises(ValueError, match="a single pair"):
        methods.factor_transfer({"a": "b", "c": "d"}, paraphraser=paraphraser)
