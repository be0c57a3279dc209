"""A store labelled through Ray Data, whose worker is killed on the way."""

import importlib.util
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from keras_kd.workflow import LabelJob, label_with_ray
from tests.store.labelled import contents, images, network


def test_without_ray_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-kd\[ray\]'"):
        label_with_ray(LabelJob("t.keras", "digits", "out"))


def parents(process):
    """The processes above one, from /proc."""
    while process > 1:
        try:
            text = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            return
        process = int(text.rpartition(")")[2].split()[1])
        yield process


def actors():
    """The processes of this test's Ray that label ranges."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        process = int(path.parent.name)
        if b"RangeLabeller" in line and os.getpid() in parents(process):
            found.append(process)
    return found


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra `ray`"
)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_killed_actor_costs_only_its_range(tmp_path):
    network().save(tmp_path / "teacher.keras")
    np.savez(tmp_path / "bare.npz", x=images(80))
    paths = [str(tmp_path / name) for name in ("teacher.keras", "bare.npz")]
    wanted = {"batch_size": 2, "range_rows": 2, "flip": True}
    one, two = (LabelJob(*paths, str(tmp_path / n), **wanted) for n in ("one", "two"))
    one.run(verbose=0)
    killed = []

    def kill():
        while not list((tmp_path / "two" / "done").glob("*.json")):
            time.sleep(0.01)
        killed.extend(actors())
        for process in killed:
            os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    store = label_with_ray(two, workers=1, verbose=0)
    killer.join()
    assert len(killed) == 1 and store.rows == 80
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
