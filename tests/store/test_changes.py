"""Whatever differs from a store is refused by its own name."""

import dataclasses

import numpy as np
import pytest

from keras_kd.store.data.examples import as_examples
from keras_kd.store.fields import Leaf, field_for
from keras_kd.store.identity.changes import refuse_changes, refuse_other
from keras_kd.store.identity.fingerprints import of_examples, of_function, of_teacher
from keras_kd.store.layout import Layout
from keras_kd.store.manifest import Manifest
from keras_kd.teachers import FrozenTeacher
from tests.models import cnn

X = np.random.default_rng(0).normal(size=(20, 8, 8, 3)).astype("float32")


def brighter(x, seed=None):
    return x + 1


def darker(x, seed=None):
    return x - 1


def manifest(
    data=X,
    model=(),
    preprocess=brighter,
    augment=None,
    taps=("output",),
    precision=None,
    top_k=3,
    temperature=1.0,
    views=2,
    range_rows=16,
    batch_size=8,
    seed=0,
    notes=None,
):
    teacher = FrozenTeacher(cnn("t", **dict(model)), preprocess=preprocess)
    tensor = np.zeros((1, 5), "float32")
    leaves = [
        Leaf(tap, (), field_for(tensor, precision, top_k, temperature), tap)
        for tap in taps
    ]
    return Manifest(
        Layout(len(data), views, range_rows),
        tuple(leaves),
        batch_size,
        seed,
        {
            "teacher": of_teacher(teacher),
            "data": of_examples(as_examples(data)),
            "augment": of_function(augment),
        },
        notes or {},
    )


CHANGES = [
    (
        {"model": {"seed": 1}},
        r"another teacher: its weights differ \(stored \w{8}…, received \w{8}…\)\.",
    ),
    ({"model": {"activation": "relu"}}, r"teacher: its architecture differs \(stored"),
    (
        {"preprocess": darker},
        r"another teacher: its preprocess code differs \(stored \w{8}…",
    ),
    (
        {"preprocess": None},
        r"teacher: its preprocess differs \(stored {.*received None",
    ),
    ({"data": X + 1}, r"targets of other data: its contents differ"),
    ({"data": X[:9]}, r"its number of examples differs \(stored 20, received 9\)"),
    ({"data": X.astype("float64")}, r"its shapes or types differ .*float64"),
    ({"augment": brighter}, r"another augmentation: stored None, received {'code'"),
    ({"taps": ("output", "body")}, r"the taps \['output'\] \(received .*'body'\]\)"),
    ({"taps": ("body",)}, r"has the taps \['output'\] \(received \['body'\]\)"),
    ({"precision": "float16"}, r"precision differs \(stored compact, received float16"),
    ({"top_k": 4}, r"its top_k differs \(stored 3, received 4\)"),
    ({"top_k": None}, r"precision differs \(stored compact, received float16\)"),
    ({"temperature": 4.0}, r"temperature differs \(stored 1.0, received 4.0\)"),
    ({"views": 3}, r"has views=2 \(received views=3\)"),
    ({"seed": 1}, r"has seed=0 \(received seed=1\)"),
    ({"batch_size": 9}, r"has batch_size=8 \(received batch_size=9\)"),
    ({"range_rows": 8}, r"has range_rows=16 \(received range_rows=8\)"),
]


@pytest.fixture(scope="module")
def stored():
    return manifest()


@pytest.mark.parametrize(("change", "said"), CHANGES, ids=lambda value: str(value)[:30])
def test_each_change_has_its_own_reason(stored, change, said):
    with pytest.raises(ValueError, match=said) as caught:
        refuse_changes(stored, manifest(**change), "/somewhere/targets")
    sentence = str(caught.value)
    assert sentence.startswith("The store 'targets' ")
    assert sentence.endswith("Label into another directory.")
    if set(change) != {"top_k"}:
        others = ("teacher", "data:", "augmentation", "taps", "views=", "seed=")
        assert sum(word in sentence for word in others) <= 1


def test_all_that_changed_is_said_at_once(stored):
    both = manifest(model={"seed": 1}, seed=4)
    with pytest.raises(ValueError, match="its weights differ .*; it has seed=0"):
        refuse_changes(stored, both)


def test_what_has_not_changed_is_let_through(stored):
    refuse_changes(stored, manifest(notes={"engine": "litert"}), "targets")
    refuse_changes(stored, manifest(data=X.copy()))


def test_a_store_that_was_read_is_as_it_was_wanted(stored, tmp_path):
    pair = {"size": (1, 2)}
    wanted = dataclasses.replace(stored, identities={"augment": pair})
    wanted.write(tmp_path)
    refuse_changes(Manifest.read(tmp_path), wanted)
    refuse_other(Manifest.read(tmp_path), {"augment": pair})


def test_training_with_other_data_or_augmentation_is_refused(stored):
    refuse_other(stored, {"data": of_examples(as_examples(X)), "augment": None})
    other = of_examples(as_examples(X * 2))
    with pytest.raises(
        ValueError, match=r"'targets' holds .* its contents differ .*Tr"
    ):
        refuse_other(stored, {"data": other}, "targets")
    with pytest.raises(ValueError, match="another augmentation"):
        refuse_other(stored, {"augment": of_function(brighter)})
