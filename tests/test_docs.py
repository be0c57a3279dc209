"""docs/losses.md says all that a reader needs of every loss, and is up to date."""

import inspect
import re

import pytest

import keras_kd
from docs import catalogue, docstrings, generate, leaderboard
from keras_kd import layers, losses

PAGE = generate.PAGE.read_text(encoding="utf-8")
each_loss = pytest.mark.parametrize("name", sorted(catalogue.classes()))
RESULTS = {
    "command": "python benchmarks/leaderboard.py",
    "by_loss": {"KLDistillation": ["hinton", "broken"]},
    "by_method": {
        "hinton": {
            "data": "cifar10",
            "pair": "resnet_resnet",
            "accuracy": 0.71,
            "sd": 0.004,
            "n": 3,
            "gap_closed": 0.314,
            "no_teacher": 0.69,
            "teacher": 0.75,
        },
        "broken": {"data": "digits", "pair": "cnn_cnn", "accuracy": None},
    },
}


@each_loss
def test_a_loss_says_what_it_computes_and_when_to_use_it(name):
    text = docstrings.read(getattr(losses, name))
    assert text.summary.endswith(".")
    assert text.formula, f"{name}'s docstring has no section `Formula:`"
    assert text.when_to_use, f"{name}'s docstring has no section `When to use:`"
    # Keras's own losses have references of their own.
    assert text.reference or name == "KerasLoss", f"{name} has no `Reference:`"


@each_loss
def test_a_loss_has_its_family(name):
    assert name in catalogue.in_family(catalogue.family_of(name))


def test_the_page_is_what_generate_writes():
    assert generate.written() == PAGE, "run `make docs`"


def test_the_page_names_everything():
    public = {
        name for name in losses.__all__ if inspect.isfunction(getattr(losses, name))
    }
    public |= {f"methods.{name}" for name in catalogue.public_methods()}
    public |= set(layers.__all__) | set(catalogue.classes())
    assert {name for name in public if not re.search(rf"`{name}\b", PAGE)} == set()


def test_its_links_lead_somewhere():
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    anchors = [catalogue.anchor(heading) for heading in headings]
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE)) <= set(anchors)


def test_a_docstring_is_read_section_by_section():
    text = docstrings.read(
        type(
            "Loss",
            (),
            {
                "__doc__": """One line.

    Formula:

        a
          + b

    When to use:
        Now
        and then.

    A remark.

    Example:

    ```python
    Formula: 1
    ```

    Reference:
        Somebody. 2020.
        """
            },
        )
    )
    assert text.formula == "a\n  + b"
    assert text.when_to_use == ["Now and then."]
    assert (text.summary, text.notes) == ("One line.", ["A remark."])
    assert text.reference == ["Somebody. 2020."]


def test_figures_of_the_leaderboard():
    assert RESULTS["command"] in generate.page(RESULTS)
    line = leaderboard.figures("KLDistillation", ["hinton"], RESULTS)
    assert line == (
        "`hinton` on CIFAR-10, ResNet → ResNet: 71.0 ± 0.4 % "
        "(n = 3; no teacher 69.0; teacher 75.0), gap closed 31 %; `broken` failed"
    )
    for loss, results in (("Hint", RESULTS), ("Hint", None)):
        assert leaderboard.figures(loss, ["fitnets"], results) == leaderboard.NOT_RUN


def test_the_calls_of_the_regimes_page_are_there():
    """Each `students.slim(` or `EnsembleTeacher(` names something public."""
    page = (generate.PAGE.parent / "regimes.md").read_text(encoding="utf-8")
    code = " ".join(re.findall(r"`([^`]+)`", page) + re.findall(r"```.*?```", page))
    modules = "callbacks|data_free|layers|methods|regimes|replicas|robust|students"
    names = re.findall(rf"\b((?:{modules})\.\w+)", code)
    names += re.findall(r"\b([A-Z]\w+)\(", code)
    missing = []
    for name in names:
        module, _, inner = name.rpartition(".")
        owners = [getattr(keras_kd, module) if module else keras_kd]
        if not module:  # short for what stands in one of the modules
            owners += [getattr(keras_kd, part) for part in modules.split("|")]
        if not any(hasattr(owner, inner) for owner in owners):
            missing.append(name)
    assert len(names) > 20 and not missing
