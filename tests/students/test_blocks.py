"""Which blocks can be left out, and which of them are."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.students import repeatable_blocks
from keras_kd.students.blocks import left_out
from tests.students.nets import Own, attending, chain, next_like, residual


def names(model):
    return [block.name for block in repeatable_blocks(model)]


def test_of_residual_blocks_those_that_leave_the_shape_with_their_relu():
    blocks = repeatable_blocks(residual())
    assert [block.name for block in blocks] == [
        *("block_10", "block_11"),
        *("block_21", "block_22"),
    ]
    assert all(block.start.shape == block.end.shape for block in blocks)


def test_attention_and_mlp_go_together_normalized_before_or_after():
    assert names(attending()) == ["mlp_0", "mlp_1", "mlp_2"]
    assert names(attending(post=True)) == ["mlp_0_norm", "mlp_1_norm", "mlp_2_norm"]


def test_a_sum_by_plus_is_a_block_and_the_last_normalization_is_not_in_it():
    assert len(names(next_like())) == 2


def test_a_block_that_holds_others_stays():
    x = keras.Input((8, 8, 4))
    y = layers.Conv2D(4, 3, padding="same")(x)
    inner = layers.Add(name="inner")([y, layers.Conv2D(4, 3, padding="same")(y)])
    outer = layers.Add(name="outer")([x, inner])
    assert names(keras.Model(x, layers.Flatten()(outer))) == ["inner"]


def test_in_a_chain_layers_with_kernels_but_stem_and_head():
    net = chain(
        layers.Conv2D(4, 3, padding="same", name="stem"),
        layers.ReLU(),
        layers.Conv2D(4, 3, padding="same", name="same"),
        layers.BatchNormalization(),
        layers.ReLU(name="same_relu"),
        layers.MaxPooling2D(),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.Conv2D(4, 1, name="mixed"),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.ReLU(),
        layers.Conv2D(8, 1, name="wider"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(8, name="head"),
    )
    assert names(net) == ["same_relu", "mixed"]


def test_a_graph_that_branches_has_no_plain_blocks():
    x = keras.Input((8, 8, 4))
    y = layers.Conv2D(4, 1)(layers.Conv2D(4, 1)(layers.ReLU()(x)))
    y = layers.Concatenate()([x, y])
    assert names(keras.Model(x, layers.Dense(2)(layers.Flatten()(y)))) == []


def test_layers_of_ones_own_that_follow_each_other():
    net = chain(Own(name="a"), Own(name="b"), layers.MaxPooling2D(), Own(name="c"))
    assert names(net) == ["a", "b"]


def test_nested_models_are_blocks_where_they_repeat_and_hold_them_where_not():
    def part(name):
        x = keras.Input((8, 8, 4))
        y = layers.Conv2D(4, 1)(layers.Conv2D(4, 1)(x))
        y = layers.Add(name="sum")([x, y])
        return keras.Model(x, y, name=name)

    assert names(chain(part("a"), part("b"))) == ["a", "b"]
    assert names(chain(part("a"), layers.Flatten())) == ["a/sum"]


@pytest.mark.parametrize(
    "count, depth, stay",
    [
        (4, 0.5, [0, 2]),
        (5, 0.5, [0, 1, 3]),
        (6, 1 / 3, [0, 3]),
        (3, 0.01, [0]),
        (3, 1.0, [0, 1, 2]),
        (10, 0.7, [0, 1, 2, 4, 5, 7, 8]),
    ],
)
def test_blocks_go_evenly_and_the_first_stays(count, depth, stay):
    blocks = repeatable_blocks(attending(count, width=2))
    assert len(blocks) == count
    gone = left_out(blocks, depth)
    kept = [i for i, block in enumerate(blocks) if id(block.end) not in gone]
    assert kept == stay
    gaps = np.diff([*kept, count])
    assert gaps.max() - gaps.min() <= 1
