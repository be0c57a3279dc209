"""The TensorFlow Model Optimization Toolkit, imported without traces."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

LEGACY = "TF_USE_LEGACY_KERAS"


@functools.cache
def load() -> Any:
    """Import TFMOT; the process stays as it was.

    By itself the import sets `TF_USE_LEGACY_KERAS=1` for the process and all that it
    starts, and may turn `tf.keras` into Keras 2 for everybody. Here `tf.keras` is
    looked up first and the variable put back.

    Returns:
        The module `tensorflow_model_optimization`.

    Raises:
        ImportError: If TFMOT or tf_keras is not installed.

    Example:

    ```python
    tfmot = load()
    tfmot.sparsity.keras.ConstantSparsity(0.5, begin_step=0)
    ```
    """
    import tensorflow as tf

    getattr(tf.keras, "__version__", None)
    before = os.environ.get(LEGACY)
    try:
        with quiet():
            import tensorflow_model_optimization
    except ImportError as error:
        raise ImportError(
            "TFMOT could not be imported. Install it with "
            f"pip install 'keras-kd[tfmot]'. It said: {error}"
        ) from error
    finally:
        if before is None:
            os.environ.pop(LEGACY, None)
        else:
            os.environ[LEGACY] = before
    return tensorflow_model_optimization


def load_tf_keras() -> Any:
    """Import tf_keras, the Keras 2 that TFMOT works on.

    Raises:
        ImportError: If it is not installed.
    """
    load()
    with quiet():
        import tf_keras
    return tf_keras


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep to itself what TFMOT and tf_keras warn of: their own old calls."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
