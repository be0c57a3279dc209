"""Students with exits on the way, and with branches."""

import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from keras_kd import Distiller, SelfTeacher, export, methods
from keras_kd.layers import AuxiliaryHead
from keras_kd.students import BranchedStudent, EarlyExitStudent, branches, with_exits
from tests.models import Subclassed, cross_entropy, one_step

X = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
Y = np.random.default_rng(1).integers(0, 5, 16)


def student(name="student", nested=False):
    x = inputs = keras.Input((8, 8, 3), name="picture")
    for number, width in enumerate((4, 6, 8), 1):
        block = layers.Conv2D(
            width, 3, padding="same", activation="relu", name=f"block_{number}"
        )
        x = block(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    if nested:
        body = keras.Model(inputs, x, name="body")
        inputs = keras.Input((8, 8, 3), name="picture")
        x = body(inputs)
    return keras.Model(inputs, layers.Dense(5, name="logits")(x), name=name)


@pytest.mark.parametrize("nested", [False, True])
def test_exits_leave_the_student_as_it_was(nested, tmp_path):
    model, path = student(nested=nested), "body/" if nested else ""
    before = np.asarray(model(X))
    exits = with_exits(model, {"exit_1": f"{path}block_1", "exit_2": f"{path}block_2"})
    assert exits.output_names == ["exit_1", "exit_2", "final"]
    outputs = exits(X)
    np.testing.assert_allclose(outputs["final"], before, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(exits.student(X), before, rtol=1e-6, atol=1e-7)

    early = exits.early_exit("exit_1")
    np.testing.assert_allclose(early(X), outputs["exit_1"], rtol=1e-6, atol=1e-7)
    names = {layer.name for layer in early.layers}
    assert "block_1" in names and not names & {"block_2", "block_3", "logits"}
    assert exits.early_exit("final") is model
    early.save(tmp_path / "early.keras")
    with zipfile.ZipFile(tmp_path / "early.keras") as file:
        assert b"keras_kd" not in file.read("config.json")

    exits.save(tmp_path / "exits.keras")
    loaded = keras.saving.load_model(tmp_path / "exits.keras")
    assert isinstance(loaded, EarlyExitStudent)
    for name, logits in loaded(X).items():
        np.testing.assert_allclose(logits, outputs[name], rtol=1e-6, atol=1e-7)


def test_the_end_teaches_the_exits_and_learns_from_labels_alone():
    exits = with_exits(student(), {"exit_1": "block_1", "exit_2": "block_2"})
    terms = methods.be_your_own_teacher(exits, 2.0, 0.3, feature="student/gap")
    names = "exit_1_from_final exit_2_from_final exit_1_feature exit_2_feature"
    assert [term.name for term in terms] == names.split()
    distiller = Distiller(SelfTeacher(), exits, terms)
    distiller.compile(
        keras.optimizers.SGD(0.1),
        dict.fromkeys(exits.output_names, cross_entropy()),
        loss_weights={"exit_1": 0.7, "exit_2": 0.7, "final": 1.0},
        metrics=["accuracy"],
        run_eagerly=True,
    )
    z = {name: np.asarray(v, "float64") for name, v in exits(X, training=True).items()}
    log_p = {
        name: v / 2 - np.log(np.exp(v / 2).sum(-1, keepdims=True))
        for name, v in z.items()
    }
    p = np.exp(log_p["final"])
    last = np.array(exits.student.get_layer("logits").kernel)
    logs = one_step(distiller, X, Y)
    for name in ("exit_1", "exit_2"):
        kl = (p * (log_p["final"] - log_p[name])).sum(-1).mean()
        assert logs[f"{name}_from_final"] == pytest.approx(4 * kl, rel=1e-3)
    assert {"exit_1_loss", "exit_2_accuracy", "final_loss"} <= set(logs)
    assert logs["exit_1_feature"] > 0
    assert np.abs(np.array(exits.student.get_layer("logits").kernel) - last).max() > 0


def test_sure_examples_leave_early():
    exits = with_exits(student(), {"exit_1": "block_1", "exit_2": "block_2"})
    kernel = exits.heads["exit_1"].steps[-1].kernel
    kernel.assign(12.0 * kernel)
    z = {name: np.asarray(logits, "float64") for name, logits in exits(X).items()}
    found = exits.predict_early(X, threshold=0.5, batch_size=5)
    for row in range(len(X)):
        for name in exits.output_names:
            powers = np.exp(z[name][row])
            if powers.max() / powers.sum() >= 0.5 or name == "final":
                break
        assert found.exits[row] == name
        np.testing.assert_allclose(found.logits[row], z[name][row], rtol=1e-5)
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert 0 < found.shares["exit_1"] < 1
    assert exits.predict_early(X, 1.0).shares["final"] == 1.0


def test_an_early_exit_goes_to_the_phone(tmp_path):
    exits = with_exits(student(), {"exit_1": "block_1"})
    result = export.export_tflite(exits.early_exit("exit_1"), tmp_path / "exit.tflite")
    assert result.path.stat().st_size < 8000  # and not the student's 4 kB more


SHARED = layers.Dense(3, name="twice")


def twice():
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(5)(SHARED(SHARED(x))), name="repeats")


def subclassed():
    model = Subclassed(name="sub")
    model(X)
    return model


def two_outputs():
    x = keras.Input((3,))
    outputs = {"a": layers.Dense(2)(x), "b": layers.Dense(2)(x)}
    return keras.Model(x, outputs, name="pair")


@pytest.mark.parametrize(
    "make, exits, words",
    [
        (subclassed, {"exit_1": "body"}, "'sub' is subclassed, so that its taps"),
        (two_outputs, {"exit_1": "dense"}, "a model with one output"),
        (twice, {"exit_1": "twice"}, "gives 2 tensors in one pass"),
        (student, {"exit_1": "blok_1"}, "Did you mean 'block_1'"),
        (student, {"final": "block_1"}, "not 'final'.*Received: 'final'"),
        (student, {"fit": "block_1"}, "Received: 'fit'"),
        (student, {}, "one head for each of one or more exits"),
    ],
)
def test_refusals_of_exits(make, exits, words):
    with pytest.raises(ValueError, match=words):
        with_exits(make(), exits, classes=5)


def test_more_refusals():
    with pytest.raises(ValueError, match=r"'exit_1' ends in the shape \(None, 4\)"):
        with_exits(student(), {"exit_1": "block_1"}, classes=4)
    with pytest.raises(ValueError, match=r"heads=\['other'\]"):
        EarlyExitStudent(student(), {"e": "block_1"}, {"other": AuxiliaryHead(5)})
    with pytest.raises(ValueError, match="needs a student with exits"):
        methods.be_your_own_teacher(["final"])
    exits = with_exits(student(), {"exit_1": "block_1"})
    with pytest.raises(ValueError, match="`name` must be one of"):
        exits.early_exit("exit_2")


def test_branches_share_a_trunk_and_differ_after_it(tmp_path):
    model = student()
    before = np.asarray(model(X))
    branched = branches(model, "block_2", count=3)
    outputs = branched(X)
    np.testing.assert_allclose(outputs["branch_1"], before, rtol=1e-6, atol=1e-7)
    assert np.abs(outputs["branch_2"] - outputs["branch_3"]).max() > 1e-3
    assert branched.branch() is model
    distiller = Distiller(SelfTeacher(), branched, methods.one(branched))
    distiller.compile("adam", cross_entropy(), metrics=["accuracy"], run_eagerly=True)
    logs = one_step(distiller, X, Y)
    assert {"branch_3_accuracy", "ensemble_loss", "branch_2_from_ensemble"} <= set(logs)
    # One trunk of two blocks (four variables), three tails of four, a gate of three.
    assert len(branched.trainable_weights) == 4 + 3 * 4 + 3
    outputs = branched(X)
    second = branched.branch("branch_2")
    np.testing.assert_allclose(second(X), outputs["branch_2"], rtol=1e-6, atol=1e-7)
    branched.save(tmp_path / "b.keras")
    loaded = keras.saving.load_model(tmp_path / "b.keras")
    for name, logits in loaded(X).items():
        np.testing.assert_allclose(logits, outputs[name], rtol=1e-5, atol=1e-6)


def skipping():
    x = keras.Input((8, 8, 3))
    inner = layers.Conv2D(3, 1, name="inner")(x)
    pooled = layers.GlobalAveragePooling2D()(layers.Add()([x, inner]))
    return keras.Model(x, layers.Dense(5)(pooled), name="skipping")


@pytest.mark.parametrize(
    "make, tap, count, words",
    [
        (student, "block_2", 1, "`count` must be 2 or more"),
        (student, "output", 2, "a layer of the student itself"),
        (skipping, "inner", 2, "needs more than its tap 'inner'"),
        (subclassed, "body", 2, "'sub' is subclassed"),
    ],
)
def test_refusals_of_branches(make, tap, count, words):
    with pytest.raises(ValueError, match=words):
        BranchedStudent(make(), tap, count)
