"""One registration name for everything that Keras serializes for us."""

from __future__ import annotations

import keras

PACKAGE = "keras_kd"

register = keras.saving.register_keras_serializable(package=PACKAGE)
"""Class decorator: `.keras` files name the class as `keras_kd>ClassName`."""
