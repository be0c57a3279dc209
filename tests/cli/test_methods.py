"""`keras-kd distill --method`: every recipe that taps and numbers make, by name."""

import pytest

from keras_kd import cli, methods
from keras_kd.cli import arguments
from keras_kd.cli.terms import chosen_terms, recipes
from tests.cli.words import distill, report_in

TAP = ("--tap", "body=body")


def terms(*more):
    parsed = arguments.parser().parse_args(distill("x", *more))
    return chosen_terms(parsed)


def test_soft_targets_unless_told_otherwise():
    (term,) = terms("--temperature", "2", "--weight", "0.5")
    assert term.name == "kl_distillation"
    assert (float(term.loss.temperature), float(term.weight)) == (2.0, 0.5)


def test_methods_join_in_the_order_typed():
    typed = ("--method", "dist:temperature=4", "--method", "cwd:weight=3", *TAP)
    first, second = terms(*typed, "--hint", "body=body")[:2]
    assert (first.name, second.name) == ("dist", "channel_wise_body")
    assert float(first.loss.temperature) == 4.0
    assert float(second.weight) == 3.0


def test_every_recipe_of_taps_and_numbers_is_there():
    names = set(recipes())
    assert {"hinton", "dist", "fitnets", "review", "rkd", "info_nce"} <= names
    assert names <= set(methods.__all__)
    # These want a model, the number of examples, or taps of another form.
    assert not names & {"overhaul", "crd", "simkd", "fsp", "minilm", "tinybert"}
    for name in names:
        assert terms("--method", name, *TAP), name


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (("--method", "dits"), "Did you mean 'dist'?"),
        (("--method", "crd"), "`--method` must be one of"),
        (("--method", "dist:temp=4"), "`--method dist: option` must be one of"),
        (("--method", "review"), "pass --tap STUDENT_TAP=TEACHER_TAP"),
        (("--method", "dist:beta=-1"), "`beta` must be non-negative"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(typed, sentence, call, folder):
    code, printed, said = call(*distill("x", *typed))
    assert (code, printed) == (2, "")
    assert sentence in said and said.count("\n") == 1
    assert not (folder / "x").exists()


@pytest.mark.parametrize("typed", ["dist:temperature", "dist:temperature=four"])
def test_an_option_is_a_number(typed, capsys):
    with pytest.raises(SystemExit):
        cli.main(distill("x", "--method", typed))
    assert "NAME:KEY=NUMBER" in capsys.readouterr().err


def test_a_run_with_a_relation(call, tmp_path):
    more = ("--method", "similarity_preserving:weight=10", *TAP, "--no-baseline")
    code, _, said = call(*distill(tmp_path / "out", *more, "--recipes", "none"))
    assert code == 0, said
    report = report_in(tmp_path / "out")
    assert "similarity_preserving_body" in report["history"]["student"]
