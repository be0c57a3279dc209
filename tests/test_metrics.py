"""Agreement and TeacherStudentKL against NumPy."""

import keras
import numpy as np
import pytest

from keras_kd import Agreement, TeacherStudentKL

RNG = np.random.default_rng(0)
TEACHER, NOISE = RNG.normal(0.0, 2.0, (2, 6, 4)).astype("float32")
STUDENT = TEACHER + NOISE
TOKENS = RNG.normal(0.0, 2.0, (2, 3, 5, 4)).astype("float32")
WEIGHTS = np.array([0.0, 1.0, 2.0, 0.5, 1.0, 4.0], "float32")


def agreement(teacher, student):
    return (teacher.argmax(-1) == student.argmax(-1)).astype("float64")


def divergence(teacher, student, temperature=1.0):
    p, q = (np.exp(z.astype("float64") / temperature) for z in (teacher, student))
    p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    return temperature**2 * (p * np.log(p / q)).sum(-1)


METRICS = {
    "agreement": (Agreement, {}, agreement),
    "kl": (TeacherStudentKL, {}, divergence),
    "hot kl": (
        TeacherStudentKL,
        {"temperature": 3.0},
        lambda t, s: divergence(t, s, 3.0),
    ),
}
each_metric = pytest.mark.parametrize(
    "metric, arguments, expected", METRICS.values(), ids=METRICS
)


def result(metric, *inputs, **kwargs):
    metric.update_state(*inputs, **kwargs)
    return float(metric.result())


@each_metric
def test_the_mean_over_examples(metric, arguments, expected):
    values = expected(TEACHER, STUDENT)
    assert result(metric(**arguments), TEACHER, STUDENT) == pytest.approx(
        values.mean(), rel=1e-5
    )
    assert 0.1 < values.mean() and values.std() > 0.1


@each_metric
def test_batches_are_one_data_set(metric, arguments, expected):
    metric = metric(**arguments)
    metric.update_state(TEACHER[:4], STUDENT[:4])
    whole = result(metric, TEACHER[4:], STUDENT[4:])
    assert whole == pytest.approx(expected(TEACHER, STUDENT).mean(), rel=1e-5)
    metric.reset_state()
    assert result(metric, TEACHER, TEACHER) == pytest.approx(
        expected(TEACHER, TEACHER).mean(), abs=1e-6
    )


@each_metric
def test_sample_weights(metric, arguments, expected):
    weighted = np.average(expected(TEACHER, STUDENT), weights=WEIGHTS)
    value = result(metric(**arguments), TEACHER, STUDENT, sample_weight=WEIGHTS)
    assert value == pytest.approx(weighted, rel=1e-5)


@each_metric
def test_sequences(metric, arguments, expected):
    value = result(metric(**arguments), *TOKENS)
    assert value == pytest.approx(expected(*TOKENS).mean(), rel=1e-5)


@each_metric
def test_weights_of_examples_on_sequences(metric, arguments, expected):
    weights = WEIGHTS[:3]
    value = result(metric(**arguments), *TOKENS, sample_weight=weights)
    per_example = expected(*TOKENS).mean(axis=1)
    assert value == pytest.approx(np.average(per_example, weights=weights), rel=1e-5)


@each_metric
@pytest.mark.parametrize("how", ["weights", "keras mask"])
def test_padding_does_not_count(metric, arguments, expected, how):
    mask = np.arange(5) < np.array([[5], [2], [1]])
    teacher, student = (keras.ops.convert_to_tensor(x) for x in TOKENS)
    metric = metric(**arguments)
    if how == "weights":
        value = result(metric, teacher, student, sample_weight=mask.astype("float32"))
    else:
        student._keras_mask = keras.ops.convert_to_tensor(mask)
        value = result(metric, teacher, student)
    assert value == pytest.approx(expected(*TOKENS)[mask].mean(), rel=1e-5)


def test_agreement_of_a_single_logit_is_of_its_sign():
    teacher = np.array([[1.0], [-2.0], [3.0], [-0.5]])
    student = np.array([[9.0], [-0.1], [-3.0], [-4.0]])
    assert result(Agreement(), teacher, student) == pytest.approx(0.75)


@each_metric
def test_half_precision(metric, arguments, expected):
    teacher, student = (keras.ops.cast(x, "float16") for x in (TEACHER, STUDENT))
    rounded = (x.numpy() for x in (teacher, student))
    value = result(metric(**arguments), teacher, student)
    assert value == pytest.approx(expected(*rounded).mean(), rel=1e-4)


@each_metric
def test_a_metric_comes_back_from_its_config(metric, arguments, expected):
    made = metric(name="mine", output="output/boxes", **arguments)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(made)
    )
    assert type(again) is metric
    assert again.get_config() == made.get_config()
    assert (again.name, again.output) == ("mine", "output/boxes")
    assert result(again, TEACHER, STUDENT) == result(made, TEACHER, STUDENT)


@pytest.mark.parametrize("metric", [Agreement, TeacherStudentKL])
def test_defaults(metric):
    assert metric().output == "output"
    assert metric().name in ("agreement", "teacher_student_kl")


def test_a_temperature_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="`temperature` must be positive"):
        TeacherStudentKL(temperature=0.0)


def test_logits_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(6, 4\).*\(6, 3\)"):
        TeacherStudentKL()(TEACHER, STUDENT[:, :3])
