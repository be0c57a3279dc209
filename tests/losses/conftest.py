"""What the tests of losses share."""

import pytest

from keras_kd.losses.logit import chunks


@pytest.fixture
def large(monkeypatch):
    """A function after which every number of classes is a large one."""

    def make():
        monkeypatch.setattr(chunks, "CHUNKED_FROM", 2)
        monkeypatch.setattr(chunks, "SLICES", 4)

    return make
