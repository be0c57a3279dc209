"""A memory of embeddings, beside a slow one in NumPy."""

import types

import numpy as np
import pytest
import tensorflow as tf

from keras_kd.layers import MemoryBank

UNITS = 5


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def batch(seed, size=4):
    rng = np.random.default_rng(seed)
    return unit(rng.normal(size=(2, size, UNITS))).astype("float32")


def memory(capacity=9, **arguments):
    layer = MemoryBank(capacity, **arguments)
    layer.build((None, UNITS), (None, UNITS))
    return layer


class Slow:
    """What `MemoryBank` says that it does, example by example."""

    def __init__(self, capacity, momentum=0.5, temperature=0.07):
        self.capacity, self.momentum, self.temperature = capacity, momentum, temperature
        self.slots, self.log_z = {}, None

    def scores(self, teacher, student, labels, index):
        if self.log_z is None:
            mean = np.mean(np.exp(teacher @ student.T / self.temperature))
            self.log_z = np.log(mean * self.capacity)
        both = []
        for side, one, other in ((1, teacher, student), (0, student, teacher)):
            rows = []
            for at, x in enumerate(one):
                kept = self.slots.get(index[at] % self.capacity)
                own = kept and kept["owner"] == index[at]
                row = [x @ (kept["sides"][side] if own else other[at])]
                for slot in range(self.capacity):
                    kept = self.slots.get(slot)
                    counts = kept is not None and kept["label"] != labels[at]
                    row.append(x @ kept["sides"][side] if counts else -np.inf)
                rows.append(np.array(row) / self.temperature - self.log_z)
            both.append(np.array(rows))
        for at, (t, s) in enumerate(zip(teacher, student, strict=True)):
            kept = self.slots.get(index[at] % self.capacity)
            if kept and kept["owner"] == index[at]:
                old, new = self.momentum, 1 - self.momentum
                t = unit(old * kept["sides"][0] + new * t)
                s = unit(old * kept["sides"][1] + new * s)
            entry = {"owner": index[at], "label": labels[at], "sides": (t, s)}
            self.slots[index[at] % self.capacity] = entry
        return both


@pytest.mark.parametrize("traced", [False, True])
def test_every_slot_as_an_example_at_a_time(traced):
    """Rows move with momentum; a slot taken from somebody else begins anew."""
    layer, slow = memory(), Slow(9)
    call = tf.function(layer.__call__, jit_compile=True) if traced else layer
    labels = np.array([0, 1, 0, 2])
    for seed, index in enumerate([[3, 0, 8, 5], [3, 1, 9, 5], [12, 1, 2, 0]]):
        teacher, student = batch(seed)
        places = np.array(index)
        found = call(teacher, student, labels=labels, index=places, training=True)
        wanted = slow.scores(teacher, student, labels, places)
        for side, expected in zip(found, wanted, strict=True):
            np.testing.assert_allclose(side, expected, rtol=1e-4, atol=1e-4)
    assert np.isneginf(found[0]).any() and np.isfinite(found[0][:, 1:]).any()


@pytest.mark.parametrize("by_class", [True, False])
def test_drawn_negatives_are_those_that_count(by_class):
    """Slots that are filled, each as often as the others, without the own class."""
    every, drawn = (
        memory(12, negatives=n, by_class=by_class, seed=1) for n in (None, 11)
    )
    labels = {"labels": np.array([0, 1, 0, 2])} if by_class else {}
    for first in (0, 4):
        places = first + np.arange(4)
        every(*batch(first), **labels, index=places, training=True)
    inputs = batch(7)
    exact = every(*inputs, **labels, index=places)[1].numpy()[:, 1:]
    counts = np.zeros(exact.shape, int)
    draw = tf.function(drawn.__call__, jit_compile=True)
    for _ in range(40):
        drawn.set_weights(every.get_weights())
        some = draw(*inputs, **labels, index=places, training=True)[1].numpy()[:, 1:]
        for example, row in enumerate(some):
            row = row[np.isfinite(row)]
            which = np.abs(row[:, None] - exact[example]).argmin(axis=1)
            np.testing.assert_allclose(row, exact[example][which], atol=1e-4)
            np.add.at(counts[example], which, 1)
    np.testing.assert_array_equal(counts > 0, np.isfinite(exact))
    expected = 40 * 11 / 8
    assert np.all(np.abs(counts[counts > 0] / expected - 1.0) < 0.4)
    wanted = [4, 6, 4, 6] if by_class else [7] * 4
    np.testing.assert_array_equal(np.isfinite(exact).sum(axis=1), wanted)


def test_as_many_draws_as_filled_slots_find_each_once():
    layer = memory(12, negatives=8, by_class=False)
    for first in (0, 4):
        layer(*batch(first), index=first + np.arange(4), training=True)
    scores = layer(*batch(7), index=4 + np.arange(4), training=True)[0].numpy()
    assert len(np.unique(scores[0, 1:])) == 8 and np.isneginf(scores[0, 1:]).sum() == 1


def test_a_ring_keeps_the_latest():
    layer = memory(6, by_index=False, by_class=False)
    for seed in range(3):
        teacher, student = batch(seed)
        scores = layer(teacher, student, training=True)[1].numpy()
        assert np.isfinite(scores[0, 1:]).sum() == min(4 * seed, 6)
    kept = np.concatenate([batch(seed)[0] for seed in range(3)])[-6:]
    found = np.asarray(layer.teacher_memory)
    np.testing.assert_allclose(np.sort(found, 0), np.sort(kept, 0), atol=1e-6)
    # The positive is the other side's embedding of this very batch.
    right = np.sum(teacher * student, -1) / 0.07 - float(layer.log_z)
    np.testing.assert_allclose(scores[:, 0], right, rtol=1e-4)


def test_inference_remembers_nothing_and_repeats_itself():
    layer = memory(20, negatives=3, by_class=False)
    layer(*batch(0), index=np.arange(4), training=True)
    before = layer.get_weights()
    scores = [layer(*batch(1), index=np.arange(4))[0] for _ in range(2)]
    np.testing.assert_array_equal(*scores)
    for was, weight in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(was, weight)


def test_gradients_stop_at_the_memory():
    layer = memory(by_class=False)
    layer(*batch(0), index=np.arange(4), training=True)
    teacher, student = map(tf.constant, batch(1))
    with tf.GradientTape() as tape:
        tape.watch([teacher, student])
        of_teacher, of_student = layer(teacher, student, index=np.arange(4))
        values = [x[:, 0] for x in (of_teacher, of_student)]
    (alone, none) = tape.gradient(values[0], [teacher, student])
    assert none is None and np.abs(alone).sum() > 0
    assert not layer.trainable_variables


def test_one_hot_labels_are_class_numbers():
    layer = memory()
    layer(*batch(0), labels=np.array([0, 1, 0, 2]), index=np.arange(4), training=True)
    numbers = [np.array([2, 1, 0, 0]), np.eye(3)[[2, 1, 0, 0]], [[2], [1], [0], [0]]]
    first, *others = (
        layer(*batch(1), labels=np.array(x, "float32"), index=np.arange(4))[1]
        for x in numbers
    )
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_what_is_missing_is_said():
    layer = memory()
    with pytest.raises(ValueError, match="by_class=True.* no labels"):
        layer(*batch(0), index=np.arange(4))
    with pytest.raises(ValueError, match="pack_targets.*by_index=False"):
        layer(*batch(0), labels=np.zeros(4, int))
    with pytest.raises(ValueError, match="`momentum` must be below 1"):
        MemoryBank(4, momentum=1.0)


def test_replicas_are_refused(monkeypatch):
    """Tried on two devices: a mirrored variable holds a tuple of copies."""
    mirrored = types.SimpleNamespace(value=types.SimpleNamespace(values=(1, 2)))
    monkeypatch.setattr(MemoryBank, "_state", lambda *args: mirrored)
    with pytest.raises(ValueError, match="several replicas"):
        memory()
