"""Labels and teacher features, packed into `y` and taken out again."""

import re

import numpy as np
import pytest

from keras_kd import pack_targets, unpack_targets
from keras_kd.targets import index_of

LABELS, LOGITS = np.arange(3), np.ones((3, 5))
FEATURES = {"output": LOGITS, "block_2": np.zeros((3, 4, 4, 2))}


@pytest.mark.parametrize("labels", [LABELS, {"a": LABELS, "b": LABELS}, [LABELS] * 2])
@pytest.mark.parametrize("teacher", [LOGITS, FEATURES], ids=["output", "features"])
def test_what_is_packed_comes_out(labels, teacher):
    y = pack_targets(labels, teacher)
    assert set(y) == {"labels", "teacher"}
    unpacked, features = unpack_targets(y)
    assert unpacked is labels
    assert features == (teacher if teacher is FEATURES else {"output": LOGITS})


def test_without_labels():
    y = pack_targets(None, FEATURES)
    assert set(y) == {"teacher"}
    assert unpack_targets(y) == (None, FEATURES)


def test_an_output_alone_stored_by_hand():
    labels, features = unpack_targets({"labels": LABELS, "teacher": LOGITS})
    assert labels is LABELS
    assert set(features) == {"output"} and features["output"] is LOGITS


@pytest.mark.parametrize(
    "y",
    [
        LABELS,
        None,
        [LABELS, LABELS],
        {"boxes": LABELS, "classes": LABELS},
        {"labels": LABELS},
        {"labels": LABELS, "teacher": LOGITS, "third": LABELS},
        {"index": LABELS, "value": LABELS},
    ],
    ids=str,
)
def test_plain_labels_stay_as_they_are(y):
    labels, features = unpack_targets(y)
    assert labels is y
    assert features is None
    assert index_of(y) is None


@pytest.mark.parametrize("teacher", [None, LOGITS], ids=["live", "stored"])
@pytest.mark.parametrize("labels", [None, LABELS], ids=["unlabelled", "labelled"])
def test_the_examples_numbers_travel_along(labels, teacher):
    index = np.arange(3) + 10
    y = pack_targets(labels, teacher, index)
    assert index_of(y) is index
    unpacked, features = unpack_targets(y)
    assert unpacked is labels
    assert (features is None) is (teacher is None)


def test_nothing_to_pack():
    with pytest.raises(ValueError, match=re.escape("Received neither")):
        pack_targets(LABELS)
