"""The parts of `leaderboard.py --regimes`; its figures come from running it."""

import dataclasses
import json

import pytest

from tests import leaderboard_parts

TOPICS = {
    "baselines",
    "data_free",
    "devices",
    "distance",
    "many_teachers",
    "online_and_self",
    "robust_and_lasting",
    "students",
}


@pytest.fixture(scope="module")
def parts():
    names = ("boards", "regimes.setting", "regimes.table")
    with leaderboard_parts.modules(*names) as found:
        yield found


@pytest.fixture(scope="module")
def board(parts):
    return leaderboard_parts.small(parts)


def test_each_topic_has_its_regimes(parts):
    found = parts["regimes.setting"].regimes().values()
    assert {one.topic for one in found} == TOPICS
    assert all(len(one.about) > 10 and one.name.islower() for one in found)


def test_a_table_is_written_and_runs_are_kept(parts, board, tmp_path, capsys):
    known = parts["regimes.setting"].regimes()
    calls = []

    def counted(setting):
        calls.append(setting.seed)
        return known["labels_only"].run(setting), {"seed {:.1f}": setting.seed}

    one = dataclasses.replace(known["labels_only"], run=counted)
    run = parts["regimes.table"].run_regimes
    for _ in range(2):
        found = run(board, [one], range(2), tmp_path, tmp_path / "out", "this")
    assert calls == [0, 1]
    (row,) = found["rows"]
    assert len(row["runs"]) == 2
    assert row["accuracy"] == pytest.approx(sum(row["runs"]) / 2)
    assert row["epochs"] == 1 and row["note"] == "seed 0.5"
    assert json.loads((tmp_path / "out/regimes.json").read_text()) == found
    assert "| `labels_only`:" in (tmp_path / "out/regimes.md").read_text()
