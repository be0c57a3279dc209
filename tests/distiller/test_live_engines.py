"""A teacher that labels ahead teaches what a teacher inside the step does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import (
    Agreement,
    DistillationTerm,
    Distiller,
    EnsembleTeacher,
    FrozenTeacher,
    pack_targets,
)
from keras_kd.callbacks import Stage, Stages
from keras_kd.engines.engine import EngineError
from keras_kd.feeding import FedAdapter, fed
from keras_kd.losses import Hint, KLDistillation
from tests.models import cnn, cross_entropy, one_step


@pytest.fixture(scope="module")
def teachers():
    """One model in each engine; what they convert, all tests share."""
    model = cnn("t", 8, seed=1)
    return {
        name: FrozenTeacher(model, engine=name)
        for name in ("tensorflow", "litert", "onnx", "auto")
    }


def train(teacher, data, compiled=None, weight=1.0, strength=None, **fit):
    """The weights and history of a short training."""
    keras.utils.set_random_seed(3)
    student = cnn("s")
    terms = [
        DistillationTerm(KLDistillation(), name="kl"),
        DistillationTerm(Hint(), "gap", "gap", name="hint"),
    ]
    distiller = Distiller(teacher, student, terms, weight, strength=strength)
    loss = cross_entropy() if weight else None
    distiller.compile(keras.optimizers.SGD(0.1), loss, **(compiled or {}))
    data = data() if callable(data) else data
    history = distiller.fit(*data, **{"epochs": 2, "verbose": 0, **fit})
    return distiller.get_weights(), history.history


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 4

    def __getitem__(self, i):
        rows = slice(16 * i, 16 * i + 16)
        return self.x[rows], self.y[rows], np.linspace(0, 1, 16)


def dataset(x, y):
    whole = tf.data.Dataset.from_tensor_slices((x, y))
    return whole.shuffle(64, seed=1).batch(24)


def generator(x, y):
    for i in range(0, 64, 16):
        yield x[i : i + 16], y[i : i + 16]


FORMS = {
    "arrays": lambda x, y: {"x": x, "y": y, "batch_size": 24, "shuffle": False},
    "a dataset": lambda x, y: {"x": dataset(x, y), "shuffle": False},
    "a PyDataset": lambda x, y: {"x": Batches(x, y), "shuffle": False},
    "a generator": lambda x, y: {"x": generator(x, y), "shuffle": False},
}


@pytest.mark.parametrize("form", FORMS)
def test_data_of_every_form(form, teachers, images):
    """Each batch is what it was, and comes with the features of its own examples."""
    x, _ = images
    given = FORMS[form](x, np.arange(64))
    adapter = fed(teachers["litert"], ["output", "gap"], given)["x"]
    expected = teachers["tensorflow"](x, ["gap"])
    seen = []
    for batch in adapter.get_numpy_iterator():
        rows = np.asarray(batch[1]["labels"]).astype(int)
        np.testing.assert_array_equal(batch[0], x[rows])
        features = batch[1]["teacher"]
        assert set(features) == {"output", "gap"}
        for tap, value in features.items():
            np.testing.assert_allclose(
                value, np.asarray(expected[tap])[rows], atol=1e-4
            )
        assert len(batch) == (3 if form == "a PyDataset" else 2)
        seen.extend(rows)
    assert sorted(seen) == list(range(64))


SETTINGS = {
    "class weight, a split, an uneven last batch": lambda x, y: {
        "class_weight": {label: 1.0 + label for label in range(5)},
        "validation_split": 0.25,
        "batch_size": 20,
    },
    "sample weight, steps at once": lambda x, y: {
        "sample_weight": np.linspace(0, 2, 64).astype("float32"),
        "compiled": {"steps_per_execution": 2},
        "batch_size": 16,
    },
    "teacher metrics, a strength": lambda x, y: {
        "compiled": {"metrics": ["accuracy", Agreement()]},
        "validation_data": (x, y),
        "strength": "teacher_confidence",
    },
    "stages": lambda x, y: {"callbacks": [Stages([Stage(1, ["hint"]), Stage()])]},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings(setting, teachers, images):
    """What `fit` takes means the same, and the student ends in the same weights."""
    expected, logs = train(teachers["tensorflow"], images, **SETTINGS[setting](*images))
    weights, ours = train(teachers["litert"], images, **SETTINGS[setting](*images))
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert set(ours) == set(logs)
    for key, values in logs.items():
        np.testing.assert_allclose(ours[key], values, rtol=1e-4, err_msg=key)


def test_auto_chooses_at_the_first_batch_without_labels(teachers, images, caplog):
    data = (images[0],)
    expected, _ = train(teachers["tensorflow"], data, weight=0.0)
    with caplog.at_level("INFO", "keras_kd"):
        weights, _ = train(teachers["auto"], data, weight=0.0)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert teachers["auto"].chosen is not None
    assert sum("Teacher 't' runs in" in r.getMessage() for r in caplog.records) == 1


def test_an_ensemble_labels_ahead(teachers, images):
    x, y = images
    other = cnn("b", 6, seed=2)
    plain = EnsembleTeacher({"a": teachers["tensorflow"], "b": other})
    fast = EnsembleTeacher(
        {"a": teachers["onnx"], "b": FrozenTeacher(other, engine="onnx")}
    )
    assert fast.runs_ahead
    adapter = fed(fast, ["output", "b/gap"], {"x": x, "y": y, "shuffle": False})["x"]
    batches = list(adapter.get_numpy_iterator())
    expected = plain(x, ["b/gap"])
    for tap in ("output", "b/gap"):
        found = np.concatenate([batch[1]["teacher"][tap] for batch in batches])
        np.testing.assert_allclose(found, expected[tap], atol=1e-4)


def test_a_step_of_ones_own_runs_the_engine_inside(teachers, images):
    x, y = images
    logs = []
    for name in ("tensorflow", "litert"):
        distiller = Distiller(teachers[name], cnn("s"), [KLDistillation()])
        distiller.compile("sgd", cross_entropy())
        logs.append(one_step(distiller, x, y))
    assert logs[0] == pytest.approx(logs[1], rel=1e-4)


def test_targets_that_are_there_already_stay(teachers, images):
    x, y = images
    stored = np.asarray(teachers["tensorflow"](x)["output"]) + 3.0
    packed = pack_targets(y, {"output": stored}, index=np.arange(64))
    (batch,) = _fed(teachers["litert"], (x, packed), 64)
    np.testing.assert_array_equal(batch[1]["teacher"]["output"], stored)
    (batch,) = _fed(teachers["litert"], (x, pack_targets(y, index=np.arange(64))), 64)
    assert set(batch[1]) == {"labels", "index", "teacher"}
    np.testing.assert_allclose(batch[1]["teacher"]["output"], stored - 3.0, atol=1e-4)


def test_batches_keep_their_order_and_features_their_batch(teachers, images):
    x, y = images
    features = np.asarray(teachers["tensorflow"](x)["output"])
    batches = _fed(teachers["litert"], (x, pack_targets(y, index=np.arange(64))), 10)
    assert [len(batch[0]) for batch in batches] == [10] * 6 + [4]
    places = np.concatenate([batch[1]["index"] for batch in batches])
    np.testing.assert_array_equal(places, np.arange(64))
    found = np.concatenate([batch[1]["teacher"]["output"] for batch in batches])
    np.testing.assert_allclose(found, features, atol=1e-4)


def test_the_order_is_that_of_keras(teachers, images):
    """What a plain model sees for the same seed, in every epoch."""
    x, _ = images
    y = np.arange(64)

    def seen(fit):
        order = []

        class Watching(keras.Model):
            def train_step(self, data):
                labels = data[1]["labels"] if isinstance(data[1], dict) else data[1]
                order.extend(np.asarray(labels))
                return {"loss": tf.zeros(())}

        model = Watching()
        model.compile("sgd", run_eagerly=True)
        keras.utils.set_random_seed(7)
        fit(model)
        return order

    settings = {"x": x, "y": y, "batch_size": 24, "epochs": 2, "verbose": 0}
    expected = seen(lambda model: model.fit(**settings))
    teacher = teachers["litert"]
    assert seen(lambda model: model.fit(**fed(teacher, ["output"], settings))) == (
        expected
    )
    assert sorted(expected[:64]) == list(range(64)) != expected[:64]


def test_a_model_that_cannot_be_converted_is_refused_before_the_first_step(images):
    class Foreign(keras.layers.Layer):
        def call(self, x):
            return tf.ensure_shape(tf.numpy_function(np.sin, [x], x.dtype), x.shape)

        def compute_output_shape(self, shape):
            return shape

    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, cnn("inner")(Foreign()(inputs)), name="t")
    teacher = FrozenTeacher(model, engine="litert")
    distiller = Distiller(teacher, cnn("s"), [KLDistillation()])
    distiller.compile("sgd", cross_entropy())
    with pytest.raises(EngineError, match="cannot run the teacher 't'"):
        distiller.fit(*images, verbose=0)


def test_the_private_base_is_the_one_that_fit_looks_for():
    """`fit` takes a DataAdapter as `x`. A Keras that moves it is to be noticed here."""
    from keras.src.trainers.data_adapters import get_data_adapter
    from keras.src.trainers.data_adapters.array_slicing import train_validation_split
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter

    assert issubclass(FedAdapter, DataAdapter)
    adapter = FedAdapter(get_data_adapter(x=np.zeros((4, 2))), None, ["output"])
    assert get_data_adapter(x=adapter) is adapter
    assert callable(train_validation_split)
    own = {name for name in vars(DataAdapter) if not name.startswith("_")}
    left = {"get_jax_iterator", "get_torch_dataloader"}
    assert own - left <= set(vars(FedAdapter))


def _fed(teacher, data, batch_size):
    from keras.src.trainers.data_adapters import get_data_adapter

    x, y = data
    adapter = get_data_adapter(x=x, y=y, batch_size=batch_size)
    return list(FedAdapter(adapter, teacher, ["output"]).get_numpy_iterator())
