"""The contracts' helpers, replaced by those of the backend; TensorFlow's results."""

import pickle

import pytest

from tests.backends import backend
from tests.backends.run import REFERENCE
from tests.contracts import test_loss_contract, test_loss_mask


@pytest.fixture(autouse=True)
def _on_this_backend(monkeypatch):
    for module in (test_loss_contract, test_loss_mask):
        monkeypatch.setattr(module, "values_of", backend.values_of)
        monkeypatch.setattr(module, "gradient_of", backend.gradient_of)
    with backend.without_gradient():
        yield


@pytest.fixture(scope="session")
def reference():
    """What `reference.py` computed, by kind and row."""
    return pickle.loads(REFERENCE.read_bytes())
