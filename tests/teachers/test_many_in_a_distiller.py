"""Several teachers at work: what is added up, what learns, what follows."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_kd import (
    DistillationTerm,
    Distiller,
    EnsembleTeacher,
    FrozenTeacher,
    SelfTeacher,
    TeacherStudentKL,
    methods,
)
from keras_kd.losses import Hint, KLDistillation
from keras_kd.store import label
from keras_kd.teachers import Teacher
from tests.distiller.test_loss import kl, training_logits
from tests.models import cnn, cross_entropy, one_step
from tests.teachers.tables import cross_entropy_of, softmax


@pytest.fixture
def members():
    return {"wide": cnn("wide", 8, seed=1), "deep": cnn("deep", 6, seed=2)}


def logits_of(members, x):
    return [np.asarray(model(x), "float64") for model in members.values()]


def learning(teacher, student=None, terms=None, rate=0.0, **kwargs):
    terms = [KLDistillation()] if terms is None else terms
    distiller = Distiller(teacher, student or cnn("s"), terms, **kwargs)
    distiller.compile(keras.optimizers.SGD(rate), cross_entropy(), run_eagerly=True)
    return distiller


def of_each(rule, z, y):
    if rule == "correctness":
        losses = np.stack([cross_entropy_of(t, y) for t in z], -1)
        return 1 - softmax(losses)  # of two teachers
    return np.tile([0.25, 0.75], (len(y), 1))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rule", ["correctness", "fixed"])
def test_losses_are_averaged_each_example_by_its_weights(
    rule, weighted, members, images
):
    x, y = images
    z = logits_of(members, x)
    weights = {"deep": 3.0} if rule == "fixed" else rule
    distiller = learning(EnsembleTeacher(members, "losses", weights))
    s = training_logits(distiller.student, x)
    each = np.stack([kl(t, s, 4.0) for t in z], -1)
    value = (of_each(rule, z, y) * each).sum(-1)
    weight = np.linspace(0, 2, len(x)).astype("float32") if weighted else None
    logs = one_step(distiller, x, y, sample_weight=weight)
    value = np.mean(value if weight is None else value * weight)
    assert logs["kl_distillation"] == pytest.approx(value, rel=1e-5)
    mean = np.mean(kl(sum(z) / 2, s, 4.0))
    assert abs(value - mean) > 1e-3  # another thing than the loss of the mean


def test_by_losses_only_the_output_is_compared_with_each(members, images):
    terms = [
        DistillationTerm(KLDistillation(), name="kd"),
        DistillationTerm(Hint(), "body", "wide/body", name="hint"),
    ]
    plain = learning(EnsembleTeacher(members), terms=terms)
    plain_logs = one_step(plain, *images)
    again = [DistillationTerm.from_config(term.get_config()) for term in terms]
    each = learning(EnsembleTeacher(members, "losses"), terms=again)
    for new, old in zip(again, terms, strict=True):
        new.set_weights(old.get_weights())
    each.student.set_weights(plain.student.get_weights())
    logs = one_step(each, *images)
    assert logs["hint"] == pytest.approx(plain_logs["hint"], rel=0.2)
    assert logs["kd"] != pytest.approx(plain_logs["kd"], rel=1e-3)


def test_by_losses_with_other_classes(members, images):
    x, y = images
    members["deep"] = cnn("deep", 6, classes=3, seed=2)
    teacher = EnsembleTeacher(members, "losses", class_maps={"deep": [4, 0, 1]})
    distiller = learning(teacher)
    s = training_logits(distiller.student, x)
    features = teacher(x)
    taps = teacher.each("output")
    assert taps == ("wide/output", "deep/output@student")
    value = np.mean([np.mean(kl(np.asarray(features[t]), s, 4.0)) for t in taps])
    logs = one_step(distiller, x, y)
    assert logs["kl_distillation"] == pytest.approx(value, rel=1e-4)


def test_learned_weights_go_down_the_labels_gradient(members, images):
    x, y = images
    distiller = learning(EnsembleTeacher(members, weights="learned"), rate=0.5)
    distiller.teacher.weighing.layer.logits.assign([0.3, -0.2])
    z, v = logits_of(members, x), np.array([0.3, -0.2])

    def loss(v):
        w = np.exp(v) / np.exp(v).sum()
        return cross_entropy_of(w[0] * z[0] + w[1] * z[1], y).mean()

    steps = np.eye(2) * 1e-6
    gradient = [(loss(v + h) - loss(v - h)) / 2e-6 for h in steps]
    before = one_step(distiller, x, y)
    found = np.asarray(distiller.teacher.weighing.layer.logits)
    np.testing.assert_allclose(found, v - 0.5 * np.array(gradient), rtol=1e-4)
    parts = before["hard_loss"] + before["kl_distillation"]
    assert before["loss"] == pytest.approx(parts + loss(v), rel=1e-5)
    # Sample weights count as in any loss of Keras.
    weight = np.zeros(len(x), "float32")
    one_step(distiller, x, y, sample_weight=weight)
    np.testing.assert_array_equal(distiller.teacher.weighing.layer.logits, found)


def test_learned_weights_find_the_better_teacher(images):
    x, _ = images
    members = {"good": cnn("good", seed=1), "bad": cnn("bad", seed=2)}
    for model in members.values():
        model.layers[-1].kernel.assign(20 * model.layers[-1].kernel)
    y = np.argmax(members["good"](x), -1)
    teacher = EnsembleTeacher(members, weights="learned")
    distiller = learning(teacher)
    distiller.compile(keras.optimizers.Adam(0.1), cross_entropy(), run_eagerly=True)
    assert teacher.learned_weights == {"good": 0.5, "bad": 0.5}
    for _ in range(15):
        one_step(distiller, x, y)
    assert teacher.learned_weights["good"] > 0.8
    assert sum(teacher.learned_weights.values()) == pytest.approx(1.0)


def test_learned_weights_are_saved_and_go_on(members, images, tmp_path):
    def adam(distiller):
        distiller.compile(keras.optimizers.Adam(0.1), cross_entropy(), run_eagerly=True)
        return distiller

    distiller = adam(learning(EnsembleTeacher(members, weights="learned")))
    one_step(distiller, *images)
    distiller.save(tmp_path / "d.keras")
    teacher = EnsembleTeacher(members, weights="learned")
    loaded = Distiller.load(tmp_path / "d.keras", teacher)
    assert loaded.teacher is teacher
    assert teacher.learned_weights == distiller.teacher.learned_weights
    assert one_step(loaded, *images) == one_step(distiller, *images)
    assert teacher.learned_weights == distiller.teacher.learned_weights


def test_learned_weights_want_labels(members, images):
    teacher = EnsembleTeacher(members, weights="learned")
    distiller = learning(teacher, hard_loss_weight=0.0)
    with pytest.raises(ValueError, match="weights='learned'\\) needs labels"):
        one_step(distiller, images[0])


def test_without_a_term_learned_weights_rest(members, images):
    teacher = EnsembleTeacher(members, weights="learned")
    logs = one_step(learning(teacher, terms=[], rate=0.5), *images)
    assert logs["loss"] == pytest.approx(logs["hard_loss"])
    assert teacher.learned_weights == {"wide": 0.5, "deep": 0.5}


def test_weights_by_labels_in_fit_and_evaluate(members, images):
    teacher = EnsembleTeacher(members, "losses", "correctness")
    distiller = Distiller(teacher, cnn("s"), methods.hinton())
    distiller.compile("adam", cross_entropy(), metrics=[TeacherStudentKL()])
    distiller.fit(*images, batch_size=32, verbose=0)
    found = distiller.evaluate(*images, verbose=0, return_dict=True)
    assert found["teacher_student_kl"] > 0
    with pytest.raises(ValueError, match="needs labels, and the batch has none"):
        distiller.evaluate(images[0], verbose=0)
    assert not teacher.runs_ahead


class Follower(Teacher):
    """A teacher that lives by the student: it keeps, learns and follows."""

    name = "follower"

    def attach(self, student):
        self.kept = keras.layers.Dense(5, name="kept")
        self.kept.build((None, 5))
        self.steps = 0

    @property
    def layer(self):
        return self.kept

    def features(self, x, taps, student=None):
        return {"output": keras.ops.mean(x, axis=(1, 2))[:, :1] * tf.ones((1, 5))}

    def own_loss(self, features, labels, sample_weight):
        assert set(features) == {"output"}
        return sum(keras.ops.sum(weight) for weight in self.kept.weights)

    def after_step(self, student):
        self.steps += 1


def test_what_members_keep_learn_and_follow_is_passed_on(members, images):
    teacher = EnsembleTeacher({**members, "follower": Follower()}, weights="learned")
    distiller = learning(teacher, rate=0.1)
    follower = teacher.members["follower"]
    before = np.array(follower.kept.kernel)
    one_step(distiller, *images)
    np.testing.assert_allclose(follower.kept.kernel, before - 0.1, rtol=1e-5)
    assert follower.steps == 1
    names = {v.path for v in distiller.teacher_layer.weights}
    assert len(names) == len(distiller.teacher_layer.weights) == 3
    own = {id(v) for v in distiller.variables}
    assert {id(v) for v in teacher.layer.weights} <= own


@pytest.mark.parametrize("weights", [None, "correctness"])
def test_the_student_itself_may_be_a_member(weights, members, images):
    x, y = images
    student = cnn("s")
    teacher = EnsembleTeacher(
        {"wide": members["wide"], "self": SelfTeacher()}, weights=weights
    )
    terms = [
        DistillationTerm(KLDistillation(), name="kd"),
        DistillationTerm(Hint(), "body", "self/bn", name="hint", adapter=None),
    ]
    distiller = learning(teacher, student, terms)
    z = [np.asarray(members["wide"](x), "float64"), training_logits(student, x)]
    w = np.full((64, 2), 0.5)
    if weights:
        w = 1 - softmax(np.stack([cross_entropy_of(t, y) for t in z], -1))
    output = w[:, :1] * z[0] + w[:, 1:] * z[1]
    logs = one_step(distiller, x, y)
    assert logs["kd"] == pytest.approx(np.mean(kl(output, z[1], 4.0)), rel=1e-4)
    assert logs["hint"] > 0


def test_members_see_the_batch_at_their_own_resolution(images):
    x, _ = images
    inputs = keras.Input((4, 4, 1))
    flat = keras.layers.Flatten(name="flat")(inputs)
    small = keras.Model(inputs, keras.layers.Dense(5)(flat), name="small")
    members = {
        "small": FrozenTeacher(small, preprocess=lambda x: x[..., :1], size=4),
        "wide": cnn("wide"),
    }
    features = EnsembleTeacher(members)(x, ["small/flat", "wide/gap"])
    assert features["small/flat"].shape == (64, 16)
    mean = (features["small/output"] + features["wide/output"]) / 2
    np.testing.assert_allclose(features["output"], mean, atol=1e-6)
    Distiller(EnsembleTeacher(members), cnn("s"), methods.hinton())


def test_one_inside_another(members, images):
    x, y = images
    inner = EnsembleTeacher(members, weights="correctness")
    outer = EnsembleTeacher({"both": inner, "third": cnn("third", seed=3)})
    assert outer.uses_labels and outer.classes == 5
    features = outer(x, ["both/wide/gap"], labels=y)
    assert features["both/wide/gap"].shape == (64, 8)
    assert np.isfinite(one_step(learning(outer), x, y)["loss"])


def test_a_store_refuses_what_it_cannot_hold(members, images, tmp_path):
    x = images[0][:16]
    for options, needed in (
        ({"weights": "correctness"}, "the labels"),
        ({"combine": "losses"}, "each of its members"),
    ):
        with pytest.raises(ValueError, match=f"'ensemble' teaches by {needed}: label"):
            label(EnsembleTeacher(members, **options), x, tmp_path / "s", verbose=0)
    assert not (tmp_path / "s").exists()


def test_what_tells_ensembles_apart(members):
    from keras_kd.store.identity.fingerprints import of_teacher

    def told(**options):
        return of_teacher(EnsembleTeacher(members, **options))

    plain = told()
    order = {"wide": [1, 0, 2, 3, 4]}
    others = [
        told(weights="entropy"),
        told(weights="learned"),
        told(drop_worst=1),
        told(class_maps=order),
    ]
    assert all(plain != other for other in others)
    assert told(drop_worst=0) == plain
    learned = EnsembleTeacher(members, weights="learned")
    before = of_teacher(learned)
    learned.weighing.layer.logits.assign([1.0, 0.0])
    assert of_teacher(learned) != before
