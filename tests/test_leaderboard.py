"""The parts of `benchmarks/leaderboard.py`; its figures come from running it."""

import dataclasses
import json

import pytest

from keras_kd import methods
from tests import leaderboard_parts


@pytest.fixture(scope="module")
def parts():
    names = ("boards", "entries", "publish", "records", "running", "sweep", "table")
    with leaderboard_parts.modules(*names) as found:
        yield found


@pytest.fixture(scope="module")
def board(parts):
    return leaderboard_parts.small(parts)


def test_every_method_has_an_entry_or_a_reason(parts):
    entries = parts["entries"]
    known = set(entries.ENTRIES) - {entries.NO_TEACHER}
    assert not known & set(entries.LEFT_OUT)
    public = {name for name in methods.__all__ if name[0].islower()}
    assert known | set(entries.LEFT_OUT) == public
    assert all(len(reason) > 10 for reason in entries.LEFT_OUT.values())


@pytest.mark.parametrize("pair", ["resnet_resnet", "vit_vit"])
def test_every_entry_fits_the_networks(parts, pair, tmp_path):
    board = parts["boards"].BOARDS[f"digits-{pair}"]
    records, left = parts["records"].Records(tmp_path, board), set()
    taps = {layer.name for layer in records.setting.teacher.layers} | {"output"}
    for entry in parts["entries"].candidates(with_kd=True, balanced=True):
        if not entry.suits(*board.kinds):
            left.add(entry.name)
            continue
        settings = records.settings(entry)
        assert bool(settings["terms"]) == (entry.name != "no_teacher")
        assert json.dumps(settings)
        for term in settings["terms"]:
            named = term["taps"][1]
            named = [named] if isinstance(named, str) else named
            assert {tap.partition("@")[0] for tap in named} <= taps, entry.name
    assert ("minilm" in left) == (pair == "resnet_resnet")


def test_a_run_is_done_once_and_again_when_a_setting_changes(
    parts, board, tmp_path, monkeypatch, capsys
):
    make, sweep = parts["records"].Records, parts["sweep"]
    trained = []
    original = parts["running"]._fit

    def counted(model, *args, **kwargs):
        trained.append(model.name)
        return original(model, *args, **kwargs)

    monkeypatch.setattr(parts["running"], "_fit", counted)
    entries = parts["entries"].candidates(["hinton"])
    forever = sweep.Budget(None)
    records = make(tmp_path, board)
    assert sweep.sweep([records], entries, range(1), forever) == 2
    assert trained == ["teacher", "student", "distiller"]
    assert sweep.sweep([make(tmp_path, board)], entries, range(1), forever) == 0
    assert len(trained) == 3

    # Another weight of the method, then another budget: other runs, same teacher.
    heavier = dataclasses.replace(entries[1], arguments={"weight": 0.5})
    assert not records.done(heavier, 0)
    longer = dataclasses.replace(
        board, learning=dataclasses.replace(board.learning, rate=0.01)
    )
    again = make(tmp_path, longer)
    assert records.done(entries[1], 0) and not again.done(entries[1], 0)
    assert again.teacher.path == records.teacher.path

    found = parts["publish"].publish(
        [records], [board], entries, 2, "a command", tmp_path / "out"
    )
    (table,) = found["boards"]
    assert {row["method"] for row in table["rows"]} == {"no_teacher", "hinton"}
    assert table["missing"] == ["no_teacher (seeds 1)", "hinton (seeds 1)"]
    assert found["by_loss"] == {"KLDistillation": ["hinton"]}
    assert found["by_method"]["hinton"]["n"] == 1
    assert (tmp_path / "out" / "leaderboard.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "out" / "leaderboard.json").read_text())["boards"]
    assert "1*" in (tmp_path / "out" / "leaderboard.md").read_text()
    assert "hinton" in capsys.readouterr().out


def test_means_deviations_and_gap(parts, board, tmp_path):
    records = parts["records"].Records(tmp_path, board)
    entries = parts["entries"].candidates(["hinton"])
    figures = {"diverged": False, "cpu_seconds": 2.0, "parameters": 5}
    for entry, right, milliseconds in zip(entries, (0.6, 0.7), (2.0, 5.0), strict=True):
        for seed, more in enumerate((-0.01, 0.0, 0.01)):
            made = {"seed": seed, "accuracy": right + more, "step_ms": milliseconds}
            records.run(
                entry, seed, lambda made=made: {**figures, "learned_with": 6, **made}
            )
    found = parts["table"].board_of(records, 0.8, entries, 3)
    best, plain = found["rows"]
    assert not found["missing"]
    assert (best["method"], best["accuracy"], best["sd"]) == ("hinton", 0.7, 0.01)
    assert (best["n"], best["gap_closed"], best["seconds_ratio"]) == (3, 0.5, 2.5)
    assert (plain["method"], plain["gap_closed"]) == ("no_teacher", 0.0)
    weak = parts["table"].board_of(records, 0.5, entries, 3)
    assert weak["rows"][0]["gap_closed"] is None


def test_a_budget_that_is_spent_starts_nothing(parts, board, tmp_path):
    records = parts["records"].Records(tmp_path, board)
    entries = parts["entries"].candidates([])
    spent = parts["sweep"].Budget(0)
    assert parts["sweep"].sweep([records], entries, range(1), spent) == 0
    assert not list(records.runs.path.glob("*_0.json"))


def test_a_name_that_is_no_method(parts):
    with pytest.raises(ValueError, match="'hintn' is not in the leaderboard"):
        parts["entries"].candidates(["hintn"])
