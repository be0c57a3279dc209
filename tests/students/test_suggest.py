"""Students within a budget: what they cost, and that there is no wider one."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd.students import Budget, cost_of, slim, suggest
from tests.students.nets import attending, chain, residual, unlike
from tests.transformers import transformer


@pytest.mark.parametrize(
    "make, limits",
    [
        (residual, {"parameters": 3000}),
        (residual, {"macs": 60_000, "bytes": 30_000}),
        (attending, {"macs": 3000}),
        (lambda: unlike(transformer("t", blocks=4)), {"parameters": 900}),
    ],
    ids=["parameters", "macs_and_bytes", "attending", "transformer"],
)
def test_each_costs_what_the_built_student_does_and_is_the_widest(make, limits):
    net = make()
    found = suggest(net, Budget(**limits))
    assert len(found) > 2
    for one in found[:2]:
        built = cost_of(slim(net, one.width, one.depth))
        assert built == one.cost
        assert all(getattr(built, name) <= most for name, most in limits.items())
        wider = cost_of(slim(net, one.width + 1 / 40, one.depth))
        assert any(getattr(wider, name) > most for name, most in limits.items())
    sizes = [one.cost.parameters * one.cost.macs for one in found]
    assert sizes == sorted(sizes, reverse=True) and found.best is found[0]


def test_all_of_a_large_budget_is_the_teacher():
    net = residual()
    best = suggest(net, Budget(macs=1e9)).best
    assert (best.width, best.depth, best.cost) == (1.0, 1.0, cost_of(net))


def test_depths_at_which_the_same_blocks_stay_are_one():
    found = suggest(residual(blocks=1), Budget(macs=1e9), depths=(1, 0.9, 0.6, 0.5))
    assert sorted(one.depth for one in found) == [0.5, 1]
    plain = chain(layers.Conv2D(8, 3), layers.Flatten(), layers.Dense(3))
    assert [one.depth for one in suggest(plain, Budget(macs=1e9))] == [1.0]


def test_widths_are_multiples():
    net = residual(width=24)
    found = suggest(net, Budget(parameters=9000), divisible_by=8)
    best = found.best
    student = slim(net, best.width, best.depth, divisible_by=8)
    assert cost_of(student) == best.cost
    assert student.get_layer("block_10").output.shape[-1] % 8 == 0


def test_the_table():
    found = suggest(residual(), Budget(parameters=3000, macs=2e6))
    lines = str(found).splitlines()
    assert lines[0] == "Students of 'r' within 3,000 parameters and 2,000,000 macs"
    assert lines[1].split() == ["width", "depth", "parameters", "MACs", "bytes"]
    cost = cost_of(residual())
    assert lines[2].split() == [
        *("teacher", "1.000", "1.00"),
        *(f"{size:,}" for size in (cost.parameters, cost.macs, cost.bytes)),
    ]
    assert lines[3].split()[0] == "best" and len(lines) == 3 + len(found)


def test_one_input_of_any_size():
    inputs = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(inputs))
    net = keras.Model(inputs, layers.Dense(2)(x), name="open")
    best = suggest(net, Budget(parameters=150)).best
    assert best.cost.macs is None and best.cost.parameters <= 150
    with pytest.raises(ValueError, match="has macs, and 'open' takes inputs of any"):
        suggest(net, Budget(macs=1000))


def test_what_cannot_be_is_refused_with_the_smallest():
    net = residual()
    with pytest.raises(ValueError) as caught:
        suggest(net, Budget(parameters=10))
    smallest = cost_of(slim(net, 0.025, 0.25))
    assert str(caught.value) == (
        "`budget` of 10 parameters is less than any student of 'r' needs: the "
        f"smallest, at width=0.025 and depth=0.25, has {smallest}."
    )
    with pytest.raises(TypeError, match="`budget` must be a Budget. Received: .*=5"):
        suggest(net, 5)
    with pytest.raises(ValueError, match="needs at least one of parameters, macs and"):
        Budget()
    with pytest.raises(ValueError, match="`macs` must be positive. Received: macs=-1"):
        Budget(macs=-1)
    with pytest.raises(ValueError, match="`depths` must be more than 0"):
        suggest(net, Budget(macs=1e9), depths=(0.0,))
    plain = chain(layers.Flatten(), layers.Dense(3))
    with pytest.raises(ValueError, match="`depths` needs 1.0, since 'chain' has no"):
        suggest(plain, Budget(macs=1e9), depths=(0.5,))


def test_a_network_of_keras_applications():
    net = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3))
    found = suggest(net, Budget(parameters=1_000_000))
    assert [one.depth for one in found] and len(found) == 4
    student = slim(net, found.best.width, 0.5)
    assert student.count_params() < 1_000_000
    assert np.asarray(student(np.zeros((1, 32, 32, 3), "float32"))).shape == (1, 1000)
