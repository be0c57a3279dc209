"""Each check: what it accepts, and the sentence it refuses with."""

import functools

import numpy as np
import pytest

from keras_kd import validation

at_least_2 = functools.partial(validation.number, minimum=2.0, inclusive=True)
above_2 = functools.partial(validation.number, minimum=2.0, inclusive=False)

ACCEPTED = [
    (validation.positive, 3, 3.0),
    (validation.positive, 1e-9, 1e-9),
    (validation.positive, np.float32(0.5), 0.5),
    (validation.positive, np.int64(4), 4.0),
    (validation.non_negative, 0, 0.0),
    (at_least_2, 2, 2.0),
    (above_2, 2.5, 2.5),
    (validation.positive_int, 3, 3),
    (validation.positive_int, np.int32(3), 3),
    (validation.size, 4, (4, 4)),
    (validation.size, np.int64(4), (4, 4)),
    (validation.size, [2, 3], (2, 3)),
    (validation.size, (2, np.int64(3)), (2, 3)),
    (validation.callable_or_none, None, None),
    (validation.callable_or_none, len, len),
    (functools.partial(validation.one_of, choices=["a", "b"]), "b", "b"),
]
NUMBER = "`x` must be positive. Received: x={!r}."
WHOLE = "`x` must be a positive integer. Received: x={!r}."
REFUSED = [
    *((validation.positive, x, NUMBER.format(x)) for x in (0, -1.5, "2", None, True)),
    *((validation.positive, x, NUMBER.format(x)) for x in (np.inf, np.nan, 1j, [1.0])),
    (
        validation.non_negative,
        -1,
        "`x` must be non-negative. Received: x=-1.",
    ),
    (at_least_2, 1, "`x` must be at least 2.0. Received: x=1."),
    (above_2, 2, "`x` must be more than 2.0. Received: x=2."),
    *(
        (validation.positive_int, x, WHOLE.format(x))
        for x in (0, -2, 2.0, "3", None, True, np.array([1, 2]))
    ),
    (
        validation.size,
        (1, 2, 3),
        "`x` must be an integer or a pair (height, width). Received: x=(1, 2, 3).",
    ),
    (
        validation.size,
        "44",
        "`x` must be an integer or a pair (height, width). Received: x='44'.",
    ),
    (validation.size, (4, 0), WHOLE.format(0)),
    (validation.size, True, WHOLE.format(True)),
    (
        functools.partial(validation.one_of, choices=("pool", "nearest")),
        "pol",
        "`x` must be one of ['pool', 'nearest']. Received: x='pol'. "
        "Did you mean 'pool'?",
    ),
    (
        functools.partial(validation.one_of, choices=iter(["pool"])),
        3,
        "`x` must be one of ['pool']. Received: x=3.",
    ),
]


@pytest.mark.parametrize("check, value, accepted", ACCEPTED)
def test_what_is_right_is_returned(check, value, accepted):
    returned = check("x", value)
    assert returned == accepted
    assert type(returned) is type(accepted)


@pytest.mark.parametrize("check, value, sentence", REFUSED)
def test_what_is_wrong_is_quoted(check, value, sentence):
    with pytest.raises(ValueError) as refusal:
        check("x", value)
    assert str(refusal.value) == sentence


def test_what_cannot_be_called():
    with pytest.raises(TypeError, match="`x` must be callable or None. Received: x=3"):
        validation.callable_or_none("x", 3)


def test_the_nearest_name():
    assert validation.did_you_mean("boddy", ["head", "body"]) == " Did you mean 'body'?"
    assert validation.did_you_mean("zzz", ["head", "body"]) == ""
    assert validation.did_you_mean(3, [1, 2]) == ""


def test_names_must_differ():
    validation.unique_names("Terms", ["a", "b"])
    with pytest.raises(ValueError) as refusal:
        validation.unique_names("Terms", ["a", "b", "a"])
    assert str(refusal.value) == (
        "Terms must have different names. Received 'a' more than once in "
        "['a', 'b', 'a']: pass `name=` to tell them apart."
    )


@pytest.mark.parametrize(
    "teacher, student, agree",
    [
        ((2, 3), (2, 3), True),
        ((None, 3), (2, 3), True),
        ((2, 3), [2, None], True),
        ((2, 3), (2, 4), False),
        ((2, 3), (2, 1), False),
        ((2, 3), (2, 3, 1), False),
        ((), (1,), False),
    ],
)
def test_shapes_agree_or_are_both_named(teacher, student, agree):
    if agree:
        validation.same_shape("hint", teacher, student)
        return
    with pytest.raises(ValueError) as refusal:
        validation.same_shape("hint", teacher, student)
    assert str(refusal.value) == (
        "hint compares tensors of one shape. Received: "
        f"teacher {teacher}, student {student}."
    )


def test_a_single_class_is_no_choice():
    validation.several_classes("kl_divergence", (None, 2))
    validation.several_classes("kl_divergence", (None, None))
    with pytest.raises(ValueError, match=r"two classes or more.* \(None, 1\)"):
        validation.several_classes("kl_divergence", (None, 1))


def test_a_long_listing_is_cut():
    assert validation.listing(["a", "b"]) == "['a', 'b']"
    assert validation.listing(range(5), most=3) == "[0, 1, 2] and 2 more"


def test_a_destination(tmp_path):
    path = tmp_path / "model.tflite"
    wanted = functools.partial(validation.destination, "path", suffix=".tflite")
    assert wanted(path, overwrite=False) == path
    assert wanted(str(path), overwrite=False) == path
    path.write_bytes(b"")
    assert wanted(path, overwrite=True) == path
    with pytest.raises(FileExistsError, match="`path` is there already: .*overwrite"):
        wanted(path, overwrite=False)
    folder = tmp_path / "folder.tflite"
    folder.mkdir()
    with pytest.raises(FileExistsError):
        wanted(folder, overwrite=True)
    with pytest.raises(ValueError, match="`path` must end in '.tflite'. Received"):
        wanted(tmp_path / "model.onnx", overwrite=True)
    with pytest.raises(TypeError, match="`path` must be a path. Received: path=3"):
        wanted(3, overwrite=True)
