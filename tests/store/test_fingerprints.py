"""What tells one teacher, dataset or function from another, in every process."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_kd.store.data.examples import as_examples
from keras_kd.store.fields import TopK
from keras_kd.store.identity import fingerprints
from keras_kd.store.identity.fingerprints import of_examples, of_function, of_teacher
from keras_kd.teachers import EnsembleTeacher, FrozenTeacher, SelfTeacher, Teacher
from tests.models import Subclassed, cnn

RATE = 0.5


def scaled(x):
    return x * RATE


def brighter(x, seed=1):
    """A note."""
    return scaled(x) + seed  # another note


def mean(outputs):
    return outputs[0]


def adding(number):
    def add(x):
        return x + number

    return add


class Shift:
    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        return x + self.by


class Named:
    def identity(self):
        return {"shift": (1, 2)}


def pixels(dtype="float32"):
    return np.random.default_rng(0).normal(size=(20, 8, 8, 3)).astype(dtype)


def with_lambda():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Lambda(lambda x: x * 2),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )


def everything():
    """One of each, as JSON: asked here and in another process."""
    body = keras.Sequential([keras.layers.RandomFlip(seed=3)])
    subclassed = Subclassed()
    subclassed(pixels()[:1])
    for weight in subclassed.weights:
        weight.assign(keras.ops.ones_like(weight))
    frozen = FrozenTeacher(cnn("wide"), preprocess=brighter, size=16)
    members = {"a": frozen, "b": with_lambda()}
    functions = {
        "named": brighter, "partial": functools.partial(brighter, seed=3),
        "closure": adding(3), "object": Shift(2), "lambda": lambda x: {x, "a", "b"},
        "layer": body, "identity": Named(), "library": np.flip, "none": None,
        "method": Shift(3).__call__, "set": Shift({"x", "y", "z"}),
    }  # fmt: skip
    return {
        "ensemble": of_teacher(EnsembleTeacher(members, mean, {"a": 2.0})),
        "subclassed": of_teacher(FrozenTeacher(subclassed)),
        "data": of_examples(as_examples({"a": pixels(), "b": pixels("uint8")})),
        "functions": {name: of_function(f) for name, f in functions.items()},
        "bits": TopK((9,), 3)
        .encode(pixels()[:, 0, :3].reshape(20, 9))["bits"]
        .tolist(),
    }


def test_another_process_finds_the_same():
    """Which has made other layers before, and has another seed for its hashes."""
    code = (
        "import json, keras\n"
        "[keras.layers.Dense(1) for _ in range(3)]\n"
        "from tests.store.test_fingerprints import everything\n"
        "print(json.dumps(everything(), sort_keys=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    here = everything()
    assert json.loads(done.stdout.splitlines()[-1]) == here
    assert " at 0x" not in done.stdout


def test_names_that_keras_numbers_do_not_count():
    assert of_teacher(FrozenTeacher(with_lambda())) == of_teacher(
        FrozenTeacher(with_lambda())
    )
    assert of_teacher(FrozenTeacher(cnn("a"))) == of_teacher(FrozenTeacher(cnn("b")))


def test_a_model_that_was_saved_loaded_and_frozen_is_the_same(tmp_path):
    inputs = keras.Input((8, 8, 3))
    body = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    model = keras.Model(inputs, keras.layers.Dense(2)(body(inputs)))
    for one in (cnn("t"), model):
        plain = of_teacher(FrozenTeacher(one))
        one.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        loaded.trainable = False
        loaded.compile("sgd", "mse")
        assert of_teacher(FrozenTeacher(loaded)) == plain


def differing(old, new):
    """The keys in which two dicts differ."""
    assert old.keys() == new.keys()
    return {key for key in old if old[key] != new[key]}


def test_each_part_of_a_teacher_counts():
    plain = of_teacher(FrozenTeacher(cnn("t")))

    def told(model=None, **options):
        return differing(plain, of_teacher(FrozenTeacher(model or cnn("t"), **options)))

    assert told() == set()
    assert told(cnn("t", seed=1)) == {"weights"}
    assert told(cnn("t", width=5)) == {"weights", "architecture"}
    assert told(cnn("t", activation="relu")) == {"architecture"}
    assert told(size=16) == {"size"}
    assert told(preprocess=brighter) == {"preprocess"}
    assert told(from_probabilities=True) == {"from_probabilities"}
    statistics = cnn("t")
    moving = statistics.get_layer("bn").moving_mean
    moving.assign(moving + 1e-7)
    assert told(statistics) == {"weights"}


def test_the_engine_does_not_count_but_its_precision_does():
    teacher = FrozenTeacher(cnn("t"))
    plain = of_teacher(teacher)
    teacher.engine = "litert"
    assert of_teacher(teacher) == plain
    teacher.precision = "int8"
    assert differing(plain, of_teacher(teacher)) == {"precision"}


def test_each_part_of_an_ensemble_counts():
    def told(seed=0, **options):
        members = {"a": cnn("a"), "b": cnn("b", seed=seed)}
        return of_teacher(EnsembleTeacher(members, **options))

    plain = told()
    assert differing(plain, told()) == set()
    assert differing(plain, told(seed=1)) == {"members"}
    assert differing(plain, told(combine="probabilities")) == {"combine"}
    assert differing(plain, told(combine=mean)) == {"combine"}
    assert differing(plain, told(weights={"a": 3})) == {"shares"}
    assert differing(plain, told(weights={"a": 1, "b": 1})) == set()


def test_other_teachers_are_known_by_class_models_and_identity():
    class Mine(Teacher):
        def __init__(self, by, seed=0):
            self.by, self.models_ = by, (cnn("m", seed=seed),)

        models = property(lambda self: self.models_)

        def features(self, x, taps, student):
            return {"output": self.models_[0](x)}

        def identity(self):
            return {"by": self.by}

    plain = of_teacher(Mine(1))
    assert differing(plain, of_teacher(Mine(2))) == {"identity"}
    assert differing(plain, of_teacher(Mine(1, seed=1))) == {"models"}
    assert of_teacher(SelfTeacher()) == {"class": "SelfTeacher", "models": []}


def test_a_subclassed_model_is_known_by_its_code():
    one, other = (type("M", (kind,), {}) for kind in (Subclassed, OtherSubclassed))
    told = [fingerprints.of_architecture(kind()) for kind in (one, other)]
    assert told[0] != told[1]


class OtherSubclassed(Subclassed):
    def call(self, x, training=None):
        return self.head(self.pool(self.body(x) * 2))


def test_data_is_known_by_what_the_teacher_sees():
    x, y = pixels(), np.arange(20)
    plain = of_examples(as_examples((x, y)))
    assert of_examples(as_examples(x)) == plain  # labels are for the student
    assert of_examples(as_examples((x, y + 1))) == plain
    changed = x.copy()
    changed[13, 5, 2, 1] = np.nextafter(changed[13, 5, 2, 1], np.float32(9))
    assert differing(plain, of_examples(as_examples(changed))) == {"sha256"}
    assert differing(plain, of_examples(as_examples(x[::-1]))) == {"sha256"}
    fewer = of_examples(as_examples(x[:19]))
    assert differing(plain, fewer) == {"count", "sha256"}
    doubles = of_examples(as_examples(x.astype("float64")))
    assert differing(plain, doubles) == {"spec", "sha256"}
    flat = of_examples(as_examples(x.reshape(20, -1)))
    assert differing(plain, flat) == {"spec"}


def test_of_much_data_a_sample_is_read(monkeypatch):
    monkeypatch.setattr(fingerprints, "READ_WHOLE", 1000)
    monkeypatch.setattr(fingerprints, "SAMPLED_ROWS", 100)
    x = np.arange(5000, dtype="float32").reshape(1000, 5)
    plain = of_examples(as_examples(x))
    assert 80 < plain["sample"] <= 102
    assert of_examples(as_examples(x.copy())) == plain
    for row in (0, 999):
        changed = x.copy()
        changed[row] += 1
        assert of_examples(as_examples(changed)) != plain
    noticed = 0
    for row in range(1, 999, 10):
        changed = x.copy()
        changed[row] += 1
        noticed += of_examples(as_examples(changed)) != plain
    assert 2 < noticed < 30


def written(folder, source, name="f"):
    """The function of a file."""
    path = folder / f"module_{len(list(folder.iterdir()))}.py"
    path.write_text(source)
    space = {"__name__": path.stem}
    exec(compile(source, str(path), "exec"), space)
    return space[name]


def test_comments_and_docstrings_do_not_count_but_code_does(tmp_path):
    plain = of_function(written(tmp_path, "def f(x):\n    return x + 1\n"))
    noted = 'def f(x):\n    """Adds."""\n    # one\n    return (x+1)\n'
    assert of_function(written(tmp_path, noted)) == plain
    other = "def f(x):\n    return x + 2\n"
    assert of_function(written(tmp_path, other)) != plain


@pytest.mark.parametrize(
    "other",
    [
        "RATE = 3\ndef g(x): return x\ndef f(x, y=1): return g(x) * RATE",
        "RATE = 2\ndef g(x): return -x\ndef f(x, y=1): return g(x) * RATE",
        "RATE = 2\ndef g(x): return x\ndef f(x, y=2): return g(x) * RATE",
        "RATE = 2\ndef g(x): return x\ndef f(x, *, y=1): return g(x) * RATE",
        "RATE = 2\ndef g(x): return x\nf = lambda x, y=1: g(x) * RATE + 1",
    ],
)
def test_what_a_function_takes_from_elsewhere_counts(tmp_path, other):
    source = "RATE = 2\ndef g(x): return x\ndef f(x, y=1): return g(x) * RATE"
    plain = of_function(written(tmp_path, source))
    assert of_function(written(tmp_path, source)) == plain
    assert of_function(written(tmp_path, source + "\nOTHER = 3")) == plain
    assert of_function(written(tmp_path, other)) != plain


def test_closures_partials_objects_and_layers_are_told_apart():
    groups = [
        [adding(1), adding(2), adding(np.zeros(3)), adding(np.ones(3))],
        [functools.partial(brighter, seed=n) for n in (1, 2)],
        [Shift(1), Shift(2), Shift([1]), Shift(None)],
        [keras.layers.RandomFlip(seed=1), keras.layers.RandomFlip(seed=2)],
        [lambda x: x + 1, lambda x: x + 2, lambda x: -x],
        [np.flip, np.sort, scaled, None, Named()],
    ]
    told = [json.dumps(of_function(one)) for group in groups for one in group]
    assert len(set(told)) == len(told)


def test_what_is_long_is_told_by_its_digest():
    one, other = ([*range(5000), last] for last in (1, 2))
    told = [of_function(adding(numbers)) for numbers in (one, other)]
    assert told[0] != told[1]
    assert len(json.dumps(told[0])) < 400


def test_what_holds_itself_is_told():
    shift = Shift(1)
    shift.by = {"me": shift}
    assert of_function(shift)["attributes"]["by"]["me"] == {"again": "Shift"}

    def factorial(n):
        return n * factorial(n - 1) if n else 1

    assert json.dumps(of_function(factorial))
