"""What a stage freezes is frozen while it is traced, and as it was right after."""

import keras
import pytest
from keras import layers

from keras_kd import DistillationTerm
from keras_kd.objective.stage import (
    Narrowing,
    Stage,
    restore_trainable,
    trainable_flags,
)
from tests.models import cnn


class Block(layers.Layer):
    """Holds a layer, and a weight of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(3, name="inner")
        self.other = layers.Dense(3, name="other")

    def build(self, shape):
        self.scale = self.add_weight(shape=(3,), name="scale")
        self.inner.build(shape)
        self.other.build(shape)

    def call(self, x):
        return self.scale * (self.inner(x) + self.other(x))


def nested():
    inputs = keras.Input((3,))
    x = Block(name="block")(inputs)
    return keras.Model(inputs, layers.Dense(2, name="head")(x), name="s")


def trained(model):
    return {v.path for v in model.trainable_variables}


def flags(model):
    return [flag for _, flag in trainable_flags(model)]


NESTED = {"block/inner/kernel", "block/inner/bias"}


@pytest.mark.parametrize(
    "make, paths, expected",
    [
        (cnn, ["c"], {"c/kernel", "c/bias"}),
        (cnn, ["bn", "head"], {"bn/gamma", "bn/beta", "head/kernel", "head/bias"}),
        (cnn, [], set()),
        (nested, ["block/inner"], NESTED),
        (
            nested,
            ["block"],
            NESTED | {"block/scale", "block/other/kernel", "block/other/bias"},
        ),
    ],
)
def test_only_the_named_layers_train(make, paths, expected):
    model = make("s") if make is cnn else make()
    before, everything = flags(model), trained(model)
    with Narrowing(model, [])(Stage(layers=paths)):
        assert trained(model) == expected
        frozen_bn = make is cnn and "bn" not in paths
        assert not frozen_bn or not model.get_layer("bn").trainable
    assert flags(model) == before
    assert trained(model) == everything


def test_what_the_user_froze_stays_frozen():
    model = nested()
    block = model.get_layer("block")
    block.inner.trainable = False
    block.other.bias.trainable = False
    before = flags(model)
    with Narrowing(model, [])(Stage(layers=["block"])):
        assert trained(model) == {"block/scale", "block/other/kernel"}
    assert flags(model) == before


def test_a_layer_of_two_parents_comes_back_as_it_was():
    shared = layers.Dense(3, name="shared")
    inputs = keras.Input((3,))
    first = keras.Sequential([keras.Input((3,)), shared], name="first")
    second = keras.Sequential([keras.Input((3,)), shared], name="second")
    model = keras.Model(inputs, second(first(inputs)))
    shared.trainable = False
    kept = trainable_flags(model)
    model.trainable = False
    restore_trainable(kept)
    assert not shared.trainable and first.trainable and second.trainable


def test_replicas_share_one_freeze():
    model, stage = cnn("s"), Stage(layers=["c"])
    narrowing = Narrowing(model, [])
    first, second = narrowing(stage), narrowing(stage)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert trained(model) == {"c/kernel", "c/bias"}
    second.__exit__(None, None, None)
    assert len(trained(model)) == 6


def test_terms_that_are_off_do_not_train():
    terms = [DistillationTerm("mse", tap, name=tap) for tap in "ab"]
    for term in terms:
        term.build((None, 4), (None, 6))
    with Narrowing(cnn("s"), terms)(Stage(terms=["a"])):
        assert [bool(term.trainable_variables) for term in terms] == [True, False]
    assert all(term.trainable_variables for term in terms)


def test_an_error_restores_too():
    model = cnn("s")
    with pytest.raises(RuntimeError):
        with Narrowing(model, [])(Stage(layers=["c"])):
            raise RuntimeError
    assert len(trained(model)) == 6


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"epochs": 0}, ValueError, "`epochs` must be a positive integer"),
        ({"terms": "hint"}, TypeError, "`terms` must be a list of names, or 'all'"),
        ({"terms": None}, TypeError, "`terms` must be a list of names, or 'all'"),
        ({"layers": "c"}, TypeError, "`layers` must be a list of names, or None"),
        ({"terms": [], "hard_loss": False}, ValueError, "something to learn from"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        Stage(**arguments)


@pytest.mark.parametrize(
    "stage, message",
    [
        (Stage(terms=["kdd"]), r"'kdd' of a Stage not found.*\['kd'\].*mean 'kd'\?"),
        (Stage(layers=["b/c"]), r"'b/c' not found in 's'\. Available: \["),
        (Stage(layers=["body"]), "'body' of a Stage has no weights to train in 's'"),
    ],
)
def test_names_that_are_not_there(stage, message):
    with pytest.raises(ValueError, match=message):
        stage.check(cnn("s"), [DistillationTerm("mse", name="kd")])
