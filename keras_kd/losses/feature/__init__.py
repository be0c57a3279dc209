"""What a teacher sees on the way: losses over features."""

from keras_kd.losses.feature.hints import Hint, hint

__all__ = ["Hint", "hint"]
