"""Published recipes: functions that return the terms of a method.

`Distiller(teacher, student, methods.hinton())` is all that a user writes.
"""

from keras_kd.methods.feature import fitnets
from keras_kd.methods.logit import hinton

__all__ = [
    "fitnets",
    "hinton",
]
