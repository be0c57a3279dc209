"""The lines and the bar that show how a labelling goes on."""

import io
import itertools

import pytest

from keras_kd.store.labelling import progress as module
from keras_kd.store.labelling.progress import Progress, duration, size_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Half a second passes from one look to the next."""
    ticks = itertools.count(0.0, 0.5)
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(ticks))


def told(rows=1000, step=50, kept=0, stream=None, verbose=1):
    stream = stream or io.StringIO()
    progress = Progress(rows, kept, verbose, stream)
    for _ in range((rows - kept) // step):
        progress.add(step)
    return progress, stream.getvalue()


def test_about_ten_lines_and_the_first_rate(clock):
    progress, text = told()
    lines = text.splitlines()
    assert 5 <= len(lines) <= 12
    assert sum("the first batches:" in line for line in lines) == 1
    assert all("rows/s" in line and "left" in line for line in lines)
    assert lines[-1].startswith("    1,000 of 1,000 rows")
    assert progress.end()["rows"] == 1000


def test_what_was_kept_is_not_counted_into_the_rate(clock):
    progress, _ = told(kept=900)
    found = progress.end()
    assert found["rows"] == 100
    assert found["rows_per_second"] == pytest.approx(100 / found["seconds"])


def test_the_rate_begins_after_the_first_batch(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    progress = Progress(100, verbose=0)
    now[0] = 60.0  # the teacher was converted
    progress.add(10)
    assert progress.rate is None
    now[0] = 62.0
    progress.add(40)
    assert progress.rate == 20.0


def test_a_bar_in_a_terminal_is_drawn_over_and_taken_away(clock):
    progress, text = told(stream=Terminal())
    progress.end()
    assert "━━━" in text and "\n    1,000 of" not in text
    assert progress.stream.getvalue().endswith("\r\033[K")


def test_silence(clock):
    progress, text = told(verbose=0, stream=Terminal())
    progress.say("x")
    progress.end()
    assert progress.stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (35, "35 s"), (720, "12 min"), (12000, "3 h 20 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (812, "812 bytes"),
        (35_100, "35.1 kB"),
        (35.1e6, "35.1 MB"),
        (2e12, "2,000.0 GB"),
    ],
)
def test_sizes(count, text):
    assert size_of(count) == text
