"""Files appear whole and together; noise appears only with an error."""

import os
import warnings

import pytest

from keras_kd.export.files import companion
from keras_kd.export.quiet import quiet
from keras_kd.files import written_together


def test_files_appear_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "a.tflite"
    with written_together() as write:
        temporary = write(path, b"a")
        write(companion(path, "report"), b"r")
        assert temporary.read_bytes() == b"a" and not path.exists()
    assert {p.name for p in path.parent.iterdir()} == {"a.tflite", "a.report.json"}


def test_nothing_is_left_and_nothing_replaced_on_failure(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), written_together() as write:
        write(path, b"new")
        write(companion(path, "report"), b"r")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a.tflite"]
    assert path.read_bytes() == b"old"


def test_quiet_drops_what_is_said_while_all_is_well(capfd):
    with quiet(), quiet():
        os.write(2, b"chatter\n")
        warnings.warn("chatter", UserWarning, stacklevel=1)
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_quiet_shows_what_was_said_before_an_error(capfd):
    with pytest.raises(RuntimeError), quiet():
        os.write(2, b"the reason\n")
        raise RuntimeError
    assert "the reason" in capfd.readouterr().err
