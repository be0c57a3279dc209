"""Unlike networks: learned matching, attention, assistants, low features first."""

import keras
import numpy as np
import pytest

from keras_kd import Distiller, callbacks, methods, regimes
from keras_kd.losses import KLDistillation
from keras_kd.terms import DistillationTerm
from tests.models import cnn, cross_entropy


def transformer(name, width=6, seed=0):
    """Taps: tokens (after the patches), block (a class token and 4 more), head."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(width, 4, 4)(inputs)
    x = keras.layers.Reshape((4, width), name="tokens")(x)
    x = keras.layers.ZeroPadding1D((1, 0))(x)
    y = keras.layers.MultiHeadAttention(2, width // 2)(x, x)
    x = keras.layers.Add(name="block")([x, y])
    x = keras.layers.Lambda(lambda t: t[:, 0])(x)
    return keras.Model(inputs, keras.layers.Dense(5, name="head")(x), name=name)


CNN, VIT = ["c", "body", "gap"], ["tokens", "block", "head"]
PAIR = CNN[1:]


def semckd(student, teacher, **arguments):
    return methods.semckd(student, teacher, weight=4.0, **arguments)


def fused(student, teacher):
    taps = {tuple(student[:2]): teacher[1], student[2]: teacher[0]}
    return methods.attention_fusion(taps, hidden=8)


def distiller_of(terms, teacher, student, **more):
    distiller = Distiller(teacher, student, terms, hard_loss_weight=0.1)
    distiller.compile("adam", cross_entropy(), **{"jit_compile": False, **more})
    return distiller


@pytest.mark.parametrize("student_is", ["cnn", "transformer"])
def test_unlike_networks_come_closer(student_is, images):
    if student_is == "cnn":
        pair = transformer("t", seed=1), cnn("s")
        terms = semckd(PAIR, VIT[:2]) + fused(CNN, VIT)
    else:
        pair = cnn("t", 8, seed=1), transformer("s")
        terms = fused(VIT, CNN)
    distiller = distiller_of(terms, *pair)
    history = distiller.fit(*images, epochs=4, verbose=0).history
    for term in distiller.terms:
        assert history[term.name][-1] < history[term.name][0]


def test_the_terms_of_semckd_and_fusion():
    (term,) = methods.semckd(CNN, VIT)
    assert (term.name, float(term.weight), term.memory.units) == ("semckd", 400.0, 16)
    assert (term.memory.batch_size, term.memory.scale, term.adapter) == (
        None,
        1.0,
        None,
    )
    terms = fused(CNN, VIT)
    assert [t.name for t in terms] == ["hint_c_body", "hint_gap"]
    assert {t.loss.metric for t in terms} == {"cosine"}
    distiller_of(terms, transformer("t"), cnn("s"))
    assert terms[0].adapter.get_config()["positions"] == (5,)
    with pytest.raises(TypeError, match="`teacher` must be a list of taps. Received"):
        methods.semckd(CNN, "block")


def test_semckd_of_a_step_is_the_mean_over_student_layers(images):
    distiller = distiller_of(semckd(PAIR, VIT), transformer("t", seed=1), cnn("s"))
    x, y = images[0][:6], images[1][:6]
    (term,) = distiller.terms
    # By hand, from what the calibration gives: loops over examples and pairs.
    features = distiller._step(x, y)[1]
    student = distiller.student_features(x, training=False)
    sides = [
        [np.asarray(f[t]) for t in taps]
        for f, taps in ((features.teacher, VIT), (student, PAIR))
    ]
    targets, (*guesses, weights) = term.memory(*sides, training=False)
    values = []
    for n in range(len(x)):
        pairs = [
            np.mean(np.square(np.asarray(t[n], "float64") - np.asarray(g[n])))
            for t, g in zip(targets, guesses, strict=True)
        ]
        values.append(np.dot(np.asarray(weights[n]).ravel(), pairs) / len(PAIR))
    np.testing.assert_allclose(term(sides[1], sides[0]), np.mean(values), rtol=1e-5)


def test_what_was_matched_can_be_seen_and_is_saved(images, tmp_path):
    teacher = transformer("t", seed=1)
    distiller = distiller_of(
        semckd(PAIR, VIT[:2], scale=0.1), teacher, cnn("s"), run_eagerly=True
    )
    distiller.fit(*images, batch_size=64, verbose=0)
    found = regimes.layer_matching(distiller, images[0])
    assert (found.student, found.teacher) == (tuple(PAIR), tuple(VIT[:2]))
    np.testing.assert_allclose(found.weights.sum(-1), 1.0, rtol=1e-5)
    parts = [
        regimes.layer_matching(distiller, x).weights
        for x in (images[0][:32], images[0][32:])
    ]
    np.testing.assert_allclose(found.weights, np.mean(parts, axis=0), rtol=1e-4)
    assert set(found.strongest) == set(PAIR)
    assert found.strongest["body"] == VIT[int(found.weights[0].argmax())]
    assert str(found).splitlines()[0].split() == ["student", *VIT[:2]]
    assert f"{found.weights[0, 0]:.0%}" in str(found).splitlines()[1]

    distiller.save(tmp_path / "d.keras")
    again = Distiller.load(tmp_path / "d.keras", teacher)
    for was, weight in zip(distiller.weights, again.weights, strict=True):
        np.testing.assert_array_equal(was, weight)
    same = regimes.layer_matching(again, images[0]).weights
    np.testing.assert_allclose(same, found.weights, rtol=1e-6)


def test_matching_needs_its_term():
    distiller = distiller_of(methods.hinton(), cnn("t", 8, seed=1), cnn("s"))
    with pytest.raises(ValueError, match="must have a term of methods.semckd. Recei"):
        regimes.layer_matching(distiller, np.zeros((2, 8, 8, 3)))


def chain(images, dense, make_terms=None):
    students = [cnn("assistant", 6, seed=2), cnn("small", 3, seed=3)]
    taught = []

    def fit(distiller):
        distiller.compile(keras.optimizers.SGD(0.1), cross_entropy(), run_eagerly=True)
        taught.append(distiller)
        return distiller.fit(*images, batch_size=32, shuffle=False, verbose=0)

    def terms(teacher, student):
        return [DistillationTerm(KLDistillation(2.0), weight=3.0)]

    teacher = cnn("big", 12, seed=1)
    made = regimes.distill_chain(
        teacher, students, make_terms or terms, fit, dense, hard_loss_weight=0.5
    )
    return teacher, made, taught


def test_a_chain_is_its_trainings_one_after_the_other(images):
    teacher, made, taught = chain(images, dense=False)
    assert [link.teachers for link in made.links] == [("teacher",), ("assistant",)]
    assert made.student.name == "small" and made.assistants[0].name == "assistant"
    assert str(made).splitlines()[1].endswith("taught by assistant")
    assert [d.teacher.model.name for d in taught] == ["big", "assistant"]
    assert [float(d.hard_loss_weight) for d in taught] == [0.5, 0.5]

    latest = teacher
    for link, student in zip(
        made.links, [cnn("a", 6, seed=2), cnn("b", 3, seed=3)], strict=True
    ):
        alone = Distiller(
            latest, student, [DistillationTerm(KLDistillation(2.0), weight=3.0)], 0.5
        )
        alone.compile(keras.optimizers.SGD(0.1), cross_entropy(), run_eagerly=True)
        alone.fit(*images, batch_size=32, shuffle=False, verbose=0)
        for one, other in zip(student.weights, link.student.weights, strict=True):
            np.testing.assert_array_equal(one, other)
        latest = student
        assert link.trained.history["loss"]


def test_a_dense_chain_hears_all_that_came_before(images):
    teacher, made, taught = chain(images, dense=True)
    assert [link.teachers for link in made.links] == [
        ("teacher",),
        ("teacher", "assistant"),
    ]
    x, y = images[0][:8], images[1][:8]
    value = float(taught[1].weighted_losses(x, y)["kl_distillation"])

    def log_softmax(logits):
        logits = np.asarray(logits, "float64") / 2.0
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))

    small = log_softmax(made.student(x, training=True))
    each = []
    for model in (teacher, made.assistants[0]):
        p = log_softmax(model(x, training=False))
        each.append(4.0 * np.mean(np.sum(np.exp(p) * (p - small), axis=-1)))
    assert abs(each[0] - each[1]) > 1e-4
    assert value == pytest.approx(3.0 * np.mean(each), rel=1e-4)


def test_the_terms_of_a_chain_are_made_for_each_link(images):
    seen = []

    def make_terms(teacher, student):
        seen.append(student.name)
        return methods.fitnets({"body": "teacher/body"}) + methods.hinton()

    _, made, taught = chain(images, True, make_terms)
    assert seen == ["assistant", "small"]
    assert taught[0].terms[0] is not taught[1].terms[0]


@pytest.mark.parametrize(
    "students, message",
    [
        (lambda: [], "`students` must have at least one model. Received none."),
        (lambda: [cnn("a"), cnn("a")], "Students of a chain must have different names"),
        (lambda: [cnn("teacher")], "Students of a chain must have different names"),
        (lambda: [keras.Sequential([keras.layers.Dense(2)])], "not built"),
    ],
    ids=["none", "one name", "the teacher's name", "not built"],
)
def test_students_that_make_no_chain_are_refused(students, message):
    fit = lambda distiller: pytest.fail("must not train")  # noqa: E731
    with pytest.raises(ValueError, match=message):
        regimes.distill_chain(cnn("t", 8, seed=1), students(), lambda t, s: [], fit)


def test_a_chain_wants_functions():
    with pytest.raises(TypeError, match="`fit` must be callable or None. Received: f"):
        regimes.distill_chain(cnn("t", seed=1), [cnn("s")], lambda t, s: [], "fit")
    with pytest.raises(TypeError, match="`make_terms` must be a function. Received"):
        regimes.distill_chain(cnn("t", seed=1), [cnn("s")], None, lambda d: d)


def test_low_features_come_first_and_the_labels_last(images):
    low, high = (methods.attention_transfer({t: t}) for t in ("c", "body"))
    answers = methods.hinton()
    distiller = distiller_of(
        low + high + answers, cnn("t", 8, seed=1), cnn("s"), run_eagerly=True
    )
    stages = callbacks.low_to_high([low, high[0], "kl_distillation"], epochs=[2, 1])
    names = [low[0].name, high[0].name, "kl_distillation"]
    assert [list(s.terms) for s in stages.stages] == [names[:1], names[:2], names]
    assert [s.epochs for s in stages.stages] == [2, 1, None]
    assert [s.hard_loss for s in stages.stages] == [False, False, True]
    history = distiller.fit(
        *images, batch_size=64, epochs=5, verbose=0, callbacks=[stages]
    ).history
    assert history["stage"] == [0, 0, 1, 2, 2]
    on = [[not np.isnan(v) for v in history[name]] for name in names]
    assert on == [[True] * 5, [False] * 2 + [True] * 3, [False] * 3 + [True] * 2]

    alone = callbacks.low_to_high(names, epochs=1, keep=False, hard_loss=True)
    assert [list(s.terms) for s in alone.stages] == [[n] for n in names]
    assert all(s.hard_loss for s in alone.stages)


@pytest.mark.parametrize(
    "terms, epochs, message",
    [
        (["a"], 1, "`terms` must have two groups or more, from low to high."),
        (["a", "b"], [1, 2], "`epochs` must be an integer, or 1 of them"),
        (["a", []], 1, "`terms` must hold terms, their names, or lists of these."),
        (["a", "b"], 0, "`epochs` must be a positive integer. Received: epochs=0."),
    ],
)
def test_stages_that_cannot_be_are_refused(terms, epochs, message):
    with pytest.raises(ValueError, match=message):
        callbacks.low_to_high(terms, epochs)
