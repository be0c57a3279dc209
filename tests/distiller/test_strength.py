"""Each example's own balance between label and teacher: against NumPy."""

import json

import keras
import numpy as np
import pytest

from keras_kd import DistillationTerm, Distiller, methods
from keras_kd.callbacks import Stage
from keras_kd.losses import KLDistillation
from keras_kd.objective.strength import DynamicStrength, weighted_by
from tests.distiller.test_loss import kl, log_softmax, training_logits
from tests.distiller.test_outputs import LOSSES, data, tagger, two_headed
from tests.models import cnn, cross_entropy, one_step

SURE, OPEN = [80.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]
LOGITS = np.array([SURE, OPEN], "float32")


@keras.saving.register_keras_serializable(package="tests")
def by_place(labels, teacher, student):
    return keras.ops.linspace(-0.5, 1.5, 64)[: student.shape[0]]


@pytest.mark.parametrize(
    "measure, expected",
    [
        ("entropy", [0.0, 1.0]),
        ("error", [1.0, 0.75]),  # the label is class 1
        ("teacher_confidence", [1.0, 0.25]),
        ("label_trust", [1.0, 0.75]),
    ],
)
def test_measures(measure, expected):
    strength = DynamicStrength(measure)
    for labels in (np.array([1, 1]), np.array([[1], [1]]), np.eye(4)[[1, 1]]):
        shares = strength(labels, LOGITS, LOGITS)
        np.testing.assert_allclose(shares, expected, atol=1e-6)
    half = DynamicStrength(measure)(np.array([1, 1]), *[LOGITS.astype("float16")] * 2)
    assert keras.backend.standardize_dtype(half.dtype) == "float32"


def test_trust_in_a_label_is_the_teachers_and_error_the_students():
    y, sure = np.array([0, 0]), np.array([SURE, SURE], "float32")
    trust = DynamicStrength("label_trust")
    np.testing.assert_allclose(trust(y, LOGITS, sure), [0.0, 0.75], atol=1e-6)
    np.testing.assert_allclose(trust(y, sure, LOGITS), [0.0, 0.0], atol=1e-6)
    assert trust.logits == ((), ("output",))


def test_a_class_that_is_ruled_out_adds_nothing():
    logits = np.array([[0.0, 0.0, -np.inf, -np.inf]], "float32")
    assert float(DynamicStrength()(None, logits, logits)[0]) == pytest.approx(0.5)


def test_low_and_high():
    strength = DynamicStrength("entropy", low=1.0, high=0.5)
    np.testing.assert_allclose(strength(None, LOGITS, LOGITS), [1.0, 0.5], atol=1e-6)


def test_a_function_is_clipped_and_gets_no_gradient():
    import tensorflow as tf

    strength = DynamicStrength(lambda labels, teacher, student: student[:, 0])
    student = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        shares = strength(None, LOGITS, student)
    np.testing.assert_array_equal(shares, [1.0, 1.0])
    assert tape.gradient(shares, student) is None


def test_of_a_sequence_the_mean_over_what_counts():
    student = keras.ops.convert_to_tensor(LOGITS[None, [0, 1, 1]])  # (1, 3, 4)
    assert float(DynamicStrength()(None, student, student)[0]) == pytest.approx(2 / 3)
    student._keras_mask = keras.ops.convert_to_tensor([[True, True, False]])
    assert float(DynamicStrength()(None, student, student)[0]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: DynamicStrength("entropie"), "`measure` must be one of.*'entropy'"),
        (lambda: DynamicStrength(low=-0.1), "`low` must be non-negative"),
        (lambda: DynamicStrength(high=1.5), "`high` must be at most 1"),
        (lambda: DynamicStrength("error")(None, LOGITS, LOGITS), "needs labels"),
        (
            lambda: DynamicStrength("label_trust")(None, LOGITS, LOGITS),
            r"DynamicStrength\('label_trust'\) needs labels, and the batch has none",
        ),
        (
            lambda: DynamicStrength()(None, LOGITS[:, :1], LOGITS[:, :1]),
            "two classes or more",
        ),
        (
            lambda: DynamicStrength(lambda y, t, s: keras.ops.mean(s))(
                None, LOGITS, LOGITS
            ),
            "one value per example",
        ),
        (
            lambda: Distiller(
                cnn("t"), cnn("s"), [], strength=DynamicStrength(output="output/a")
            ),
            "Tap 'output/a' not found in 's'",
        ),
        (
            lambda: Distiller(
                cnn("t"), cnn("s", activation="softmax"), [], strength="entropy"
            ),
            "The strength wants logits, and student 's' ends in a softmax",
        ),
        (
            lambda: Distiller(
                cnn("t", activation="softmax"),
                cnn("s"),
                [],
                strength="teacher_confidence",
            ),
            "The strength wants logits, and teacher 't' ends in a softmax",
        ),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("measure", ["entropy", by_place], ids=["name", "function"])
def test_a_config_makes_it_anew(measure):
    strength = DynamicStrength(measure, low=0.25, high=0.75)
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(strength)))
    again = keras.saving.deserialize_keras_object(stored)
    assert vars(again) == vars(strength)


def distilled(strength, terms=None, **kwargs):
    teacher, student = cnn("t", 8, seed=1), cnn("s")
    terms = [KLDistillation()] if terms is None else terms
    distiller = Distiller(teacher, student, terms, strength=strength, **kwargs)
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy(), run_eagerly=True)
    return distiller


def by_hand(distiller, x, y):
    """Each example's hard loss, term and entropy."""
    t = keras.ops.convert_to_numpy(distiller.teacher(x)["output"])
    s = training_logits(distiller.student, x)
    log_q = log_softmax(s)
    entropy = -(np.exp(log_q) * log_q).sum(-1) / np.log(5)
    return -log_q[np.arange(len(x)), y], kl(t, s, 4.0), entropy


@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_added_up_is_what_numpy_says(weighted, images):
    x, y = images
    weight = np.linspace(0, 2, len(x)).astype("float32") if weighted else None
    distiller = distilled("entropy", hard_loss_weight=0.3)
    hard, soft, share = by_hand(distiller, x, y)
    logs = one_step(distiller, x, y, sample_weight=weight)
    w = 1.0 if weight is None else weight
    hard, soft = np.mean(2 * (1 - share) * hard * w), np.mean(2 * share * soft * w)
    assert logs["hard_loss"] == pytest.approx(hard, rel=1e-4)
    assert logs["kl_distillation"] == pytest.approx(soft, rel=1e-4)
    assert logs["strength"] == pytest.approx(np.mean(share), rel=1e-4)
    assert logs["loss"] == pytest.approx(0.3 * hard + soft, rel=1e-4)


def test_class_weight_counts_too(images):
    x, y = images
    distiller = distilled(by_place)
    hard, soft, _ = by_hand(distiller, x, y)
    share = np.clip(np.linspace(-0.5, 1.5, 64), 0, 1)
    logs = one_step(distiller, x, y, class_weight={c: float(c) for c in range(5)})
    assert logs["hard_loss"] == pytest.approx(
        np.mean(2 * (1 - share) * y * hard), rel=1e-4
    )
    assert logs["kl_distillation"] == pytest.approx(
        np.mean(2 * share * y * soft), rel=1e-4
    )


def test_a_share_of_one_half_changes_nothing(images):
    half = distilled(DynamicStrength(low=0.5, high=0.5))
    plain = distilled(None)
    logs, expected = one_step(half, *images), one_step(plain, *images)
    assert logs.pop("strength") == pytest.approx(0.5)
    assert logs == pytest.approx(expected, rel=1e-5)


def test_with_nothing_to_share_out_examples_count_alike(images):
    for terms, stage in (([], Stage()), (None, Stage(hard_loss=False))):
        distiller, plain = distilled("entropy", terms), distilled(None, terms)
        for model in (distiller, plain):
            model.enter(stage)
        logs, expected = one_step(distiller, *images), one_step(plain, *images)
        logs.pop("strength", None)
        assert logs == pytest.approx(expected, rel=1e-6)


def test_it_is_a_matter_of_training_and_saved(images, tmp_path):
    distiller = distilled(DynamicStrength("teacher_confidence", high=0.5))
    one_step(distiller, *images)
    assert "strength" not in distiller.evaluate(*images, return_dict=True, verbose=0)
    distiller.save(tmp_path / "d.keras")
    loaded = Distiller.load(tmp_path / "d.keras", cnn("t", 8, seed=1))
    assert vars(loaded.strength) == vars(distiller.strength)
    assert one_step(loaded, *images) == pytest.approx(one_step(distiller, *images))


@pytest.mark.parametrize("form", ["dict", "list"])
def test_one_output_is_measured_and_all_follow(form):
    x, y = data(form)
    student, teacher = two_headed("s", form), two_headed("t", form, 32, seed=1)
    tap = "output/kind" if form == "dict" else "output/0"
    distiller = Distiller(
        teacher,
        student,
        [DistillationTerm(KLDistillation(), tap, tap, name="kd")],
        strength=DynamicStrength(output=tap),
    )
    losses = [make() for make in LOSSES.values()]
    losses = dict(zip(LOSSES, losses, strict=True)) if form == "dict" else losses
    distiller.compile(keras.optimizers.SGD(0.0), losses, run_eagerly=True)
    logs = one_step(distiller, x, y)
    t, s = (
        [keras.ops.convert_to_numpy(z) for z in keras.tree.flatten(model(x))]
        for model in (teacher, student)
    )
    kind, size = keras.tree.flatten(y)
    log_q = log_softmax(s[0])
    share = -(np.exp(log_q) * log_q).sum(-1) / np.log(3)
    hard = -log_q[np.arange(48), kind] + ((s[1] - size) ** 2)[:, 0]
    assert logs["hard_loss"] == pytest.approx(np.mean(2 * (1 - share) * hard), rel=1e-4)
    soft = np.mean(2 * share * kl(t[0], s[0], 4.0))
    assert logs["kd"] == pytest.approx(soft, rel=1e-4)


@pytest.mark.parametrize("form", ["dict", "list"])
@pytest.mark.parametrize("weighted", [None, "one", "each"])
def test_several_outputs_follow_one_share(form, weighted):
    rng = np.random.default_rng(0)
    share = rng.uniform(size=4).astype("float32")
    predictions = {"a": np.zeros((4, 3)), "b": np.zeros((4, 7, 3)), "c": np.zeros(4)}
    weights = {"a": np.full(4, 2.0), "b": np.full((4, 7), 3.0), "c": None}
    expected = {"a": share, "b": share[:, None], "c": share}
    given = None
    if weighted == "each":
        given = weights
        expected = {"a": 2 * share, "b": 3 * np.tile(share[:, None], 7), "c": share}
    elif weighted == "one":
        given = np.full(4, 2.0)
        expected = {key: 2 * value for key, value in expected.items()}
    if form == "list":
        predictions = list(predictions.values())
        given = list(given.values()) if weighted == "each" else given
    found = weighted_by(share, given, predictions)
    found = found if form == "dict" else dict(zip("abc", found, strict=True))
    for key, value in expected.items():
        assert found[key].shape == value.shape
        np.testing.assert_allclose(found[key], value, rtol=1e-6)


def test_positions_of_a_sequence_weigh_by_their_example():
    """Batch equals time: the case where the wrong axis goes unnoticed."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 20, (7, 7)).astype("int32"), rng.integers(0, 4, (7, 7))
    student = tagger("s", 6)
    share = np.linspace(0, 1, 7).astype("float32")
    distiller = Distiller(
        tagger("t", 6, seed=1),
        student,
        [DistillationTerm(KLDistillation(), weight=0.0)],
        strength=lambda labels, teacher, student: keras.ops.convert_to_tensor(share),
    )
    distiller.compile(keras.optimizers.SGD(0.0), cross_entropy(), run_eagerly=True)
    log_q = log_softmax(keras.ops.convert_to_numpy(student(x)))
    hard = -np.take_along_axis(log_q, y[..., None], -1)[..., 0].mean(-1)
    logs = one_step(distiller, x, y)
    assert logs["hard_loss"] == pytest.approx(np.mean(2 * (1 - share) * hard), rel=1e-4)


def test_it_trains_in_a_graph(images):
    distiller = Distiller(
        cnn("t", 8, seed=1), cnn("s"), methods.hinton(), strength=DynamicStrength()
    )
    distiller.compile(
        keras.optimizers.Adam(0.02),
        cross_entropy(),
        steps_per_execution=2,
        jit_compile=False,
    )
    history = distiller.fit(*images, batch_size=16, epochs=6, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert 0.0 < history["strength"][-1] < 1.0
