"""What the tests share: small models, small data, one seed."""

import gc
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import pytest  # noqa: E402


def pytest_collection_finish():
    """What importing made stays: to look through it costs a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _fresh_session():
    """Every test starts from one seed, the float32 policy and no leftover graphs."""
    import keras  # not above: the process that deals out the tests runs none

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=False)


@pytest.fixture
def images():
    """64 small images and their labels."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8, 8, 3)).astype("float32")
    return x, rng.integers(0, 5, 64)
