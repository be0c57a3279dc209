"""The parts of `benchmarks/stored_teacher.py`; its figures come from running it."""

import copy
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
OWN = ("stored_teacher", "phone", "timing")
NAMES = ("accuracy", "epochs", "memory", "picture", "reading", "table", "workers")
ENGINES = ("keras.distillation", "tensorflow", "litert", "onnx", "auto")


@pytest.fixture(scope="module")
def parts():
    """The benchmark's modules by name, and no trace of them afterwards."""
    path, loaded = [*sys.path], set(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    found = {name: importlib.import_module(f"stored_teacher.{name}") for name in NAMES}
    place = BENCHMARKS / "stored_teacher.py"
    spec = importlib.util.spec_from_file_location("stored_teacher_script", place)
    found["script"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found["script"])
    yield found
    sys.path[:] = path
    for name in set(sys.modules) - loaded:
        if name.partition(".")[0] in OWN:
            del sys.modules[name]


@pytest.fixture
def figures(parts):
    """Figures as the parts give them, all goals kept."""

    def ratio(median):
        return {"median": median, "low": median - 0.01, "high": median + 0.01}

    def both(**values):
        ratios = {name: ratio(value) for name, value in values.items()}
        return {"cpu": ratios, "wall": copy.deepcopy(ratios)}

    thirty, records = parts["epochs"].THIRTY, parts["reading"].RECORDS
    seconds = {"student.fit": 1.0, "keras.distillation": 6.0, "live": 5.0}
    seconds |= {"label": 4.0, "stored": 1.0, "stored, augmented": 1.1}
    epochs = {"stored": 1.0, "stored, augmented": 1.1, "live": 5.0, thirty: 0.19}
    row = {"undecoded": 300, "bytes": 544, "ours": 90, "raw": 100, "ratio": ratio(0.9)}
    peaks = {rows: {"anonymous": 300, "mapped": 50} for rows in ("10", "100")}
    full, compact = parts["accuracy"].FULL, parts["accuracy"].COMPACT
    return {
        "live": {
            "r": ratio(5.0),
            **both(**{name: 0.85 for name in ENGINES}),
            "engine of auto": "litert",
        },
        "labelling": {
            **both(tensorflow=1.0, litert=0.8, int8=0.5),
            "start": {"cpu": {"litert": 0.5, "int8": 2.0}},
            "agreement of int8": 0.99,
        },
        "reading": {
            "count": 10,
            "rows": {name: copy.deepcopy(row) for name in records},
            "memory": {"peak": peaks, "ratio": 1.0},
        },
        "epochs": {
            "examples": 1280,
            "weights apart": 0.0,
            "seconds": {"cpu": seconds, "wall": seconds},
            **both(**epochs),
        },
        "accuracy": {
            "classes": 1000,
            "seeds": 5,
            "teacher": 0.7,
            "students": {
                full: {"bytes": 4000, "accuracy": 0.62, "sd": 0.003},
                compact: {"bytes": 22, "accuracy": 0.619, "sd": 0.003},
                "no teacher": {"bytes": None, "accuracy": 0.5, "sd": 0.004},
            },
            "mass": 0.98,
            "lost": {full: 0.0, compact: 0.33},
        },
        "workers": {
            "rows a second": {"1": 500, "2": 950},
            "gain": 1.9,
            "cores": 2,
            "allowed": 2.0,
            "of what was allowed": 0.95,
        },
    }


class TestGoals:
    def test_each_goal_has_its_figure(self, parts, figures):
        rows = parts["table"].reached(figures)
        assert len(rows) == len(parts["table"].GOALS)
        assert [row["goal"] for row in rows if row["kept"] is not True] == []
        assert json.loads(json.dumps(rows)) == rows

    @pytest.mark.parametrize("direction", [1, -1])
    def test_each_goal_can_be_missed_on_its_own_side(self, parts, figures, direction):
        table = parts["table"]
        for sign, limit, path in table.GOALS.values():
            changed = copy.deepcopy(figures)
            *outer, last = path.split("/")
            place = table.figure(changed, "/".join(outer))
            value = limit + 0.001 * direction
            kept = (direction < 0) == (sign == table.MOST)
            if isinstance(place[last], dict):
                place[last]["median"] = value
            else:
                place[last] = value
            missed = [row for row in table.reached(changed) if row["kept"] is False]
            assert len(missed) == (not kept), path
            assert ("**missed**" in table.markdown(changed, "")) == (not kept)

    def test_what_was_not_measured_is_not_kept(self, parts, figures):
        table = parts["table"]
        del figures["live"]
        rows = {row["goal"]: row["kept"] for row in table.reached(figures)}
        assert rows["a live step : student.fit + teacher.predict"] is None
        assert list(rows.values()).count(None) == 1
        text = table.markdown(figures, "A machine.")
        assert "not measured" in text and "A live step" not in text
        assert {row["kept"] for row in table.reached({})} == {None}

    def test_wall_clock_time_stands_beside_cpu_time(self, parts, figures):
        figures["labelling"]["wall"]["int8"]["median"] = 0.43
        text = parts["table"].markdown(figures, "")
        line = "| labelling, int8 : teacher.predict | ≤ 0.5 | 0.5 (0.49–0.51) | 0.43"
        assert line in text


def test_a_run_of_one_part_keeps_the_others(parts, figures, tmp_path, monkeypatch):
    script = parts["script"]
    monkeypatch.setattr(
        script,
        "chosen",
        lambda names, fast: {name: lambda name=name: figures[name] for name in names},
    )
    for names in (["workers", "labelling"], ["live"]):
        found = script.main(["--out", str(tmp_path), "--parts", *names])
    told = json.loads((tmp_path / "stored_teacher.json").read_text())
    assert list(told["parts"]) == ["live", "labelling", "workers"]
    assert told["parts"] == found and told["versions"]["keras"]
    assert (tmp_path / "stored_teacher.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit):
        script.main(["--parts", "lables"])


def test_a_short_look_leaves_the_results_alone(parts, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parts["script"], "chosen", lambda names, fast: {})
    seen = []
    monkeypatch.setattr(parts["script"], "earlier", lambda folder: seen.append(folder))
    for arguments in (["--fast"], []):
        parts["script"].main(arguments)
    assert seen == [Path("build/stored_teacher"), BENCHMARKS / "results"]


def test_every_part_can_be_chosen(parts):
    script = parts["script"]
    assert list(script.chosen(list(script.PARTS), True)) == list(script.PARTS)
    assert set(script.PARTS) == set(parts["table"].SECTIONS)


def test_the_picture_is_drawn(parts, figures, tmp_path):
    figures["epochs"]["seconds"]["cpu"]["stored"] = 9.0  # it is never paid for
    figures["workers"]["of what was allowed"] = 0.1  # far off the scale
    for number, shown in enumerate((figures, {})):
        path = tmp_path / f"{number}.png"
        parts["picture"].draw(shown, path)
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_store_is_paid_for_once_its_epochs_have_saved_its_cost(parts):
    crossing = parts["picture"].crossing
    assert crossing(once=8.0, each=1.0, live=5.0) == 2.0
    assert crossing(once=8.0, each=5.0, live=5.0) is None


def test_the_bare_gather_reads_every_row_once(parts, tmp_path):
    rows = 600
    values = np.arange(2 * rows, dtype="float16").reshape(rows, 2)
    np.save(tmp_path / "output.values.npy", values)
    x = np.arange(rows, dtype="float32")
    dataset = parts["reading"].gathered(tmp_path, (x, x.astype("int64")))
    orders = []
    for _ in range(2):
        batches = [[t.numpy() for t in batch] for batch in dataset]
        seen, _, read = (np.concatenate(part) for part in zip(*batches, strict=True))
        np.testing.assert_array_equal(values[seen.astype(int)], read)
        assert sorted(seen) == x.tolist() and seen.tolist() != x.tolist()
        orders.append(seen.tolist())
    assert orders[0] != orders[1]


def test_both_read_the_same_store(parts, tmp_path):
    reading = parts["reading"]
    store, (x, y) = reading.written(tmp_path / "a", 300, 1000, top_k=10)
    assert store.manifest.row_bytes == 22
    bare = sum(len(batch[0]) for batch in reading.gathered(store.folder, (x, y)))
    ours = sum(len(x) for x, _ in store.dataset((x, y), batch_size=reading.BATCH))
    assert bare == ours == 300


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells it")
def test_memory_of_ones_own_is_told_from_files(parts, tmp_path):
    memory = parts["memory"]
    before, peak = memory.now(), memory.Peak()
    peak.start()
    own = np.ones(32 << 20, "uint8")
    peak.look()
    after = peak.stop()
    assert 20 < after["anonymous"] - before["anonymous"] < 60
    del own
    np.save(tmp_path / "file.npy", np.ones(32 << 20, "uint8"))
    before = memory.now()
    mapped = np.load(tmp_path / "file.npy", mmap_mode="r")
    assert mapped.sum() == 32 << 20
    after = memory.now()
    assert after["mapped"] - before["mapped"] > 20
    assert after["anonymous"] - before["anonymous"] < 20


def test_the_start_of_workers_does_not_count(parts, monkeypatch):
    workers = parts["workers"]

    class Teacher:
        def save(self, path):
            path.write_bytes(b"")

    class Task:
        repeats, teacher = 9, Teacher()
        x, y = np.zeros((10, 2)), np.zeros(10)

    def labelled(folder, rows, count, turn):
        assert len(np.load(folder / f"{rows}.npz")["x"]) == rows
        return 30.0 + rows / (100.0 * int(count) ** 0.5)

    monkeypatch.setattr(workers, "labelled", labelled)
    monkeypatch.setattr(workers, "batches_a_second", lambda folder, n, s: 3.0 * n**0.75)
    found = workers.workers(Task())
    assert found["rows a second"] == {"1": 100, "2": 141}
    assert found["gain"] == pytest.approx(2**0.5)
    assert found["allowed"] == pytest.approx(2**0.75)
    assert found["of what was allowed"] == pytest.approx(2**-0.25)
    assert workers.cores() >= 1 and str(workers.cores()) in workers.machine()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux has it")
def test_one_worker_has_one_core(parts):
    workers = parts["workers"]
    every = workers.cores()
    with workers.on_cores(1):
        code = "import os; print(len(os.sched_getaffinity(0)))"
        told = subprocess.check_output([sys.executable, "-c", code])
        assert workers.cores() == int(told) == 1
    assert workers.cores() == every


def test_what_is_lost_is_told_in_deviations_of_a_seed(parts):
    lost = parts["accuracy"].lost
    one, full = {"accuracy": 0.5, "sd": 0.03}, {"accuracy": 0.6, "sd": 0.04}
    assert lost(one, full) == pytest.approx(0.1 / (0.0025 / 2) ** 0.5)
    assert lost(full, one) == -lost(one, full)
    still, better = {"accuracy": 0.5, "sd": 0.0}, {"accuracy": 0.6, "sd": 0.0}
    assert lost(still, still) == 0.0
    assert lost(still, better) > 1e6 and lost(better, still) < -1e6


def test_the_top_classes_hold_their_share(parts):
    class Teacher:
        def predict(self, x, **options):
            return x

    logits = np.full((3, 1000), -50.0)
    logits[:, :20] = np.log(0.05)
    assert parts["accuracy"].mass(Teacher(), logits, 1.0) == pytest.approx(0.5)
