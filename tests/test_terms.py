"""A term alone: its name, its adapter, its weights, what it hands to the loss."""

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm
from keras_kd.layers import DenseAdapter, FeatureAdapter
from keras_kd.losses import Hint, KLDistillation
from keras_kd.losses.keras_loss import KerasLoss


@pytest.mark.parametrize(
    "arguments, name",
    [
        ({"loss": KLDistillation()}, "kl_distillation"),
        ({"loss": Hint(), "student": "a/b", "teacher": "c"}, "hint_a_b"),
        ({"loss": "mse", "student": ["a", "b"]}, "mean_squared_error_a_b"),
        ({"loss": keras.losses.Huber()}, "huber_loss"),
        ({"loss": Hint(), "name": "mine"}, "mine"),
    ],
)
def test_names(arguments, name):
    assert DistillationTerm(**arguments).name == name


@pytest.mark.parametrize(
    "loss, shapes, adapter",
    [
        (Hint(), ((None, 8, 8, 4), (None, 8, 8, 6)), FeatureAdapter),
        (Hint(), ((None, 4), (None, 6)), DenseAdapter),
        (Hint(), ((None, 4), (None, 4)), type(None)),
        (KLDistillation(), ((None, 4), (None, 4)), type(None)),
    ],
)
def test_the_adapter_that_the_shapes_ask_for(loss, shapes, adapter):
    term = DistillationTerm(loss)
    term.build(*shapes)
    assert isinstance(term.adapter, adapter)
    keras.config.set_dtype_policy("mixed_float16")
    if term.adapter is not None:
        assert term.adapter.compute_dtype == "float32"


def test_a_keras_loss_adapts_features_and_refuses_predictions():
    term = DistillationTerm("mse", "body", "body")
    term.build((None, 4), (None, 6))
    assert isinstance(term.adapter, DenseAdapter)
    with pytest.raises(ValueError, match="cannot compare"):
        DistillationTerm("mse").build((None, 4), (None, 6))


def test_an_adapter_made_by_a_function():
    term = DistillationTerm(
        Hint(), adapter=lambda student, teacher: keras.layers.Dense(teacher[-1])
    )
    term.build((None, 4), (None, 6))
    assert isinstance(term.adapter, keras.layers.Dense)
    assert term(np.ones((2, 4)), np.ones((2, 6))).shape == ()


@pytest.mark.parametrize("loss", ["mse", keras.losses.MeanSquaredError()])
def test_a_keras_loss_on_a_map_weighs_examples_not_columns(loss):
    """Batch equals width: the case where the wrong axis goes unnoticed."""
    rng = np.random.default_rng(0)
    t, s = rng.normal(size=(2, 4, 4, 4, 3)).astype("float32")
    weight = np.array([1.0, 0.0, 2.0, 0.5], "float32")
    expected = np.mean(((t - s) ** 2).mean((1, 2, 3)) * weight)
    value = DistillationTerm(loss)(s, t, sample_weight=weight)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)


def test_a_keras_loss_keeps_its_reduction():
    t, s = np.ones((4, 3), "float32"), np.zeros((4, 3), "float32")
    term = DistillationTerm(keras.losses.MeanSquaredError(reduction="sum"))
    assert float(term(s, t)) == pytest.approx(4.0)


def test_a_function_is_a_loss():
    def gap(teacher, student):
        return keras.ops.max(keras.ops.abs(teacher - student), axis=-1)

    term = DistillationTerm(gap)
    assert term.name == "gap"
    assert float(term(np.zeros((2, 3)), np.ones((2, 3)))) == 1.0


def test_a_function_that_returns_a_scalar_is_refused():
    loss = KerasLoss(lambda t, s: keras.ops.mean(t - s))
    with pytest.raises(ValueError, match="one value per example"):
        loss(np.ones((2, 3)), np.ones((2, 3)))


def test_weights_of_positions_count_as_their_mean():
    rng = np.random.default_rng(0)
    t, s = rng.normal(size=(2, 3, 5, 4)).astype("float32")
    per_position = rng.uniform(size=(3, 5)).astype("float32")
    term = DistillationTerm(Hint())
    np.testing.assert_allclose(
        term(s, t, sample_weight=per_position),
        term(s, t, sample_weight=per_position.mean(-1)),
        rtol=1e-5,
    )


def test_a_weight_in_a_column_is_the_examples_whatever_the_mask():
    t, s = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype("float32")
    s = keras.ops.convert_to_tensor(s)
    s._keras_mask = keras.ops.convert_to_tensor(np.tri(3, 5) > 0)
    weight = np.array([1.0, 0.0, 2.0], "float32")
    term = DistillationTerm(Hint())
    np.testing.assert_allclose(
        term(s, t, sample_weight=weight[:, None]),
        term(s, t, sample_weight=weight),
        rtol=1e-6,
    )


def test_an_output_takes_its_own_weight():
    t = np.ones((2, 3), "float32")
    weights = {"a": np.array([1.0, 1.0]), "b": np.array([0.0, 4.0])}
    for part, expected in (("a", 1.0), ("b", 2.0)):
        term = DistillationTerm(Hint(), f"output/{part}", name="x")
        assert float(term(0 * t, t, sample_weight=weights)) == expected
    inner = DistillationTerm(Hint(), "body", name="y")
    assert float(inner(0 * t, t, sample_weight=weights)) == pytest.approx(1.5)


def test_several_features_reach_a_loss_as_lists():
    seen = {}

    def loss(teacher, student):
        seen.update(teacher=len(teacher), student=len(student))
        return keras.ops.sum(teacher[0] - student[1], axis=-1)

    term = DistillationTerm(loss, student=["a", "b"], teacher=["c", "d"])
    pair = [np.ones((2, 3), "float32"), np.zeros((2, 3), "float32")]
    assert float(term(pair, pair)) == 3.0
    assert seen == {"teacher": 2, "student": 2}


def kept(loss_class=Hint, **made):
    """A loss that remembers what it was given last."""

    class Keeping(loss_class):
        def call(self, teacher, student, **more):
            self.seen = {"teacher": teacher, "student": student, **more}
            return super().call(teacher, student, **more)

    return Keeping(**made)


def test_the_teachers_side_may_have_an_adapter_that_learns():
    double = keras.layers.Dense(3, use_bias=False, kernel_initializer="identity")
    loss = kept()
    term = DistillationTerm(
        loss, teacher_adapter=lambda student, teacher: double, name="both"
    )
    term.build((None, 4), (None, 5))
    assert term.teacher_adapter is double and double.built
    # The student is brought to what the teacher's adapter gives.
    assert isinstance(term.adapter, DenseAdapter) and term.adapter.units == 3
    teacher = np.eye(2, 5, dtype="float32")
    term(np.ones((2, 4), "float32"), teacher)
    np.testing.assert_array_equal(loss.seen["teacher"], teacher[:, :3])
    assert {id(v) for v in double.trainable_variables} <= {
        id(v) for v in term.trainable_variables
    }


def test_a_factory_sees_the_shapes_as_they_meet():
    seen = {}

    def make(student, teacher):
        seen.update(student=student, teacher=teacher)
        return keras.layers.Dense(teacher[-1])

    term = DistillationTerm(
        Hint(), adapter=make, teacher_adapter=keras.layers.Dense(3), name="x"
    )
    term.build((None, 4), (None, 6))
    assert seen == {"student": (None, 4), "teacher": (None, 3)}


class Remembering(keras.layers.Layer):
    """A memory: shifts the teacher by what it counted, and hands both on."""

    def build(self, teacher_shape, student_shape):
        self.shapes = teacher_shape, student_shape
        self.calls = self.add_weight((), "zeros", trainable=False, name="calls")

    def call(self, teacher, student, labels=None, index=None, training=False):
        self.seen = {"labels": labels, "index": index, "training": training}
        self.calls.assign_add(1.0)
        return teacher + self.calls, student


def test_a_memory_sees_both_sides_labels_and_places():
    memory, loss = Remembering(), kept()
    term = DistillationTerm(loss, memory=memory)
    term.build((None, 4), (None, 6))
    assert memory.shapes == ((None, 6), (None, 6))  # after the adapter
    teacher = np.zeros((2, 6), "float32")
    labels, index = np.array([3, 4]), np.array([7, 9])
    term(np.ones((2, 4)), teacher, labels=labels, index=index, training=True)
    np.testing.assert_array_equal(loss.seen["teacher"], teacher + 1.0)
    np.testing.assert_array_equal(memory.seen["labels"], labels)
    np.testing.assert_array_equal(memory.seen["index"], index)
    assert memory.seen["training"] is True
    assert memory.calls.path in {v.path for v in term.non_trainable_variables}


class Warmth(keras.layers.Layer):
    """A temperature that learns."""

    def build(self, teacher_shape, student_shape):
        self.value = self.add_weight(shape=(), initializer="ones", name="value")

    def call(self, teacher, student):
        return 2.0 * self.value


def test_a_layer_may_give_the_temperature():
    teacher, student = np.random.default_rng(0).normal(size=(2, 3, 5))
    term = DistillationTerm(KLDistillation(temperature=7.0), temperature=Warmth())
    term.build((None, 5), (None, 5))
    expected = KLDistillation(temperature=2.0)(teacher, student)
    assert float(term(student, teacher)) == pytest.approx(float(expected), rel=1e-5)
    assert len(term.trainable_variables) == 1


def test_hyperparameters_of_loss_and_layers_are_the_terms():
    term = DistillationTerm(KLDistillation(temperature=2.0), weight=0.5)
    assert [float(h) for h in term.hyperparameters] == [0.5, 2.0]


def test_lists_of_taps_get_an_adapter_each():
    term = DistillationTerm(
        lambda teacher, student: keras.ops.mean(teacher[0] - student[0], axis=-1),
        student=["a", "b"],
        teacher=["c", "d"],
        name="pairs",
    )
    term.build([(None, 8, 8, 4), (None, 5)], [(None, 4, 4, 6), (None, 5)])
    first, second = term.adapter.adapters
    assert isinstance(first, FeatureAdapter) and second is None
    assert term.adapter.compute_output_shape([(2, 8, 8, 4), (2, 5)]) == [
        (2, 4, 4, 6),
        (2, 5),
    ]
    equal = DistillationTerm("mse", ["a", "b"], ["c", "d"], name="equal")
    equal.build([(None, 5), (None, 3)], [(None, 5), (None, 3)])
    assert equal.adapter is None


@keras.saving.register_keras_serializable(package="tests")
class Shift(keras.layers.Layer):
    def call(self, x):
        return x + 1.0


def test_all_the_layers_come_back():
    term = DistillationTerm(
        Hint(), "a", "b", adapter=Shift(), teacher_adapter=Shift(), name="shifted"
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(term)
    )
    assert isinstance(again.adapter, Shift)
    assert isinstance(again.teacher_adapter, Shift)
    assert again.memory is None and again.temperature is None
    assert again.get_config() == term.get_config()


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"teacher_adapter": "auto"}, TypeError, "`teacher_adapter` must be a layer"),
        ({"memory": lambda t, s: (t, s)}, TypeError, "`memory` must be a layer"),
        ({"temperature": 3.0}, TypeError, "`temperature` must be a layer"),
        ({"temperature": Warmth()}, ValueError, "Hint does not"),
    ],
)
def test_wrong_layers_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        DistillationTerm(Hint(), **arguments)
